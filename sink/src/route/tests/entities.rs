//! What describes itself in events of Snowplow's trackers.

use super::*;
use crate::table::tests::entities::{FILE, product};

fn event(id: u32, data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"s","type":"snowplow_event","dataschema":"snowplow_event/1","receivedtime":"1970-01-01T00:00:00Z","data":{data}}}"#
    )
}

const EVENTS: [&str; 6] = [
    r#"{"event": "page_view"}"#,
    r#"{"contexts": [{"schema": "iglu:com.acme/product/jsonschema/1-0-0", "data": {}},
        {"schema": "iglu:com.acme/unknown/jsonschema/1-0-0", "data": {}},
        {"schema": "iglu:com.acme/product/jsonschema/1-4-0", "data": {}}]}"#,
    r#"{"contexts": [{"schema": "iglu:com.acme/product/jsonschema/2-0-0", "data": {}}]}"#,
    r#"{"unstruct_event": {"schema": "iglu:com.acme/product/jsonschema/1-0-0", "data": {}}}"#,
    r#"{"page_title": "iglu:com.acme/product/jsonschema/1-0-0"}"#,
    r#"{"contexts": [{"schema": "iglu:com.acme/product/jsonschema/1-0-0", "data": {}}, ?]}"#,
];

#[test]
fn an_event_has_a_row_for_each_entity_of_a_known_model() {
    let files = [
        (FILE, product("1-0-0", "{}")),
        ("thing/1.json", r#"{"type": "object"}"#.to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(f, t)| (*f, t.as_str())).collect();
    let tables = Tables::of(Arc::new(registry(&files)), None);
    let mut values: Vec<String> = (0..)
        .zip(EVENTS)
        .map(|(id, data)| event(id, data))
        .collect();
    let other = event(9, EVENTS[1]);
    values.push(other.replace("snowplow_event", "thing"));
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let routed = route(&records(&values, 0), &tables, None);
    let groups = routed.groups.iter();
    let found: Vec<_> = groups
        .map(|g| (g.table.name(), g.rows.len(), g.second_rows.len()))
        .collect();
    let expected = [
        ("com_acme_product_1", 0, 0),
        ("events", 6, 0),
        ("thing_1", 1, 0),
    ];
    assert_eq!(found, expected);
    let entities = routed.groups[0].entities.iter();
    let entities: Vec<_> = entities.map(|(at, index)| (at.value, *index)).collect();
    assert_eq!(entities, [(1, 1), (1, 3), (3, 0)]);
    let rest = &routed.groups[1..];
    assert!(rest.iter().all(|group| group.entities.is_empty()));
    let told = "snowplow_event\0snowplow_event/1";
    let named: Vec<&str> = tables.named(told).collect();
    assert_eq!(named, ["events", "com_acme_product_1"]);
}

#[test]
fn a_generation_has_its_own_tables_of_them() {
    let schema = product("1-0-0", "{}");
    let generation = Generation::new("g").unwrap();
    let tables = Tables::of(Arc::new(registry(&[(FILE, &schema)])), Some(&generation));
    let routed = route(&records(&[&event(1, EVENTS[1])], 0), &tables, None);
    let names: Vec<&str> = routed.groups.iter().map(|g| g.table.name()).collect();
    assert_eq!(names, ["com_acme_product_1__g", "events__g"]);
}

#[test]
fn an_event_has_a_thousand_rows_of_entities_at_most() {
    let schema = product("1-0-0", "{}");
    let tables = Tables::of(Arc::new(registry(&[(FILE, &schema)])), None);
    let entity = r#"{"schema": "iglu:com.acme/product/jsonschema/1-0-0", "data": {}}"#;
    let many = format!(r#"{{"contexts": [{}]}}"#, vec![entity; 1_200].join(","));
    let routed = route(
        &records(&[&event(1, &many), &event(2, EVENTS[1])], 0),
        &tables,
        None,
    );
    let of = |value: u32| {
        let entities = routed.groups[0].entities.iter();
        entities.filter(|(at, _)| at.value == value).count()
    };
    assert_eq!((of(0), of(1)), (1_000, 2));
}
