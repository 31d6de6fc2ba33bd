//! The tables of what describes itself: one for each name and model of Iglu's schemas, by the name that Snowplow's own
//! loaders give it, `com_example_order_1`.
//!
//! Each is a family of schemas as an event's major is, the versions of the model ascending, but none of them is a schema
//! that an event can name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::{IgluSchema, Name};
use crate::landing;
use crate::names::{snake_case, table_name};
use crate::redshift::Redshift;
use crate::registry::LoadError;
use crate::schema::{Role, Schema, Version};
use crate::shape::Shape;

/// What the table is called; `None`: no table can be called so.
fn table(name: &Name<'_>) -> Option<String> {
    let [model, ..] = name.numbers();
    let (vendor, named) = (snake_case(name.vendor), snake_case(name.name));
    let table = format!("{vendor}_{named}_{model}");
    table_name(&table).then_some(table)
}

/// A compiled schema as one that a table is made of; `None`: it has none.
///
/// # Errors
/// What is wrong with its annotations: pointer and reason.
pub(crate) fn schema(
    uri: &str,
    document: &Value,
    expanded: Value,
    compiled: &IgluSchema,
) -> Result<Option<Schema>, Vec<(String, String)>> {
    let Some((name, table)) = Name::of(uri).and_then(|name| Some((name, table(&name)?))) else {
        return Ok(None);
    };
    let mut problems = landing::problems(&expanded);
    let redshift = Redshift::of(document).unwrap_or_else(|wrong| {
        problems.extend(wrong.into_iter().map(|w| (w.pointer, w.reason)));
        None
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut shape = Shape::of(&expanded);
    if let Some(plan) = &compiled.privacy {
        plan.mark(&mut shape);
    }
    let [major, ..] = name.numbers();
    Ok(Some(Schema {
        name: Arc::from(name.of_model(uri)),
        // Which of the model's versions it is, is known when all are.
        version: Version { major, minor: 0 },
        dataschema: uri.to_owned(),
        table,
        redshift,
        document: document.clone(),
        expanded,
        shape,
        privacy: compiled.privacy.clone(),
        program: compiled.program.clone(),
        role: Role::Entity,
        fingerprint: compiled.fingerprint,
    }))
}

/// Adds the families of these schemas, found in these files, to those of the set.
pub(crate) fn add_families(
    families: &mut BTreeMap<String, Vec<Arc<Schema>>>,
    mut schemas: Vec<(PathBuf, Schema)>,
    errors: &mut Vec<LoadError>,
) {
    let order = |schema: &Schema| Name::of(&schema.dataschema).map(|name| name.numbers());
    schemas.sort_by_cached_key(|(_, schema)| (Arc::clone(&schema.name), order(schema)));
    for (file, mut schema) in schemas {
        let family = families.entry(schema.table.clone()).or_default();
        match family.first() {
            Some(first) if first.name != schema.name => {
                let holder = first.dataschema();
                errors.push(LoadError {
                    file,
                    pointer: String::new(),
                    reason: format!("table `{}` is already that of {holder}", schema.table),
                });
            }
            _ => {
                schema.version.minor = u32::try_from(family.len()).unwrap_or(u32::MAX);
                family.push(Arc::new(schema));
            }
        }
    }
}

#[cfg(test)]
mod tests;
