"""Transactions: what commits, what waits for what, and what a snapshot shows."""

import threading

import psycopg
import support


class Transactions(support.SqlCase):
    def setUp(self):
        super().setUp()
        self.run_sql("CREATE TABLE t (a INTEGER)")
        self.other = self.session()
        self.run_sql(f"SET search_path TO {self.schema}", self.other)

    def behind(self, sql):
        """Runs a statement in the other session in the background; returns a function that waits for its outcome."""
        outcome = []

        def work():
            try:
                outcome.append(self.run_sql(sql, self.other))
            except psycopg.Error as error:
                outcome.append(error)

        thread = threading.Thread(target=work)
        thread.start()

        def wait():
            thread.join(support.WAIT_SECONDS)
            self.assertTrue(outcome, f"{sql} is still running")
            return outcome[0]

        return wait

    def blocked(self):
        """Waits until PostgreSQL says that a session waits for a lock."""
        with psycopg.connect(support.environment()["REDSHIFT_DIRECT"], autocommit=True) as direct:
            sql = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            support.until(lambda: direct.execute(sql).fetchall(), "a session waits for a lock")

    def test_truncate_commits(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_TRUNCATE.html"""
        self.run_sql("CREATE TABLE kept (a INTEGER)")
        self.run_sql("INSERT INTO t VALUES (1)")
        self.run_sql("BEGIN")
        self.run_sql("INSERT INTO kept VALUES (2)")
        self.run_sql("TRUNCATE t")
        self.run_sql("ROLLBACK")
        self.assertEqual(self.run_sql("SELECT a FROM kept"), [(2,)])
        self.assertEqual(self.run_sql("SELECT a FROM t"), [])

    def test_truncate_commits_a_batch_that_fails_later(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_TRUNCATE.html"""
        ended = support.batch(f"INSERT INTO {self.schema}.t VALUES (1)", f"TRUNCATE {self.schema}.t", "SELECT broken")
        self.assertEqual(ended["Status"], "FAILED")
        self.run_sql("INSERT INTO t VALUES (2)")
        ended = support.batch(
            f"CREATE TABLE {self.schema}.u (a INTEGER)", f"INSERT INTO {self.schema}.u VALUES (3)", f"TRUNCATE {self.schema}.t",
            "SELECT broken",
        )  # fmt: skip
        self.assertEqual(self.run_sql("SELECT a FROM u"), [(3,)])

    def test_vacuum_cannot_run_in_a_transaction(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_VACUUM_command.html"""
        self.run_sql("VACUUM FULL t TO 99 PERCENT")
        self.run_sql("BEGIN")
        self.refused("VACUUM t", "cannot run inside a transaction block")
        self.run_sql("ROLLBACK")
        self.assertIn("inside a transaction block", support.batch(f"VACUUM {self.schema}.t", "SELECT 1")["Error"])

    def test_lock_keeps_everybody_out(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_LOCK.html"""
        self.run_sql("BEGIN")
        self.run_sql("LOCK t")
        wait = self.behind("SELECT a FROM t")
        self.blocked()
        self.run_sql("INSERT INTO t VALUES (1)")
        self.run_sql("COMMIT")
        self.assertIn(wait(), ([], [(1,)]))

    def test_a_snapshot_is_taken_by_the_first_query_and_not_by_lock(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html"""
        self.run_sql("CREATE TABLE gate (a INTEGER)")
        self.run_sql("BEGIN")
        self.run_sql("LOCK gate")
        self.run_sql("INSERT INTO t VALUES (1)", self.other)
        self.assertEqual(self.run_sql("SELECT a FROM t"), [(1,)])
        self.run_sql("INSERT INTO t VALUES (2)", self.other)
        self.assertEqual(self.run_sql("SELECT a FROM t"), [(1,)])
        self.run_sql("COMMIT")
        self.assertEqual(len(self.run_sql("SELECT a FROM t")), 2)

    def test_a_second_writer_waits_and_sees_what_was_there_before(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_write_readwrite.html"""
        insert = "INSERT INTO t SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM t WHERE a = 1)"
        self.run_sql("BEGIN")
        self.run_sql(insert)
        wait = self.behind(insert)
        self.blocked()
        self.run_sql("COMMIT")
        self.assertEqual(wait(), [])
        # Write skew: without LOCK, both inserted.
        self.assertEqual(self.run_sql("SELECT a FROM t"), [(1,), (1,)])

    def test_with_lock_first_the_second_writer_sees_the_first(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_LOCK.html"""
        insert = f"INSERT INTO {self.schema}.t SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM {self.schema}.t WHERE a = 1)"
        self.run_sql("BEGIN")
        self.run_sql("LOCK t")
        self.run_sql(insert)
        started = support.data_api().batch_execute_statement(Sqls=[f"LOCK {self.schema}.t", insert], **support.target())
        self.blocked()
        self.run_sql("COMMIT")
        self.assertEqual(support.finished(started["Id"])["Status"], "FINISHED")
        self.assertEqual(self.run_sql("SELECT a FROM t"), [(1,)])

    def test_two_writers_of_one_row_conflict(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation-serializable-isolation-troubleshooting.html"""
        self.run_sql("INSERT INTO t VALUES (1)")
        for connection in (self.connection, self.other):
            self.run_sql("BEGIN", connection)
            self.run_sql("SELECT * FROM t", connection)
        self.run_sql("UPDATE t SET a = 2")
        wait = self.behind("UPDATE t SET a = 3")
        self.blocked()
        self.run_sql("COMMIT")
        error = wait()
        self.assertEqual((error.diag.message_primary, error.sqlstate), ("1023", "XX000"))
        self.assertRegex(
            error.diag.message_detail, r"^Serializable isolation violation on table - \d+, transactions forming"
        )

    def test_several_statements_in_a_message_are_one_transaction(self):
        """https://www.postgresql.org/docs/8.0/protocol-flow.html"""
        self.refused("INSERT INTO t VALUES (1); SELECT broken", "does not exist")
        self.assertEqual(self.run_sql("SELECT a FROM t"), [])
        self.refused("BEGIN; INSERT INTO t VALUES (1); COMMIT; SELECT broken", "does not exist")
        self.assertEqual(self.run_sql("SELECT a FROM t"), [(1,)])

    def test_savepoints_do_not_exist(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_commands.html"""
        self.run_sql("BEGIN")
        self.refused("SAVEPOINT s", "no SAVEPOINT")


class Merge(support.SqlCase):
    def setUp(self):
        super().setUp()
        self.run_sql("CREATE TABLE t (k INTEGER, v INTEGER)")
        self.run_sql("CREATE TABLE s (k INTEGER, v INTEGER)")
        self.run_sql("INSERT INTO t VALUES (1, 1)")
        self.run_sql("INSERT INTO s VALUES (1, 10), (2, 20)")
        self.actions = (
            "ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, s.v)"
        )

    def test_merge_updates_and_inserts(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_MERGE.html"""
        self.run_sql(f"MERGE INTO t USING s {self.actions}")
        self.assertEqual(self.run_sql("SELECT k, v FROM t ORDER BY k"), [(1, 10), (2, 20)])

    def test_merge_refuses_duplicate_keys_and_other_sources(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_MERGE.html"""
        self.run_sql("CREATE VIEW w AS SELECT * FROM s")
        self.refused(f"MERGE INTO t USING w AS s {self.actions}", "is a view")
        self.refused(f"MERGE INTO t USING (SELECT * FROM s) s {self.actions}", "not a subquery")
        self.refused("MERGE INTO t USING s ON t.k = s.k WHEN MATCHED THEN DELETE", "WHEN MATCHED and then WHEN NOT MATCHED")
        for key in (1, 2):
            with self.subTest(key):
                self.run_sql(f"INSERT INTO s VALUES ({key}, 0)")
                self.refused(f"MERGE INTO t USING s {self.actions}", "Found multiple matches")
                self.run_sql("DELETE FROM s WHERE v = 0")
