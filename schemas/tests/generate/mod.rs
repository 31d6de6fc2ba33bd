//! Generators: schemas of every supported keyword, and instances that almost always come close to being valid.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::track::Random;

const KEYS: [&str; 7] = ["a", "b", "c", "d/e", "f~g", "long_property_name", "é\"\\"];
const TEXTS: [&str; 16] = [
    "",
    "a",
    "ab",
    "abc",
    "b7",
    "é",
    "日本語",
    "😀😀",
    "x\"y\\z\n",
    "2026-11-22",
    "2026-11-22T20:07:54.5Z",
    "1.2.3.4",
    "a@b.cd",
    "P1D",
    "/a/0",
    "longer than eight bytes",
];
const NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "-0.0",
    "1",
    "1.0",
    "-1",
    "2",
    "3",
    "10",
    "1e1",
    "0.5",
    "-0.5",
    "1.5",
    "2.5",
    "0.1",
    "0.3",
    "1e-3",
    "99.99",
    "100",
    "9007199254740993",
    "18446744073709551615",
    "-9223372036854775808",
    "123456789012345678901234",
    "1e300",
];
const PATTERNS: [&str; 9] = [
    "^a",
    "b$",
    "^[a-c]{1,3}$",
    "^\\d{4}-\\d{2}-\\d{2}$",
    "[0-9]",
    "^.*$",
    "^\\w+$",
    "^[a-z]+(_[a-z]+)*$",
    "^$|x",
];
const FORMATS: [&str; 8] = [
    "date",
    "date-time",
    "ipv4",
    "email",
    "uri-reference",
    "uuid",
    "json-pointer",
    "duration",
];
const TYPES: [&str; 7] = [
    "null", "boolean", "object", "array", "string", "number", "integer",
];

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn any_number() -> impl Strategy<Value = Value> {
    prop::sample::select(&NUMBERS[..]).prop_map(number)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any_number(),
        prop::sample::select(&TEXTS[..]).prop_map(Value::from),
    ]
}

fn constant() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&KEYS[..]), inner), 0..3).prop_map(
                |members| members
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect()
            ),
        ]
    })
}

/// One keyword with its value, of those that hold no schemas.
fn assertion() -> impl Strategy<Value = (&'static str, Value)> {
    let size = || (0..4_u64).prop_map(Value::from);
    const SIZED: &[&str] = &[
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minContains",
        "maxContains",
    ];
    const BOUNDS: &[&str] = &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    const DIVISORS: &[&str] = &["1", "2", "3", "0.5", "0.1", "0.01", "1.5", "1e1"];
    let names = || prop::sample::subsequence(&KEYS[..], 0..3).prop_map(Value::from);
    prop_oneof![
        4 => prop::sample::select(&TYPES[..]).prop_map(|name| ("type", name.into())),
        2 => prop::sample::subsequence(&TYPES[..], 1..4).prop_map(|names| ("type", names.into())),
        4 => (prop::sample::select(SIZED), size()),
        3 => (prop::sample::select(BOUNDS), any_number()),
        1 => prop::sample::select(DIVISORS).prop_map(|text| ("multipleOf", number(text))),
        2 => prop::sample::select(&PATTERNS[..]).prop_map(|pattern| ("pattern", pattern.into())),
        1 => prop::sample::select(&FORMATS[..]).prop_map(|format| ("format", format.into())),
        1 => prop::collection::vec(constant(), 1..4).prop_map(|values| ("enum", values.into())),
        1 => constant().prop_map(|value| ("const", value)),
        1 => any::<bool>().prop_map(|unique| ("uniqueItems", unique.into())),
        3 => names().prop_map(|names| ("required", names)),
        1 => (prop::sample::select(&KEYS[..]), names())
            .prop_map(|(key, names)| ("dependentRequired", json!({ key: names }))),
    ]
}

/// One keyword that holds schemas.
fn applicator(inner: BoxedStrategy<Value>) -> impl Strategy<Value = (&'static str, Value)> {
    const ONE: &[&str] = &[
        "additionalProperties",
        "propertyNames",
        "items",
        "contains",
        "not",
        "if",
        "then",
        "else",
    ];
    const LIST: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
    let by_key = |inner: BoxedStrategy<Value>| {
        prop::collection::vec((prop::sample::select(&KEYS[..]), inner), 1..4).prop_map(|members| {
            members
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect()
        })
    };
    prop_oneof![
        6 => by_key(inner.clone()).prop_map(|map: Value| ("properties", map)),
        4 => (prop::sample::select(ONE), inner.clone()),
        4 => (prop::sample::select(LIST), prop::collection::vec(inner.clone(), 1..4))
            .prop_map(|(keyword, schemas)| (keyword, schemas.into())),
        1 => by_key(inner.clone()).prop_map(|map: Value| ("dependentSchemas", map)),
        2 => (prop::sample::select(&PATTERNS[..]), inner)
            .prop_map(|(pattern, schema)| ("patternProperties", json!({ pattern: schema }))),
    ]
}

