use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::event::Violation;
use crate::registry::{LoadErrors, Registry};
use crate::schema::Schema;
use crate::shape::{Shape, ShapeKind};
use crate::walk::Cursor;

const DEPTH_MAX: u32 = 64;

fn load(files: &[(&str, Value)]) -> Result<Registry, LoadErrors> {
    let texts: Vec<(&str, String)> = files.iter().map(|(f, v)| (*f, v.to_string())).collect();
    let files = texts
        .iter()
        .map(|(f, text)| (Path::new(*f), text.as_bytes()));
    Registry::from_files(files)
}

fn registry(properties: Value) -> Registry {
    load(&[(
        "thing/1.json",
        json!({ "type": "object", "properties": properties }),
    )])
    .unwrap()
}

fn thing(registry: &Registry) -> &Schema {
    registry.resolve("thing", None).unwrap()
}

fn plan(properties: Value) -> Plan {
    thing(&registry(properties)).privacy().unwrap().clone()
}

fn paths(plan: &Plan) -> Vec<String> {
    let each = plan.places().iter();
    each.map(|place| format!("{} {}", place.path, place.action))
        .collect()
}

/// Not a hash, but as good here.
fn hash(value: &[u8]) -> String {
    format!("<{}>", String::from_utf8_lossy(value))
}

fn applied(plan: &Plan, text: &str) -> String {
    let mut apply = Apply::new(text, Some(&hash));
    apply.data(plan, &mut Cursor::new(text, DEPTH_MAX)).unwrap();
    apply.finish().unwrap_or_else(|| text.to_owned())
}

fn applied_to_wrong(plan: &Plan, text: &str) -> String {
    let mut apply = Apply::to_wrong(text, Some(&hash));
    apply.data(plan, &mut Cursor::new(text, DEPTH_MAX)).unwrap();
    apply.finish().unwrap_or_else(|| text.to_owned())
}

/// Where problems are, without the file.
fn refused(files: &[(&str, Value)]) -> Vec<String> {
    let errors = load(files).unwrap_err().errors;
    errors.into_iter().map(|error| error.pointer).collect()
}

fn one_refused(schema: Value) -> Vec<String> {
    refused(&[("thing/1.json", schema)])
}

#[test]
fn the_rest_of_the_text_stays_as_it_stands() {
    let plan = plan(json!({
        "email": { "x-pii": "hash" }, "ip": { "x-pii": "mask" }, "name": { "x-pii": "drop" },
    }));
    let text =
        r#"{ "id":1.50 , "email" : "a\u0040b" ,"name": {"x":[1]}, "ip":"1.2.3.4","z": [ ] }"#;
    assert_eq!(
        applied(&plan, text),
        r#"{ "id":1.50 , "email" : "<a@b>", "ip":"***","z": [ ] }"#
    );
}

