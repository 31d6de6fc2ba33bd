use serde_json::json;

use super::*;

fn document(uri: &str, value: Value) -> Document {
    Document {
        uri: uri.to_owned(),
        value,
    }
}

fn compiled(schema: Value) -> Result<Program, Vec<Refused>> {
    compile(&document("headgate:///events/a/1.json", schema), &[])
}

/// The places and keywords that are refused.
fn refused(schema: Value) -> Vec<String> {
    let refused = compiled(schema).err().unwrap_or_default();
    refused
        .iter()
        .map(|one| format!("{} {}", one.pointer, one.keyword))
        .collect()
}

const DRAFT7: &str = "http://json-schema.org/draft-07/schema#";

#[test]
fn what_is_not_supported_is_refused_by_name_wherever_it_stands() {
    for (keyword, value) in [
        ("unevaluatedProperties", json!(false)),
        ("unevaluatedItems", json!(false)),
        ("$dynamicRef", json!("#a")),
        ("$dynamicAnchor", json!("a")),
        ("$vocabulary", json!({})),
        ("contentSchema", json!({})),
        ("dependencies", json!({})),
        ("additionalItems", json!({})),
        ("divisibleBy", json!(2)),
        ("maxlength", json!(2)),
        ("id", json!("x")),
    ] {
        let inner = json!({ keyword: value });
        assert_eq!(refused(inner.clone()), [format!("/{keyword} {keyword}")]);
        let within = json!({ "properties": { "a/b": { "items": { "anyOf": [true, inner] } } } });
        let place = format!("/properties/a~1b/items/anyOf/1/{keyword} {keyword}");
        assert_eq!(refused(within), [place]);
        assert_eq!(
            refused(json!({ "$defs": { "unused": inner } })).len(),
            1,
            "{keyword}"
        );
    }
}

#[test]
fn keywords_with_wrong_values_are_refused() {
    for (keyword, value) in [
        ("type", json!("text")),
        ("type", json!([])),
        ("type", json!(1)),
        ("enum", json!("a")),
        ("multipleOf", json!(0)),
        ("multipleOf", json!(-1)),
        ("maximum", json!("1")),
        ("minLength", json!("x")),
        ("maxLength", json!(-1)),
        ("maxItems", json!(1.5)),
        ("uniqueItems", json!("yes")),
        ("pattern", json!("(")),
        ("pattern", json!("(?=a)")),
        ("pattern", json!(r"(a)\1")),
        ("pattern", json!("((a{1000}){1000}){1000}")),
        ("format", json!("iri")),
        ("format", json!("dateTime")),
        ("required", json!("a")),
        ("required", json!(["a", "a"])),
        ("required", json!([1])),
        ("dependentRequired", json!({ "a": "b" })),
        ("properties", json!([])),
        ("patternProperties", json!({ "[": true })),
        ("allOf", json!([])),
        ("anyOf", json!({})),
        ("prefixItems", json!([])),
        ("$defs", json!([])),
        ("$ref", json!(1)),
        ("$schema", json!("http://json-schema.org/draft-04/schema#")),
        ("title", json!(1)),
        ("deprecated", json!("yes")),
        ("examples", json!({})),
    ] {
        let found = refused(json!({ keyword: value }));
        assert!(
            found.contains(&format!("/{keyword} {keyword}")),
            "{keyword} {value}: {found:?}"
        );
    }
    assert_eq!(refused(json!({ "items": [true] })), ["/items "]);
    assert_eq!(
        refused(json!({ "properties": { "a": 1 } })),
        ["/properties/a "]
    );
    assert_eq!(refused(json!("schema")), [" "]);
}

#[test]
fn all_reasons_are_told_at_once() {
    let schema =
        json!({ "minLength": "x", "properties": { "a": { "format": "nonsense", "foo": 1 } } });
    assert_eq!(
        refused(schema),
        [
            "/minLength minLength",
            "/properties/a/foo foo",
            "/properties/a/format format"
        ]
    );
}

#[test]
fn annotations_are_allowed() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/a",
        "$comment": "c", "title": "t", "description": "d", "default": {}, "examples": [1],
        "deprecated": true, "readOnly": true, "writeOnly": false, "x-pii": { "hash": true },
        "contentEncoding": "base64", "contentMediaType": "image/png",
    });
    assert!(compiled(schema).is_ok());
}

