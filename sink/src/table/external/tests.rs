use super::*;
use crate::table::{
    Generation,
    tests::{EVERY_TYPE, table},
};

const PLACE: Place<'static> = Place {
    database: "headgate",
    root: "s3://lake/prod",
};

/// 2026-11-22T20:07:54Z.
const SINCE_MICROS: i64 = 1_795_378_074_000_000;

/// A schema with a column that is called like a partition.
const TAKEN: &str =
    r#"{"type": "object", "properties": {"dt": {"type": "string"}, "x": {"type": "boolean"}}}"#;

#[test]
fn athena_projects_partitions_from_a_day_on() {
    let expected = "CREATE EXTERNAL TABLE IF NOT EXISTS `headgate`.`thing_1` (
    `event_id` string,
    `event_type` string,
    `schema_version` string,
    `source` string,
    `user_id` string,
    `anonymous_id` string,
    `event_time` timestamp,
    `sent_at` timestamp,
    `received_at` timestamp,
    `_rest` string,
    `flag` boolean,
    `count` bigint,
    `price` double,
    `title` string,
    `at` timestamp,
    `day` date,
    `tags` string,
    `free` string,
    `any` string,
    `either` string
)
PARTITIONED BY (`dt` date, `hr` string)
STORED AS PARQUET
LOCATION 's3://lake/prod/thing_1/'
TBLPROPERTIES (
    'projection.enabled' = 'true',
    'projection.dt.type' = 'date',
    'projection.dt.format' = 'yyyy-MM-dd',
    'projection.dt.range' = '2026-11-22,NOW',
    'projection.dt.interval' = '1',
    'projection.dt.interval.unit' = 'DAYS',
    'projection.hr.type' = 'integer',
    'projection.hr.range' = '00,23',
    'projection.hr.digits' = '2',
    'storage.location.template' = 's3://lake/prod/thing_1/dt=${dt}/hr=${hr}/'
);
";
    let sql = table("thing_1", &[EVERY_TYPE]).athena_ddl(&PLACE, SINCE_MICROS);
    assert_eq!(sql, expected);
}

#[test]
fn spectrum_has_redshifts_types_with_json_as_text() {
    let expected = r#"CREATE EXTERNAL TABLE "headgate"."thing_1" (
    "event_id" VARCHAR(1024),
    "event_type" VARCHAR(100),
    "schema_version" VARCHAR(32),
    "source" VARCHAR(1024),
    "user_id" VARCHAR(1024),
    "anonymous_id" VARCHAR(1024),
    "event_time" TIMESTAMP,
    "sent_at" TIMESTAMP,
    "received_at" TIMESTAMP,
    "_rest" VARCHAR(65535),
    "flag" BOOLEAN,
    "count" BIGINT,
    "price" DOUBLE PRECISION,
    "title" VARCHAR(40),
    "at" TIMESTAMP,
    "day" DATE,
    "tags" VARCHAR(65535),
    "free" VARCHAR(65535),
    "any" VARCHAR(65535),
    "either" VARCHAR(65535)
)
PARTITIONED BY (dt DATE, hr VARCHAR(2))
STORED AS PARQUET
LOCATION 's3://lake/prod/thing_1/';
"#;
    let sql = table("thing_1", &[EVERY_TYPE]).spectrum_ddl(&PLACE);
    assert_eq!(sql, expected);
}

#[test]
fn spectrums_partitions_are_added_a_hundred_at_a_time() {
    let thing = table("thing_1", &[EVERY_TYPE]);
    let hour = |n: usize| Partition {
        dt: format!("2026-11-{:02}", 1 + n / 24),
        hr: format!("{:02}", n % 24),
    };
    let one = thing.spectrum_partitions(&PLACE, &[hour(500)]);
    let expected = "ALTER TABLE \"headgate\".\"thing_1\" ADD IF NOT EXISTS\n\
                    PARTITION (dt = '2026-11-21', hr = '20') LOCATION 's3://lake/prod/thing_1/dt=2026-11-21/hr=20/';\n";
    assert_eq!(one, expected);
    let many: Vec<Partition> = (0..250).map(hour).collect();
    let many = thing.spectrum_partitions(&PLACE, &many);
    let counts: Vec<usize> = many
        .split_terminator(";\n")
        .map(|statement| statement.matches("PARTITION (").count())
        .collect();
    assert_eq!(counts, [100, 100, 50]);
    assert_eq!(thing.spectrum_partitions(&PLACE, &[]), "");
}

