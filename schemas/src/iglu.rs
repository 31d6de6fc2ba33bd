//! Iglu: schemas that self-describing JSON names itself, `iglu:com.example/order/jsonschema/1-0-0`.
//!
//! <https://docs.snowplow.io/docs/api-reference/iglu/common-architecture/self-describing-json-schemas/>. They lie in a
//! set's folder [`FOLDER`], laid out as in a static registry's `schemas`:
//! `_iglu/<vendor>/<name>/jsonschema/<model>-<revision>-<addition>`. What describes itself is
//! held against them ([`Iglu::check`]), and has a table for each model ([`table`]).

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use crate::event::Violation;
use crate::expand::{is_data, is_map};
use crate::privacy::{self, Plan};
use crate::program::Program;
use crate::schema::forgiving;

mod name;
mod table;

pub use name::Name;
pub(crate) use table::{add_families, schema};

/// The folder of a set of schemas that has them.
pub const FOLDER: &str = "_iglu";

/// What Iglu's schemas are, nearly: their dialect is an older one, and what it has otherwise is translated.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// What only a registry reads, at a schema's root.
const OF_REGISTRIES: [&str; 2] = ["self", "$supplements"];

/// The schemas of a set, by their names.
#[derive(Debug, Default)]
pub struct Iglu {
    schemas: HashMap<String, IgluSchema>,
    private: bool,
}

#[derive(Debug)]
pub(crate) struct IgluSchema {
    pub(crate) program: Program,
    pub(crate) privacy: Option<Plan>,
    pub(crate) fingerprint: u64,
}

impl Iglu {
    /// Whether the set has none: then nothing is to be held against any.
    pub fn is_empty(&self) -> bool {
        self.schemas.is_empty()
    }

    pub(crate) fn add(&mut self, name: String, schema: IgluSchema) {
        self.private |= schema.privacy.is_some();
        self.schemas.insert(name, schema);
    }

    /// Their names, each with a hash of what it says.
    pub(crate) fn fingerprints(&self) -> BTreeMap<&str, u64> {
        let schemas = self.schemas.iter();
        schemas
            .map(|(name, schema)| (name.as_str(), schema.fingerprint))
            .collect()
    }

    /// Whether any of them has annotations `x-pii`.
    pub fn private(&self) -> bool {
        self.private
    }

    /// Their plans, each with its schema's name.
    pub(crate) fn plans(&self) -> impl Iterator<Item = (&str, &Plan)> {
        self.schemas
            .iter()
            .filter_map(|(name, schema)| Some((name.as_str(), schema.privacy.as_ref()?)))
    }

    /// Every annotated place, with its schema's name and `#` before it.
    pub fn places(&self) -> Vec<String> {
        let of = |(name, plan): (&str, &Plan)| -> Vec<String> {
            let places = plan.places().iter();
            places
                .map(|place| format!("{name}#{}", place.path))
                .collect()
        };
        self.plans().flat_map(of).collect()
    }

    /// The annotations `x-pii` of the schema of exactly this name.
    pub fn privacy(&self, name: &str) -> Option<&Plan> {
        self.schemas.get(name)?.privacy.as_ref()
    }

    /// Holds JSON against the schema of exactly this name, `iglu:` included; `None`: the set does not have it. Values with
    /// the annotation `x-pii` are not repeated in what is found, and where they were dropped, hashed or masked before, at
    /// the places `done`, that is not held against them.
    ///
    /// # Errors
    /// Everything that the schema does not allow. Pointers are into `data`.
    pub fn check(
        &self,
        name: &str,
        data: &str,
        depth_max: u32,
        done: &[String],
    ) -> Option<Result<(), Vec<Violation>>> {
        let schema = self.schemas.get(name)?;
        let mut checked = schema.program.check(data, depth_max);
        if let (Some(plan), Err(found)) = (&schema.privacy, &mut checked) {
            privacy::conceal(plan, found);
        }
        Some(forgiving(checked, done))
    }
}

/// Makes a schema of Iglu's one that can be compiled.
///
/// # Errors
/// What in `self` is not what the file's place says: pointer and reason.
pub(crate) fn adapt(schema: &mut Value, name: &Name<'_>) -> Result<(), (String, String)> {
    let Value::Object(root) = schema else {
        let reason = "a schema of Iglu is an object with `self`".to_owned();
        return Err((String::new(), reason));
    };
    let [vendor, named, format, version] = name.parts();
    for (key, expected) in [
        ("vendor", vendor),
        ("name", named),
        ("format", format),
        ("version", version),
    ] {
        let said = root.get("self").and_then(|own| own.get(key));
        if said.and_then(Value::as_str) != Some(expected) {
            let reason = format!("must be {expected:?}, as the file's place says");
            return Err((format!("/self/{key}"), reason));
        }
    }
    for key in OF_REGISTRIES {
        root.remove(key);
    }
    root.insert("$schema".to_owned(), DIALECT.into());
    translate(schema);
    Ok(())
}

/// Draft-04's bounds, which are exclusive by a word beside them.
fn translate(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            bound(keywords, "exclusiveMinimum", "minimum");
            bound(keywords, "exclusiveMaximum", "maximum");
            for (keyword, value) in keywords.iter_mut() {
                match value {
                    Value::Object(named) if is_map(keyword) => {
                        named.iter_mut().for_each(|(_, value)| translate(value));
                    }
                    _ if is_data(keyword) => {}
                    _ => translate(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(translate),
        _ => {}
    }
}

fn bound(keywords: &mut Map<String, Value>, exclusive: &str, inclusive: &str) {
    let Some(Value::Bool(is_exclusive)) = keywords.get(exclusive) else {
        return;
    };
    let is_exclusive = *is_exclusive;
    keywords.remove(exclusive);
    if is_exclusive && let Some(bound) = keywords.remove(inclusive) {
        keywords.insert(exclusive.to_owned(), bound);
    }
}

#[cfg(test)]
mod tests;
