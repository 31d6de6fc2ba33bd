"""Runs `headgate` for the DAGs beside it: finds it, reads its answer, and says what its exit codes mean to Airflow.

The codes are Headgate's own (`headgate --help`). Which of them are worth another try is decided here and nowhere else.
Settings are Airflow Variables, read when a task runs and never while a DAG is parsed; a Variable can also stand in the
environment, as AIRFLOW_VAR_<NAME> (https://airflow.apache.org/docs/apache-airflow/stable/howto/variable.html).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple

from airflow.sdk import Asset, Variable
from airflow.sdk.exceptions import AirflowException, AirflowFailException

# Exit codes of `headgate`.
SUCCESS = 0
NOT_YET = 4
# What no other try makes better.
PERMANENT = {64: "wrong usage", 78: "wrong configuration"}

# What a table's name is: an event's name and major, or a schema's `x-table`.
TABLE_PATTERN = r"^[a-z][a-z0-9_]*$"
# Of what the command says when it fails, so much of the end is told, in characters: causes stand at the end.
STDERR_CHARACTERS_MAX = 4_000
# A command that is told to end has so long before it is killed, in seconds.
GRACE_SECONDS = 30
STATUS_DEADLINE_SECONDS = 300

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a command that did its work came to."""

    exit_code: int
    result: dict[str, Any]


def asset(table: str) -> Asset:
    """What stands for a table in the warehouse: DAGs with this in their schedule run when more of it is loaded."""
    return Asset(name=f"headgate_{table}", uri=f"headgate://warehouse/{table}")


def status(table: str, until: datetime) -> Answer:
    """Whether all that was received before `until`, and has landed, is loaded: `NOT_YET` or `SUCCESS`.

    Raises:
        AirflowException: it cannot be told now; another try may.
        AirflowFailException: nor will another try.
    """
    arguments = ["warehouse", "status", f"--table={table}", f"--until={instant(until)}", "--json"]
    return run(arguments, codes={SUCCESS, NOT_YET}, deadline_seconds=STATUS_DEADLINE_SECONDS)


def reload(table: str, start: datetime, end: datetime, deadline_seconds: float) -> dict[str, Any]:
    """Puts the rows received in [start, end) once more in the place of those that are in the warehouse.

    Raises:
        AirflowException: it failed, or took longer than `deadline_seconds`; it is safe to run again.
        AirflowFailException: it would fail again.
    """
    window = [f"--from={instant(start)}", f"--to={instant(end)}"]
    arguments = ["warehouse", "reload", f"--table={table}", *window, "--json"]
    return run(arguments, codes={SUCCESS}, deadline_seconds=deadline_seconds).result


def run(arguments: list[str], codes: set[int], deadline_seconds: float) -> Answer:
    """Runs `headgate` with these arguments, without a shell; `codes` are the exit codes that come with a result.

    Raises:
        AirflowException: it failed, was killed, or took longer than `deadline_seconds`.
        AirflowFailException: it is not there, was used or configured wrongly, or answers with what is no result.
    """
    command = [Variable.get("headgate_bin", default="headgate")]
    config = Variable.get("headgate_config", default="")
    if config:
        command.append(f"--config={config}")
    command += arguments
    log.info("running %s", shlex.join(command))
    with started(command) as process:
        try:
            stdout, stderr = process.communicate(timeout=deadline_seconds)
        except subprocess.TimeoutExpired:
            raise AirflowException(f"`{shlex.join(command)}` took longer than {deadline_seconds:g} seconds") from None
    if stderr.strip():
        log.info("it said: %s", stderr.strip())
    return judged(process.returncode, stdout, stderr, codes)


def judged(exit_code: int, stdout: str, stderr: str, codes: set[int]) -> Answer:
    """What an exit code and an output mean; raises as `run` does."""
    said = stderr.strip()[-STDERR_CHARACTERS_MAX:] or "it said nothing"
    if exit_code in PERMANENT:
        raise AirflowFailException(f"headgate exited with {exit_code}, {PERMANENT[exit_code]}: {said}")
    if exit_code < 0:
        raise AirflowException(f"headgate was ended by signal {-exit_code}: {said}")
    if exit_code not in codes:
        raise AirflowException(f"headgate exited with {exit_code}: {said}")
    try:
        result = json.loads(stdout)
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise AirflowFailException(
            f"headgate exited with {exit_code} but answered with no JSON object: {stdout[:200]!r}; "
            "is the Airflow Variable `headgate_bin` a Headgate that has `warehouse`?"
        )
    return Answer(exit_code, result)


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Runs the command as long as the block: a task that times out or is ended leaves no process behind."""
    # Airflow's own settings, with the keys to its database among them, are none of the command's business.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment, encoding="utf-8", errors="replace"
        )
    except (FileNotFoundError, PermissionError) as error:
        raise AirflowFailException(
            f"cannot run `{command[0]}` ({error.strerror}): set the Airflow Variable `headgate_bin` to its path on the workers"
        ) from error
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


def minutes(variable: str, default: int) -> int:
    """A Variable in whole minutes, at most a day.

    Raises:
        AirflowFailException: it is no such number.
    """
    text = str(Variable.get(variable, default=default))
    if not re.fullmatch(r"\d{1,4}", text) or int(text) > 1_440:
        raise AirflowFailException(f"the Airflow Variable `{variable}` is {text!r}: set it to minutes, 0 to 1440")
    return int(text)


def table_name(name: object) -> str:
    """The name, if it can be a table's.

    Raises:
        AirflowFailException: it cannot.
    """
    if not isinstance(name, str) or not re.fullmatch(TABLE_PATTERN, name):
        raise AirflowFailException(f"{name!r} is no table: name it as `headgate tables` does, as in screen_viewed_1")
    return name


def moment(text: str, name: str) -> datetime:
    """A time with its zone, in UTC; `name` is what it is called in errors.

    Raises:
        AirflowFailException: it is no time, or of no zone.
    """
    try:
        # Python 3.10 does not know the Z.
        parsed = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
    except ValueError as error:
        raise AirflowFailException(f"`{name}` is {text!r}: write a time such as 2026-11-22T20:00:00Z") from error
    if parsed.tzinfo is None:
        raise AirflowFailException(f"`{name}` is {text!r}, of no time zone: write 2026-11-22T20:00:00Z for UTC")
    return parsed.astimezone(timezone.utc)


def instant(time: datetime) -> str:
    """A time as Headgate's command line takes it."""
    return time.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"
