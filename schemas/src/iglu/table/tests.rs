use std::fs;

use serde_json::json;

use super::*;
use crate::registry::{LoadErrors, Registry};

/// The set of these files: schemas of Iglu have the properties, others are those of events.
fn set(files: &[(&str, Value)]) -> Result<Registry, LoadErrors> {
    let dir = tempfile::tempdir().unwrap();
    for (file, properties) in files {
        let mut schema = json!({"type": "object", "properties": properties});
        if let Some(place) = file.strip_prefix("_iglu/") {
            let parts: Vec<&str> = place.split('/').collect();
            schema["self"] = json!({"vendor": parts[0], "name": parts[1], "format": parts[2], "version": parts[3]});
        }
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, schema.to_string()).unwrap();
    }
    Registry::load(dir.path())
}

fn told(files: &[(&str, Value)]) -> Vec<String> {
    let errors = set(files).err().map_or(Vec::new(), |errors| errors.errors);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn each_model_has_a_table_by_the_name_that_analysts_know() {
    let none = || json!({});
    let registry = set(&[
        ("_iglu/com.acme/product/jsonschema/1-0-0", none()),
        ("_iglu/com.acme/product/jsonschema/2-0-0", none()),
        ("_iglu/com.acme-shop/addToCart/jsonschema/1-0-0", none()),
    ])
    .unwrap();
    let tables = registry.families().filter(|(_, family)| family[0].entity());
    let tables: Vec<&str> = tables.map(|(table, _)| table).collect();
    let expected = [
        "com_acme_product_1",
        "com_acme_product_2",
        "com_acme_shop_add_to_cart_1",
    ];
    assert_eq!(tables, expected);
    // Nobody can send an event of such a schema.
    assert!(registry.schemas().all(|schema| !schema.entity()));
    let expected = registry.expected().filter(|(_, family)| family[0].entity());
    assert_eq!(expected.count(), 3);
}

#[test]
fn the_versions_of_a_model_are_a_family_in_their_order_by_number() {
    let registry = set(&[
        ("_iglu/com.acme/product/jsonschema/1-0-10", json!({"c": {}})),
        ("_iglu/com.acme/product/jsonschema/1-0-9", json!({"b": {}})),
        ("_iglu/com.acme/product/jsonschema/1-1-0", json!({"d": {}})),
        ("_iglu/com.acme/product/jsonschema/1-0-0", json!({"a": {}})),
    ])
    .unwrap();
    let family = registry.family("com_acme_product_1").unwrap();
    let versions: Vec<&str> = family.iter().map(|schema| schema.dataschema()).collect();
    let uri = |version: &str| format!("iglu:com.acme/product/jsonschema/{version}");
    assert_eq!(versions, ["1-0-0", "1-0-9", "1-0-10", "1-1-0"].map(uri));
    assert_eq!(family[0].name(), "iglu:com.acme/product/jsonschema/1");
}

#[test]
fn two_tables_of_one_name_are_refused_and_a_name_that_no_table_can_have_is_not() {
    let none = || json!({});
    let errors = told(&[
        ("com_acme_product/1.json", none()),
        ("_iglu/com.acme/product/jsonschema/1-0-0", none()),
    ]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with("_iglu/com.acme/product/jsonschema/1-0-0")
            && errors[0]
                .ends_with("table `com_acme_product_1` is already that of com_acme_product/1"),
        "{errors:?}"
    );
    let errors = told(&[
        ("_iglu/com.acme/product/jsonschema/1-0-0", none()),
        ("_iglu/com/acme_product/jsonschema/1-0-0", none()),
    ]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let long = format!("_iglu/com.acme/{}/jsonschema/1-0-0", "x".repeat(130));
    let registry = set(&[
        (&long, none()),
        ("_iglu/1up.example/a/jsonschema/1-0-0", none()),
    ])
    .unwrap();
    assert!(registry.families().all(|(_, family)| !family[0].entity()));
    assert!(!registry.iglu().is_empty());
}

#[test]
fn annotations_mean_what_they_mean_in_other_schemas() {
    let file = "_iglu/com.acme/product/jsonschema/1-0-0";
    let errors = told(&[(file, json!({"a": {"x-headgate": {"column": "b"}}}))]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("#/properties/a/x-headgate"),
        "{errors:?}"
    );
    let registry = set(&[(file, json!({"age": {"type": "integer", "x-pii": "mask"}}))]).unwrap();
    let shape = registry.family("com_acme_product_1").unwrap()[0].shape();
    let crate::shape::ShapeKind::Object { properties, .. } = &shape.kind else {
        panic!("{shape:?}")
    };
    // What is masked is text.
    let kind = &properties[0].shape.kind;
    assert!(
        matches!(kind, crate::shape::ShapeKind::String { .. }),
        "{kind:?}"
    );
}