fn object(keywords: Vec<(&'static str, Value)>) -> Value {
    keywords
        .into_iter()
        .map(|(keyword, value)| (keyword.to_owned(), value))
        .collect()
}

/// Schemas of 2020-12, with two definitions that any part may refer to.
pub(crate) fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        8 => prop::collection::vec(assertion(), 1..4).prop_map(object),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => prop::sample::select(&["#/$defs/a", "#/$defs/b", "#"][..])
            .prop_map(|reference| json!({ "$ref": reference })),
    ];
    let schema = leaf.prop_recursive(3, 24, 3, |inner| {
        (
            prop::collection::vec(assertion(), 0..3),
            prop::collection::vec(applicator(inner.boxed()), 1..3),
        )
            .prop_map(|(mut keywords, more)| {
                keywords.extend(more);
                object(keywords)
            })
    });
    (schema.clone(), schema.clone(), schema).prop_map(|(root, a, b)| {
        let mut root = match root {
            Value::Object(root) => root,
            other => Map::from_iter([("allOf".to_owned(), json!([other]))]),
        };
        root.insert("$defs".to_owned(), json!({ "a": a, "b": b }));
        Value::Object(root)
    })
}

/// The same schema in the keywords of draft-07, as far as that has them.
pub(crate) fn as_draft7(schema: Value) -> Value {
    let Value::Object(map) = schema else {
        return schema;
    };
    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
        let mut out = json!({ "$ref": reference.replace("$defs", "definitions") });
        if let Some(definitions) = map.get("$defs") {
            out["definitions"] = each(definitions.clone());
        }
        return out;
    }
    let mut out = Map::new();
    let tuple = map.contains_key("prefixItems");
    for (keyword, value) in map {
        match keyword.as_str() {
            "minContains" | "maxContains" => {}
            "format" if value == "uuid" || value == "duration" => {}
            "enum" | "const" => drop(out.insert(keyword, value)),
            "prefixItems" => drop(out.insert("items".to_owned(), each(value))),
            "items" if tuple => drop(out.insert("additionalItems".to_owned(), as_draft7(value))),
            "$defs" => drop(out.insert("definitions".to_owned(), each(value))),
            "dependentRequired" => drop(out.insert("dependencies".to_owned(), value)),
            "dependentSchemas" => drop(out.insert("dependencies".to_owned(), each(value))),
            "properties" | "patternProperties" | "allOf" | "anyOf" | "oneOf" => {
                drop(out.insert(keyword, each(value)));
            }
            _ => drop(out.insert(keyword, as_draft7(value))),
        }
    }
    Value::Object(out)
}

fn each(schemas: Value) -> Value {
    match schemas {
        Value::Array(list) => list.into_iter().map(as_draft7).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, as_draft7(value)))
            .collect(),
        other => other,
    }
}

/// Values near the schema, and what a few changes make of them.
pub(crate) fn instances(schema: &Value, r: &mut Random) -> Vec<Value> {
    let mut values = Vec::new();
    for _ in 0..12 {
        let near = near(schema, schema, r, 4);
        let mut changed = near.clone();
        change(&mut changed, r);
        values.extend([near, changed]);
    }
    values
}

fn pick<'a, T>(from: &'a [T], r: &mut Random) -> &'a T {
    &from[r.below(from.len())]
}

fn any_value(r: &mut Random, depth: usize) -> Value {
    match r.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(r.below(2) == 0),
        2 | 3 => number(r.pick(&NUMBERS)),
        4 | 5 => r.pick(&TEXTS).into(),
        6 => (0..r.below(4)).map(|_| any_value(r, depth - 1)).collect(),
        _ => (0..r.below(4))
            .map(|_| (r.pick(&KEYS).to_owned(), any_value(r, depth - 1)))
            .collect(),
    }
}

