"""Faults on demand: rules that a test sets, and what they do to calls of the Data API and to statements."""

import dataclasses
import itertools
import re
import threading
import time

from .errors import ApiError, SessionEnded, SqlError, validation
from .translate import isolation_violation

API_FAULTS = frozenset("throttle active_statements error drop_reply delay_ms pause".split())
STATEMENT_FAULTS = frozenset("kill_session kill_session_after_commit error_1023 fail pause delay_ms".split())
_FIELDS = {
    "on": str,
    "match": str,
    "skip": int,
    "count": int,
    "do": str,
    "message": str,
    "sqlstate": str,
    "type": str,
    "ms": int,
}


@dataclasses.dataclass
class Rule:
    """Lets `skip` matches pass, then acts `count` times (None: always)."""

    id: int
    on: str
    match: str
    do: str
    skip: int = 0
    count: int | None = 1
    message: str = "a fault was injected"
    sqlstate: str = "XX000"
    type: str = "InternalServerException"
    ms: int = 0
    seen: int = 0
    fired: int = 0


class Faults:
    """All rules of one fake, and what waits because of them."""

    def __init__(self):
        self._rules = []
        self._ids = itertools.count(1)
        self._changed = threading.Condition()
        self._paused = {}
        self._releases = 0

    def add(self, document):
        """Adds a rule as it came in; raises ApiError for one that could never do anything."""
        if not isinstance(document, dict) or set(document) - set(_FIELDS) or {"on", "match", "do"} - set(document):
            raise validation(f"a fault has on, match and do, and may have others of {', '.join(_FIELDS)}")
        for name, value in document.items():
            if not (isinstance(value, _FIELDS[name]) or name == "count" and value is None):
                raise validation(f"{name} of a fault is of the wrong type")
        known = {"api": API_FAULTS, "statement": STATEMENT_FAULTS}.get(document["on"])
        if known is None or document["do"] not in known:
            raise validation("on is api or statement, do one of its faults: see README.md")
        try:
            re.compile(document["match"])
        except re.error as error:
            raise validation(f"match of a fault is no regular expression: {error}") from error
        with self._changed:
            rule = Rule(next(self._ids), **document)
            self._rules.append(rule)
            return rule.id

    def describe(self):
        with self._changed:
            return {"rules": [dataclasses.asdict(rule) for rule in self._rules], "paused": list(self._paused.values())}

    def clear(self):
        """Removes all rules and lets go on what waits."""
        with self._changed:
            self._rules.clear()
        self.release()

    def release(self):
        """Lets go on what waits; returns how many that were."""
        with self._changed:
            waiting = len(self._paused)
            self._releases += 1
            self._changed.notify_all()
            return waiting

    def wake(self):
        """Makes what waits look whether it was cancelled."""
        with self._changed:
            self._changed.notify_all()

    def take(self, on, text, only=None):
        """The first rule that acts on this now, counted as having done so; `only` restricts what it does."""
        with self._changed:
            for rule in self._rules:
                if (
                    rule.on != on
                    or only
                    and rule.do not in only
                    or not re.search(rule.match, text, re.IGNORECASE | re.DOTALL)
                ):
                    continue
                rule.seen += 1
                if rule.seen <= rule.skip or rule.count is not None and rule.fired >= rule.count:
                    continue
                rule.fired += 1
                return rule
        return None

    def _wait(self, label, cancelled):
        with self._changed:
            key, release = object(), self._releases
            self._paused[key] = label
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._releases != release or cancelled is not None and cancelled.is_set())
            del self._paused[key]

    def before(self, sql, session):
        """Acts before a statement runs. True: the client's connection is to be cut after it."""
        rule = self.take(
            "statement", sql, None if session.front == "sql" else STATEMENT_FAULTS - {"kill_session_after_commit"}
        )
        if rule is None:
            return False
        if rule.do == "kill_session":
            session.close()
            raise SessionEnded()
        if rule.do == "error_1023":
            raise isolation_violation(0, session.pid)
        if rule.do == "fail":
            raise SqlError(rule.message, rule.sqlstate)
        if rule.do == "pause":
            self._wait(sql, session.cancelled)
        if rule.do == "delay_ms":
            time.sleep(rule.ms / 1000)
        return rule.do == "kill_session_after_commit"

    def call(self, operation):
        """Acts before a call of the Data API. True: it is carried out, but its reply is lost."""
        rule = self.take("api", operation)
        if rule is None:
            return False
        if rule.do == "throttle":
            raise ApiError("ThrottlingException", "Rate exceeded")
        if rule.do == "active_statements":
            raise ApiError("ActiveStatementsExceededException", "Active statements exceeded the allowed quota.")
        if rule.do == "error":
            raise ApiError(rule.type, rule.message, 500, **_needed(rule.type))
        if rule.do == "pause":
            self._wait(operation, None)
        if rule.do == "delay_ms":
            time.sleep(rule.ms / 1000)
        return rule.do == "drop_reply"

    def loses_reply(self, sqls):
        """Whether the reply to a call that runs these statements is lost, because a rule ends their session after them."""
        return any(self.take("statement", sql, {"kill_session_after_commit"}) for sql in sqls)


def _needed(code):
    return {"StatementId": "unknown"} if code == "BatchExecuteStatementException" else {}
