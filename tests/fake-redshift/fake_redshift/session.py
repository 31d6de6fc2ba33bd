"""One session of Redshift: one session of PostgreSQL, the state of its transaction, and how a statement goes through it."""

import contextlib
import itertools
import threading

import psycopg
from psycopg.pq import TransactionStatus

from . import dispatch, rewrite
from .errors import ConnectionCut, SessionEnded, SqlError
from .result import from_postgres
from .tokens import PARAMETER, STRING, Token, literal, render, statements, tokenise
from .translate import translate

_ids = itertools.count(1)


class Session:
    """Belongs to one thread, but for `cancel` and `close`."""

    def __init__(self, engine, front):
        self.engine = engine
        self.front = front
        self.id = next(_ids)
        self.connection = engine.connect()
        self.pid = self.connection.info.backend_pid
        self.cancelled = threading.Event()
        # The table that the running statement writes, for what error 1023 says.
        self.writing = None
        # Whether the open transaction is that of a message with several statements, or of a batch, rather than BEGIN's.
        self.implicit = False
        self.batch = False

    @property
    def status(self):
        return self.connection.info.transaction_status

    @property
    def idle(self):
        return self.status == TransactionStatus.IDLE

    @property
    def aborted(self):
        return self.status == TransactionStatus.INERROR

    @property
    def in_block(self):
        return not self.idle

    @property
    def ended(self):
        return self.connection.closed or self.connection.broken

    def query(self, sql):
        """Runs SQL of PostgreSQL's; raises SqlError in Redshift's words."""
        try:
            cursor = self.connection.execute(sql)
        except psycopg.Error as error:
            raise translate(error, self) from error
        return from_postgres(cursor.pgresult, cursor.statusmessage or "", self.engine.names)

    def rows(self, sql, *parameters):
        """The rows of a query about the catalog, as Python's values."""
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except psycopg.Error as error:
            raise translate(error, self) from error

    def rewrite(self, tokens):
        """Redshift's expressions and queries as tokens for PostgreSQL."""
        return rewrite.rewrite(tokens, self.engine)

    @contextlib.contextmanager
    def atomic(self):
        """Several statements of PostgreSQL's that are one of Redshift's: in the open transaction, or in one of their own."""
        if self.in_block:
            yield
            return
        self.query("BEGIN")
        try:
            yield
        except BaseException:
            if not self.ended:
                self.query("ROLLBACK")
            raise
        self.query("COMMIT")

    def execute(self, tokens, parameters=None):
        """Runs one statement; raises SqlError, after which an open transaction takes no more, or ConnectionCut."""
        sql = render(tokens)
        entry = self.engine.record.statement(self.front, self.id, sql)
        try:
            cut = self.engine.faults.before(sql, self)
            result = self._run(bind(tokens, parameters or {}))
        except SqlError as error:
            entry["outcome"] = error.text()
            self._fail()
            raise
        except psycopg.Error as error:
            entry["outcome"] = "the session ended"
            raise SessionEnded() from error
        entry["outcome"] = result.tag
        if cut:
            self.close()
            raise ConnectionCut()
        return result

    def _run(self, tokens):
        if self.ended:
            raise SessionEnded()
        if self.cancelled.is_set():
            raise SqlError("Query cancelled on user's request", "57014")
        if self.aborted and not dispatch.ends_transaction(tokens):
            raise SqlError("current transaction is aborted, commands ignored until end of transaction block", "25P02")
        self.writing = None
        return dispatch.run(self, tokens)

    def _fail(self):
        """A statement that never came to PostgreSQL must abort the transaction too."""
        if not self.ended and self.status == TransactionStatus.INTRANS:
            with contextlib.suppress(psycopg.Error):
                self.connection.execute("SELECT 1/0")

    def cancel(self):
        """Ends what the session does now, from another thread."""
        self.cancelled.set()
        self.engine.faults.wake()
        if not self.ended:
            with contextlib.suppress(psycopg.Error):
                self.connection.cancel()

    def close(self):
        """Ends the session; an open transaction is rolled back."""
        with contextlib.suppress(psycopg.Error):
            self.connection.close()


def bind(tokens, parameters):
    """Replaces `:name` by the parameter's value as a literal.

    https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-calling.html, "Running SQL statements with parameters".
    """
    if not parameters:
        return tokens
    bound = []
    for token in tokens:
        if token.kind == PARAMETER:
            name = token.text[1:]
            if name not in parameters:
                raise SqlError(f"parameter {name} has no value", "42P02")
            token = Token(STRING, literal(parameters[name]), token.spaced)
        bound.append(token)
    return bound


def single(sql):
    """The tokens of the one statement in a text; the Data API takes no more than one at a time."""
    parts = statements(tokenise(sql))
    if len(parts) > 1:
        raise SqlError("cannot insert multiple commands into a prepared statement", "42601")
    if not parts:
        raise SqlError("the statement is empty", "42601")
    return parts[0]
