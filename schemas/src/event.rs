//! The envelope: the contract between gateway and sink, a CloudEvents 1.0 event in structured JSON mode.

use std::fmt;

/// One reason why an event is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the offending value within the event's data; empty for the data itself.
    pub pointer: String,
    /// The schema keyword that failed (`required`, `minimum`, ...), or one of Headgate's own: `syntax`, `depth`,
    /// `encoding`, `duplicateKey`, `numberRange`, and for attributes of the event `type`, `dataschema`, ...
    pub keyword: &'static str,
    /// What was found and what is allowed, for a person.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.pointer, self.message, self.keyword)
    }
}

/// An event's data as it stands in the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data<'a> {
    /// JSON text, byte for byte what the client sent.
    Json(&'a str),
    /// Bytes that are not JSON text, in base64 (`data_base64`).
    Base64(&'a str),
    /// The event has no data.
    None,
}
