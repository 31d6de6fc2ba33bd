mod entity;
mod sdk;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType},
};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::{Config, encode::Encoder, table::tests::registry};

const SCHEMA: &str = r#"{"type": "object", "properties": {
    "flag": {"type": "boolean"}, "count": {"type": "integer"}, "price": {"type": "number"},
    "title": {"type": "string"}, "at": {"type": "string", "format": "date-time"},
    "day": {"type": "string", "format": "date"}, "tags": {"type": "array"},
    "page": {"type": "object", "properties": {"url": {"type": "string"}, "depth": {"type": "integer"}}}}}"#;

const HEAD: &str = r#"{"specversion":"1.0","id":"e1","source":"web","type":"thing","dataschema":"thing/1","receivedtime":"2026-11-22T20:00:00Z""#;

fn table() -> Table {
    Table::of(
        registry(&[("thing/1.json", SCHEMA)])
            .family("thing_1")
            .unwrap(),
    )
}

fn record(attributes: &str, data: &str) -> String {
    format!(r#"{HEAD}{attributes},"data":{data}}}"#)
}

/// What records came to, read back from their file.
struct Finished {
    batch: RecordBatch,
    received_ms: (i64, i64),
    rest_values: u64,
}

/// The rows of those records that are good, and how many are not.
fn good_rows(records: &[String], depth_max: u32) -> (Finished, usize) {
    let (table, config) = (table(), Config::default());
    let mut encoder = Encoder::new(&config, &table, records.len() as u64).unwrap();
    let mut rows = Rows::new(&table, depth_max);
    let mut bad = 0;
    for record in records {
        match rows.append(record, 5_000, encoder.group()) {
            Ok(received) => encoder.appended(received, record.len()).unwrap(),
            Err(_) => bad += 1,
        }
    }
    let files = encoder.finish().unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(files[0].bytes.clone()).unwrap();
    let finished = Finished {
        batch: reader.build().unwrap().next().unwrap().unwrap(),
        received_ms: files[0].received_ms,
        rest_values: rows.rest_values(),
    };
    (finished, bad)
}

/// The rows of these records, all of which must be good.
fn rows(records: &[String]) -> Finished {
    let (finished, bad) = good_rows(records, 20);
    assert_eq!(bad, 0, "{records:?}");
    finished
}

fn text(finished: &Finished, column: &str) -> Option<String> {
    let values = finished
        .batch
        .column_by_name(column)
        .unwrap()
        .as_string::<i32>();
    values.is_valid(0).then(|| values.value(0).to_owned())
}

fn rest(data: &str) -> Option<String> {
    text(&rows(&[record("", data)]), "_rest")
}

#[test]
fn a_value_of_each_type_stands_in_its_column() {
    let finished = rows(&[record(
        r#","time":"2026-11-22T19:59:59.5Z","userid":"u","anonymousid":"a","senttime":"2026-11-22T21:00:00+01:00""#,
        r#" { "flag" : true, "count": -7, "price": 1.5, "title": "a \"b\" é", "at": "1970-01-01T00:00:01Z",
            "day": "1970-01-02", "tags": [1, {"x": null}], "page": {"url": "/", "depth": 3}} "#,
    )]);
    let batch = &finished.batch;
    let micros = |name: &str| {
        let column = batch.column_by_name(name).unwrap();
        column.as_primitive::<TimestampMicrosecondType>().value(0)
    };
    assert_eq!(text(&finished, "event_id").unwrap(), "e1");
    assert_eq!(text(&finished, "event_type").unwrap(), "thing");
    assert_eq!(text(&finished, "schema_version").unwrap(), "1");
    assert_eq!(text(&finished, "source").unwrap(), "web");
    assert_eq!(text(&finished, "user_id").unwrap(), "u");
    assert_eq!(text(&finished, "anonymous_id").unwrap(), "a");
    assert_eq!(micros("received_at") - micros("event_time"), 500_000);
    assert_eq!(micros("received_at"), micros("sent_at"));
    assert!(batch.column_by_name("flag").unwrap().as_boolean().value(0));
    let count = batch.column_by_name("count").unwrap();
    assert_eq!(count.as_primitive::<Int64Type>().value(0), -7);
    let price = batch.column_by_name("price").unwrap();
    assert_eq!(price.as_primitive::<Float64Type>().value(0), 1.5);
    assert_eq!(text(&finished, "title").unwrap(), "a \"b\" é");
    assert_eq!(micros("at"), 1_000_000);
    let day = batch.column_by_name("day").unwrap();
    assert_eq!(day.as_primitive::<Date32Type>().value(0), 1);
    assert_eq!(text(&finished, "tags").unwrap(), r#"[1, {"x": null}]"#);
    assert_eq!(text(&finished, "page_url").unwrap(), "/");
    assert_eq!(text(&finished, "_rest"), None);
    assert_eq!(finished.received_ms, (1_795_377_600_000, 1_795_377_600_000));
}

#[test]
fn null_and_absent_members_are_null() {
    let finished = rows(&[record(
        "",
        r#"{"title": null, "page": null, "count": null}"#,
    )]);
    let own = finished.batch.columns().iter().skip(at::REST);
    assert!(own.clone().all(|column| column.is_null(0)), "{own:?}");
}

#[test]
fn what_fits_no_column_is_kept_under_its_pointer() {
    for (data, expected) in [
        (r#"{"new": {"a": [1]}}"#, r#"{"/new":{"a": [1]}}"#),
        (r#"{"count": "7"}"#, r#"{"/count":"7"}"#),
        (r#"{"count": 7.5}"#, r#"{"/count":7.5}"#),
        (
            r#"{"count": 9223372036854775808}"#,
            r#"{"/count":9223372036854775808}"#,
        ),
        (r#"{"price": 1e999}"#, r#"{"/price":1e999}"#),
        (r#"{"price": true}"#, r#"{"/price":true}"#),
        (r#"{"title": 5}"#, r#"{"/title":5}"#),
        (r#"{"at": "yesterday"}"#, r#"{"/at":"yesterday"}"#),
        (r#"{"day": "2026-02-30"}"#, r#"{"/day":"2026-02-30"}"#),
        (r#"{"page": "home"}"#, r#"{"/page":"home"}"#),
        (r#"{"page": {"x/y~z\"": 1}}"#, r#"{"/page/x~1y~0z\"":1}"#),
        (r#"{"title": "a", "title": "b"}"#, r#"{"/title":"b"}"#),
        (r#"[1]"#, r#"{"":[1]}"#),
        (r#"{"flag": 1, "x": 2}"#, r#"{"/flag":1,"/x":2}"#),
    ] {
        assert_eq!(rest(data).as_deref(), Some(expected), "{data}");
    }
}

#[test]
fn integers_may_be_written_with_a_zero_fraction() {
    let finished = rows(&[record("", r#"{"count": 1.2e1}"#)]);
    let count = finished.batch.column_by_name("count").unwrap();
    assert_eq!(count.as_primitive::<Int64Type>().value(0), 12);
    assert_eq!(text(&finished, "_rest"), None);
}

#[test]
fn members_in_any_order_find_their_columns() {
    let finished = rows(&[record(
        "",
        r#"{"page": {"depth": 1, "url": "/a"}, "title": "t", "flag": false}"#,
    )]);
    assert_eq!(text(&finished, "page_url").unwrap(), "/a");
    assert_eq!(text(&finished, "title").unwrap(), "t");
    assert_eq!(text(&finished, "_rest"), None);
}

#[test]
fn attributes_without_a_column_are_kept_under_their_names() {
    let finished = rows(&[record(
        r#","subject":"s\n","sdk":"js/1","trace":7,"time":"noon""#,
        "{}",
    )]);
    assert_eq!(
        text(&finished, "_rest").unwrap(),
        r#"{"time":"noon","subject":"s\n","sdk":"js/1","trace":7}"#
    );
    assert_eq!(finished.rest_values, 4);
}

#[test]
fn base64_data_is_kept() {
    let finished = rows(&[format!(r#"{HEAD},"data_base64":"AAE="}}"#)]);
    assert_eq!(
        text(&finished, "_rest").unwrap(),
        r#"{"data_base64":"AAE="}"#
    );
}

#[test]
fn attributes_behind_the_data_count_as_well() {
    let finished = rows(&[format!(r#"{HEAD},"data":{{"title":"t"}},"userid":"u"}}"#)]);
    assert_eq!(finished.batch.num_rows(), 1);
    assert_eq!(text(&finished, "user_id").unwrap(), "u");
    assert_eq!(text(&finished, "title").unwrap(), "t");
}

#[test]
fn a_record_without_a_received_time_has_that_of_its_append() {
    let record = r#"{"specversion":"1.0","id":"e1","source":"web","type":"thing","data":{}}"#;
    let finished = rows(&[record.to_owned()]);
    assert_eq!(finished.received_ms, (5_000, 5_000));
    assert_eq!(text(&finished, "schema_version").unwrap(), "1");
}

#[test]
fn a_broken_record_leaves_no_trace_among_the_good_ones() {
    let records = [
        record("", r#"{"title": "first", "x": 1}"#),
        record("", r#"{"title": "broken", "y": 1, "count": }"#),
        record(
            "",
            r#"{"flag": true, "count": 1, "price": 2, "at": "1970-01-01T00:00:01Z", "title": ?"#,
        ),
        record("", r#"{"title": "deep", "y": [[[[1]]]]}"#),
        record("", r#"{"title": "open""#),
        "{}".to_owned(),
        String::new(),
        record("", r#"{"title": "last"}"#),
    ];
    let (finished, bad) = good_rows(&records, 3);
    assert_eq!(bad, 6);
    let titles = finished
        .batch
        .column_by_name("title")
        .unwrap()
        .as_string::<i32>();
    assert_eq!(
        titles.iter().flatten().collect::<Vec<_>>(),
        ["first", "last"]
    );
    assert_eq!(text(&finished, "_rest").unwrap(), r#"{"/x":1}"#);
    assert_eq!(finished.rest_values, 1);
    for name in ["flag", "count", "price", "at"] {
        assert_eq!(finished.batch.column_by_name(name).unwrap().null_count(), 2);
    }
}
