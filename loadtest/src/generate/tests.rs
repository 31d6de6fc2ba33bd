use std::collections::BTreeSet;
use std::path::Path;

use headgate_schemas::shape::ShapeKind;
use serde_json::json;

use super::*;

const INSTANCES: usize = 200;

fn catalogue() -> Registry {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/events");
    Registry::load(&dir).unwrap()
}

/// A registry of these documents, each version 1 of an event.
fn registry(documents: &[(&str, Value)]) -> Registry {
    let dir = tempfile::tempdir().unwrap();
    for (event, document) in documents {
        let own = dir.path().join(event);
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("1.json"), document.to_string()).unwrap();
    }
    Registry::load(dir.path()).unwrap()
}

fn schema<'r>(registry: &'r Registry, event: &str) -> &'r Schema {
    registry.resolve(event, None).unwrap()
}

#[test]
fn every_schema_of_the_catalogue_gives_valid_events() {
    let registry = catalogue();
    let mut generator = Generator::new(&registry, 1);
    let mut schemas = 0;
    for schema in registry.schemas() {
        let mut different = BTreeSet::new();
        for _ in 0..INSTANCES {
            let text = generator.valid(schema).unwrap();
            assert_eq!(schema.check(&text, DEPTH_MAX), Ok(()), "{text}");
            different.insert(text);
        }
        // One that declares nothing, as that of webhooks, has nothing to vary.
        let declares = matches!(&schema.shape().kind, ShapeKind::Object { properties, .. } if !properties.is_empty());
        assert!(
            !declares || different.len() > INSTANCES / 2,
            "{} repeats itself",
            schema.dataschema()
        );
        schemas += 1;
    }
    assert!(schemas >= 10, "only {schemas} schemas");
}

#[test]
fn every_schema_of_the_catalogue_gives_invalid_events_of_known_kinds() {
    let registry = catalogue();
    let mut generator = Generator::new(&registry, 2);
    let mut kinds = BTreeSet::new();
    // Those of SDKs' calls refuse nothing that is an object.
    let strict = registry.schemas().filter(|schema| !schema.sdk_call());
    for schema in strict {
        for _ in 0..INSTANCES {
            let (text, spoil) = generator.invalid(schema).unwrap();
            let violations = schema.check(&text, DEPTH_MAX).unwrap_err();
            let meant = |v: &Violation| spoil.keywords().contains(&v.keyword);
            assert!(
                spoil == Spoil::Other || violations.iter().any(meant),
                "{spoil:?} {text}"
            );
            kinds.insert(spoil);
        }
    }
    assert!(
        Spoil::OF_DATA.iter().all(|spoil| kinds.contains(spoil)),
        "{kinds:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let registry = registry(&[("order", order())]);
    let events = |seed| {
        let mut generator = Generator::new(&registry, seed);
        let events = (0..20).map(|_| generator.valid(schema(&registry, "order")).unwrap());
        events.collect::<Vec<String>>()
    };
    assert_eq!(events(7), events(7));
    assert_ne!(events(7), events(8));
}

fn order() -> Value {
    json!({
        "type": "object",
        "required": ["id", "total", "items", "at", "state"],
        "additionalProperties": false,
        "properties": {
            "id": {"type": "string", "pattern": "^ord-[0-9]{8}$"},
            "total": {"type": "number", "minimum": 0, "exclusiveMaximum": 1000, "multipleOf": 0.01},
            "at": {"type": "string", "format": "date-time"},
            "state": {"enum": ["paid", "open"]},
            "note": {"type": ["string", "null"], "minLength": 5, "maxLength": 9},
            "items": {
                "type": "array", "minItems": 1, "maxItems": 3, "uniqueItems": true,
                "items": {
                    "type": "object", "required": ["sku", "quantity"],
                    "properties": {
                        "sku": {"type": "string", "maxLength": 12},
                        "quantity": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9}
                    }
                }
            }
        }
    })
}

