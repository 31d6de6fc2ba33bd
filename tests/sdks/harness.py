"""What every test here needs: `headgate up` on a directory of its own, the drivers of the SDKs, and waiting for rows.

    HEADGATE=target/release/headgate target/sdks/venv/bin/python -m unittest discover -s tests/sdks

The SDKs are where scripts/setup.sh puts them, or where HEADGATE_SDKS says; the Python there drives the browser too.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HEADGATE = str(ROOT / os.environ.get("HEADGATE", "target/release/headgate"))
SDKS = ROOT / os.environ.get("HEADGATE_SDKS", pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "sdks")
# How long anything may take. Generous: machines that run tests are busy.
PATIENCE_S = 60
# A driver gives up by itself after a minute.
DRIVER_S = 90


def wait_for(what, condition, patience_s=PATIENCE_S):
    """Waits until `condition` returns something, and returns that."""
    deadline = time.monotonic() + patience_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s} s in vain for {what}")
        time.sleep(0.05)


def objects(lines):
    """The JSON objects of lines. Python's own `splitlines` would also split at characters that JSON strings may have."""
    return [json.loads(line) for line in lines.split("\n") if line]


class Site:
    """A data directory, and `headgate up` on it."""

    def __init__(self, schemas=None, settings=None):
        self._directory = tempfile.TemporaryDirectory(prefix="headgate-sdks-")
        self.path = pathlib.Path(self._directory.name)
        self._schemas = schemas or ROOT / "schemas" / "events"
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE")}
        self._environment |= {
            "HEADGATE__LOG__FILTER": "info",
            "HEADGATE__GATEWAY__LISTEN": "127.0.0.1:0",
            "HEADGATE__GATEWAY__ADMIN__LISTEN": "127.0.0.1:0",
            "HEADGATE__SINK__BATCH_AGE_MAX_MS": "200",
        }
        self._environment |= settings or {}
        self._process = None
        self.endpoint = None

    def _command(self, *arguments):
        return [HEADGATE, "--data-dir", str(self.path / "data"), "--schemas", str(self._schemas), *arguments]

    def __enter__(self):
        with open(self.path / "log", "w") as log:
            self._process = subprocess.Popen(
                self._command("up"), env=self._environment, cwd=self.path, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self.endpoint = "http://" + wait_for("the addresses of headgate up", self._addresses)["gateway"]
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _addresses(self):
        if self._process.poll() is not None:
            raise AssertionError(f"headgate up ended with {self._process.returncode}:\n{self.log()}")
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.path / "data" / "run" / "addresses.json").read_text())
        return None

    def __exit__(self, kind, *_):
        if kind:
            print(self.log()[-4000:], file=sys.stderr)
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._directory.cleanup()

    def log(self):
        """What headgate has logged."""
        return (self.path / "log").read_text()

    def query(self, sql):
        """The rows of a statement."""
        done = subprocess.run(
            self._command("query", "--format", "json", sql),
            env=self._environment,
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{sql}: {done.stderr}")
        return objects(done.stdout)

    def bad_events(self):
        """Events that were rejected, each with its reason."""
        return self.query("SELECT reason, rejected_type, errors, payload FROM bad_events")

    def wait_for_ids(self, table, ids, meanwhile=lambda: None):
        """Waits until each of these events is in the table, and returns all of its rows in the order of arrival."""
        ids = set(ids)

        def all_there():
            meanwhile()
            rows = self.query(f"SELECT * FROM {table} ORDER BY received_at")
            return rows if ids <= {row["event_id"] for row in rows} else None

        try:
            return wait_for(f"{len(ids)} events in {table}", all_there) if ids else self.query(f"SELECT * FROM {table}")
        except AssertionError as error:
            missing = ids - {row["event_id"] for row in self.query(f"SELECT event_id FROM {table}")}
            raise AssertionError(f"{error}; missing: {sorted(missing)[:5]}; bad events: {self.bad_events()[:5]}") from None


def node(script):
    """How a driver in JavaScript is run."""
    return ["node", str(HERE / script)]


def python(script):
    """How a driver in Python is run."""
    return [str(SDKS / "venv" / "bin" / "python"), str(HERE / script)]


def drive(command, *arguments):
    """Runs a driver to its end; returns what it gave to its SDK, one object a call."""
    done = subprocess.run(
        [*command, *map(str, arguments)],
        env=os.environ | {"HEADGATE_SDKS": str(SDKS), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DRIVER_S,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return objects(done.stdout)


class SdkTest(unittest.TestCase):
    """A test that shows what differs between two large values, not both of them."""

    maxDiff = 4000

    def assert_once(self, ids, rows):
        """Each of the events has landed once, however often it was sent, and nothing else."""
        self.assertEqual(sorted(ids), sorted(row["event_id"] for row in rows))
