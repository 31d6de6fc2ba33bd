//! Landed files through the eyes of engines that Headgate has nothing to do with: DuckDB and pyarrow.
//!
//! Needs a Python with both, named by `HEADGATE_TEST_PYTHON`; the project's test command prepares one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Site, Up, run_with_input, stderr, stdout};

/// 2026-11-22T20:07:54.123456Z.
const EVENT_MICROS: i64 = 1_795_378_074_123_456;

fn order(id: &str, data: &Value) -> Value {
    json!({
        "id": id,
        "type": "order_completed",
        "source": "/shop",
        "time": "2026-11-22T20:07:54.123456Z",
        "userid": "u-1",
        "data": data
    })
}

/// What only has to be there.
fn small_order() -> Value {
    json!({
        "order_id": "o-1",
        "total": 25,
        "currency": "EUR",
        "items": [{ "product_id": "p-77", "price": 12.5, "quantity": 2 }]
    })
}

/// A value for every column.
fn full_order() -> Value {
    json!({
        "order_id": "o-2",
        "total": 61.4,
        "currency": "EUR",
        "items": [{ "product_id": "p-80", "price": 31.5 }],
        "shipping": { "method": "locker", "price": 4.9, "country": "PT", "promised_on": "2026-11-25" },
        "coupon": "ÜBER-10",
        "paid_at": "2026-11-22T21:07:54.5+01:00",
        "first_order": true,
        "payment": { "method": "card", "instalments": 3 },
        "gift": false
    })
}

