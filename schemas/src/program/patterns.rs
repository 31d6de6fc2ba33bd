//! The patterns of a set of schemas: each is compiled once, however many schemas use it.

use std::collections::HashMap;

use crate::pattern::{Error, Pattern};

/// Index of a pattern within its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PatternId(u32);

/// Patterns, each with an index of its own.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    all: Vec<Pattern>,
    ids: HashMap<Box<str>, PatternId>,
}

impl Patterns {
    /// The pattern's index; it is compiled when it is new.
    pub(super) fn id(&mut self, source: &str) -> Result<PatternId, Error> {
        if let Some(id) = self.ids.get(source) {
            return Ok(*id);
        }
        let pattern = Pattern::new(source)?;
        let id = PatternId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(pattern);
        self.ids.insert(source.into(), id);
        Ok(id)
    }

    pub(super) fn get(&self, id: PatternId) -> &Pattern {
        id.of(&self.all)
    }

    pub(super) fn into_all(self) -> Vec<Pattern> {
        self.all
    }
}

impl PatternId {
    /// The pattern that has this index among those of its set.
    #[inline]
    pub(super) fn of(self, all: &[Pattern]) -> &Pattern {
        &all[self.0 as usize]
    }
}
