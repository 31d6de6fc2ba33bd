"""Loads a table's rows of a time once more, from the files that Headgate has landed.

For after the warehouse lost or spoiled rows, or a loader was too far behind. Rows received in [from, to) are replaced, chunk by chunk; each chunk is one
`headgate warehouse reload`, safe to run again, so that a chunk that failed is simply cleared. Started by hand, with the table and the time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import headgate_cli
from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowFailException

# Airflow maps a task at most so often unless `core.max_map_length` says otherwise
# (https://airflow.apache.org/docs/apache-airflow/stable/configurations-ref.html#max-map-length).
CHUNKS_MAX = 1_024
# Loads of one table wait for each other in the warehouse: more at once would only hold workers.
CHUNKS_AT_ONCE = 1
CHUNK_DEADLINE = timedelta(hours=6)
# A time with its zone. `format` gives the form its calendar, but is only checked where `rfc3339-validator` happens to be installed
# (https://python-jsonschema.readthedocs.io/en/stable/validate/#validating-formats).
TIME_PATTERN = r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{3}|\.\d{6})?([Zz]|[+-]\d{2}:\d{2})$"

PARAMS = {
    "table": Param(
        type="string",
        pattern=headgate_cli.TABLE_PATTERN,
        maxLength=127,
        title="Table",
        description="As `headgate tables` names it: screen_viewed_1.",
    ),
    "from": Param(
        type="string",
        format="date-time",
        pattern=TIME_PATTERN,
        title="From",
        description="Rows that Headgate received from then on, by `received_at`.",
    ),
    "to": Param(
        type="string", format="date-time", pattern=TIME_PATTERN, title="To", description="Rows received before then."
    ),
    "chunk_hours": Param(
        6,
        type="integer",
        minimum=1,
        maximum=744,
        title="Hours of a chunk",
        description="One task reloads so many hours; when it fails, so many are done again.",
    ),
}


@task(retries=0)
def chunks(params: Any = None) -> list[dict[str, str]]:
    """The time in pieces of `chunk_hours`, in order; the last may be shorter."""
    table = headgate_cli.table_name(params["table"])
    start, end = (headgate_cli.moment(params[name], name) for name in ("from", "to"))
    if start >= end:
        raise AirflowFailException(f"`from` is {start}, which is not before `to`, {end}")
    step = timedelta(hours=params["chunk_hours"])
    count = -((start - end) // step)
    if count > CHUNKS_MAX:
        raise AirflowFailException(f"that is {count} chunks, and {CHUNKS_MAX} are the most: raise `chunk_hours`")
    starts = [start + step * number for number in range(count)]
    return [
        {"table": table, "from": headgate_cli.instant(at), "to": headgate_cli.instant(min(at + step, end))}
        for at in starts
    ]


# The command has its own deadline. Airflow's, a little later, is for when the worker itself hangs.
@task(
    map_index_template="{{ task.op_kwargs['chunk']['from'] }}",
    max_active_tis_per_dagrun=CHUNKS_AT_ONCE,
    execution_timeout=CHUNK_DEADLINE + timedelta(minutes=5),
)
def reload(chunk: dict[str, str]) -> dict[str, Any]:
    """Reloads one chunk; what Headgate says of it stays in XCom."""
    start, end = (headgate_cli.moment(chunk[name], name) for name in ("from", "to"))
    return headgate_cli.reload(chunk["table"], start, end, CHUNK_DEADLINE.total_seconds())


@task
def total(reloaded: list[dict[str, Any]]) -> dict[str, int]:
    """What all chunks came to."""
    return {name: sum(one.get(name, 0) for one in reloaded) for name in ("rows", "files", "transactions")}


with DAG(
    dag_id="headgate_backfill",
    description="Reloads a table's rows of a time into the warehouse, from the landed files",
    doc_md=__doc__,
    schedule=None,
    params=PARAMS,
    max_active_runs=4,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    tags=["headgate"],
):
    total(reload.expand(chunk=chunks()))
