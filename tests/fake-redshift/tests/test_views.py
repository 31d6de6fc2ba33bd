"""Views WITH NO SCHEMA BINDING find their tables by name: https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html"""

import support


class Late(support.SqlCase):
    def setUp(self):
        super().setUp()
        self.late = "WITH NO SCHEMA BINDING"
        self.run_sql("CREATE TABLE t (a INTEGER)")
        self.run_sql("INSERT INTO t VALUES (1)")

    def test_a_view_finds_a_table_that_took_the_name(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html"""
        self.run_sql(f"CREATE VIEW v AS SELECT * FROM {self.schema}.t {self.late}")
        self.run_sql("CREATE TABLE u (a INTEGER, b INTEGER)")
        self.run_sql("INSERT INTO u VALUES (2, 3)")
        self.run_sql("BEGIN")
        self.run_sql("ALTER TABLE t RENAME TO was")
        self.run_sql("ALTER TABLE u RENAME TO t")
        self.run_sql("COMMIT")
        self.assertEqual(self.run_sql("SELECT * FROM v"), [(2, 3)])

    def test_a_view_outlives_its_table(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html"""
        self.run_sql(f"CREATE VIEW v AS SELECT a FROM {self.schema}.t {self.late}")
        self.run_sql(f"CREATE VIEW w AS SELECT a FROM {self.schema}.v {self.late}")
        self.run_sql("DROP TABLE t")
        self.refused("SELECT * FROM w", "does not exist")
        self.assertEqual(
            self.run_sql(f"SELECT table_type FROM svv_tables WHERE table_schema = '{self.schema}'"), [("VIEW",)] * 2
        )
        self.run_sql("CREATE TABLE t (a VARCHAR(3))")
        self.run_sql("INSERT INTO t VALUES ('x')")
        self.assertEqual(self.run_sql("SELECT * FROM w"), [("x",)])

    def test_a_view_may_come_before_its_table(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html"""
        self.run_sql(f"CREATE VIEW v AS SELECT a FROM {self.schema}.later {self.late}")
        self.run_sql("CREATE TABLE later AS SELECT 5 AS a")
        self.assertEqual(self.run_sql("SELECT * FROM v"), [(5,)])

    def test_tables_must_be_qualified(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html"""
        self.refused(f"CREATE VIEW v AS SELECT a FROM t {self.late}", "should be qualified")
        self.refused(f"CREATE VIEW v AS SELECT 1 FROM {self.schema}.t JOIN t x ON true {self.late}", "should be qualified")
        self.run_sql(
            f"CREATE VIEW v AS WITH c AS (SELECT * FROM {self.schema}.t) SELECT EXTRACT(year FROM SYSDATE) AS y FROM c {self.late}"
        )

    def test_columns_under_a_view_change(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html"""
        self.run_sql("CREATE TABLE w (a VARCHAR(2))")
        self.run_sql(f"CREATE OR REPLACE VIEW v AS SELECT * FROM {self.schema}.w {self.late}")
        self.run_sql("ALTER TABLE w ALTER COLUMN a TYPE VARCHAR(3)")
        self.run_sql("ALTER TABLE w ADD COLUMN b SUPER")
        self.run_sql("INSERT INTO w VALUES ('abc', NULL)")
        self.assertEqual(self.run_sql("SELECT * FROM v"), [("abc", None)])

    def test_views_are_replaced_and_dropped(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html, r_DROP_VIEW.html"""
        self.run_sql(f"CREATE VIEW v AS SELECT a FROM {self.schema}.t {self.late}")
        self.refused(f"CREATE VIEW v AS SELECT a FROM {self.schema}.t {self.late}", "already exists")
        self.run_sql(f"CREATE OR REPLACE VIEW v AS SELECT a + 1 AS b, 'x' AS c FROM {self.schema}.t {self.late}")
        self.assertEqual(self.run_sql("SELECT b, c FROM v"), [(2, "x")])
        self.run_sql("DROP VIEW v")
        self.refused("DROP VIEW v", "does not exist")
        self.run_sql("DROP VIEW IF EXISTS v")

    def test_rights_on_a_view_outlive_its_table_and_its_replacement(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html"""
        reader = f"reader_{self.schema}"
        self.run_sql(f"CREATE ROLE {reader}")
        self.run_sql(f"CREATE VIEW v AS SELECT a FROM {self.schema}.t {self.late}")
        self.run_sql(f"GRANT SELECT ON v TO ROLE {reader}")
        self.run_sql(f"CREATE OR REPLACE VIEW v AS SELECT a, 1 AS b FROM {self.schema}.t {self.late}")
        self.run_sql("DROP TABLE t")
        self.run_sql("CREATE TABLE t (a INTEGER)")
        self.assertEqual(self.run_sql(f"SELECT has_table_privilege('{reader}', 'v', 'SELECT')"), [(True,)])
        self.assertEqual(self.run_sql(f"SELECT has_table_privilege('{reader}', 'v', 'INSERT')"), [(False,)])


class Bound(support.SqlCase):
    def test_an_ordinary_view_holds_its_table(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_TABLE.html"""
        self.run_sql("CREATE TABLE t (a INTEGER)")
        self.run_sql("CREATE VIEW v AS SELECT a FROM t")
        self.refused("DROP TABLE t", "depend")
        self.refused("CREATE OR REPLACE VIEW v AS SELECT a, 1 AS b FROM t", "cannot change the columns")
        self.run_sql("CREATE OR REPLACE VIEW v AS SELECT a FROM t WHERE a > 0")
        self.run_sql("DROP TABLE t CASCADE")
        self.refused("SELECT * FROM v", "does not exist")
