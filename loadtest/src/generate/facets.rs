//! The plain constraints that hold for one value: `$ref` and `allOf` followed, one branch of `anyOf`, `oneOf`
//! and `if` taken at random.

use std::sync::Arc;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use serde_json::{Map, Value};

use super::documents::{Documents, Node, own_base};

const EXPANSIONS_MAX: usize = 512;

/// Schema objects that all hold for the same value.
#[derive(Debug, Clone, Default)]
pub(super) struct Facets<'a> {
    pub(super) all: Vec<Facet<'a>>,
}

/// One schema object.
#[derive(Debug, Clone)]
pub(super) struct Facet<'a> {
    pub(super) keywords: &'a Map<String, Value>,
    pub(super) base: Arc<str>,
}

impl<'a> Facet<'a> {
    /// The schema under `keyword`.
    pub(super) fn node(&self, keyword: &str) -> Option<Node<'a>> {
        Some(self.at(self.keywords.get(keyword)?))
    }

    /// A schema that stands within this one.
    pub(super) fn at(&self, schema: &'a Value) -> Node<'a> {
        Node {
            schema,
            base: Arc::clone(&self.base),
        }
    }

    /// The schemas by name under `keyword`.
    pub(super) fn named(&self, keyword: &str) -> impl Iterator<Item = (&'a str, Node<'a>)> + '_ {
        let named = self.keywords.get(keyword).and_then(Value::as_object);
        named
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.as_str(), self.at(schema)))
    }

    fn listed(&self, keyword: &str) -> Vec<Node<'a>> {
        let listed = self.keywords.get(keyword).and_then(Value::as_array);
        listed
            .into_iter()
            .flatten()
            .map(|schema| self.at(schema))
            .collect()
    }
}

impl<'a> Facets<'a> {
    /// The constraints of all `nodes` together; none when no value can meet them, or when the references go
    /// in circles or nowhere.
    pub(super) fn of(
        documents: &Documents<'a>,
        rng: &mut Xoshiro256PlusPlus,
        nodes: Vec<Node<'a>>,
    ) -> Option<Facets<'a>> {
        let mut facets = Facets::default();
        facets.add(documents, rng, nodes)?;
        Some(facets)
    }

    /// Adds the constraints of `nodes`.
    pub(super) fn add(
        &mut self,
        documents: &Documents<'a>,
        rng: &mut Xoshiro256PlusPlus,
        nodes: Vec<Node<'a>>,
    ) -> Option<()> {
        let mut pending = nodes;
        pending.reverse();
        let mut expansions = 0;
        while let Some(node) = pending.pop() {
            expansions += 1;
            let keywords = match node.schema {
                Value::Bool(true) => continue,
                Value::Object(keywords) if expansions <= EXPANSIONS_MAX => keywords,
                _ => return None,
            };
            let facet = Facet {
                keywords,
                base: own_base(node.schema, &node.base),
            };
            for keyword in ["$ref", "$dynamicRef"] {
                match keywords.get(keyword) {
                    Some(Value::String(uri)) => pending.push(documents.resolve(&facet.base, uri)?),
                    // In an expanded document the schema itself stands in the reference's place.
                    Some(schema) => pending.push(facet.at(schema)),
                    None => {}
                }
            }
            pending.extend(facet.listed("allOf"));
            for keyword in ["anyOf", "oneOf"] {
                let mut branches = facet.listed(keyword);
                if !branches.is_empty() {
                    pending.push(branches.swap_remove(rng.random_range(0..branches.len())));
                }
            }
            if let Some(condition) = facet.node("if") {
                let holds = rng.random_bool(0.5);
                if holds {
                    pending.push(condition);
                }
                pending.extend(facet.node(if holds { "then" } else { "else" }));
            }
            self.all.push(facet);
        }
        Some(())
    }

    /// Every value of `keyword`, in order.
    pub(super) fn each(&self, keyword: &'static str) -> impl Iterator<Item = &'a Value> + '_ {
        self.all
            .iter()
            .filter_map(move |facet| facet.keywords.get(keyword))
    }

    pub(super) fn has(&self, keyword: &'static str) -> bool {
        self.each(keyword).next().is_some()
    }

    /// The largest of a lower bound.
    pub(super) fn largest(&self, keyword: &'static str) -> Option<f64> {
        self.each(keyword)
            .filter_map(Value::as_f64)
            .reduce(f64::max)
    }

    /// The smallest of an upper bound.
    pub(super) fn smallest(&self, keyword: &'static str) -> Option<f64> {
        self.each(keyword)
            .filter_map(Value::as_f64)
            .reduce(f64::min)
    }

    /// A lower and an upper bound on a length or a count.
    pub(super) fn counts(&self, least: &'static str, most: &'static str) -> (usize, Option<usize>) {
        let count = |value: f64| value.max(0.0) as usize;
        (
            self.largest(least).map_or(0, count),
            self.smallest(most).map(count),
        )
    }
}
