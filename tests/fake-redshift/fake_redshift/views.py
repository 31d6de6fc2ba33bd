"""Views, above all those WITH NO SCHEMA BINDING, which find their tables by name whenever they are asked.

PostgreSQL's views are bound to tables for good. So the definitions of late-binding ones are kept, and around each DDL
statement on a table that one mentions it is dropped and made again if that can be: until then it does not exist in
PostgreSQL. https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html
"""

import contextlib

from . import catalog, names, refuse
from .errors import SqlError
from .result import Result
from .tokens import render

_BINDING = ["WITH", "NO", "SCHEMA", "BINDING"]


def create(session, scan, replace):
    """CREATE [OR REPLACE] VIEW, from behind that word."""
    path = scan.path()
    names.new_name(path[-1])
    columns = scan.group() if scan.mark() == "(" else None
    scan.expect("AS")
    query = scan.rest()
    late = [token.word for token in query[-4:]] == _BINDING
    query = query[:-4] if late else query
    refuse.reserved_names(query)
    body = render(session.rewrite(query))
    # With its schema: a late-binding view is made again in sessions with other search paths.
    head = ".".join(catalog.quoted(part).text for part in _key(session, path))
    if columns:
        head += "(" + render(session.rewrite(columns)) + ")"
    if late:
        _require_qualified(query)
        return _create_late(session, path, f"{head} AS {body}", _mentions(session, query), replace)
    with session.atomic():
        if session.rows("SELECT 1 FROM redshift_late_views WHERE (view_schema, view_name) = (%s, %s)", *_key(session, path)):
            _forget(session, path)
        return _create_bound(session, path, f"{head} AS {body}", replace)


def _create_bound(session, path, definition, replace):
    before = catalog.find(session, path, "v") if replace else None
    old = catalog.columns(session, before) if before else None
    result = session.query(f"CREATE {'OR REPLACE ' if replace else ''}VIEW {definition}")
    if old is not None and old != catalog.columns(session, before):
        raise SqlError("cannot change the columns of a view: replace it with the same names and types, or drop it", "42P16")
    return result


def _key(session, path):
    """Schema and name of a view, as they are in PostgreSQL."""
    short = session.engine.names.short
    schema = short(path[-2].name) if len(path) > 1 else session.rows("SELECT current_schema()")[0][0]
    return schema, short(path[-1].name)


def _mentions(session, query):
    return sorted({session.engine.names.short(token.name) for token in query if token.name})


def _require_qualified(query):
    """Tables in a late-binding view have a schema: the manual asks for it."""
    common = {query[n].name for n, t in enumerate(query[:-2]) if query[n + 1].word == "AS" and query[n + 2].text == "("}
    for index, token in enumerate(query):
        if token.word not in ("FROM", "JOIN") or index + 1 >= len(query):
            continue
        # EXTRACT(part FROM x), SUBSTRING(x FROM n) and TRIM(x FROM y) name no table.
        if token.word == "FROM" and _in_call(query, index):
            continue
        table = query[index + 1]
        after = query[index + 2].text if index + 2 < len(query) else ""
        if table.name and after != "." and table.name not in common:
            raise SqlError(
                "All the relation names inside should be qualified when creating views with no schema binding.", "42601"
            )


def _in_call(query, index):
    depth = 0
    for at in range(index - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(query[at].text, 0)
        if depth < 0:
            return query[at - 1].word in ("EXTRACT", "SUBSTRING", "TRIM") if at else False
    return False


def _create_late(session, path, definition, mentions, replace):
    with session.atomic():
        schema, name = _key(session, path)
        exists = session.rows("SELECT 1 FROM redshift_late_views WHERE (view_schema, view_name) = (%s, %s)", schema, name)
        if (exists or catalog.find(session, path, "v")) and not replace:
            raise SqlError(f'relation "{path[-1].name}" already exists', "42P07")
        if catalog.find(session, path):
            raise SqlError(f'"{path[-1].name}" is not a view', "42809")
        with rebound(session, [name]):
            session.query(f"DROP VIEW IF EXISTS {catalog.sql_path(session, path)} CASCADE")
            session.rows(
                "INSERT INTO redshift_late_views VALUES (%s, %s, %s, %s) ON CONFLICT (view_schema, view_name) DO UPDATE "
                "SET definition = EXCLUDED.definition, mentions = EXCLUDED.mentions RETURNING 1",
                schema, name, definition, [name, *mentions],
            )  # fmt: skip
    return Result("CREATE VIEW")


def _forget(session, path):
    """Removes a late-binding view."""
    schema, name = _key(session, path)
    session.rows("DELETE FROM redshift_late_views WHERE (view_schema, view_name) = (%s, %s) RETURNING 1", schema, name)
    session.query(f"DROP VIEW IF EXISTS {catalog.sql_path(session, path)} CASCADE")


def drop(session, path):
    """Whether this was a late-binding view; then it is gone."""
    key = _key(session, path)
    if not session.rows("SELECT 1 FROM redshift_late_views WHERE (view_schema, view_name) = (%s, %s)", *key):
        return False
    with session.atomic(), rebound(session, [key[1]]):
        _forget(session, path)
    return True


def _affected(session, names_):
    """The late-binding views that mention one of the names, and those that mention such views."""
    known = session.rows("SELECT view_schema, view_name, mentions FROM redshift_late_views")
    touched, found = set(names_), set()
    while True:
        more = {(schema, name) for schema, name, mentions in known if touched & set(mentions)} - found
        if not more:
            return found
        found |= more
        touched |= {name for _, name in more}


@contextlib.contextmanager
def rebound(session, names_):
    """Around DDL on what has one of these names in PostgreSQL: the views that mention it find it by name afterwards."""
    affected = _affected(session, names_)
    for schema, name in sorted(affected):
        _keep_rights(session, schema, name)
    for schema, name in sorted(affected):
        session.query(f"DROP VIEW IF EXISTS {_quoted(schema, name)} CASCADE")
    yield
    _bind(session, _affected(session, names_) | affected)


def _quoted(schema, name):
    return f"{catalog.quoted(schema).text}.{catalog.quoted(name).text}"


def _keep_rights(session, schema, name):
    """Writes down who may do what with a view that is about to be dropped: to Redshift it stays the same view."""
    session.rows(
        "UPDATE redshift_late_views v SET rights = ARRAY(SELECT e.privilege_type || ' ON ' || %s || ' TO ' || "
        "CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END "
        "FROM aclexplode(c.relacl) e WHERE e.grantee <> c.relowner) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = v.view_schema AND c.relname = v.view_name AND (v.view_schema, v.view_name) = (%s, %s) RETURNING 1",
        _quoted(schema, name), schema, name,
    )  # fmt: skip


def _bind(session, wanted):
    """Makes the views that can be made, however they stand on each other."""
    wanted, progress = sorted(wanted), True
    while wanted and progress:
        progress = False
        for schema, name in list(wanted):
            found = session.rows(
                "SELECT definition, rights FROM redshift_late_views WHERE (view_schema, view_name) = (%s, %s)", schema, name
            )
            session.query("SAVEPOINT late_view")
            try:
                for definition, rights in found:
                    session.query(f"CREATE VIEW {definition}")
                    for right in rights:
                        session.query(f"GRANT {right}")
            except SqlError:
                session.query("ROLLBACK TO SAVEPOINT late_view")
                continue
            session.query("RELEASE SAVEPOINT late_view")
            wanted.remove((schema, name))
            progress = True
