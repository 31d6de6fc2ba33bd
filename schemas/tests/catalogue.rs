//! The example catalogue is what its documents say: it loads, its examples are valid, and each schema refuses what it
//! should, as the `jsonschema` crate does.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests too, which the lint does not see.

use std::path::Path;

use headgate_schemas::registry::Registry;
use headgate_schemas::schema::Schema;
use headgate_schemas::shape::{Shape, ShapeKind};
use serde_json::Value;

const DEPTH_MAX: u32 = 32;

fn events() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn catalogue() -> Registry {
    Registry::load(&events()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// All schemas but those of SDKs' calls, which refuse nothing.
fn strict(registry: &Registry) -> impl Iterator<Item = &Schema> {
    let all = registry.schemas().map(AsRef::as_ref);
    all.filter(|schema| !schema.sdk_call())
}

fn examples(schema: &Schema) -> &[Value] {
    schema.document()["examples"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

/// What spoils the last example of each schema: schema, place, the value put there (`-`: it is removed), and the
/// keyword and place of the violation expected (`.`: the data itself).
const SPOILED: &str = r#"
    bad_events/1         /errors                 {}            type         /errors
    replayed_events/1    /replayed_at            "x"           format       /replayed_at
    video_played/1       /player/volume_percent  101           maximum      /player/volume_percent
    video_played/1       /quality                "8k"          enum         /quality
    video_paused/1       /error                  -             required     .
    video_resumed/1      /seek/to_seconds        -1            minimum      /seek/to_seconds
    video_completed/1    /watched_ratio          1.01          maximum      /watched_ratio
    video_completed/1    /next                   7             oneOf        /next
    product_viewed/1     /categories             ["a","a"]     uniqueItems  /categories
    product_viewed/1     /price/amount           -1            minimum      /price/amount
    order_completed/1    /items/0/price          -1            minimum      /items/0/price
    order_completed/1    /items                  []            minItems     /items
    order_completed/1.1  /payment/method         "cheque"      enum         /payment/method
    lecture_viewed/1     /due_on                 "2026-02-30"  format       /due_on
    quiz_submitted/1     /score/points           0.25          multipleOf   /score/points
    quiz_submitted/1     /answers/1/text         -             oneOf        /answers/1
    signed_up/1          /email                  "ada"         format       /email
    signed_up/1          /ip                     "1.2.3"       anyOf        /ip
    signed_up/1          /sso                    -             required     .
    app_opened/1         /app/version            "5"           pattern      /app/version
    app_opened/1         /deep_link              -             required     .
    screen_viewed/1      /params/image_count     "6"           type         /params/image_count
    screen_viewed/1      /name                   "Home"        pattern      /name
    bid_requested/1      /imp/1/video/mimes      []            minItems     /imp/1/video/mimes
    bid_requested/1      /imp/1/video            -             anyOf        /imp/1
    bid_requested/1      /device/geo/lat         90.5          maximum      /device/geo/lat
    bid_requested/1      /app                    {}            not          .
"#;

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

/// Puts `value` at `pointer`, or removes the member when the value is `-`.
fn spoil(data: &mut Value, pointer: &str, value: &str) {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = data.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        "-" => drop(parent.remove(member)),
        value => drop(parent.insert(member.to_owned(), serde_json::from_str(value).unwrap())),
    }
}

#[test]
fn every_example_is_valid_and_every_schema_has_some() {
    for schema in strict(&catalogue()) {
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
    for schema in strict(&catalogue) {
        let name = format!(" {} ", schema.dataschema());
        assert!(SPOILED.contains(&name), "nothing spoils {name}");
    }
    for line in SPOILED.lines().filter(|line| !line.is_empty()) {
        let [dataschema, place, value, _, _] = line.split_whitespace().collect::<Vec<_>>()[..]
        else {
            panic!("{line}")
        };
        let schema = catalogue
            .schemas()
            .find(|schema| schema.dataschema() == dataschema)
            .unwrap();
        let mut data = examples(schema).last().unwrap().clone();
        spoil(&mut data, place, value);
        assert!(!second_opinion(schema, &data), "{line}");
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
