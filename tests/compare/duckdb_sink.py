#!/usr/bin/env python3
"""Lands the same events with DuckDB, on one thread, with the same columns and codec, and compares.

    HEADGATE_BENCH_DIR=/tmp/land cargo bench -p headgate-sink --features testing --bench land
    python3 tests/compare/duckdb_sink.py /tmp/land

Prints both CPU times an event (medians of five) and the sizes of both files, checks that both hold the same rows, and
writes the figures to compared.json.
"""

import json
import pathlib
import resource
import statistics
import sys

import duckdb

ROUNDS = 5

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


def main(folder):
    records = folder / "records.ndjson"
    connection = duckdb.connect()
    measured = json.loads((folder / "headgate.json").read_text())
    compared = {}
    connection.execute("SET threads TO 1; SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
    for codec in ("snappy", "zstd"):
        target = folder / f"duckdb-{codec}.parquet"
        spent = []
        for _ in range(ROUNDS):
            before = cpu_seconds()
            level = ", COMPRESSION_LEVEL 1" if codec == "zstd" else ""
            connection.execute(
                f"COPY ({query(records)}) TO '{target}' (FORMAT parquet, COMPRESSION {codec}{level})"
            )
            spent.append(cpu_seconds() - before)
        ours = sorted(folder.glob(f"{codec}-*.parquet"))
        names = "[" + ", ".join(f"'{path}'" for path in ours) + "]"
        same = "count(*), count(DISTINCT event_id), sum(hash(event_id, received_at, properties_price, context_page_url))"
        theirs = connection.execute(
            f"SELECT {same} FROM '{target}'"
        ).fetchone()
        own = connection.execute(f"SELECT {same} FROM read_parquet({names})").fetchone()
        assert theirs == own, (theirs, own)
        rows = own[0]
        size = sum(path.stat().st_size for path in ours)
        spent_us = statistics.median(spent) / rows * 1e6
        compared[codec] = {
            "events": rows,
            "headgate_us": measured[codec],
            "headgate_bytes": size,
            "duckdb_us": spent_us,
            "duckdb_bytes": target.stat().st_size,
        }
        print(
            f"{codec}: Headgate {measured[codec]:.2f}, DuckDB {spent_us:.2f} us CPU an event "
            f"({spent_us / measured[codec]:.2f} times); files {size / 1e6:.1f} and {target.stat().st_size / 1e6:.1f} MB "
            f"({size / target.stat().st_size:.2f} times)"
        )
    (folder / "compared.json").write_text(json.dumps(compared, indent=2))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
