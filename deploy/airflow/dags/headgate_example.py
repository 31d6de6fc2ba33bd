"""How a query hangs behind a loaded hour: counts the screens that were viewed, once `headgate_window` says that an hour is there.

To make one's own, take the asset of one's table into the schedule, and the window from the event. The query runs on the Airflow connection
`headgate_warehouse`, of whatever type the warehouse needs.
"""

from __future__ import annotations

from typing import Any

import headgate_cli
from airflow.sdk import DAG, BaseHook, task
from airflow.sdk.exceptions import AirflowSkipException

TABLE = "screen_viewed_1"
SCREENS = headgate_cli.asset(TABLE)


@task(retries=2)
def views(triggering_asset_events: Any = None) -> list[list[Any]]:
    """Views by screen, of the hours that were announced since the last run, as [screen, views], most viewed first."""
    windows = [event.extra for event in triggering_asset_events.get(SCREENS, []) if {"from", "to"} <= event.extra.keys()]
    if not windows:
        raise AirflowSkipException("no hour was announced: this run was started by hand, or its event was")
    # One run may answer several events: hours that were loaded together, or one that was announced twice.
    start = min(headgate_cli.moment(window["from"], "from") for window in windows)
    end = max(headgate_cli.moment(window["to"], "to") for window in windows)
    # Whoever may emit events can write what they like into them: only times that were read as such get into the query.
    query = (
        f"SELECT name, count(*) FROM {TABLE} WHERE received_at >= '{start:%Y-%m-%d %H:%M:%S}' "
        f"AND received_at < '{end:%Y-%m-%d %H:%M:%S}' GROUP BY name ORDER BY count(*) DESC, name LIMIT 20"
    )
    rows = BaseHook.get_hook("headgate_warehouse").get_records(query)
    return [[screen, count] for screen, count in rows]


with DAG(
    dag_id="headgate_example",
    description="Counts the screens viewed, each time an hour of them is in the warehouse",
    doc_md=__doc__,
    schedule=[SCREENS],
    tags=["headgate", "example"],
):
    views()
