"""Finds what an SDK was given in the row that has landed of it, wherever a table's columns keep it: in a column of its own, in
one that holds JSON, or in `_rest`, by its JSON pointer.
"""

import json
import re
from datetime import datetime

MISSING = object()


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


class Landed:
    """One row."""

    def __init__(self, row):
        self.row = row
        self.rest = json.loads(row["_rest"] or "{}")

    def at(self, *path):
        """What stands at this path of the message; `MISSING` if nothing does."""
        for length in range(len(path), 0, -1):
            value = self._column("_".join(map(snake, path[:length])), whole=length == len(path))
            if value is MISSING:
                pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path[:length])
                value = self.rest.get(pointer, MISSING)
            if value is not MISSING:
                value = descend(value, path[length:])
            if value is not MISSING:
                return value
        return MISSING

    def _column(self, name, whole):
        value = self.row.get(name)
        if value is None:
            return MISSING
        if isinstance(value, str) and (value[:1] in "{[" or not whole):
            try:
                return json.loads(value)
            except ValueError:
                return value if whole else MISSING
        return value

    def differences(self, given, *path, more=False):
        """Where the row has something else than was given at this path, and where it has more, unless `more` is allowed."""
        found = self.at(*path)
        if isinstance(given, dict) and (more or not isinstance(found, dict)):
            # Spread over columns, or with members that the SDK adds.
            return [line for name, value in given.items() for line in self.differences(value, *path, name, more=more)]
        # What is null in a column is as good as not there.
        if given == found or (given is None and found is MISSING):
            return []
        return [f"/{'/'.join(path)}: given {given!r}, landed {'nothing' if found is MISSING else repr(found)}"]
