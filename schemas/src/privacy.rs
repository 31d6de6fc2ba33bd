//! The annotation `x-pii`: values that nobody behind the gateway is to see. Which places of an event's data have it is a
//! [`Plan`], made once of a schema; [`Apply`] carries it out on an event's bytes, in one pass.
//!
//! `docs/adr/0021-privacy.md` says why it is so. How a value is hashed is the caller's: there is no key here.

use std::fmt;

use serde_json::Value;

mod apply;
mod conceal;
mod extra;
mod find;
mod plan;

pub use apply::{Apply, Fate, Hasher, MASK};
pub(crate) use conceal::{conceal, forgive};
pub(crate) use extra::{Extra, not_text, reserved};
pub use plan::{Place, Plan};

/// The annotation's name.
pub const ANNOTATION: &str = "x-pii";

/// The file of a set of schemas that says the same of built-in schemas.
pub const FILE: &str = "_privacy.json";

/// The length of a hash: HMAC-SHA-256 in hexadecimal digits.
pub const HASH_CHARS: u64 = 64;

/// What becomes of a value. Of two that are said of one place the stronger holds, which is the later one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A keyed hash takes its place: equal values stay equal.
    Hash,
    /// A text that is always the same, [`MASK`], takes its place.
    Mask,
    /// It is removed, and its name with it.
    Drop,
}

/// What the annotation may say, for messages.
const ALLOWED: &str = "allowed are \"drop\", \"hash\" and \"mask\"";

impl Action {
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Some(match value.as_str()? {
            "drop" => Self::Drop,
            "hash" => Self::Hash,
            "mask" => Self::Mask,
            _ => return None,
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash => "hash",
            Self::Mask => "mask",
            Self::Drop => "drop",
        })
    }
}

/// A member's name as a step of a place: as in a JSON pointer, and never to be mistaken for `*`.
fn step(name: &str) -> String {
    match name {
        "*" => "~2".to_owned(),
        _ => crate::program::escape(name),
    }
}

#[cfg(test)]
mod tests;
