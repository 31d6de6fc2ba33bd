#!/usr/bin/env python3
"""Lands the same events with Headgate's sink and with DuckDB, on one thread each, with the same columns and codec.

    python3 tests/compare/duckdb_sink.py /tmp/land [ROUNDS]

Builds and runs the sink's bench `land` (or the command in HEADGATE_BENCH_LAND), which keeps its records and files in the
directory and runs a round when it is told to. A round of the one follows a round of the other, so that a machine whose speed changes slows both; the ratio
is taken round by round, and its median is what counts. Prints both CPU times an event and the sizes of both files,
checks that both hold the same rows, and writes the figures to compared.json.
"""

import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys

import duckdb

ROUNDS = 7
BENCH = "cargo bench --locked --quiet -p headgate-sink --features testing --bench land"

CONTEXT = {
    "ip": "VARCHAR",
    "userAgent": "VARCHAR",
    "locale": "VARCHAR",
    "timezone": "VARCHAR",
    "library": {"name": "VARCHAR", "version": "VARCHAR"},
    "page": {name: "VARCHAR" for name in ("path", "referrer", "search", "title", "url")},
    "screen": {"width": "BIGINT", "height": "BIGINT", "density": "DOUBLE"},
    "campaign": {"source": "VARCHAR", "medium": "VARCHAR"},
}
PROPERTIES = {
    "product_id": "VARCHAR",
    "name": "VARCHAR",
    "category": "VARCHAR",
    "price": "DOUBLE",
    "quantity": "BIGINT",
    "currency": "VARCHAR",
    "in_stock": "BOOLEAN",
    "position": "BIGINT",
    "query": "VARCHAR",
    "tags": "JSON",
    "session_id": "BIGINT",
    "score": "DOUBLE",
}
DATA = {"context": CONTEXT, "properties": PROPERTIES, "integrations": "JSON"}
ENVELOPE = {
    "event_id": ("id", "VARCHAR"),
    "event_type": ("type", "VARCHAR"),
    "schema_version": ("dataschema", "VARCHAR"),
    "source": ("source", "VARCHAR"),
    "user_id": ("userid", "VARCHAR"),
    "anonymous_id": ("anonymousid", "VARCHAR"),
    "event_time": ("time", "TIMESTAMPTZ"),
    "sent_at": ("senttime", "TIMESTAMPTZ"),
    "received_at": ("receivedtime", "TIMESTAMPTZ"),
}


def type_of(shape):
    if isinstance(shape, str):
        return shape
    return "STRUCT(" + ", ".join(f'"{name}" {type_of(inner)}' for name, inner in shape.items()) + ")"


def leaves(shape, path):
    for name, inner in shape.items():
        if isinstance(inner, str):
            yield path + [name]
        else:
            yield from leaves(inner, path + [name])


def query(records):
    columns = {attribute: kind for attribute, kind in ENVELOPE.values()} | {"data": type_of(DATA)}
    listed = [f"'{name}': '{kind}'" for name, kind in columns.items()]
    chosen = [f'"{attribute}" AS {name}' for name, (attribute, _) in ENVELOPE.items()]
    chosen += ["NULL::VARCHAR AS _rest"]
    for path in leaves(DATA, ["data"]):
        chosen.append(".".join(f'"{part}"' for part in path) + f' AS "{"_".join(path[1:])}"')
    return (
        f"SELECT {', '.join(chosen)} FROM read_json('{records}', format='newline_delimited', "
        f"columns={{{', '.join(listed)}}})"
    )


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Headgate:
    """The sink's bench, waiting to be told to run a round."""

    def __init__(self, folder):
        environment = os.environ | {"HEADGATE_BENCH_DIR": str(folder)}
        self.bench = subprocess.Popen(
            os.environ.get("HEADGATE_BENCH_LAND", BENCH).split(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.answer("ready")

    def answer(self, expected=None):
        line = self.bench.stdout.readline().strip()
        if not line or expected not in (None, line):
            sys.exit(f"the sink's bench did not run: {line!r}")
        return line

    def land(self, codec):
        """CPU microseconds an event."""
        self.bench.stdin.write(f"{codec}\n")
        self.bench.stdin.flush()
        return float(self.answer())

    def stop(self):
        self.bench.stdin.close()
        self.bench.wait()


def land_with_duckdb(connection, records, codec, target):
    """CPU microseconds an event."""
    level = ", COMPRESSION_LEVEL 1" if codec == "zstd" else ""
    before = cpu_seconds()
    written = connection.execute(
        f"COPY ({query(records)}) TO '{target}' (FORMAT parquet, COMPRESSION {codec}{level})"
    ).fetchone()
    return (cpu_seconds() - before) / written[0] * 1e6


def same_rows(connection, ours, target):
    """How many rows both hold; they must be the same ones, but for the version that DuckDB does not split off."""
    names = "[" + ", ".join(f"'{path}'" for path in ours) + "]"
    what = "count(*), count(DISTINCT event_id), sum(hash(COLUMNS(* EXCLUDE (schema_version))))"
    own, theirs = (
        connection.execute(f"SELECT {what} FROM read_parquet({files})").fetchone() for files in (names, f"'{target}'")
    )
    assert theirs == own, (theirs, own)
    return own[0]


def compare(folder, rounds):
    connection = duckdb.connect()
    connection.execute("SET threads TO 1; SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
    records = folder / "records.ndjson"
    headgate = Headgate(folder)
    compared = {}
    for codec in ("snappy", "zstd"):
        target = folder / f"duckdb-{codec}.parquet"
        pairs = [
            (headgate.land(codec), land_with_duckdb(connection, records, codec, target)) for _ in range(rounds)
        ]
        ratios = sorted(theirs / ours for ours, theirs in pairs)
        files = sorted(folder.glob(f"{codec}-*.parquet"))
        size, duckdb_size = sum(path.stat().st_size for path in files), target.stat().st_size
        compared[codec] = {
            "events": same_rows(connection, files, target),
            "rounds": rounds,
            "headgate_us": statistics.median(ours for ours, _ in pairs),
            "duckdb_us": statistics.median(theirs for _, theirs in pairs),
            "ratio": statistics.median(ratios),
            "ratio_least": ratios[0],
            "ratio_most": ratios[-1],
            "headgate_bytes": size,
            "duckdb_bytes": duckdb_size,
        }
        print(
            "{}: Headgate {headgate_us:.2f}, DuckDB {duckdb_us:.2f} us CPU an event; round by round {ratio:.2f} times "
            "({ratio_least:.2f} to {ratio_most:.2f}, {rounds} rounds); files {:.1f} and {:.1f} MB ({:.3f} times)".format(
                codec, size / 1e6, duckdb_size / 1e6, size / duckdb_size, **compared[codec]
            ),
            flush=True,
        )
    headgate.stop()
    (folder / "compared.json").write_text(json.dumps(compared, indent=2))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    compare(pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else ROUNDS)
