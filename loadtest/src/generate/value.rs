//! One random value for a schema. It is built to be valid; `not`, the branches of `oneOf` that were not taken
//! and the like are left to the caller's check.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use serde_json::{Map, Value};

use super::documents::{Documents, Node};
use super::facets::{Facet, Facets};
use super::kinds::{self, Kind};
use super::{number, text};

/// Below this depth only what is required is made, so that recursive schemas end.
const FULL_DEPTH: u32 = 8;
const DEPTH_MAX: u32 = 48;
const EXTRA_ITEMS: usize = 4;
const EXTRA_KEYS: usize = 3;
const ITEMS_MAX: usize = 10_000;
const UNIQUE_TRIES: usize = 64;

/// How rich a value is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mood {
    /// The chance of each optional property.
    pub(super) optional: f64,
    /// The chance of taking one of the schema's own `examples`.
    pub(super) examples: f64,
}

/// Makes values from documents; deterministic for a given generator of random numbers.
pub(super) struct Maker<'m, 'a> {
    pub(super) documents: &'m Documents<'a>,
    pub(super) rng: &'m mut Xoshiro256PlusPlus,
    pub(super) mood: Mood,
}

impl<'a> Maker<'_, 'a> {
    /// A value for which all `nodes` hold; none when no such value was found.
    pub(super) fn value(&mut self, nodes: Vec<Node<'a>>, depth: u32) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        let facets = Facets::of(self.documents, self.rng, nodes)?;
        if let Some(constant) = facets.each("const").next() {
            return Some(constant.clone());
        }
        if let Some(value) = self.listed(&facets) {
            return value;
        }
        match kinds::choose(&facets, self.rng)? {
            Kind::Null => Some(Value::Null),
            Kind::Boolean => Some(Value::Bool(self.rng.random_bool(0.5))),
            Kind::Integer => number::make(&facets, true, self.rng),
            Kind::Number => number::make(&facets, false, self.rng),
            Kind::String => text::make(&facets, self.rng).map(Value::String),
            Kind::Array => self.array(&facets, depth).map(Value::Array),
            Kind::Object => self.object(facets, depth).map(Value::Object),
        }
    }

    /// A value from `enum`, or now and then from `examples`; the inner none when an `enum` has none left.
    fn listed(&mut self, facets: &Facets<'a>) -> Option<Option<Value>> {
        let mut enums = facets.each("enum").filter_map(Value::as_array);
        if let Some(first) = enums.next() {
            let others: Vec<&Vec<Value>> = enums.collect();
            let in_all = |value: &&Value| others.iter().all(|other| other.contains(value));
            let allowed: Vec<&Value> = first.iter().filter(in_all).collect();
            return Some(self.pick(&allowed).cloned());
        }
        if self.mood.examples > 0.0 && self.rng.random_bool(self.mood.examples) {
            let examples = facets
                .each("examples")
                .filter_map(Value::as_array)
                .flatten();
            let examples: Vec<&Value> = examples.collect();
            return self.pick(&examples).cloned().map(Some);
        }
        None
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            None
        } else {
            Some(from[self.rng.random_range(0..from.len())])
        }
    }

    fn array(&mut self, facets: &Facets<'a>, depth: u32) -> Option<Vec<Value>> {
        let (least, most) = facets.counts("minItems", "maxItems");
        let extra = if depth < FULL_DEPTH { EXTRA_ITEMS } else { 0 };
        let most = most.unwrap_or(usize::MAX).min(least.saturating_add(extra));
        if least > most || least > ITEMS_MAX {
            return None;
        }
        let unique = facets
            .each("uniqueItems")
            .any(|unique| unique == &Value::Bool(true));
        let contained = self.contained(facets);
        let least = least.max(contained.len()).min(most);
        let length = self.rng.random_range(least..=most);
        let mut items: Vec<Value> = Vec::with_capacity(length);
        for at in 0..length {
            let nodes = || {
                let own = facets.all.iter().filter_map(|facet| item_schema(facet, at));
                own.chain(contained.get(at).cloned().into_iter().flatten())
                    .collect()
            };
            let tries = if unique { UNIQUE_TRIES } else { 1 };
            let fresh = (0..tries).find_map(|_| {
                let item = self.value(nodes(), depth + 1)?;
                (!unique || !items.contains(&item)).then_some(item)
            });
            match fresh {
                Some(item) => items.push(item),
                // A tuple's closed end, or an enum that has no more different values.
                None if at >= least => break,
                None => return None,
            }
        }
        Some(items)
    }

    /// For each item that `contains` asks for, what it must be.
    fn contained(&mut self, facets: &Facets<'a>) -> Vec<Vec<Node<'a>>> {
        let mut items = Vec::new();
        for facet in &facets.all {
            let Some(node) = facet.node("contains") else {
                continue;
            };
            let least = facet
                .keywords
                .get("minContains")
                .and_then(Value::as_u64)
                .unwrap_or(1);
            items.extend((0..least.min(ITEMS_MAX as u64)).map(|_| vec![node.clone()]));
        }
        items
    }

    fn object(&mut self, mut facets: Facets<'a>, depth: u32) -> Option<Map<String, Value>> {
        let (least, most) = facets.counts("minProperties", "maxProperties");
        let mut names = self.names(&facets, depth);
        self.add_dependent(&mut facets, &mut names)?;
        for _ in 0..UNIQUE_TRIES {
            if names.len() >= least {
                break;
            }
            names.insert(self.key(&facets)?);
        }
        let required: BTreeSet<&str> = required(&facets).collect();
        while most.is_some_and(|most| names.len() > most) {
            let optional = names
                .iter()
                .find(|name| !required.contains(name.as_str()))?
                .clone();
            names.remove(&optional);
        }
        let mut map = Map::new();
        for name in in_declared_order(&facets, names) {
            let nodes = facets
                .all
                .iter()
                .flat_map(|facet| property_schemas(facet, &name))
                .collect();
            match self.value(nodes, depth + 1) {
                Some(value) => {
                    map.insert(name, value);
                }
                None if required.contains(name.as_str()) => return None,
                None => {}
            }
        }
        Some(map)
    }

    /// The names that an object gets: all required ones, and some that may be there.
    fn names(&mut self, facets: &Facets<'a>, depth: u32) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = required(facets).map(str::to_owned).collect();
        if depth >= FULL_DEPTH {
            return names;
        }
        for facet in &facets.all {
            for (name, _) in facet.named("properties") {
                if self.rng.random_bool(self.mood.optional) {
                    names.insert(name.to_owned());
                }
            }
        }
        let is_map = |facet: &Facet<'_>| {
            facet
                .keywords
                .get("additionalProperties")
                .is_some_and(Value::is_object)
                || facet.keywords.contains_key("patternProperties")
        };
        if facets.all.iter().any(is_map) {
            for _ in 0..self.rng.random_range(0..=EXTRA_KEYS) {
                names.extend(self.key(facets));
            }
        }
        names
    }

    /// A name that is not declared: one of a pattern, else a plain word.
    fn key(&mut self, facets: &Facets<'a>) -> Option<String> {
        let patterns = facets
            .all
            .iter()
            .flat_map(|facet| facet.named("patternProperties"));
        let patterns: Vec<&str> = patterns.map(|(pattern, _)| pattern).collect();
        if let Some(pattern) = self.pick(&patterns) {
            return text::of_pattern(pattern, self.rng);
        }
        let nodes: Vec<Node<'a>> = facets
            .all
            .iter()
            .filter_map(|facet| facet.node("propertyNames"))
            .collect();
        if nodes.is_empty() {
            let (word, number) = (text::word(self.rng), self.rng.random_range(0..1_000));
            return Some(format!("{word}_{number}"));
        }
        let facets = Facets::of(self.documents, self.rng, nodes)?;
        match self.listed(&facets) {
            Some(value) => value?.as_str().map(str::to_owned),
            None => text::make(&facets, self.rng),
        }
    }

    /// What the chosen names bring with them: further names and further constraints.
    fn add_dependent(
        &mut self,
        facets: &mut Facets<'a>,
        names: &mut BTreeSet<String>,
    ) -> Option<()> {
        let mut applied: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        loop {
            let mut nodes = Vec::new();
            let before = names.len();
            for (at, facet) in facets.all.iter().enumerate() {
                for keyword in ["dependentRequired", "dependentSchemas", "dependencies"] {
                    for (name, node) in facet.named(keyword) {
                        let listed = node.schema.as_array();
                        if !names.contains(name) {
                            continue;
                        }
                        if let Some(listed) = listed {
                            names
                                .extend(listed.iter().filter_map(Value::as_str).map(str::to_owned));
                        } else if applied.entry(at).or_default().insert(name.to_owned()) {
                            nodes.push(node);
                        }
                    }
                }
            }
            if nodes.is_empty() && names.len() == before {
                return Some(());
            }
            facets.add(self.documents, self.rng, nodes)?;
            names.extend(required(facets).map(str::to_owned));
        }
    }
}

