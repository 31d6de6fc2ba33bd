"""The CloudEvents SDKs: what they were given is what has landed."""

import json
import unittest

from faults import Faults
from harness import HERE, SdkTest, Site, drive, node, python


def rebuilt(row):
    """The data of an event, from the columns of its row. What has neither column nor value there was null or not there."""
    data = {name: row[name] for name in ("text", "whole", "number", "flag", "nothing")}
    data |= {name: row[name] and json.loads(row[name]) for name in ("list", "open")}
    data |= {"city": row["place_city"], "lat": row["place_at_lat"]}
    data |= json.loads(row["_rest"] or "{}")
    return {name: value for name, value in data.items() if value is not None}


def flat(data):
    """The same of what was given: an object that the schema closes is its members, what it does not name has a pointer."""
    place = data.get("place", {})
    known = {"text", "whole", "number", "flag", "nothing", "list", "open"}
    found = {name if name in known else f"/{name}": value for name, value in data.items() if name != "place"}
    found |= {"city": place.get("city"), "lat": place.get("at", {}).get("lat")}
    return {name: value for name, value in found.items() if value is not None}


class CloudEvents:
    """What holds for each SDK; `driver` is its driver, `modes` how it sends."""

    driver = None

    def test_what_was_given_is_what_landed(self):
        with Site(HERE / "schemas") as site:
            given = drive(self.driver, site.endpoint, "unused", "s1")
            rows = site.wait_for_ids("sdk_event_1", [event["id"] for event in given])
            self.assertEqual(len(rows), len(given))
            self.assertEqual(site.bad_events(), [])
        landed = {row["event_id"]: row for row in rows}
        for event in given:
            with self.subTest(event["id"]):
                self.compare(event, landed[event["id"]])

    def compare(self, event, row):
        self.assertEqual(row["event_type"], event["type"])
        self.assertEqual(row["source"], event["source"])
        self.assertEqual(row["user_id"], event.get("userid"))
        self.assertEqual(row["anonymous_id"], event.get("anonymousid"))
        self.assertEqual(row["event_time"][:23], event["time"][:23])
        # Attributes without a column of their own are kept by their names, data without one by its JSON pointer.
        attributes = {"subject": event["subject"]} if "subject" in event else {}
        self.assertEqual(rebuilt(row), flat(event["data"]) | attributes)

    def test_nothing_is_lost_through_faults(self):
        # The SDK tries nothing again: it is the driver that would wait.
        with Site(HERE / "schemas") as site, Faults(site.endpoint, retry_after_s=0) as faults:
            given = drive(self.driver, faults.endpoint, "unused", "s2")
            ids = [event["id"] for event in given]
            rows = site.wait_for_ids("sdk_event_1", ids)
            self.assert_once(ids, rows)
            self.assertEqual(site.bad_events(), [])
            faults.assert_all_happened(self)


class JavaScript(CloudEvents, SdkTest):
    driver = node("cloudevents-js.mjs")


class Python(CloudEvents, SdkTest):
    driver = python("cloudevents-python.py")


if __name__ == "__main__":
    unittest.main()
