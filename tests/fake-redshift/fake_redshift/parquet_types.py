"""Which Parquet type COPY takes for which column type.

INT64 timestamps must be in micro- or milliseconds, decimals in fixed-length arrays of the least length for their precision.
Nested columns go into SUPER by SERIALIZETOJSON only
(https://docs.aws.amazon.com/redshift/latest/dg/ingest-super.html), and text does not go there at all: JSON_PARSE makes SUPER.
"""

import json

import pyarrow


def _logical(leaf):
    """The logical type's name and its parameters."""
    found = json.loads(leaf.logical_type.to_json())
    return found["Type"], found


def decimal_bytes(precision):
    """The least number of bytes that hold every decimal of this precision."""
    size = 1
    while 2 ** (8 * size - 1) - 1 < 10**precision - 1:
        size += 1
    return size


def _integer(leaf, bits):
    kind, parameters = _logical(leaf)
    plain = kind == "None" and {"INT32": 32, "INT64": 64}.get(leaf.physical_type) == bits
    return plain or kind == "Int" and parameters["isSigned"] and parameters["bitWidth"] == bits


def _timestamp(leaf):
    kind, parameters = _logical(leaf)
    return (
        leaf.physical_type == "INT64" and kind == "Timestamp" and parameters["timeUnit"] in ("microseconds", "milliseconds")
    )


def _decimal(leaf, column):
    kind, parameters = _logical(leaf)
    if leaf.physical_type != "FIXED_LEN_BYTE_ARRAY" or kind != "Decimal":
        return False
    same = (parameters["precision"], parameters["scale"]) == (column.precision, column.scale)
    return same and leaf.length == decimal_bytes(column.precision)


def _plain(leaf, physical):
    return leaf.physical_type == physical and _logical(leaf)[0] == "None"


def accepts(field, leaves, column, serialize_to_json):
    """Whether the file's column fits the table's: `column` is a types.Type."""
    if column.name == "super" or pyarrow.types.is_nested(field.type):
        return column.name == "super" and pyarrow.types.is_nested(field.type) and serialize_to_json
    leaf = leaves[0]
    if leaf.max_repetition_level:
        return False
    checks = {
        "bigint": lambda: _integer(leaf, 64),
        "integer": lambda: _integer(leaf, 32),
        "smallint": lambda: _integer(leaf, 16) or _integer(leaf, 8),
        "double precision": lambda: _plain(leaf, "DOUBLE"),
        "real": lambda: _plain(leaf, "FLOAT"),
        "boolean": lambda: _plain(leaf, "BOOLEAN"),
        "character varying": lambda: leaf.physical_type == "BYTE_ARRAY" and _logical(leaf)[0] == "String",
        "character": lambda: leaf.physical_type == "BYTE_ARRAY" and _logical(leaf)[0] == "String",
        "timestamp without time zone": lambda: _timestamp(leaf),
        "date": lambda: leaf.physical_type == "INT32" and _logical(leaf)[0] == "Date",
        "numeric": lambda: _decimal(leaf, column),
    }
    return column.name in checks and checks[column.name]()


def described(field, leaves):
    """The file's column as Spectrum's errors show it."""
    if pyarrow.types.is_nested(field.type):
        return f"group {field.name}"
    leaf = leaves[0]
    need = "optional" if leaf.max_definition_level else "required"
    return f"{need} {leaf.physical_type.lower()} {field.name} [{_logical(leaf)[0]}]"
