//! The rules for objects: one table of all names that a schema mentions, so that a key is looked up once.

use std::collections::HashMap;

use serde_json::Value;

use super::compile::{Builder, Scope};
use super::dialect::{Dialect, escape};
use super::node::{Id, Name, Objects};
use super::patterns::{PatternId, Patterns};
use super::read;
use super::slots::Slots;

/// What one entry of `dependencies` (draft-07), `dependentRequired` or `dependentSchemas` asks for.
enum Dependency<'d> {
    Names(Vec<&'d str>),
    Schema(Id),
}

/// The names of one object schema while they are collected.
#[derive(Default)]
struct Names {
    slots: HashMap<String, usize>,
    found: Vec<(String, Option<Id>)>,
}

impl Names {
    fn slot(&mut self, key: &str) -> usize {
        if let Some(slot) = self.slots.get(key) {
            return *slot;
        }
        self.found.push((key.to_owned(), None));
        self.slots.insert(key.to_owned(), self.found.len() - 1);
        self.found.len() - 1
    }

    fn slots(&mut self, keys: &[&str]) -> Slots {
        let mut slots = Slots::default();
        for key in keys {
            slots.insert(self.slot(key));
        }
        slots
    }
}

impl<'d> Builder<'d> {
    pub(super) fn objects(&mut self, scope: &Scope<'d>) -> Option<Objects> {
        let mut names = Names::default();
        if let Some(properties) = self.read(scope, "properties", read::map) {
            for key in properties.keys() {
                let id = self.id(scope.below(&format!("properties/{}", escape(key))));
                let slot = names.slot(key);
                names.found[slot].1 = Some(id);
            }
        }
        let mut objects = Objects::open();
        objects.patterns = self.pattern_properties(scope);
        objects.additional = self.child(scope, "additionalProperties").unwrap_or(Id::ANY);
        objects.property_names = self.child(scope, "propertyNames");
        objects.count_min = self.read(scope, "minProperties", read::size).unwrap_or(0);
        objects.count_max = self
            .read(scope, "maxProperties", read::size)
            .unwrap_or(usize::MAX);
        let required = self
            .read(scope, "required", read::names)
            .unwrap_or_default();
        objects.required = names.slots(&required);
        let (mut lists, mut schemas) = (Vec::new(), Vec::new());
        for (key, dependency) in self.dependencies(scope) {
            let slot = names.slot(key);
            match dependency {
                Dependency::Names(keys) => lists.push((slot, names.slots(&keys))),
                Dependency::Schema(id) => schemas.push((slot, id)),
            }
        }
        objects.dependent_required = lists.into_boxed_slice();
        objects.dependent_schemas = schemas.into_boxed_slice();
        objects.names = names
            .found
            .into_iter()
            .map(|(key, schema)| name(key, schema, &objects, &self.patterns))
            .collect();
        let says_nothing = objects.names.is_empty()
            && objects.patterns.is_empty()
            && objects.additional == Id::ANY
            && objects.property_names.is_none()
            && objects.count_min == 0
            && objects.count_max == usize::MAX;
        (!says_nothing).then_some(objects)
    }

    fn pattern_properties(&mut self, scope: &Scope<'d>) -> Box<[(PatternId, Id)]> {
        let mut patterns = Vec::new();
        for key in self
            .read(scope, "patternProperties", read::map)
            .into_iter()
            .flatten()
        {
            let key = key.0;
            match self.patterns.id(key) {
                Ok(pattern) => {
                    let below = format!("patternProperties/{}", escape(key));
                    patterns.push((pattern, self.id(scope.below(&below))));
                }
                Err(refused) => {
                    let reason = format!("{key:?}: {refused}");
                    self.refuse(&scope.place, "patternProperties", reason);
                }
            }
        }
        patterns.into_boxed_slice()
    }

    fn dependencies(&mut self, scope: &Scope<'d>) -> Vec<(&'d str, Dependency<'d>)> {
        let keywords: &[&str] = match scope.dialect {
            Dialect::Draft7 => &["dependencies"],
            Dialect::Draft202012 => &["dependentRequired", "dependentSchemas"],
        };
        let mut found = Vec::new();
        for keyword in keywords {
            let Some(entries) = self.read(scope, keyword, read::map) else {
                continue;
            };
            for (key, value) in entries {
                let is_list = match *keyword {
                    "dependencies" => matches!(value, Value::Array(_)),
                    other => other == "dependentRequired",
                };
                let dependency = if is_list {
                    let names = self.read(scope, keyword, |_| read::names(value));
                    Dependency::Names(names.unwrap_or_default())
                } else {
                    Dependency::Schema(self.id(scope.below(&format!("{keyword}/{}", escape(key)))))
                };
                found.push((key.as_str(), dependency));
            }
        }
        found
    }
}

/// Decides once which schemas a property of this name has to satisfy.
fn name(key: String, schema: Option<Id>, objects: &Objects, patterns: &Patterns) -> Name {
    let by_pattern = objects
        .patterns
        .iter()
        .filter(|(pattern, _)| patterns.get(*pattern).matches(&key));
    let mut ids: Vec<Id> = schema
        .into_iter()
        .chain(by_pattern.map(|(_, id)| *id))
        .collect();
    let keyword = match (schema, ids.is_empty()) {
        (Some(_), _) => "properties",
        (None, false) => "patternProperties",
        (None, true) => "additionalProperties",
    };
    if ids.is_empty() {
        ids.push(objects.additional);
    }
    Name {
        schema: ids.remove(0),
        more: ids.into_boxed_slice(),
        key: key.into_boxed_str(),
        keyword,
    }
}
