"""Requests and responses against the service's own model, as botocore ships it: names, types, lengths, patterns."""

import re

import botocore.session

from .errors import validation

_MODEL = botocore.session.get_session().get_service_model("redshift-data")
_KINDS = {
    "string": str, "structure": dict, "list": list, "map": dict, "boolean": bool, "integer": int, "long": int,
    "float": (int, float), "double": (int, float), "timestamp": (int, float), "blob": str,
}  # fmt: skip


def operations():
    return set(_MODEL.operation_names)


def request(operation, document):
    """Raises ApiError unless the document is a request of the operation."""
    problems = list(_check(_MODEL.operation_model(operation).input_shape, document, ""))
    if problems:
        raise validation(f"{len(problems)} validation error{'s' * (len(problems) > 1)} detected: {'; '.join(problems)}")


def response(operation, document):
    """What is wrong with a response; an empty list if nothing is."""
    shape = _MODEL.operation_model(operation).output_shape
    return list(_check(shape, document, "")) if shape else []


def error_members(code):
    """The members of an exception of the model, or None."""
    for shape in _MODEL.error_shapes:
        if shape.name == code:
            return set(shape.members)
    return None


def _check(shape, value, path):
    where = path or "the document"
    kind = _KINDS[shape.type_name]
    if not isinstance(value, kind) or isinstance(value, bool) and shape.type_name != "boolean":
        yield f"{where} must be of the type {shape.type_name}"
        return
    yield from _limits(shape, value, where)
    if shape.type_name == "structure":
        yield from _structure(shape, value, path)
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _check(shape.member, item, f"{path}[{index}]")


def _structure(shape, value, path):
    for name in shape.metadata.get("required", []):
        if name not in value:
            yield f"{path}.{name}".lstrip(".") + " is required"
    for name, item in value.items():
        full = f"{path}.{name}".lstrip(".")
        if name not in shape.members:
            yield f"{full} is not known"
        else:
            yield from _check(shape.members[name], item, full)
    if shape.metadata.get("union") or getattr(shape, "is_tagged_union", False):
        if len(value) != 1:
            yield f"{path or shape.name} must have exactly one member"


def _limits(shape, value, where):
    size = len(value) if isinstance(value, (str, list, dict)) else value
    if "min" in shape.metadata and size < shape.metadata["min"]:
        yield f"{where} must be at least {shape.metadata['min']}, in length or value"
    if "max" in shape.metadata and size > shape.metadata["max"]:
        yield f"{where} must be at most {shape.metadata['max']}, in length or value"
    if "pattern" in shape.metadata and not re.search(shape.metadata["pattern"], value):
        yield f"{where} must match {shape.metadata['pattern']}"
    if getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{where} must be one of {', '.join(shape.enum)}"
