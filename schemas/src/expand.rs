//! A schema with its references replaced by what they name, for those who look at a schema's meaning (shape,
//! compatibility, fingerprint) rather than check data with it.
//!
//! In an expanded schema the value of `$ref` is the schema that was named instead of its URI, so that the pointer to
//! anything inside reads like JSON Schema's own keyword locations: `/properties/total/$ref/minimum`. A reference into
//! what is being expanded stays a URI, as does one that cannot be resolved (the compiler refuses those).

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::privacy;
use crate::program::{Document, uri};

/// The most values (keywords and their values, counted once per place) of one expanded schema.
const VALUES_MAX: usize = 20_000;

/// The deepest chain of schemas within schemas; whatever is below is not looked at.
const DEPTH_MAX: usize = 200;

/// Whether a keyword's value is data, not a schema.
pub(crate) fn is_data(keyword: &str) -> bool {
    matches!(keyword, "const" | "default" | "enum" | "examples") || keyword.starts_with("x-")
}

/// Whether a keyword's value is an object whose members' names are anybody's choice and whose values are schemas.
pub(crate) fn is_map(keyword: &str) -> bool {
    matches!(
        keyword,
        "properties"
            | "patternProperties"
            | "dependentSchemas"
            | "dependencies"
            | "$defs"
            | "definitions"
    )
}

/// The schema's references multiply it beyond any sensible size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("with its references resolved the schema has more than {VALUES_MAX} values")]
pub(crate) struct TooLarge;

/// Everything that references can name.
pub(crate) struct Index<'a> {
    /// Absolute URI, with the anchor as fragment where there is one, to the base URI and the schema.
    targets: HashMap<String, (String, &'a Value)>,
}

impl<'a> Index<'a> {
    /// Collects the documents, the schemas with an `$id` within them, and the anchors.
    pub(crate) fn new(documents: &'a [Document]) -> Self {
        let mut index = Self {
            targets: HashMap::new(),
        };
        for document in documents {
            let target = (document.uri.clone(), &document.value);
            index.targets.insert(document.uri.clone(), target);
            index.collect(&document.uri, &document.value);
        }
        index
    }

    fn collect(&mut self, base: &str, value: &'a Value) {
        match value {
            Value::Object(keywords) => {
                let base = inner_base(base, keywords);
                self.targets
                    .entry(base.clone())
                    .or_insert_with(|| (base.clone(), value));
                let anchor = keywords.get("$anchor").and_then(Value::as_str);
                let legacy = keywords
                    .get("$id")
                    .and_then(Value::as_str)
                    .and_then(|id| id.strip_prefix('#'));
                for name in [anchor, legacy].into_iter().flatten() {
                    self.targets
                        .entry(format!("{base}#{name}"))
                        .or_insert_with(|| (base.clone(), value));
                }
                for (keyword, value) in keywords {
                    match value {
                        Value::Object(named) if is_map(keyword) => {
                            named.values().for_each(|value| self.collect(&base, value));
                        }
                        _ if is_data(keyword) => {}
                        _ => self.collect(&base, value),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.collect(base, value)),
            _ => {}
        }
    }

    /// The schema that `reference` names, seen from `base`, and the base URI for references inside it.
    fn resolve(&self, base: &str, reference: &str) -> Option<(String, &'a Value)> {
        let uri = join(base, reference);
        let (document, fragment) = uri.split_once('#').unwrap_or((&uri, ""));
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return self.targets.get(&uri).cloned();
        }
        let (mut base, mut value) = self.targets.get(document).cloned()?;
        let pointer = uri::percent_decode(fragment)?;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            value = match value {
                Value::Object(members) => members.get(&token)?,
                Value::Array(values) => values.get(token.parse::<usize>().ok()?)?,
                _ => return None,
            };
            if let Value::Object(keywords) = value {
                base = inner_base(&base, keywords);
            }
        }
        Some((base, value))
    }

    /// The schema `document` with its references replaced.
    pub(crate) fn expand(&self, document: &'a Document) -> Result<Value, TooLarge> {
        let dialect = document
            .value
            .get("$schema")
            .and_then(Value::as_str)
            .unwrap_or("");
        let mut expansion = Expansion {
            index: self,
            bare_references: dialect.contains("draft-07") || dialect.contains("draft-06"),
            open: vec![&document.value],
            values: 0,
        };
        expansion.expand(&document.uri, &document.value, 0)
    }
}

struct Expansion<'i, 'a> {
    index: &'i Index<'a>,
    /// Draft 7 and before: `$ref` hides the keywords beside it.
    bare_references: bool,
    /// The targets being expanded, outermost first.
    open: Vec<&'a Value>,
    values: usize,
}

