"""Snowplow's trackers: what they were given is what has landed."""

import unittest
from datetime import datetime, timezone

from faults import Faults
from harness import SdkTest, Site, drive, node, python
from landed import Landed, instant
from tracking import BrowserSdk

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
        with Site() as site:
            given = drive(self.driver, site.endpoint, "unused", "s1")
            rows = self.rows(site, given)
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
