//! `headgate tables ddl`: SQL for other engines. What DuckDB makes of it is in `readers`.

use std::process::{Command, Output};

use crate::harness::{Site, stderr, stdout};

/// The command for a bucket that nobody can reach.
fn bucket(site: &Site, arguments: &[&str]) -> Command {
    let mut command = site.command();
    command
        .env("HEADGATE__STORE__KIND", "s3")
        .env("HEADGATE__S3__BUCKET", "lake")
        .env("HEADGATE__S3__PREFIX", "prod/")
        .env("HEADGATE__S3__ENDPOINT", "http://127.0.0.1:9")
        .args(["tables", "ddl"])
        .args(arguments);
    command
}

#[track_caller]
fn sql(command: &mut Command) -> String {
    let output: Output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_bucket_is_not_asked_for_what_the_schemas_say() {
    let site = Site::new();
    let one = ["--table", "signed_up_1"];
    for (engine, location) in [
        ("spectrum", "LOCATION 's3://lake/prod/signed_up_1/';"),
        (
            "trino",
            "external_location = 's3://lake/prod/signed_up_1/',",
        ),
        (
            "duckdb",
            "'s3://lake/prod/signed_up_1/dt=*/hr=*/*.parquet',",
        ),
    ] {
        let sql = sql(bucket(&site, &["--for", engine]).args(one));
        assert!(sql.starts_with("-- Headgate's commit log says"), "{sql}");
        assert!(sql.contains(location), "{sql}");
    }
    let since = [
        "--for",
        "athena",
        "--since",
        "2026-11-22",
        "--database",
        "web",
    ];
    let sql = sql(bucket(&site, &since).args(one));
    assert!(sql.contains("EXISTS `web`.`signed_up_1` ("), "{sql}");
    assert!(
        sql.contains("'projection.dt.range' = '2026-11-22,NOW',"),
        "{sql}"
    );
}

#[test]
fn every_table_is_printed_with_those_of_bad_and_replayed_events() {
    let site = Site::new();
    let sql = sql(&mut bucket(&site, &["--for", "trino"]));
    for table in [
        "bad_events",
        "replayed_events",
        "order_completed_1",
        "lecture_views",
    ] {
        let head = format!("CREATE TABLE IF NOT EXISTS \"hive\".\"headgate\".\"{table}\" (");
        assert!(sql.contains(&head), "{table} in\n{sql}");
    }
}

#[test]
fn only_duckdb_reads_this_machines_directory() {
    let site = Site::new();
    for engine in ["spectrum", "athena", "trino"] {
        let output = site
            .command()
            .args(["tables", "ddl", "--for", engine])
            .output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{engine}");
        assert!(
            stderr(&output).contains("store.kind"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn a_table_that_is_not_there_is_told_with_those_that_are() {
    let site = Site::new();
    let output = bucket(&site, &["--for", "trino", "--table", "nothing"]).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("no table `nothing`") && told.contains("signed_up_1"),
        "{told}"
    );
}