#[test]
fn draft_07_has_its_own_keywords_and_ignores_nothing_beside_a_reference() {
    let draft7 = |mut schema: Value| {
        schema["$schema"] = DRAFT7.into();
        schema
    };
    let tuple = draft7(json!({
        "items": [{ "type": "string" }],
        "additionalItems": false,
        "dependencies": { "a": ["b"], "c": { "required": ["d"] } },
        "definitions": { "x": { "$id": "#x" } },
        "properties": { "e": { "$ref": "#x" } },
    }));
    let program = compiled(tuple).unwrap();
    assert!(program.check(r#"["a"]"#, 32).is_ok());
    assert_eq!(
        program.check(r#"["a",1]"#, 32).unwrap_err()[0].keyword,
        "additionalItems"
    );
    assert_eq!(
        program.check(r#"{"a":1}"#, 32).unwrap_err()[0].keyword,
        "dependentRequired"
    );
    assert_eq!(
        program.check(r#"{"c":1}"#, 32).unwrap_err()[0].keyword,
        "required"
    );
    assert_eq!(
        refused(draft7(json!({ "dependentRequired": {} }))),
        ["/dependentRequired dependentRequired"]
    );
    let beside = json!({ "definitions": { "x": true }, "properties": {
        "a": { "$ref": "#/definitions/x", "title": "fine", "maxLength": 3 },
    }});
    assert_eq!(
        refused(draft7(beside)),
        ["/properties/a/maxLength maxLength"]
    );
}

#[test]
fn references_lead_within_and_between_documents() {
    let others = [
        document(
            "headgate:///common/money.json",
            json!({
                "$defs": { "amount": { "$anchor": "amount", "type": "number", "minimum": 0 } },
                "properties": { "amount": { "$ref": "#amount" }, "next": { "$ref": "#" } },
            }),
        ),
        document(
            "headgate:///common/other.json",
            json!({ "$id": "https://example.com/ids/name", "maxLength": 3 }),
        ),
    ];
    let root = document(
        "headgate:///events/a/1.json",
        json!({
            "properties": {
                "price": { "$ref": "../../common/money.json" },
                "amount": { "$ref": "/common/money.json#amount" },
                "plain": { "$ref": "/common/money.json#/$defs/amount" },
                "name": { "$ref": "https://example.com/ids/name" },
                "self": { "$ref": "#/properties/amount" },
                "tree": { "$ref": "#" },
            },
        }),
    );
    let program = compile(&root, &others).unwrap();
    for place in [
        "/price/amount",
        "/price/next/next/amount",
        "/amount",
        "/plain",
        "/self",
        "/tree/tree/plain",
    ] {
        let mut text = "-1".to_owned();
        for key in place.rsplit('/').filter(|key| !key.is_empty()) {
            text = format!(r#"{{"{key}":{text}}}"#);
        }
        let violations = program.check(&text, 32).unwrap_err();
        assert_eq!(
            (violations[0].pointer.as_str(), violations[0].keyword),
            (place, "minimum")
        );
    }
    assert!(program.check(r#"{"name":"long"}"#, 32).is_err());
}

#[test]
fn references_that_lead_nowhere_are_refused() {
    for reference in [
        "#/$defs/absent",
        "#absent",
        "other.json",
        "https://json-schema.org/draft/2020-12/schema",
        "#/properties",
        "#/x-notes/a",
        "#%zz",
    ] {
        let schema =
            json!({ "properties": { "a": { "$ref": reference } }, "x-notes": { "a": {} } });
        assert_eq!(refused(schema), ["/properties/a/$ref $ref"], "{reference}");
    }
    let other = document(
        "headgate:///b.json",
        json!({ "$defs": { "x": { "frobnicate": 1 } } }),
    );
    let root = document("headgate:///a.json", json!({ "$ref": "b.json#/$defs/x" }));
    let found = compile(&root, &[other]).unwrap_err();
    assert_eq!(found[0].pointer, "headgate:///b.json#/$defs/x/frobnicate");
}

#[test]
fn a_circle_of_references_that_consumes_nothing_is_refused() {
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "not": { "$ref": "#/$defs/a" } } } }),
        json!({ "dependentSchemas": { "a": { "if": { "$ref": "#" } } } }),
    ] {
        let found = compiled(schema.clone()).unwrap_err();
        assert!(
            found[0].reason.contains("refers back to itself"),
            "{schema}: {found:?}"
        );
    }
    let recursive =
        json!({ "properties": { "next": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] } } });
    assert!(compiled(recursive).is_ok());
}

#[test]
fn long_chains_of_references_cost_no_stack() {
    let mut defs = serde_json::Map::new();
    for i in 0..20_000 {
        defs.insert(
            format!("d{i}"),
            json!({ "$ref": format!("#/$defs/d{}", i + 1) }),
        );
    }
    defs.insert("d20000".to_owned(), json!({ "type": "null" }));
    let program = compiled(json!({ "$ref": "#/$defs/d0", "$defs": defs })).unwrap();
    assert!(program.check("null", 32).is_ok());
    assert!(program.check("1", 32).is_err());
}

#[test]
fn an_id_is_the_base_of_what_is_below_it() {
    let schema = json!({
        "$id": "https://example.com/root.json",
        "$defs": {
            "inner": {
                "$id": "folder/inner.json",
                "$defs": { "x": { "type": "null" } },
                "properties": { "a": { "$ref": "#/$defs/x" }, "b": { "$ref": "../root.json#/$defs/y" } },
            },
            "y": { "type": "string" },
        },
        "$ref": "folder/inner.json",
    });
    let program = compiled(schema).unwrap();
    assert!(program.check(r#"{"a":null,"b":"x"}"#, 32).is_ok());
    assert_eq!(program.check(r#"{"a":1,"b":1}"#, 32).unwrap_err().len(), 2);
    let twice = json!({ "$defs": { "a": { "$id": "x" }, "b": { "$id": "x" } } });
    assert_eq!(refused(twice), ["/$defs/b/$id $id"]);
}
