"""What Headgate's exit codes and answers become in Airflow's tasks: their functions, run against a fake `headgate`."""

import os
import signal
import time
import unittest
from datetime import datetime, timedelta, timezone

import harness
from harness import FakeHeadgate, answer

import headgate_backfill
import headgate_cli
import headgate_window
from airflow.sdk.exceptions import AirflowException, AirflowFailException

CHUNK = {"table": "screen_viewed_1", "from": "2026-01-02T00:00:00Z", "to": "2026-01-02T06:00:00Z"}
KNOWN = {"loaded": True, "tables": {"screen_viewed_1": {"files_waiting": 0}}}
MIDNIGHT = datetime(2026, 1, 2, tzinfo=timezone.utc)


def reload():
    return headgate_backfill.reload.function(CHUNK)


def wait(end=MIDNIGHT):
    return headgate_window.wait.function("screen_viewed_1", data_interval_end=end)


class Case(unittest.TestCase):
    def setUp(self):
        self.addCleanup(harness.forget_variables)

    def assert_tried_again(self, raised):
        """Airflow retries after any exception but this one."""
        self.assertNotIsInstance(raised.exception, AirflowFailException)


class Reload(Case):
    def test_exit_0_gives_what_headgate_said(self):
        said = {"table": "screen_viewed_1", "transactions": 2, "files": 3, "rows": 40}
        fake = FakeHeadgate(answer(0, said))
        self.assertEqual(reload(), said)
        wanted = "warehouse reload --table=screen_viewed_1 --from=2026-01-02T00:00:00Z --to=2026-01-02T06:00:00Z --json"
        self.assertEqual(fake.arguments(), [wanted.split()])

    def test_exit_1_is_tried_again_and_tells_what_headgate_said(self):
        FakeHeadgate(answer(1, stdout="", stderr="headgate: the warehouse is away"))
        with self.assertRaisesRegex(AirflowException, "exited with 1: headgate: the warehouse is away") as raised:
            reload()
        self.assert_tried_again(raised)

    def test_exit_4_is_no_success_of_a_reload(self):
        FakeHeadgate(answer(4))
        with self.assertRaisesRegex(AirflowException, "exited with 4") as raised:
            reload()
        self.assert_tried_again(raised)

    def test_exits_64_and_78_are_not_tried_again(self):
        for code, meaning in ((64, "wrong usage"), (78, "wrong configuration")):
            with self.subTest(code=code):
                FakeHeadgate(answer(code, stdout="", stderr="headgate: warehouse.kind is not set"))
                with self.assertRaisesRegex(AirflowFailException, f"{code}, {meaning}: headgate: warehouse.kind is not set"):
                    reload()

    def test_a_command_that_was_killed_is_tried_again(self):
        FakeHeadgate(answer(signal=signal.SIGKILL))
        with self.assertRaisesRegex(AirflowException, "ended by signal 9") as raised:
            reload()
        self.assert_tried_again(raised)

    def test_an_executable_that_is_not_there_is_not_looked_for_again(self):
        harness.set_variable("headgate_bin", "/nowhere/headgate")
        with self.assertRaisesRegex(AirflowFailException, "/nowhere/headgate.*headgate_bin"):
            reload()

    def test_an_answer_that_is_no_object_fails_at_once(self):
        for stdout in ("", "40 rows", "[1]"):
            with self.subTest(stdout=stdout):
                FakeHeadgate(answer(0, stdout=stdout))
                with self.assertRaisesRegex(AirflowFailException, "no JSON object"):
                    reload()

    def test_only_the_end_of_a_long_error_is_told(self):
        FakeHeadgate(answer(1, stderr="x" * 100_000 + " the cause"))
        with self.assertRaisesRegex(AirflowException, "the cause$") as raised:
            reload()
        self.assertLess(len(str(raised.exception)), headgate_cli.STDERR_CHARACTERS_MAX + 100)


class Command(Case):
    def test_a_command_past_its_deadline_is_ended_and_tried_again(self):
        fake = FakeHeadgate(answer(0, seconds=600))
        began = time.monotonic()
        # Long enough for the fake to note its call.
        with self.assertRaisesRegex(AirflowException, "took longer than 3 seconds") as raised:
            headgate_cli.run(["warehouse"], codes={0}, deadline_seconds=3)
        self.assert_tried_again(raised)
        self.assertLess(time.monotonic() - began, 30)
        with self.assertRaises(ProcessLookupError):
            os.kill(fake.calls()[0]["pid"], 0)

    def test_the_configuration_of_the_variable_is_used(self):
        harness.set_variable("headgate_config", "/etc/headgate/a b.toml")
        fake = FakeHeadgate(answer(0))
        reload()
        self.assertEqual(fake.arguments()[0][0], "--config=/etc/headgate/a b.toml")

    def test_the_command_has_the_environment_but_for_airflows_own(self):
        os.environ["HEADGATE__S3__BUCKET"] = "lake"
        self.addCleanup(os.environ.pop, "HEADGATE__S3__BUCKET")
        fake = FakeHeadgate(answer(0))
        reload()
        environment = fake.calls()[0]["environment"]
        self.assertEqual(environment["HEADGATE__S3__BUCKET"], "lake")
        self.assertEqual([name for name in environment if name.startswith("AIRFLOW_")], [])


