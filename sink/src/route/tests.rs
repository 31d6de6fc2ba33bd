mod entities;

use headgate_stream::log::{Partition, Position};

use super::*;
use crate::table::tests::registry;

fn records(values: &[&str], appended_ms: i64) -> Vec<Records> {
    vec![Records {
        partition: Partition::new("0"),
        follows: Position::start(),
        end: Position::from_number(values.len() as u64),
        values: values
            .iter()
            .map(|value| value.as_bytes().to_vec().into())
            .collect(),
        appended_ms,
    }]
}

fn tables() -> Tables {
    let files = [
        ("a/1.json", r#"{"type": "object"}"#),
        ("a/2.json", r#"{"type": "object"}"#),
    ];
    Tables::of(Arc::new(registry(&files)), None)
}

fn sorted(values: &[&str]) -> (Vec<(String, i64, usize)>, Vec<Reason>) {
    let routed = route(&records(values, 7_200_000), &tables(), None);
    let groups = routed.groups.iter();
    let reasons = routed.unroutable.iter().map(|(_, why)| why.reason);
    (
        groups
            .map(|g| (g.table.name().to_owned(), g.hour, g.rows.len()))
            .collect(),
        reasons.collect(),
    )
}

#[test]
fn records_are_sorted_by_table_and_received_hour() {
    let event = |schema: &str, time: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"1","source":"s","type":"a","dataschema":"{schema}","receivedtime":"{time}","data":{{}}}}"#
        )
    };
    let values = [
        event("a/2", "1970-01-01T01:59:59.999999Z"),
        event("a/1", "1970-01-01T02:00:00Z"),
        event("a/2", "1970-01-01T01:00:00Z"),
        event("a/2", "1970-01-01T02:00:00+02:00"),
    ];
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let (groups, bad) = sorted(&values);
    assert_eq!(
        groups,
        [
            ("a_1".into(), 2, 1),
            ("a_2".into(), 0, 1),
            ("a_2".into(), 1, 2)
        ]
    );
    assert_eq!(bad, []);
}

#[test]
fn what_the_data_says_is_not_taken_for_an_attribute() {
    let (groups, _) = sorted(&[
        r#"{"specversion":"1.0","id":"1","source":"s","type":"a","data":{"dataschema":"a/1","receivedtime":"x"}}"#,
    ]);
    // The newest major, and the hour in which the record was appended.
    assert_eq!(groups, [("a_2".into(), 2, 1)]);
}

#[test]
fn attributes_behind_the_data_are_found() {
    let (groups, _) = sorted(&[
        r#"{"data":{},"dataschema":"a/1.9","type":"a","specversion":"1.0","id":"1","source":"s"}"#,
    ]);
    assert_eq!(groups, [("a_1".into(), 2, 1)]);
}

#[test]
fn what_has_no_table_says_why() {
    let (groups, bad) = sorted(&[
        r#"{"specversion":"1.0","id":"1","source":"s","type":"b","data":{}}"#,
        r#"{"specversion":"1.0","id":"1","source":"s","type":"a","dataschema":"a/3","data":{}}"#,
        r#"{"id":"1"}"#,
        r#"{"id": "#,
    ]);
    assert_eq!(groups, []);
    assert_eq!(
        bad,
        [
            Reason::UnknownSchema,
            Reason::UnknownSchema,
            Reason::Envelope,
            Reason::Malformed
        ]
    );
}

#[test]
fn a_track_call_that_a_schema_describes_goes_to_the_table_of_all_too() {
    let track = r#"{"type": "object", "x-track": true}"#;
    let files = [
        ("thing/1.json", track),
        ("other/1.json", r#"{"type": "object"}"#),
    ];
    let event = |kind: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"1","source":"s","type":"{kind}","dataschema":"{kind}/1","receivedtime":"1970-01-01T00:00:00Z","data":{{}}}}"#
        )
    };
    let values = ["thing", "track", "other", "thing", "page"].map(event);
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let tables = Tables::of(Arc::new(registry(&files)), None);
    let routed = route(&records(&values, 0), &tables, None);
    let groups = routed.groups.iter();
    let counts: Vec<_> = groups
        .map(|g| (g.table.name(), g.rows.len(), g.second_rows.len()))
        .collect();
    let expected = [
        ("other_1", 1, 0),
        ("pages", 1, 0),
        ("thing", 2, 0),
        ("tracks", 1, 2),
    ];
    assert_eq!(counts, expected);
    let named = |told: &str| tables.named(told).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(named("thing\0thing/1"), ["thing", "tracks"]);
    assert_eq!(named("track\0track/1"), ["tracks"]);
    assert_eq!(named("nothing\0nothing/1"), [""; 0]);
}

#[test]
fn a_generation_has_a_table_of_all_track_calls_of_its_own() {
    let files = [("thing/1.json", r#"{"type": "object", "x-track": true}"#)];
    let generation = Generation::new("g").unwrap();
    let tables = Tables::of(Arc::new(registry(&files)), Some(&generation));
    let named: Vec<&str> = tables.named("thing\0thing/1").collect();
    assert_eq!(named, ["thing__g", "tracks__g"]);
}

#[test]
fn without_a_table_of_all_track_calls_there_is_no_second_row() {
    let files = [
        ("thing/1.json", r#"{"type": "object", "x-track": true}"#),
        ("track/1.json", r#"{"type": "object"}"#),
    ];
    let tables = Tables::of(Arc::new(registry(&files)), None);
    assert_eq!(
        tables.named("thing\0thing/1").collect::<Vec<_>>(),
        ["thing"]
    );
}
