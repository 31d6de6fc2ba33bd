#!/usr/bin/env python3
"""Works out docs/capacity.md from measured figures, and prints it.

    scripts/capacity.py docs/figures/capacity.json > docs/capacity.md

The figures are what `./headgate.sh bench` left; everything else that is assumed is a named constant here, and stands on
the page.
"""

import dataclasses
import json
import math
import pathlib
import sys

DAY_S = 86_400
HOURS = 24
GIB = 1 << 30
MIB = 1 << 20

# The loads, in events a day.
LOADS = {"10 M": 10_000_000, "1 B": 1_000_000_000, "550 B": 550_000_000_000}
# The busiest moment of a day, over its mean.
PEAK = 3.0
# The share of a core that a gateway or a sink is to use at the peak.
UTILISATION = 0.6
# Cores of the machine that one gateway or sink runs on.
CORES = 4
# A gateway or sink that fails must leave another.
NODES_MIN = 2

# Tables, hours open at a time, and batch ages that are worked out.
TABLES = 50
BATCH_AGES_S = [5, 30, 60, 300]
# Where one age has to be chosen.
BATCH_AGE_S = 60
# What a busy sink's batches may hold: the default, and more.
BATCHES_BYTES = [64 << 20, 256 << 20, 1 << 30]

# The sink's defaults: see docs/configuration.md.
BATCH_BYTES_MAX = 64 * MIB
RECORD_BYTES = 1_400
MULTIPART_BYTES = 16 * MIB
PART_BYTES = 8 * MIB
COMPACTED_FILE_BYTES = 256 * MIB
SWEEPS_A_DAY = 24
LISTED_OBJECTS = 1_000
DAYS_KEPT = 365

# Kafka.
REPLICAS = 3
RETENTION_DAYS = 3

# Kinesis: what one shard takes a second, what the writer makes of it, and Amazon's public list prices in us-east-1
# (https://aws.amazon.com/kinesis/data-streams/pricing/, as known in 2025), in dollars. A payload unit is a record's 25 KB or a
# part of them; on-demand streams bill each record's bytes rounded up to 1 KB.
SHARD_BYTES_A_SECOND = 1_000_000
SHARD_RECORDS_A_SECOND = 1_000
# How long an event waits for others of its shard: the writer's default, and more. 0: it is not aggregated.
KINESIS_LINGERS_MS = [0, 20, 200]
KINESIS_RECORD_BYTES_MAX = 1 * MIB
UNIT_BYTES = 25_000
SHARD_HOUR = 0.015
UNITS_PER_MILLION = 0.014
ON_DEMAND_GB_IN = 0.08
ON_DEMAND_GB_OUT = 0.04
ON_DEMAND_STREAM_HOUR = 0.04
KIB = 1 << 10

# The warehouse: the loader's defaults, and other ages.
LOAD_AGES_S = [30, 60, 120, 300]
LOAD_BYTES_MAX = 1 * GIB
LOAD_FILES_MAX = 1_000
LOADS_AT_ONCE = 4
# How long a load's transaction takes in Redshift. Assumed: it depends on the cluster, and cannot be measured here.
LOAD_S = 10
# A run is asked about after so long, then after each time half as long again, up to so long.
POLL_MIN_S, POLL_MAX_S = 0.1, 2.0
# Default quotas of the Redshift Data API, in calls a second of one account and region, and statements at once on one
# cluster or workgroup (AWS General Reference, "Amazon Redshift endpoints and quotas"; Redshift Management Guide, "Using the
# Amazon Redshift Data API"; as known in 2025: look yours up under Service Quotas).
DATA_API_CALLS_A_SECOND = {
    "BatchExecuteStatement": 20,
    "ExecuteStatement": 30,
    "DescribeStatement": 100,
    "GetStatementResult": 20,
}
STATEMENTS_ACTIVE_MAX = 500
WAREHOUSE_LOADS = ["10 M", "1 B"]

