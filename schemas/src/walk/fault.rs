//! What makes a text no JSON.

/// Why the text is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Syntax {
    /// Byte offset into the text that the cursor was made over.
    pub at: usize,
    /// What was found or missing there.
    pub what: Fault,
}

/// The ways in which a text fails to be JSON that Headgate accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The text ended inside a value.
    #[error("unexpected end of input")]
    End,
    /// A character that cannot start or continue a value here.
    #[error("unexpected character")]
    Unexpected,
    /// Something after the value.
    #[error("trailing characters")]
    Trailing,
    /// A backslash sequence that JSON does not have.
    #[error("invalid escape")]
    Escape,
    /// A `\u` escape of one half of a surrogate pair: no UTF-8 exists for it.
    #[error("lone surrogate")]
    Surrogate,
    /// An unescaped control character inside a string.
    #[error("control character in string")]
    Control,
    /// A number that breaks JSON's grammar.
    #[error("invalid number")]
    Number,
    /// Arrays and objects nested deeper than the limit.
    #[error("nested too deeply")]
    Depth,
}
