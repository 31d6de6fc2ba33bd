//! Events that were refused: kept as events of type `bad_events`, with the reasons and the original bytes.
//!
//! The payload is never truncated: a bad event can be repaired and sent again. Its size is bounded by the limits on
//! whatever it came in (a request body, a stream's record), not here.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use super::{Data, Event, Violation, write_string};

/// The type of every event that carries a refused event, and the table that they land in.
pub const BAD_EVENTS: &str = "bad_events";

/// The schema of their data.
pub const BAD_EVENTS_DATASCHEMA: &str = "bad_events/1";

/// Why an event was refused, coarsely: a bounded set, fit for a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The bytes are not JSON, or break a limit on JSON text.
    Malformed,
    /// They are JSON but not an event: an attribute is missing or wrong.
    Envelope,
    /// No schema is known for the event's type or dataschema.
    UnknownSchema,
    /// The data breaks its schema.
    Invalid,
    /// Found behind the gateway: the sink could not decode the stream's record.
    Undecodable,
}

impl Reason {
    /// Every reason, for metrics and documents.
    pub const ALL: [Reason; 5] = [
        Self::Malformed,
        Self::Envelope,
        Self::UnknownSchema,
        Self::Invalid,
        Self::Undecodable,
    ];

    /// The reason's name as it stands in the data and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Envelope => "envelope",
            Self::UnknownSchema => "unknown_schema",
            Self::Invalid => "invalid",
            Self::Undecodable => "undecodable",
        }
    }
}

/// A refused event on its way to the bad events.
#[derive(Debug, Clone, Copy)]
pub struct Rejected<'a> {
    /// Id of the bad event itself, new and unique: the refused event's own id may be absent, wrong or reused.
    pub id: &'a str,
    /// `source` of the bad event itself: the gateway or sink that refused.
    pub source: &'a str,
    /// When it was refused, RFC 3339, UTC: both `time` and `receivedtime` of the bad event.
    pub receivedtime: &'a str,
    /// Why, coarsely.
    pub reason: Reason,
    /// Why, in detail.
    pub errors: &'a [Violation],
    /// The refused event's type, where one could be read.
    pub rejected_type: Option<&'a str>,
    /// The refused event's id, where one could be read or was given.
    pub rejected_id: Option<&'a str>,
    /// The refused event's source, where one could be read.
    pub rejected_source: Option<&'a str>,
    /// When the client sent it by its own clock, where it said so for all events of a request, RFC 3339: `senttime` of the
    /// bad event.
    pub senttime: Option<&'a str>,
    /// How the payload is to be read, where it is not an event in CloudEvents' JSON format: a protocol's name and what the
    /// protocol needs to know.
    pub form: Option<&'a str>,
    /// The refused event, byte for byte but for values with the annotation `x-pii`; empty where it is withheld.
    pub payload: &'a [u8],
    /// The places whose values were dropped, hashed or masked ([`Place::path`](crate::privacy::Place), with the schema's
    /// name and `#` before it where it is one of Iglu's); [`WITHHELD`] alone where the payload is.
    pub protected: &'a [String],
}

/// What stands for all places of a payload that is not kept.
pub const WITHHELD: &str = "*";