# Amazon S3, standard class, us-east-1, public list prices (https://aws.amazon.com/s3/pricing/, as known in 2025), in dollars.
PUT_LIST_PER_1000 = 0.005
GET_HEAD_PER_1000 = 0.0004
STORED_GB_MONTH = 0.023
GB = 1_000_000_000


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one run measured."""

    gateway_us: float
    sink_us: float
    parquet_bytes: float
    kafka_bytes: float
    # Requests for a commit besides its files: its own, and what each other sink's commit causes.
    put: float
    get: float
    head: float
    get_of_another: float
    head_of_another: float
    # Calls of the Data API for a load, by name, against a warehouse that loads in no time.
    calls: dict

    @staticmethod
    def of(figures):
        one, two = (each(counted) for counted in figures["requests"])
        return Measured(
            gateway_us=figures["gateway_us_per_event"],
            sink_us=figures["sink_us_per_event"],
            parquet_bytes=figures["parquet_bytes_per_event"],
            kafka_bytes=figures["kafka_bytes_per_event"],
            put=one["put"],
            get=one["get"],
            head=one["head"],
            get_of_another=max(0.0, two["get"] - one["get"]),
            head_of_another=max(0.0, two["head"] - one["head"]),
            calls={name: calls / figures["warehouse"]["loads"] for name, calls in figures["warehouse"]["calls"].items()},
        )


def each(counted):
    """Requests a commit, those that put its files left out."""
    commits = counted["commits"]
    return {
        "put": (counted["put"] - counted["files"]) / commits,
        "get": counted["get"] / commits,
        "head": counted["head"] / commits,
    }


def nodes(events_a_day, us):
    """How many gateways or sinks, and the cores that they use at the mean."""
    cores = events_a_day / DAY_S * us / 1e6
    needed = cores * PEAK / UTILISATION
    return max(NODES_MIN, math.ceil(needed / CORES)), cores


@dataclasses.dataclass(frozen=True)
class Day:
    """One day of one load with one batch age."""

    sinks: int
    commits: float
    files: float
    file_bytes: float
    put: float
    get: float
    list: float
    dollars: float
    compacted_files: float


def day(measured, events, age_s, batch_bytes=BATCH_BYTES_MAX):
    """A day's files, requests and what those cost."""
    sinks, _ = nodes(events, measured.sink_us)
    # A batch is cut when it is full or old, whichever comes first.
    full = events * RECORD_BYTES / batch_bytes
    commits = max(sinks * DAY_S / age_s, full)
    # A busy sink has rows of every table in a batch; at the turn of an hour some have two files.
    files = min(events, commits * TABLES + sinks * HOURS * TABLES)
    bytes_all = events * measured.parquet_bytes
    file_bytes = bytes_all / files
    if file_bytes > MULTIPART_BYTES:
        # Looked for, begun, sent in parts, put together.
        put_a_file, head_a_file = 2 + math.ceil(file_bytes / PART_BYTES), 1
    else:
        put_a_file, head_a_file = 1, 0
    others = sinks - 1
    put = files * put_a_file + commits * measured.put
    get = commits * (measured.get + measured.head + others * (measured.get_of_another + measured.head_of_another))
    get += files * head_a_file
    compacted = max(min(files, TABLES * HOURS), bytes_all / COMPACTED_FILE_BYTES)
    # Each sink's sweep lists what is kept, as it was compacted, and the day's own files.
    listed = sinks * SWEEPS_A_DAY * (math.ceil((compacted * DAYS_KEPT + files) / LISTED_OBJECTS) + 1)
    dollars = (put + listed) * PUT_LIST_PER_1000 / 1_000 + get * GET_HEAD_PER_1000 / 1_000
    return Day(sinks, commits, files, file_bytes, put, get, listed, dollars, compacted)


def number(value):
    """Three significant digits, with a unit for thousands."""
    for size, unit in ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")):
        if value >= size * 0.9995:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def size(value):
    for unit, name in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= unit * 0.9995:
            return f"{value / unit:.3g} {name}"
    return f"{value:.0f} B"