#[track_caller]
fn accept(up: &Up, events: &Value) {
    let reply = up.post_json(&events.to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// The Python to test with.
pub(crate) fn python() -> OsString {
    std::env::var_os("HEADGATE_TEST_PYTHON").expect(
        "HEADGATE_TEST_PYTHON names a Python with duckdb and pyarrow; ./headgate.sh test sets it",
    )
}

/// What both readers see in the committed files.
fn read(python: &OsString, lake: &Path) -> Value {
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "readers", "read.py"]
        .iter()
        .collect();
    let output = Command::new(python)
        .arg(script)
        .arg(lake)
        .output()
        .expect("the Python of HEADGATE_TEST_PYTHON runs");
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What DuckDB says of the view that these statements make.
fn ask_view(python: &OsString, sql: &str, view: &str, select: &str) -> Value {
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "readers", "view.py"]
        .iter()
        .collect();
    let output = run_with_input(Command::new(python).arg(script).args([view, select]), sql);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Columns with their types, one a line, in the files' order.
fn types(seen: &Value) -> Vec<String> {
    let types = seen["types"].as_object().expect("an object");
    types
        .iter()
        .map(|(name, kind)| format!("{name} {}", kind.as_str().expect("a type")))
        .collect()
}

/// The envelope's columns and `own`, with this reader's names for the types.
fn expected(text: &str, timestamp: &str, own: &[(&str, &str)]) -> Vec<String> {
    let envelope = [
        ("event_id", text),
        ("event_type", text),
        ("schema_version", text),
        ("source", text),
        ("user_id", text),
        ("anonymous_id", text),
        ("event_time", timestamp),
        ("sent_at", timestamp),
        ("received_at", timestamp),
        ("_rest", text),
    ];
    let columns = envelope.iter().chain(own);
    columns
        .map(|(name, kind)| format!("{name} {kind}"))
        .collect()
}

/// The columns of `order_completed_1` below the envelope, given names for: text, double, date, timestamp, boolean, integer.
fn order_columns(names: [&str; 6]) -> Vec<(&'static str, &str)> {
    let [text, double, date, timestamp, boolean, integer] = names;
    vec![
        ("order_id", text),
        ("total", double),
        ("currency", text),
        ("items", text),
        ("shipping_method", text),
        ("shipping_price", double),
        ("shipping_country", text),
        ("shipping_promised_on", date),
        ("coupon", text),
        ("paid_at", timestamp),
        ("first_order", boolean),
        ("payment_method", text),
        ("payment_instalments", integer),
        ("gift", boolean),
    ]
}

#[test]
#[ignore = "needs a Python with duckdb and pyarrow"]
fn duckdb_and_pyarrow_read_the_documented_types_and_the_values_that_were_sent() {
    let python = python();
    let site = Site::new();
    let up = site.up();
    accept(&up, &order("order-1", &small_order()));
    site.wait_for_rows("order_completed_1", 1);
    accept(&up, &order("order-2", &full_order()));
    site.wait_for_rows("order_completed_1", 2);
    let seen = &read(&python, &site.data_dir().join("lake"))["order_completed_1"];
    assert_eq!(seen["files"], 2);

    let (text, timestamp) = ("VARCHAR", "TIMESTAMP WITH TIME ZONE");
    let own = order_columns([text, "DOUBLE", "DATE", timestamp, "BOOLEAN", "BIGINT"]);
    assert_eq!(types(&seen["duckdb"]), expected(text, timestamp, &own));
    let (text, timestamp) = ("string", "timestamp[us, tz=UTC]");
    let own = order_columns([text, "double", "date32[day]", timestamp, "bool", "int64"]);
    assert_eq!(types(&seen["pyarrow"]), expected(text, timestamp, &own));

    assert_eq!(seen["duckdb"]["rows"], seen["pyarrow"]["rows"]);
    let rows = seen["duckdb"]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    let (small, full) = (&rows[0], &rows[1]);
    for (column, value) in [
        ("event_id", json!("order-1")),
        ("order_id", json!("o-1")),
        ("total", json!(25.0)),
        ("shipping_price", Value::Null),
        ("shipping_promised_on", Value::Null),
        ("first_order", Value::Null),
        ("payment_instalments", Value::Null),
    ] {
        assert_eq!(small[column], value, "{column} in {small}");
    }
    for (column, value) in [
        ("event_id", json!("order-2")),
        ("event_type", json!("order_completed")),
        ("schema_version", json!("1.1")),
        ("source", json!("/shop")),
        ("user_id", json!("u-1")),
        ("event_time", json!(EVENT_MICROS)),
        ("sent_at", Value::Null),
        ("_rest", Value::Null),
        ("total", json!(61.4)),
        ("shipping_promised_on", json!("2026-11-25")),
        ("coupon", json!("ÜBER-10")),
        // An hour east of UTC.
        ("paid_at", json!(EVENT_MICROS - 123_456 + 500_000)),
        ("first_order", json!(true)),
        ("payment_instalments", json!(3)),
        ("gift", json!(false)),
    ] {
        assert_eq!(full[column], value, "{column} in {full}");
    }
    let items: Value =
        serde_json::from_str(full["items"].as_str().expect("JSON text")).expect("JSON");
    assert_eq!(items, full_order()["items"]);
}

#[test]
#[ignore = "needs a Python with duckdb and pyarrow"]
fn every_table_is_readable_snappy_and_has_a_bloom_filter_on_its_event_ids() {
    let python = python();
    let site = Site::new();
    let up = site.up();
    let event = |kind: &str, n: usize, data: &Value| json!({ "id": format!("{kind}-{n}"), "type": kind, "data": data });
    let quiz = json!({ "quiz_id": "q", "score": { "points": 7.5, "points_max": 10, "passed": true },
        "answers": [{ "question_id": "1", "choices": [0, 2] }] });
    let kinds = [
        ("order_completed", full_order(), "order_completed_1"),
        ("quiz_submitted", quiz, "quiz_submitted_1"),
        (
            "screen_viewed",
            json!({ "name": "home", "viewport": { "width": 412, "height": 915, "scale": 2.625 } }),
            "screen_viewed_1",
        ),
        (
            "lecture_viewed",
            json!({ "course_id": "c", "lecture_id": "l" }),
            "lecture_views",
        ),
    ];
    let of_kind = |(kind, data, _): &(&str, Value, &str)| -> Vec<Value> {
        (0..25).map(|n| event(kind, n, data)).collect()
    };
    accept(
        &up,
        &kinds.iter().flat_map(of_kind).collect::<Vec<_>>().into(),
    );
    assert_eq!(
        up.post_json(r#"{"id":"x","type":"lecture_viewed","data":{}}"#)
            .status,
        400
    );
    let tables: Vec<(&str, u64)> = kinds
        .iter()
        .map(|(_, _, table)| (*table, 25))
        .chain([("bad_events", 1)])
        .collect();
    for (table, rows) in &tables {
        site.wait_for_rows(table, *rows);
    }

    let seen = read(&python, &site.data_dir().join("lake"));
    for (table, rows) in tables {
        let seen = &seen[table];
        for reader in ["duckdb", "pyarrow"] {
            let found = seen[reader]["rows"].as_array().map(Vec::len);
            assert_eq!(found, usize::try_from(rows).ok(), "{reader}, {table}");
        }
        assert_eq!(seen["duckdb"]["rows"], seen["pyarrow"]["rows"], "{table}");
        let stored = &seen["storage"];
        assert_eq!(stored["codecs"], json!(["SNAPPY"]), "{table}");
        assert_eq!(stored["bloom_columns"], json!(["event_id"]), "{table}");
        assert_eq!(stored["present_ids_excluded_everywhere"], 0, "{table}");
        let excluded = stored["absent_share_excluded"].as_f64().expect("a share");
        assert!(
            excluded > 0.8,
            "{table}: the bloom filter rules out only {excluded}"
        );
    }
}

#[test]
#[ignore = "needs a Python with duckdb and pyarrow"]
fn the_view_for_duckdb_has_the_columns_of_all_files_and_their_partitions() {
    let python = python();
    let schemas = tempfile::tempdir().expect("a directory");
    let write = |file: &str, text: &str| {
        std::fs::create_dir_all(schemas.path().join("visit")).expect("a directory");
        std::fs::write(schemas.path().join(file), text).expect("a file");
    };
    // A property that is called like a partition gives way to it.
    let first = r#""page":{"type":"string"},"hr":{"type":"string"},"tags":{"type":"array"}"#;
    let schema = |properties: &str| format!(r#"{{"type":"object","properties":{{{properties}}}}}"#);
    write("visit/1.json", &schema(first));
    let site = Site::with_schemas(schemas.path().to_owned());
    let data = json!({ "page": "a", "hr": "own", "tags": [1, "x"] });
    {
        let up = site.up();
        accept(&up, &json!({ "id": "v-1", "type": "visit", "data": data }));
        site.wait_for_rows("visit_1", 1);
    }
    write(
        "visit/1.1.json",
        &schema(&format!(r#"{first},"count":{{"type":"integer"}}"#)),
    );
    let up = site.up();
    let data = json!({ "page": "b", "count": 7 });
    accept(&up, &json!({ "id": "v-2", "type": "visit", "data": data }));
    site.wait_for_rows("visit_1", 2);

    let ddl = ["tables", "ddl", "--for", "duckdb", "--table", "visit_1"];
    let output = site.command().args(ddl).output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let at = "make_timestamp(epoch_us(received_at))";
    let select = format!(
        "SELECT event_id, page, tags, count, dt = CAST({at} AS DATE) AS same_day, hr = strftime({at}, '%H') AS same_hour \
         FROM visit_1 ORDER BY event_id"
    );
    let seen = ask_view(&python, &stdout(&output), "visit_1", &select);
    let types = &seen["types"];
    for (column, kind) in [
        ("received_at", "TIMESTAMP WITH TIME ZONE"),
        ("tags", "VARCHAR"),
        ("count", "BIGINT"),
        ("dt", "DATE"),
        ("hr", "VARCHAR"),
    ] {
        assert_eq!(types[column], kind, "{column} in {types}");
    }
    let expected = json!([
        { "event_id": "v-1", "page": "a", "tags": "[1,\"x\"]", "count": null, "same_day": true, "same_hour": true },
        { "event_id": "v-2", "page": "b", "tags": null, "count": 7, "same_day": true, "same_hour": true },
    ]);
    assert_eq!(seen["rows"], expected);
}
