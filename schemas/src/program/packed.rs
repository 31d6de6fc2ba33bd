//! The rules of a set of schemas as events are checked with them.
//!
//! A gateway does much between two events of one type, so that what checking reads is often no longer in the
//! processor's caches: the fewer of their lines it takes, the less it costs to serve many schemas. Therefore what a
//! valid event needs stands close together in a few tables (32 bytes a property), apart from what only messages need,
//! and equal parts of all schemas are kept once.

use super::node::{Arrays, Branch, Id, Kinds, Numbers, Strings};
use super::number::Number;
use super::patterns::PatternId;
use super::slots::Slots;
use crate::pattern::Pattern;

/// What stands for the rules of a schema that has none of its own: in the tables of strings and numbers there is no
/// such entry, and indices count from 1.
pub(super) const OPEN: u32 = 0;

/// One subschema. Its rules are indices into the tables of [`Rules`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) kinds: Kinds,
    /// The scalar types whose values pass whatever they are.
    pub(crate) free: Kinds,
    /// How many entries of the table of constants are this node's.
    pub(super) constants_len: u8,
    pub(super) constants: u32,
    pub(super) strings: u32,
    pub(super) numbers: u32,
    pub(super) objects: u32,
    pub(super) arrays: u32,
    pub(super) branches: u32,
}

impl Node {
    pub(crate) fn has_branches(&self) -> bool {
        self.branches != OPEN
    }

    pub(crate) fn has_constants(&self) -> bool {
        self.constants_len > 0
    }
}

/// The rules for objects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Objects {
    /// The first 64 of the keys that have to be there, a bit each.
    pub(super) required: u64,
    pub(super) keys: u32,
    pub(super) keys_len: u32,
    pub(crate) additional: Id,
    /// Counts from 1.
    pub(super) rare: u32,
}

/// What few schemas say about objects.
#[derive(Debug)]
pub(crate) struct Rare {
    /// All keys that have to be there.
    pub(crate) required: Slots,
    pub(crate) patterns: Box<[(PatternId, Id)]>,
    pub(crate) property_names: Option<Id>,
    pub(crate) count_min: usize,
    pub(crate) count_max: usize,
    pub(crate) dependent_required: Box<[(usize, Slots)]>,
    pub(crate) dependent_schemas: Box<[(usize, Id)]>,
}

/// A property's name that a schema mentions, ready to be compared, and what holds for its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// The first 16 bytes of the key as JSON text with quotes and colon (`"price":`), padded with zeros.
    pub(super) head: [u64; 2],
    /// The whole text's length and place.
    pub(super) text_len: u32,
    pub(super) text: u32,
    pub(crate) schema: Id,
    /// [`Node::free`] of the schema: most values then need no look at it.
    pub(crate) free: Kinds,
    /// Whether there are further schemas for the same property.
    pub(crate) has_more: bool,
}

/// Where a key is found when it does not come in the schema's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lookup {
    /// In bytes.
    pub(super) len: u32,
    pub(super) slot: u32,
    /// See [`head`].
    pub(super) head: u64,
}

/// What is rarely asked of a key.
#[derive(Debug)]
pub(crate) struct KeyDetail {
    pub(crate) key: Box<str>,
    /// Further schemas for the same property, from `patternProperties`.
    pub(crate) more: Box<[Id]>,
    /// The keyword that the key's schema stands under.
    pub(crate) keyword: &'static str,
}

/// The values of an `enum` or of a `const`.
#[derive(Debug)]
pub(crate) struct Constants {
    pub(super) words: u32,
    pub(super) words_len: u32,
    pub(crate) null: bool,
    pub(crate) yes: bool,
    pub(crate) no: bool,
    pub(crate) detail: Box<ConstantsDetail>,
}

/// What is rarely asked of constants.
#[derive(Debug)]
pub(crate) struct ConstantsDetail {
    pub(crate) keyword: &'static str,
    pub(crate) numbers: Box<[Number]>,
    /// Arrays and objects in canonical form.
    pub(crate) containers: Box<[Vec<u8>]>,
    /// What is allowed, for messages.
    pub(crate) shown: String,
}

/// A text among constants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    /// See [`head`].
    pub(super) head: u64,
    pub(super) len: u32,
    pub(super) text: u32,
}

/// The rules of all schemas that were compiled together. Immutable.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(super) nodes: Vec<Node>,
    pub(super) objects: Vec<Objects>,
    pub(super) keys: Vec<Key>,
    /// Sorted for each object; as many as its keys and at the same place.
    pub(super) lookups: Vec<Lookup>,
    pub(super) details: Vec<KeyDetail>,
    pub(super) rare: Vec<Rare>,
    pub(super) strings: Vec<Strings>,
    pub(super) numbers: Vec<Numbers>,
    pub(super) arrays: Vec<Arrays>,
    pub(super) constants: Vec<Constants>,
    pub(super) words: Vec<Word>,
    pub(super) branches: Vec<Box<[Branch]>>,
    pub(super) patterns: Vec<Pattern>,
    /// Keys as JSON text and the texts among constants, where they are too long for their heads.
    pub(super) text: Vec<u8>,
}

impl Rules {
    #[inline]
    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The node's rules for strings; `None` when every string will do.
    #[inline]
    pub(crate) fn strings(&self, node: &Node) -> Option<&Strings> {
        let at = node.strings.checked_sub(1)?;
        self.strings.get(at as usize)
    }

    /// The node's rules for numbers; `None` when every number will do.
    #[inline]
    pub(crate) fn numbers(&self, node: &Node) -> Option<&Numbers> {
        let at = node.numbers.checked_sub(1)?;
        self.numbers.get(at as usize)
    }

    #[inline]
    pub(crate) fn arrays(&self, node: &Node) -> &Arrays {
        &self.arrays[node.arrays as usize]
    }

    /// The node's `enum` and `const`.
    #[inline]
    pub(crate) fn constants(&self, node: &Node) -> &[Constants] {
        let from = node.constants as usize;
        &self.constants[from..from + usize::from(node.constants_len)]
    }

    /// Schemas that apply to the same value as the node: each costs another walk over it.
    pub(crate) fn branches(&self, node: &Node) -> &[Branch] {
        &self.branches[node.branches as usize]
    }

    pub(crate) fn pattern(&self, id: PatternId) -> &Pattern {
        id.of(&self.patterns)
    }

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

    /// Whether a text is among the constants.
    #[inline]
    pub(crate) fn is_among(&self, constants: &Constants, text: &str) -> bool {
        let from = constants.words as usize;
        let words = &self.words[from..from + constants.words_len as usize];
        let head = head(text.as_bytes());
        words.iter().any(|word| {
            word.head == head
                && word.len as usize == text.len()
                && (text.len() <= 8 || self.text(word.text, word.len) == text.as_bytes())
        })
    }

    fn text(&self, at: u32, len: u32) -> &[u8] {
        &self.text[at as usize..at as usize + len as usize]
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

/// The first eight bytes as a number; shorter texts are padded with zeros.
#[inline]
pub(super) fn head(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    let len = bytes.len().min(8);
    word[..len].copy_from_slice(&bytes[..len]);
    u64::from_le_bytes(word)
}
