//! Whether an event is taken, and the record that is made of it: one buffer per request holds them all.

use std::{borrow::Cow, ops::Range, sync::Arc};

use bytes::Bytes;
use headgate_schemas::{
    event::{BAD_EVENTS, Data, Event, Reason, Rejected, Violation},
    schema::Schema,
};
use headgate_stream::log::{Record, Topic};

use crate::{
    admission::Held,
    collect::Error,
    config::Config,
    ids::Ids,
    protocol::{
        self, attribute_fault,
        native::Draft,
        split::{Item, encoding_fault},
    },
    server::Topics,
    template::Template,
};

/// About what an envelope adds to an event's bytes, to size the buffer at the first go.
const ENVELOPE_BYTES: usize = 384;
const EVENT_BYTES_GUESS: usize = 1024;

/// What holds for every request.
pub(crate) struct Rules {
    source_default: String,
    events_max: u32,
    event_bytes_max: usize,
    template: Option<Arc<Template>>,
}

impl Rules {
    pub(crate) fn new(config: &Config, topics: &Topics) -> Self {
        Self {
            template: topics.template.clone(),
            source_default: config.source_default.clone(),
            events_max: config.limits.batch_events_max,
            event_bytes_max: usize::try_from(config.limits.event_bytes_max).unwrap_or(usize::MAX),
        }
    }
}

/// When a request's events were received.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a> {
    /// Microseconds since the epoch.
    pub(crate) micros: i64,
    /// The same as RFC 3339.
    pub(crate) text: &'a str,
}

/// What was decided on an event: it is valid unless there are errors.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    /// The client's id, or the one that was given.
    pub(crate) id: Cow<'a, str>,
    /// Why it is rejected.
    pub(crate) errors: Vec<Violation>,
}

/// Where an event's record stands in the buffer: its value, and right behind it its key.
struct Span {
    value: Range<usize>,
    key_end: usize,
    valid: bool,
    /// By the template.
    topic: Option<Topic>,
}

/// Judges the events of one request.
pub(crate) struct Judge<'a, 'h> {
    rules: &'a Rules,
    reading: &'a protocol::Rules<'a>,
    body: &'a [u8],
    is_utf8: bool,
    ids: Ids,
    receivedtime: &'a str,
    buffer: Vec<u8>,
    spans: Vec<Span>,
    verdicts: Vec<Verdict<'a>>,
    held: &'a mut Held<'h>,
    admitted: usize,
    unrouted: u64,
}

impl<'a, 'h> Judge<'a, 'h> {
    pub(crate) fn new(
        rules: &'a Rules,
        reading: &'a protocol::Rules<'a>,
        body: &'a [u8],
        is_utf8: bool,
        received: Received<'a>,
        held: &'a mut Held<'h>,
    ) -> Result<Self, Error> {
        let events = body.len() / EVENT_BYTES_GUESS + 1;
        let admitted = body.len() + events * ENVELOPE_BYTES;
        held.grow(admitted)?;
        Ok(Self {
            rules,
            reading,
            body,
            is_utf8,
            ids: Ids::new(received.micros),
            receivedtime: received.text,
            buffer: Vec::with_capacity(admitted),
            spans: Vec::with_capacity(events),
            verdicts: Vec::with_capacity(events),
            held,
            admitted,
            unrouted: 0,
        })
    }

    /// Decides on the next event.
    pub(crate) fn take(&mut self, item: Item<'a>) -> Result<(), Error> {
        if self.verdicts.len() >= self.rules.events_max as usize {
            return Err(Error::TooManyEvents {
                events_max: self.rules.events_max,
            });
        }
        let raw = &self.body[item.range.clone()];
        let mut draft = match item.draft {
            Ok(draft) => draft,
            Err(violation) => {
                let draft = Draft::default();
                return self.reject(draft.event, Reason::Malformed, vec![violation], raw);
            }
        };
        if !self.is_utf8
            && let Some(fault) = encoding_fault(raw, item.range.start)
        {
            // The text of this event has replacements in it: nothing of it is repeated.
            return self.reject(Event::default(), Reason::Malformed, vec![fault], raw);
        }
        if raw.len() > self.rules.event_bytes_max {
            let message = format!(
                "event of {} bytes is over the limit of {} bytes",
                raw.len(),
                self.rules.event_bytes_max
            );
            let fault = Violation {
                pointer: String::new(),
                keyword: "size",
                message,
            };
            return self.reject(draft.event, Reason::Malformed, vec![fault], raw);
        }
        match self.check(&mut draft) {
            Ok(()) => self.accept(draft.event),
            Err((reason, errors)) => self.reject(draft.event, reason, errors, raw),
        }
    }

