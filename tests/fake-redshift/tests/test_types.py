"""Redshift's types: lengths in bytes, defaults, limits; SUPER and its functions."""

import datetime

import support


class Types(support.SqlCase):
    def test_varchar_counts_bytes(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html"""
        self.run_sql("CREATE TABLE t (a VARCHAR(4))")
        self.run_sql("INSERT INTO t VALUES ('éé')")
        self.refused("INSERT INTO t VALUES ('ééé')", r"value too long for type character varying\(4\)")
        self.refused("UPDATE t SET a = 'abcde'", r"value too long for type character varying\(4\)")
        self.run_sql("CREATE TEMP TABLE u AS SELECT a FROM t")
        self.refused("INSERT INTO u VALUES ('abcde')", r"value too long for type character varying\(4\)")

    def test_char_has_no_multibyte_characters(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html"""
        self.run_sql("CREATE TABLE t (a CHAR(3))")
        self.run_sql("INSERT INTO t VALUES ('abc')")
        self.refused("INSERT INTO t VALUES ('é')", "multibyte")
        self.refused("INSERT INTO t VALUES ('abcd')", r"value too long for type character\(3\)")

    def test_lengths_have_their_defaults_and_limits(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html"""
        self.run_sql(
            "CREATE TABLE t (a VARCHAR, b VARCHAR(MAX), c CHAR, d TEXT, e CHARACTER VARYING(7), f NCHAR(4096), g BPCHAR)"
        )
        found = self.run_sql(
            f"SELECT character_maximum_length FROM svv_columns WHERE table_schema = '{self.schema}' ORDER BY ordinal_position"
        )
        self.assertEqual([length for (length,) in found], [256, 65535, 1, 256, 7, 4096, 256])
        for kind in (
            "VARCHAR(65536)",
            "VARCHAR(0)",
            "CHAR(4097)",
            "TEXT(10)",
            "DECIMAL(39,0)",
            "DECIMAL(5,6)",
            "TIMESTAMP(3)",
        ):
            with self.subTest(kind):
                self.refused(f"CREATE TABLE u (a {kind})", "length|precision|scale")

    def test_svv_columns_names_types_as_redshift_does(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_COLUMNS.html"""
        self.run_sql(
            "CREATE TABLE t (a SUPER, b TIMESTAMP NOT NULL, c TIMESTAMPTZ, d DOUBLE PRECISION, e BIGINT, f DECIMAL(12,3), "
            "g BOOLEAN, h DATE, i VARCHAR(9), j REAL, k SMALLINT)"
        )
        kinds = "SELECT data_type FROM {} WHERE table_schema = '" + self.schema + "' ORDER BY ordinal_position"
        expected = [
            "super", "timestamp without time zone", "timestamp with time zone", "double precision", "bigint", "numeric",
            "boolean", "date", "character varying", "real", "smallint",
        ]  # fmt: skip
        self.assertEqual([kind for (kind,) in self.run_sql(kinds.format("svv_columns"))], expected)
        self.assertEqual([kind for (kind,) in self.run_sql(kinds.format("information_schema.columns"))], expected)
        numbers = self.run_sql("SELECT numeric_precision, numeric_scale FROM svv_columns WHERE column_name = 'f'")
        self.assertIn((12, 3), numbers)
        self.assertIn(("NO",), self.run_sql(f"SELECT is_nullable FROM svv_columns WHERE table_schema = '{self.schema}'"))

    def test_a_cast_to_varchar_cuts_after_whole_characters(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CAST_function.html, lengths: r_Character_types.html"""
        found = self.run_sql(
            "SELECT CAST('ééé' AS VARCHAR(5)), CAST(12345 AS VARCHAR(3)), CAST(CAST('abc' AS VARCHAR(2)) || 'd' AS VARCHAR)"
        )
        self.assertEqual(found, [("éé", "123", "abd")])
        self.run_sql("CREATE TABLE t AS SELECT CAST('a' AS VARCHAR(5)) AS a")
        self.refused("INSERT INTO t VALUES ('abcdef')", r"character varying\(5\)")

    def test_1600_columns_are_the_most(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html"""
        columns = [f"c{n} VARCHAR(8)" for n in range(1600)]
        self.run_sql(f"CREATE TABLE t ({', '.join(columns)})")
        self.refused("ALTER TABLE t ADD COLUMN d BIGINT", "at most 1600 columns")
        self.refused(f"CREATE TABLE u ({', '.join(columns)}, d BIGINT)", "at most 1600 columns")


class Super(support.SqlCase):
    def test_json_parse_makes_super_and_json_serialize_text(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/JSON_PARSE.html and JSON_SERIALIZE.html"""
        found = self.run_sql("""SELECT JSON_SERIALIZE(JSON_PARSE('{"a": [1, "x y"], "b":null}')), JSON_PARSE('[1, 2]')""")
        self.assertEqual(found, [('{"a":[1,"x y"],"b":null}', "[1,2]")])

    def test_json_that_cannot_be_parsed(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/CAN_JSON_PARSE.html"""
        for text in ("{", "", "{'a': 1}", '{"a": 1,}', '"\\\\u0000"', "nul"):
            with self.subTest(text):
                literal = text.replace("'", "''")
                self.refused(f"SELECT JSON_PARSE('{literal}')", ".")
                self.assertEqual(self.run_sql(f"SELECT CAN_JSON_PARSE('{literal}')"), [(False,)])
        self.assertEqual(self.run_sql("SELECT CAN_JSON_PARSE(NULL), JSON_PARSE(NULL)"), [(None, None)])
        self.assertEqual(self.run_sql("""SELECT CAN_JSON_PARSE('{"a": 1}'), CAN_JSON_PARSE('1')"""), [(True, True)])

    def test_super_has_limits(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/limitations-super.html"""
        whole = "SELECT LEN(JSON_SERIALIZE(JSON_PARSE('\"' || repeat('a', 65535) || '\"')))"
        self.assertEqual(self.run_sql(whole), [(65537,)])
        self.refused(whole.replace("65535", "65536"), "65535 bytes")
        self.refused("SELECT JSON_PARSE('[' || repeat('1,', 9000000) || '1]')", "16777216")
        nested = "SELECT JSON_PARSE(repeat('[', {0}) || repeat(']', {0})) IS NULL"
        self.assertEqual(self.run_sql(nested.format(1000)), [(False,)])
        self.refused(nested.format(1001), "1000 levels")

    def test_super_is_no_key(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/limitations-super.html"""
        self.refused("CREATE TABLE t (a SUPER) SORTKEY (a)", "cannot be a SORTKEY")
        self.refused("CREATE TABLE t (a SUPER DISTKEY)", "cannot be a DISTKEY")

    def test_text_is_no_super_without_json_parse(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/super-overview.html: a cast makes a scalar of text"""
        self.refused("SELECT '{}'::super", "JSON_PARSE")
        self.assertEqual(self.run_sql("SELECT NULL::super, CAST(NULL AS SUPER)"), [(None, None)])


class Functions(support.SqlCase):
    def test_dates_and_times(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_DATEADD_function.html and r_DATEDIFF_function.html"""
        found = self.run_sql(
            "SELECT DATEADD(day, 2, TIMESTAMP '2024-02-28 10:00:00'), DATEADD(month, 1, '2024-01-31'), "
            "DATEDIFF(hour, '2024-01-01 00:59:59', '2024-01-01 02:00:00'), DATEDIFF(year, '2023-12-31', '2024-01-01'), "
            "DATEDIFF(seconds, '2024-01-01', '2024-01-02'), DATEDIFF(ms, '2024-01-01', '2024-01-01 00:00:01.5')"
        )
        self.assertEqual(found, [(datetime.datetime(2024, 3, 1, 10), datetime.datetime(2024, 2, 29), 2, 1, 86400, 1500)])

    def test_small_ones(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_LEN.html, r_NVL_function.html, r_GETDATE.html, r_SYSDATE.html"""
        found = self.run_sql(
            "SELECT LEN('éa'), OCTET_LENGTH('éa'), NVL(NULL, 7), GETDATE() <= SYSDATE + interval '1 minute'"
        )
        self.assertEqual(found, [(2, 3, 7, True)])
        self.assertEqual(self.run_sql("SELECT 1 UNION ALL SELECT 2 MINUS SELECT 2"), [(1,)])
        self.assertRegex(self.run_sql("SELECT version()")[0][0], r"PostgreSQL 8\.0\.2 .* Redshift")
        self.assertEqual(self.run_sql("SELECT current_user"), [(support.environment()["REDSHIFT_USER"],)])
        self.assertEqual(self.run_sql("SELECT COUNT(*) FROM stv_slices"), [(2,)])
