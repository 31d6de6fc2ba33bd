use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::registry::Registry;

const FIELDS_MAX: usize = 100;

fn of(events: &[Value]) -> Inference {
    let mut inference = Inference::new(FIELDS_MAX);
    for event in events {
        inference.add(event.as_object().unwrap());
    }
    inference
}

fn properties(events: &[Value]) -> Value {
    of(events).schema("T", false)["properties"].take()
}

/// The set that has the proposal.
fn registry(schema: &Value) -> Registry {
    let text = schema.to_string();
    let files = [(Path::new("thing/1.json"), text.as_bytes())];
    Registry::from_files(files.into_iter()).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

#[test]
fn types_formats_and_what_is_always_there_are_found() {
    let schema = of(&[
        json!({ "id": "a", "n": 1, "price": 1, "at": "2026-11-22T20:07:55Z", "on": "2026-11-22", "ok": true, "x": null }),
        json!({ "id": "2026-11-22", "n": 2, "price": 1.5, "at": "2026-11-22T20:07:55.1+01:00", "on": "2026-11-23", "x": null }),
    ])
    .schema("Order Completed", true);
    let expected = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Order Completed",
        "x-track": true,
        "type": "object",
        "required": ["id", "n", "price", "at", "on", "x"],
        "properties": {
            "id": { "type": "string" },
            "n": { "type": "integer" },
            "price": { "type": "number" },
            "at": { "type": "string", "format": "date-time" },
            "on": { "type": "string", "format": "date" },
            "ok": { "type": "boolean" },
            "x": {},
        },
    });
    assert_eq!(schema, expected);
}

#[test]
fn objects_and_arrays_are_looked_into_and_required_is_by_their_own_number() {
    let found = properties(&[
        json!({ "who": { "name": "a", "age": 1 }, "list": [{ "x": 1 }, { "x": 2.5, "y": "z" }] }),
        json!({ "who": { "name": null }, "list": [] }),
        json!({}),
    ]);
    let expected = json!({
        "who": { "type": "object", "required": ["name"], "properties": {
            "name": { "type": ["string", "null"] }, "age": { "type": "integer" } } },
        "list": { "type": "array", "items": { "type": "object", "required": ["x"], "properties": {
            "x": { "type": "number" }, "y": { "type": "string" } } } },
    });
    assert_eq!(found, expected);
}

#[test]
fn several_types_are_all_allowed_and_told() {
    let inference = of(&[
        json!({ "a": 1 }),
        json!({ "a": "2026-11-22" }),
        json!({ "a": null }),
    ]);
    let a = &inference.schema("T", false)["properties"]["a"];
    assert_eq!(a["type"], json!(["integer", "string", "null"]));
    assert!(a.get("format").is_none() && a["description"].is_string());
    let fields = inference.fields();
    let types = vec![("integer", 1), ("string", 1), ("null", 1)];
    assert_eq!((fields[0].mixed, &fields[0].types), (true, &types));
}

#[test]
fn fields_tell_how_many_events_have_them() {
    let inference = of(&[
        json!({ "a/b": [{ "c": 1 }, {}], "d": [] }),
        json!({ "d": [1] }),
    ]);
    let fields: Vec<_> = inference
        .fields()
        .into_iter()
        .map(|f| (f.path, f.present, f.of))
        .collect();
    let expected = [
        ("/a~1b", 1, 2),
        ("/a~1b/*", 1, 1),
        ("/a~1b/*/c", 1, 2),
        ("/d", 2, 2),
        ("/d/*", 1, 1),
    ];
    assert_eq!(
        fields,
        expected.map(|(path, present, of)| (path.to_owned(), present, of))
    );
}

#[test]
fn members_beyond_the_bound_are_counted_and_allowed() {
    let mut inference = Inference::new(2);
    let events = [
        json!({ "a": 1, "b": { "c": 1 } }),
        json!({ "a": 1, "z": 1, "b": { "d": 1 } }),
    ];
    for event in &events {
        inference.add(event.as_object().unwrap());
    }
    assert_eq!(inference.unnamed(), 3);
    let schema = inference.schema("T", false);
    assert_eq!(schema["properties"]["b"], json!({ "type": "object" }));
    let registry = registry(&schema);
    for event in &events {
        assert_eq!(
            registry
                .resolve("thing", None)
                .unwrap()
                .check(&event.to_string(), 64),
            Ok(())
        );
    }
}

#[test]
fn what_nests_very_deeply_is_left_open() {
    let deep = (0..60).fold(json!(1), |value, _| json!({ "a": [value] }));
    let schema = of(std::slice::from_ref(&deep)).schema("T", false);
    assert_eq!(
        registry(&schema)
            .resolve("thing", None)
            .unwrap()
            .check(&deep.to_string(), 128),
        Ok(())
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-10_i8..10).prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no others", |n| n.is_finite())
            .prop_map(Value::from),
        "[a-z\"\\\\/~*]{0,4}".prop_map(Value::from),
        Just(Value::from("2026-11-22T20:07:55Z")),
        Just(Value::from("2026-02-30")),
        Just(Value::from("2026-02-28")),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner).prop_map(Value::from),
        ]
    })
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let members = prop::collection::vec(("[abcd/~*]|", value), 0..5);
    members.prop_map(|members| members.into_iter().collect())
}

proptest! {
    #[test]
    fn the_proposal_loads_and_accepts_every_event_that_it_was_made_of(
        events in prop::collection::vec(object(value()), 1..8),
        fields_max in 0..40_usize,
    ) {
        let mut inference = Inference::new(fields_max);
        events.iter().for_each(|event| inference.add(event));
        let schema = inference.schema("T", false);
        let set = registry(&schema);
        let plain = set.resolve("thing", None).unwrap();
        let set = registry(&inference.schema("T", true));
        let track = set.resolve("thing", None).unwrap();
        for event in &events {
            let text = Value::from(event.clone()).to_string();
            prop_assert_eq!(plain.check(&text, 64), Ok(()), "{} by {}", text, schema);
            let message = json!({ "type": "track", "event": "Thing", "properties": event }).to_string();
            prop_assert_eq!(track.check(&message, 64), Ok(()), "{} by {}", message, schema);
        }
    }
}
