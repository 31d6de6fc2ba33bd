#!/usr/bin/env python3
"""What a catalogue of AWS Glue has of a table, asked by Amazon's own client.

    python3 tests/readers/glue.py http://127.0.0.1:PORT DATABASE TABLE

Prints one JSON object: the table's columns, folder and parameters, and each partition's values with its folder and number
of columns. It judges nothing: the test does.
"""

import json
import sys

import boto3


def main():
    endpoint, database, name = sys.argv[1:]
    glue = boto3.client("glue", endpoint_url=endpoint)
    table = glue.get_table(DatabaseName=database, Name=name)["Table"]
    storage = table["StorageDescriptor"]
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=name)
    seen = {
        "columns": {column["Name"]: column["Type"] for column in storage["Columns"]},
        "location": storage["Location"],
        "keys": [key["Name"] for key in table["PartitionKeys"]],
        "parameters": table["Parameters"],
        "partitions": [
            {
                "values": partition["Values"],
                "location": partition["StorageDescriptor"]["Location"],
                "columns": len(partition["StorageDescriptor"]["Columns"]),
            }
            for page in pages
            for partition in page["Partitions"]
        ],
    }
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
