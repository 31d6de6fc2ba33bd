"""Tells other DAGs, table by table, that an hour is in the warehouse.

Each hour, for each table of the Airflow Variable `headgate_tables`: waits until all that Headgate received before the hour's end plus a margin is loaded, then
emits an event of the table's asset. A DAG that has `headgate_cli.asset(table)` in its schedule runs then, see `headgate_example.py`. A table that is late keeps
no other waiting.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import headgate_cli
from airflow.sdk import DAG, AssetAlias, CronDataIntervalTimetable, PokeReturnValue, Variable, task, task_group
from airflow.sdk.exceptions import AirflowFailException

# Which assets there are is only known when the Variable is read, which is when tasks run: their events go through this.
LOADED = AssetAlias("headgate_loaded")
HOUR = timedelta(hours=1)
# Clients send what they could not send in time: events of the hour that were received so long after it count as in time.
MARGIN_MINUTES_DEFAULT = 10
# What was received must have landed before `status` knows of it: more than a sink's `batch_age_max_ms`.
LANDING_MINUTES_DEFAULT = 2

log = logging.getLogger(__name__)


@task(retries=0)
def tables() -> list[str]:
    """The tables that are waited for."""
    names = Variable.get("headgate_tables", default=[], deserialize_json=True)
    if not isinstance(names, list) or not names:
        raise AirflowFailException('set the Airflow Variable `headgate_tables` to a list such as ["screen_viewed_1"]')
    return sorted({headgate_cli.table_name(name) for name in names})


@task.sensor(
    mode="reschedule",
    poke_interval=timedelta(minutes=1),
    timeout=timedelta(hours=6),
    map_index_template="{{ task.op_kwargs['table'] }}",
)
def wait(table: str, data_interval_end: datetime | None = None, dag_run: Any = None) -> PokeReturnValue:
    """Done when the hour is loaded; the hour stays in XCom."""
    # A run that was started by hand may have no interval: it is about the last hour that has ended.
    end = data_interval_end or dag_run.run_after.replace(minute=0, second=0, microsecond=0)
    until = end + timedelta(minutes=headgate_cli.minutes("headgate_margin_minutes", MARGIN_MINUTES_DEFAULT))
    landed_at = until + timedelta(minutes=headgate_cli.minutes("headgate_landing_minutes", LANDING_MINUTES_DEFAULT))
    if datetime.now(timezone.utc) < landed_at:
        log.info("what was received before %s may not have landed before %s", until, landed_at)
        return PokeReturnValue(is_done=False)
    answer = headgate_cli.status(table, until)
    # Of a table that it has never heard of, nothing waits to be loaded: that is no reason to go on.
    found = answer.result.get("tables", {}).get(table)
    if found is None:
        log.warning("the warehouse has no table %s: is it misspelled in `headgate_tables`, or has nothing landed yet?", table)
    elif answer.exit_code == headgate_cli.NOT_YET:
        log.info("not loaded yet: %s", found)
    window = {
        "table": table,
        "from": headgate_cli.instant(end - HOUR),
        "to": headgate_cli.instant(end),
        "loaded_until": headgate_cli.instant(until),
    }
    return PokeReturnValue(is_done=found is not None and answer.exit_code == headgate_cli.SUCCESS, xcom_value=window)


@task(outlets=[LOADED], map_index_template="{{ task.op_kwargs['window']['table'] }}")
def announce(window: dict[str, str], outlet_events: Any = None) -> None:
    """Emits the table's event, with the hour in it."""
    outlet_events[LOADED].add(headgate_cli.asset(window["table"]), extra=window)


@task_group
def loaded(table: str) -> None:
    """One table, on its own."""
    announce(window=wait(table=table))


with DAG(
    dag_id="headgate_window",
    description="Waits until an hour is loaded into the warehouse, and emits an asset event per table",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("@hourly", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    # What is loaded until an hour's end holds all hours before: nobody misses those that Airflow was away for.
    catchup=False,
    # More than the sensor's timeout has hours: a run that waits keeps no later one from starting.
    max_active_runs=8,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    tags=["headgate"],
):
    loaded.expand(table=tables())
