//! Rejected events judged again, by the rules that hold now: what `headgate replay` asks of a bad event.
//!
//! It is the same reading and the same check as for an event that comes in, over the bytes that were kept. What was
//! told to the client stays: the event's id, its source, and when it was received.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use headgate_schemas::{
    event::{Event, Reason, Violation, WITHHELD},
    format::date_time_micros,
    registry::Registry,
};

use crate::{
    config::Config,
    enrich::{self, Client},
    privacy::Privacy,
    protocol::{self, Item, Kept, Protocol, Sent, native::Native},
    rules::{Rules, Unfit},
    sources::{self, SharedSources, Source},
};

/// A rejected event as it was kept.
#[derive(Debug, Clone, Copy)]
pub struct Rejected<'a> {
    /// Its bytes.
    pub payload: &'a [u8],
    /// The type that was read then, if any.
    pub kind: Option<&'a str>,
    /// The id that was read then, or given to it and returned to the client.
    pub id: Option<&'a str>,
    /// The source that it gets where its bytes name none.
    pub source_default: &'a str,
    /// When it was received, RFC 3339, UTC.
    pub receivedtime: &'a str,
    /// When its client sent it by its own clock, where the whole request said so, RFC 3339.
    pub senttime: Option<&'a str>,
    /// Places whose values were dropped, hashed or masked when it was kept; [`WITHHELD`] alone: it was not kept.
    pub protected: &'a [String],
    /// How its bytes are to be read, where they are not an event in CloudEvents' JSON format.
    pub form: Option<&'a str>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is valid now.
    Valid(Valid),
    /// It is still not valid.
    Invalid {
        /// Why, coarsely.
        reason: Reason,
        /// Why, in detail.
        errors: Vec<Violation>,
    },
    /// Its bytes are not the whole event: it came in CloudEvents' binary mode, and its attributes, which stood in
    /// headers, were not kept.
    Partial,
    /// Its bytes were withheld.
    Withheld,
}

/// An event that is valid now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valid {
    /// The envelope, as the gateway would have written it then.
    pub record: Vec<u8>,
    /// The event's id.
    pub id: String,
    /// The event's type.
    pub kind: String,
    /// The table that it belongs to.
    pub table: String,
}

/// Judges rejected events again.
pub struct Again {
    rules: Rules,
    bounds: protocol::Bounds,
    sources: SharedSources,
}

impl Again {
    /// By a gateway's settings.
    ///
    /// # Errors
    /// What a source asks for cannot be had.
    pub fn new(
        config: &Config,
        sources: &sources::Config,
        privacy: Arc<Privacy>,
    ) -> Result<Self, enrich::Error> {
        Ok(Self {
            sources: SharedSources::new(sources, &config.source_default)?,
            rules: Rules::new(config, privacy),
            bounds: protocol::Bounds::new(config),
        })
    }

    /// The verdict on one event by these schemas.
    pub fn judge(&self, schemas: &Registry, rejected: &Rejected<'_>) -> Verdict {
        if rejected.protected.iter().any(|place| place == WITHHELD) {
            return Verdict::Withheld;
        }
        let sources = self.sources.load();
        let source = sources.named(rejected.source_default);
        let gone = Source::anonymous(rejected.source_default);
        let reading = protocol::Rules {
            bounds: &self.bounds,
            schemas,
            // One that is no longer there is held to nothing.
            source: source.map_or(&gone, AsRef::as_ref),
            received_micros: date_time_micros(rejected.receivedtime).unwrap_or(0),
            done: rejected.protected,
        };
        match open(rejected) {
            Ok(sent) => self.read(&reading, sent.as_ref(), rejected),
            Err(error) => malformed(error.to_string()),
        }
    }

