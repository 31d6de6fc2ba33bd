"""Snowplow's trackers: what they were given is what has landed."""

import unittest
from datetime import datetime, timezone

from faults import Faults
from harness import HERE, SdkTest, Site, drive, node, python
from landed import Landed, instant
from tracking import BrowserSdk

# A set with schemas of Iglu for some of what the calls describe, and the table of each.
SCHEMAS = HERE / "schemas"
DESCRIBED = {
    "iglu:com.example/user/jsonschema/2-1-0": "com_example_user_2",
    "iglu:com.example/order_completed/jsonschema/1-0-0": "com_example_order_completed_1",
}
# The column of each member of a call.
COLUMNS = {
    "url": "page_url",
    "title": "page_title",
    "referrer": "page_referrer",
    "category": "se_category",
    "action": "se_action",
    "label": "se_label",
    "property": "se_property",
    "value": "se_value",
    "namespace": "name_tracker",
    "userId": "user_id",
}


class SnowplowTest(SdkTest):
    """Comparisons of calls with rows."""

    def rows(self, site, given, meanwhile=lambda: None):
        ids = [call["id"] for call in given]
        rows = site.wait_for_ids("events", ids, meanwhile)
        self.assert_once(ids, rows)
        self.assertEqual(site.bad_events(), [])
        return {"events": rows}

    def compare(self, given, rows):
        landed = {row["event_id"]: row for found in rows.values() for row in found}
        for call in given:
            with self.subTest(call=call["type"], method=call["method"], id=call["id"]):
                self.assertEqual(self.differences(call, Landed(landed[call["id"]])), [])

    def compare_described(self, site, given):
        """Compares what describes itself by a schema of the set with its row, and counts the rows."""
        for schema, table in DESCRIBED.items():
            expected = {}
            for call in given:
                around = [(0, call)] + list(enumerate(call.get("contexts", ()), 1))
                expected |= {(call["id"], index): each["data"] for index, each in around if each.get("schema") == schema}
            rows = site.query(f"SELECT p.* FROM {table} p JOIN events e ON e.event_id = p.event_id")
            # Trackers may add entities of their own before those that were given.
            landed = {(row["event_id"], row["entity_index"] and 1): row for row in rows}
            self.assertEqual(len(landed), len(rows))
            self.assertTrue(expected)
            self.assertEqual({(id, index and 1) for id, index in expected}, set(landed))
            for (id, index), data in expected.items():
                self.assertEqual(Landed(landed[id, index and 1]).differences(data), [], table)

    def differences(self, call, landed):
        found = []
        for name, value in call.items():
            if name in COLUMNS:
                found += [] if landed.row[COLUMNS[name]] == value else [f"{name}: {value!r}, {landed.row[COLUMNS[name]]!r}"]
            elif name == "data":
                found += landed.differences({"schema": call["schema"], "data": value}, "unstruct_event")
            elif name == "contexts":
                # Trackers add some of their own.
                there = landed.at("contexts")
                found += [f"context {each} is missing in {there}" for each in value if each not in there]
            elif name == "timestamp":
                happened = datetime.fromtimestamp(value / 1000, timezone.utc)
                # A true timestamp, which is not corrected.
                found += [] if instant(landed.row["event_time"]) == happened else [f"{happened}, {landed.row['event_time']}"]
        return found


class OneOfServers:
    driver = None

    def test_what_was_given_is_what_landed(self):
        with Site(SCHEMAS) as site:
            given = drive(self.driver, site.endpoint, "unused", "s1")
            rows = self.rows(site, given)
            self.compare_described(site, given)
        self.assertEqual(sum(map(len, rows.values())), len(given))
        self.compare(given, rows)

    def test_nothing_is_lost_through_faults(self):
        with Site() as site, Faults(site.endpoint) as faults:
            given = drive(self.driver, faults.endpoint, "unused", "s2")
            self.rows(site, given)
            faults.assert_all_happened(self)


class Node(OneOfServers, SnowplowTest):
    """@snowplow/node-tracker"""

    driver = node("snowplow-node.mjs")


class Python(OneOfServers, SnowplowTest):
    """snowplow-tracker"""

    driver = python("snowplow-python.py")


class Browser(BrowserSdk, SnowplowTest):
    """@snowplow/browser-tracker"""

    sdk = "snowplow"
    modes = modes_that_retry = ("post", "get")
    modes_that_outlive = ("post",)


if __name__ == "__main__":
    unittest.main()
