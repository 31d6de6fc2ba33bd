//! The rules for one object, gathered from their tables.

use super::{Key, KeyDetail, Lookup, Node, Objects, Rare, Rules, head};
use crate::program::node::Id;
use crate::program::slots::Slots;

impl Rules {
    /// The node's rules for objects.
    #[inline]
    pub(crate) fn members(&self, node: &Node) -> Members<'_> {
        let objects = &self.objects[node.objects as usize];
        let from = objects.keys as usize;
        Members {
            rules: self,
            objects,
            keys: &self.keys[from..from + objects.keys_len as usize],
            rare: objects
                .rare
                .checked_sub(1)
                .and_then(|at| self.rare.get(at as usize)),
        }
    }
}

/// The rules for one object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Members<'a> {
    rules: &'a Rules,
    objects: &'a Objects,
    /// The names that the schema mentions: those of `properties` in declared order, then the others.
    pub(crate) keys: &'a [Key],
    pub(crate) rare: Option<&'a Rare>,
}

impl<'a> Members<'a> {
    /// The schema of members whose key the schema does not mention.
    pub(crate) fn additional(&self) -> Id {
        self.objects.additional
    }

    /// The key's head and whole text, for [`crate::walk::Cursor::take_text`].
    #[inline]
    pub(crate) fn text(&self, key: &Key) -> (u128, usize, impl FnOnce() -> &'a [u8] + use<'a>) {
        let head = u128::from(key.head[0]) | u128::from(key.head[1]) << 64;
        let (rules, at, len) = (self.rules, key.text, key.text_len);
        (head, len as usize, move || rules.text(at, len))
    }

    pub(crate) fn detail(&self, slot: usize) -> &'a KeyDetail {
        &self.rules.details[self.objects.keys as usize + slot]
    }

    /// The slot of a key, if the schema mentions it.
    pub(crate) fn slot(&self, key: &str) -> Option<usize> {
        let from = self.objects.keys as usize;
        let lookups = &self.rules.lookups[from..from + self.keys.len()];
        let wanted = (key.len(), head(key.as_bytes()));
        let of = |lookup: &Lookup| (lookup.len as usize, lookup.head);
        let first = lookups.partition_point(|lookup| of(lookup) < wanted);
        lookups[first..]
            .iter()
            .take_while(|lookup| of(lookup) == wanted)
            .map(|lookup| lookup.slot as usize)
            .find(|slot| wanted.0 <= 8 || *self.detail(*slot).key == *key)
    }

    /// Whether every key that has to be there has been seen.
    #[inline]
    pub(crate) fn has_required(&self, seen: &Slots) -> bool {
        self.objects.required & !seen.first == 0
            && self.rare.is_none_or(|rare| seen.covers(&rare.required))
    }

    /// The keys that have to be there.
    pub(crate) fn required(&self) -> Slots {
        match self.rare {
            Some(rare) => rare.required.clone(),
            None => Slots {
                first: self.objects.required,
                rest: Vec::new(),
            },
        }
    }
}