class Wait(Case):
    def test_exit_0_ends_the_wait_with_the_hour(self):
        fake = FakeHeadgate(answer(0, KNOWN))
        done = wait()
        self.assertTrue(done.is_done)
        hour = {"table": "screen_viewed_1", "from": "2026-01-01T23:00:00Z", "to": "2026-01-02T00:00:00Z"}
        self.assertEqual(done.xcom_value, hour | {"loaded_until": "2026-01-02T00:10:00Z"})
        wanted = "warehouse status --table=screen_viewed_1 --until=2026-01-02T00:10:00Z --json"
        self.assertEqual(fake.arguments(), [wanted.split()])

    def test_exit_4_waits_on(self):
        FakeHeadgate(answer(4, KNOWN | {"loaded": False}))
        self.assertFalse(wait().is_done)

    def test_a_table_that_the_warehouse_does_not_know_is_waited_for(self):
        FakeHeadgate(answer(0, {"loaded": True, "tables": {}}))
        self.assertFalse(wait().is_done)

    def test_exit_1_is_tried_again(self):
        FakeHeadgate(answer(1, stdout="", stderr="headgate: the store is away"))
        with self.assertRaisesRegex(AirflowException, "the store is away") as raised:
            wait()
        self.assert_tried_again(raised)

    def test_exits_64_and_78_fail_at_once(self):
        for code in (64, 78):
            with self.subTest(code=code):
                FakeHeadgate(answer(code, stdout=""))
                with self.assertRaises(AirflowFailException):
                    wait()

    def test_nothing_is_asked_before_the_margin_and_the_landing_are_over(self):
        fake = FakeHeadgate(answer(0, KNOWN))
        harness.set_variable("headgate_margin_minutes", "20")
        harness.set_variable("headgate_landing_minutes", "5")
        now = datetime.now(timezone.utc)
        self.assertFalse(wait(now - timedelta(minutes=24)).is_done)
        self.assertEqual(fake.calls(), [])
        self.assertTrue(wait(now - timedelta(minutes=26)).is_done)

    def test_a_margin_that_is_no_number_of_minutes_is_refused(self):
        for text in ("-1", "1.5", "soon", "1441"):
            with self.subTest(text=text):
                harness.set_variable("headgate_margin_minutes", text)
                with self.assertRaisesRegex(AirflowFailException, "headgate_margin_minutes.*0 to 1440"):
                    wait()


class Tables(Case):
    def test_each_is_waited_for_once(self):
        harness.set_variable("headgate_tables", ["b_1", "a_1", "b_1"])
        self.assertEqual(headgate_window.tables.function(), ["a_1", "b_1"])

    def test_none_or_what_is_no_table_fails_at_once(self):
        with self.assertRaisesRegex(AirflowFailException, "set the Airflow Variable `headgate_tables`"):
            headgate_window.tables.function()
        for value in ([], {"a_1": 1}, ["a_1", "--until"], [1]):
            with self.subTest(value=value):
                harness.set_variable("headgate_tables", value)
                with self.assertRaises(AirflowFailException):
                    headgate_window.tables.function()


class Chunks(Case):
    def chunks(self, **params):
        whole = {"table": "a_1", "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "chunk_hours": 6}
        return headgate_backfill.chunks.function(params=whole | params)

    def test_they_cover_the_time_without_gap_or_overlap(self):
        chunks = self.chunks(**{"from": "2026-01-01T02:30:00+01:00", "to": "2026-01-01T20:00:00Z"})
        edges = [(chunk["from"][11:], chunk["to"][11:]) for chunk in chunks]
        self.assertEqual(edges, [("01:30:00Z", "07:30:00Z"), ("07:30:00Z", "13:30:00Z"), ("13:30:00Z", "19:30:00Z"), ("19:30:00Z", "20:00:00Z")])

    def test_a_time_that_the_hours_divide_has_no_empty_chunk(self):
        self.assertEqual(len(self.chunks()), 4)

    def test_a_time_that_is_empty_turned_around_or_of_no_zone_is_refused(self):
        for start in ("2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-01T00:00:00", "yesterday"):
            with self.subTest(start=start), self.assertRaisesRegex(AirflowFailException, "`from`"):
                self.chunks(**{"from": start})

    def test_more_chunks_than_airflow_maps_are_refused(self):
        with self.assertRaisesRegex(AirflowFailException, "8760 chunks.*raise `chunk_hours`"):
            self.chunks(**{"from": "2025-01-02T00:00:00Z", "chunk_hours": 1})


if __name__ == "__main__":
    unittest.main()
