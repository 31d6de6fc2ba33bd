"""The HTTP server: the Data API in AWS JSON 1.1 at /, the fake's own paths /_fault and /_log beside it."""

import http.server
import json
import re
import socket
import sys
import threading
import traceback
import uuid

from . import validate
from .api import Api
from .errors import ApiError, validation

BODY_BYTES_MAX = 8 * 1024 * 1024
_TARGET = re.compile(r"RedshiftData\.(\w+)")
# https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=[0-9a-f]{64}"
)


def authorise(headers, settings):
    """Checks who signed and for what; the signature itself is not checked."""
    found = _AUTHORIZATION.fullmatch(headers.get("Authorization") or "")
    if not found:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    key, region, service, signed = found.groups()
    if key != settings.access_key:
        raise ApiError("UnrecognizedClientException", "The security token included in the request is invalid.")
    if (region, service) != (settings.region, "redshift-data"):
        raise ApiError("InvalidSignatureException", f"Credential should be scoped to {settings.region}/redshift-data.")
    if "host" not in signed.split(";") or not headers.get("X-Amz-Date"):
        raise ApiError("IncompleteSignatureException", "Host must be signed and X-Amz-Date be given.")


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "fake-redshift"
    disable_nagle_algorithm = True

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """The record says more."""

    def _reply(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, error):
        members = validate.error_members(error.code)
        message = "Message" if members and "Message" in members else "message"
        self._reply(error.status, {"__type": error.code, message: error.message, **error.fields})

    def _document(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            raise validation(f"Content-Length must be there, and at most {BODY_BYTES_MAX} bytes")
        try:
            return json.loads(self.rfile.read(int(length)) or b"{}")
        except ValueError as error:
            raise ApiError("SerializationException", f"the body is not JSON: {error}") from error

    def do_POST(self):  # pylint: disable=invalid-name
        try:
            document = self._document()
            if self.path == "/_fault":
                self._reply(200, {"id": self.server.engine.faults.add(document)})
            elif self.path == "/_fault/release":
                self._reply(200, {"released": self.server.engine.faults.release()})
            elif self.path == "/":
                self._call(document)
            else:
                raise ApiError("UnknownOperationException", f"there is nothing at {self.path}", 404)
        except ApiError as error:
            self._refuse(error)

    def _call(self, document):
        engine = self.server.engine
        authorise(self.headers, engine.settings)
        content_type = self.headers.get("Content-Type", "")
        target = _TARGET.fullmatch(self.headers.get("X-Amz-Target", ""))
        if content_type != "application/x-amz-json-1.1" or not target:
            raise ApiError(
                "UnknownOperationException", "Content-Type must be application/x-amz-json-1.1, X-Amz-Target known"
            )
        entry = engine.record.call(target.group(1), document)
        try:
            lost = engine.faults.call(target.group(1))
            response = self.server.api.call(target.group(1), document)
        except ApiError as error:
            entry["outcome"] = error.code
            raise
        except Exception as error:
            traceback.print_exc()
            entry["outcome"] = f"the fake failed: {error!r}"
            raise ApiError("InternalServerException", entry["outcome"], 500) from error
        entry["outcome"] = "ok"
        sqls = (
            [*document.get("Sqls", []), "COMMIT"] if "Sqls" in document else [document["Sql"]] if "Sql" in document else []
        )
        if lost or engine.faults.loses_reply(sqls):
            entry["outcome"] = "ok, but its reply is lost"
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._reply(200, response)

    def do_GET(self):  # pylint: disable=invalid-name
        engine = self.server.engine
        if self.path == "/_fault":
            self._reply(200, engine.faults.describe())
        elif self.path == "/_log":
            self._reply(200, {"entries": engine.record.entries()})
        else:
            self._reply(404, {"message": f"there is nothing at {self.path}"})

    def do_DELETE(self):  # pylint: disable=invalid-name
        engine = self.server.engine
        if self.path == "/_fault":
            engine.faults.clear()
        elif self.path == "/_log":
            engine.record.clear()
        else:
            self._reply(404, {"message": f"there is nothing at {self.path}"})
            return
        self._reply(200, {})


class Server(http.server.ThreadingHTTPServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, engine):
        super().__init__((engine.settings.host, engine.settings.api_port), Handler)
        self.engine = engine
        self.api = Api(engine)

    def handle_error(self, request, client_address):
        """A client that went away is none of our errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True, name="data api").start()
