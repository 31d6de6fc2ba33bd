"""An Airflow for the tests, and a fake of the `headgate` command.

To be imported before anything of Airflow, which reads its settings when it is imported. Everything is in a directory that is
deleted when the tests end: settings, a SQLite database, logs, the fake. Nothing of it is a process that goes on.
"""

import atexit
import json
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DAGS = ROOT / "deploy" / "airflow" / "dags"

_directory = tempfile.TemporaryDirectory(prefix="headgate-airflow-")
atexit.register(_directory.cleanup)
HOME = pathlib.Path(_directory.name)

# Many tests make tasks fail, of which Airflow would tell at length: LOG_LEVEL=ERROR shows it.
LOG_LEVEL = os.environ.get("LOG_LEVEL", "CRITICAL")

# Settings of the one who runs the tests must not decide, nor must a Headgate of theirs.
for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "HEADGATE_"))]:
    del os.environ[name]
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": LOG_LEVEL,
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
)
# The DAGs' folder is to stay as it is.
sys.dont_write_bytecode = True
sys.path.insert(0, str(DAGS))

FAKE = """#!{python}
# A fake of `headgate`: notes how it was called, and answers with what the test has laid beside it.
import json, os, pathlib, sys, time

here = pathlib.Path(__file__).parent
with open(here / "calls.jsonl", "a") as calls:
    print(json.dumps({{"arguments": sys.argv[1:], "environment": dict(os.environ), "pid": os.getpid()}}), file=calls)
answers = json.loads((here / "answers.json").read_text())
answer = answers[0]
(here / "answers.json").write_text(json.dumps(answers[1:] or answers))
print(answer["stdout"], flush=True)
print(answer["stderr"], file=sys.stderr, flush=True)
time.sleep(answer["seconds"])
if answer["signal"]:
    os.kill(os.getpid(), answer["signal"])
sys.exit(answer["exit_code"])
"""


def answer(exit_code=0, result=None, stdout=None, stderr="", seconds=0, signal=0):
    """What the fake does once it is called; `result` is printed as JSON unless `stdout` says otherwise."""
    stdout = json.dumps({} if result is None else result) if stdout is None else stdout
    return {"exit_code": exit_code, "stdout": stdout, "stderr": stderr, "seconds": seconds, "signal": signal}


class FakeHeadgate:
    """A fake of `headgate`, which Airflow finds by the Variable `headgate_bin`."""

    def __init__(self, *answers):
        """The answers are given in turn, the last one from then on."""
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=HOME))
        self.path = self.directory / "fake-headgate"
        self.path.write_text(FAKE.format(python=sys.executable))
        self.path.chmod(0o755)
        (self.directory / "answers.json").write_text(json.dumps(answers))
        os.environ["AIRFLOW_VAR_HEADGATE_BIN"] = str(self.path)

    def calls(self):
        """How it was called, in order."""
        noted = self.directory / "calls.jsonl"
        return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    def arguments(self):
        """The arguments of each call, in order."""
        return [call["arguments"] for call in self.calls()]


def set_variable(name, value):
    """Sets an Airflow Variable until the next test."""
    os.environ[f"AIRFLOW_VAR_{name.upper()}"] = value if isinstance(value, str) else json.dumps(value)


def forget_variables():
    """Takes all Airflow Variables away that tests have set."""
    for key in [key for key in os.environ if key.startswith("AIRFLOW_VAR_")]:
        del os.environ[key]


def make_database():
    """The tables of Airflow's database, once."""
    from airflow.utils.db import initdb

    if not (HOME / "made").exists():
        initdb()
        (HOME / "made").touch()


def set_connection(name, fields):
    """Sets an Airflow connection for the tests that follow."""
    os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(fields)
