//! What is wrong with schemas that only their tables show: the columns that `x-redshift` names.

use std::path::{Path, PathBuf};

use headgate_schemas::{
    iglu,
    registry::{LoadError, LoadErrors, Registry},
    schema::Schema,
};

use super::{Table, redshift};

/// Checks what the schemas of a set say of the columns of their tables. Whoever loads schemas that tables are made of
/// calls it, so that a set is refused before anything lands by it.
///
/// # Errors
/// Everything that is wrong, by the schema's file.
pub fn check(registry: &Registry) -> Result<(), LoadErrors> {
    let mut errors = Vec::new();
    for (_, family) in registry.families() {
        let table = Table::of(family);
        for schema in family {
            let Some(said) = schema.redshift() else {
                continue;
            };
            let wrong = redshift::problems(said, &table);
            errors.extend(wrong.into_iter().map(|error| LoadError {
                file: file_of(schema),
                pointer: error.pointer,
                reason: error.reason,
            }));
        }
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(LoadErrors { errors }),
    }
}

/// Where a schema is in its set.
fn file_of(schema: &Schema) -> PathBuf {
    match schema.dataschema().strip_prefix("iglu:") {
        Some(place) => Path::new(iglu::FOLDER).join(place),
        None => PathBuf::from(format!("{}.json", schema.dataschema())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::registry;

    fn schema(annotation: &str) -> String {
        format!(
            r#"{{"type": "object", "x-redshift": {annotation}, "properties": {{
                "coupon": {{"type": "string"}}, "items": {{"type": "array"}}}}}}"#
        )
    }

    fn told(files: &[(&str, &str)]) -> Vec<String> {
        match check(&registry(files)) {
            Ok(()) => Vec::new(),
            Err(errors) => errors.errors.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn columns_of_the_envelope_and_of_any_minor_may_be_keys() {
        let first = schema(r#"{"distkey": "user_id", "sortkey": ["received_at", "coupon"]}"#);
        let added = r#""added": {"type": "string"}, "coupon": {"#;
        let second = first
            .replace(r#""coupon": {"#, added)
            .replace("user_id", "added");
        assert_eq!(told(&[("order/1.json", &first)]), [""; 0]);
        let both = [("order/1.json", &*first), ("order/1.1.json", &second)];
        assert_eq!(told(&both), [""; 0]);
    }

    #[test]
    fn each_wrong_column_is_told_with_its_schema_and_place() {
        let first = schema(r#"{"distkey": "items", "sortkey": ["received_at", "received"]}"#);
        let found = told(&[("order/1.json", &first)]);
        assert_eq!(found.len(), 2, "{found:?}");
        let super_key = "order/1.json#/x-redshift/distkey: `items` is a SUPER column";
        assert!(found[0].starts_with(super_key), "{found:?}");
        let unknown =
            "order/1.json#/x-redshift/sortkey/1: the table order_1 has no column `received`";
        assert!(found[1].starts_with(unknown), "{found:?}");
        assert!(found[1].contains("received_at, coupon"), "{found:?}");
    }
}
