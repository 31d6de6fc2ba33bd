use serde_json::{Value, json};

use super::{Index, TooLarge, join, meaning};
use crate::program::Document;

fn expand(documents: Vec<(&str, Value)>) -> Result<Value, TooLarge> {
    let documents: Vec<_> = documents
        .into_iter()
        .map(|(uri, value)| Document {
            uri: format!("headgate:///events/{uri}"),
            value,
        })
        .collect();
    Index::new(&documents).expand(&documents[0])
}

#[test]
fn references_resolve_as_uris_do() {
    let base = "headgate:///events/a/1.json";
    for (reference, expected) in [
        ("", base),
        ("#/$defs/x", "headgate:///events/a/1.json#/$defs/x"),
        ("2.json", "headgate:///events/a/2.json"),
        ("./2.json", "headgate:///events/a/2.json"),
        (
            "../_shared/m.json#/a",
            "headgate:///events/_shared/m.json#/a",
        ),
        ("../../../m.json", "headgate:///m.json"),
        ("/m.json", "headgate:///m.json"),
        ("https://x.example/m", "https://x.example/m"),
    ] {
        assert_eq!(join(base, reference), expected, "{reference}");
    }
    assert_eq!(
        join("https://x.example/a/b", "//y.example/c"),
        "https://y.example/c"
    );
}

#[test]
fn anchors_ids_and_escaped_pointers_are_found() {
    let expanded = expand(vec![(
        "a/1.json",
        json!({
            "properties": {
                "a": { "$ref": "#here" },
                "b": { "$ref": "https://ids.example/inner" },
                "c": { "$ref": "#/$defs/x~1y%20z" }
            },
            "$defs": {
                "1": { "$anchor": "here", "type": "string" },
                "2": { "$id": "https://ids.example/inner", "$ref": "#/$defs/deep", "$defs": { "deep": { "minimum": 1 } } },
                "x/y z": { "type": "null" }
            }
        }),
    )]);
    let expanded = expanded.unwrap();
    assert_eq!(expanded["properties"]["a"]["$ref"]["type"], "string");
    assert_eq!(expanded["properties"]["b"]["$ref"]["$ref"]["minimum"], 1);
    assert_eq!(expanded["properties"]["c"]["$ref"]["type"], "null");
    assert!(expanded.get("$defs").is_none());
}

#[test]
fn draft_7_hides_what_stands_beside_a_reference() {
    let schema = |dialect: &str| {
        json!({
            "$schema": dialect,
            "properties": { "a": { "$ref": "#/definitions/x", "minimum": 3 } },
            "definitions": { "x": { "type": "integer" } }
        })
    };
    let old = expand(vec![(
        "a/1.json",
        schema("http://json-schema.org/draft-07/schema#"),
    )])
    .unwrap();
    let new = expand(vec![(
        "a/1.json",
        schema("https://json-schema.org/draft/2020-12/schema"),
    )])
    .unwrap();
    assert!(old["properties"]["a"].get("minimum").is_none());
    assert_eq!(new["properties"]["a"]["minimum"], 3);
}

#[test]
fn references_that_multiply_are_refused() {
    let mut definitions = serde_json::Map::new();
    for level in 0..40 {
        let next = format!("#/$defs/{}", level + 1);
        let both = json!({ "properties": { "a": { "$ref": next }, "b": { "$ref": next } } });
        definitions.insert(level.to_string(), both);
    }
    definitions.insert("40".to_owned(), json!({}));
    let bomb = json!({ "$ref": "#/$defs/0", "$defs": definitions });
    assert_eq!(expand(vec![("a/1.json", bomb)]), Err(TooLarge));
}

#[test]
fn documentation_has_no_meaning_but_a_property_of_that_name_has() {
    let with = json!({ "title": "t", "x-pii": "hash", "properties": { "title": { "type": "string", "description": "d" } } });
    assert_eq!(
        meaning(&with),
        json!({ "properties": { "title": { "type": "string" } } })
    );
}
