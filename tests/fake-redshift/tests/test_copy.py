"""COPY from Parquet by a manifest.

Where no other address is given, the rule is of https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
"""

import datetime
import decimal

import pyarrow
import support

MOMENT = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456)
EVERY_TYPE = pyarrow.table(
    {
        "a": pyarrow.array([1, None], pyarrow.int64()),
        "b": pyarrow.array([1.5, -0.0], pyarrow.float64()),
        "c": pyarrow.array([True, None]),
        "d": pyarrow.array(['say "hé",\n\\.', ""], pyarrow.string()),
        "e": pyarrow.array([MOMENT, None], pyarrow.timestamp("us", "UTC")),
        "f": pyarrow.array([datetime.date(2024, 2, 29), None]),
        "g": pyarrow.array([7, 8], pyarrow.int32()),
        "h": pyarrow.array([decimal.Decimal("1.25"), None], pyarrow.decimal128(9, 2)),
        "i": pyarrow.array([2, 3], pyarrow.int16()),
        "j": pyarrow.array([0.5, None], pyarrow.float32()),
    }
)
COLUMNS = "a BIGINT, b DOUBLE PRECISION, c BOOLEAN, d VARCHAR(100), e TIMESTAMP, f DATE, g INTEGER, h DECIMAL(9,2), i SMALLINT, j REAL"


