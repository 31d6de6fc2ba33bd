"""What the catalog says about a table."""

import dataclasses

from . import types
from .errors import SqlError
from .tokens import quoted

_COLUMNS = """
    SELECT a.attname, t.typname, t.typtype, format_type(a.atttypid, NULL), a.atttypmod, a.attnotnull,
        d.adbin IS NOT NULL
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = %s::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


@dataclasses.dataclass(frozen=True)
class TableColumn:
    """`key` is the name in PostgreSQL, `name` the one in Redshift."""

    key: str
    name: str
    type: types.Type
    not_null: bool
    has_default: bool


def sql_path(session, path):
    """A name as PostgreSQL knows it, from the tokens of its parts. A database's name in front must be ours."""
    if len(path) == 3:
        if path[0].name != session.engine.settings.database:
            raise SqlError(f'cross-database reference to "{path[0].name}" is not allowed here', "0A000")
        path = path[1:]
    if len(path) > 2:
        raise SqlError("improper qualified name (too many dotted names)", "42601")
    return ".".join(quoted(session.engine.names.short(part.name)).text for part in path)


def shown(path):
    return ".".join(part.name for part in path)


def find(session, path, kinds="rp"):
    """The table's number in PostgreSQL, or None. `kinds` are relkinds of pg_class."""
    found = session.rows(
        "SELECT c.oid::bigint FROM pg_class c WHERE c.oid = to_regclass(%s) AND c.relkind::text = ANY(%s)",
        sql_path(session, path), list(kinds),
    )  # fmt: skip
    return found[0][0] if found else None


def require(session, path, kinds="rp"):
    """The table's number; raises if there is no such table."""
    oid = find(session, path, kinds)
    if oid is None:
        raise SqlError(f'relation "{shown(path)}" does not exist', "42P01")
    return oid


def columns(session, oid):
    """The table's columns, in order."""
    restore = session.engine.names.restore
    return [
        TableColumn(key, restore(key), _type(name, kind, shown_type, modifier), not_null, default)
        for key, name, kind, shown_type, modifier, not_null, default in session.rows(_COLUMNS, oid)
    ]


def _type(name, kind, shown_type, modifier):
    if kind == "d":
        return types.of_domain(name)
    if name == "jsonb":
        return types.Type("super")
    if name == "text":
        return types.Type("character varying", types.VARCHAR_BYTES_MAX)
    if name in ("varchar", "bpchar"):
        whole = types.VARCHAR_BYTES_MAX if name == "varchar" else types.CHAR_BYTES_MAX
        kind = "character varying" if name == "varchar" else "character"
        return types.Type(kind, modifier - 4 if modifier > 4 else whole)
    if name == "numeric" and modifier > 4:
        return types.Type("numeric", precision=(modifier - 4) >> 16 & 0xFFFF, scale=modifier - 4 & 0xFFFF)
    return types.Type(shown_type)


def attributes(session, oid):
    """What CREATE TABLE said that PostgreSQL does not know: (distkey, sort columns, encodings, declared keys)."""
    found = session.rows(
        "SELECT distkey, sortkey, encodings, declared_keys FROM redshift_table_attributes WHERE table_id = %s::oid", oid
    )
    return found[0] if found else (None, [], {}, [])
