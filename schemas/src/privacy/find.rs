//! From an expanded schema to what its annotations say of each value.
//!
//! What is said under `anyOf`, `oneOf`, `then`, `else` and `dependentSchemas` holds whichever of them applies: a value is
//! rather hidden once too often. Where that would hide values that nobody meant, the annotation is refused.

use serde_json::{Map, Value};

use super::plan::Node;
use super::{ALLOWED, ANNOTATION, Action};
use crate::expand::{is_data, is_map};
use crate::shape;

type Problem = (String, String);

/// What the annotations say; the node of nothing where there is none.
pub(super) fn annotations(expanded: &Value) -> Result<Node, Vec<Problem>> {
    let mut found = Found::default();
    let mut node = Node::default();
    found.schema(expanded, "", Stands::Root, &mut node);
    if let (Some(at), false) = (found.circle, node.is_empty()) {
        let reason = format!(
            "the schema refers to itself, and has {ANNOTATION} somewhere: how deep it would reach is open; take the \
             annotation or the reference out"
        );
        found.problems.push((at, reason));
    }
    match found.problems.is_empty() {
        true => Ok(node),
        false => Err(found.problems),
    }
}

/// What a schema is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Root,
    Member,
    Element,
}

#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
    /// Where a reference leads back to what it is part of.
    circle: Option<String>,
}

impl Found {
    fn schema(&mut self, schema: &Value, at: &str, stands: Stands, node: &mut Node) {
        let Some(keywords) = schema.as_object() else {
            return;
        };
        if let Some(said) = keywords.get(ANNOTATION) {
            self.own(schema, said, at, stands, node);
        }
        let mut layer = Node::default();
        for (keyword, value) in keywords {
            let here = below(at, keyword);
            match keyword.as_str() {
                "$ref" if value.is_string() => {
                    self.circle.get_or_insert(here);
                }
                "$ref" | "then" | "else" => self.schema(value, &here, stands, node),
                "allOf" | "anyOf" | "oneOf" => {
                    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                        self.schema(value, &format!("{here}/{index}"), stands, node);
                    }
                }
                "dependentSchemas" | "dependencies" => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        self.schema(value, &below(&here, name), stands, node);
                    }
                }
                "properties" => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        // Named even if nothing is said of it: then it is none of the others.
                        let member = layer.members.entry(name.clone()).or_default();
                        self.schema(value, &below(&here, name), Stands::Member, member);
                    }
                }
                "additionalProperties" if value.is_object() => {
                    let others = layer.others.get_or_insert_default();
                    self.schema(value, &here, Stands::Member, others);
                }
                "items" if value.is_object() && !keywords.contains_key("prefixItems") => {
                    let items = layer.items.get_or_insert_default();
                    self.schema(value, &here, Stands::Element, items);
                }
                _ if is_data(keyword) => {}
                _ => self.elsewhere(value, &here, is_map(keyword), keyword),
            }
        }
        prune(&mut layer);
        node.merge(&layer);
    }

    /// What one schema says of its own value.
    fn own(&mut self, schema: &Value, said: &Value, at: &str, stands: Stands, node: &mut Node) {
        let Some(action) = Action::of(said) else {
            return self.problem(at, format!("{said} is not allowed; {ALLOWED}"));
        };
        let types = shape::types(schema);
        match (stands, action) {
            (Stands::Root, _) => {
                self.problem(
                    at,
                    "it is allowed at a property, not at the data as a whole",
                );
            }
            (Stands::Element, Action::Drop) => {
                let reason =
                    "an array's elements cannot be dropped: drop the array, or hash or mask them";
                self.problem(at, reason);
            }
            (_, Action::Hash | Action::Mask) if shape::holds_others(types) => {
                let reason = format!(
                    "an object or array cannot be {action}ed as a whole: annotate what is in it, or drop it"
                );
                self.problem(at, reason);
            }
            _ => node.action = node.action.max(Some(action)),
        }
    }

    /// Looks where annotations cannot be honoured.
    fn elsewhere(&mut self, value: &Value, at: &str, map: bool, keyword: &str) {
        match value {
            Value::Object(members) if map => {
                for (name, value) in members {
                    self.elsewhere(value, &below(at, name), false, keyword);
                }
            }
            Value::Object(members) => self.refuse(members, at, keyword),
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.elsewhere(value, &format!("{at}/{index}"), false, keyword);
                }
            }
            _ => {}
        }
    }

    fn refuse(&mut self, keywords: &Map<String, Value>, at: &str, under: &str) {
        if keywords.contains_key(ANNOTATION) {
            let reason = format!(
                "it cannot be honoured under `{under}`: annotate the property where `properties`, \
                 `additionalProperties` or `items` describe it"
            );
            self.problem(at, reason);
        }
        for (keyword, value) in keywords {
            if keyword == "$ref" && value.is_string() {
                self.circle.get_or_insert_with(|| below(at, keyword));
            }
            if !is_data(keyword) {
                self.elsewhere(value, &below(at, keyword), is_map(keyword), under);
            }
        }
    }

    fn problem(&mut self, at: &str, reason: impl Into<String>) {
        self.problems.push((below(at, ANNOTATION), reason.into()));
    }
}

/// Takes out what says nothing. Members that say nothing stay where there is something to say of the others.
fn prune(layer: &mut Node) {
    layer.others.take_if(|others| others.is_empty());
    layer.items.take_if(|items| items.is_empty());
    if layer.others.is_none() {
        layer.members.retain(|_, member| !member.is_empty());
    }
}

fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", crate::program::escape(name))
}
