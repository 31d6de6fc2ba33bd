use serde_json::{Value, json};

use super::{Change, Kind, compare};

/// Compares two schemas that need no other documents.
fn changes(old: Value, new: Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare::schemas(&old, &new, &mut changes);
    changes
}

/// Keyword, kind, whether it breaks, and pointer of the only change.
fn only(old: Value, new: Value) -> (String, Kind, bool, String) {
    let mut changes = changes(old.clone(), new.clone());
    assert_eq!(changes.len(), 1, "{old} -> {new}: {changes:#?}");
    let change = changes.remove(0);
    assert!(!change.reason.is_empty());
    (change.keyword, change.kind, change.breaking, change.pointer)
}

fn object(properties: Value) -> Value {
    json!({ "type": "object", "properties": properties })
}

#[test]
fn equal_schemas_and_documentation_are_no_change() {
    let old =
        json!({ "type": "object", "title": "a", "properties": { "a": { "type": "string" } } });
    let new = json!({ "properties": { "a": { "description": "d", "type": "string", "examples": ["x"] } }, "type": "object" });
    assert_eq!(changes(old, new), []);
}

#[test]
fn an_optional_property_may_come_but_none_may_go() {
    let one = object(json!({ "a": { "type": "string" } }));
    let two = object(json!({ "a": { "type": "string" }, "b/c": { "type": "integer" } }));
    let come = only(one.clone(), two.clone());
    assert_eq!(
        come,
        (
            "properties".into(),
            Kind::Added,
            false,
            "/properties/b~1c".into()
        )
    );
    let gone = only(two, one);
    assert_eq!(
        gone,
        (
            "properties".into(),
            Kind::Removed,
            true,
            "/properties/b~1c".into()
        )
    );
}

#[test]
fn a_rename_is_recognised() {
    let old = object(json!({ "mail": { "type": "string", "format": "email" } }));
    let new = object(json!({ "email": { "type": "string", "format": "email" } }));
    let changes = changes(old, new);
    assert!(
        changes[0].breaking && changes[0].reason.contains("renamed to `email`?"),
        "{changes:?}"
    );
}

#[test]
fn required_may_be_dropped_but_not_added() {
    let with = json!({ "type": "object", "properties": { "a": {} }, "required": ["a"] });
    let without = object(json!({ "a": {} }));
    assert_eq!(
        only(without.clone(), with.clone()),
        ("required".into(), Kind::Added, true, "/required".into())
    );
    assert!(!only(with, without).2);
}

