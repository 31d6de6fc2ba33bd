//! One place of a schema as a flat list of keywords: what stands behind `$ref` and `allOf` is taken as if it stood
//! there itself, wherever that means the same. Moving a property into a shared document is then no change.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::expand::is_documentation;

/// A value and the pointer to it.
pub(super) type At<'a> = (String, &'a Value);

/// A schema's keywords, gathered through references.
#[derive(Debug, Default)]
pub(super) struct Flat<'a> {
    /// Everything but `properties`, `required` and what is in `apart`.
    pub(super) keywords: BTreeMap<&'a str, At<'a>>,
    pub(super) properties: BTreeMap<&'a str, At<'a>>,
    /// Names and where they are required.
    pub(super) required: BTreeMap<&'a str, String>,
    /// The schemas behind `$ref` and `allOf` that say something about what was said already.
    pub(super) apart: Vec<At<'a>>,
    /// `x-` annotations, of which the outermost count.
    pub(super) annotations: BTreeMap<&'a str, At<'a>>,
}

/// Keywords that only make sense together: two schemas that both use some of a group cannot be merged.
const GROUPS: [&[&str]; 4] = [
    &["if", "then", "else"],
    &["contains", "minContains", "maxContains"],
    &[
        "items",
        "prefixItems",
        "additionalItems",
        "unevaluatedItems",
    ],
    &[
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
    ],
];

impl<'a> Flat<'a> {
    /// Flattens an expanded schema; its pointer is `at`.
    pub(super) fn of(schema: &'a Value, at: &str) -> Self {
        let mut flat = Self::default();
        match schema {
            Value::Object(keywords) => flat.add(keywords, at),
            Value::Bool(false) => drop(flat.keywords.insert("false", (at.to_owned(), schema))),
            _ => {}
        }
        flat
    }

    fn add(&mut self, keywords: &'a Map<String, Value>, at: &str) {
        let mut behind = Vec::new();
        for (keyword, value) in keywords {
            let here = pointer(at, keyword);
            match (keyword.as_str(), value) {
                (keyword, _) if keyword.starts_with("x-") => {
                    self.annotations.entry(keyword).or_insert((here, value));
                }
                (keyword, _) if is_documentation(keyword) => {}
                ("properties", Value::Object(named)) => {
                    for (name, schema) in named {
                        self.properties.insert(name, (pointer(&here, name), schema));
                    }
                }
                ("required", Value::Array(names)) => {
                    for name in names.iter().filter_map(Value::as_str) {
                        self.required.entry(name).or_insert_with(|| here.clone());
                    }
                }
                ("$ref", Value::Object(_) | Value::Bool(_)) => behind.push((here, value)),
                ("allOf", Value::Array(schemas)) => {
                    let schemas = schemas.iter().enumerate();
                    behind
                        .extend(schemas.map(|(index, schema)| (format!("{here}/{index}"), schema)));
                }
                (keyword, value) => drop(self.keywords.insert(keyword, (here, value))),
            }
        }
        for (at, schema) in behind {
            let other = Flat::of(schema, &at);
            if self.can_take(&other) {
                self.take(other);
            } else {
                self.apart.push((at, schema));
            }
        }
    }

    fn can_take(&self, other: &Flat<'_>) -> bool {
        let uses =
            |flat: &Flat<'_>, group: &[&str]| group.iter().any(|k| flat.keywords.contains_key(k));
        let disjoint = other
            .keywords
            .keys()
            .all(|keyword| !self.keywords.contains_key(keyword))
            && other
                .properties
                .keys()
                .all(|name| !self.properties.contains_key(name));
        let grouped = GROUPS
            .iter()
            .any(|group| uses(self, group) && uses(other, group));
        // `additionalProperties` looks at the `properties` beside it, not at those of another schema.
        let bounded = uses(self, GROUPS[3]) && !other.properties.is_empty()
            || uses(other, GROUPS[3]) && !self.properties.is_empty();
        disjoint && !grouped && !bounded && other.apart.is_empty()
    }

    fn take(&mut self, other: Flat<'a>) {
        self.keywords.extend(other.keywords);
        self.properties.extend(other.properties);
        for (name, at) in other.required {
            self.required.entry(name).or_insert(at);
        }
        for (name, annotation) in other.annotations {
            self.annotations.entry(name).or_insert(annotation);
        }
    }
}

/// `at` and one more token, escaped (RFC 6901).
pub(super) fn pointer(at: &str, token: &str) -> String {
    format!("{at}/{}", token.replace('~', "~0").replace('/', "~1"))
}
