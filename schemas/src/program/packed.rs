//! The rules of a set of schemas as events are checked with them.
//!
//! A gateway does much between two events of one type, so that what checking reads is often no longer in the
//! processor's caches: the fewer of their lines it takes, the less it costs to serve many schemas. Therefore what a
//! valid event needs stands close together in a few tables (32 bytes a property), apart from what only messages need,
//! and equal parts of all schemas are kept once.

mod members;

use super::node::{Arrays, Branch, Id, Kinds, Numbers, Strings};
use super::number::Number;
use super::patterns::PatternId;
use super::slots::Slots;
use crate::pattern::Pattern;

pub(crate) use members::Members;

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

    /// A text that is longer than its head.
    fn text(&self, at: u32, len: u32) -> &[u8] {
        &self.text[at as usize..at as usize + len as usize]
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