#[test]
fn whichever_members_are_dropped_what_is_left_is_json() {
    let plan = plan(json!({ "a": { "x-pii": "drop" }, "b": { "x-pii": "drop" } }));
    for (before, after) in [
        (r#"{"a":1}"#, r#"{}"#),
        (r#"{ "a" : 1 }"#, r#"{  }"#),
        (r#"{"a":1,"b":2}"#, r#"{}"#),
        (r#"{"a":1,"c":2}"#, r#"{"c":2}"#),
        (r#"{"c":2,"a":1}"#, r#"{"c":2}"#),
        (r#"{"a":1,"c":2,"b":3}"#, r#"{"c":2}"#),
        (r#"{"c":2,"a":1,"b":3,"d":4}"#, r#"{"c":2,"d":4}"#),
        (r#"{"c":2,"a":1,"b":3}"#, r#"{"c":2}"#),
        (r#"{"a":1,"b":3,"c":2,"a":3}"#, r#"{"c":2}"#),
        (r#"{"c":2,"a":[{"a":1},{}],"d":4}"#, r#"{"c":2,"d":4}"#),
        (r#"{}"#, r#"{}"#),
    ] {
        let found = applied(&plan, before);
        assert_eq!(found, after, "{before}");
        serde_json::from_str::<Value>(&found).unwrap();
    }
}

#[test]
fn numbers_and_booleans_are_hashed_by_their_text_and_null_stays() {
    let plan = plan(json!({ "a": { "x-pii": "hash" }, "b": { "x-pii": "mask" } }));
    for (before, after) in [
        ("1.50", "\"<1.50>\""),
        ("true", "\"<true>\""),
        ("null", "null"),
        ("\"\"", "\"<>\""),
        ("[1, 2]", "\"<[1, 2]>\""),
    ] {
        let found = applied(&plan, &format!(r#"{{"a":{before},"b":{before}}}"#));
        let masked = if before == "null" { "null" } else { "\"***\"" };
        assert_eq!(found, format!(r#"{{"a":{after},"b":{masked}}}"#));
    }
}

#[test]
fn annotations_are_found_in_objects_arrays_references_and_branches() {
    let shared = json!({ "type": "object", "properties": { "email": { "type": "string", "x-pii": "hash" } } });
    let schema = json!({
        "type": "object",
        "$defs": { "phone": { "type": "string", "x-pii": "mask" } },
        "properties": {
            "buyer": { "$ref": "../_shared/person.json" },
            "people": { "type": "array", "items": { "$ref": "../_shared/person.json" } },
            "phones": { "type": "array", "items": { "$ref": "#/$defs/phone" } },
            "tags": { "type": "object", "additionalProperties": { "type": "string", "x-pii": "mask" },
                      "properties": { "open": { "type": "string" } } },
            "id": { "anyOf": [{ "type": "string", "x-pii": "hash" }, { "type": "null" }] },
            "a/b": { "x-pii": "drop" },
        },
        "allOf": [{ "if": { "required": ["id"] }, "then": { "properties": { "why": { "x-pii": "drop" } } } }],
    });
    let registry = load(&[("thing/1.json", schema), ("_shared/person.json", shared)]).unwrap();
    let plan = thing(&registry).privacy().unwrap();
    let mut found = paths(plan);
    found.sort();
    assert_eq!(
        found,
        [
            "/a~1b drop",
            "/buyer/email hash",
            "/id hash",
            "/people/*/email hash",
            "/phones/* mask",
            "/tags/* mask",
            "/why drop",
        ]
    );
    let text = json!({
        "buyer": { "email": "a", "x": 1 }, "people": [{ "email": "b" }, {}, { "y": 2 }], "phones": ["1", "2"],
        "tags": { "open": "o", "t": "u" }, "id": "i", "a/b": 1, "why": 2,
    });
    let after = json!({
        "buyer": { "email": "<a>", "x": 1 }, "people": [{ "email": "<b>" }, {}, { "y": 2 }], "phones": ["***", "***"],
        "tags": { "open": "o", "t": "***" }, "id": "<i>",
    });
    assert_eq!(applied(plan, &text.to_string()), after.to_string());
}

#[test]
fn of_two_annotations_at_a_place_the_stronger_holds() {
    let schema = json!({
        "type": "object",
        "properties": { "a": { "x-pii": "hash" }, "b": { "x-pii": "drop" } },
        "allOf": [{ "properties": { "a": { "x-pii": "mask" }, "b": { "x-pii": "hash" } },
                    "additionalProperties": { "x-pii": "hash" } },
                  { "properties": { "c": true } }],
    });
    let registry = load(&[("thing/1.json", schema)]).unwrap();
    let found = paths(thing(&registry).privacy().unwrap());
    assert_eq!(found, ["/a mask", "/b drop", "/* hash"]);
}

#[test]
fn draft_07_honours_an_annotation_beside_a_reference() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "definitions": { "text": { "type": "string" } },
        "properties": { "a": { "$ref": "#/definitions/text", "x-pii": "hash" } },
    });
    let registry = load(&[("thing/1.json", schema)]).unwrap();
    assert_eq!(paths(thing(&registry).privacy().unwrap()), ["/a hash"]);
}

#[test]
fn what_cannot_be_honoured_is_refused_with_its_place() {
    let of = |properties: Value| json!({ "type": "object", "properties": properties });
    let hash = json!({ "x-pii": "hash" });
    for (schema, place) in [
        (
            of(json!({ "a": { "x-pii": "encrypt" } })),
            "/properties/a/x-pii",
        ),
        (of(json!({ "a": { "x-pii": true } })), "/properties/a/x-pii"),
        (json!({ "type": "object", "x-pii": "hash" }), "/x-pii"),
        (
            json!({ "type": "object", "not": { "properties": { "a": hash } } }),
            "/not/properties/a/x-pii",
        ),
        (
            json!({ "type": "object", "if": { "properties": { "a": hash } }, "then": true }),
            "/if/properties/a/x-pii",
        ),
        (
            json!({ "type": "object", "patternProperties": { "^a": hash } }),
            "/patternProperties/^a/x-pii",
        ),
        (
            of(json!({ "a": { "contains": hash } })),
            "/properties/a/contains/x-pii",
        ),
        (
            of(json!({ "a": { "prefixItems": [hash] } })),
            "/properties/a/prefixItems/0/x-pii",
        ),
        (
            of(json!({ "a": { "prefixItems": [true], "items": hash } })),
            "/properties/a/items/x-pii",
        ),
        (
            of(json!({ "a": { "items": { "x-pii": "drop" } } })),
            "/properties/a/items/x-pii",
        ),
        (
            of(json!({ "a": { "type": "object", "x-pii": "hash" } })),
            "/properties/a/x-pii",
        ),
        (
            of(json!({ "a": { "type": ["array", "null"], "x-pii": "mask" } })),
            "/properties/a/x-pii",
        ),
        (
            of(json!({ "a": hash, "next": { "$ref": "#" } })),
            "/properties/next/$ref",
        ),
    ] {
        assert_eq!(one_refused(schema.clone()), [place], "{schema}");
    }
    let recursive = of(json!({ "next": { "$ref": "#" }, "a": { "type": "string" } }));
    assert!(load(&[("thing/1.json", recursive)]).is_ok());
}

#[test]
fn hashes_and_masks_are_text_and_what_is_dropped_leaves_its_column() {
    let registry = registry(json!({
        "when": { "type": "string", "format": "date-time", "x-pii": "hash" },
        "age": { "type": ["integer", "null"], "x-pii": "mask" },
        "born": { "type": "string", "format": "date", "x-pii": "drop" },
        "deep": { "type": "object", "properties": { "n": { "type": "number", "x-pii": "hash" } } },
    }));
    let ShapeKind::Object { properties, .. } = &thing(&registry).shape().kind else {
        panic!("no object")
    };
    let of = |shape: &Shape| (shape.kind.clone(), shape.nullable, shape.max_length);
    let text = |format: Option<&str>| ShapeKind::String {
        format: format.map(str::to_owned),
    };
    assert_eq!(
        of(&properties[0].shape),
        (text(None), false, Some(HASH_CHARS))
    );
    assert_eq!(of(&properties[1].shape), (text(None), true, Some(3)));
    assert_eq!(of(&properties[2].shape), (text(Some("date")), false, None));
    let ShapeKind::Object { properties, .. } = &properties[3].shape.kind else {
        panic!("no object")
    };
    assert_eq!(properties[0].shape.kind, text(None));
}

fn messages(violations: Vec<Violation>) -> String {
    violations.iter().map(|v| format!("{v}\n")).collect()
}

#[test]
fn what_is_told_of_a_wrong_value_does_not_repeat_it() {
    let registry = registry(json!({
        "email": { "type": "string", "format": "email", "pattern": "@", "enum": ["x@y.z"], "x-pii": "hash" },
        "age": { "type": "integer", "maximum": 120, "x-pii": "drop" },
        "people": { "type": "array", "items": { "properties": { "email": { "maxLength": 3, "x-pii": "mask" } } } },
        "open": { "type": "string", "maxLength": 1, "pattern": "^a" },
    }));
    let data = r#"{"email":"secret-1","age":7777,"people":["secret-2",{"email":["secret-3"]}],"open":"told-4"}"#;
    let found = messages(thing(&registry).check(data, DEPTH_MAX).unwrap_err());
    assert!(
        !found.contains("secret") && !found.contains("7777"),
        "{found}"
    );
    assert!(
        found.contains("told-4") && found.contains("/email"),
        "{found}"
    );
    let whole = messages(
        thing(&registry)
            .check("\"secret-5\"", DEPTH_MAX)
            .unwrap_err(),
    );
    assert!(!whole.contains("secret"), "{whole}");
    let whole = r#"{"people":"secret-6"}"#;
    let whole = messages(thing(&registry).check(whole, DEPTH_MAX).unwrap_err());
    assert!(!whole.contains("secret"), "{whole}");
}

#[test]
fn what_stands_in_the_way_of_annotated_values_is_masked_where_data_may_be_wrong() {
    let plan = plan(json!({
        "who": { "properties": { "email": { "x-pii": "hash" } } },
        "list": { "items": { "x-pii": "hash" } },
    }));
    let data = r#"{"who":"{\"email\":1}","list":{"a":"b"},"c":"d"}"#;
    assert_eq!(
        applied_to_wrong(&plan, data),
        r#"{"who":"***","list":"***","c":"d"}"#
    );
    assert_eq!(applied(&plan, data), data);
    assert_eq!(applied_to_wrong(&plan, "[{\"who\":1}]"), "\"***\"");
    assert_eq!(
        applied_to_wrong(&plan, r#"{"who":7,"list":null}"#),
        r#"{"who":7,"list":null}"#
    );
}

#[test]
fn what_was_hidden_before_is_not_held_against_the_schema_again() {
    let schema = json!({
        "type": "object", "required": ["name", "n"],
        "properties": {
            "email": { "type": "string", "format": "email", "x-pii": "hash" },
            "name": { "type": "string", "x-pii": "drop" },
            "n": { "type": "integer" },
            "ips": { "type": "array", "items": { "type": "string", "format": "ipv4", "x-pii": "mask" } },
        },
    });
    let registry = load(&[("thing/1.json", schema)]).unwrap();
    let schema = thing(&registry);
    let plan = schema.privacy().unwrap();
    let done: Vec<String> = plan
        .places()
        .iter()
        .map(|place| place.path.clone())
        .collect();
    let hidden = applied(
        plan,
        r#"{"email":"a@b.cd","name":"x","n":1,"ips":["1.2.3.4"]}"#,
    );
    assert!(schema.check(&hidden, DEPTH_MAX).is_err());
    assert_eq!(schema.check_again(&hidden, DEPTH_MAX, &done), Ok(()));
    // To drop or mask once more changes nothing, and nothing is hashed twice.
    let left = plan.without(&done).unwrap();
    assert_eq!(paths(&left), ["/ips/* mask", "/name drop"]);
    assert_eq!(applied(&left, &hidden), hidden);
    let lacking = schema.check_again(r#"{"email":"<","ips":[]}"#, DEPTH_MAX, &done);
    assert_eq!(
        messages(lacking.unwrap_err()),
        ": the property \"n\" is missing (required)\n"
    );
}

#[test]
fn a_sets_file_annotates_built_in_schemas_and_described_track_calls() {
    let own = json!({ "type": "object", "x-track": true, "properties": { "email": { "type": "string", "x-pii": "hash" } } });
    let file = json!({
        "calls": { "/context/ip": "drop", "/context/traits/email": "mask" },
        "track": { "/properties/phone": "drop" },
        "webhook": { "/people/*/email": "hash" },
    });
    let registry = load(&[("signed_up/1.json", own.clone()), (FILE, file)]).unwrap();
    let of = |name: &str| paths(registry.resolve(name, None).unwrap().privacy().unwrap());
    assert_eq!(
        of("identify"),
        ["/context/ip drop", "/context/traits/email mask"]
    );
    assert_eq!(
        of("track"),
        [
            "/context/ip drop",
            "/context/traits/email mask",
            "/properties/phone drop"
        ]
    );
    assert_eq!(
        of("signed_up"),
        [
            "/context/ip drop",
            "/context/traits/email mask",
            "/properties/email hash"
        ]
    );
    assert_eq!(of("webhook"), ["/people/*/email hash"]);
    assert!(
        registry.private()
            && registry
                .resolve("snowplow_event", None)
                .unwrap()
                .privacy()
                .is_none()
    );
    assert_eq!(registry.hashing(), ["signed_up/1", "webhook/1"]);
    let before = load(&[("signed_up/1.json", own)]).unwrap();
    assert_ne!(before.fingerprint(), registry.fingerprint());
}

#[test]
fn a_sets_file_promises_nothing_that_cannot_be_kept() {
    for (file, places) in [
        (json!([]), vec![""]),
        (json!({ "tracks": {} }), vec!["/tracks"]),
        (
            json!({ "track": { "context": "drop", "/context/ip": "rot13" } }),
            vec!["/track/context", "/track/~1context~1ip"],
        ),
        (
            json!({ "webhook": { "/a/*": "drop" } }),
            vec!["/webhook/~1a~1*"],
        ),
        // The envelope has it too.
        (
            json!({ "identify": { "/userId": "hash" } }),
            vec!["/properties/userId"],
        ),
        // A column of numbers that may be there already.
        (
            json!({ "page": { "/context/screen/width": "hash" } }),
            vec!["/context/screen/width"],
        ),
    ] {
        assert_eq!(refused(&[(FILE, file.clone())]), places, "{file}");
    }
    let own = json!({ "type": "object" });
    let both = refused(&[
        ("page/1.json", own),
        (FILE, json!({ "page": { "/a": "drop" } })),
    ]);
    assert_eq!(both, [""]);
}

#[test]
fn schemas_of_iglu_may_be_annotated_too() {
    let name = "iglu:com.example/a/jsonschema/1-0-0";
    let schema = json!({
        "self": { "vendor": "com.example", "name": "a", "format": "jsonschema", "version": "1-0-0" },
        "type": "object", "properties": { "email": { "type": "string", "maxLength": 3, "x-pii": "hash" } },
    });
    let registry = load(&[("_iglu/com.example/a/jsonschema/1-0-0", schema)]).unwrap();
    assert!(registry.private() && registry.iglu().private());
    assert_eq!(registry.hashing(), [name]);
    let checked = registry
        .iglu()
        .check(name, r#"{"email":"secret"}"#, DEPTH_MAX, &[]);
    assert!(!messages(checked.unwrap().unwrap_err()).contains("secret"));
    let done = ["/email".to_owned()];
    assert_eq!(
        registry
            .iglu()
            .check(name, r#"{"email":"secret"}"#, DEPTH_MAX, &done),
        Some(Ok(()))
    );
}

#[test]
fn hashes_of_short_values_do_not_fill_the_memory() {
    let plan = plan(
        json!({ "codes": { "type": "array", "items": { "type": "integer", "x-pii": "hash" } } }),
    );
    let of = |count: usize| format!("{{\"codes\":[1{}]}}", ",1".repeat(count - 1));
    let long = |_: &[u8]| "h".repeat(64);
    let hashed = |text: &str| {
        let mut apply = Apply::new(text, Some(&long));
        apply
            .data(&plan, &mut Cursor::new(text, DEPTH_MAX))
            .unwrap();
        apply.finish().unwrap()
    };
    let some = hashed(&of(900));
    assert_eq!(some.matches("hhhh").count(), 900 * 16);
    let text = of(500_000);
    let many = hashed(&text);
    assert!(many.len() < 8 * text.len(), "{}", many.len());
    assert!(many.contains("***") && !many.contains('1'));
}

#[test]
fn what_was_hashed_at_a_star_is_not_hashed_under_a_name() {
    let plan = plan(json!({ "a": { "type": "object", "properties": {
        "b": { "x-pii": "hash" }, "c": { "x-pii": "mask" } } } }));
    let left = plan.without(&["/a/*".to_owned()]).unwrap();
    assert_eq!(paths(&left), ["/a/c mask"]);
    assert_eq!(plan.without(&[]).as_deref(), Some(&plan));
}

#[test]
fn a_star_in_the_sets_file_is_of_elements_and_of_members() {
    let builtin = json!({ "webhook": { "/buyer/*/email": "hash", "/codes/*": "mask" } });
    let registry = load(&[("_privacy.json", builtin)]).unwrap();
    let plan = registry
        .resolve("webhook", None)
        .unwrap()
        .privacy()
        .unwrap();
    assert_eq!(paths(plan), ["/buyer/*/email hash", "/codes/* mask"]);
    let text = r#"{"buyer":{"a":{"email":"x"}},"codes":["x",{}]}"#;
    let expected = r#"{"buyer":{"a":{"email":"<x>"}},"codes":["***","***"]}"#;
    assert_eq!(applied(plan, text), expected);
    let text = r#"{"buyer":[{"email":"x"}],"codes":{"a":"x"}}"#;
    let expected = r#"{"buyer":[{"email":"<x>"}],"codes":{"a":"***"}}"#;
    assert_eq!(applied(plan, text), expected);
    // Some of these are numbers, with columns of their own.
    let numbers = json!({ "calls": { "/context/screen/*": "mask" } });
    assert!(load(&[("_privacy.json", numbers)]).is_err());
}

#[test]
fn places_within_what_describes_itself_are_refused_in_the_sets_file() {
    for path in ["/unstruct_event/data/email", "/contexts/*/data/email"] {
        let errors = load(&[(
            "_privacy.json",
            json!({ "snowplow_event": { path: "mask" } }),
        )]);
        let text = errors.unwrap_err().to_string();
        assert!(text.contains("annotate those under _iglu"), "{text}");
    }
    let whole = json!({ "snowplow_event": { "/contexts": "drop" } });
    assert!(load(&[("_privacy.json", whole)]).is_ok());
}

#[test]
fn a_circle_through_places_that_are_not_walked_is_refused_too() {
    for (keyword, value) in [
        ("patternProperties", json!({ "^kid": { "$ref": "#" } })),
        ("prefixItems", json!([{ "$ref": "#" }])),
        ("not", json!({ "properties": { "kid": { "$ref": "#" } } })),
    ] {
        let mut schema =
            json!({ "type": "object", "properties": { "email": { "x-pii": "hash" } } });
        schema[keyword] = value;
        let errors = load(&[("thing/1.json", schema)]);
        let text = errors.unwrap_err().to_string();
        assert!(text.contains("refers to itself"), "{keyword}: {text}");
    }
}
