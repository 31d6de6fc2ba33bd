"""Drives `segment-analytics-python`."""

from segment.analytics.client import Client

from drive import arguments
from spec import drive


def main():
    endpoint, write_key, seed = arguments()
    failures = []
    client = Client(write_key, host=endpoint, on_error=lambda error, batch: failures.append(error))
    drive(client, seed)
    if failures:
        raise failures[0]


main()
