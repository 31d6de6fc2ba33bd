//! Tables of what describes itself in events.

use super::*;

pub(crate) const FILE: &str = "_iglu/com.acme/product/jsonschema/1-0-0";

/// A schema of Iglu with these properties.
pub(crate) fn product(version: &str, properties: &str) -> String {
    format!(
        r#"{{"self": {{"vendor": "com.acme", "name": "product", "format": "jsonschema", "version": "{version}"}},
            "type": "object", "properties": {properties}}}"#
    )
}

#[test]
fn a_column_behind_the_envelopes_tells_the_rows_of_an_event_apart() {
    let first = product(
        "1-0-0",
        r#"{"sku": {"type": "string", "maxLength": 20}, "entity_index": {"type": "integer"}}"#,
    );
    let second = product(
        "1-0-1",
        r#"{"price": {"type": "number"}, "sku": {"type": "string"}}"#,
    );
    let registry = registry(&[
        (FILE, &first),
        ("_iglu/com.acme/product/jsonschema/1-0-1", &second),
    ]);
    let family = registry.family("com_acme_product_1").unwrap();
    let table = Table::of(family);
    let expected = [
        ("entity_index", Type::Integer),
        ("sku", Type::Text),
        ("entity_index_2", Type::Integer),
        ("price", Type::Number),
    ];
    assert_eq!(columns(&table), expected);
    let index = &table.columns()[at::ENTITY_INDEX];
    assert_eq!((index.name.as_str(), index.required), (ENTITY_INDEX, true));
    let own = table.columns().iter().skip(at::ENTITY_INDEX + 1);
    assert!(own.clone().all(|column| !column.required), "{own:?}");
    assert_eq!(table.entity(), Some("iglu:com.acme/product/jsonschema/1"));
    let sql = table.redshift_create("s").unwrap();
    assert!(
        sql.contains("\"entity_index\" BIGINT NOT NULL,\n    \"sku\" VARCHAR(65535),"),
        "{sql}"
    );
    // What was there before an addition stays where it is.
    let before = Table::of(&family[..1]);
    assert_eq!(columns(&before), expected[..3]);
}

#[test]
fn events_have_no_such_column() {
    let own = r#"{"type": "object", "properties": {"entity_index": {"type": "integer"}}}"#;
    let table = table("thing_1", &[own]);
    assert_eq!(columns(&table), [("entity_index", Type::Integer)]);
    assert!(!table.columns()[at::ENTITY_INDEX].required && table.entity().is_none());
}