#[test]
fn the_table_of_single_changes() {
    let string = |keyword: &str, value: Value| json!({ "type": "string", keyword: value });
    let number = |keyword: &str, value: Value| json!({ "type": "number", keyword: value });
    let plain = |name: &str| json!({ "type": name });
    let cases = [
        // Types.
        (plain("integer"), plain("number"), true, Kind::Widened),
        (plain("number"), plain("integer"), true, Kind::Narrowed),
        (plain("string"), plain("integer"), true, Kind::Changed),
        (plain("string"), json!({}), true, Kind::Widened),
        (
            plain("string"),
            json!({ "type": ["string", "null"] }),
            false,
            Kind::Widened,
        ),
        (
            json!({ "type": ["string", "null"] }),
            plain("string"),
            true,
            Kind::Narrowed,
        ),
        // Values.
        (
            json!({ "enum": ["a"] }),
            json!({ "enum": ["a", "b"] }),
            false,
            Kind::Widened,
        ),
        (
            json!({ "enum": ["a", "b"] }),
            json!({ "enum": ["a"] }),
            true,
            Kind::Narrowed,
        ),
        (
            json!({ "const": "a" }),
            json!({ "enum": ["a", "b"] }),
            false,
            Kind::Widened,
        ),
        (
            plain("string"),
            json!({ "type": "string", "enum": ["a"] }),
            true,
            Kind::Added,
        ),
        (
            json!({ "enum": ["a"] }),
            plain("string"),
            false,
            Kind::Removed,
        ),
        // Bounds.
        (
            string("maxLength", json!(5)),
            string("maxLength", json!(9)),
            false,
            Kind::Widened,
        ),
        (
            string("maxLength", json!(9)),
            string("maxLength", json!(5)),
            true,
            Kind::Narrowed,
        ),
        (
            string("maxLength", json!(9)),
            plain("string"),
            false,
            Kind::Removed,
        ),
        (
            plain("string"),
            string("minLength", json!(1)),
            true,
            Kind::Added,
        ),
        (
            number("minimum", json!(1)),
            number("minimum", json!(0)),
            false,
            Kind::Widened,
        ),
        (
            number("minimum", json!(0)),
            number("minimum", json!(1)),
            true,
            Kind::Narrowed,
        ),
        (
            number("minimum", json!(0)),
            number("exclusiveMinimum", json!(0)),
            true,
            Kind::Narrowed,
        ),
        (
            number("exclusiveMinimum", json!(0)),
            number("minimum", json!(0)),
            false,
            Kind::Widened,
        ),
        (
            number("maximum", json!(9)),
            number("exclusiveMaximum", json!(10)),
            false,
            Kind::Widened,
        ),
        (
            number("multipleOf", json!(4)),
            number("multipleOf", json!(2)),
            false,
            Kind::Widened,
        ),
        (
            number("multipleOf", json!(2)),
            number("multipleOf", json!(4)),
            true,
            Kind::Changed,
        ),
        // Texts.
        (
            string("pattern", json!("a")),
            string("pattern", json!("b")),
            true,
            Kind::Changed,
        ),
        (
            string("pattern", json!("a")),
            plain("string"),
            false,
            Kind::Removed,
        ),
        (
            plain("string"),
            string("format", json!("email")),
            true,
            Kind::Added,
        ),
        (
            string("format", json!("email")),
            plain("string"),
            false,
            Kind::Removed,
        ),
        (
            string("format", json!("date-time")),
            plain("string"),
            true,
            Kind::Removed,
        ),
        (
            string("format", json!("date")),
            string("format", json!("date-time")),
            true,
            Kind::Changed,
        ),
        // Arrays.
        (
            json!({ "uniqueItems": true }),
            json!({}),
            false,
            Kind::Removed,
        ),
        (json!({}), json!({ "uniqueItems": true }), true, Kind::Added),
        (
            json!({ "items": { "type": "string" } }),
            json!({}),
            false,
            Kind::Removed,
        ),
        (
            json!({}),
            json!({ "items": { "type": "string" } }),
            true,
            Kind::Added,
        ),
        (
            json!({ "items": { "maxLength": 1 } }),
            json!({ "items": { "maxLength": 2 } }),
            false,
            Kind::Widened,
        ),
        (
            json!({ "prefixItems": [{}, {}] }),
            json!({ "prefixItems": [{}] }),
            true,
            Kind::Changed,
        ),
        // Openness.
        (
            plain("object"),
            json!({ "type": "object", "additionalProperties": false }),
            true,
            Kind::Narrowed,
        ),
        (
            json!({ "additionalProperties": false }),
            json!({ "additionalProperties": true }),
            false,
            Kind::Widened,
        ),
        (
            json!({ "additionalProperties": { "type": "string" } }),
            json!({ "additionalProperties": false }),
            true,
            Kind::Narrowed,
        ),
        (
            json!({ "additionalProperties": false }),
            json!({ "additionalProperties": { "type": "string" } }),
            false,
            Kind::Widened,
        ),
        // An object of one JSON column splits into columns.
        (
            plain("object"),
            object(json!({ "a": {} })),
            true,
            Kind::Changed,
        ),
        // Conditions.
        (
            json!({ "not": { "required": ["a"] } }),
            json!({}),
            true,
            Kind::Removed,
        ),
        (
            json!({}),
            json!({ "if": { "required": ["a"] } }),
            true,
            Kind::Added,
        ),
        (
            json!({ "anyOf": [{ "minimum": 1 }] }),
            json!({ "anyOf": [{ "minimum": 0 }] }),
            true,
            Kind::Changed,
        ),
    ];
    for (old, new, breaking, kind) in cases {
        let found = changes(old.clone(), new.clone());
        let first = found.iter().find(|c| c.breaking).or(found.first());
        let seen = first.map(|change| (change.breaking, change.kind));
        assert_eq!(seen, Some((breaking, kind)), "{old} -> {new}: {found:#?}");
    }
}

