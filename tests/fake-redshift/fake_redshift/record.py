"""What was called and run, in order, for tests to look at."""

import collections
import itertools
import threading
import time

ENTRIES_MAX = 100_000


class Record:
    """The latest calls and statements. An entry's `outcome` is None while it is running."""

    def __init__(self):
        self._entries = collections.deque(maxlen=ENTRIES_MAX)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def _add(self, **entry):
        with self._lock:
            entry = {"number": next(self._numbers), "time": time.time(), **entry, "outcome": None}
            self._entries.append(entry)
            return entry

    def statement(self, front, session, sql):
        """A statement that begins; the caller sets its outcome: a command tag or an error."""
        return self._add(kind="statement", front=front, session=session, sql=sql)

    def call(self, operation, request):
        """A call of the Data API; the caller sets its outcome: "ok" or an error's name."""
        return self._add(kind="call", front="api", operation=operation, request=request)

    def entries(self):
        with self._lock:
            return [dict(entry) for entry in self._entries]

    def clear(self):
        with self._lock:
            self._entries.clear()
