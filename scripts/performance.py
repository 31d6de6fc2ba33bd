#!/usr/bin/env python3
"""Writes measured figures into docs/performance.md, between its markers, and prints them.

    scripts/performance.py all FIGURES CRITERION DISK PAGE
    scripts/performance.py cluster FIGURES DISK PAGE          only what needs Kafka and S3
    scripts/performance.py kinesis FIGURES DISK PAGE          only a gateway that writes to Kinesis
    scripts/performance.py protocols FIGURES DISK PAGE        only what each protocol costs, and events that come again
    scripts/performance.py warehouse FIGURES DISK PAGE        only what needs the fake of Redshift too

FIGURES holds what scripts/bench.sh left, CRITERION is criterion's directory of results, DISK is where the journals
were. A marker is a pair of comments, `<!-- measured: NAME -->` and `<!-- end -->`.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

from cluster_figures import Cluster, table

MIB = 1 << 20
# Validation, the gateway and the sink are judged in microseconds of CPU time an event.
VALIDATION_US_MAX = 1.35
VALIDATION_RATIO_MIN = 5.0
GATEWAY_BATCH = 20
GATEWAY_US_MAX = 5.0
SINK_RATIO_MIN = 1.5
# Figures that should be equal are within this share of each other.
FLAT_SHARE = 0.10
IDLE_MIB_MAX = 150
KINESIS_US_MAX = 6.0
FRESHNESS_S_MAX = {"default": 60, "low-latency": 10}
OURS = "headgate"


def read(path):
    return json.loads(path.read_text())


def machine(folder, disk):
    """What the figures were measured on."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    system = subprocess.run(["df", "--output=fstype", disk], capture_output=True, text=True, check=True)
    return table(
        ["CPU", "cores", "memory", "Linux", "file system of the journal", "load average before the run"],
        [
            [
                model[1] if model else os.uname().machine,
                os.cpu_count(),
                f"{int(memory[1]) / MIB:.0f} GiB",
                os.uname().release,
                system.stdout.split()[-1],
                (folder / "load").read_text().split()[0],
            ]
        ],
    )


