"""The DAGs as Airflow sees them: loaded by its own `DagBag`, then run by `DAG.test()` against a fake `headgate`.

`DAG.test()` schedules, maps, retries and reschedules as the scheduler does, in this process.
"""

import copy
import pathlib
import sqlite3
import unittest
from datetime import datetime, timedelta, timezone

import harness
from harness import DAGS, FakeHeadgate, answer

import headgate_cli
import headgate_example
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, ParamValidationError
from airflow.sdk.execution_time.comms import AssetEventDagRunReferenceResult
from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor

BAG = BundleDagBag(dag_folder=DAGS, bundle_path=DAGS, bundle_name="dags-folder")
HOURS = {"table": "a_1", "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T12:00:00Z", "chunk_hours": 4}
# An hour of the past: nothing has to be waited for.
MIDNIGHT = datetime(2026, 1, 2, tzinfo=timezone.utc)


def setUpModule():
    harness.make_database()


def instances(run):
    """The tasks of a run, as (task, map index): task instance."""
    return {(ti.task_id, ti.map_index): ti for ti in run.get_task_instances()}


def states(run):
    return {key: str(ti.state) for key, ti in instances(run).items()}


class Loaded(unittest.TestCase):
    def test_every_file_loads_without_an_error(self):
        self.assertEqual(BAG.import_errors, {})

    def test_every_file_but_the_shared_one_is_a_dag(self):
        files = {pathlib.Path(dag.fileloc).name for dag in BAG.dags.values()}
        self.assertEqual(files, {path.name for path in DAGS.glob("*.py")} - {"headgate_cli.py"})

    def test_the_dags_have_their_tasks_in_order(self):
        edges = {name: {task.task_id: task.downstream_task_ids for task in dag.tasks} for name, dag in BAG.dags.items()}
        self.assertEqual(
            edges,
            {
                "headgate_backfill": {"chunks": {"reload"}, "reload": {"total"}, "total": set()},
                "headgate_window": {"tables": {"loaded.wait"}, "loaded.wait": {"loaded.announce"}, "loaded.announce": set()},
                "headgate_example": {"views": set()},
            },
        )

    def test_the_sensor_frees_its_worker_while_it_waits(self):
        sensor = BAG.dags["headgate_window"].get_task("loaded.wait")
        self.assertEqual(sensor.mode, "reschedule")
        self.assertEqual(timedelta(seconds=sensor.timeout), timedelta(hours=6))

    def test_chunks_are_reloaded_one_after_the_other(self):
        reload = BAG.dags["headgate_backfill"].get_task("reload")
        self.assertEqual(reload.partial_kwargs["max_active_tis_per_dagrun"], 1)

    def test_loading_the_dags_runs_no_command(self):
        self.addCleanup(harness.forget_variables)
        fake = FakeHeadgate(answer(0))
        self.assertEqual(BundleDagBag(dag_folder=DAGS, bundle_path=DAGS, bundle_name="dags-folder").import_errors, {})
        self.assertEqual(fake.calls(), [])

    def test_params_that_are_wrong_are_refused_before_a_run(self):
        def validated(given):
            params = copy.deepcopy(BAG.dags["headgate_backfill"].params)
            params.update(given)
            return params.validate()

        self.assertEqual(validated(HOURS), HOURS)
        wrong = [("table", "a-1"), ("from", "yesterday"), ("from", "2026-01-01T00:00:00"), ("to", 3), ("chunk_hours", 0)]
        for name, value in wrong:
            with self.subTest(name=name, value=value), self.assertRaises(ParamValidationError):
                validated(HOURS | {name: value})
        for name in ("table", "from", "to"):
            with self.subTest(without=name), self.assertRaises(ParamValidationError):
                validated({key: value for key, value in HOURS.items() if key != name})


class Backfill(unittest.TestCase):
    def run_dag(self, *answers):
        dag = BAG.dags["headgate_backfill"]
        self.addCleanup(harness.forget_variables)
        # What fails is tried again at once, rather than in minutes.
        dag.get_task("reload").partial_kwargs["retry_delay"] = timedelta(0)
        fake = FakeHeadgate(*answers)
        return dag.test(run_conf=HOURS), fake

    def test_each_chunk_is_reloaded_once_and_its_result_kept(self):
        said = {"rows": 20, "files": 1, "transactions": 2}
        run, fake = self.run_dag(answer(0, said))
        self.assertEqual(str(run.state), "success")
        # `DAG.test()` begins mapped tasks in any order.
        froms = sorted(arguments[3] for arguments in fake.arguments())
        self.assertEqual(froms, [f"--from=2026-01-01T{hour:02}:00:00Z" for hour in (0, 4, 8)])
        found = instances(run)
        self.assertEqual(found["reload", 2].rendered_map_index, "2026-01-01T08:00:00Z")
        for index in range(3):
            self.assertEqual(found["reload", index].xcom_pull(task_ids="reload", map_indexes=index), said)
        self.assertEqual(found["total", -1].xcom_pull(task_ids="total"), {"rows": 60, "files": 3, "transactions": 6})

    def test_a_failure_is_tried_again(self):
        run, fake = self.run_dag(answer(1, stderr="the warehouse is away"), answer(0, {"rows": 1}))
        self.assertEqual(str(run.state), "success")
        self.assertEqual(len(fake.calls()), 4)

    def test_wrong_usage_and_configuration_are_not(self):
        for code in (64, 78):
            with self.subTest(code=code):
                run, fake = self.run_dag(answer(code))
                self.assertEqual(str(run.state), "failed")
                self.assertEqual(len(fake.calls()), 3)


