"""What holds for every SDK that makes the calls of Segment's specification, RudderStack's too."""

import contextlib
from datetime import timedelta

from faults import Faults
from harness import PATIENCE_S, SdkTest, Site, drive
from landed import Landed, instant

TABLES = {
    "identify": "identifies",
    "track": "tracks",
    "page": "pages",
    "screen": "screens",
    "group": "groups",
    "alias": "aliases",
}
IDENTITIES = {"messageId": "event_id", "userId": "user_id", "anonymousId": "anonymous_id"}
KEY = "tests-write-key"


class TrackingTest(SdkTest):
    """Comparisons of calls with rows."""

    # The calls that the SDK has, and where it puts the traits of identify calls.
    calls = set(TABLES)
    identify_traits = ("traits",)

    def rows(self, site, given, meanwhile=lambda: None):
        """The rows of all tables, when each call has landed."""
        rows = {}
        for call, table in TABLES.items():
            ids = [each["messageId"] for each in given if each["type"] == call]
            if ids:
                rows[call] = site.wait_for_ids(table, ids, meanwhile)
                self.assert_once(ids, rows[call])
        self.assertEqual(site.bad_events(), [])
        return rows

    def compare(self, given, rows):
        """Compares every call with its row, field by field."""
        self.assertEqual({call["type"] for call in given}, self.calls)
        landed = {(call, row["event_id"]): row for call, found in rows.items() for row in found}
        found = [
            f"{call['type']} {call['messageId']}: {difference}"
            for call in given
            for difference in self.differences(call, Landed(landed[call["type"], call["messageId"]]))
        ]
        shown = "\n".join(found[:20])
        self.assertFalse(found, f"{len(found)} differences, of which the first are:\n{shown}")

    def compare_users(self, site, identifies):
        """Compares the view of users with the call that it is to take of each."""
        latest = {}
        for row in identifies:
            received = instant(row["received_at"])
            when = (instant(row["event_time"]) if row["event_time"] else received, received, row["event_id"])
            if row["user_id"] is not None:
                latest[row["user_id"]] = max(latest.get(row["user_id"], when), when)
        users = site.query("SELECT user_id, event_id FROM users")
        self.assertTrue(latest)
        self.assertEqual({row["user_id"]: row["event_id"] for row in users}, {user: when[2] for user, when in latest.items()})
        self.assertEqual(len(users), len(latest))

    def differences(self, call, landed):
        """What landed of a call otherwise than it was given."""
        found = []
        for name, column in IDENTITIES.items():
            # What was not given is not to be there either; SDKs say it with an empty text, too.
            given = call.get(name) or None
            if landed.row[column] != given:
                found.append(f"{name}: given {given!r}, landed {landed.row[column]!r}")
        for name, value in call.items():
            if name == "timestamp":
                found += self.time_differences(value, landed.row)
            elif name == "context":
                # SDKs add to it.
                found += landed.differences(value, "context", more=True)
            elif name == "properties":
                # So do those of browsers to a page's properties.
                found += landed.differences(value, "properties", more=call["type"] == "page")
            elif name == "traits" and call["type"] == "identify":
                found += landed.differences(value, *self.identify_traits)
            elif name not in ("type", *IDENTITIES):
                found += landed.differences(value, name)
        return found

    def time_differences(self, given, row):
        """The client's clock is held against ours: an event is as long ago for us as it was for the client when it was sent."""
        happened, sent, received = (row[name] and instant(row[name]) for name in ("event_time", "sent_at", "received_at"))
        on_the_way = received - sent
        expected = instant(given) + on_the_way
        shortest, longest = timedelta(seconds=-1), timedelta(seconds=PATIENCE_S)
        if abs(happened - expected) >= timedelta(milliseconds=1) or not shortest < on_the_way < longest:
            return [f"timestamp: given {given}, landed {row['event_time']}, sent {row['sent_at']}, received {row['received_at']}"]
        return []


class ServerSdk:
    """What holds for each SDK that runs on servers; `driver` is its driver."""

    driver = None

    def test_what_was_given_is_what_landed(self):
        with Site() as site:
            given = drive(self.driver, site.endpoint, KEY, "s1")
            rows = self.rows(site, given)
            self.compare_users(site, rows["identify"])
        # None was sent twice, as none was refused.
        self.assertEqual(sum(map(len, rows.values())), len(given))
        self.compare(given, rows)

    def test_nothing_is_lost_through_faults(self):
        with Site() as site, Faults(site.endpoint) as faults:
            given = drive(self.driver, faults.endpoint, KEY, "s2")
            self.rows(site, given)
            faults.assert_all_happened(self)


class BrowserSdk:
    """What holds for each SDK that runs in browsers; `sdk` is its page, `modes` its ways of sending."""

    sdk = None
    modes = ()
    # The ways of sending that try again, and those that still send when the page is left.
    modes_that_retry = ()
    modes_that_outlive = ()

    @classmethod
    def setUpClass(cls):
        # The SDKs' environment has what drives a browser; the other tests do without.
        from browser import Browser

        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.browser = stack.enter_context(Browser())

    def test_what_was_given_is_what_landed(self):
        for mode in self.modes:
            with self.subTest(mode=mode), Site() as site:
                given = self.browser.open(self.sdk, site.endpoint, KEY, f"s1-{mode}", mode)
                rows = self.rows(site, given)
                self.assertEqual(sum(map(len, rows.values())), len(given))
                self.compare(given, rows)
                if mode in self.modes_that_outlive:
                    given = self.browser.leave()
                    self.rows(site, given)
                self.assertEqual(self.browser.problems(), [])

    def test_nothing_is_lost_through_faults(self):
        with Site() as site, Faults(site.endpoint) as faults:
            given, attempt = [], 0
            # A page makes few requests, and batches make even fewer: as many pages as bring every kind of trouble.
            while not faults.all_happened() and attempt < 10:
                attempt += 1
                for mode in self.modes_that_retry:
                    given += self.browser.open(self.sdk, faults.endpoint, KEY, f"s2-{attempt}-{mode}", mode)
                    self.rows(site, given, self.browser.flush)
            faults.assert_all_happened(self)
            # Refusals are to be seen by the page's script: the browser itself has refused nothing.
            self.assertEqual(self.browser.refused(), [])
