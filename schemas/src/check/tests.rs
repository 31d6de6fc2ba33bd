use serde_json::{Value, json};

use crate::event::Violation;
use crate::program::{Document, Program, compile};
use crate::walk::Cursor;

fn program(schema: Value) -> Program {
    let document = Document {
        uri: "headgate:///events/test/1.json".to_owned(),
        value: schema,
    };
    compile(&document, &[]).unwrap()
}

/// What is found, as `pointer keyword`.
fn found(schema: Value, text: &str) -> Vec<String> {
    let violations = program(schema).check(text, 32).err().unwrap_or_default();
    violations
        .iter()
        .map(|violation| format!("{} {}", violation.pointer, violation.keyword))
        .collect()
}

fn first(schema: Value, text: &str) -> Violation {
    program(schema).check(text, 32).unwrap_err().remove(0)
}

#[test]
fn a_value_within_a_longer_text_passes_as_it_does_alone() {
    let program = program(json!({ "type": "object", "properties": { "n": { "minimum": 3 } } }));
    for (value, passes) in [
        (r#"{"n": 3, "x": [[]]}"#, true),
        (r#"{"n": 2}"#, false),
        (r#"{"n": 3,}"#, false),
        (r#"{"x": [[[]]]}"#, false),
    ] {
        assert_eq!(program.check(value, 3).is_ok(), passes, "{value}");
        let text = format!(r#"[ {value} , 1]"#);
        let mut cursor = Cursor::new(&text, 9);
        cursor.array().unwrap();
        cursor.space();
        let start = cursor.at();
        assert_eq!(program.passes(&mut cursor, 3), passes, "{value}");
        assert_eq!(
            cursor.at(),
            start + if passes { value.len() } else { 0 },
            "{value}"
        );
    }
}

#[test]
fn violations_say_where_what_and_why() {
    let schema = json!({
        "type": "object",
        "required": ["id"],
        "additionalProperties": false,
        "properties": {
            "id": { "type": "string", "maxLength": 3 },
            "items": {
                "type": "array",
                "maxItems": 2,
                "items": { "properties": { "price": { "type": "number", "minimum": 0, "multipleOf": 0.5 } } },
            },
            "color": { "enum": ["red", 1] },
            "a/b~c": { "type": ["string", "null"] },
        },
    });
    let text = r#"{"items":[{"price":1},{"price":-1.2},{"price":"x"}],"color":"blue","a\/b~c":7,"extra":{}}"#;
    let violations = program(schema).check(text, 32).unwrap_err();
    let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "/items/1/price: -1.2 is less than the minimum of 0 (minimum)",
            "/items/1/price: -1.2 is not a multiple of 0.5 (multipleOf)",
            "/items/2/price: expected number, found string \"x\" (type)",
            "/items: 3 items are more than the maximum of 2 (maxItems)",
            "/color: \"blue\" is not one of \"red\", 1 (enum)",
            "/a~1b~0c: expected null or string, found number 7 (type)",
            "/extra: is not allowed here (additionalProperties)",
            ": the property \"id\" is missing (required)",
        ]
    );
}

#[test]
fn a_text_that_is_not_sound_json_yields_only_that() {
    let schema = json!({ "required": ["absent"], "properties": { "a": { "type": "string" } } });
    for (text, expected) in [
        (r#"{"a":1,"#, &[" syntax"][..]),
        (r#"{"a":{"b":[1,2,tru]}}"#, &["/a/b/2 syntax"]),
        ("{} {}", &[" syntax"]),
        ("", &[" syntax"]),
        (r#"{"a":"\ud800"}"#, &["/a encoding"]),
        (r#"{"\udc00":1}"#, &[" encoding"]),
        (r#"{"a":1,"a":2}"#, &["/a duplicateKey"]),
        (r#"{"a":1,"a":1e999"#, &[" syntax"]),
        (r#"{"a":1,"\u0061":2}"#, &["/a duplicateKey"]),
        (
            r#"{"x":[{"y/z":{"k":1,"l":2,"k":3}}],"x":0}"#,
            &["/x/0/y~1z/k duplicateKey", "/x duplicateKey"],
        ),
        (
            r#"{"a":1e400,"b":[-1e999]}"#,
            &["/a numberRange", "/b/0 numberRange"],
        ),
    ] {
        assert_eq!(found(schema.clone(), text), expected, "{text}");
    }
    let huge = format!("[{}]", "9".repeat(400));
    assert_eq!(found(json!(true), &huge), ["/0 numberRange"]);
    let syntax = first(json!(true), "[1,2");
    assert_eq!(syntax.message, "unexpected end of input at byte 4");
}

#[test]
fn duplicate_keys_are_found_wherever_and_however_many() {
    let keys: Vec<String> = (0..200).map(|i| format!(r#""k{i}":{i}"#)).collect();
    let names: serde_json::Map<String, Value> =
        (0..100).map(|i| (format!("k{i}"), json!({}))).collect();
    for schema in [
        json!(true),
        json!({ "properties": names }),
        json!({ "not": { "type": "null" } }),
    ] {
        assert_eq!(
            found(schema.clone(), &format!("{{{}}}", keys.join(","))),
            Vec::<String>::new()
        );
        for twice in [0, 7, 8, 99, 100, 199] {
            let text = format!(r#"{{"o":{{{},"k{twice}":0}}}}"#, keys.join(","));
            assert_eq!(
                found(schema.clone(), &text),
                [format!("/o/k{twice} duplicateKey")]
            );
            let text = format!(r#"{{{},"k{twice}":0}}"#, keys.join(","));
            assert_eq!(
                found(schema.clone(), &text),
                [format!("/k{twice} duplicateKey")]
            );
        }
    }
}

#[test]
fn depth_is_limited_by_the_caller_and_by_the_stack() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let program = program(
        json!({ "anyOf": [{ "type": "array", "items": { "$ref": "#" } }, { "type": "integer" }] }),
    );
    assert_eq!(program.check(&nested(32), 32), Ok(()));
    let violation = program.check(&nested(33), 32).unwrap_err().remove(0);
    assert_eq!(
        (violation.keyword, violation.pointer.matches("/0").count()),
        ("depth", 32)
    );
    // Whatever the caller allows, a thread with a small stack survives.
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let verdict = small.spawn(move || {
        assert_eq!(program.check(&nested(128), u32::MAX), Ok(()));
        program.check(&nested(100_000), u32::MAX)
    });
    assert_eq!(
        verdict.unwrap().join().unwrap().unwrap_err()[0].keyword,
        "depth"
    );
}

#[test]
fn schemas_within_schemas_do_not_exhaust_the_stack() {
    let mut schema = json!({ "type": "array", "items": { "$ref": "#" } });
    for _ in 0..60 {
        schema = json!({ "allOf": [schema, true] });
    }
    let text = format!("{}{}", "[".repeat(128), "]".repeat(128));
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let verdict = small
        .spawn(move || program(schema).check(&text, 128))
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(verdict.unwrap_err()[0].keyword, "depth");
}

#[test]
fn work_stays_bounded_when_branches_nest_through_the_levels() {
    // Each level is walked over by four branches: 4^60 walks if results were not remembered.
    let node = json!({
        "$ref": "#/$defs/node",
        "$defs": { "node": {
            "allOf": [
                { "properties": { "child": { "$ref": "#/$defs/node" } } },
                { "properties": { "child": { "$ref": "#/$defs/node" } } },
            ],
            "anyOf": [
                { "properties": { "child": { "$ref": "#/$defs/node" } }, "required": ["other"] },
                { "properties": { "child": { "$ref": "#/$defs/node" } } },
            ],
            "type": "object",
        }},
    });
    let program = program(node);
    let nested = |leaf: &str| format!("{}{leaf}{}", r#"{"child":"#.repeat(60), "}".repeat(60));
    assert_eq!(program.check(&nested("{}"), 128), Ok(()));
    let violations = program.check(&nested("1"), 128).unwrap_err();
    assert!(
        violations
            .iter()
            .any(|violation| violation.keyword == "type"),
        "{violations:?}"
    );
}

#[test]
fn at_most_twenty_violations_are_reported() {
    let text = format!("[{}]", vec!["1"; 100].join(","));
    let violations = found(json!({ "items": { "type": "string" } }), &text);
    assert_eq!(violations.len(), 20);
}

#[test]
fn long_values_are_cut_in_messages() {
    let long = format!("\"{}\"", "é".repeat(10_000));
    for schema in [
        json!({ "type": "null" }),
        json!({ "pattern": "^a" }),
        json!({ "const": "a".repeat(9_999) }),
    ] {
        assert!(first(schema, &long).message.len() < 300);
    }
}

#[test]
fn the_only_alternative_of_the_right_type_tells_its_reasons() {
    let card = json!({ "type": "object", "required": ["number"] });
    for keyword in ["anyOf", "oneOf"] {
        let schema = json!({ "properties": { "card": { keyword: [{ "type": "null" }, card] } } });
        assert_eq!(found(schema.clone(), r#"{"card":{}}"#), ["/card required"]);
        assert_eq!(found(schema, r#"{"card":1}"#), [format!("/card {keyword}")]);
    }
}

#[test]
fn applicators_report_under_their_own_name() {
    for (schema, text, expected) in [
        (json!({ "not": { "type": "string" } }), r#""x""#, " not"),
        (
            json!({ "if": { "type": "string" }, "then": false }),
            r#""x""#,
            " then",
        ),
        (
            json!({ "if": { "type": "string" }, "else": { "minimum": 3 } }),
            "1",
            " minimum",
        ),
        (
            json!({ "propertyNames": { "maxLength": 1 } }),
            r#"{"ab":1}"#,
            "/ab propertyNames",
        ),
        (
            json!({ "patternProperties": { "^a": { "type": "null" } } }),
            r#"{"ab":1}"#,
            "/ab type",
        ),
        (
            json!({ "contains": { "type": "null" } }),
            "[1]",
            " contains",
        ),
        (
            json!({ "contains": true, "maxContains": 1 }),
            "[1,2]",
            " maxContains",
        ),
        (
            json!({ "uniqueItems": true }),
            r#"[{"a":1,"b":[2.0]},{"b":[2],"a":1e0}]"#,
            " uniqueItems",
        ),
        (json!({ "const": { "a": [1] } }), r#"{"a":[2]}"#, " const"),
        (
            json!({ "dependentRequired": { "a": ["b"] } }),
            r#"{"a":1}"#,
            " dependentRequired",
        ),
        (
            json!({ "dependentSchemas": { "a": { "maxProperties": 1 } } }),
            r#"{"a":1,"b":1}"#,
            " maxProperties",
        ),
        (
            json!({ "properties": { "a": false } }),
            r#"{"a":1}"#,
            "/a properties",
        ),
        (json!(false), "1", " false"),
    ] {
        assert_eq!(found(schema.clone(), text), [expected], "{schema} {text}");
    }
}

#[test]
fn integers_beyond_64_bits_are_integers_and_doubles_with_no_fraction_too() {
    let schema = json!({ "type": "integer" });
    for text in [
        "1",
        "-0",
        "1.0",
        "1e3",
        "18446744073709551616",
        "1e300",
        "-123456789012345678901234567890",
    ] {
        assert_eq!(found(schema.clone(), text), Vec::<String>::new(), "{text}");
    }
    for text in ["1.5", "1e-1"] {
        assert_eq!(found(schema.clone(), text), [" type"], "{text}");
    }
}

#[test]
fn strings_are_measured_in_code_points() {
    let schema = json!({ "minLength": 2, "maxLength": 3 });
    for (text, fits) in [
        ("é", false),
        ("éé", true),
        ("😀😀😀", true),
        ("😀😀😀😀", false),
        ("abcd", false),
    ] {
        assert_eq!(
            found(schema.clone(), &format!("\"{text}\"")).is_empty(),
            fits,
            "{text}"
        );
    }
    assert!(found(schema, r#""\ud83d\ude00\u0041""#).is_empty());
}

#[test]
fn bounds_hold_to_the_digit() {
    for (keyword, bound, least, most) in [
        (
            "minimum",
            "3",
            &["3", "3.0", "3.01", "4", "1e1"][..],
            &["2.99", "2", "-3", "29e-1", "0"][..],
        ),
        (
            "exclusiveMinimum",
            "3",
            &["3.01", "4"],
            &["3", "3.0", "2.9"],
        ),
        (
            "maximum",
            "3",
            &["3", "3.0", "2.99", "-4"],
            &["3.01", "4", "1e1"],
        ),
        (
            "exclusiveMaximum",
            "3",
            &["2.99", "2", "-3.5"],
            &["3", "3.0", "3.5", "4"],
        ),
        (
            "minimum",
            "-1.5",
            &["-1.5", "-1", "-0.5", "0"],
            &["-1.51", "-2"],
        ),
        (
            "maximum",
            "-1.5",
            &["-1.5", "-2", "-1.51"],
            &["-1.49", "-1", "0"],
        ),
        (
            "exclusiveMaximum",
            "0.5",
            &["0.4", "0", "-0.5"],
            &["0.5", "0.6", "1"],
        ),
        (
            "minimum",
            "9007199254740993",
            &["9007199254740993"],
            &["9007199254740992", "0", "1"],
        ),
        ("maximum", "1e300", &["1e300", "5"], &["2e300"]),
    ] {
        let schema = json!({ keyword: serde_json::from_str::<Value>(bound).unwrap() });
        for text in least {
            assert_eq!(
                found(schema.clone(), text),
                Vec::<String>::new(),
                "{schema} {text}"
            );
        }
        for text in most {
            assert_eq!(
                found(schema.clone(), text),
                [format!(" {keyword}")],
                "{schema} {text}"
            );
        }
    }
}