class Copy(support.SqlCase):
    def one(self, table, **options):
        """A manifest of one file."""
        return support.manifest(support.entry(support.parquet(table, **options)))

    def test_every_type_arrives(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c-spectrum-external-tables.html"""
        self.run_sql(f"CREATE TABLE t ({COLUMNS})")
        self.copy("t", self.one(EVERY_TYPE))
        expected = [
            (1, 1.5, True, 'say "hé",\n\\.', MOMENT, datetime.date(2024, 2, 29), 7, decimal.Decimal("1.25"), 2, 0.5),
            (None, 0.0, None, "", None, None, 8, None, 3, None),
        ]
        self.assertEqual(self.run_sql("SELECT * FROM t ORDER BY g"), expected)
        self.assertEqual(self.run_sql("SELECT pg_last_copy_count(), pg_last_copy_id() > 0"), [(2, True)])

    def test_columns_go_by_position(self):
        """COPY inserts values in the order of the columns in the files; names do not count."""
        self.run_sql("CREATE TABLE t (x VARCHAR(9), y VARCHAR(9), z BIGINT)")
        location = self.one({"y": ["first"], "x": ["second"]})
        self.copy("t", location, columns="(x, y)")
        self.assertEqual(self.run_sql("SELECT x, y, z FROM t"), [("first", "second", None)])
        self.refused(f"COPY t (x, nope) FROM '{location}' IAM_ROLE DEFAULT PARQUET MANIFEST", '"nope" of relation')

    def test_counts_of_columns_must_be_equal(self):
        """The number of columns in the target table and the number of columns in the data file must match."""
        self.run_sql("CREATE TABLE t (a VARCHAR(9), b VARCHAR(9))")
        for columns in ({"a": ["x"]}, {"a": ["x"], "b": ["x"], "c": ["x"]}):
            with self.subTest(len(columns)):
                row = self.copy_refused("t", self.one(columns), "code: +15007 .*Unmatched number of columns")
                self.assertEqual(row[3], 15007)

    def test_fillrecord_fills_trailing_columns(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-conversion.html#copy-fillrecord"""
        self.run_sql("CREATE TABLE t (a VARCHAR(9), b BIGINT, c SUPER)")
        self.copy("t", self.one({"a": ["x"]}), "FILLRECORD")
        self.assertEqual(self.run_sql("SELECT * FROM t"), [("x", None, None)])
        self.copy_refused("t", self.one({"a": ["x"], "b": [1], "c": ["{}"], "d": [1]}), "Unmatched number", "FILLRECORD")

    def test_types_must_fit(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/c-spectrum-external-tables.html; nested data and SUPER:
        https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-format.html (SERIALIZETOJSON)"""
        text, moment = pyarrow.array(["x"]), pyarrow.array([MOMENT])
        for kind, values, options in [
            ("BIGINT", text, {}),
            ("VARCHAR(9)", pyarrow.array([1]), {}),
            ("VARCHAR(9)", pyarrow.array([b"x"]), {}),
            ("BIGINT", pyarrow.array([1], pyarrow.int32()), {}),
            ("INTEGER", pyarrow.array([1], pyarrow.int64()), {}),
            ("BIGINT", pyarrow.array([1], pyarrow.uint64()), {}),
            ("DOUBLE PRECISION", pyarrow.array([1.0], pyarrow.float32()), {}),
            ("TIMESTAMP", moment.cast(pyarrow.timestamp("ns")), {"version": "2.6"}),
            ("TIMESTAMP", moment, {"use_deprecated_int96_timestamps": True}),
            ("TIMESTAMP", text, {}),
            ("DATE", moment, {}),
            ("DECIMAL(9,2)", pyarrow.array([decimal.Decimal("1.5")], pyarrow.decimal128(10, 2)), {}),
            (
                "DECIMAL(9,2)",
                pyarrow.array([decimal.Decimal("1.50")], pyarrow.decimal128(9, 2)),
                {"store_decimal_as_integer": True},
            ),
            ("SUPER", text, {}),
            ("SUPER", pyarrow.array([[1]]), {}),
            ("SUPER", pyarrow.array([{"k": 1}]), {}),
            ("VARCHAR(9)", pyarrow.array([["x"]]), {}),
        ]:
            with self.subTest(kind=kind, values=str(values.type)):
                self.run_sql(f"CREATE TEMP TABLE t (a {kind})")
                row = self.copy_refused(
                    "t", self.one({"a": values}, **options), "incompatible Parquet schema for column 'a'"
                )
                self.assertEqual(row[1], "a")
                self.run_sql("DROP TABLE t")

    def test_nested_data_goes_into_super_by_serializetojson(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-format.html"""
        self.run_sql("CREATE TABLE t (a SUPER)")
        self.copy("t", self.one({"a": pyarrow.array([{"k": [1, 2]}, None])}), "SERIALIZETOJSON")
        self.assertEqual(self.run_sql("SELECT JSON_SERIALIZE(a) FROM t ORDER BY a IS NULL"), [('{"k":[1,2]}',), (None,)])

    def test_values_must_fit(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html, copy-parameters-data-load.html"""
        self.run_sql("CREATE TABLE t (a VARCHAR(4), b BIGINT NOT NULL)")
        row = self.copy_refused(
            "t", self.one({"a": ["ok", "ééé"], "b": [1, 2]}), "longer than the length defined .*4, Data: 6"
        )
        self.assertEqual((row[1], row[2]), ("a", 2))
        self.assertTrue(row[0].startswith("s3://"))
        self.copy_refused("t", self.one({"a": ["a\0b"], "b": [1]}), "null byte")
        self.copy_refused("t", self.one({"a": ["x"], "b": pyarrow.array([None], pyarrow.int64())}), "null value")
        self.assertEqual(self.run_sql("SELECT * FROM t"), [])

    def test_a_row_has_at_most_4_mib(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/t_Loading_tables_with_the_COPY_command.html"""
        names = [f"c{n}" for n in range(65)]
        self.run_sql(f"CREATE TABLE t ({', '.join(f'{name} VARCHAR(MAX)' for name in names)})")
        columns = {name: ["x" * 65535] for name in names}
        self.copy_refused("t", self.one(columns), "max row size")
        self.copy("t", self.one(columns | {name: ["x"] for name in names[:2]}))

    def test_invalid_utf8_is_refused_or_replaced(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-conversion.html#copy-acceptinvchars"""
        self.run_sql("CREATE TABLE t (a VARCHAR(9))")
        values = pyarrow.Array.from_buffers(
            pyarrow.string(), 1, [None, pyarrow.py_buffer(b"\0\0\0\0\3\0\0\0"), pyarrow.py_buffer(b"a\xe9b")]
        )
        location = self.one({"a": values})
        self.copy_refused("t", location, "UTF8")
        self.copy("t", location, "ACCEPTINVCHARS")
        self.copy("t", location, "ACCEPTINVCHARS AS '^'")
        self.assertEqual(self.run_sql("SELECT a FROM t ORDER BY a"), [("a?b",), ("a^b",)])

    def test_codecs(self):
        """Snappy and gzip are documented; zstd is not, see README.md."""
        self.run_sql("CREATE TABLE t (a VARCHAR(9))")
        for codec in ("snappy", "gzip", "none"):
            self.copy("t", self.one({"a": ["x"]}, compression=codec))
        for codec in ("zstd", "brotli", "lz4"):
            self.copy_refused("t", self.one({"a": ["x"]}, compression=codec), "Unsupported compression codec")
        self.assertEqual(self.run_sql("SELECT COUNT(*) FROM t"), [(3,)])

    def test_options(self):
        """Only the listed parameters are supported."""
        self.run_sql("CREATE TABLE t (a VARCHAR(9))")
        location = self.one({"a": ["x"]})
        self.copy("t", location, "STATUPDATE OFF EXPLICIT_IDS")
        self.copy("t", location, "FILLRECORD STATUPDATE")
        for option in (
            "MAXERROR 1",
            "ACCEPTANYDATE",
            "REGION 'us-east-1'",
            "TIMEFORMAT 'auto'",
            "GZIP",
            "COMPUPDATE OFF",
            "NOLOAD",
        ):
            with self.subTest(option):
                with self.assertRaisesRegex(Exception, f"{option.split()[0]} is not supported for COPY from PARQUET"):
                    self.copy("t", location, option)
        self.refused("COPY t FROM STDIN", "no COPY FROM STDIN")

    def test_roles_and_keys_must_be_known(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-authorization.html"""
        self.run_sql("CREATE TABLE t (a VARCHAR(9))")
        location, settings = self.one({"a": ["x"]}), support.environment()
        end = "FORMAT AS PARQUET MANIFEST"
        self.refused(
            f"COPY t FROM '{location}' IAM_ROLE 'arn:aws:iam::1:role/other' {end}", "not authorized to assume IAM Role"
        )
        self.refused(f"COPY t FROM '{location}' CREDENTIALS 'aws_access_key_id=a;aws_secret_access_key=b' {end}", "unknown")
        self.refused(f"COPY t FROM '{location}' {end}", "IAM_ROLE and CREDENTIALS")
        self.run_sql(f"COPY t FROM '{location}' IAM_ROLE DEFAULT {end}")
        self.run_sql(f"COPY t FROM '{location}' CREDENTIALS 'aws_iam_role={settings['REDSHIFT_IAM_ROLE']}' {end}")

    def test_a_failed_copy_aborts_its_transaction_and_leaves_its_error(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_ERROR_DETAIL.html"""
        self.run_sql("CREATE TABLE t (a VARCHAR(1))")
        self.run_sql("BEGIN")
        self.run_sql("INSERT INTO t VALUES ('x')")
        with self.assertRaisesRegex(Exception, "Spectrum Scan Error"):
            self.copy("t", self.one({"a": ["xx"]}))
        self.refused("SELECT 1", "current transaction is aborted")
        self.run_sql("ROLLBACK")
        self.assertEqual(self.run_sql("SELECT a FROM t"), [])
        oid = self.run_sql(f"SELECT '{self.schema}.t'::regclass::bigint")[0][0]
        self.assertEqual(self.run_sql(f"SELECT COUNT(*) FROM sys_load_error_detail WHERE table_id = {oid}"), [(1,)])


class Manifests(support.SqlCase):
    """https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html"""

    def setUp(self):
        super().setUp()
        self.run_sql("CREATE TABLE t (a VARCHAR(9))")
        self.file = support.entry(support.parquet({"a": ["x"]}))

    def missing(self, **more):
        return {"url": f"s3://{support.environment()['S3_BUCKET']}/no/such/object", "meta": {"content_length": 9}} | more

    def test_a_file_that_is_listed_twice_is_loaded_twice(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html"""
        self.copy("t", support.manifest(self.file, self.file))
        self.assertEqual(self.run_sql("SELECT COUNT(*) FROM t"), [(2,)])

    def test_a_missing_object_fails_only_if_it_is_mandatory(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html"""
        self.copy_refused("t", support.manifest(self.file, self.missing(mandatory=True)), "NoSuchKey")
        self.copy("t", support.manifest(self.file, self.missing(mandatory=False), self.missing()))
        self.assertEqual(self.run_sql("SELECT COUNT(*) FROM t"), [(1,)])

    def test_content_length_must_be_there_and_right(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html: with Parquet, meta is required"""
        length = self.file["meta"]["content_length"]
        for meta in (None, {}, {"content_length": "9"}):
            row = self.copy_refused("t", support.manifest(self.file | {"meta": meta}), "content_length is missing")
            self.assertEqual(row[3], 15003)
        for wrong in (length - 1, length + 1, 0):
            self.copy_refused("t", support.manifest(self.file | {"meta": {"content_length": wrong}}), "416.*InvalidRange")

    def test_what_is_no_manifest_is_refused(self):
        """https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html"""
        for body in (b"{", b"[]", b'{"entries": []}', b'{"entries": [{"mandatory": true}]}', b'{"entries": [{"url": 1}]}'):
            with self.subTest(body):
                self.copy_refused("t", support.upload(body), "not in correct json format")
        self.copy_refused("t", "s3://no-such-bucket/manifest", "NoSuchBucket")
        self.copy_refused("t", self.missing()["url"], "NoSuchKey")
        self.copy_refused("t", support.manifest(support.entry(b"no parquet")), "not a Parquet file")
