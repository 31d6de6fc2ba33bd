use serde_json::{Value, json};

use super::{Property, Shape, ShapeKind};
use crate::expand::Index;
use crate::program::Document;

fn shape(value: Value) -> Shape {
    let documents = [
        Document {
            uri: "headgate:///events/a/1.json".into(),
            value,
        },
        Document {
            uri: "headgate:///events/_shared/money.json".into(),
            value: json!({
                "type": "object",
                "properties": { "amount": { "$ref": "#/$defs/amount" } },
                "$defs": { "amount": { "type": "number", "title": "Amount" } }
            }),
        },
    ];
    let index = Index::new(&documents);
    Shape::of(&index.expand(&documents[0]).unwrap())
}

fn properties(shape: &Shape) -> &[Property] {
    match &shape.kind {
        ShapeKind::Object { properties, .. } => properties,
        other => panic!("{other:?} is no object"),
    }
}

fn string(format: Option<&str>) -> ShapeKind {
    ShapeKind::String {
        format: format.map(str::to_owned),
    }
}

#[test]
fn each_type_has_its_kind_and_null_makes_it_nullable() {
    for (schema, kind, nullable) in [
        (json!({ "type": "boolean" }), ShapeKind::Boolean, false),
        (
            json!({ "type": ["integer", "null"] }),
            ShapeKind::Integer,
            true,
        ),
        (json!({ "type": "number" }), ShapeKind::Number, false),
        (
            json!({ "type": ["integer", "number"] }),
            ShapeKind::Number,
            false,
        ),
        (
            json!({ "type": "string", "format": "date-time" }),
            string(Some("date-time")),
            false,
        ),
        (
            json!({ "type": "array", "items": { "type": "string" } }),
            ShapeKind::Array,
            false,
        ),
        (
            json!({ "type": ["string", "integer"] }),
            ShapeKind::Any,
            false,
        ),
        (json!({}), ShapeKind::Any, true),
        (json!(true), ShapeKind::Any, true),
        (json!({ "enum": ["a", "b", null] }), string(None), true),
        (json!({ "enum": [1, 2.0] }), ShapeKind::Integer, false),
        (json!({ "const": 1.5 }), ShapeKind::Number, false),
    ] {
        let shape = shape(schema.clone());
        assert_eq!((&shape.kind, shape.nullable), (&kind, nullable), "{schema}");
    }
}

#[test]
fn properties_keep_their_declared_order() {
    let shape = shape(json!({
        "type": "object",
        "properties": { "z": {}, "a": {}, "m": { "type": "string", "maxLength": 5 } },
        "required": ["m"],
        "additionalProperties": false
    }));
    let names: Vec<_> = properties(&shape)
        .iter()
        .map(|p| (p.name.as_str(), p.required))
        .collect();
    assert_eq!(names, [("z", false), ("a", false), ("m", true)]);
    assert!(matches!(shape.kind, ShapeKind::Object { open: false, .. }));
    assert_eq!(properties(&shape)[2].shape.max_length, Some(5));
}

#[test]
fn references_are_followed_within_the_file_and_into_others() {
    let shape = shape(json!({
        "type": "object",
        "properties": {
            "price": { "$ref": "../_shared/money.json", "description": "beside" },
            "tax": { "$ref": "../_shared/money.json#/$defs/amount" },
            "id": { "$ref": "#/$defs/id" }
        },
        "$defs": { "id": { "type": "string", "maxLength": 8 } }
    }));
    let [price, tax, id] = properties(&shape) else {
        panic!()
    };
    assert_eq!(properties(&price.shape)[0].shape.kind, ShapeKind::Number);
    assert_eq!(price.shape.description.as_deref(), Some("beside"));
    assert_eq!(tax.shape.title.as_deref(), Some("Amount"));
    assert_eq!(
        (&id.shape.kind, id.shape.max_length),
        (&string(None), Some(8))
    );
}

#[test]
fn all_of_is_merged_and_the_narrower_wins() {
    let shape = shape(json!({
        "type": "object",
        "allOf": [
            { "properties": { "a": { "type": "number", "x-pii": "hash" } }, "required": ["a"] },
            { "properties": { "b": { "type": "string", "maxLength": 9 } } }
        ],
        "properties": { "a": { "type": "integer" }, "b": { "maxLength": 20 } }
    }));
    let [a, b] = properties(&shape) else { panic!() };
    assert_eq!((&a.shape.kind, a.required), (&ShapeKind::Integer, true));
    assert_eq!(a.shape.annotations, [("x-pii".to_owned(), json!("hash"))]);
    assert_eq!(
        (&b.shape.kind, b.shape.max_length),
        (&string(None), Some(9))
    );
}

#[test]
fn a_choice_between_null_and_one_schema_is_that_schema() {
    let shape = shape(json!({
        "oneOf": [
            { "type": "null" },
            { "type": "object", "properties": { "a": { "type": "boolean" } }, "required": ["a"] }
        ]
    }));
    assert!(shape.nullable);
    assert_eq!(properties(&shape)[0].shape.kind, ShapeKind::Boolean);
}

#[test]
fn of_other_choices_only_what_all_agree_on_counts() {
    let shape = shape(json!({
        "type": "object",
        "anyOf": [{ "required": ["a"] }, { "required": ["b"] }],
        "properties": {
            "a": { "anyOf": [{ "type": "string", "maxLength": 3 }, { "type": "string", "maxLength": 9 }] },
            "b": { "anyOf": [{ "type": "string" }, { "type": "integer" }] },
            "c": { "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }
        }
    }));
    let [a, b, c] = properties(&shape) else {
        panic!()
    };
    assert_eq!(
        (&a.shape.kind, a.shape.max_length, a.required),
        (&string(None), Some(9), false)
    );
    assert_eq!(b.shape.kind, ShapeKind::Any);
    assert_eq!(c.shape.kind, string(None));
}

#[test]
fn a_schema_within_itself_ends_as_anything() {
    let shape = shape(json!({
        "type": "object",
        "properties": { "name": { "type": "string" }, "child": { "$ref": "#" } }
    }));
    assert_eq!(properties(&shape)[1].shape.kind, ShapeKind::Any);
}

#[test]
fn properties_may_be_named_like_keywords() {
    let shape = shape(json!({
        "type": "object",
        "properties": {
            "default": { "$ref": "#/$defs/flag" },
            "enum": { "type": "integer" },
            "$ref": { "type": "string" },
            "definitions": { "type": "array" }
        },
        "$defs": { "flag": { "type": "boolean" } }
    }));
    let kinds: Vec<_> = properties(&shape)
        .iter()
        .map(|p| p.shape.kind.clone())
        .collect();
    let expected = [
        ShapeKind::Boolean,
        ShapeKind::Integer,
        string(None),
        ShapeKind::Array,
    ];
    assert_eq!(kinds, expected);
}
