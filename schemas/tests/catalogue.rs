//! The example catalogue is what its documents say: it loads, its examples are valid, and each schema refuses what it
//! should, as the `jsonschema` crate does.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests too, which the lint does not see.

use std::path::Path;

use headgate_schemas::registry::Registry;
use headgate_schemas::schema::Schema;
use headgate_schemas::shape::{Shape, ShapeKind};
use serde_json::{Value, json};

const DEPTH_MAX: u32 = 32;

fn events() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn catalogue() -> Registry {
    Registry::load(&events()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn examples(schema: &Schema) -> &[Value] {
    schema.document()["examples"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

/// An event, the place and value that spoil its last example (`null`: removed), and the keyword and pointer expected.
fn spoiled() -> Vec<(
    &'static str,
    &'static str,
    Value,
    &'static str,
    &'static str,
)> {
    vec![
        ("bad_events/1", "/errors", json!({}), "type", "/errors"),
        (
            "video_played/1",
            "/player/volume_percent",
            json!(101),
            "maximum",
            "/player/volume_percent",
        ),
        (
            "video_played/1",
            "/quality",
            json!("8k"),
            "enum",
            "/quality",
        ),
        ("video_paused/1", "/error", Value::Null, "required", ""),
        (
            "video_resumed/1",
            "/seek/to_seconds",
            json!(-1),
            "minimum",
            "/seek/to_seconds",
        ),
        (
            "video_completed/1",
            "/watched_ratio",
            json!(1.01),
            "maximum",
            "/watched_ratio",
        ),
        ("video_completed/1", "/next", json!(7), "oneOf", "/next"),
        (
            "product_viewed/1",
            "/categories",
            json!(["a", "a"]),
            "uniqueItems",
            "/categories",
        ),
        (
            "product_viewed/1",
            "/price/amount",
            json!(-1),
            "minimum",
            "/price/amount",
        ),
        (
            "order_completed/1",
            "/items/0/price",
            json!(-1),
            "minimum",
            "/items/0/price",
        ),
        (
            "order_completed/1",
            "/items",
            json!([]),
            "minItems",
            "/items",
        ),
        (
            "order_completed/1.1",
            "/payment/method",
            json!("cheque"),
            "enum",
            "/payment/method",
        ),
        (
            "lecture_viewed/1",
            "/due_on",
            json!("2026-02-30"),
            "format",
            "/due_on",
        ),
        (
            "quiz_submitted/1",
            "/score/points",
            json!(0.25),
            "multipleOf",
            "/score/points",
        ),
        (
            "quiz_submitted/1",
            "/answers/1/text",
            Value::Null,
            "oneOf",
            "/answers/1",
        ),
        ("signed_up/1", "/email", json!("ada"), "format", "/email"),
        ("signed_up/1", "/ip", json!("1.2.3"), "anyOf", "/ip"),
        ("signed_up/1", "/sso", Value::Null, "required", ""),
        (
            "app_opened/1",
            "/app/version",
            json!("5"),
            "pattern",
            "/app/version",
        ),
        ("app_opened/1", "/deep_link", Value::Null, "required", ""),
        (
            "screen_viewed/1",
            "/params/image_count",
            json!("6"),
            "type",
            "/params/image_count",
        ),
        (
            "screen_viewed/1",
            "/name",
            json!("Home Screen"),
            "pattern",
            "/name",
        ),
        (
            "bid_requested/1",
            "/imp/1/video/mimes",
            json!([]),
            "anyOf",
            "/imp/1",
        ),
        (
            "bid_requested/1",
            "/device/geo/lat",
            json!(90.5),
            "maximum",
            "/device/geo/lat",
        ),
        ("bid_requested/1", "/app", json!({}), "not", ""),
    ]
}

/// Reads the catalogue's files for the `jsonschema` crate.
struct Files;

impl jsonschema::Retrieve for Files {
    fn retrieve(
        &self,
        uri: &jsonschema::Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let file = uri
            .path()
            .as_str()
            .strip_prefix("/events/")
            .ok_or("not of the catalogue")?;
        Ok(serde_json::from_slice(&std::fs::read(
            events().join(file),
        )?)?)
    }
}

/// The `jsonschema` crate's verdict.
fn second_opinion(schema: &Schema, data: &Value) -> bool {
    jsonschema::options()
        .with_base_uri(format!("headgate:///events/{}.json", schema.dataschema()))
        .with_retriever(Files)
        .should_validate_formats(true)
        .build(schema.document())
        .unwrap()
        .is_valid(data)
}

/// Puts `value` at `pointer`, or removes the member when the value is null.
fn spoil(data: &mut Value, pointer: &str, value: Value) {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = data.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => drop(parent.remove(member)),
        value => drop(parent.insert(member.to_owned(), value)),
    }
}

#[test]
fn every_example_is_valid_and_every_schema_has_some() {
    for schema in catalogue().schemas() {
        assert!(
            !examples(schema).is_empty(),
            "{} has no examples",
            schema.dataschema()
        );
        for example in examples(schema) {
            let verdict = schema.check(&example.to_string(), DEPTH_MAX);
            assert_eq!(verdict, Ok(()), "{}: {example}", schema.dataschema());
            assert!(
                second_opinion(schema, example),
                "{}: {example}",
                schema.dataschema()
            );
        }
    }
}

#[test]
fn every_schema_refuses_what_it_should() {
    let catalogue = catalogue();
    let cases = spoiled();
    for schema in catalogue.schemas() {
        assert!(
            cases.iter().any(|case| case.0 == schema.dataschema()),
            "{}",
            schema.dataschema()
        );
    }
    for (dataschema, place, value, _, _) in cases {
        let (event, _) = dataschema.split_once('/').unwrap();
        let exact = if dataschema.contains('.') {
            dataschema.to_owned()
        } else {
            format!("{dataschema}.0")
        };
        let schema = catalogue.resolve(event, Some(&exact)).unwrap();
        let mut data = examples(schema).last().unwrap().clone();
        spoil(&mut data, place, value);
        assert!(!second_opinion(schema, &data), "{dataschema} {place}");
    }
}

#[test]
fn every_schema_and_property_is_documented_or_speaks_for_itself() {
    for schema in catalogue().schemas() {
        let shape = schema.shape();
        assert!(
            shape.title.is_some() && shape.description.is_some(),
            "{}",
            schema.dataschema()
        );
    }
}

#[test]
fn minors_share_a_table_and_come_in_order() {
    let catalogue = catalogue();
    let family = catalogue.family("order_completed_1").unwrap();
    let versions: Vec<_> = family.iter().map(|schema| schema.dataschema()).collect();
    assert_eq!(versions, ["order_completed/1", "order_completed/1.1"]);
    assert_eq!(
        catalogue.family("lecture_views").unwrap()[0].name(),
        "lecture_viewed"
    );
    assert_eq!(catalogue.family("bad_events").unwrap().len(), 1);
}

#[test]
fn shapes_follow_references_into_shared_documents() {
    let catalogue = catalogue();
    let schema = catalogue.resolve("video_played", None).unwrap();
    let ShapeKind::Object { properties, .. } = &schema.shape().kind else {
        panic!()
    };
    let names: Vec<_> = properties
        .iter()
        .map(|property| property.name.as_str())
        .collect();
    assert_eq!(names[..3], ["video_id", "playback_id", "position_seconds"]);
    assert_eq!(names[names.len() - 2..], ["subtitles", "referrer"]);
    assert!(none_any(schema.shape()), "{:?}", schema.shape());
}

/// Whether every place has a type.
fn none_any(shape: &Shape) -> bool {
    match &shape.kind {
        ShapeKind::Any => false,
        ShapeKind::Object { properties, .. } => properties.iter().all(|p| none_any(&p.shape)),
        _ => true,
    }
}