fn required<'f>(facets: &'f Facets<'_>) -> impl Iterator<Item = &'f str> {
    facets
        .each("required")
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(Value::as_str)
}

fn in_declared_order(facets: &Facets<'_>, mut names: BTreeSet<String>) -> Vec<String> {
    let declared = facets
        .all
        .iter()
        .flat_map(|facet| facet.named("properties"));
    let mut ordered: Vec<String> = declared.filter_map(|(name, _)| names.take(name)).collect();
    ordered.extend(names);
    ordered
}

/// What one schema object says about the property `name`.
fn property_schemas<'a>(facet: &Facet<'a>, name: &str) -> Vec<Node<'a>> {
    let declared = facet
        .named("properties")
        .filter(|(other, _)| *other == name);
    let mut nodes: Vec<Node<'a>> = declared.map(|(_, node)| node).collect();
    for (pattern, node) in facet.named("patternProperties") {
        if regex_automata::meta::Regex::new(pattern).is_ok_and(|regex| regex.is_match(name)) {
            nodes.push(node);
        }
    }
    if nodes.is_empty() {
        nodes.extend(facet.node("additionalProperties"));
    }
    nodes
}

/// What one schema object says about the item at `at`.
fn item_schema<'a>(facet: &Facet<'a>, at: usize) -> Option<Node<'a>> {
    let items = facet.keywords.get("items");
    let (tuple, rest) = match (facet.keywords.get("prefixItems"), items) {
        (Some(Value::Array(tuple)), _) => (Some(tuple), "items"),
        (_, Some(Value::Array(tuple))) => (Some(tuple), "additionalItems"),
        _ => (None, "items"),
    };
    match tuple.and_then(|tuple| tuple.get(at)) {
        Some(schema) => Some(facet.at(schema)),
        None => facet.node(rest),
    }
}
