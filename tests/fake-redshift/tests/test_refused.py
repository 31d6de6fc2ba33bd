"""What Redshift does not have is refused."""

import support


class Refused(support.SqlCase):
    def setUp(self):
        super().setUp()
        self.run_sql("CREATE TABLE t (id BIGINT, name VARCHAR(20), extra SUPER)")

    def all_refused(self, statements, pattern):
        for sql in statements:
            with self.subTest(sql):
                self.refused(sql, pattern)

    def test_clauses_that_no_synopsis_has(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_INSERT_30.html, r_UPDATE.html, r_DELETE.html, r_SELECT_synopsis.html"""
        self.refused("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING", "no ON CONFLICT")
        self.all_refused(
            [
                "INSERT INTO t (id) VALUES (1) RETURNING id",
                "DELETE FROM t WHERE id = 1 RETURNING id",
                "UPDATE t SET id = 2 RETURNING id",
            ],
            "no RETURNING",
        )
        self.refused("SELECT DISTINCT ON (id) id FROM t", "no DISTINCT ON")
        self.refused("SELECT id FROM t FOR UPDATE", "no FOR UPDATE")
        self.refused("SELECT 1 FROM t a, LATERAL (SELECT 1) b", "no LATERAL")
        self.refused("SELECT COUNT(*) FILTER (WHERE id > 1) FROM t", "FILTER")
        self.refused("SELECT 1 FROM t WHERE id IS DISTINCT FROM 1", "IS DISTINCT FROM")
        self.refused("SELECT id FROM t EXCEPT ALL SELECT 1", "no EXCEPT ALL")
        self.refused("INSERT INTO t AS x (id) VALUES (1)", "alias in INSERT INTO")

    def test_objects_that_do_not_exist_there(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html"""
        self.all_refused(
            [
                "CREATE INDEX i ON t (id)", "CREATE UNIQUE INDEX i ON t (id)", "CREATE SEQUENCE s",
                "CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()", "CREATE EXTENSION hstore",
                "CREATE TYPE x AS (a int)", "DROP INDEX i", "CREATE UNLOGGED TABLE u (a int)",
            ],
            "Amazon Redshift has no",
        )  # fmt: skip

    def test_statements_that_do_not_exist_there(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_commands.html"""
        self.all_refused(
            ["LISTEN c", "NOTIFY c", "DO $$ BEGIN END $$", "SAVEPOINT s", "VALUES (1)", "REINDEX TABLE t"], "has no"
        )

    def test_arrays_and_values_lists(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html"""
        self.refused("SELECT ARRAY[1, 2]", "ARRAY")
        self.refused("SELECT * FROM (VALUES (1), (2)) AS v (a)", "VALUES list")
        self.refused("WITH v AS (VALUES (1)) SELECT * FROM v", "VALUES list")

    def test_functions_that_do_not_exist_there(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-functions.html"""
        for call in ("string_agg(name, ',')", "array_agg(id)", "to_jsonb(name)", "gen_random_uuid()", "pg_advisory_lock(1)"):
            with self.subTest(call):
                self.refused(f"SELECT {call} FROM t", "does not exist in Amazon Redshift")

    def test_json_operators_of_postgresql(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/super-overview.html: SUPER is walked by PartiQL paths"""
        self.all_refused(
            ["SELECT extra -> 'a' FROM t", "SELECT extra ->> 'a' FROM t", "SELECT extra @> extra FROM t"], "operator"
        )

    def test_functions_of_the_leader_node_with_tables(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_functions_leader_node_only.html"""
        self.refused("SELECT now() FROM t", "not supported on Redshift tables")
        self.refused("INSERT INTO t (id, name) SELECT 1, CURRENT_TIMESTAMP", "not supported on Redshift tables")
        self.assertEqual(self.run_sql("SELECT now() IS NULL"), [(False,)])

    def test_types_that_do_not_exist_there(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-datatypes.html"""
        for kind in ("json", "jsonb", "uuid", "bytea", "serial", "bigserial", "xml", "money", "inet", "bit(3)"):
            with self.subTest(kind):
                self.refused(f"CREATE TABLE x (a {kind})", "does not exist in Amazon Redshift")
        self.refused("CREATE TABLE x (a VARCHAR(10)[])", "arrays")
        self.refused("SELECT '{}'::jsonb", '"jsonb" does not exist')
        self.refused("SELECT CAST(name AS uuid) FROM t", '"uuid" does not exist')

    def test_system_columns(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html"""
        self.refused("SELECT ctid FROM t", "no system columns")

    def test_lock_modes(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_LOCK.html"""
        self.run_sql("BEGIN")
        self.refused("LOCK t IN SHARE MODE", "mode is always ACCESS EXCLUSIVE")

    def test_what_the_fake_does_not_do_is_named(self):
        self.all_refused(
            [
                "UNLOAD ('SELECT 1') TO 's3://b/k' IAM_ROLE 'r'",
                "SELECT 1 INTO x",
                "CREATE TABLE x (a GEOMETRY)",
                "SET x TO 1",
            ],
            "the fake of Redshift does not do",
        )

    def test_a_refused_statement_aborts_the_open_transaction(self):
        self.run_sql("BEGIN")
        self.run_sql("INSERT INTO t (id) VALUES (1)")
        self.refused("INSERT INTO t (id) VALUES (2) ON CONFLICT DO NOTHING", "ON CONFLICT")
        self.refused("SELECT 1", "current transaction is aborted")
        self.run_sql("COMMIT")
        self.assertEqual(self.run_sql("SELECT id FROM t"), [])
