//! A table lives through ten versions of its schema under load, with loaders that die between and within loads.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{By, Warehouse};
use crate::harness::{Site, Up, wait_for};

/// Events of each version.
const EVENTS: u64 = 6;

/// A version: the file's name, the properties, and the data of an event of a number.
type Version = (&'static str, Value, fn(u64) -> Value);

/// The versions in their order.
fn versions() -> Vec<Version> {
    let text = |max: u64| json!({"type": "string", "maxLength": max});
    let (integer, number, boolean) = (
        json!({"type": "integer"}),
        json!({"type": "number"}),
        json!({"type": "boolean"}),
    );
    let date = json!({"type": "string", "format": "date"});
    let time = json!({"type": "string", "format": "date-time"});
    vec![
        (
            "1",
            json!({"a": text(10), "n": integer}),
            |n| json!({"a": "short", "n": n}),
        ),
        (
            "1.1",
            json!({"a": text(10), "n": integer, "b": number}),
            |n| json!({"a": "short", "n": n, "b": 1.5}),
        ),
        // A text gets wider.
        (
            "1.2",
            json!({"a": text(40), "n": integer, "b": number}),
            |n| json!({"a": "x".repeat(40), "n": n, "b": 2.5}),
        ),
        // Another order, and a column before the others: columns do not move.
        (
            "1.3",
            json!({"c": boolean, "b": number, "n": integer, "a": text(40)}),
            |n| json!({"c": true, "b": 3.5, "n": n, "a": "reordered"}),
        ),
        // Without a bound, and JSON.
        (
            "1.4",
            json!({"a": {"type": "string"}, "n": integer, "b": number, "c": boolean, "tags": {"type": "array"}}),
            |n| json!({"a": "é".repeat(300), "n": n, "tags": [n, {"k": "v"}]}),
        ),
        (
            "1.5",
            json!({"a": {"type": "string"}, "n": integer, "b": number, "c": boolean, "tags": {"type": "array"}, "d": date}),
            |n| json!({"n": n, "d": "2026-11-30"}),
        ),
        // Another type, a renamed and a removed property: a new major.
        (
            "2",
            json!({"label": text(10), "n": {"type": "string"}}),
            |n| json!({"label": "renamed", "n": format!("n{n}")}),
        ),
        (
            "2.1",
            json!({"label": text(10), "n": {"type": "string"}, "d": date}),
            |n| json!({"label": "with d", "n": format!("n{n}"), "d": "2026-12-01"}),
        ),
        (
            "2.2",
            json!({"label": text(10), "n": {"type": "string"}, "d": date, "at": time}),
            |n| json!({"label": "with at", "n": format!("n{n}"), "at": "2026-12-01T10:00:00Z"}),
        ),
        ("3", json!({"label": integer}), |n| json!({"label": n})),
    ]
}

fn write(schemas: &Path, version: &str, properties: &Value) {
    let dir = schemas.join("thing");
    std::fs::create_dir_all(&dir).expect("a directory");
    let schema = json!({"type": "object", "properties": properties});
    std::fs::write(dir.join(format!("{version}.json")), schema.to_string()).expect("a file");
}

fn post(up: &Up, version: &str, number: u64, data: Value) -> u16 {
    let event = json!({"id": format!("v{version}-{number}"), "type": "thing", "dataschema": format!("thing/{version}"), "data": data});
    up.post_json(&event.to_string()).status
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn a_table_lives_through_ten_versions_of_its_schema() {
    let schemas = TempDir::new().expect("a directory");
    write(schemas.path(), "1", &versions()[0].1);
    let warehouse = Warehouse::with(Site::with_schemas(schemas.path().to_owned()), By::DataApi);
    let mut up = warehouse.up();
    let builtin = up.metric("headgate_schemas_loaded").expect("a metric") - 1.0;
    for (index, (version, properties, data)) in versions().into_iter().enumerate() {
        write(schemas.path(), version, &properties);
        // An event of a minor that is not known is taken for one of the newest that is.
        let expected = builtin + index as f64 + 1.0;
        wait_for("the version to be in force", || {
            (up.metric("headgate_schemas_loaded") == Some(expected)).then_some(())
        });
        for number in 0..EVENTS {
            assert_eq!(post(&up, version, number, data(number)), 200);
        }
        if index % 2 == 1 {
            // The loader dies wherever it is just then.
            std::thread::sleep(Duration::from_millis(150 * index as u64));
            up.kill();
            up = warehouse.up();
        }
    }
    for (table, rows) in [
        ("thing_1", 6 * EVENTS),
        ("thing_2", 3 * EVENTS),
        ("thing_3", EVENTS),
    ] {
        wait_for(&format!("{rows} rows in {table}"), || {
            (warehouse.count(table) == Some(rows)).then_some(())
        });
    }
    up.stop();
    // What a killed process had loaded when it died may come once more: then nothing is added.
    warehouse.load();
    values_are_right(&warehouse);
}

/// Every event is in the right table with the right values.
fn values_are_right(warehouse: &Warehouse) {
    let texts = |sql: &str| -> Vec<Vec<String>> {
        let rows = warehouse.rows(sql).into_iter();
        rows.map(|row| {
            row.into_iter()
                .map(|value| value.unwrap_or_default())
                .collect()
        })
        .collect()
    };
    let of = |version: &str, columns: &str, table: &str| {
        let rows = texts(&format!(
            "SELECT {columns} FROM public.{table} WHERE event_id LIKE 'v{version}-%' ORDER BY event_id"
        ));
        assert_eq!(rows.len() as u64, EVENTS, "of version {version} in {table}");
        rows
    };
    for (number, row) in of("1", "a, n, b", "thing_1").into_iter().enumerate() {
        assert_eq!(row, ["short", &number.to_string(), ""]);
    }
    assert_eq!(of("1.1", "a, b", "thing_1")[3], ["short", "1.5"]);
    assert_eq!(of("1.2", "a, b", "thing_1")[2], [&"x".repeat(40), "2.5"]);
    assert_eq!(
        of("1.3", "a, n, b, c", "thing_1")[5],
        ["reordered", "5", "3.5", "t"]
    );
    assert_eq!(
        of("1.4", "a, tags::text, _rest", "thing_1")[4],
        [&"é".repeat(300), "[4, {\"k\": \"v\"}]", ""]
    );
    assert_eq!(of("1.5", "n, d, a", "thing_1")[1], ["1", "2026-11-30", ""]);
    assert_eq!(of("2", "label, n", "thing_2")[1], ["renamed", "n1"]);
    assert_eq!(
        of("2.1", "label, d", "thing_2")[0],
        ["with d", "2026-12-01"]
    );
    assert_eq!(
        of("2.2", "label, at", "thing_2")[0],
        ["with at", "2026-12-01 10:00:00"]
    );
    assert_eq!(of("3", "label, schema_version", "thing_3")[4], ["4", "3"]);
    assert_eq!(
        warehouse.number("SELECT COUNT(*) FROM public.headgate_discards"),
        0
    );
    // The view over all majors has what they share.
    assert_eq!(
        warehouse.number("SELECT COUNT(*) FROM public.thing"),
        10 * EVENTS
    );
    assert_eq!(
        warehouse.number("SELECT COUNT(DISTINCT event_id) FROM public.thing"),
        10 * EVENTS
    );
}
