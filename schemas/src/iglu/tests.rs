use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::registry::{LoadErrors, Registry, SharedRegistry};

const DEPTH_MAX: u32 = 32;
const PRICE: &str = "iglu:com.example/price/jsonschema/1-0-0";
const FILE: &str = "_iglu/com.example/price/jsonschema/1-0-0";

/// As Iglu's schemas are written.
fn price() -> Value {
    json!({
        "$schema": "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#",
        "description": "A price",
        "self": {"vendor": "com.example", "name": "price", "format": "jsonschema", "version": "1-0-0"},
        "type": "object",
        "properties": {
            "amount": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
            "share": {"type": "number", "maximum": 1, "exclusiveMaximum": false},
            "exclusiveMinimum": {"enum": [{"exclusiveMinimum": true}]},
        },
        "required": ["amount"],
        "additionalProperties": false,
    })
}

fn set(file: &str, schema: &Value) -> Result<Registry, LoadErrors> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, schema.to_string()).unwrap();
    Registry::load(dir.path())
}

fn violations(registry: &Registry, name: &str, data: &Value) -> Option<Vec<String>> {
    let checked = registry
        .iglu()
        .check(name, &data.to_string(), DEPTH_MAX, &[])?;
    let found = checked.err().unwrap_or_default().into_iter();
    Some(found.map(|violation| violation.pointer).collect())
}

#[test]
fn a_schema_of_iglu_checks_what_names_it_and_is_no_events() {
    let registry = set(FILE, &price()).unwrap();
    let check = |data: Value| violations(&registry, PRICE, &data).unwrap();
    assert_eq!(check(json!({"amount": 0.1, "share": 1})), [""; 0]);
    assert_eq!(
        check(json!({"amount": 0, "share": 2})),
        ["/amount", "/share"]
    );
    assert_eq!(check(json!({"amount": 1, "other": 1})), ["/other"]);
    let data = json!({"amount": 1, "exclusiveMinimum": {"exclusiveMinimum": true}});
    assert_eq!(check(data), [""; 0]);
    let other = PRICE.replace("1-0-0", "1-0-1");
    assert_eq!(violations(&registry, &other, &json!({})), None);
    let empty = Registry::empty().unwrap();
    assert!(empty.iglu().is_empty() && !registry.iglu().is_empty());
    assert_eq!(registry.schemas().count(), empty.schemas().count());
}

#[test]
fn a_file_is_at_the_place_that_it_names_and_is_told_of_where_it_is_not() {
    for (file, pointer, reason) in [
        (
            "_iglu/com.example/price/jsonschema/1-0-1",
            "/self/version",
            "1-0-1",
        ),
        (
            "_iglu/com.example/cost/jsonschema/1-0-0",
            "/self/name",
            "cost",
        ),
        (
            "_iglu/com.example/price/jsonschema/1-0",
            "",
            "<vendor>/<name>",
        ),
        ("_iglu/com.example/price/avro/1-0-0", "", "<vendor>/<name>"),
        ("_iglu/com.example/1-0-0", "", "<vendor>/<name>"),
    ] {
        let errors = set(file, &price()).unwrap_err().errors;
        assert_eq!(errors.len(), 1, "{errors:#?}");
        let error = &errors[0];
        assert_eq!((&*error.file, &*error.pointer), (Path::new(file), pointer));
        assert!(error.reason.contains(reason), "{error}");
    }
    let mut wrong = price();
    wrong["properties"]["amount"]["minimun"] = json!(3);
    let errors = set(FILE, &wrong).unwrap_err().errors;
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0].pointer, "/properties/amount/minimun");
}

#[test]
fn a_reload_tells_what_has_changed_among_them() {
    let shared = SharedRegistry::new(Registry::empty().unwrap());
    let before = shared.load().fingerprint();
    let summary = shared.replace(set(FILE, &price()).unwrap());
    assert_eq!(summary.added, [PRICE]);
    assert_ne!(summary.fingerprint, before);
    assert!(!shared.load().iglu().is_empty());
    let mut wider = price();
    wider["additionalProperties"] = json!(true);
    let summary = shared.replace(set(FILE, &wider).unwrap());
    assert_eq!(
        (summary.changed, summary.added.len()),
        (vec![PRICE.to_owned()], 0)
    );
    let summary = shared.replace(Registry::empty().unwrap());
    assert_eq!(summary.removed, [PRICE]);
}