    /// Holds an event against its attributes' rules and its schema.
    fn check(&self, draft: &mut Draft<'a>) -> Result<(), (Reason, Vec<Violation>)> {
        if !draft.faults.is_empty() {
            return Err((Reason::Envelope, std::mem::take(&mut draft.faults)));
        }
        let event = &mut draft.event;
        if event.kind == BAD_EVENTS {
            let message = format!("type {BAD_EVENTS} is reserved for events that were rejected");
            return Err((
                Reason::Envelope,
                vec![attribute_fault("type", "type", message)],
            ));
        }
        // CloudEvents allows an event without data: here that is an object without members.
        let data = match event.data {
            Data::Json(data) => data,
            Data::None | Data::Base64(_) => "{}",
        };
        let schema = match draft.kept {
            Some(schema) => schema,
            None => self.held_against(event, data)?,
        };
        event.data = Data::Json(data);
        event.dataschema = Some(Cow::Borrowed(schema.dataschema()));
        Ok(())
    }

    /// The schema of an event whose data was not found to keep it while it was read, if it does keep it.
    fn held_against(
        &self,
        event: &Event<'a>,
        data: &str,
    ) -> Result<&'a Schema, (Reason, Vec<Violation>)> {
        let protocol::Rules { bounds, schemas } = self.reading;
        let found = schemas.resolve(&event.kind, event.dataschema.as_deref());
        let schema = found.map_err(|unknown| {
            let name = unknown.attribute();
            (
                Reason::UnknownSchema,
                vec![attribute_fault(name, name, unknown.to_string())],
            )
        })?;
        schema.check(data, bounds.depth_max).map_err(|errors| {
            let too_deep = errors.iter().any(|error| error.keyword == "depth");
            let reason = if too_deep {
                Reason::Malformed
            } else {
                Reason::Invalid
            };
            (reason, errors)
        })?;
        Ok(schema)
    }

    fn accept(&mut self, mut event: Event<'a>) -> Result<(), Error> {
        if event.id.is_empty() {
            event.id = Cow::Owned(self.ids.next());
        }
        if event.source.is_empty() {
            event.source = Cow::Borrowed(&self.rules.source_default);
        }
        let start = self.buffer.len();
        let event = Event {
            receivedtime: Some(Cow::Borrowed(self.receivedtime)),
            ..event
        };
        event.write(&mut self.buffer);
        let end = self.buffer.len();
        self.buffer.extend_from_slice(event.identity().as_bytes());
        let topic = self.route(&event);
        self.spans.push(Span {
            value: start..end,
            key_end: self.buffer.len(),
            valid: true,
            topic,
        });
        let id = event.id;
        self.verdicts.push(Verdict {
            id,
            errors: Vec::new(),
        });
        self.admit()
    }

    /// The event's topic, where a template names it and there may be one more.
    fn route(&mut self, event: &Event<'_>) -> Option<Topic> {
        let template = self.rules.template.as_ref()?;
        let topic = template.topic(&event.kind, &event.source);
        self.unrouted += u64::from(topic.is_none());
        topic
    }

    /// Events that went to the common topic because there may be no more topics.
    pub(crate) fn unrouted(&self) -> u64 {
        self.unrouted
    }

    fn reject(
        &mut self,
        event: Event<'a>,
        reason: Reason,
        errors: Vec<Violation>,
        raw: &[u8],
    ) -> Result<(), Error> {
        let id = if event.id.is_empty() {
            Cow::Owned(self.ids.next())
        } else {
            event.id
        };
        let start = self.buffer.len();
        Rejected {
            id: &self.ids.next(),
            source: &self.rules.source_default,
            receivedtime: self.receivedtime,
            reason,
            errors: &errors,
            rejected_type: Some(&*event.kind).filter(|text| !text.is_empty()),
            rejected_id: Some(&id),
            rejected_source: Some(&*event.source).filter(|text| !text.is_empty()),
            payload: raw,
        }
        .write(&mut self.buffer);
        let end = self.buffer.len();
        self.spans.push(Span {
            value: start..end,
            key_end: end,
            valid: false,
            topic: None,
        });
        self.verdicts.push(Verdict { id, errors });
        self.admit()
    }

    /// Counts what the buffer grew beyond its first size.
    fn admit(&mut self) -> Result<(), Error> {
        let capacity = self.buffer.capacity();
        if capacity > self.admitted {
            self.held.grow(capacity - self.admitted)?;
            self.admitted = capacity;
        }
        Ok(())
    }

    /// The records, one for each event in order, and the verdicts.
    pub(crate) fn finish(self, topics: &Topics) -> (Vec<Record>, Vec<Verdict<'a>>) {
        let buffer = Bytes::from(self.buffer);
        let record = |span: Span| Record {
            topic: match (span.topic, span.valid) {
                (Some(topic), _) => topic,
                (None, true) => topics.events.clone(),
                (None, false) => topics.bad_events.clone(),
            },
            key: buffer.slice(span.value.end..span.key_end),
            value: buffer.slice(span.value),
        };
        (self.spans.into_iter().map(record).collect(), self.verdicts)
    }
}
