//! `headgate schemas`: what the commands print and how they exit.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Site, catalogue, headgate, request, run_with_input, stderr, stdout};

fn verdicts(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a verdict a line"))
        .collect()
}

fn file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    std::fs::write(&path, text).expect("a file");
    path
}

fn validate(schema: &Path, input: &str) -> std::process::Output {
    run_with_input(headgate().args(["schemas", "validate"]).arg(schema), input)
}

#[test]
fn each_instance_gets_a_verdict_with_its_reasons() {
    let input = "{\"method\":\"google\"}\n{\"method\":\"pigeon\",\"plan\":7}\nnot json\n";
    let output = run_with_input(
        headgate().args(["schemas", "validate", "signed_up/1"]),
        input,
    );
    assert_eq!(output.status.code(), Some(1));
    let verdicts = verdicts(&stdout(&output));
    assert_eq!(verdicts.len(), 3);
    assert_eq!(verdicts[0], json!({ "valid": true }));
    let pointers: Vec<&str> = verdicts[1]["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .filter_map(|e| e["pointer"].as_str())
        .collect();
    assert_eq!(
        (&verdicts[1]["valid"], pointers),
        (&json!(false), vec!["/method", "/plan"])
    );
    assert_eq!(verdicts[2]["errors"][0]["keyword"], "syntax");
}

#[test]
fn only_valid_instances_exit_0() {
    let output = run_with_input(
        headgate().args(["schemas", "validate", "signed_up"]),
        "{\"method\":\"google\"}",
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(verdicts(&stdout(&output)), [json!({ "valid": true })]);
}

#[test]
fn a_schema_file_may_refer_to_its_siblings() {
    let dir = TempDir::new().expect("a directory");
    file(
        &dir,
        "shared/money.json",
        r#"{"$defs":{"cents":{"type":"integer","minimum":0}}}"#,
    );
    file(
        &dir,
        "size.json",
        r#"{"$id":"https://example.com/size.json","enum":["S","M"]}"#,
    );
    let schema = file(
        &dir,
        "a b/order.json",
        r#"{"properties":{"price":{"$ref":"../shared/money.json#/$defs/cents"},"size":{"$ref":"size.json"}}}"#,
    );
    file(&dir, "a b/size.json", r#"{"enum":["S","M"]}"#);
    let output = validate(
        &schema,
        "{\"price\":1,\"size\":\"S\"}\n{\"price\":-1}\n{\"size\":\"XXL\"}\n",
    );
    let valid: Vec<Value> = verdicts(&stdout(&output))
        .iter()
        .map(|verdict| verdict["valid"].clone())
        .collect();
    assert_eq!(
        valid,
        [json!(true), json!(false), json!(false)],
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_refused_schema_exits_2_with_its_reason_and_place() {
    let dir = TempDir::new().expect("a directory");
    let schema = file(&dir, "s.json", r#"{"properties":{"a":{"minimun":1}}}"#);
    let output = validate(&schema, "{}\n");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("/properties/a"),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("minimun"), "{}", stderr(&output));
    for missing in ["nonexistent.json", "no_such_event/1"] {
        let output = validate(Path::new(missing), "{}\n");
        assert_eq!(output.status.code(), Some(2), "{missing}");
    }
}

#[test]
fn the_built_in_catalogue_is_listed_and_shown() {
    let listed = stdout(
        &headgate()
            .args(["schemas", "list"])
            .output()
            .expect("it runs"),
    );
    for part in ["order_completed/1.1", "order_completed_1", "bad_events/1"] {
        assert!(listed.contains(part), "{part}:\n{listed}");
    }
    let shown = stdout(
        &headgate()
            .args(["schemas", "show", "order_completed"])
            .output()
            .expect("it runs"),
    );
    let kept =
        std::fs::read_to_string(catalogue().join("order_completed/1.1.json")).expect("a schema");
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(json(&shown), json(&kept));
}

#[test]
fn check_tells_additions_from_breaking_changes() {
    let old = TempDir::new().expect("a directory");
    let new = TempDir::new().expect("a directory");
    let first = r#"{"type":"object","properties":{"page":{"type":"string"}}}"#;
    file(&old, "visit/1.json", first);
    file(&new, "visit/1.json", first);
    let check = || {
        headgate()
            .arg("--schemas")
            .arg(new.path())
            .args(["schemas", "check", "--against"])
            .arg(old.path())
            .output()
            .expect("it runs")
    };
    file(
        &new,
        "visit/1.1.json",
        r#"{"type":"object","properties":{"page":{"type":"string"},"s":{"type":"integer"}}}"#,
    );
    let output = check();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    file(
        &new,
        "visit/1.json",
        r#"{"type":"object","properties":{"page":{"type":"integer"}}}"#,
    );
    std::fs::remove_file(new.path().join("visit/1.1.json")).expect("it was there");
    let output = check();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert!(
        stdout(&output).contains("BREAKING: visit/1"),
        "{}",
        stdout(&output)
    );
    assert!(
        stdout(&output).contains("/properties/page/type"),
        "{}",
        stdout(&output)
    );
    file(&new, "visit/1.json", "{");
    assert_eq!(check().status.code(), Some(2));
}

#[test]
fn tables_are_printed_as_sql() {
    let ddl = |dialect: &str| {
        let output = headgate()
            .args([
                "schemas",
                "ddl",
                "--table",
                "signed_up_1",
                "--dialect",
                dialect,
            ])
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    assert!(
        ddl("redshift").contains("\"method\" VARCHAR("),
        "{}",
        ddl("redshift")
    );
    assert!(
        ddl("duckdb").contains("\"received_at\" TIMESTAMPTZ"),
        "{}",
        ddl("duckdb")
    );
}

/// A set with `visit/1.json` and `visit/2.json`.
fn visits(first: &str, second: &str) -> TempDir {
    let dir = TempDir::new().expect("a directory");
    file(&dir, "visit/1.json", first);
    file(&dir, "visit/2.json", second);
    dir
}

fn schemas(dir: &TempDir, arguments: &[&str]) -> std::process::Output {
    let mut command = headgate();
    command.arg("--schemas").arg(dir.path()).arg("schemas");
    command.args(arguments).output().expect("it runs")
}

#[test]
fn an_event_with_several_majors_has_a_view_over_them() {
    let dir = visits(
        r#"{"type":"object","properties":{"page":{"type":"string"},"old":{"type":"string"}}}"#,
        r#"{"type":"object","properties":{"page":{"type":"string"},"new":{"type":"string"}},
            "x-redshift":{"distkey":"user_id","sortkey":["event_time"]}}"#,
    );
    let output = schemas(&dir, &["ddl", "--schema", "web"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let sql = stdout(&output);
    for part in [
        "CREATE TABLE IF NOT EXISTS \"web\".\"visit_1\" (",
        "DISTSTYLE KEY\nDISTKEY (\"user_id\")\nSORTKEY (\"event_time\");\n",
        "CREATE OR REPLACE VIEW \"web\".\"visit\" AS\n",
        "    \"page\"\nFROM \"web\".\"visit_1\"\nUNION ALL\n",
    ] {
        assert!(sql.contains(part), "{part} in\n{sql}");
    }
    assert_eq!(sql.matches("CREATE OR REPLACE VIEW").count(), 1, "{sql}");
}

#[test]
fn tables_of_sdks_are_made_where_a_schema_describes_a_track_call() {
    let native = r#"{"type":"object","properties":{"page":{"type":"string"}}}"#;
    let track = r#"{"x-track":true,"type":"object","properties":{"page":{"type":"string"}}}"#;
    let ddl = |dir: &TempDir, more: &[&str]| {
        let output = schemas(dir, &[&["ddl"], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let dir = visits(native, native);
    assert!(!ddl(&dir, &[]).contains("\"tracks\""));
    assert!(ddl(&dir, &["--table", "tracks"]).contains("\"context_locale\" VARCHAR(1024)"));
    let dir = visits(track, track);
    let sql = ddl(&dir, &[]);
    for part in [
        "\"public\".\"tracks\" (",
        "\"public\".\"identifies\" (",
        "\"public\".\"visit\" (",
        "\"public\".\"visit_2\" (",
        "CREATE OR REPLACE VIEW \"public\".\"visit_all\" AS\n",
    ] {
        assert!(sql.contains(part), "{part} in\n{sql}");
    }
}

#[test]
fn a_key_of_redshift_that_is_no_column_refuses_the_set() {
    let schema = r#"{"type":"object","properties":{"page":{"type":"string"}}}"#;
    let keyed = schema.replace(
        "{\"type\":\"object\"",
        r#"{"type":"object","x-redshift":{"sortkey":["pages"]}"#,
    );
    let dir = visits(schema, &keyed);
    let place = "visit/2.json#/x-redshift/sortkey/0: the table visit_2 has no column `pages`";
    for (arguments, stream) in [
        (
            &["check"][..],
            stdout as fn(&std::process::Output) -> String,
        ),
        (&["list"], stderr),
        (&["ddl"], stderr),
    ] {
        let output = schemas(&dir, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let told = stream(&output);
        assert!(told.contains(place), "{told}");
    }
}

#[test]
fn schemas_are_inferred_from_lines_and_accept_them() {
    let lines = "{\"id\":\"a\",\"n\":1,\"at\":\"2026-11-22T20:07:55Z\"}\n\n{\"id\":\"b\",\"n\":1.5,\"at\":\"2026-11-22T20:07:55Z\",\"x\":[{\"y\":null}]}\nno\n";
    let dir = TempDir::new().expect("a directory");
    let out = dir.path().join("events");
    let infer = |more: &[&str]| {
        let arguments = [
            "schemas",
            "infer",
            "--from",
            "-",
            "--name",
            "com.example.Thing",
        ];
        run_with_input(headgate().args(arguments).args(more), lines)
    };
    let printed = infer(&[]);
    assert_eq!(printed.status.code(), Some(0), "{}", stderr(&printed));
    let schema: Value = serde_json::from_str(&stdout(&printed)).expect("a schema");
    assert_eq!(schema["required"], json!(["id", "n", "at"]));
    assert_eq!(schema["properties"]["n"]["type"], "number");
    assert_eq!(schema["properties"]["at"]["format"], "date-time");
    let told = stderr(&printed);
    assert!(
        told.contains("/n: in 2 of 2 (number 2)") && told.contains("1 more are no JSON objects"),
        "{told}"
    );

    let out_dir = out.to_str().expect("text");
    assert_eq!(infer(&["--out", out_dir]).status.code(), Some(0));
    let file = out.join("com.example.Thing/1.json");
    let verdicts = verdicts(&stdout(&validate(&file, lines)));
    let valid: Vec<&Value> = verdicts.iter().map(|verdict| &verdict["valid"]).collect();
    assert_eq!(
        valid,
        [&json!(true), &json!(false), &json!(true), &json!(false)],
        "the blank line and `no` are not"
    );
    let check = headgate()
        .args(["schemas", "check"])
        .env("HEADGATE__SCHEMAS__DIR", &out)
        .output()
        .expect("it runs");
    assert_eq!(check.status.code(), Some(0), "{}", stdout(&check));
    let again = infer(&["--out", out_dir]);
    assert!(
        again.status.code() != Some(0) && stderr(&again).contains("there already"),
        "{}",
        stderr(&again)
    );
}

#[test]
fn captured_track_calls_get_a_schema_that_takes_them_from_then_on() {
    let site = Site::new();
    let up = site.up();
    let call = |event: &str, id: &str, properties: Value| json!({ "type": "track", "event": event, "messageId": id, "userId": "u", "properties": properties });
    let calls = [
        call(
            "Seat Taken",
            "a",
            json!({ "seat": 7, "row": "B", "at": "2026-11-22T20:07:55Z" }),
        ),
        call(
            "seat_taken",
            "b",
            json!({ "seat": 8, "row": null, "at": "2026-11-22T20:07:56Z", "tags": ["x"] }),
        ),
        call("Other", "c", json!({ "o": true })),
    ];
    for call in &calls {
        let body = call.to_string();
        let reply =
            request(up.gateway, "POST", "/v1/track", &[], body.as_bytes()).expect("a reply");
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    site.wait_for_rows("tracks", 3);
    let dir = TempDir::new().expect("a directory");
    let infer = |arguments: &[&str]| {
        let mut command = site.command();
        command
            .args(["schemas", "infer"])
            .args(arguments)
            .output()
            .expect("it runs")
    };
    let both = infer(&[]);
    let both: Value = serde_json::from_str(&stdout(&both)).expect("both schemas");
    assert!(
        both["other/1.json"].is_object() && both["seat_taken/1.json"].is_object(),
        "{both}"
    );
    let none = infer(&["--until", "2020-01-01"]);
    assert_eq!(none.status.code(), Some(1), "{}", stderr(&none));
    let few = infer(&["--events-max", "1"]);
    assert!(
        stderr(&few).contains("only the first 1 events"),
        "{}",
        stderr(&few)
    );
    let out = dir.path().to_str().expect("text");
    let one = infer(&[
        "--event",
        "Seat Taken",
        "--since",
        "2020-01-01",
        "--out",
        out,
    ]);
    assert_eq!(one.status.code(), Some(0), "{}", stderr(&one));
    assert!(
        stderr(&one).contains("/seat: in 2 of 2 (integer 2)"),
        "{}",
        stderr(&one)
    );
    let file = dir.path().join("seat_taken/1.json");
    let schema: Value =
        serde_json::from_slice(&std::fs::read(&file).expect("written")).expect("JSON");
    assert_eq!(
        (&schema["x-track"], &schema["required"]),
        (&json!(true), &json!(["seat", "row", "at"]))
    );
    let mut check = headgate();
    check
        .args(["schemas", "validate", "seat_taken/1"])
        .env("HEADGATE__SCHEMAS__DIR", dir.path());
    let lines = format!("{}\n{}\n", calls[0], calls[1]);
    let output = run_with_input(&mut check, &lines);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}
