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

    def test_a_busy_day_needs_machines_for_its_peak(self):
        nodes, cores = capacity.nodes(86_400 * 1_000_000, 4.0)
        self.assertAlmostEqual(cores, 4.0)
        self.assertEqual(nodes, 5)
        self.assertEqual(capacity.nodes(1, 4.0)[0], capacity.NODES_MIN)

    def day(self, *how):
        return capacity.day(self.measured, *how)


if __name__ == "__main__":
    unittest.main()