class Window(unittest.TestCase):
    maxDiff = None

    def run_dag(self, *answers):
        self.addCleanup(harness.forget_variables)
        harness.set_variable("headgate_tables", ["a_1", "b_1"])
        dag = BAG.dags["headgate_window"]
        dag.get_task("loaded.wait").poke_interval = 0
        for task in dag.tasks:
            task.retry_delay = timedelta(0)
        fake = FakeHeadgate(*answers)
        return dag.test(logical_date=MIDNIGHT), fake

    def events(self):
        from airflow.models.asset import AssetEvent
        from airflow.utils.session import create_session

        with create_session() as session:
            return [(event.asset.uri, event.extra) for event in session.query(AssetEvent).order_by(AssetEvent.id)]

    def test_what_is_not_loaded_is_asked_for_again_and_then_announced_by_its_asset(self):
        tables = {"a_1": {}, "b_1": {}}
        not_yet, loaded = (answer(code, {"loaded": code == 0, "tables": tables}) for code in (4, 0))
        before = len(self.events())
        run, fake = self.run_dag(not_yet, loaded)
        self.assertEqual(str(run.state), "success")
        self.assertEqual(len(fake.calls()), 3)
        for task in ("loaded.wait", "loaded.announce"):
            self.assertEqual([instances(run)[task, index].rendered_map_index for index in (0, 1)], ["a_1", "b_1"])
        hour = {"from": "2026-01-01T23:00:00Z", "to": "2026-01-02T00:00:00Z", "loaded_until": "2026-01-02T00:10:00Z"}
        announced = {uri: extra for uri, extra in self.events()[before:]}
        self.assertEqual(announced, {headgate_cli.asset(name).uri: {"table": name} | hour for name in tables})

    def test_a_table_that_fails_keeps_no_other_from_being_announced(self):
        run, _ = self.run_dag(answer(78), answer(0, {"tables": {"a_1": {}, "b_1": {}}}))
        self.assertEqual(str(run.state), "failed")
        announced = sorted(state for (task, _), state in states(run).items() if task == "loaded.announce")
        self.assertEqual(announced, ["success", "upstream_failed"])


class Example(unittest.TestCase):
    def test_it_counts_the_rows_of_the_hours_that_were_announced(self):
        file = harness.HOME / "warehouse.db"
        with sqlite3.connect(file) as database:
            database.execute("CREATE TABLE screen_viewed_1 (name TEXT, received_at TEXT)")
            rows = [("home", "22:59:59"), ("home", "23:00:00"), ("cart", "23:30:00"), ("home", "23:59:59")]
            database.executemany("INSERT INTO screen_viewed_1 VALUES (?, '2026-01-01 ' || ?)", rows)
            database.execute("INSERT INTO screen_viewed_1 VALUES ('home', '2026-01-02 00:00:00')")
        harness.set_connection("headgate_warehouse", {"conn_type": "sqlite", "host": str(file)})
        edges = ["2026-01-01T22:00:00Z", "2026-01-01T23:00:00Z", "2026-01-02T00:00:00Z"]
        hours = [{"from": start, "to": end} for start, end in zip(edges, edges[1:])]
        self.assertEqual(self.views(*hours), [["home", 3], ["cart", 1]])
        self.assertEqual(self.views(hours[1]), [["home", 2], ["cart", 1]])

    def test_a_run_that_no_hour_was_announced_to_is_skipped(self):
        for announced in ([], [{}]):
            with self.subTest(announced=announced), self.assertRaises(AirflowSkipException):
                self.views(*announced)

    def test_what_an_event_says_gets_into_the_query_as_a_time_or_not_at_all(self):
        with self.assertRaisesRegex(AirflowFailException, "`from`"):
            self.views({"from": "' OR 1=1 --", "to": "2026-01-01T23:00:00Z"})

    def views(self, *extras):
        """What the task makes of events with these extras, given to it as Airflow gives them."""
        asset = headgate_example.SCREENS
        source = {f"source_{name}": None for name in ("task_id", "dag_id", "run_id", "map_index")}
        events = [
            AssetEventDagRunReferenceResult(
                asset={"name": asset.name, "uri": asset.uri, "extra": {}},
                extra=extra,
                source_aliases=[{"name": "headgate_loaded"}],
                timestamp=MIDNIGHT,
                **source,
            )
            for extra in extras
        ]
        return headgate_example.views.function(triggering_asset_events=TriggeringAssetEventsAccessor.build(events))


if __name__ == "__main__":
    unittest.main()
