"""How tables and columns are declared: types, defaults, keys and encodings.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html
"""

import dataclasses

from . import catalog, names, types
from .errors import NotFaked, SqlError, Unsupported, syntax_error
from .tokens import render

SORT_COLUMNS_MAX = 400
INTERLEAVED_COLUMNS_MAX = 8

# https://docs.aws.amazon.com/redshift/latest/dg/c_Compression_encodings.html
ENCODINGS = frozenset(
    "RAW AZ64 BYTEDICT DELTA DELTA32K LZO MOSTLY8 MOSTLY16 MOSTLY32 RUNLENGTH TEXT255 TEXT32K ZSTD".split()
)
_ATTRIBUTES = frozenset(
    "DEFAULT IDENTITY GENERATED ENCODE DISTKEY SORTKEY COLLATE NOT NULL UNIQUE PRIMARY REFERENCES CHECK CONSTRAINT".split()
)


@dataclasses.dataclass
class Definition:
    """A column as it was declared. `default` is its expression's tokens."""

    name: str
    type: types.Type
    not_null: bool = False
    default: list | None = None
    encoding: str | None = None

    def sql(self, session):
        text = f"{catalog.quoted(session.engine.names.short(self.name)).text} {self.type.sql}"
        if self.default is not None:
            text += " DEFAULT " + render(session.rewrite(self.default))
        return text + (" NOT NULL" if self.not_null else "")


@dataclasses.dataclass
class Attributes:
    """What a table has besides its columns."""

    distkey: str | None = None
    diststyle: str | None = None
    sortkey: list = dataclasses.field(default_factory=list)
    interleaved: bool = False
    keys: list = dataclasses.field(default_factory=list)

    def set_distkey(self, name):
        if self.distkey is not None:
            raise SqlError("a table has only one DISTKEY", "42P16")
        self.distkey = name

    def check(self, columns):
        """Raises unless the keys are columns of the table that may be keys. `columns` maps names to types, None if unknown."""
        if self.diststyle == "KEY" and self.distkey is None:
            raise SqlError("DISTSTYLE KEY needs a DISTKEY column", "42P16")
        if self.distkey is not None and self.diststyle not in (None, "KEY"):
            raise SqlError(f"DISTKEY contradicts DISTSTYLE {self.diststyle}", "42P16")
        limit = INTERLEAVED_COLUMNS_MAX if self.interleaved else SORT_COLUMNS_MAX
        if len(self.sortkey) > limit:
            raise SqlError(f"a sort key has at most {limit} columns, not {len(self.sortkey)}", "54011")
        for kind, key in [("DISTKEY", self.distkey)] * (self.distkey is not None) + [("SORTKEY", k) for k in self.sortkey]:
            if columns is not None and key not in columns:
                raise SqlError(f'{kind} column "{key}" does not exist', "42703")
            if columns is not None and columns[key].name == "super":
                raise Unsupported(f'SUPER column "{key}" cannot be a {kind}')


def column(scan, attributes):
    """A column's definition; keys that it declares go to `attributes`."""
    name = names.new_name(scan.name())
    result = Definition(name, types.parse(scan))
    while not scan.done:
        _attribute(scan, result, attributes)
    return result


def _attribute(scan, result, attributes):
    if scan.accept("DEFAULT"):
        result.default = []
        while not scan.done and (not result.default or scan.word() not in _ATTRIBUTES):
            result.default += [scan.peek()]
            if scan.mark() == "(":
                start = scan.position
                scan.group()
                result.default = result.default[:-1] + scan.tokens[start : scan.position]
            else:
                scan.take()
    elif scan.accept("NOT", "NULL"):
        result.not_null = True
    elif scan.accept("NULL"):
        result.not_null = False
    elif scan.accept("ENCODE"):
        result.encoding = encoding(scan)
    elif scan.accept("DISTKEY"):
        attributes.set_distkey(result.name)
    elif scan.accept("SORTKEY"):
        attributes.sortkey.append(result.name)
    elif scan.accept("PRIMARY", "KEY"):
        result.not_null = True
        attributes.keys.append(result.name)
    elif scan.accept("UNIQUE"):
        attributes.keys.append(result.name)
    elif scan.accept("REFERENCES"):
        scan.path()
        if scan.mark() == "(":
            scan.group()
        attributes.keys.append(result.name)
    elif scan.word() in ("IDENTITY", "GENERATED", "COLLATE"):
        raise NotFaked(scan.word())
    elif scan.word() == "CHECK":
        raise syntax_error("CHECK constraint")
    else:
        raise scan.unexpected()


def encoding(scan):
    """The name of a compression encoding."""
    word = scan.take().text.upper()
    if word not in ENCODINGS:
        raise SqlError(f'encoding "{word}" does not exist: one of {", ".join(sorted(ENCODINGS))}', "42704")
    return word


def _key_list(scan):
    return [token.name for token in scan.group() if token.name]


def constraint(scan, attributes):
    """A table's constraint: declared, not enforced."""
    if scan.accept("CONSTRAINT"):
        scan.name()
    if scan.accept("PRIMARY", "KEY") or scan.accept("UNIQUE"):
        attributes.keys += _key_list(scan)
    elif scan.accept("FOREIGN", "KEY"):
        attributes.keys += _key_list(scan)
        scan.expect("REFERENCES")
        scan.path()
        if scan.mark() == "(":
            scan.group()
    else:
        raise scan.unexpected()
    scan.end()


def table_attributes(scan, attributes):
    """What stands behind the columns: BACKUP, DISTSTYLE, DISTKEY, SORTKEY, ENCODE AUTO."""
    while not scan.done and scan.word() != "AS":
        if scan.accept("BACKUP"):
            if scan.take().word not in ("YES", "NO"):
                raise SqlError("BACKUP takes YES or NO", "42601")
        elif scan.accept("DISTSTYLE"):
            attributes.diststyle = scan.take().word
            if attributes.diststyle not in ("AUTO", "EVEN", "KEY", "ALL"):
                raise SqlError("DISTSTYLE takes AUTO, EVEN, KEY or ALL", "42601")
        elif scan.accept("DISTKEY"):
            keys = _key_list(scan)
            if len(keys) != 1:
                raise SqlError("a table has only one DISTKEY", "42P16")
            attributes.set_distkey(keys[0])
        elif scan.accept("SORTKEY", "AUTO") or scan.accept("ENCODE", "AUTO"):
            pass
        elif scan.word() in ("SORTKEY", "COMPOUND", "INTERLEAVED"):
            attributes.interleaved = scan.accept("INTERLEAVED")
            scan.accept("COMPOUND")
            scan.expect("SORTKEY")
            if attributes.sortkey:
                raise SqlError("a table has only one SORTKEY", "42P16")
            attributes.sortkey = _key_list(scan)
        else:
            raise scan.unexpected()
