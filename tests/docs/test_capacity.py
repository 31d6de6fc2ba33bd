"""docs/capacity.md is what scripts/capacity.py makes of the figures beside it.

    python3 -m unittest discover -s tests/docs
"""

import json
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import capacity

FIGURES = json.loads((ROOT / "docs" / "figures" / "capacity.json").read_text())


def counted(sinks, **requests):
    none = {"put": 0, "get": 0, "head": 0, "list": 0}
    return {"sinks": sinks, "commits": 100, "files": 100} | none | requests


class Capacity(unittest.TestCase):
    def setUp(self):
        figures = FIGURES | {"requests": [counted(1, put=202), counted(2, put=202, get=40, head=10)]}
        self.measured = capacity.Measured.of(figures | {"sink_us_per_event": 4.0, "parquet_bytes_per_event": 200})

    def test_the_page_is_what_the_script_makes(self):
        page = (ROOT / "docs" / "capacity.md").read_text()
        made = "run scripts/capacity.py docs/figures/capacity.json > docs/capacity.md"
        self.assertEqual(page, capacity.page(FIGURES), made)

    def test_requests_of_a_commit_leave_its_files_out(self):
        self.assertAlmostEqual(self.measured.put, 1.02)
        self.assertAlmostEqual(self.measured.get_of_another + self.measured.head_of_another, 0.5)

    def test_age_decides_at_low_volume_and_size_at_high_volume(self):
        few, many = capacity.LOADS["10 M"], capacity.LOADS["550 B"]
        self.assertGreater(self.day(few, 5).commits, 50 * self.day(few, 300).commits)
        self.assertEqual(self.day(many, 5).commits, self.day(many, 300).commits)

    def test_no_day_has_more_files_than_events(self):
        self.assertEqual(self.day(1_000, 5).files, 1_000)

    def test_a_large_file_takes_a_request_for_each_part(self):
        small, large = (self.day(10**12, 60, batch) for batch in (64 << 20, 64 << 30))
        self.assertLess(small.file_bytes, capacity.MULTIPART_BYTES)
        self.assertGreater(large.file_bytes, capacity.MULTIPART_BYTES)
        self.assertGreater(large.put, large.files * (2 + large.file_bytes / capacity.PART_BYTES))

    def test_a_run_is_asked_about_ever_less_often(self):
        self.assertEqual(capacity.polls(0), 1)
        self.assertEqual(capacity.polls(capacity.POLL_MIN_S), 2)
        long = capacity.polls(1_000 * capacity.POLL_MAX_S)
        self.assertTrue(1_000 < long < 1_010, long)

    def test_age_decides_how_often_tables_are_loaded_until_size_does(self):
        events = capacity.LOADS["1 B"]
        self.assertEqual(capacity.loads_a_day(self.measured, events, 30), capacity.TABLES * capacity.DAY_S / 30)
        many = capacity.LOADS["550 B"]
        self.assertGreater(capacity.loads_a_day(self.measured, many, 3_600), capacity.TABLES * 24)

    def test_a_billion_events_a_day_are_loaded_within_the_quotas(self):
        calls = capacity.calls_a_load(capacity.Measured.of(FIGURES))
        loads = capacity.loads_a_day(capacity.Measured.of(FIGURES), capacity.LOADS["1 B"], min(capacity.LOAD_AGES_S))
        for name, quota in capacity.DATA_API_CALLS_A_SECOND.items():
            self.assertLess(loads / capacity.DAY_S * calls[name], quota, name)

    def test_aggregation_makes_fewer_records_and_never_more_shards(self):
        for events in capacity.LOADS.values():
            alone, together = (capacity.Kinesis.of(self.measured, events, linger_ms) for linger_ms in (0, 200))
            self.assertLessEqual(together.records, alone.records)
            self.assertLessEqual(together.shards, alone.shards)
            self.assertLessEqual(together.record_bytes, capacity.KINESIS_RECORD_BYTES_MAX)
            self.assertEqual(alone.records, events)
            self.assertLessEqual(together.provisioned, alone.provisioned)

    def test_a_busy_day_needs_machines_for_its_peak(self):
        nodes, cores = capacity.nodes(86_400 * 1_000_000, 4.0)
        self.assertAlmostEqual(cores, 4.0)
        self.assertEqual(nodes, 5)
        self.assertEqual(capacity.nodes(1, 4.0)[0], capacity.NODES_MIN)

    def day(self, *how):
        return capacity.day(self.measured, *how)


if __name__ == "__main__":
    unittest.main()
