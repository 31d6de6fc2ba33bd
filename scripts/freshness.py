#!/usr/bin/env python3
"""Measures how long it takes from an event's acknowledgement until it can be queried in the warehouse.

    scripts/freshness.py HEADGATE DIR SECONDS

Runs `headgate up` with the settings in the environment (a store, a fake of Redshift: REDSHIFT_*), posts events at a steady
rate, and looks into the warehouse several times a second. Once with default settings and once with those for low latency;
prints JSON. Needs psycopg.
"""

import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

import psycopg

LOW_LATENCY = {
    "HEADGATE__SINK__BATCH_AGE_MAX_MS": "1000",
    "HEADGATE__WAREHOUSE__LOAD_AGE_MAX_MS": "1000",
    "HEADGATE__WAREHOUSE__POLL_MS": "250",
}
EVENTS_AT_ONCE = 20
PAUSE_S = 0.1
LOOK_S = 0.1
# What is still under way at the end has so long to come.
PATIENCE_S = 180


class Process:
    """`headgate up` on free ports."""

    def __init__(self, binary, folder, settings):
        self.folder = folder
        folder.mkdir(parents=True)
        with open(folder / "log", "wb") as log:
            self.child = subprocess.Popen(
                [binary, "up", "--data-dir", folder / "data"],
                env=os.environ | settings,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def __enter__(self):
        file = self.folder / "data" / "run" / "addresses.json"
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                sys.exit(f"headgate ended: {(self.folder / 'log').read_text()}")
            if file.exists() and (told := json.loads(file.read_text() or "{}")):
                self.gateway, self.admin = told["gateway"], told["admin"]
                return self
            time.sleep(0.1)
        sys.exit("headgate does not start")

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


def post(gateway, name, seconds, acknowledged):
    """Posts batches until the time is over; notes when each event was acknowledged."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        ids = [f"{name}-{number + n}" for n in range(EVENTS_AT_ONCE)]
        number += EVENTS_AT_ONCE
        body = json.dumps([{"id": each, "type": "screen_viewed", "data": {"name": "home"}} for each in ids])
        request = urllib.request.Request(
            f"http://{gateway}/v1/events", body.encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            assert reply.status == 200, reply.status
        at = time.monotonic()
        acknowledged.update(dict.fromkeys(ids, at))
        time.sleep(PAUSE_S)


def look(connection, name, seen):
    """Notes the events that are there for the first time."""
    try:
        rows = connection.execute(
            "SELECT event_id FROM public.screen_viewed_1 WHERE event_id LIKE %s", [f"{name}-%"]
        ).fetchall()
    except psycopg.errors.UndefinedTable:
        return
    at = time.monotonic()
    for (each,) in rows:
        seen.setdefault(each, at)


def measure(binary, folder, name, settings, seconds):
    acknowledged, seen = {}, {}
    settings = settings | {"HEADGATE__GATEWAY__LISTEN": "127.0.0.1:0", "HEADGATE__GATEWAY__ADMIN__LISTEN": "127.0.0.1:0"}
    with (
        Process(binary, folder / name, settings) as process,
        psycopg.connect(os.environ["REDSHIFT_DIRECT"], autocommit=True) as connection,
    ):
        poster = threading.Thread(target=post, args=(process.gateway, name, seconds, acknowledged))
        poster.start()
        deadline = time.monotonic() + seconds + PATIENCE_S
        while poster.is_alive() or len(seen) < len(acknowledged):
            look(connection, name, seen)
            if time.monotonic() > deadline:
                sys.exit(f"{len(acknowledged) - len(seen)} events did not come: {(folder / name / 'log').read_text()[-4000:]}")
            time.sleep(LOOK_S)
        poster.join()
        metrics = process.metrics()
    waited = sorted(seen[each] - acknowledged[each] for each in acknowledged)
    calls = {key: value for key, value in metrics.items() if key.startswith("headgate_warehouse_calls_total")}
    loads = sum(value for key, value in metrics.items() if key.startswith("headgate_warehouse_loads_total"))
    return {
        "settings": name,
        "events": len(waited),
        "p50_s": statistics.median(waited),
        "p99_s": waited[int(len(waited) * 0.99)],
        "max_s": waited[-1],
        "loads": loads,
        "calls_per_load": sum(calls.values()) / max(loads, 1),
        # By their names: each has a quota of its own.
        "calls": {re.search('="([^"]+)"', key)[1]: value for key, value in calls.items()},
    }


def main(binary, folder, seconds):
    kinds = [("default", {}), ("low-latency", LOW_LATENCY)]
    figures = [measure(binary, pathlib.Path(folder), name, settings, float(seconds)) for name, settings in kinds]
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
