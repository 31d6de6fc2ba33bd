"""A statement of the Data API: its life from SUBMITTED to FINISHED, FAILED or ABORTED, and what DescribeStatement says of it."""

import dataclasses
import threading
import time
import uuid

from .errors import ConnectionCut, SqlError
from .session import Session, single
from .tokens import tokenise

ENDED = ("FINISHED", "FAILED", "ABORTED")


@dataclasses.dataclass
class Part:
    """One SQL text of a statement. Times are seconds since 1970, `duration` is in nanoseconds."""

    id: str
    sql: str
    status: str = "SUBMITTED"
    created: float = dataclasses.field(default_factory=time.time)
    updated: float = dataclasses.field(default_factory=time.time)
    duration: int = -1
    error: str | None = None
    query: int = -1
    result: object = None

    def become(self, status, error=None):
        self.status, self.error, self.updated = status, error, time.time()

    @property
    def has_result_set(self):
        return self.result is not None and self.result.columns is not None

    @property
    def size(self):
        """Bytes of the values in the result; -1 while there is none."""
        if self.result is None:
            return -1
        return sum(len(value) for row in self.result.rows for value in row if value)

    def describe(self):
        """The members that a statement and a part of a batch have in common."""
        result, size = self.result, self.size
        rows = -1 if result is None or result.affected is None else result.affected
        described = {
            "Id": self.id, "Status": self.status, "CreatedAt": self.created, "UpdatedAt": self.updated,
            "Duration": self.duration, "QueryString": self.sql, "HasResultSet": self.has_result_set, "ResultRows": rows,
            "ResultSize": size, "RedshiftQueryId": self.query,
        }  # fmt: skip
        return described | ({"Error": self.error} if self.error else {})


class Statement:
    """What ExecuteStatement and BatchExecuteStatement make. `request` is theirs."""

    def __init__(self, engine, request):
        self.engine = engine
        self.request = request
        self.id = str(uuid.uuid4())
        self.batch = "Sqls" in request
        sqls = request.get("Sqls") or [request["Sql"]]
        self.whole = Part(self.id, sqls[0])
        self.parts = [Part(f"{self.id}:{n}", sql) for n, sql in enumerate(sqls, 1)] if self.batch else [self.whole]
        self.session = None
        self.pid = 0
        self.done = threading.Event()
        self._lock = threading.Lock()
        self._cancelled = False

    def start(self):
        threading.Thread(target=self._work, daemon=True, name=f"statement {self.id}").start()

    def cancel(self):
        """Whether it could still be cancelled."""
        with self._lock:
            if self.whole.status in ENDED:
                return False
            self._cancelled = True
            session = self.session
        if session:
            session.cancel()
        return True

    def _work(self):
        began = time.monotonic_ns()
        self.whole.become("PICKED")
        try:
            session = Session(self.engine, "api")
            with self._lock:
                self.session, self.pid = session, session.pid
                if self._cancelled:
                    session.cancelled.set()
            self.whole.become("STARTED")
            self._run(session)
            self._end("FINISHED")
        except SqlError as error:
            self._end("ABORTED" if self._cancelled else "FAILED", self._message(error))
        except Exception as error:  # pylint: disable=broad-except
            self._end("FAILED", f"ERROR: the fake failed: {error!r}")
            raise
        finally:
            self.whole.duration = time.monotonic_ns() - began
            if self.session:
                self.session.close()
            self.done.set()

    def _message(self, error):
        if not self.batch:
            return error.text()
        failed = next((n for n, part in enumerate(self.parts, 1) if part.status == "FAILED"), None)
        return f"Query #{failed} failed with {error.text()}" if failed else error.text()

    def _end(self, status, error=None):
        with self._lock:
            for part in self.parts:
                if part is not self.whole and part.status not in ENDED:
                    part.become("ABORTED")
            self.whole.become(status, error)

    def _run(self, session):
        parameters = {p["name"]: p["value"] for p in self.request.get("Parameters", [])}
        if not self.batch:
            self._run_part(session, self.whole, parameters)
            return
        session.query("BEGIN")
        session.batch = session.implicit = True
        for part in self.parts:
            part.become("STARTED")
            began = time.monotonic_ns()
            try:
                self._run_part(session, part, parameters)
                part.become("FINISHED")
            except SqlError as error:
                part.become("ABORTED" if self._cancelled else "FAILED", error.text())
                raise
            finally:
                part.duration = time.monotonic_ns() - began
        session.batch = False
        session.execute(tokenise("COMMIT"))

    def _run_part(self, session, part, parameters):
        part.query = self.engine.next_query_id()
        try:
            part.result = session.execute(single(part.sql), parameters)
        except ConnectionCut as error:
            raise SqlError("the connection was cut") from error
        if part.size > self.engine.settings.result_bytes_max:
            part.result = None
            raise SqlError(f"result size exceeds {self.engine.settings.result_bytes_max} bytes", "54000")

    def describe(self):
        """The whole of DescribeStatement's response."""
        described = self.whole.describe() | {"RedshiftPid": self.pid}
        for name in ("ClusterIdentifier", "WorkgroupName", "Database", "SecretArn"):
            if name in self.request:
                described[name] = self.request[name]
        described["ResultFormat"] = "JSON"
        if "Parameters" in self.request:
            described["QueryParameters"] = self.request["Parameters"]
        if "ClusterIdentifier" in self.request:
            described["DbUser"] = self.request.get("DbUser", f"IAM:{self.engine.settings.user}")
        if self.batch:
            del described["QueryString"]
            described["SubStatements"] = [part.describe() for part in self.parts]
            described["HasResultSet"] = any(part.has_result_set for part in self.parts)
        return described

    def part(self, identifier):
        """The part with this identifier, or None."""
        return next((part for part in self.parts if part.id == identifier), None)