#[test]
fn a_property_that_was_allowed_with_another_schema_may_not_be_declared() {
    let old = json!({ "type": "object", "properties": { "a": {} }, "additionalProperties": { "type": "string" } });
    let mut new = old.clone();
    new["properties"]["b"] = json!({ "type": "integer" });
    assert!(only(old.clone(), new.clone()).2);
    new["properties"]["b"] = json!({ "type": "string" });
    assert!(!only(old, new).2);

    let old = json!({ "type": "object", "properties": { "a": {} }, "patternProperties": { "_id$": { "type": "string" } } });
    let mut new = old.clone();
    new["properties"]["user_id"] = json!({ "type": "integer" });
    assert!(only(old.clone(), new).2);
    let mut new = old.clone();
    new["properties"]["count"] = json!({ "type": "integer" });
    assert!(!only(old, new).2);
}

#[test]
fn moving_something_behind_a_reference_or_all_of_is_no_change() {
    let plain =
        object(json!({ "a": { "type": "integer", "minimum": 0 }, "b": { "type": "string" } }));
    let moved = json!({
        "type": "object",
        "properties": { "a": { "$ref": { "type": "integer", "minimum": 0 } } },
        "allOf": [{ "properties": { "b": { "type": "string" } } }]
    });
    let breaking = |changes: Vec<Change>| changes.into_iter().filter(|c| c.breaking).count();
    assert_eq!(breaking(changes(plain.clone(), moved.clone())), 0);
    assert_eq!(breaking(changes(moved, plain)), 0);
}

#[test]
fn a_change_behind_a_reference_is_found_with_its_place() {
    let schema = |minimum: u32| {
        object(json!({ "a": { "$ref": { "type": "integer", "minimum": minimum } } }))
    };
    let found = only(schema(0), schema(1));
    assert_eq!(
        found,
        (
            "minimum".into(),
            Kind::Narrowed,
            true,
            "/properties/a/$ref/minimum".into()
        )
    );
}

#[test]
fn schemas_that_cannot_be_merged_are_compared_one_by_one() {
    let schema = |minimum: u32| json!({ "type": "integer", "minimum": 0, "allOf": [{ "minimum": minimum }] });
    assert_eq!(
        only(schema(2), schema(1)),
        (
            "minimum".into(),
            Kind::Widened,
            false,
            "/allOf/0/minimum".into()
        )
    );
    assert!(only(schema(1), schema(2)).2);
    assert!(only(schema(1), json!({ "type": "integer", "minimum": 0 })).2);
}

#[test]
fn annotations_are_told_but_do_not_break() {
    let of = |said: &str| object(json!({ "a": { "type": "string", "x-note": said } }));
    let (keyword, at) = ("x-note".into(), "/properties/a/x-note".into());
    assert_eq!(only(of("a"), of("b")), (keyword, Kind::Changed, false, at));
}

#[test]
fn hashes_and_masks_need_a_new_major_and_what_is_dropped_does_not() {
    let of = |said: Option<&str>| match said {
        Some(said) => object(json!({ "a": { "type": "string", "x-pii": said } })),
        None => object(json!({ "a": { "type": "string" } })),
    };
    let (hash, mask, dropped) = (Some("hash"), Some("mask"), Some("drop"));
    for (old, new, kind, breaking) in [
        (None, hash, Kind::Added, true),
        (hash, None, Kind::Removed, true),
        (hash, dropped, Kind::Changed, true),
        (mask, hash, Kind::Changed, true),
        (dropped, mask, Kind::Changed, true),
        (None, dropped, Kind::Added, false),
        (dropped, None, Kind::Removed, false),
    ] {
        let (keyword, at) = ("x-pii".into(), "/properties/a/x-pii".into());
        let found = only(of(old), of(new));
        assert_eq!(found, (keyword, kind, breaking, at), "{old:?} {new:?}");
    }
}
