"""Redshift's data types, and what each is in PostgreSQL.

https://docs.aws.amazon.com/redshift/latest/dg/c_Supported_data_types.html, and for lengths in bytes
https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html. Character types become domains that count bytes, so
that CREATE TABLE AS keeps the limit, as Redshift does.
"""

import dataclasses
import re

from .errors import NotFaked, SqlError, Unsupported

VARCHAR_BYTES_MAX = 65535
CHAR_BYTES_MAX = 4096
TEXT_BYTES = 256
DECIMAL_PRECISION_MAX = 38
DECIMAL_SCALE_MAX = 37

SIMPLE = {
    "SMALLINT": "smallint", "INT2": "smallint",
    "INTEGER": "integer", "INT": "integer", "INT4": "integer",
    "BIGINT": "bigint", "INT8": "bigint",
    "REAL": "real", "FLOAT4": "real",
    "FLOAT8": "double precision", "FLOAT": "double precision",
    "BOOLEAN": "boolean", "BOOL": "boolean",
    "DATE": "date",
    "TIMESTAMPTZ": "timestamp with time zone",
    "TIMETZ": "time with time zone",
    "SUPER": "super",
}  # fmt: skip

# Redshift has them; no test of ours needs them.
NOT_FAKED = frozenset("GEOMETRY GEOGRAPHY HLLSKETCH VARBYTE VARBINARY INTERVAL".split())

# https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-datatypes.html
LACKING = frozenset(
    """
    ARRAY BIT BYTEA BOX CIDR CIRCLE HSTORE INET INT4RANGE INT8RANGE JSON JSONB LINE LSEG MACADDR MONEY NAME OID PATH POINT
    POLYGON SERIAL SERIAL2 SERIAL4 SERIAL8 SMALLSERIAL BIGSERIAL TSQUERY TSVECTOR UUID XML
    """.split()
)

_DOMAIN = re.compile(r"^(varchar|char)_(\d+)$")


@dataclasses.dataclass(frozen=True)
class Type:
    """One type with its parameters. `length` is in bytes."""

    name: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None

    @property
    def domain(self):
        """The domain that stands for it in PostgreSQL, or None."""
        kind = {"character varying": "varchar", "character": "char"}.get(self.name)
        return f"{kind}_{self.length}" if kind else None

    @property
    def sql(self):
        """The type in PostgreSQL."""
        if self.domain:
            return f"redshift_types.{self.domain}"
        if self.name == "super":
            return "pg_catalog.jsonb"
        if self.name == "numeric":
            return f"numeric({self.precision},{self.scale})"
        return self.name

    def __str__(self):
        if self.length is not None:
            return f"{self.name}({self.length})"
        if self.precision is not None:
            return f"{self.name}({self.precision},{self.scale})"
        return self.name


def domain_sql(name):
    """The statement that makes a domain of this name: its check is what gives "value too long"."""
    kind, length = _DOMAIN.match(name).groups()
    if kind == "varchar":
        return f"CREATE DOMAIN redshift_types.{name} AS text CONSTRAINT {name}_bytes CHECK (octet_length(VALUE) <= {length})"
    return (
        f"CREATE DOMAIN redshift_types.{name} AS bpchar CONSTRAINT {name}_bytes CHECK (octet_length(VALUE) <= {length}) "
        f"CONSTRAINT {name}_single CHECK (octet_length(VALUE) = char_length(VALUE))"
    )


def of_domain(name):
    """The type that a domain stands for."""
    kind, length = _DOMAIN.match(name).groups()
    return Type({"varchar": "character varying", "char": "character"}[kind], int(length))


def _length(scan, default, limit, name):
    if scan.mark() != "(":
        return default
    inner = scan.group()
    text = inner[0].text.upper() if len(inner) == 1 else ""
    length = limit if text == "MAX" and name == "VARCHAR" else int(text) if text.isdigit() else 0
    if not 1 <= length <= limit:
        raise SqlError(f"length of {name} is {text or 'missing'}: from 1 to {limit} bytes are allowed", "22023")
    return length


def _decimal(scan):
    if scan.mark() != "(":
        return Type("numeric", precision=18, scale=0)
    numbers = [token.text for token in scan.group() if token.text != ","]
    if not 1 <= len(numbers) <= 2 or not all(number.isdigit() for number in numbers):
        raise scan.unexpected()
    precision, scale = int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else 0
    if not 1 <= precision <= DECIMAL_PRECISION_MAX:
        raise SqlError(f"DECIMAL precision {precision} must be between 1 and {DECIMAL_PRECISION_MAX}", "22023")
    if scale > min(precision, DECIMAL_SCALE_MAX):
        raise SqlError(f"DECIMAL scale {scale} must be between 0 and {min(precision, DECIMAL_SCALE_MAX)}", "22023")
    return Type("numeric", precision=precision, scale=scale)


def _time(scan, name):
    if scan.mark() == "(":
        raise SqlError(f"{name} takes no precision", "42601")
    if scan.accept("WITH", "TIME", "ZONE"):
        return Type(f"{name.lower()} with time zone")
    scan.accept("WITHOUT", "TIME", "ZONE")
    return Type(f"{name.lower()} without time zone")


def _float(scan):
    inner = scan.group()
    bits = int(inner[0].text) if len(inner) == 1 and inner[0].text.isdigit() else 0
    if not 1 <= bits <= 53:
        raise SqlError("precision of FLOAT must be between 1 and 53", "22023")
    return Type("real" if bits <= 24 else "double precision")


def parse(scan):
    """The type that comes next in a definition; refuses what Redshift does not have."""
    token = scan.name()
    word = token.name.upper()
    if word in LACKING:
        raise Unsupported(f'type "{token.name}" does not exist in Amazon Redshift')
    if word in NOT_FAKED:
        raise NotFaked(f"the type {word}")
    result = _parse(scan, token, word)
    if scan.mark() == "[" or scan.word() == "ARRAY":
        raise Unsupported(f"arrays of {result} do not exist in Amazon Redshift: use SUPER")
    return result


def _parse(scan, token, word):
    if word == "FLOAT" and scan.mark() == "(":
        return _float(scan)
    if word in SIMPLE:
        return Type(SIMPLE[word])
    if word == "DOUBLE":
        scan.expect("PRECISION")
        return Type("double precision")
    if word in ("DECIMAL", "NUMERIC"):
        return _decimal(scan)
    if word in ("TIMESTAMP", "TIME"):
        return _time(scan, word)
    if word in ("VARCHAR", "NVARCHAR") or word in ("CHARACTER", "CHAR", "NCHAR") and scan.accept("VARYING"):
        return Type("character varying", _length(scan, TEXT_BYTES, VARCHAR_BYTES_MAX, "VARCHAR"))
    if word in ("CHAR", "CHARACTER", "NCHAR"):
        return Type("character", _length(scan, 1, CHAR_BYTES_MAX, "CHAR"))
    if word in ("TEXT", "BPCHAR"):
        if scan.mark() == "(":
            raise SqlError(f"{word} takes no length", "42601")
        return Type("character varying" if word == "TEXT" else "character", TEXT_BYTES)
    raise SqlError(f'type "{token.name}" does not exist', "42704")
