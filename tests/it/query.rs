//! `headgate query` and `headgate tables` over landed files.

use serde_json::json;

use crate::harness::{Site, Up, run_with_input, stderr, stdout};

/// A site with two landed events.
fn landed() -> (Site, Up) {
    let site = Site::new();
    let up = site.up();
    let event = |id: &str, method: &str| json!({ "id": id, "type": "signed_up", "data": { "method": method } });
    let reply = up.post_json(&json!([event("a", "google"), event("b", "apple")]).to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
    site.wait_for_rows("signed_up_1", 2);
    (site, up)
}

#[test]
fn rows_come_in_each_format() {
    let (site, _up) = landed();
    let run = |format: &str| {
        let sql = "select event_id, method, plan from signed_up_1 order by event_id";
        let output = site
            .command()
            .args(["query", "--format", format, sql])
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    assert_eq!(run("csv"), "event_id,method,plan\na,google,\nb,apple,\n");
    assert_eq!(
        run("json"),
        "{\"event_id\":\"a\",\"method\":\"google\",\"plan\":null}\n\
         {\"event_id\":\"b\",\"method\":\"apple\",\"plan\":null}\n"
    );
    let table = run("table");
    assert!(table.contains("| a        | google |"), "{table}");
    assert!(table.ends_with("2 rows\n"), "{table}");
}

#[test]
fn sql_may_come_through_a_pipe() {
    let (site, _up) = landed();
    let mut command = site.command();
    let output = run_with_input(
        command.args(["query", "--format", "csv"]),
        "select 1 a; select count(*) n from signed_up_1;",
    );
    assert_eq!(stdout(&output), "a\n1\nn\n2\n", "{}", stderr(&output));
}

#[test]
fn nothing_can_be_changed() {
    let (site, _up) = landed();
    let target = site.data_dir().join("stolen.csv");
    for sql in [
        "create table x as select 1".to_owned(),
        "drop table signed_up_1".to_owned(),
        "insert into signed_up_1 (event_id) values ('c')".to_owned(),
        format!("copy signed_up_1 to '{}'", target.display()),
        "create external table x stored as csv location '/etc/passwd'".to_owned(),
        "set datafusion.execution.batch_size = 1".to_owned(),
    ] {
        let output = site
            .command()
            .args(["query", &sql])
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{sql}");
        assert!(
            stderr(&output).contains("only reads"),
            "{sql}: {}",
            stderr(&output)
        );
    }
    assert!(!target.exists());
    assert_eq!(site.count("signed_up_1"), 2);
}

#[test]
fn an_unknown_table_is_answered_with_those_there_are() {
    let (site, _up) = landed();
    let output = site
        .command()
        .args(["query", "select * from signed_up"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("did you mean `signed_up_1`?"),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("bad_events"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_table_without_rows_has_its_columns() {
    let site = Site::new();
    let _up = site.up();
    assert_eq!(
        site.query("select event_id, order_id from order_completed_1"),
        [] as [serde_json::Value; 0]
    );
    assert_eq!(site.count("order_completed_1"), 0);
}

#[test]
fn a_data_directory_that_is_not_there_is_an_error_not_an_empty_answer() {
    let site = Site::new();
    for command in [&["query", "select 1"][..], &["tables"]] {
        let output = site.command().args(command).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(
            stderr(&output).contains("there is no data directory"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn tables_are_listed_with_rows_bytes_and_freshness() {
    let (site, _up) = landed();
    let output = site
        .command()
        .args(["tables", "--format", "json"])
        .output()
        .expect("it runs");
    let row: serde_json::Value = serde_json::from_str(stdout(&output).trim()).expect("one table");
    assert_eq!(
        (&row["table"], &row["rows"]),
        (&json!("signed_up_1"), &json!(2))
    );
    assert!(
        row["bytes"].as_u64().is_some_and(|bytes| bytes > 100),
        "{row}"
    );
    assert!(
        row["newest_received"].is_string() && row["last_commit"].is_string(),
        "{row}"
    );
}

#[test]
fn a_table_is_complete_and_typed_over_files_of_older_and_newer_schemas() {
    let schemas = tempfile::tempdir().expect("a directory");
    let write = |version: &str, properties: &str| {
        let schema = format!(r#"{{"type":"object","properties":{{{properties}}}}}"#);
        let dir = schemas.path().join("visit");
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join(version), schema).expect("a file");
    };
    write("1.json", r#""page":{"type":"string"}"#);
    let site = Site::with_schemas(schemas.path().to_owned());
    let up = site.up();
    assert_eq!(
        up.post_json(r#"{"id":"1","type":"visit","data":{"page":"a"}}"#)
            .status,
        200
    );
    site.wait_for_rows("visit_1", 1);
    let loaded = || up.metric("headgate_schemas_loaded");
    let expected = loaded().expect("a metric") + 1.0;
    write(
        "1.1.json",
        r#""page":{"type":"string"},"seconds":{"type":"integer"}"#,
    );
    crate::harness::wait_for("the new schema", || {
        (loaded() == Some(expected)).then_some(())
    });
    assert_eq!(
        up.post_json(r#"{"id":"2","type":"visit","data":{"page":"b","seconds":7}}"#)
            .status,
        200
    );
    site.wait_for_rows("visit_1", 2);
    assert_eq!(
        site.query("select page, seconds from visit_1 order by event_id"),
        [
            json!({ "page": "a", "seconds": null }),
            json!({ "page": "b", "seconds": 7 })
        ]
    );
    assert_eq!(
        site.query("select page from visit_1 where seconds > 5"),
        [json!({ "page": "b" })]
    );
}

#[test]
fn a_column_whose_schema_was_edited_to_another_type_can_still_be_read() {
    let schemas = tempfile::tempdir().expect("a directory");
    let write = |kind: &str| {
        let schema = format!(r#"{{"type":"object","properties":{{"size":{{"type":"{kind}"}}}}}}"#);
        std::fs::create_dir_all(schemas.path().join("visit")).expect("a directory");
        std::fs::write(schemas.path().join("visit/1.json"), schema).expect("a file");
    };
    write("integer");
    let site = Site::with_schemas(schemas.path().to_owned());
    let up = site.up();
    assert_eq!(
        up.post_json(r#"{"id":"1","type":"visit","data":{"size":7}}"#)
            .status,
        200
    );
    site.wait_for_rows("visit_1", 1);
    assert!(up.stop().success());
    write("string");
    let up = site.up();
    assert_eq!(
        up.post_json(r#"{"id":"2","type":"visit","data":{"size":"XL"}}"#)
            .status,
        200
    );
    site.wait_for_rows("visit_1", 2);
    assert_eq!(
        site.query("select size from visit_1 order by event_id"),
        [json!({ "size": "7" }), json!({ "size": "XL" })]
    );
    assert_eq!(
        site.query("select event_id from visit_1 where size = 'XL'"),
        [json!({ "event_id": "2" })]
    );
}
