"""Faults that tests inject do what they say, and the record tells what was done."""

import urllib.error
import uuid

import botocore.exceptions
import psycopg
import support


class Faults(support.SqlCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(support.own, "DELETE", "/_fault")
        self.run_sql("CREATE TABLE t (a INTEGER)")
        self.insert = f"INSERT INTO {self.schema}.t VALUES (1)"

    def count(self):
        return self.run_sql(f"SELECT COUNT(*) FROM {self.schema}.t", self.session())[0][0]

    def api_error(self, operation, **request):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            getattr(support.data_api(), operation)(**request)
        return caught.exception.response["Error"]["Code"]

    def test_calls_fail_as_told(self):
        request = {"Sql": "SELECT 1"} | support.target()
        for do, code in [
            ("throttle", "ThrottlingException"),
            ("active_statements", "ActiveStatementsExceededException"),
            ("error", "InternalServerException"),
        ]:
            support.fault(on="api", match="ExecuteStatement", do=do)
            self.assertEqual(self.api_error("execute_statement", **request), code)
        support.fault(on="api", match="Batch", do="error", type="BatchExecuteStatementException")
        batch = {"Sqls": ["SELECT 1"]} | support.target()
        self.assertEqual(self.api_error("batch_execute_statement", **batch), "BatchExecuteStatementException")
        support.data_api().execute_statement(**request)

    def test_rules_skip_and_count(self):
        support.fault(on="statement", match="^SELECT 7", skip=1, count=2, do="fail", message="told to")
        outcomes = [support.execute("SELECT 7")["Status"] for _ in range(4)]
        self.assertEqual(outcomes, ["FINISHED", "FAILED", "FAILED", "FINISHED"])
        rule = support.own("GET", "/_fault")["rules"][0]
        self.assertEqual((rule["seen"], rule["fired"]), (4, 2))

    def test_a_lost_reply_does_not_undo_the_call(self):
        support.fault(on="api", match="ExecuteStatement", do="drop_reply")
        request = {"Sql": self.insert, "ClientToken": str(uuid.uuid4())} | support.target()
        with self.assertRaises(botocore.exceptions.HTTPClientError):
            support.data_api().execute_statement(**request)
        support.finished(support.data_api().execute_statement(**request)["Id"])
        self.assertEqual(self.count(), 1)

    def test_a_killed_session_loses_its_transaction(self):
        self.run_sql("BEGIN")
        self.run_sql(self.insert)
        support.fault(on="statement", match="^COMMIT", do="kill_session")
        with self.assertRaises(psycopg.OperationalError):
            self.run_sql("COMMIT")
        support.fault(on="statement", match="^COMMIT", do="kill_session")
        self.assertEqual(support.batch(self.insert)["Status"], "FAILED")
        self.assertEqual(self.count(), 0)

    def test_a_session_killed_after_its_commit_keeps_it(self):
        self.run_sql("BEGIN")
        self.run_sql(self.insert)
        support.fault(on="statement", match="^COMMIT", do="kill_session_after_commit")
        with self.assertRaises(psycopg.OperationalError):
            self.run_sql("COMMIT")
        self.assertEqual(self.count(), 1)
        support.fault(on="statement", match="^COMMIT", do="kill_session_after_commit")
        request = {"Sqls": [self.insert], "ClientToken": str(uuid.uuid4())} | support.target()
        with self.assertRaises(botocore.exceptions.HTTPClientError):
            support.data_api().batch_execute_statement(**request)
        support.finished(support.data_api().batch_execute_statement(**request)["Id"])
        self.assertEqual(self.count(), 2)

    def test_error_1023_can_be_had(self):
        support.fault(on="statement", match="INSERT", do="error_1023")
        described = support.batch(self.insert)
        self.assertIn("ERROR: 1023 Detail: Serializable isolation violation on table", described["Error"])
        self.assertEqual(self.count(), 0)

    def test_a_paused_statement_waits_until_it_is_released(self):
        support.fault(on="statement", match="INSERT", do="pause")
        started = support.data_api().execute_statement(Sql=self.insert, **support.target())["Id"]
        support.until(lambda: support.own("GET", "/_fault")["paused"] == [self.insert], "it is paused")
        self.assertEqual(support.data_api().describe_statement(Id=started)["Status"], "STARTED")
        self.assertEqual(self.count(), 0)
        self.assertEqual(support.own("POST", "/_fault/release"), {"released": 1})
        self.assertEqual(support.finished(started)["Status"], "FINISHED")
        self.assertEqual(self.count(), 1)

    def test_a_paused_statement_can_be_cancelled(self):
        support.fault(on="statement", match="INSERT", do="pause")
        started = support.data_api().execute_statement(Sql=self.insert, **support.target())["Id"]
        support.until(lambda: support.own("GET", "/_fault")["paused"], "it is paused")
        support.data_api().cancel_statement(Id=started)
        self.assertEqual(support.finished(started)["Status"], "ABORTED")
        self.assertEqual(self.count(), 0)

    def test_a_rule_that_cannot_be_is_refused(self):
        for rule in ({"on": "api"}, {"on": "x", "match": "", "do": "fail"}, {"on": "api", "match": "(", "do": "throttle"}):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                support.own("POST", "/_fault", rule)
            caught.exception.close()

    def test_the_record_has_calls_and_statements_in_order(self):
        support.own("DELETE", "/_log")
        support.batch(self.insert, "SELECT broken")
        found = [(e["kind"], e.get("operation") or e["sql"], e["outcome"]) for e in support.own("GET", "/_log")["entries"]]
        self.assertEqual(found[0], ("call", "BatchExecuteStatement", "ok"))
        statements = [entry for entry in found if entry[0] == "statement"]
        self.assertEqual(statements[0], ("statement", self.insert, "INSERT 0 1"))
        self.assertEqual(statements[1][1:], ("SELECT broken", 'ERROR: column "broken" does not exist'))
        self.assertEqual(len(statements), 2)