#[test]
fn trino_has_partitions_last_and_looks_for_them() {
    let small = r#"{"type": "object", "properties": {"tags": {"type": "array"}, "price": {"type": "number"}}}"#;
    let sql = table("thing_1", &[small]).trino_ddl(&PLACE);
    let head = r#"CREATE TABLE IF NOT EXISTS "hive"."headgate"."thing_1" (
    "event_id" VARCHAR,
"#;
    assert!(sql.starts_with(head), "{sql}");
    let tail = r#"    "received_at" TIMESTAMP,
    "_rest" VARCHAR,
    "tags" VARCHAR,
    "price" DOUBLE,
    "dt" DATE,
    "hr" VARCHAR
)
WITH (
    external_location = 's3://lake/prod/thing_1/',
    format = 'PARQUET',
    partitioned_by = ARRAY['dt', 'hr']
);
CALL "hive".system.sync_partition_metadata('headgate', 'thing_1', 'ADD');
"#;
    assert!(sql.ends_with(tail), "{sql}");
}

#[test]
fn a_database_of_trino_may_name_its_catalog() {
    let place = Place {
        database: "lake.events",
        ..PLACE
    };
    let sql = table("thing_1", &[EVERY_TYPE]).trino_ddl(&place);
    assert!(sql.contains(r#""lake"."events"."thing_1""#), "{sql}");
    assert!(
        sql.contains("CALL \"lake\".system.sync_partition_metadata('events',"),
        "{sql}"
    );
}

#[test]
fn duckdb_has_a_view_over_the_folders() {
    let place = Place {
        root: "/data/it's/lake",
        ..PLACE
    };
    let expected = "CREATE OR REPLACE VIEW \"thing_1\" AS
SELECT * FROM read_parquet(
    '/data/it''s/lake/thing_1/dt=*/hr=*/*.parquet',
    union_by_name = true,
    hive_partitioning = true,
    hive_types = {'dt': DATE, 'hr': VARCHAR}
);
";
    assert_eq!(
        table("thing_1", &[EVERY_TYPE]).duckdb_view(&place),
        expected
    );
}

#[test]
fn a_column_that_is_called_like_a_partition_is_left_out_with_a_word() {
    let thing = table("thing_1", &[TAKEN]);
    let spectrum = thing.spectrum_ddl(&PLACE);
    let athena = thing.athena_ddl(&PLACE, SINCE_MICROS);
    for sql in [&spectrum, &athena, &thing.trino_ddl(&PLACE)] {
        assert!(sql.starts_with("-- thing_1: without its own dt,"), "{sql}");
    }
    assert!(!spectrum.contains("\"dt\""), "{spectrum}");
    assert_eq!(athena.matches("`dt`").count(), 1, "{athena}");
    assert!(athena.contains("`x` boolean"), "{athena}");
}

#[test]
fn a_generations_table_is_in_its_own_folder() {
    let generation = Generation::new("v2").unwrap();
    let thing = table("thing_1", &[EVERY_TYPE]).within(Some(&generation));
    let sql = thing.spectrum_ddl(&PLACE);
    assert!(
        sql.ends_with("LOCATION 's3://lake/prod/thing_1__v2/';\n"),
        "{sql}"
    );
}

#[test]
fn a_files_partition_is_in_its_path() {
    let of = |path| Partition::of_file(path).map(|partition| partition.folder());
    let expected = Some("dt=2026-11-22/hr=07/".to_owned());
    assert_eq!(of("thing_1/dt=2026-11-22/hr=07/a.parquet"), expected);
    for path in [
        "thing_1/hr=07/dt=2026-11-22/a.parquet",
        "thing_1/a.parquet",
        "thing_1/dt=2026-11-22/hr='/a.parquet",
        "",
    ] {
        assert_eq!(of(path), None, "{path}");
    }
}
