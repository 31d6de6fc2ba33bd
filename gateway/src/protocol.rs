//! From a body's bytes to events: what each way of sending them means. Nothing here waits or allocates per byte.

use headgate_schemas::{event::Violation, registry::Registry, walk::Syntax};

use crate::config::Config;

pub(crate) mod cloudevents;
pub(crate) mod media;
pub(crate) mod native;
pub(crate) mod split;

/// What an event is read by.
pub(crate) struct Rules<'a> {
    pub(crate) bounds: &'a Bounds,
    pub(crate) schemas: &'a Registry,
}

/// What bounds an event.
pub(crate) struct Bounds {
    pub(crate) attribute_bytes_max: usize,
    pub(crate) extensions_max: usize,
    pub(crate) depth_max: u32,
}

impl Bounds {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            attribute_bytes_max: config.limits.attribute_bytes_max as usize,
            extensions_max: config.limits.extensions_max as usize,
            depth_max: config.limits.depth_max,
        }
    }
}

/// Why a body as a whole is not events. Nothing of such a request is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Syntax(#[from] Syntax),
    #[error("body is empty")]
    Empty,
    #[error("body is not {expected} as its content type says")]
    NotAsSaid { expected: &'static str, at: usize },
}

impl Error {
    /// Byte offset into the (inflated) body.
    pub(crate) fn offset(&self) -> usize {
        match self {
            Self::Syntax(syntax) => syntax.at,
            Self::Empty => 0,
            Self::NotAsSaid { at, .. } => *at,
        }
    }
}

/// A fault in an event's attribute, or in one that it should have.
pub(crate) fn attribute_fault(
    name: &str,
    keyword: &'static str,
    message: impl Into<String>,
) -> Violation {
    let mut pointer = String::with_capacity(name.len() + 1);
    pointer.push('/');
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(character),
        }
    }
    Violation {
        pointer,
        keyword,
        message: message.into(),
    }
}