/// A value that has a good chance of being valid: one that follows some of the schema's own hints.
fn near(schema: &Value, root: &Value, r: &mut Random, depth: usize) -> Value {
    let Some(map) = schema.as_object().filter(|_| depth > 0) else {
        return any_value(r, depth.min(2));
    };
    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(&reference[1..]).unwrap_or(root);
        return near(target, root, r, depth - 1);
    }
    if let Some(constant) = map.get("const").filter(|_| r.below(4) > 0) {
        return constant.clone();
    }
    if let Some(constants) = map
        .get("enum")
        .and_then(Value::as_array)
        .filter(|_| r.below(4) > 0)
    {
        return pick(constants, r).clone();
    }
    let branches = ["allOf", "anyOf", "oneOf", "if", "then", "else"];
    let branch = map.get(r.pick(&branches)).filter(|_| r.below(2) == 0);
    match branch {
        Some(Value::Array(list)) => return near(pick(list, r), root, r, depth - 1),
        Some(one) => return near(one, root, r, depth - 1),
        None => {}
    }
    let kind = match map.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => pick(kinds, r).as_str().unwrap(),
        _ if map.contains_key("properties") || map.contains_key("required") => "object",
        _ if map.contains_key("items") || map.contains_key("prefixItems") => "array",
        _ => r.pick(&TYPES),
    };
    match kind {
        "object" => near_object(map, root, r, depth),
        "array" => near_array(map, root, r, depth),
        "string" => r.pick(&TEXTS).into(),
        "number" | "integer" => number(r.pick(&NUMBERS)),
        "boolean" => Value::Bool(r.below(2) == 0),
        _ => Value::Null,
    }
}

fn near_object(map: &Map<String, Value>, root: &Value, r: &mut Random, depth: usize) -> Value {
    let mut out = Map::new();
    let properties = map.get("properties").and_then(Value::as_object);
    for (key, schema) in properties.into_iter().flatten() {
        if r.below(4) > 0 {
            out.insert(key.clone(), near(schema, root, r, depth - 1));
        }
    }
    let other = map
        .get("additionalProperties")
        .unwrap_or(&Value::Bool(true));
    for key in map
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if r.below(8) > 0 {
            let key = key.as_str().unwrap().to_owned();
            out.entry(key)
                .or_insert_with(|| near(other, root, r, depth - 1));
        }
    }
    if r.below(3) == 0 {
        out.insert(r.pick(&KEYS).to_owned(), near(other, root, r, depth - 1));
    }
    Value::Object(out)
}

fn near_array(map: &Map<String, Value>, root: &Value, r: &mut Random, depth: usize) -> Value {
    let prefix = map.get("prefixItems").and_then(Value::as_array);
    let any = Value::Bool(true);
    let items = [map.get("items"), map.get("contains")];
    let count = prefix.map_or(0, Vec::len) + r.below(3);
    (0..count)
        .map(|at| {
            let schema = prefix
                .and_then(|prefix| prefix.get(at))
                .or(*pick(&items, r))
                .unwrap_or(&any);
            near(schema, root, r, depth - 1)
        })
        .collect()
}

/// Changes one place of a value.
fn change(value: &mut Value, r: &mut Random) {
    let inner = r.below(4) > 0;
    match value {
        Value::Object(map) if inner && !map.is_empty() => {
            let at = r.below(map.len());
            let key = map.keys().nth(at).unwrap().clone();
            if r.below(4) == 0 {
                map.remove(&key);
            } else {
                change(&mut map[&key], r);
            }
        }
        Value::Array(list) if inner && !list.is_empty() => {
            let at = r.below(list.len());
            match r.below(4) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                _ => change(&mut list[at], r),
            }
        }
        other => *other = any_value(r, 1),
    }
}

/// The value as text, with white space and escapes where JSON allows them.
pub(crate) fn render(value: &Value, r: &mut Random) -> String {
    let mut out = String::new();
    write_value(value, r, &mut out);
    out
}

fn write_value(value: &Value, r: &mut Random, out: &mut String) {
    space(r, out);
    match value {
        Value::Object(map) => {
            out.push('{');
            for (at, (key, value)) in map.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                space(r, out);
                write_text(key, r, out);
                space(r, out);
                out.push(':');
                write_value(value, r, out);
            }
            space(r, out);
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (at, value) in list.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_value(value, r, out);
            }
            space(r, out);
            out.push(']');
        }
        Value::String(text) => write_text(text, r, out),
        other => out.push_str(&other.to_string()),
    }
    space(r, out);
}

fn space(r: &mut Random, out: &mut String) {
    if r.below(16) == 0 {
        out.push_str(["\n", " ", "\t \r\n"][r.below(3)]);
    }
}

fn write_text(text: &str, r: &mut Random, out: &mut String) {
    if r.below(4) > 0 {
        out.push_str(&Value::from(text).to_string());
        return;
    }
    out.push('"');
    for unit in text.encode_utf16() {
        out.push_str(&format!("\\u{unit:04x}"));
    }
    out.push('"');
}
