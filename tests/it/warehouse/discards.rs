//! Values that fit no column, all the way from a client to the warehouse: the rows are there without them, and they are told of.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{By, Warehouse};
use crate::cluster::kafka_environment;
use crate::harness::{Site, stdout, wait_for};
use crate::services::Service;

/// Longer than Redshift's longest VARCHAR, in bytes.
const LONG: usize = 70_000;

fn schemas() -> TempDir {
    let schemas = TempDir::new().expect("a directory");
    let dir = schemas.path().join("note");
    std::fs::create_dir(&dir).expect("a directory");
    let schema = json!({"type": "object", "properties": {"text": {"type": "string"}, "tags": {"type": "array"}}});
    std::fs::write(dir.join("1.json"), schema.to_string()).expect("a file");
    schemas
}

fn a_value_that_does_not_fit_goes_through(kafka: Option<&Service>) {
    let schemas = schemas();
    let site = Site::with_schemas(schemas.path().to_owned());
    let warehouse = Warehouse::with(site, By::DataApi);
    let stream = kafka.map(|kafka| kafka_environment(kafka.setting("KAFKA_BOOTSTRAP")));
    let stream = stream.unwrap_or_default();
    let stream: Vec<(&str, &str)> = stream
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let up = warehouse.up_with(&stream);
    let event = |id: &str, data: Value| json!({"id": id, "type": "note", "data": data});
    let events = json!([
        event("fits", json!({"text": "short", "tags": [1]})),
        event("long", json!({"text": "x".repeat(LONG), "tags": [2]})),
        event("nul", json!({"text": "a\u{0}b"})),
        event("json", json!({"text": "fits", "tags": ["y".repeat(LONG)]})),
    ]);
    let reply = up.post_json(&events.to_string());
    assert_eq!(reply.status, 200, "{}", reply.body);
    wait_for("the rows in the warehouse", || {
        (warehouse.count("note_1") == Some(4)).then_some(())
    });
    let text = |value: &str| Some(value.to_owned());
    let rows =
        warehouse.rows("SELECT event_id, text, tags::text FROM public.note_1 ORDER BY event_id");
    let expected = [
        [text("fits"), text("short"), text("[1]")],
        [text("json"), text("fits"), None],
        [text("long"), None, text("[2]")],
        [text("nul"), None, None],
    ];
    assert_eq!(rows, expected);
    let discards = "SELECT \"table\", event_id, \"column\", reason, OCTET_LENGTH(value) FROM public.headgate_discards ORDER BY \
                    event_id";
    let discards = warehouse.rows(discards);
    let expected = [
        [
            "note_1",
            "json",
            "tags",
            "70004 bytes, longer than 65535",
            "65535",
        ],
        [
            "note_1",
            "long",
            "text",
            "70000 bytes, longer than 65535",
            "65535",
        ],
        ["note_1", "nul", "text", "has a NUL character", "5"],
    ];
    assert_eq!(discards, expected.map(|row| row.map(text)));
    // The ledger tells before the process does.
    wait_for("the discards in the metrics", || {
        let discarded = up.metric("headgate_warehouse_discards_total{table=\"note_1\"}");
        (discarded == Some(3.0)).then_some(())
    });
    let counted = "SELECT SUM(values_discarded) FROM public.headgate_loads WHERE kind = 'load'";
    assert_eq!(warehouse.number(counted), 3);
    // The lake has the values whole.
    let sql = "select event_id, length(text) n, length(tags) t from note_1 order by event_id";
    let landed = warehouse.output(&["query", "--format", "json", sql]);
    let landed: Vec<Value> = stdout(&landed)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        (&landed[1]["t"], &landed[2]["n"], &landed[3]["n"]),
        (&json!(LONG + 4), &json!(LONG), &json!(3))
    );
    up.stop();
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn a_value_that_does_not_fit_goes_from_the_journal_to_the_discards() {
    a_value_that_does_not_fit_goes_through(None);
}

#[test]
#[ignore = "starts Kafka, S3 and PostgreSQL"]
fn a_value_that_does_not_fit_goes_from_kafka_to_the_discards() {
    a_value_that_does_not_fit_goes_through(Some(&Service::kafka()));
}