    fn read(
        &self,
        reading: &protocol::Rules<'_>,
        sent: &dyn Sent,
        rejected: &Rejected<'_>,
    ) -> Verdict {
        let first = sent
            .events(reading)
            .and_then(|mut events| events.next(reading));
        let mut item = match first {
            Ok(Some(item)) => item,
            Ok(None) => return malformed("the payload is empty".to_owned()),
            Err(error) => return malformed(error.to_string()),
        };
        let is_utf8 = sent.text().is_utf8();
        let read_then = is_utf8 && same(&item, rejected);
        let raw = rejected
            .payload
            .get(item.range.clone())
            .unwrap_or(rejected.payload);
        let made = item.take_made();
        let item = match &made {
            None => item,
            Some(made) => item.with(made),
        };
        let judged = self.rules.judge(reading, item, raw, is_utf8);
        match judged {
            _ if rejected.kind.is_some() && is_utf8 && !read_then => Verdict::Partial,
            Ok(_) if !read_then => Verdict::Partial,
            Ok((event, schema)) => {
                let richer = enrich(reading, sent, rejected, &event);
                let mut event = match &richer {
                    Some(richer) => event.with(richer),
                    None => event,
                };
                let clean = self.rules.privacy.accepted(reading, schema, &mut event);
                let event = match &clean {
                    Some(clean) => event.with(clean),
                    None => event,
                };
                Verdict::Valid(valid(event, schema.table(), rejected))
            }
            Err(unfit) => {
                let Unfit { reason, errors, .. } = *unfit;
                Verdict::Invalid { reason, errors }
            }
        }
    }
}

/// Its data with what it tells itself; of the request that it came with nothing was kept.
fn enrich(
    reading: &protocol::Rules<'_>,
    sent: &dyn Sent,
    rejected: &Rejected<'_>,
    event: &Event<'_>,
) -> Option<String> {
    let enricher = reading.source.enricher.as_ref()?;
    let client = Client::forgotten(sent.anonymous());
    let (protocol, _) = protocol_and_form(rejected);
    enricher.enrich(protocol, &client, event, reading.done)
}

/// The protocol that its bytes came in, and the form within it.
fn protocol_and_form<'a>(rejected: &Rejected<'a>) -> (&'a str, &'a str) {
    let form = rejected.form.and_then(|form| form.split_once('/'));
    form.unwrap_or((Native.name(), ""))
}

/// Opens its bytes by the protocol that they came in.
fn open(rejected: &Rejected<'_>) -> Result<Box<dyn Sent>, protocol::Error> {
    let (name, form) = protocol_and_form(rejected);
    let protocol = protocol::named(name).ok_or(protocol::Error::Unfit {
        what: "the event came in a protocol that this version does not know",
        at: 0,
    })?;
    protocol.reopen(Kept {
        form,
        senttime: rejected.senttime,
        payload: Bytes::copy_from_slice(rejected.payload),
    })
}

/// Whether the bytes say what was read of the event then. In binary mode type and id stood in headers, and what the data
/// calls `type` or `id` is something else.
fn same(item: &Item<'_>, rejected: &Rejected<'_>) -> bool {
    if rejected.form.is_some() {
        // What another protocol's bytes are was kept with them.
        return true;
    }
    let Ok(draft) = &item.draft else {
        return rejected.kind.is_none();
    };
    let (event, id) = (&draft.event, rejected.id.unwrap_or_default());
    event.kind == rejected.kind.unwrap_or_default() && (event.id.is_empty() || event.id == id)
}

fn valid(event: Event<'_>, table: &str, rejected: &Rejected<'_>) -> Valid {
    let mut event = Event {
        receivedtime: Some(Cow::Borrowed(rejected.receivedtime)),
        ..event
    };
    if event.id.is_empty() {
        event.id = Cow::Borrowed(rejected.id.unwrap_or_default());
    }
    if event.source.is_empty() {
        event.source = Cow::Borrowed(rejected.source_default);
    }
    let mut record = Vec::new();
    event.write(&mut record);
    Valid {
        record,
        id: event.id.into_owned(),
        kind: event.kind.into_owned(),
        table: table.to_owned(),
    }
}

fn malformed(message: String) -> Verdict {
    let error = Violation {
        pointer: String::new(),
        keyword: "syntax",
        message,
    };
    Verdict::Invalid {
        reason: Reason::Malformed,
        errors: vec![error],
    }
}

#[cfg(test)]
mod tests;
