#!/usr/bin/env python3
"""Makes a view of DuckDB by the SQL on standard input, and asks it.

    headgate tables ddl --for duckdb --table T | python3 tests/readers/view.py T "SELECT ... FROM T"

Prints one JSON object: the view's columns with their types, and the rows of the SELECT. It judges nothing: the test does.
"""

import json
import sys

import duckdb


def main():
    view, select = sys.argv[1:]
    connection = duckdb.connect()
    connection.execute(sys.stdin.read())
    types = {name: kind for name, kind, *_ in connection.execute(f'DESCRIBE "{view}"').fetchall()}
    rows = connection.execute(select)
    names = [column[0] for column in rows.description]
    json.dump({"types": types, "rows": [dict(zip(names, row)) for row in rows.fetchall()]}, sys.stdout)


if __name__ == "__main__":
    main()
