//! The envelope: the contract between gateway and sink, a CloudEvents 1.0 event in structured JSON mode.
//!
//! A record on a stream is one [`Event`], written by [`Event::write`] and read by [`Event::read`]. Attributes stand
//! in a fixed order and `data` stands last, byte for byte as the client sent it, so that a reader can go from the
//! attributes straight into the data in one pass ([`Event::read_to_data`]). An event that was refused travels as an
//! event too: see [`Rejected`].

use std::borrow::Cow;
use std::fmt;

mod read;
pub mod rejected;
mod replayed;
mod write;

pub use read::{Error, close};
pub use rejected::{
    BAD_EVENTS, BAD_EVENTS_DATASCHEMA, BadEvent, Finding, Reason, Rejected, WITHHELD,
};
pub use replayed::{REPLAYED_EVENTS, REPLAYED_EVENTS_DATASCHEMA, Replayed};
pub use write::write_string;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Data<'a> {
    /// JSON text, byte for byte what the client sent.
    Json(&'a str),
    /// Bytes that are not JSON text, in base64 (`data_base64`).
    Base64(&'a str),
    /// The event has no data.
    #[default]
    None,
}

/// One event with its CloudEvents attributes. Strings are decoded values, never JSON text; they borrow from the
/// record unless it has escapes in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event<'a> {
    /// `id`: unique together with `source`; the deduplication key downstream.
    pub id: Cow<'a, str>,
    /// `source`: what the event comes from, a URI reference.
    pub source: Cow<'a, str>,
    /// `type`: the event's name, for instance `order_completed`.
    pub kind: Cow<'a, str>,
    /// `time`: when it happened by the client's clock, RFC 3339.
    pub time: Option<Cow<'a, str>>,
    /// `dataschema`: the schema that the data was checked against, for instance `order_completed/1.1`.
    pub dataschema: Option<Cow<'a, str>>,
    /// `subject`: what the event is about within its source.
    pub subject: Option<Cow<'a, str>>,
    /// `receivedtime` (extension): when the gateway received it, RFC 3339, UTC.
    pub receivedtime: Option<Cow<'a, str>>,
    /// `senttime` (extension): when the client sent it by the client's clock, RFC 3339.
    pub senttime: Option<Cow<'a, str>>,
    /// `userid` (extension): the known user.
    pub userid: Option<Cow<'a, str>>,
    /// `anonymousid` (extension): the device or browser of a user who may not be known yet.
    pub anonymousid: Option<Cow<'a, str>>,
    /// `sdk` (extension): name and version of the library that sent it.
    pub sdk: Option<Cow<'a, str>>,
    /// `datacontenttype`: the media type of the data; absent means JSON.
    pub datacontenttype: Option<Cow<'a, str>>,
    /// Any other attribute: its name (see [`attribute_name`]) and its value as the text of a JSON string, number or
    /// boolean. Written as they stand.
    pub extensions: Vec<(Cow<'a, str>, &'a str)>,
    /// The payload.
    pub data: Data<'a>,
}

impl<'a> Event<'a> {
    /// The same with other data.
    pub fn with<'d>(self, data: &'d str) -> Event<'d>
    where
        'a: 'd,
    {
        let mut event: Event<'d> = self;
        event.data = Data::Json(data);
        event
    }
}

impl Event<'_> {
    /// Whose event this is: the user, else the anonymous user, else the subject, else the event's own id. The
    /// partition key of the stream's record.
    pub fn identity(&self) -> &str {
        [&self.userid, &self.anonymousid, &self.subject]
            .into_iter()
            .find_map(|attribute| attribute.as_deref().filter(|text| !text.is_empty()))
            .unwrap_or(&self.id)
    }
}

/// Whether events of that type are Headgate's own to make: clients cannot send them.
pub fn reserved(kind: &str) -> bool {
    kind == BAD_EVENTS || kind == REPLAYED_EVENTS
}

/// Whether `name` may be an attribute's name: CloudEvents allows lower-case ASCII letters and digits.
pub fn attribute_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
