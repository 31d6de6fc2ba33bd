"""Tables: keys and encodings are checked, constraints are declared and not enforced, and ALTER TABLE does what it does there."""

import support


class CreateTable(support.SqlCase):
    def test_keys_and_encodings_are_taken_and_shown(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html, r_SVV_REDSHIFT_COLUMNS.html"""
        self.run_sql(
            "CREATE TABLE t (a BIGINT NOT NULL ENCODE az64 DISTKEY, b TIMESTAMP DEFAULT '2024-01-01' ENCODE RAW, c VARCHAR(9)) "
            "BACKUP NO DISTSTYLE KEY COMPOUND SORTKEY (b, a)"
        )
        found = self.run_sql(
            "SELECT column_name, encoding, distkey, sortkey, is_nullable FROM svv_redshift_columns "
            f"WHERE schema_name = '{self.schema}' ORDER BY ordinal_position"
        )
        self.assertEqual(
            found, [("a", "AZ64", True, 2, "NO"), ("b", "RAW", False, 1, "YES"), ("c", "none", False, 0, "YES")]
        )

    def test_wrong_keys_are_refused(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html"""
        wide = ", ".join(f"c{n} INTEGER" for n in range(401))
        keys = ", ".join(f"c{n}" for n in range(401))
        for sql, pattern in [
            ("CREATE TABLE t (a INTEGER) DISTKEY (b)", 'DISTKEY column "b" does not exist'),
            ("CREATE TABLE t (a INTEGER) SORTKEY (a, b)", 'SORTKEY column "b" does not exist'),
            ("CREATE TABLE t (a INTEGER DISTKEY, b INTEGER DISTKEY)", "only one DISTKEY"),
            ("CREATE TABLE t (a INTEGER, b INTEGER) DISTKEY (a, b)", "only one DISTKEY"),
            ("CREATE TABLE t (a INTEGER) DISTSTYLE KEY", "needs a DISTKEY"),
            ("CREATE TABLE t (a INTEGER DISTKEY) DISTSTYLE EVEN", "contradicts"),
            ("CREATE TABLE t (a INTEGER) DISTSTYLE SOME", "AUTO, EVEN, KEY or ALL"),
            ("CREATE TABLE t (a INTEGER ENCODE GZIP)", 'encoding "GZIP" does not exist'),
            (f"CREATE TABLE t ({wide}) SORTKEY ({keys})", "at most 400"),
            (f"CREATE TABLE t ({wide}) INTERLEAVED SORTKEY (c0,c1,c2,c3,c4,c5,c6,c7,c8)", "at most 8"),
            ("CREATE TEMP TABLE t DISTKEY (b) AS SELECT 1 AS a", 'DISTKEY column "b" does not exist'),
            ("CREATE TABLE t (a INTEGER CHECK (a > 0))", "no CHECK"),
        ]:
            with self.subTest(sql[:60]):
                self.refused(sql, pattern)

    def test_keys_are_declared_and_not_enforced(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/t_Defining_constraints.html"""
        self.run_sql("CREATE TABLE p (a INTEGER PRIMARY KEY, b INTEGER UNIQUE)")
        self.run_sql("CREATE TABLE t (a INTEGER REFERENCES p (a), PRIMARY KEY (a))")
        for _ in range(2):
            self.run_sql("INSERT INTO p VALUES (1, 1)")
        self.run_sql("INSERT INTO t VALUES (2)")
        self.refused("INSERT INTO p VALUES (NULL, 1)", "null value")

    def test_a_table_that_exists(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html"""
        self.run_sql("CREATE TABLE t (a INTEGER)")
        self.refused("CREATE TABLE t (a INTEGER)", "already exists")
        self.run_sql("CREATE TABLE IF NOT EXISTS t (b INTEGER)")
        self.assertEqual(self.run_sql("SELECT a FROM t"), [])
        self.run_sql("DROP TABLE IF EXISTS t")
        self.run_sql("DROP TABLE IF EXISTS t")
        self.refused("DROP TABLE t", "does not exist")

    def test_temporary_tables_are_the_sessions_own(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html"""
        self.run_sql("CREATE TABLE t (a VARCHAR(3) NOT NULL)")
        self.run_sql("CREATE TEMP TABLE s (LIKE t)")
        self.run_sql("CREATE TEMPORARY TABLE n AS SELECT * FROM s")
        self.refused("SELECT * FROM n", "does not exist", self.session())
        self.refused("CREATE TEMP TABLE s (a INTEGER)", "already exists")

    def test_a_rolled_back_table_is_gone(self):
        self.run_sql("BEGIN")
        self.run_sql("CREATE TABLE t (a VARCHAR(17)) SORTKEY (a)")
        self.run_sql("ROLLBACK")
        self.refused("SELECT * FROM t", "does not exist")


class AlterTable(support.SqlCase):
    def setUp(self):
        super().setUp()
        self.run_sql(
            "CREATE TABLE t (a VARCHAR(10), b VARCHAR(10) DEFAULT 'x', c VARCHAR(10) ENCODE BYTEDICT, "
            "d VARCHAR(10) SORTKEY, e INTEGER, f VARCHAR(10) UNIQUE, g VARCHAR(10) ENCODE RUNLENGTH, "
            "h VARCHAR(10) ENCODE TEXT255, i VARCHAR(10) ENCODE TEXT32K)"
        )

    def test_columns_are_added_one_at_a_time(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html"""
        self.run_sql("BEGIN")
        self.run_sql("ALTER TABLE t ADD COLUMN x1 SUPER")
        self.run_sql("ALTER TABLE t ADD x2 BIGINT NOT NULL DEFAULT 7 ENCODE AZ64")
        self.run_sql("COMMIT")
        self.run_sql("INSERT INTO t (a) VALUES ('x')")
        self.assertEqual(self.run_sql("SELECT x1, x2 FROM t"), [(None, 7)])
        self.refused("ALTER TABLE t ADD COLUMN y1 BIGINT, ADD COLUMN y2 BIGINT", "adds one column")
        self.refused("ALTER TABLE t ADD COLUMN IF NOT EXISTS y1 BIGINT", "no ADD COLUMN IF NOT EXISTS")
        self.refused("ALTER TABLE t ADD COLUMN x1 SUPER", "already exists")
        self.refused("ALTER TABLE t ADD COLUMN y1 BIGINT NOT NULL", "non-null default")
        self.refused("ALTER TABLE t ADD COLUMN y1 BIGINT NOT NULL DEFAULT NULL", "non-null default")
        self.refused("ALTER TABLE t ADD COLUMN y1 BIGINT SORTKEY", "takes no DISTKEY")
        self.refused("ALTER TABLE IF EXISTS t ADD COLUMN y1 BIGINT", "no ALTER TABLE IF EXISTS")

    def test_varchar_can_be_made_wider(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html"""
        self.run_sql("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(20)")
        self.run_sql("INSERT INTO t (a) VALUES (repeat('x', 20))")
        self.refused("INSERT INTO t (a) VALUES (repeat('x', 21))", "value too long")

    def test_other_changes_of_types_are_refused(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html"""
        for column, kind, pattern in [
            ("a", "VARCHAR(5)", "greater or equal"),
            ("a", "BIGINT", "only VARCHAR"),
            ("e", "BIGINT", "only VARCHAR"),
            ("b", "VARCHAR(20)", "default value"),
            ("c", "VARCHAR(20)", "BYTEDICT"),
            ("g", "VARCHAR(20)", "RUNLENGTH"),
            ("h", "VARCHAR(20)", "TEXT255"),
            ("i", "VARCHAR(20)", "TEXT32K"),
            ("d", "VARCHAR(20)", "SORTKEY"),
            ("f", "VARCHAR(20)", "declared as a key"),
            ("z", "VARCHAR(20)", "does not exist"),
        ]:
            with self.subTest(column=column, kind=kind):
                self.refused(f"ALTER TABLE t ALTER COLUMN {column} TYPE {kind}", pattern)

    def test_types_do_not_change_in_a_transaction(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html"""
        sql = f"ALTER TABLE {self.schema}.t ALTER COLUMN a TYPE VARCHAR(20)"
        self.run_sql("BEGIN")
        self.refused(sql, "cannot run inside a transaction block")
        self.run_sql("ROLLBACK")
        self.assertIn("inside a transaction block", support.batch("SELECT 1", sql)["Error"])
        self.refused(f"SELECT 1; {sql}", "inside a transaction block")
        self.assertEqual(support.execute(sql)["Status"], "FINISHED")

    def test_names_change(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html"""
        self.run_sql("ALTER TABLE t RENAME COLUMN d TO dd")
        self.run_sql("ALTER TABLE t RENAME TO u")
        self.assertEqual(self.run_sql("SELECT dd FROM u"), [])
        self.refused("ALTER TABLE u DROP COLUMN dd", "DISTKEY or SORTKEY")
        self.run_sql("ALTER TABLE u DROP COLUMN e")
        self.refused("SELECT e FROM u", "does not exist")


class Rights(support.SqlCase):
    def test_rights_are_granted_to_users_groups_and_roles(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_GRANT.html"""
        self.run_sql("CREATE TABLE t (a INTEGER)")
        self.run_sql(f"CREATE GROUP g_{self.schema}")
        self.run_sql(f"CREATE ROLE r_{self.schema}")
        self.run_sql(f"GRANT SELECT ON TABLE t TO GROUP g_{self.schema}")
        self.run_sql(f"GRANT SELECT, INSERT ON t TO ROLE r_{self.schema}")
        self.run_sql(f"GRANT USAGE ON SCHEMA {self.schema} TO ROLE r_{self.schema}")
        self.refused("GRANT SELECT ON t TO ROLE nobody_at_all", "does not exist")
