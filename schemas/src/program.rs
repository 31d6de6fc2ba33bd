//! A JSON Schema compiled for checking: what [`compile`] accepts is enforced in full, the rest is refused by name.
//!
//! Supported are JSON Schema 2020-12 and draft-07 but for dynamic references, `unevaluated...` and custom
//! vocabularies. `format` always asserts. `x-...` keywords are free for annotations. Where a schema has no `$schema`
//! it is read as 2020-12. Nothing is ever fetched: references lead to the documents at hand or are refused.

mod compile;
mod dialect;
mod graph;
mod index;
pub(crate) mod node;
pub(crate) mod number;
mod objects;
mod pack;
pub(crate) mod packed;
mod patterns;
mod read;
mod rules;
pub(crate) mod slots;
pub(crate) mod uri;

use std::sync::Arc;

use serde_json::Value;

pub use compile::{compile, compile_all};
pub(crate) use dialect::{escape, unescape};

use crate::check;
use crate::event::Violation;
use crate::walk::Cursor;
use node::Id;
use packed::Rules;

/// A schema document and where it is known to live.
#[derive(Debug, Clone)]
pub struct Document {
    /// Absolute URI of the document, for instance `headgate:///events/order_completed/1.json`. Relative references
    /// resolve against it, unless the document has an `$id`.
    pub uri: String,
    /// The schema itself.
    pub value: Value,
}

/// Why a schema is not accepted, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {keyword}: {reason}")]
pub struct Refused {
    /// JSON pointer (RFC 6901) to the keyword within the schema document; empty for the document itself. A pointer
    /// into another document than the one that is compiled follows that document's URI and a `#`.
    pub pointer: String,
    /// The keyword that is unknown, unsupported or wrong; empty when a schema as a whole is.
    pub keyword: String,
    /// What is wrong and what is allowed, for a person.
    pub reason: String,
}

/// One compiled schema. Those that were compiled together share their rules.
#[derive(Debug, Clone)]
pub struct Program {
    rules: Arc<Rules>,
    root: Id,
}

impl Program {
    pub(crate) fn root(&self) -> Id {
        self.root
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Checks one JSON text in which at most `depth_max` arrays and objects nest (and never more than 128).
    ///
    /// A text that is not sound JSON yields only what is wrong with it as JSON: `syntax` (one, with the byte offset),
    /// `encoding` (a lone surrogate), `depth`, or every `duplicateKey` and `numberRange` (a number beyond the range of
    /// f64). A sound one yields the keywords of the schema that it breaks. Does not allocate when the text is valid,
    /// unless the schema needs to compare containers or objects have very many keys.
    ///
    /// # Errors
    /// The violations found, at most 20 of them.
    pub fn check(&self, data: &str, depth_max: u32) -> Result<(), Vec<Violation>> {
        check::check(self, data, depth_max)
    }

    /// Whether the next value passes, which the cursor is then behind; if not, the cursor stays.
    pub(crate) fn passes(&self, data: &mut Cursor<'_>, depth_max: u32) -> bool {
        check::passes(self, data, depth_max)
    }
}

#[cfg(test)]
mod tests;
