//! Records that cannot be rows of their table: they become bad events, under the same commit as all others.

use std::collections::BTreeMap;

use bytes::Bytes;
use headgate_schemas::{
    event::{Event, Reason, Rejected, Violation},
    format::write_date_time,
};
use headgate_stream::log::{Partition, Position, Records};

use crate::{
    QUARANTINE_SOURCE, columns,
    metrics::Metrics,
    route::{Unroutable, reason_of},
};

/// Bad events on their way.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    events: Vec<Bytes>,
    counts: BTreeMap<&'static str, u64>,
}

impl Quarantine {
    pub(super) fn add(&mut self, record: &[u8], why: Unroutable, now_micros: i64) {
        let mut received = Vec::with_capacity(32);
        write_date_time(now_micros, &mut received);
        let error = Violation {
            pointer: String::new(),
            keyword: why.keyword,
            message: why.message,
        };
        // What can be told of the record is told: its schema may be all that is missing.
        let text = simdutf8::basic::from_utf8(record).unwrap_or_default();
        let known = Event::read(text, u32::MAX - 1).ok();
        let mut event = Vec::with_capacity(record.len() + record.len() / 4 + 512);
        Rejected {
            id: &uuid::Uuid::now_v7().to_string(),
            source: QUARANTINE_SOURCE,
            receivedtime: &String::from_utf8_lossy(&received),
            reason: why.reason,
            errors: &[error],
            rejected_type: known.as_ref().map(|event| &*event.kind),
            rejected_id: known.as_ref().map(|event| &*event.id),
            rejected_source: known.as_ref().map(|event| &*event.source),
            senttime: None,
            form: None,
            payload: record,
            protected: &[],
        }
        .write(&mut event);
        self.events.push(event.into());
        *self.counts.entry(why.reason.as_str()).or_default() += 1;
    }

    pub(super) fn append(&mut self, other: Self) {
        self.events.extend(other.events);
        for (reason, count) in other.counts {
            *self.counts.entry(reason).or_default() += count;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn count(&self, metrics: &Metrics) {
        for (reason, count) in &self.counts {
            metrics.quarantined(reason, *count);
        }
    }

    /// As if they had been read. The position means nothing: the originals' ranges are what is committed.
    pub(super) fn into_records(self) -> Records {
        Records {
            partition: Partition::new(QUARANTINE_SOURCE),
            follows: Position::start(),
            end: Position::start(),
            values: self.events,
            appended_ms: 0,
        }
    }
}

impl From<columns::Error> for Unroutable {
    fn from(error: columns::Error) -> Self {
        let (reason, keyword) = match &error {
            columns::Error::Envelope(error) => (reason_of(error), "envelope"),
            columns::Error::Data(_) => (Reason::Malformed, "syntax"),
        };
        Self {
            reason,
            keyword,
            message: error.to_string(),
        }
    }
}
