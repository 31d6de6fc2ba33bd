#!/usr/bin/env python3
"""Reads the tables of a data directory as a stranger to Headgate would, with DuckDB and with pyarrow.

    python3 tests/readers/read.py headgate-data/lake

Takes only files that the commit log names. Prints one JSON object: for each table what either reader sees (columns with
their types, rows by event_id, timestamps in them as microseconds since 1970), and how the files are stored (codecs, bloom
filters). It judges nothing: the test does.
"""

import collections
import datetime
import json
import pathlib
import sys

import duckdb
import pyarrow
import pyarrow.parquet

ABSENT_IDS = [f"no-such-event-{n}" for n in range(32)]


def committed(lake):
    """Paths of the committed files, by table."""
    tables = collections.defaultdict(list)
    for record in sorted(lake.glob("_commits/*/*/*.json")):
        # Other files of the log, such as checkpoints, are no commits.
        if record.stem.isdigit():
            for file in json.loads(record.read_text())["files"]:
                tables[file["table"]].append(str(lake / file["path"]))
    return tables


def ask(connection, sql, *parameters):
    """All rows of a statement, on a cursor of its own."""
    return connection.cursor().execute(sql, list(parameters)).fetchall()


def with_duckdb(connection, paths):
    # Partition columns come from directory names, not from the files.
    table = "read_parquet($1, hive_partitioning = false)"
    types = {name: kind for name, kind, *_ in ask(connection, f"DESCRIBE FROM {table}", paths)}
    # Python's own type for a time with a zone takes modules that need not be there.
    times = [name for name, kind in types.items() if kind.startswith("TIMESTAMP")]
    micros = ", ".join(f'epoch_us("{name}") AS "{name}"' for name in times)
    rows = ask(connection, f"SELECT * REPLACE ({micros}) FROM {table} ORDER BY event_id", paths)
    return {"types": types, "rows": [dict(zip(types, row)) for row in rows]}


def with_pyarrow(paths):
    # One file at a time: a data set would add its partitions' columns.
    table = pyarrow.concat_tables(pyarrow.parquet.ParquetFile(path).read() for path in paths)
    types = {field.name: str(field.type) for field in table.schema}
    for index, field in enumerate(table.schema):
        if pyarrow.types.is_timestamp(field.type):
            table = table.set_column(index, field.name, table[index].cast(pyarrow.int64()))
    return {"types": types, "rows": table.sort_by("event_id").to_pylist()}


def storage(connection, paths):
    chunks = ask(connection, "SELECT path_in_schema, compression, bloom_filter_length FROM parquet_metadata($1)", paths)
    probe = "SELECT count(*) FILTER (bloom_filter_excludes), count(*) FROM parquet_bloom_probe($1, 'event_id', $2)"

    def excluded(event_id):
        """In how many row groups the bloom filter rules the id out, of how many."""
        return ask(connection, probe, paths, event_id)[0]

    present = [event_id for (event_id,) in ask(connection, "SELECT event_id FROM read_parquet($1)", paths)]
    absent = [excluded(event_id) for event_id in ABSENT_IDS]
    return {
        "codecs": sorted({codec for _, codec, _ in chunks}),
        "bloom_columns": sorted({name for name, _, length in chunks if length}),
        "present_ids_excluded_everywhere": sum(out == of for out, of in map(excluded, present)),
        "absent_share_excluded": sum(out for out, _ in absent) / sum(of for _, of in absent),
    }


def plain(value):
    """How JSON tells a value that it has no type for."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def main():
    lake = pathlib.Path(sys.argv[1])
    connection = duckdb.connect()
    seen = {
        table: {
            "files": len(paths),
            "duckdb": with_duckdb(connection, paths),
            "pyarrow": with_pyarrow(paths),
            "storage": storage(connection, paths),
        }
        for table, paths in committed(lake).items()
    }
    json.dump(seen, sys.stdout, default=plain)


if __name__ == "__main__":
    main()
