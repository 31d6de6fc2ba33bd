//! What holds for any bytes, shared between the fuzz target `walker` and the test that replays it.

use headgate_schemas::program::{Document, Program, compile};
use headgate_schemas::walk::Cursor;
use serde_json::{Value, json};

/// As deep as `serde_json` goes too.
const DEPTH_MAX: u32 = 127;

thread_local! {
    static PROGRAM: Program = program();
}

/// A schema that leads into every part of the validator.
fn program() -> Program {
    let value = json!({
        "properties": {
            "a": { "$ref": "#" },
            "b": { "anyOf": [{ "$ref": "#" }, { "type": "string", "pattern": "^(a|b)*$" }] },
            "s": { "minLength": 1, "maxLength": 9, "format": "date-time" },
            "n": { "minimum": -1.5, "exclusiveMaximum": 1e3, "multipleOf": 0.01 },
            "e": { "enum": [1, "x", [1], { "y": null }] },
        },
        "patternProperties": { "^x": { "not": { "type": "array" } } },
        "items": { "if": { "type": "object" }, "then": { "$ref": "#" } },
        "contains": true,
        "uniqueItems": true,
        "propertyNames": { "maxLength": 20 },
        "dependentSchemas": { "a": { "maxProperties": 3 } },
    });
    let document = Document {
        uri: "headgate:///events/fuzz/1.json".to_owned(),
        value,
    };
    compile(&document, &[]).expect("the schema is supported")
}

/// Reads the bytes in every way and compares.
pub(crate) fn walk(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut cursor = Cursor::new(text, DEPTH_MAX);
    let skipped = cursor.skip().and_then(|value| cursor.end().map(|()| value));
    let parsed = serde_json::from_str::<Value>(text);
    let any = compile(
        &Document {
            uri: "headgate:///events/any/1.json".to_owned(),
            value: Value::Bool(true),
        },
        &[],
    )
    .expect("true is a schema");
    let verdict = any.check(text, DEPTH_MAX);
    match (&parsed, &skipped) {
        (Ok(_), Ok(value)) => assert_eq!(*value, text.trim_matches([' ', '\n', '\r', '\t'])),
        // serde_json refuses numbers beyond f64 while it parses, the cursor leaves them to the validator.
        (Err(_), Ok(_)) => {
            let violations = verdict.as_ref().expect_err("serde_json refuses it");
            assert!(
                violations.iter().any(|v| v.keyword == "numberRange"),
                "{violations:?}"
            );
        }
        (Ok(_), Err(syntax)) => panic!("{syntax}, but serde_json takes it"),
        (Err(_), Err(syntax)) => assert!(syntax.at <= text.len()),
    }
    match &verdict {
        Ok(()) => assert!(parsed.is_ok()),
        // serde_json takes the last of equal keys.
        Err(violations) => assert!(
            parsed.is_err() || violations.iter().all(|v| v.keyword == "duplicateKey"),
            "{violations:?}"
        ),
    }
    PROGRAM.with(|program| {
        if let Err(violations) = program.check(text, DEPTH_MAX) {
            assert!((1..=20).contains(&violations.len()));
            let value = parsed.unwrap_or_default();
            for violation in violations {
                let unsound = ["syntax", "encoding", "depth", "numberRange"];
                assert!(
                    unsound.contains(&violation.keyword)
                        || value.pointer(&violation.pointer).is_some(),
                    "{violation} points nowhere"
                );
            }
        } else {
            assert_eq!(verdict, Ok(()));
        }
    });
}
