"""The figures of gateways and sinks around Kafka and S3, as tables of docs/performance.md. See performance.py."""

import json
import statistics

MIB = 1 << 20
GATEWAY_US_MAX = 5.0
P99_MS_MAX = 50
LANDING_RATIO_MAX = 1.25
SECOND_SINK_RATIO_MIN = 1.8
RESTART_S_MAX = 5
# Figures that should be equal are within this share of each other.
FLAT_SHARE = 0.10
ENCODE = "decode and encode"
SAMPLES_SHOWN = 12


def table(head, rows):
    lines = [head, ["---:"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def growth(samples):
    """How much the mean of the last quarter is above that of the one before it: over the first half a process comes to
    what it needs."""
    half = samples[len(samples) // 2 :]
    before, after = half[: len(half) // 2], half[len(half) // 2 :]
    return statistics.mean(after) / statistics.mean(before) - 1


class Cluster:
    """What one run measured."""

    def __init__(self, folder):
        names = ("kafka", "landing", "steady", "restart")
        kafka, self.landing, self.steady, self.restart = (
            json.loads((folder / f"{name}.json").read_text()) for name in names
        )
        self.kafka = kafka[0]

    def taken(self):
        alone = self.kafka["beside_us"]
        base = alone.get("librdkafka alone")
        costs = [*alone.items(), (f"`headgate gateway`, {self.kafka['batch_events']} events a request", self.kafka["us_per_event"])]
        rows = [[name, f"{us:.2f}", f"{us / base:.2f}" if base else ""] for name, us in costs]
        return table(["what", "CPU us an event", "times librdkafka alone"], rows)

    def latency(self):
        row = [f"{self.kafka['events_per_s']:.0f}", self.kafka["half_events_per_s"]]
        row += [f"{self.kafka[name]:.1f}" for name in ("p50_ms", "p99_ms", "max_ms")]
        return table(["closed loop, events/s", "open loop, events/s", "p50 ms", "p99 ms", "max ms"], [row])

    def landing_ratio(self):
        encode = self.landing[0]["beside_us"].get(ENCODE)
        return self.landing[0]["us_per_event"] / encode if encode else None

    def landed(self):
        encode = self.landing[0]["beside_us"].get(ENCODE)
        rows = [["decoding and encoding alone, one thread", f"{encode:.2f}", "1.00", ""]] if encode else []
        for figures in self.landing:
            if figures["share_percent"] == 100:
                name = "one sink" if figures["sinks"] == 1 else f"{figures['sinks']} sinks"
                us = figures["us_per_event"]
                ratio = f"{us / encode:.2f}" if encode else ""
                rows.append([name, f"{us:.2f}", ratio, f"{figures['bytes_per_event']:.0f}"])
        return table(["what", "CPU us an event", "times decoding and encoding", "Parquet, bytes an event"], rows)

    def slowed(self):
        """One and two sinks that each have a share of a processor."""
        return [figures for figures in self.landing if figures["share_percent"] < 100]

    def scaled(self):
        one = self.slowed()[0]
        rows = [
            [
                figures["sinks"],
                figures["share_percent"],
                f"{figures['events_per_s']:.0f}",
                f"{figures['events_per_s'] / one['events_per_s']:.2f}",
                f"{figures['us_per_event']:.2f}",
            ]
            for figures in self.slowed()
        ]
        return table(["sinks", "share of a processor each, %", "events landed/s", "times one", "CPU us an event"], rows)

    def steadied(self):
        step = max(1, (len(self.steady) - 1) // SAMPLES_SHOWN)
        rows = [
            [
                f"{sample['seconds']:.0f}",
                sample["events"],
                sample["landed"],
                f"{sample['gateway_bytes'] / MIB:.0f}",
                f"{sample['sink_bytes'] / MIB:.0f}",
            ]
            for sample in self.steady[::step]
        ]
        return table(["seconds", "events taken", "events landed", "gateway, RSS MiB", "sink, RSS MiB"], rows)

    def restarted(self):
        rows = [
            [
                start["commits"],
                f"{start['probe_s']:.1f}",
                f"{start['ready_s']:.1f}",
                f"{start['landed_s']:.1f}",
                f"{start['landed_without_probe_s']:.2f}",
                f"{start['requests']:.0f}",
            ]
            for start in self.restart
        ]
        head = ["commits in the log", "probe of the store, s", "ready after, s", "first batch landed after, s"]
        return table([*head, "the same without the probe, s", "requests to the store, the probe's included"], rows)

    def aims(self):
        ratio = self.landing_ratio()
        one, two = self.slowed()
        second = two["events_per_s"] / one["events_per_s"]
        long = self.restart[-1]
        gateway, sink = (growth([sample[name] for sample in self.steady]) for name in ("gateway_bytes", "sink_bytes"))
        minutes = f"{self.steady[-1]['seconds'] / 60:.0f} min"
        rows = [
            (
                f"gateway to Kafka, {self.kafka['batch_events']} events a request",
                f"at most {GATEWAY_US_MAX:g} us an event",
                f"{self.kafka['us_per_event']:.2f} us",
                self.kafka["us_per_event"] <= GATEWAY_US_MAX,
            ),
            (
                "p99 of an acknowledgement at half load",
                f"under {P99_MS_MAX} ms",
                f"{self.kafka['p99_ms']:.1f} ms",
                self.kafka["p99_ms"] < P99_MS_MAX,
            ),
            (
                "sink from Kafka to S3, beside decoding and encoding alone",
                f"at most {LANDING_RATIO_MAX} times",
                f"{ratio:.2f} times" if ratio else "not measured",
                bool(ratio) and ratio <= LANDING_RATIO_MAX,
            ),
            (
                "two sinks beside one, events landed a second",
                f"at least {SECOND_SINK_RATIO_MIN} times",
                f"{second:.2f} times",
                second >= SECOND_SINK_RATIO_MIN,
            ),
            (
                f"memory of the gateway over {minutes}",
                f"within {FLAT_SHARE:.0%}",
                f"{gateway:+.0%}",
                gateway <= FLAT_SHARE,
            ),
            (f"memory of the sink over {minutes}", f"within {FLAT_SHARE:.0%}", f"{sink:+.0%}", sink <= FLAT_SHARE),
            (
                f"start over {long['commits']:,} commits, without the probe",
                f"under {RESTART_S_MAX} s",
                f"{long['landed_without_probe_s']:.1f} s",
                long["landed_without_probe_s"] < RESTART_S_MAX,
            ),
        ]
        return table(
            ["what", "aim", "measured", "met"],
            [[what, aim, measured, "yes" if met else "**no**"] for what, aim, measured, met in rows],
        )

    def blocks(self):
        return {
            "cluster aims": self.aims(),
            "kafka": self.taken(),
            "kafka latency": self.latency(),
            "landing": self.landed(),
            "second sink": self.scaled(),
            "steady": self.steadied(),
            "restart": self.restarted(),
        }
