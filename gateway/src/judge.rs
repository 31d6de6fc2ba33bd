//! The record that is made of each event, taken or rejected: one buffer per request holds them all. Which of the two it
//! is, `rules` says.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use headgate_schemas::event::{Event, Reason, Rejected, Violation};
use headgate_schemas::schema::Schema;
use headgate_stream::log::{Record, Topic};

use crate::{
    admission::Held,
    collect::Error,
    enrich::Client,
    ids::Ids,
    privacy::Kept,
    protocol::{self, Item, Sent},
    rules::Rules,
    server::Topics,
    sources::PartitionBy,
};

/// About what an envelope adds to an event's bytes, to size the buffer at the first go.
const ENVELOPE_BYTES: usize = 384;
const EVENT_BYTES_GUESS: usize = 1024;

/// What was decided on an event: it is valid unless there are errors.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    /// The client's id, or the one that was given.
    pub(crate) id: Cow<'a, str>,
    /// Why it is rejected.
    pub(crate) errors: Vec<Violation>,
}

impl Verdict<'_> {
    fn owned<'o>(self) -> Verdict<'o> {
        Verdict {
            id: Cow::Owned(self.id.into_owned()),
            errors: self.errors,
        }
    }
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
    topics: &'a Topics,
    reading: &'a protocol::Rules<'a>,
    protocol: &'static str,
    sent: &'a dyn Sent,
    client: Client<'a>,
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
        topics: &'a Topics,
        reading: &'a protocol::Rules<'a>,
        (protocol, sent): (&'static str, &'a dyn Sent),
        client: Client<'a>,
        receivedtime: &'a str,
        held: &'a mut Held<'h>,
    ) -> Result<Self, Error> {
        let body = sent.text().bytes();
        let events = body.len() / EVENT_BYTES_GUESS + 1;
        let admitted = body.len() + events * ENVELOPE_BYTES;
        held.grow(admitted)?;
        Ok(Self {
            rules,
            topics,
            reading,
            protocol,
            sent,
            client,
            body,
            is_utf8: sent.text().is_utf8(),
            ids: Ids::new(reading.received_micros),
            receivedtime,
            buffer: Vec::with_capacity(admitted),
            spans: Vec::with_capacity(events),
            verdicts: Vec::with_capacity(events),
            held,
            admitted,
            unrouted: 0,
        })
    }

    /// Decides on the next event.
    pub(crate) fn take(&mut self, mut item: Item<'a>) -> Result<(), Error> {
        if self.verdicts.len() >= self.rules.events_max as usize {
            return Err(Error::TooManyEvents {
                events_max: self.rules.events_max,
            });
        }
        let verdict = match item.take_made() {
            None => self.decide(item)?,
            Some(made) => self.decide(item.with(&made))?.owned(),
        };
        self.verdicts.push(verdict);
        Ok(())
    }

    fn decide<'e>(&mut self, item: Item<'e>) -> Result<Verdict<'e>, Error>
    where
        'a: 'e,
    {
        let raw = &self.body[item.range.clone()];
        match self.rules.judge(self.reading, item, raw, self.is_utf8) {
            Ok((event, schema)) => match self.enrich(&event) {
                None => self.cleaned(event, schema),
                Some(richer) => Ok(self.cleaned(event.with(&richer), schema)?.owned()),
            },
            Err(unfit) => {
                let privacy = &self.rules.privacy;
                let kept = privacy.rejected(self.reading, self.protocol, &unfit, raw);
                let bytes = match &kept.payload {
                    Cow::Owned(payload) => payload.len(),
                    Cow::Borrowed(_) => 0,
                };
                self.held.grow(bytes)?;
                let verdict = self.reject(unfit.event, unfit.reason, unfit.errors, &kept)?;
                self.held.shrink(bytes);
                Ok(verdict)
            }
        }
    }

    /// The event's data with what is found out about it, where its source asks for that and there is anything.
    fn enrich(&self, event: &Event<'_>) -> Option<String> {
        let enricher = self.reading.source.enricher.as_ref()?;
        enricher.enrich(self.protocol, &self.client, event, self.reading.done)
    }

    /// Takes the event without what nobody is to see.
    fn cleaned<'e>(&mut self, mut event: Event<'e>, schema: &Schema) -> Result<Verdict<'e>, Error>
    where
        'a: 'e,
    {
        match self.clean(&mut event, schema) {
            None => self.accept(event),
            Some(clean) => {
                // It is there beside the body and the record.
                self.held.grow(clean.len())?;
                let verdict = self.accept(event.with(&clean))?.owned();
                self.held.shrink(clean.len());
                Ok(verdict)
            }
        }
    }

    /// The event's data without what nobody is to see, where it has something of that.
    fn clean(&self, event: &mut Event<'_>, schema: &Schema) -> Option<String> {
        self.rules.privacy.accepted(self.reading, schema, event)
    }

    fn accept<'e>(&mut self, mut event: Event<'e>) -> Result<Verdict<'e>, Error>
    where
        'a: 'e,
    {
        if event.id.is_empty() {
            event.id = Cow::Owned(self.ids.next());
        }
        if event.source.is_empty() {
            event.source = Cow::Borrowed(&self.reading.source.name);
        }
        let start = self.buffer.len();
        let event = Event {
            receivedtime: Some(Cow::Borrowed(self.receivedtime)),
            ..event
        };
        event.write(&mut self.buffer);
        let end = self.buffer.len();
        self.buffer
            .extend_from_slice(key_of(&event, self.reading.source.partition_by).as_bytes());
        let topic = self.route(&event);
        self.spans.push(Span {
            value: start..end,
            key_end: self.buffer.len(),
            valid: true,
            topic,
        });
        self.admit()?;
        Ok(Verdict {
            id: event.id,
            errors: Vec::new(),
        })
    }

    /// The event's topic, where a template names it and there may be one more.
    fn route(&mut self, event: &Event<'_>) -> Option<Topic> {
        let template = self.topics.template.as_ref()?;
        let topic = template.topic(&event.kind, &event.source);
        self.unrouted += u64::from(topic.is_none());
        topic
    }

    /// Events that went to the common topic because there may be no more topics.
    pub(crate) fn unrouted(&self) -> u64 {
        self.unrouted
    }

    fn reject<'e>(
        &mut self,
        event: Event<'e>,
        reason: Reason,
        errors: Vec<Violation>,
        kept: &Kept<'_>,
    ) -> Result<Verdict<'e>, Error> {
        let id = if event.id.is_empty() {
            Cow::Owned(self.ids.next())
        } else {
            event.id
        };
        // Without one the payload is an event in CloudEvents' JSON format.
        let form = Some(self.sent.form()).filter(|form| !form.is_empty());
        let form = form.map(|form| format!("{}/{form}", self.protocol));
        let start = self.buffer.len();
        Rejected {
            id: &self.ids.next(),
            source: &self.reading.source.name,
            receivedtime: self.receivedtime,
            senttime: self.sent.senttime(),
            reason,
            errors: &errors,
            rejected_type: Some(&*event.kind).filter(|text| !text.is_empty()),
            rejected_id: Some(&id),
            rejected_source: Some(&*event.source).filter(|text| !text.is_empty()),
            form: form.as_deref(),
            payload: &kept.payload,
            protected: &kept.protected,
        }
        .write(&mut self.buffer);
        let end = self.buffer.len();
        self.spans.push(Span {
            value: start..end,
            key_end: end,
            valid: false,
            topic: None,
        });
        self.admit()?;
        Ok(Verdict { id, errors })
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
    pub(crate) fn finish(self) -> (Vec<Record>, Vec<Verdict<'a>>) {
        let (buffer, topics) = (Bytes::from(self.buffer), self.topics);
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

/// What an event's record is partitioned by.
fn key_of<'e>(event: &'e Event<'_>, by: PartitionBy) -> &'e str {
    let anonymous = event.anonymousid.as_deref();
    match by {
        PartitionBy::Identity => event.identity(),
        PartitionBy::AnonymousId => anonymous.unwrap_or_else(|| event.identity()),
        PartitionBy::EventId => &event.id,
    }
}
