"""What a statement gives: rows in PostgreSQL's text format, with Redshift's types."""

import dataclasses
import re

JSONB, SUPER = 3802, 4000
TEXT, VARCHAR = 25, 1043
BOOLEAN = 16
INTEGERS = {20, 21, 23, 26}
FLOATS = {700, 701}

TYPE_NAMES = {
    16: "bool", 20: "int8", 21: "int2", 23: "int4", 26: "oid", 700: "float4", 701: "float8", 1042: "bpchar", VARCHAR: "varchar",
    1082: "date", 1083: "time", 1114: "timestamp", 1184: "timestamptz", 1266: "timetz", 1700: "numeric", SUPER: "super",
    19: "name", 18: "char",
}  # fmt: skip

_JSON_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a result. `modifier` is PostgreSQL's type modifier, -1 for none."""

    name: str
    oid: int
    size: int
    modifier: int


@dataclasses.dataclass
class Result:
    """`columns` is None for a statement without rows; `affected` counts rows that were returned or changed."""

    tag: str
    columns: list[Column] | None = None
    rows: list[list[bytes | None]] = dataclasses.field(default_factory=list)
    affected: int | None = None
    notice: str | None = None


def from_postgres(found, tag, names):
    """A result of libpq's; jsonb becomes SUPER, whose text has no spaces between its parts."""
    affected = found.command_tuples
    if not found.nfields:
        return Result(_tag(tag), affected=affected)
    columns, supers = [], []
    for n in range(found.nfields):
        oid = found.ftype(n)
        supers += [n] if oid == JSONB else []
        name = names.restore((found.fname(n) or b"").decode())
        columns.append(Column(name, {JSONB: SUPER, TEXT: VARCHAR}.get(oid, oid), found.fsize(n), found.fmod(n)))
    rows = [[found.get_value(r, n) for n in range(found.nfields)] for r in range(found.ntuples)]
    for row in rows:
        for n in supers:
            if row[n] is not None:
                row[n] = _JSON_SPACE.sub(lambda part: part.group(1) or "", row[n].decode()).encode()
    return Result(_tag(tag), columns, rows, len(rows))


def _tag(tag):
    """PostgreSQL 8.0 counted no rows of SELECT in its tag."""
    return "SELECT" if tag.startswith("SELECT") else tag