impl<'a> Expansion<'_, 'a> {
    fn expand(&mut self, base: &str, value: &'a Value, depth: usize) -> Result<Value, TooLarge> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(TooLarge);
        }
        match value {
            Value::Object(keywords) if depth < DEPTH_MAX => self.object(base, keywords, depth),
            Value::Array(values) => {
                let values = values
                    .iter()
                    .map(|value| self.expand(base, value, depth + 1));
                Ok(Value::Array(values.collect::<Result<_, _>>()?))
            }
            other => Ok(other.clone()),
        }
    }

    fn object(
        &mut self,
        base: &str,
        keywords: &'a Map<String, Value>,
        depth: usize,
    ) -> Result<Value, TooLarge> {
        let reference = keywords.get("$ref").and_then(Value::as_str);
        let bare = self.bare_references && reference.is_some();
        let base = if bare {
            base.to_owned()
        } else {
            inner_base(base, keywords)
        };
        let mut expanded = Map::new();
        for (keyword, value) in keywords {
            let value = match (keyword.as_str(), reference) {
                ("$ref", Some(reference)) => self.reference(&base, reference, depth)?,
                // Whoever wrote it there means it, though draft-07 reads on in what is referred to.
                _ if bare && keyword != privacy::ANNOTATION => continue,
                ("$defs" | "definitions", _) => continue,
                (keyword, _) if is_data(keyword) => value.clone(),
                (keyword, _) if is_map(keyword) => self.map(&base, value, depth)?,
                _ => self.expand(&base, value, depth + 1)?,
            };
            expanded.insert(keyword.clone(), value);
        }
        Ok(Value::Object(expanded))
    }

    fn map(&mut self, base: &str, value: &'a Value, depth: usize) -> Result<Value, TooLarge> {
        let Value::Object(named) = value else {
            return Ok(value.clone());
        };
        let expanded = named
            .iter()
            .map(|(name, schema)| Ok((name.clone(), self.expand(base, schema, depth + 1)?)));
        Ok(Value::Object(expanded.collect::<Result<_, _>>()?))
    }

    fn reference(&mut self, base: &str, reference: &str, depth: usize) -> Result<Value, TooLarge> {
        let unexpanded = || Value::String(join(base, reference));
        match self.index.resolve(base, reference) {
            Some((base, target)) if !self.open.iter().any(|open| std::ptr::eq(*open, target)) => {
                self.open.push(target);
                let expanded = self.expand(&base, target, depth + 1);
                self.open.pop();
                expanded
            }
            _ => Ok(unexpanded()),
        }
    }
}

/// An expanded schema without what only documents it: two schemas are the same when these are equal.
pub(crate) fn meaning(expanded: &Value) -> Value {
    match expanded {
        Value::Object(keywords) => {
            let kept = keywords
                .iter()
                .filter(|(keyword, _)| !is_documentation(keyword));
            let kept = kept.map(|(keyword, value)| {
                let value = match value {
                    Value::Object(named) if is_map(keyword) => named
                        .iter()
                        .map(|(name, schema)| (name.clone(), meaning(schema)))
                        .collect::<Map<_, _>>()
                        .into(),
                    value if is_data(keyword) => value.clone(),
                    value => meaning(value),
                };
                (keyword.clone(), value)
            });
            Value::Object(kept.collect())
        }
        Value::Array(values) => values.iter().map(meaning).collect(),
        other => other.clone(),
    }
}

/// Whether a keyword has no bearing on what is valid or on a column.
pub(crate) fn is_documentation(keyword: &str) -> bool {
    keyword.starts_with("x-")
        || matches!(
            keyword,
            "title"
                | "description"
                | "examples"
                | "default"
                | "deprecated"
                | "readOnly"
                | "writeOnly"
                | "contentEncoding"
                | "contentMediaType"
                | "contentSchema"
                | "$comment"
                | "$schema"
                | "$id"
                | "$anchor"
                | "$defs"
                | "definitions"
        )
}

/// The base URI inside a schema, which its `$id` may change.
fn inner_base(base: &str, keywords: &Map<String, Value>) -> String {
    match keywords.get("$id").and_then(Value::as_str) {
        Some(id) if !id.starts_with('#') => {
            let joined = join(base, id);
            joined.split('#').next().unwrap_or(&joined).to_owned()
        }
        _ => base.to_owned(),
    }
}

/// Resolves a URI reference against an absolute base without a fragment; the reference's own fragment is kept.
fn join(base: &str, reference: &str) -> String {
    match reference.split_once('#') {
        Some((relative, fragment)) => format!("{}#{fragment}", uri::resolve(base, relative)),
        None => uri::resolve(base, reference),
    }
}

#[cfg(test)]
mod tests;
