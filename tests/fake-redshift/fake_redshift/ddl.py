"""CREATE TABLE, CREATE TABLE AS and DROP TABLE.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html and r_CREATE_TABLE_AS.html. Distribution, sorting and
encodings are checked and kept for later rules; PostgreSQL never sees them. Keys are declared, not enforced.
"""

import psycopg.types.json

from . import catalog, names, views
from .definition import Attributes, column, constraint, table_attributes
from .errors import SqlError, syntax_error
from .result import Result
from .scan import Scan, split
from .tokens import render

# https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html
COLUMNS_MAX = 1600


def create_table(session, scan, temporary):
    """CREATE [TEMP] TABLE, from behind these words."""
    unless_exists = scan.accept("IF", "NOT", "EXISTS")
    path = scan.path()
    names.new_name(path[-1])
    columns = scan.group() if scan.mark() == "(" else None
    attributes = Attributes()
    table_attributes(scan, attributes)
    if scan.accept("AS"):
        if unless_exists:
            raise syntax_error("CREATE TABLE IF NOT EXISTS ... AS")
        return _create_as(session, path, columns, attributes, scan.rest(), temporary)
    scan.end()
    if columns is None:
        raise scan.unexpected()
    return _create(session, path, columns, attributes, temporary, unless_exists)


def _create(session, path, tokens, attributes, temporary, unless_exists):
    definitions, parents = [], []
    for piece in split(tokens):
        part = Scan(piece)
        if part.accept("LIKE"):
            parents.append(_like(session, part))
        elif part.word() in ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"):
            constraint(part, attributes)
        else:
            definitions.append(column(part, attributes))
    if not parents:
        attributes.check({definition.name: definition.type for definition in definitions})
    if len(definitions) > COLUMNS_MAX:
        raise SqlError(f"tables can have at most {COLUMNS_MAX} columns, not {len(definitions)}", "54011")
    for definition in definitions:
        session.engine.need_domain(definition.type)
    body = ", ".join([*parents, *(definition.sql(session) for definition in definitions)])
    name = catalog.sql_path(session, path)
    with session.atomic():
        if unless_exists and _exists(session, path, temporary):
            return Result("CREATE TABLE", notice=f'Relation "{catalog.shown(path)}" already exists and will be skipped')
        with _rebound(session, path, temporary):
            result = session.query(f"CREATE {'TEMP ' if temporary else ''}TABLE {name} ({body})")
        keep(session, path, attributes, {d.name: d.encoding for d in definitions if d.encoding})
    return result


def _exists(session, path, temporary):
    """Whether CREATE would find the name taken: a temporary table is no obstacle for a permanent one."""
    name = session.engine.names.short(path[-1].name)
    if temporary:
        schema = "pg_my_temp_schema()"
        return session.rows(f"SELECT 1 FROM pg_class WHERE relname = %s AND relnamespace = {schema}", name)
    space = session.engine.names.short(path[-2].name) if len(path) > 1 else None
    return session.rows(
        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relname = %s AND n.nspname = COALESCE(%s, current_schema())",
        name, space,
    )  # fmt: skip


def _rebound(session, path, temporary):
    return views.rebound(session, [] if temporary else [session.engine.names.short(path[-1].name)])


def _like(session, scan):
    parent = catalog.sql_path(session, scan.path())
    defaults = " INCLUDING DEFAULTS" if scan.accept("INCLUDING", "DEFAULTS") else ""
    scan.accept("EXCLUDING", "DEFAULTS")
    scan.end()
    return f"LIKE {parent}{defaults}"


def _create_as(session, path, columns, attributes, query, temporary):
    name = catalog.sql_path(session, path)
    given = f"({render(session.rewrite(columns))})" if columns is not None else ""
    for token in columns or []:
        if token.name:
            names.new_name(token)
    attributes.check(None)
    text = render(session.rewrite(query))
    with session.atomic():
        with _rebound(session, path, temporary):
            result = session.query(f"CREATE {'TEMP ' if temporary else ''}TABLE {name}{given} AS {text}")
        made = catalog.columns(session, catalog.require(session, path))
        attributes.check({c.name: c.type for c in made})
        keep(session, path, attributes, {})
    return result


def keep(session, path, attributes, encodings):
    """Remembers what PostgreSQL does not."""
    session.rows(
        "INSERT INTO redshift_table_attributes VALUES (%s::oid, %s, %s, %s, %s, %s) RETURNING 1",
        catalog.require(session, path), attributes.diststyle or "AUTO", attributes.distkey, attributes.sortkey,
        psycopg.types.json.Jsonb(encodings), attributes.keys,
    )  # fmt: skip


def drop(session, scan, kind):
    """DROP TABLE or DROP VIEW, from behind these words."""
    if_exists = scan.accept("IF", "EXISTS")
    paths = [scan.path()]
    while scan.accept_mark(","):
        paths.append(scan.path())
    how = " CASCADE" if scan.accept("CASCADE") else ""
    scan.accept("RESTRICT")
    scan.end()
    with session.atomic():
        for path in paths:
            if kind == "VIEW" and views.drop(session, path):
                continue
            with views.rebound(session, [session.engine.names.short(path[-1].name)]):
                condition = "IF EXISTS " if if_exists else ""
                session.query(f"DROP {kind} {condition}{catalog.sql_path(session, path)}{how}")
    return Result(f"DROP {kind}")
