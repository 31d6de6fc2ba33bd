//! The registry that running parts share and that a reload replaces whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Registry;
use crate::schema::Schema;

/// A registry behind one atomic pointer: readers never wait, and see one whole set or the next.
#[derive(Debug)]
pub struct SharedRegistry {
    current: ArcSwap<Registry>,
}

/// What a reload changed. Schemas are named as in `dataschema`, for instance `order_completed/1.1`, those of Iglu by
/// their `iglu:` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// How many schemas of events the set has now, the built-in ones included.
    pub schemas: usize,
    /// The set's fingerprint now.
    pub fingerprint: u64,
    /// Schemas that were not there before.
    pub added: Vec<String>,
    /// Schemas that are there with another content.
    pub changed: Vec<String>,
    /// Schemas that are no longer there.
    pub removed: Vec<String>,
}

impl Summary {
    /// Whether the files said just what was loaded before; the old set then stays in place.
    pub fn unchanged(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    fn between(old: &Registry, new: &Registry) -> Self {
        let missing_in = |other: &Registry, schema: &Arc<Schema>| exact(other, schema).is_none();
        let names = |from: &Registry, keep: &dyn Fn(&Arc<Schema>) -> bool| {
            from.schemas()
                .filter(|schema| keep(schema))
                .map(|schema| schema.dataschema().to_owned())
                .collect::<Vec<_>>()
        };
        let mut summary = Self {
            schemas: new.schemas().count(),
            fingerprint: new.fingerprint(),
            added: names(new, &|schema| missing_in(old, schema)),
            changed: names(new, &|schema| {
                exact(old, schema).is_some_and(|old| old.fingerprint() != schema.fingerprint())
            }),
            removed: names(old, &|schema| missing_in(new, schema)),
        };
        summary.iglu(new.iglu().fingerprints(), &old.iglu().fingerprints());
        summary
    }

    /// Adds what has changed among the schemas of Iglu.
    fn iglu<'a>(&mut self, mut new: BTreeMap<&'a str, u64>, old: &BTreeMap<&'a str, u64>) {
        for (name, before) in old {
            match new.remove(name) {
                None => self.removed.push((*name).to_owned()),
                Some(now) if now != *before => self.changed.push((*name).to_owned()),
                Some(_) => {}
            }
        }
        self.added.extend(new.into_keys().map(str::to_owned));
    }
}

/// The schema of the same name and version.
fn exact<'a>(registry: &'a Registry, schema: &Schema) -> Option<&'a Arc<Schema>> {
    registry.exact(schema.name(), schema.version())
}

impl SharedRegistry {
    /// Shares a registry.
    pub fn new(registry: Registry) -> Self {
        Self {
            current: ArcSwap::from_pointee(registry),
        }
    }

    /// The set in force. Hold it for a request or a batch, not longer: a reload does not change it.
    pub fn load(&self) -> Arc<Registry> {
        self.current.load_full()
    }

    /// Puts a set that was loaded and found good in force at once. Of concurrent calls the last to finish wins.
    pub fn replace(&self, new: Registry) -> Summary {
        let summary = Summary::between(&self.current.load(), &new);
        if !summary.unchanged() {
            self.current.store(Arc::new(new));
        }
        summary
    }
}
