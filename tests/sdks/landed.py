"""Finds what an SDK was given in the row that has landed of it, wherever a table's columns keep it: in a column of its own, in
one that holds JSON, or in `_rest`, by its JSON pointer.
"""

import contextlib
import json
import re
from datetime import datetime

MISSING = object()
# Objects of which some members have columns named without the object's name.
INLINE = (("traits",), ("context", "traits"), ("properties",))


def instant(text):
    """A time in RFC 3339."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def snake(name):
    """The column's name for a member's."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def descend(value, path):
    """The value at a path within a JSON value."""
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return MISSING
        value = value[step]
    return value


def same(one, other):
    """Whether two JSON values are the same. To Python alone, true is 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


class Landed:
    """One row."""

    def __init__(self, row):
        self.row = row
        self.rest = json.loads(row["_rest"] or "{}")

    def at(self, *path):
        """What stands at this path of the message; `MISSING` if nothing does."""
        found = [self._kept(path, length) for length in range(len(path), 0, -1)]
        found += [self._column(path[len(each) :], whole=True) for each in INLINE if path[: len(each)] == each != path]
        return next((value for value in found if value is not MISSING), MISSING)

    def _kept(self, path, length):
        """What a column or a pointer for so much of the path has at the rest of it."""
        value = self._column(path[:length], whole=length == len(path))
        if value is MISSING:
            pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path[:length])
            value = self.rest.get(pointer, MISSING)
        return value if value is MISSING else descend(value, path[length:])

    def _column(self, path, whole):
        """What a column has, as JSON where it is an object or array; if not `whole`, it has to be."""
        value = self.row.get("_".join(map(snake, path)))
        if value is None:
            return MISSING
        if isinstance(value, str) and value[:1] in ("{", "["):
            with contextlib.suppress(ValueError):
                return json.loads(value)
        return value if whole else MISSING

    def differences(self, given, *path, more=False):
        """Where the row has something else than was given at this path, and where it has more, unless `more` is allowed."""
        found = self.at(*path)
        if isinstance(given, dict) and given:
            lines = [line for name, value in given.items() for line in self.differences(value, *path, name, more=more)]
            extra = found.keys() - given.keys() if isinstance(found, dict) and not more else ()
            return lines + [f"/{'/'.join(path)}: landed {name}, which was not given" for name in sorted(extra)]
        # What is null in a column is as good as not there.
        if same(given, found) or (given is None and found is MISSING):
            return []
        return [f"/{'/'.join(path)}: given {given!r}, landed {'nothing' if found is MISSING else repr(found)}"]