/// Makes 200 events of a schema of these keywords, all of which must pass its check.
fn all_valid(document: Value) -> Vec<Value> {
    let registry = registry(&[("it", document)]);
    let mut generator = Generator::new(&registry, 3);
    let events = (0..INSTANCES).map(|_| generator.valid(schema(&registry, "it")).unwrap());
    events
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect()
}

#[test]
fn bounds_patterns_and_formats_are_met() {
    let events = all_valid(order());
    assert!(events.iter().any(|event| event["note"].is_null()));
    assert!(
        events
            .iter()
            .any(|event| event["items"].as_array().unwrap().len() == 3)
    );
}

#[test]
fn combined_schemas_are_met() {
    let events = all_valid(json!({
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": ["card", "cash"]}, "amount": {"type": "integer"}},
        "allOf": [
            {"required": ["amount"], "properties": {"amount": {"minimum": 10}}},
            {"properties": {"amount": {"maximum": 20}}}
        ],
        "oneOf": [
            {"properties": {"kind": {"const": "card"}, "number": {"type": "string", "pattern": "^[0-9]{4}$"}},
             "required": ["number"]},
            {"properties": {"kind": {"const": "cash"}}, "not": {"required": ["number"]}}
        ],
        "if": {"properties": {"kind": {"const": "cash"}}},
        "then": {"required": ["till"], "properties": {"till": {"type": "integer", "minimum": 1}}}
    }));
    assert!(events.iter().any(|event| event["kind"] == "card"));
    assert!(events.iter().any(|event| event["kind"] == "cash"));
    assert!(
        events
            .iter()
            .all(|event| (10..=20).contains(&event["amount"].as_i64().unwrap()))
    );
}

#[test]
fn maps_tuples_and_dependencies_are_met() {
    let events = all_valid(json!({
        "type": "object",
        "required": ["labels", "pair", "codes"],
        "properties": {
            "labels": {"type": "object", "minProperties": 2, "maxProperties": 4,
                "propertyNames": {"pattern": "^[a-z]{3,6}$"}, "additionalProperties": {"type": "boolean"}},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}],
                "items": false, "minItems": 2},
            "codes": {"type": "object", "patternProperties": {"^c_[0-9]+$": {"type": "integer"}},
                "additionalProperties": false},
            "street": {"type": "string"}, "city": {"type": "string"}
        },
        "dependentRequired": {"street": ["city"]}
    }));
    assert!(
        events
            .iter()
            .any(|event| !event["codes"].as_object().unwrap().is_empty())
    );
    assert!(events.iter().any(|event| event.get("street").is_some()));
}

#[test]
fn recursive_schemas_end() {
    let events = all_valid(json!({
        "type": "object",
        "required": ["tree"],
        "properties": {"tree": {"$ref": "#/$defs/node"}},
        "$defs": {"node": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/node"}}}}}
    }));
    assert!(
        events
            .iter()
            .any(|event| event.pointer("/tree/children/0/name").is_some())
    );
}

#[test]
fn references_lead_to_other_documents_of_the_registry() {
    let address = json!({"type": "object", "required": ["zip"], "properties": {
        "zip": {"type": "string", "pattern": "^[0-9]{5}$"}}});
    let signed_up = json!({"type": "object", "required": ["address"], "properties": {
        "address": {"$ref": "../address/1.json"}}});
    let registry = registry(&[("address", address), ("signed_up", signed_up)]);
    let mut generator = Generator::new(&registry, 1);
    let event = generator.valid(schema(&registry, "signed_up")).unwrap();
    let event: Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["address"]["zip"].as_str().unwrap().len(), 5);
}

#[test]
fn a_schema_without_values_is_an_error() {
    let document = json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "integer", "minimum": 5, "maximum": 4}}});
    let registry = registry(&[("never", document)]);
    let mut generator = Generator::new(&registry, 1);
    let error = generator.valid(schema(&registry, "never")).unwrap_err();
    assert!(matches!(error, Error::Unsatisfied { .. }), "{error}");
}
