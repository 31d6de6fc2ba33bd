use serde_json::{Value, json};

use crate::program::{Document, Program, compile_all};

/// Compiles documents of these names into one set.
fn set(documents: Vec<(&str, Value)>) -> Vec<Program> {
    let documents: Vec<_> = documents
        .into_iter()
        .map(|(name, value)| Document {
            uri: format!("headgate:///events/{name}.json"),
            value,
        })
        .collect();
    let programs = compile_all(&documents);
    programs
        .into_iter()
        .map(|program| program.unwrap())
        .collect()
}

fn order(currency: &str) -> Value {
    json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": { "type": "string", "pattern": "^[a-z]+(-[0-9]+)*$" },
            "total": { "type": "number", "minimum": 0, "maximum": 1e9 },
            "currency": { "enum": [currency, null, 1, ["a"]] },
            "place": { "properties": { "city": { "maxLength": 10 } } },
        },
    })
}

#[test]
fn equal_schemas_are_one() {
    let programs = set(vec![("a/1", order("EUR")), ("b/1", order("EUR"))]);
    assert_eq!(programs[0].root(), programs[1].root());
}

#[test]
fn different_schemas_share_their_equal_parts_only() {
    let alone = set(vec![("a/1", order("EUR"))]);
    let both = set(vec![("a/1", order("EUR")), ("b/1", order("USD"))]);
    let (alone, rules) = (alone[0].rules(), both[0].rules());
    assert_ne!(both[0].root(), both[1].root());
    // The root and the node of the currency.
    assert_eq!(rules.nodes.len(), alone.nodes.len() + 2);
    assert_eq!(rules.objects.len(), alone.objects.len() + 1);
    assert_eq!(rules.patterns.len(), 1);
    for (at, currency) in ["EUR", "USD"].into_iter().enumerate() {
        let text = format!(r#"{{"id":"a-1","total":0.5,"currency":"{currency}"}}"#);
        let verdicts = both.iter().map(|program| program.check(&text, 9).is_ok());
        assert_eq!(verdicts.collect::<Vec<_>>(), [at == 0, at == 1]);
    }
}

#[test]
fn values_that_are_equal_but_written_otherwise_stay_apart() {
    let number = |value: Value| json!({ "const": value });
    let programs = set(vec![("a/1", number(json!(1))), ("b/1", number(json!(1.0)))]);
    let message = |at: usize| programs[at].check("2", 9).unwrap_err()[0].message.clone();
    assert_eq!([message(0), message(1)], ["2 is not 1", "2 is not 1.0"]);
}

#[test]
fn schemas_that_refer_to_themselves_are_packed_once_for_each_place() {
    let tree = json!({
        "type": "object",
        "properties": { "name": { "type": "string" }, "next": { "$ref": "tree.json" } },
        "additionalProperties": false,
    });
    let user =
        |name: &str| json!({ "properties": { name: { "$ref": "/events/_shared/tree.json" } } });
    let programs = set(vec![
        ("_shared/tree", tree.clone()),
        ("a/1", user("a")),
        ("b/1", user("b")),
    ]);
    let rules = programs[0].rules();
    // true, false, the tree, its name, and a root for each of the users.
    assert_eq!(rules.nodes.len(), 6);
    for (program, key) in programs[1..].iter().zip(["a", "b"]) {
        let text = |leaf: &str| format!(r#"{{"{key}":{{"name":"x","next":{{"next":{leaf}}}}}}}"#);
        assert_eq!(program.check(&text(r#"{"name":"y"}"#), 9), Ok(()));
        let violations = program.check(&text(r#"{"name":1}"#), 9).unwrap_err();
        assert_eq!(violations[0].pointer, format!("/{key}/next/next/name"));
        assert!(program.check(&text("1"), 9).is_err());
    }
}

#[test]
fn chains_of_references_that_end_where_they_began_are_packed() {
    let step = |to: usize| json!({ "properties": { "n": { "$ref": format!("#/$defs/{to}") } } });
    let mut steps: serde_json::Map<String, Value> = (0..50)
        .map(|at| (at.to_string(), step((at + 1) % 50)))
        .collect();
    steps["7"]["type"] = json!("object");
    let program = set(vec![(
        "a/1",
        json!({ "$ref": "#/$defs/0", "$defs": steps }),
    )]);
    let nested = |depth: usize| format!("{}1{}", r#"{"n":"#.repeat(depth), "}".repeat(depth));
    for depth in [1, 6, 8, 56, 58, 100] {
        assert_eq!(program[0].check(&nested(depth), 128), Ok(()), "{depth}");
    }
    for depth in [7, 57, 107] {
        assert!(program[0].check(&nested(depth), 128).is_err(), "{depth}");
    }
}

#[test]
fn more_than_64_properties_are_required_to_the_last() {
    let names: Vec<String> = (0..130).map(|at| format!("property_{at}")).collect();
    let properties: serde_json::Map<String, Value> =
        names.iter().map(|name| (name.clone(), json!({}))).collect();
    let program = set(vec![(
        "a/1",
        json!({ "required": names, "properties": properties }),
    )]);
    let text = |without: Option<usize>| {
        let members = names.iter().enumerate();
        let members = members.filter(|(at, _)| Some(*at) != without);
        let members: Vec<_> = members.map(|(_, name)| format!("\"{name}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(program[0].check(&text(None), 9), Ok(()));
    for without in [0, 63, 64, 129] {
        let violations = program[0].check(&text(Some(without)), 9).unwrap_err();
        assert_eq!(violations.len(), 1, "{without}");
        assert!(
            violations[0]
                .message
                .contains(&format!("property_{without}\""))
        );
    }
}
