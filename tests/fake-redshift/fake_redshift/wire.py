"""The PostgreSQL protocol, version 3, with simple queries only: what a client like psql or tokio-postgres' simple_query needs.

https://www.postgresql.org/docs/8.0/protocol.html. Redshift's driver protocol is that of PostgreSQL 8.0.2.
"""

import contextlib
import secrets
import socket
import socketserver
import ssl
import struct
import threading

import psycopg

from .errors import ConnectionCut, SessionEnded, SqlError
from .session import Session
from .tokens import statements, tokenise

_VERSION, _CANCEL, _SSL, _GSS = 196608, 80877102, 80877103, 80877104
MESSAGE_BYTES_MAX = 32 * 1024 * 1024
FLUSH_BYTES = 64 * 1024
PARAMETERS = {
    "server_version": "8.0.2", "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY",
    "TimeZone": "UTC", "integer_datetimes": "on", "is_superuser": "on", "padb_version": "1.0.0",
}  # fmt: skip
_EXTENDED = {b"P", b"B", b"D", b"E", b"C", b"F"}


class Handler(socketserver.BaseRequestHandler):
    """One client."""

    def handle(self):
        self.session = None
        self.pending = bytearray()
        # Answers go out whole, and at once.
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = None
        try:
            parameters = self._startup()
            if parameters is None:
                return
            self._log_in(parameters)
            key = (self.session.pid, secrets.randbits(31))
            self.server.keys[key] = self.session
            self._send(b"R", struct.pack("!i", 0))
            for name, value in (PARAMETERS | {"session_authorization": parameters["user"]}).items():
                self._send(b"S", name.encode() + b"\0" + value.encode() + b"\0")
            self._send(b"K", struct.pack("!ii", *key))
            self._ready()
            self._serve()
        except SqlError as error:
            with contextlib.suppress(OSError):
                self._error(error, "FATAL")
        except (ConnectionCut, ConnectionError, EOFError, OSError):
            pass
        finally:
            self.server.keys.pop(key, None)
            if self.session:
                self.session.close()

    def _read(self, count):
        data = b""
        while len(data) < count:
            more = self.request.recv(count - len(data))
            if not more:
                raise EOFError()
            data += more
        return data

    def _send(self, kind, body):
        self.pending += kind + struct.pack("!i", len(body) + 4) + body
        if len(self.pending) > FLUSH_BYTES:
            self._flush()

    def _flush(self):
        self.request.sendall(self.pending)
        self.pending.clear()

    def _startup(self):
        """The parameters of the client's first message; None when it only wanted to cancel."""
        while True:
            size, code = struct.unpack("!ii", self._read(8))
            if not 8 <= size <= 10000:
                raise EOFError()
            body = self._read(size - 8)
            if code == _SSL and self.server.tls:
                self.request.sendall(b"S")
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            elif code in (_SSL, _GSS):
                self.request.sendall(b"N")
            elif code == _CANCEL:
                session = self.server.keys.get(struct.unpack("!ii", body))
                if session:
                    session.cancel()
                    session.cancelled.clear()
                return None
            elif code == _VERSION:
                parts = body.rstrip(b"\0").split(b"\0")
                return {k.decode(): v.decode() for k, v in zip(parts[::2], parts[1::2])}
            else:
                raise SqlError(f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}", "08P01")

    def _log_in(self, parameters):
        settings = self.server.engine.settings
        self._send(b"R", struct.pack("!i", 3))
        self._flush()
        kind, body = self._message()
        given = body.rstrip(b"\0").decode(errors="replace")
        user = parameters.get("user", "")
        if kind != b"p" or user != settings.user or not secrets.compare_digest(given, settings.password):
            raise SqlError(f'password authentication failed for user "{user}"', "28000")
        database = parameters.get("database", user)
        if database != settings.database:
            raise SqlError(f'database "{database}" does not exist', "3D000")
        try:
            self.session = Session(self.server.engine, "sql")
        except psycopg.Error as error:
            raise SqlError(f"no session with PostgreSQL: {error}", "08006") from error

    def _message(self):
        kind = self._read(1)
        size = struct.unpack("!i", self._read(4))[0]
        if not 4 <= size <= MESSAGE_BYTES_MAX:
            raise EOFError()
        return kind, self._read(size - 4)

    def _serve(self):
        while True:
            kind, body = self._message()
            if kind == b"X":
                return
            if kind == b"Q":
                self._query(body.rstrip(b"\0").decode())
                self._ready()
            elif kind in _EXTENDED:
                self._refuse_extended()
            else:
                raise SqlError(f"unknown message {kind!r}", "08P01")

    def _refuse_extended(self):
        """After an error of the extended protocol everything is skipped until Sync."""
        message = "the fake of Redshift knows no prepared statements: use the simple query protocol"
        self._error(SqlError(message, "0A000"))
        self._flush()
        while True:
            kind, _ = self._message()
            if kind == b"S":
                self._ready()
                return
            if kind == b"X":
                raise EOFError()

    def _query(self, sql):
        """One message: several statements are one transaction, unless they say otherwise, as in PostgreSQL."""
        try:
            parts = statements(tokenise(sql))
            if not parts:
                self._send(b"I", b"")
            block = len(parts) > 1 and self.session.idle
            for number, tokens in enumerate(parts):
                if block and number == 0 and tokens[0].word not in ("BEGIN", "START"):
                    self.session.query("BEGIN")
                    self.session.implicit = True
                self._result(self.session.execute(tokens))
            self._end_implicit("COMMIT")
        except SessionEnded:
            raise
        except SqlError as error:
            self._end_implicit("ROLLBACK")
            self._error(error)

    def _end_implicit(self, how):
        if self.session.implicit and self.session.in_block and not self.session.ended:
            self.session.query(how)
        self.session.implicit = False

    def _result(self, result):
        if result.notice:
            self._send(b"N", _fields({"S": "INFO", "C": "00000", "M": result.notice}))
        if result.columns is not None:
            described = struct.pack("!h", len(result.columns))
            for column in result.columns:
                described += (
                    column.name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, column.oid, column.size, column.modifier, 0)
                )
            self._send(b"T", described)
            for row in result.rows:
                self._send(b"D", _row(row))
        self._send(b"C", result.tag.encode() + b"\0")

    def _error(self, error, severity="ERROR"):
        fields = {"S": severity, "C": error.sqlstate, "M": error.message}
        if error.detail:
            fields["D"] = error.detail
        if error.hint:
            fields["H"] = error.hint
        self._send(b"E", _fields(fields))
        if fields["S"] == "FATAL":
            self._flush()

    def _ready(self):
        status = b"I" if self.session.idle else b"E" if self.session.aborted else b"T"
        self._send(b"Z", status)
        self._flush()


def _fields(fields):
    return b"".join(name.encode() + value.encode() + b"\0" for name, value in fields.items()) + b"\0"


def _row(row):
    parts = [struct.pack("!h", len(row))]
    for value in row:
        parts.append(struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value)
    return b"".join(parts)


class Server(socketserver.ThreadingTCPServer):
    """A thread for each client. `keys` are what clients cancel by."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, engine):
        super().__init__((engine.settings.host, engine.settings.wire_port), Handler)
        self.engine = engine
        self.keys = {}
        self.tls = None
        if engine.settings.tls_certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(engine.settings.tls_certificate, engine.settings.tls_key)

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True, name="sql").start()
