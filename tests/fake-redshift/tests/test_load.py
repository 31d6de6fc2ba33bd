"""A load as a careful loader writes it: one batch that locks, copies, removes duplicates and keeps its own ledger."""

import datetime
import uuid

import pyarrow
import support

COLUMNS = ["event_id", "received_at", "tags", "amount"]
STAGED = '"event_id" VARCHAR(64), "received_at" TIMESTAMP, "tags" VARCHAR(65535), "amount" DOUBLE PRECISION'


class Load(support.SqlCase):
    def setUp(self):
        super().setUp()
        self.run_sql('CREATE TABLE "headgate_lock__t" ("held" BOOLEAN)')
        self.run_sql(
            'CREATE TABLE "t" ("event_id" VARCHAR(64) NOT NULL, "received_at" TIMESTAMP NOT NULL, "tags" SUPER, '
            '"amount" DOUBLE PRECISION) DISTSTYLE AUTO SORTKEY ("received_at")'
        )
        self.run_sql(
            'CREATE TABLE "headgate_discards" ("load_id" VARCHAR(64), "event_id" VARCHAR(64), "value" VARCHAR(MAX))'
        )
        self.run_sql('CREATE TABLE "headgate_loads" ("load_id" VARCHAR(64) NOT NULL, "rows" BIGINT, "at" TIMESTAMP)')

    def statements(self, load, location):
        s = f'"{self.schema}".'
        listed = ", ".join(f'"{name}"' for name in COLUMNS)
        return [
            f'LOCK {s}"headgate_lock__t"',
            f'CREATE TEMP TABLE "hg_s" ({STAGED})',
            f"COPY \"hg_s\" ({listed}) FROM '{location}' IAM_ROLE '{support.environment()['REDSHIFT_IAM_ROLE']}' "
            "FORMAT AS PARQUET MANIFEST",
            'CREATE TEMP TABLE "hg_n" AS SELECT s.* FROM (SELECT s.*, ROW_NUMBER() OVER (PARTITION BY "event_id" '
            f'ORDER BY "received_at") AS "hg_row" FROM "hg_s" s) s LEFT JOIN (SELECT DISTINCT "event_id" FROM {s}"t" '
            'WHERE "received_at" >= TIMESTAMP \'2024-01-01 00:00:00\') t ON t."event_id" = s."event_id" '
            'WHERE s."hg_row" = 1 AND t."event_id" IS NULL',
            f'INSERT INTO {s}"t" ({listed}) SELECT "event_id", "received_at", '
            'CASE WHEN CAN_JSON_PARSE("tags") THEN JSON_PARSE("tags") END, "amount" FROM "hg_n"',
            f'INSERT INTO {s}"headgate_discards" SELECT \'{load}\', "event_id", "tags" FROM "hg_n" '
            'WHERE "tags" IS NOT NULL AND NOT CAN_JSON_PARSE("tags")',
            f'INSERT INTO {s}"headgate_loads" SELECT \'{load}\', (SELECT COUNT(*) FROM "hg_s"), SYSDATE '
            f'WHERE NOT EXISTS (SELECT 1 FROM {s}"headgate_loads" WHERE "load_id" = \'{load}\')',
        ]

    def file(self, identifiers, tags):
        moment = datetime.datetime(2024, 5, 6)
        return support.entry(
            support.parquet(
                {
                    "event_id": identifiers,
                    "received_at": pyarrow.array([moment] * len(identifiers), pyarrow.timestamp("us", "UTC")),
                    "tags": pyarrow.array(tags, pyarrow.string()),
                    "amount": pyarrow.array([0.5] * len(identifiers)),
                }
            )
        )

    def load(self, location):
        return support.batch(*self.statements(str(uuid.uuid4()), location))

    def test_a_load_lands_each_event_once(self):
        first = support.manifest(self.file(["a", "b", "a"], ['{"x": 1}', "{", '{"x": 1}']))
        second = support.manifest(self.file(["b", "c"], [None, "[]"]), self.file(["d"], [None]))
        for location in (first, first, second):
            described = self.load(location)
            self.assertEqual(described["Status"], "FINISHED", described.get("Error"))
        rows = self.run_sql('SELECT "event_id", JSON_SERIALIZE("tags") FROM "t" ORDER BY 1')
        self.assertEqual(rows, [("a", '{"x":1}'), ("b", None), ("c", "[]"), ("d", None)])
        self.assertEqual(self.run_sql('SELECT "event_id", "value" FROM "headgate_discards"'), [("b", "{")])
        self.assertEqual(self.run_sql('SELECT "rows" FROM "headgate_loads" ORDER BY 1'), [(3,), (3,), (3,)])

    def test_loads_at_once_land_each_event_once(self):
        location = support.manifest(self.file(["a", "b"], [None, None]))
        started = [
            support.data_api().batch_execute_statement(Sqls=self.statements(str(n), location), **support.target())["Id"]
            for n in range(4)
        ]
        self.assertEqual([support.finished(identifier).get("Error") for identifier in started], [None] * 4)
        self.assertEqual(self.run_sql('SELECT COUNT(*) FROM "t"'), [(2,)])
        self.assertEqual(self.run_sql('SELECT COUNT(*) FROM "headgate_loads"'), [(4,)])

    def test_a_load_that_fails_leaves_nothing(self):
        location = support.manifest(self.file(["a", "x" * 65], [None, None]))
        described = self.load(location)
        self.assertEqual(described["Status"], "FAILED")
        self.assertRegex(described["Error"], "^Query #3 failed with ERROR: Spectrum Scan Error Detail: .*event_id is longer")
        self.assertEqual(self.run_sql('SELECT COUNT(*) FROM "t"'), [(0,)])
        self.assertEqual(self.run_sql('SELECT COUNT(*) FROM "headgate_loads"'), [(0,)])