class Figures:
    """All that was measured in one run."""

    def __init__(self, folder, criterion):
        self.validation = {}
        for named in sorted(criterion.glob("validate an event/*/new/benchmark.json")):
            estimates = read(named.with_name("estimates.json"))
            self.validation[read(named)["function_id"]] = estimates["median"]["point_estimate"] / 1e3
        self.append = (folder / "append.md").read_text()
        self.gateway, self.growth, self.growth_landing, self.memory, self.idle = (
            read(folder / f"{name}.json") for name in ("gateway", "growth", "growth-landing", "memory", "idle")
        )
        self.sink = read(folder / "land" / "compared.json")

    def validate(self):
        ours = self.validation[OURS]
        rows = [[name, f"{us:.2f}", f"{us / ours:.1f}"] for name, us in self.validation.items()]
        return table(["validator", "CPU us an event", "times Headgate's"], rows)

    def gateways(self):
        head = [
            "events a request",
            "gateway, CPU us an event",
            "gateway, CPU us a request",
            "bare server, CPU us a request",
            "ratio",
            "gateway, events/s",
        ]
        rows = [
            [
                cost["batch_events"],
                f"{cost['gateway_us_per_event']:.2f}",
                f"{cost['gateway_us_per_request']:.1f}",
                f"{cost['bare_us_per_request']:.1f}",
                f"{cost['ratio']:.2f}",
                f"{cost['gateway_events_per_s']:.0f}",
            ]
            for cost in self.gateway
        ]
        return table(head, rows)

    def landed(self):
        head = ["codec", "Headgate, CPU us an event", "DuckDB, CPU us an event", "events per CPU second, ratio"]
        head += ["least and most of it", "Headgate, MB", "DuckDB, MB", "size, ratio"]
        rows = [
            [
                codec,
                f"{both['headgate_us']:.2f}",
                f"{both['duckdb_us']:.2f}",
                f"{both['ratio']:.2f}",
                f"{both['ratio_least']:.2f} to {both['ratio_most']:.2f}",
                f"{both['headgate_bytes'] / 1e6:.1f}",
                f"{both['duckdb_bytes'] / 1e6:.1f}",
                f"{both['headgate_bytes'] / both['duckdb_bytes']:.2f}",
            ]
            for codec, both in self.sink.items()
        ]
        return table(head, rows)

    def grown(self):
        head = ["schemas", "gateway, CPU us an event", "gateway, events/s", "RSS MiB"]
        head += ["with the sink, CPU us an event", "with the sink, events/s", "with the sink, RSS MiB"]
        rows = []
        for alone, landing in zip(self.growth, self.growth_landing, strict=True):
            row = [alone["schemas"]]
            for grown in (alone, landing):
                row += [f"{grown['us_per_event']:.2f}", f"{grown['events_per_s']:.0f}"]
                row += [f"{grown['resident_bytes'] / MIB:.0f}"]
            rows.append(row)
        return table(head, rows)

    def remembered(self):
        return table(
            ["events so far", "RSS MiB"],
            [[sample["events"], f"{sample['resident_bytes'] / MIB:.0f}"] for sample in self.memory],
        )

    def idling(self):
        rows = []
        for cost in self.idle:
            each = (cost["after_bytes"] - cost["before_bytes"]) / 1024 / cost["connections"]
            before, after = cost["before_bytes"] / MIB, cost["after_bytes"] / MIB
            rows.append([cost["connections"], f"{before:.0f}", f"{after:.0f}", f"{each:.1f}"])
        return table(["idle connections", "RSS before, MiB", "RSS with them, MiB", "KiB a connection"], rows)

    def aims(self):
        ours = self.validation[OURS]
        peer = max(us for name, us in self.validation.items() if name != OURS)
        batch = next(cost for cost in self.gateway if cost["batch_events"] == GATEWAY_BATCH)
        speed = min(both["ratio"] for both in self.sink.values())
        size = max(both["headgate_bytes"] / both["duckdb_bytes"] for both in self.sink.values())
        first, last = self.growth[0]["us_per_event"], self.growth[-1]["us_per_event"]
        # Memory goes up and down with every batch: means of quarters are compared, once the first half has passed.
        last_half = [sample["resident_bytes"] for sample in self.memory][-(len(self.memory) // 2) :]
        before, after = (
            statistics.mean(part) for part in (last_half[: len(last_half) // 2], last_half[len(last_half) // 2 :])
        )
        idle = max(cost["after_bytes"] for cost in self.idle) / MIB
        rows = [
            ("validation of an event", f"at most {VALIDATION_US_MAX} us", f"{ours:.2f} us", ours <= VALIDATION_US_MAX),
            (
                "the same, beside serde_json::Value + jsonschema",
                f"at least {VALIDATION_RATIO_MIN:g} times as fast",
                f"{peer / ours:.1f} times",
                peer / ours >= VALIDATION_RATIO_MIN,
            ),
            (
                f"gateway and journal, {GATEWAY_BATCH} events a request",
                f"at most {GATEWAY_US_MAX:g} us an event",
                f"{batch['gateway_us_per_event']:.2f} us",
                batch["gateway_us_per_event"] <= GATEWAY_US_MAX,
            ),
            (
                "sink, events per CPU second beside DuckDB",
                f"at least {SINK_RATIO_MIN} times",
                f"{speed:.2f} times",
                speed >= SINK_RATIO_MIN,
            ),
            ("the same, size of the files", "no larger", f"{size:.3f} times", size <= 1),
            (
                "CPU time an event, 200 schemas beside 1",
                f"within {FLAT_SHARE:.0%}",
                f"{last / first - 1:+.0%}",
                last / first <= 1 + FLAT_SHARE,
            ),
            (
                "memory over a million events, after a first million",
                f"within {FLAT_SHARE:.0%}",
                f"{after / before - 1:+.0%}",
                after / before <= 1 + FLAT_SHARE,
            ),
            ("memory with 10,000 idle connections", f"under {IDLE_MIB_MAX} MiB", f"{idle:.0f} MiB", idle < IDLE_MIB_MAX),
        ]
        return table(
            ["what", "aim", "measured", "met"],
            [[what, aim, measured, "yes" if met else "**no**"] for what, aim, measured, met in rows],
        )

    def blocks(self):
        return {
            "aims": self.aims(),
            "validation": self.validate(),
            "gateway": self.gateways(),
            "journal": self.append,
            "sink": self.landed(),
            "growth": self.grown(),
            "memory": self.remembered(),
            "idle": self.idling(),
        }


def freshness(folder):
    """From acknowledgement to queryable in the warehouse."""
    rows = [
        [
            each["settings"],
            each["events"],
            *(f"{each[name]:.1f}" for name in ("p50_s", "p99_s", "max_s")),
            f"under {FRESHNESS_S_MAX[each['settings']]} s",
            "yes" if each["p99_s"] < FRESHNESS_S_MAX[each["settings"]] else "**no**",
            f"{each['loads']:.0f}",
            f"{each['calls_per_load']:.1f}",
        ]
        for each in read(folder / "warehouse.json")
    ]
    head = ["settings", "events", "p50 s", "p99 s", "max s", "aim for p99", "met", "loads", "Data API calls a load"]
    return table(head, rows)


def to_kinesis(folder):
    """A gateway that writes to Kinesis: its aim, and all that was measured in turn with it."""
    costs = read(folder / "kinesis.json")
    us = costs[0]["us_per_event"]
    aim = [
        "gateway to Kinesis, 20 events a request",
        f"at most {KINESIS_US_MAX:g} us an event",
        f"{us:.2f} us",
        "yes" if us <= KINESIS_US_MAX else "**no**",
    ]
    rows = [
        [
            cost["what"],
            f"{cost['us_per_event']:.2f}",
            f"{cost['events_per_s']:.0f}" if cost["events_per_s"] else "",
            *(
                [f"{fill['events_per_record']:.1f}", f"{fill['record_bytes'] / 1024:.1f}", f"{fill['records_per_request']:.1f}"]
                if (fill := cost["fill"])
                else [""] * 3
            ),
        ]
        for cost in costs
    ]
    head = ["what", "CPU us an event", "events/s", "events a record", "KiB a record", "records a request"]
    return {"kinesis aim": table(["what", "aim", "measured", "met"], [aim]), "kinesis": table(head, rows)}


def blocks(what, folder, *places):
    """Every block that was measured, by its marker's name."""
    if what == "warehouse":
        (disk,) = places
        return {"warehouse machine": machine(folder, disk), "warehouse": freshness(folder)}
    if what == "protocols":
        (disk,) = places
        read_in = {name: (folder / f"{name}.md").read_text() for name in ("protocols", "dedup")}
        return {"protocols machine": machine(folder, disk), **read_in}
    if what == "kinesis":
        (disk,) = places
        return {"kinesis machine": machine(folder, disk), **to_kinesis(folder)}
    if what == "cluster":
        (disk,) = places
        return {"cluster machine": machine(folder, disk), **Cluster(folder).blocks()}
    criterion, disk = places
    on = machine(folder, disk)
    own = Figures(folder, pathlib.Path(criterion)).blocks()
    return {"machine": on, **own, "cluster machine": on, **Cluster(folder).blocks(), "kinesis machine": on, **to_kinesis(folder)}


def main(what, folder, *rest):
    *places, page = rest
    page = pathlib.Path(page)
    text = page.read_text()
    for name, block in blocks(what, pathlib.Path(folder), *places).items():
        marked = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, found = marked.subn(lambda at, block=block: f"{at[1]}{block}{at[2]}", text)
        if found != 1:
            sys.exit(f"{page} has {found} markers `measured: {name}`, not one")
        print(f"## {name}\n\n{block}")
    page.write_text(text)


if __name__ == "__main__":
    if (sys.argv[1:2], len(sys.argv)) not in ((["all"], 6), (["cluster"], 5), (["kinesis"], 5), (["protocols"], 5), (["warehouse"], 5)):
        sys.exit(__doc__)
    main(*sys.argv[1:])