impl Rejected<'_> {
    /// Appends the bad event's envelope: type and schema `bad_events`, `data` as its schema says, the payload as a
    /// JSON string when it is UTF-8 and else in base64.
    pub fn write(&self, out: &mut Vec<u8>) {
        let data = self.data();
        Event {
            id: Cow::Borrowed(self.id),
            source: Cow::Borrowed(self.source),
            kind: Cow::Borrowed(BAD_EVENTS),
            time: Some(Cow::Borrowed(self.receivedtime)),
            dataschema: Some(Cow::Borrowed(BAD_EVENTS_DATASCHEMA)),
            receivedtime: Some(Cow::Borrowed(self.receivedtime)),
            senttime: self.senttime.map(Cow::Borrowed),
            data: Data::Json(&data),
            ..Event::default()
        }
        .write(out);
    }

    /// The bad event's data: one JSON object, valid against the schema `bad_events/1`.
    pub fn data(&self) -> String {
        let mut out = Vec::with_capacity(self.payload.len() + self.payload.len() / 4 + 256);
        out.extend_from_slice(br#"{"reason":"#);
        write_string(self.reason.as_str(), &mut out);
        let named = [
            ("rejected_type", self.rejected_type),
            ("rejected_id", self.rejected_id),
            ("rejected_source", self.rejected_source),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                member(name, value, &mut out);
            }
        }
        out.extend_from_slice(br#","errors":["#);
        for (index, error) in self.errors.iter().enumerate() {
            out.extend_from_slice(if index == 0 {
                br#"{"pointer":"#
            } else {
                br#",{"pointer":"#
            });
            write_string(&error.pointer, &mut out);
            member("keyword", error.keyword, &mut out);
            member("message", &error.message, &mut out);
            out.push(b'}');
        }
        out.push(b']');
        match simdutf8::basic::from_utf8(self.payload) {
            Ok(text) => member("payload", text, &mut out),
            Err(_) => member("payload_base64", &BASE64.encode(self.payload), &mut out),
        }
        if let Some(form) = self.form {
            member("payload_form", form, &mut out);
        }
        for (index, place) in self.protected.iter().enumerate() {
            out.extend_from_slice(match index {
                0 => br#","payload_protected":["#,
                _ => b",",
            });
            write_string(place, &mut out);
        }
        if !self.protected.is_empty() {
            out.push(b']');
        }
        out.push(b'}');
        // Only whole strings and ASCII were appended: nothing is ever replaced here.
        match String::from_utf8(out) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }
}

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write_string(name, out);
    out.push(b':');
    write_string(value, out);
}

/// One reason read back from a bad event; see [`Violation`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Finding {
    /// JSON pointer within the refused event's data.
    pub pointer: String,
    /// The keyword that failed.
    pub keyword: String,
    /// What was found and what is allowed.
    pub message: String,
}

/// A refused event read back, to be looked at or sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEvent {
    /// Why, coarsely: one of [`Reason`]'s names, or a later version's.
    pub reason: String,
    /// Why, in detail.
    pub errors: Vec<Finding>,
    /// The refused event's type, where known.
    pub rejected_type: Option<String>,
    /// The refused event's id, where known.
    pub rejected_id: Option<String>,
    /// The refused event's source, where known.
    pub rejected_source: Option<String>,
    /// The refused event, byte for byte.
    pub payload: Vec<u8>,
    /// How the payload is to be read, where it is not an event in CloudEvents' JSON format.
    pub payload_form: Option<String>,
    /// The places whose values were dropped, hashed or masked.
    pub payload_protected: Vec<String>,
}

/// Why a bad event's data cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not JSON of the expected form.
    #[error("not the data of a bad event")]
    Form(#[from] serde_json::Error),
    /// `payload_base64` is not base64.
    #[error("payload_base64 is not base64")]
    Base64(#[from] base64::DecodeError),
    /// There is neither `payload` nor `payload_base64`.
    #[error("neither payload nor payload_base64 is present")]
    NoPayload,
}

#[derive(Deserialize)]
struct Form {
    reason: String,
    #[serde(default)]
    errors: Vec<Finding>,
    rejected_type: Option<String>,
    rejected_id: Option<String>,
    rejected_source: Option<String>,
    payload: Option<String>,
    payload_base64: Option<String>,
    payload_form: Option<String>,
    #[serde(default)]
    payload_protected: Vec<String>,
}

impl BadEvent {
    /// Reads the data of an event of type [`BAD_EVENTS`].
    ///
    /// # Errors
    /// When it is not what [`Rejected::data`] writes; members that it does not know are passed over.
    pub fn read(data: &str) -> Result<BadEvent, Error> {
        let form: Form = serde_json::from_str(data)?;
        let payload = match (form.payload, form.payload_base64) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(text)) => BASE64.decode(text)?,
            (None, None) => return Err(Error::NoPayload),
        };
        Ok(BadEvent {
            reason: form.reason,
            errors: form.errors,
            rejected_type: form.rejected_type,
            rejected_id: form.rejected_id,
            rejected_source: form.rejected_source,
            payload,
            payload_form: form.payload_form,
            payload_protected: form.payload_protected,
        })
    }
}
