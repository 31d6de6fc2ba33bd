//! What describes itself in an event, as a row of its own.

use super::*;
use crate::table::tests::entities::{FILE, product};

const HEAD: &str = r#"{"specversion":"1.0","id":"e1","source":"web","type":"snowplow_event","dataschema":"snowplow_event/1","receivedtime":"2026-11-22T20:00:00Z","userid":"u""#;

const SKU: &str = r#"{"sku": {"type": "string"}, "price": {"type": "number"}}"#;

/// The rows that a record has of these indices, and how many rows were appended.
fn rows(record: &str, indices: &[u32]) -> (Option<Finished>, usize) {
    let registry = registry(&[(FILE, &product("1-0-0", SKU))]);
    let table = Table::of(registry.family("com_acme_product_1").unwrap());
    let config = Config::default();
    let mut encoder = Encoder::new(&config, &table, 9).unwrap();
    let mut rows = Rows::new(&table, 20);
    let mut appended = 0;
    let around = Around::find(record, indices, 20);
    for (entity, around) in around
        .iter()
        .flat_map(|a| a.entities.iter().map(move |e| (e, a)))
    {
        let received = rows.append_entity(around, entity, 5_000, encoder.group());
        encoder
            .appended_second(received.unwrap(), entity.data.len())
            .unwrap();
        appended += 1;
    }
    let files = encoder.finish().unwrap();
    let finished = files.first().map(|file| {
        assert_eq!((file.rows, file.second_rows), (appended, appended));
        let reader = ParquetRecordBatchReaderBuilder::try_new(file.bytes.clone()).unwrap();
        Finished {
            batch: reader.build().unwrap().next().unwrap().unwrap(),
            received_ms: file.received_ms,
            rest_values: rows.rest_values(),
        }
    });
    (finished, usize::try_from(appended).unwrap())
}

fn record(data: &str) -> String {
    format!(r#"{HEAD},"sdk":"js/1","trace":7,"data":{data}}}"#)
}

const DATA: &str = r#"{"event": "unstruct",
    "contexts": [{"schema": "iglu:com.acme/other/jsonschema/1-0-0", "data": {}},
        {"data": {"price": 1.5, "sku": "one", "new": [1]}, "schema": "iglu:com.acme\/product\/jsonschema\/1-2-3"}],
    "unstruct_event": {"schema": "iglu:com.acme/product/jsonschema/1-0-0", "data": {"sku": "own"}}}"#;

#[test]
fn a_row_has_the_events_attributes_the_entitys_version_and_its_properties() {
    let (finished, appended) = rows(&record(DATA), &[2, 0]);
    assert_eq!(appended, 2);
    let finished = finished.unwrap();
    for (column, expected) in [
        ("event_id", Some("e1")),
        ("event_type", Some("snowplow_event")),
        ("schema_version", Some("1-2-3")),
        ("source", Some("web")),
        ("user_id", Some("u")),
        ("sku", Some("one")),
        // Of the event itself, its own row has what has no column.
        ("_rest", Some(r#"{"/new":[1]}"#)),
    ] {
        assert_eq!(text(&finished, column).as_deref(), expected, "{column}");
    }
    let index = finished.batch.column_by_name("entity_index").unwrap();
    let index = index.as_primitive::<Int64Type>();
    assert_eq!(index.values().to_vec(), [2, 0]);
    let sku = finished.batch.column_by_name("sku").unwrap();
    assert_eq!(sku.as_string::<i32>().value(1), "own");
    assert_eq!(finished.received_ms, (1_795_377_600_000, 1_795_377_600_000));
}

#[test]
fn a_record_that_is_no_row_has_none_here_either() {
    let broken = record(&DATA.replace("\"own\"}", "\"own\"}, \"x\": ?"));
    let deep = record(&DATA.replace("\"own\"", &format!("{}1{}", "[".repeat(30), "]".repeat(30))));
    let cut = record(DATA).trim_end_matches('}').to_owned();
    for record in [broken, deep, cut] {
        assert_eq!(rows(&record, &[2, 0]).1, 0, "{record}");
    }
    assert_eq!(rows(&record(DATA), &[3]).1, 0);
}

#[test]
fn attributes_behind_the_data_count_as_well() {
    let head = HEAD.replace(r#","userid":"u""#, "");
    let record = format!(r#"{head},"data":{DATA},"userid":"late"}}"#);
    let (finished, appended) = rows(&record, &[2]);
    assert_eq!(appended, 1);
    assert_eq!(text(&finished.unwrap(), "user_id").unwrap(), "late");
}