def money(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def table(head, rows):
    lines = [head, ["---:"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def measured_table(measured):
    rows = [
        ["CPU of a gateway, us an event", f"{measured.gateway_us:.2f}", "`g`"],
        ["CPU of a sink, us an event", f"{measured.sink_us:.2f}", "`s`"],
        ["Parquet, bytes an event", f"{measured.parquet_bytes:.0f}", "`b`"],
        ["Kafka, bytes an event and replica", f"{measured.kafka_bytes:.0f}", "`k`"],
        ["PUTs a commit besides its files (record, checkpoints)", f"{measured.put:.2f}", "`p`"],
        ["GETs and HEADs a commit", f"{measured.get + measured.head:.2f}", "`r`"],
        ["GETs and HEADs that a commit causes at each other sink", f"{measured.get_of_another + measured.head_of_another:.2f}", "`o`"],
    ]
    return table(["what", "measured", "called"], rows)


def machines(measured):
    rows = []
    for name, events in LOADS.items():
        gateways, gateway_cores = nodes(events, measured.gateway_us)
        sinks, sink_cores = nodes(events, measured.sink_us)
        kafka = events * measured.kafka_bytes
        rows.append(
            [
                name,
                number(events / DAY_S),
                f"{gateway_cores:.2f}",
                f"{gateways:,}",
                f"{sink_cores:.2f}",
                f"{sinks:,}",
                size(kafka),
                size(kafka * REPLICAS * RETENTION_DAYS),
            ]
        )
    head = ["events a day", "events/s, mean", "gateways' cores, mean", "gateways", "sinks' cores, mean", "sinks"]
    return table([*head, "into Kafka a day", "on Kafka's disks"], rows)


def requests(measured):
    rows = []
    for name, events in LOADS.items():
        for age in BATCH_AGES_S:
            one = day(measured, events, age)
            row = [name, age, number(one.commits), number(one.files), size(one.file_bytes)]
            rows.append([*row, number(one.put), number(one.get), number(one.list), money(one.dollars)])
    head = ["events a day", "batch age, s", "commits", "files", "a file"]
    return table([*head, "PUT", "GET and HEAD", "LIST", "dollars a day for requests"], rows)


def batches(measured):
    events = LOADS["550 B"]
    rows = []
    for batch_bytes in BATCHES_BYTES:
        one = day(measured, events, BATCH_AGE_S, batch_bytes)
        row = [f"{batch_bytes // MIB:,}", number(one.commits), number(one.files), size(one.file_bytes)]
        rows.append([*row, number(one.put), number(one.list), money(one.dollars)])
    head = ["`sink.batch_bytes_max`, MiB", "commits", "files", "a file", "PUT", "LIST", "dollars a day for requests"]
    return table(head, rows)


def kept(measured):
    rows = []
    for name, events in LOADS.items():
        one = day(measured, events, BATCH_AGE_S)
        stored = events * measured.parquet_bytes
        row = [name, size(stored), number(one.files), number(one.compacted_files), size(stored / one.compacted_files)]
        rows.append([*row, money(stored / GB * STORED_GB_MONTH)])
    head = ["events a day", "Parquet a day", "files a day", "files a day once compacted", "a compacted file"]
    return table([*head, "dollars a month for each day that is kept"], rows)


@dataclasses.dataclass(frozen=True)
class Kinesis:
    """One day of one load in one stream of Kinesis."""

    shards: int
    records: float
    record_bytes: float
    provisioned: float
    on_demand: float

    @staticmethod
    def of(measured, events, linger_ms):
        bytes_a_second = events * RECORD_BYTES / DAY_S
        # Shards are for the peak.
        shards = max(1, math.ceil(bytes_a_second * PEAK / SHARD_BYTES_A_SECOND))
        if not linger_ms:
            shards = max(shards, math.ceil(events / DAY_S * PEAK / SHARD_RECORDS_A_SECOND))
        # A record has what comes to one gateway for one shard in that time.
        gateways, _ = nodes(events, measured.gateway_us)
        waiting = bytes_a_second / shards / gateways * linger_ms / 1_000
        record_bytes = min(KINESIS_RECORD_BYTES_MAX, max(RECORD_BYTES, waiting))
        records = events * RECORD_BYTES / record_bytes
        units = records * math.ceil(record_bytes / UNIT_BYTES)
        provisioned = shards * HOURS * SHARD_HOUR + units / 1e6 * UNITS_PER_MILLION
        billed = records * math.ceil(record_bytes / KIB) * KIB / GIB
        on_demand = HOURS * ON_DEMAND_STREAM_HOUR + billed * (ON_DEMAND_GB_IN + ON_DEMAND_GB_OUT)
        return Kinesis(shards, records, record_bytes, provisioned, on_demand)


def kinesis_table(measured):
    rows = []
    for name, events in LOADS.items():
        for linger_ms in KINESIS_LINGERS_MS:
            one = Kinesis.of(measured, events, linger_ms)
            row = [name, linger_ms or "not aggregated", f"{one.shards:,}", number(one.records), size(one.record_bytes)]
            rows.append([*row, money(one.provisioned), money(one.on_demand)])
    head = ["events a day", "`kinesis.linger_ms`", "shards", "records a day", "a record"]
    return table([*head, "dollars a day, provisioned", "dollars a day, on demand"], rows)


def polls(seconds):
    """How often a run that takes so long is asked about."""
    asked, at, pause = 0, 0.0, POLL_MIN_S
    while at < seconds:
        asked, at, pause = asked + 1, at + pause, min(pause * 1.5, POLL_MAX_S)
    return asked + 1


def calls_a_load(measured):
    """Calls of the Data API for a load of LOAD_S: the measured ones, and at most so many more while it runs."""
    return measured.calls | {"DescribeStatement": measured.calls["DescribeStatement"] + polls(LOAD_S)}


def loads_a_day(measured, events, age_s):
    """A table is loaded when its oldest file is old, or enough waits."""
    files = day(measured, events, BATCH_AGE_S).files / TABLES
    sizes = events * measured.parquet_bytes / TABLES / LOAD_BYTES_MAX
    return TABLES * max(min(DAY_S / age_s, files), files / LOAD_FILES_MAX, sizes)


def calls_table(measured):
    calls = calls_a_load(measured)
    rows = [
        [f"`{name}`", f"{measured.calls[name]:.2f}", f"{calls[name]:.2f}", quota, f"{quota / calls[name]:.1f}"]
        for name, quota in DATA_API_CALLS_A_SECOND.items()
    ]
    head = ["call", "a load, measured", f"a load of {LOAD_S} s", "quota, calls/s", "loads/s within the quota"]
    return table(head, rows)


def loads_table(measured):
    calls = calls_a_load(measured)
    rows = []
    for name in WAREHOUSE_LOADS:
        events = LOADS[name]
        for age in LOAD_AGES_S:
            loads = loads_a_day(measured, events, age)
            used = max(loads / DAY_S * calls[call] / quota for call, quota in DATA_API_CALLS_A_SECOND.items())
            loaded = size(events * measured.parquet_bytes / loads)
            rows.append([name, age, number(loads), loaded, f"{loads / DAY_S * LOAD_S:.1f}", f"{used:.0%}"])
    head = ["events a day", "load age, s", "loads a day", "a load", "loads at once, mean"]
    return table([*head, "of the nearest quota"], rows)


def page(figures):
    measured = Measured.of(figures)
    template = pathlib.Path(__file__).with_name("capacity.md.in").read_text()
    values = {
        "MEASURED": measured_table(measured),
        "MACHINES": machines(measured),
        "REQUESTS": requests(measured),
        "BATCHES": batches(measured),
        "KEPT": kept(measured),
        "KINESIS": kinesis_table(measured),
        "CALLS": calls_table(measured),
        "LOADS_TABLE": loads_table(measured),
        # With fewer at once, a table waits until its turn: that many tables by what a load takes.
        "LOAD_AGE_AT_ONCE_S": f"{TABLES * LOAD_S / LOADS_AT_ONCE:g}",
    }
    constants = {name: value for name, value in globals().items() if name.isupper() and isinstance(value, (int, float))}
    for name, value in constants.items():
        values[name] = f"{value:,}" if isinstance(value, int) else f"{value:g}"
    for name, unit in (("BATCH_BYTES_MAX", MIB), ("MULTIPART_BYTES", MIB), ("PART_BYTES", MIB), ("COMPACTED_FILE_BYTES", MIB), ("LOAD_BYTES_MAX", MIB)):
        values[name] = f"{constants[name] // unit} MiB"
    for name in sorted(values, key=len, reverse=True):
        template = template.replace(f"{{{{{name}}}}}", values[name].rstrip("\n"))
    if "{{" in template:
        sys.exit(f"capacity.md.in has a place that nothing fills: {template.split('{{')[1].split('}}')[0]}")
    return template


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(page(json.loads(pathlib.Path(sys.argv[1]).read_text())), end="")
