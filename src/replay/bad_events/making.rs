//! What a row becomes once it is valid: the event, and the note on it.

use bytes::Bytes;
use headgate_gateway::again::Valid;
use headgate_gateway::privacy::hidden;
use headgate_schemas::event::{Event, Replayed};
use headgate_schemas::format::write_date_time;
use headgate_schemas::registry::Registry;
use headgate_sink::QUARANTINE_SOURCE;

use super::super::rows::Row;

/// What will be the next delivery: each event, and behind it its note, so that no commit parts them.
#[derive(Default)]
pub(super) struct Making {
    pub(super) values: Vec<Bytes>,
    pub(super) bytes: usize,
    pub(super) events: u64,
}

impl Making {
    pub(super) fn push(&mut self, row: &Row<'_>, valid: Valid, number: u64, now_micros: i64) {
        let mut note = Vec::with_capacity(512);
        Replayed {
            bad_event: row.bad_event,
            receivedtime: &date_time(row.received_micros),
            replay: &number.to_string(),
            id: &valid.id,
            kind: &valid.kind,
            table: &valid.table,
            replayed_at: &date_time(now_micros),
            reason: row.reason,
        }
        .write(&mut note);
        self.events += 1;
        self.bytes += valid.record.len() + note.len();
        self.values.push(valid.record.into());
        self.values.push(note.into());
    }
}

/// When the event was received. A bad event of the sink's is a whole envelope, which says when the gateway received it.
pub(super) fn received(row: &Row<'_>) -> String {
    if row.source == QUARANTINE_SOURCE {
        let text = std::str::from_utf8(&row.payload).unwrap_or_default();
        let envelope = Event::read(text, u32::MAX - 1).ok();
        if let Some(received) = envelope.and_then(|event| event.receivedtime) {
            return received.into_owned();
        }
    }
    date_time(row.received_micros)
}

/// Where values of a row's payload were hidden before: as the row says, or as the gateway does that took the event which
/// the sink could not land.
pub(super) fn protected(row: &Row<'_>, schemas: &Registry) -> Vec<String> {
    if row.source == QUARANTINE_SOURCE {
        let text = std::str::from_utf8(&row.payload).unwrap_or_default();
        let envelope = Event::read(text, u32::MAX - 1);
        return envelope.map_or_else(|_| Vec::new(), |event| hidden(schemas, &event));
    }
    row.protected.clone()
}

pub(super) fn date_time(micros: i64) -> String {
    let mut text = Vec::with_capacity(32);
    write_date_time(micros, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
