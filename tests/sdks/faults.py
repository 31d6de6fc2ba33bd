"""A proxy in front of the gateway that makes trouble: 429, 503, and connections cut before and after the gateway had the
request. Each request's first attempts fail, each in another way than the request before; then it passes, so that any SDK that
tries again comes through.
"""

import contextlib
import gzip
import http.client
import http.server
import re
import socket
import threading
import urllib.parse

KINDS = ("429", "503", "cut before", "cut after")
# What names an event in each protocol: a request is told from others by its first event.
NAMES = [re.compile(rb'"' + name + rb'"\s*:\s*"([^"]+)"') for name in (b"messageId", b"eid", b"id")]
NAME_IN_QUERY = re.compile(r"[?&]eid=([^&]+)")
# Fewer than any SDK tries: @rudderstack/rudder-sdk-node gives up after the fourth.
FAILURES_MAX = 2
TIMEOUT_S = 30
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Faults:
    """The proxy; a context manager. `counts` tells how often each kind of trouble was made."""

    def __init__(self, upstream, retry_after_s=1):
        self._upstream = urllib.parse.urlsplit(upstream)
        self._retry_after_s = retry_after_s
        self._lock = threading.Lock()
        self._attempts = {}
        self.counts = dict.fromkeys(KINDS, 0)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def all_happened(self):
        """Whether each kind of trouble was made."""
        return all(self.counts.values())

    def assert_all_happened(self, test):
        """Fails unless each kind of trouble was made: a test without it would prove nothing."""
        test.assertTrue(self.all_happened(), self.counts)

    def _trouble(self, path, headers, body):
        """What is to be done to this attempt; none if it is to pass, as all that brings no events."""
        with contextlib.suppress(OSError, EOFError):
            body = gzip.decompress(body)
        found = [NAME_IN_QUERY.search(path), *(name.search(body) for name in NAMES)]
        name = headers.get("ce-id") or next((each[1] for each in found if each), None)
        if not name:
            return None
        with self._lock:
            before, offset = self._attempts.get(name, (0, len(self._attempts)))
            self._attempts[name] = (before + 1, offset)
            if before >= FAILURES_MAX:
                return None
            kind = KINDS[(offset + before) % len(KINDS)]
            self.counts[kind] += 1
            return kind

    def _forward(self, method, path, headers, body):
        connection = http.client.HTTPConnection(self._upstream.hostname, self._upstream.port, timeout=TIMEOUT_S)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
            connection.request(method, path, body, kept | {"Host": headers.get("Host", self._upstream.netloc)})
            reply = connection.getresponse()
            return reply.status, [pair for pair in reply.getheaders() if pair[0].lower() not in HOP_BY_HOP], reply.read()
        finally:
            connection.close()

    def _refusal(self, status, headers):
        """As the gateway itself refuses: a browser's script is only told when the answer allows its origin."""
        found = [("Retry-After", str(self._retry_after_s)), ("Content-Type", "application/json")]
        if origin := headers.get("Origin"):
            found += [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true")]
            found += [("Access-Control-Expose-Headers", "Retry-After"), ("Vary", "Origin")]
        return status, found, b'{"code":"made_trouble","message":"made trouble"}'

    def _handler(self):
        faults = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = TIMEOUT_S

            def log_message(self, *_):
                pass

            def _body(self):
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _cut(self):
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

            def _serve(self):
                body = self._body()
                trouble = faults._trouble(self.path, self.headers, body)
                if trouble == "cut before":
                    return self._cut()
                if trouble in ("429", "503"):
                    return self._answer(faults._refusal(int(trouble), self.headers))
                reply = faults._forward(self.command, self.path, self.headers, body)
                if trouble == "cut after":
                    return self._cut()
                return self._answer(reply)

            def _answer(self, reply):
                status, headers, body = reply
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_OPTIONS = _serve

        return Handler
