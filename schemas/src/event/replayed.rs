//! What is noted of a bad event that was found valid later: an event of its own, which lands under the same commit as
//! the event that it speaks of, so that both are there or neither.

use std::borrow::Cow;

use super::{Data, Event, write_string};

/// The type of the notes, and the table that they land in.
pub const REPLAYED_EVENTS: &str = "replayed_events";

/// The schema of their data.
pub const REPLAYED_EVENTS_DATASCHEMA: &str = "replayed_events/1";

/// The `source` of the notes.
const SOURCE: &str = "headgate/replay";

/// One note.
#[derive(Debug, Clone, Copy)]
pub struct Replayed<'a> {
    /// The bad event's own id, which is the note's too: there is one note on a bad event at most.
    pub bad_event: &'a str,
    /// When the bad event was refused, RFC 3339, UTC: the note lands in the same hour.
    pub receivedtime: &'a str,
    /// The run that replayed it.
    pub replay: &'a str,
    /// The event's own id.
    pub id: &'a str,
    /// The event's type.
    pub kind: &'a str,
    /// The table that the event lands in.
    pub table: &'a str,
    /// When it was replayed, RFC 3339, UTC.
    pub replayed_at: &'a str,
    /// Why the event had been refused.
    pub reason: &'a str,
}

impl Replayed<'_> {
    /// Appends the note as one envelope.
    pub fn write(&self, out: &mut Vec<u8>) {
        let data = self.data();
        Event {
            id: Cow::Borrowed(self.bad_event),
            source: Cow::Borrowed(SOURCE),
            kind: Cow::Borrowed(REPLAYED_EVENTS),
            dataschema: Some(Cow::Borrowed(REPLAYED_EVENTS_DATASCHEMA)),
            receivedtime: Some(Cow::Borrowed(self.receivedtime)),
            data: Data::Json(&data),
            ..Event::default()
        }
        .write(out);
    }

    fn data(&self) -> String {
        let mut out = Vec::with_capacity(256);
        for (name, value) in [
            ("replay", self.replay),
            ("replayed_id", self.id),
            ("replayed_type", self.kind),
            ("replayed_table", self.table),
            ("replayed_at", self.replayed_at),
            ("reason", self.reason),
        ] {
            out.push(if out.is_empty() { b'{' } else { b',' });
            write_string(name, &mut out);
            out.push(b':');
            write_string(value, &mut out);
        }
        out.push(b'}');
        // Only whole strings were appended: nothing is ever replaced here.
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn a_note_is_valid_against_its_built_in_schema() {
        let note = Replayed {
            bad_event: "b-1",
            receivedtime: "2026-11-22T20:07:55Z",
            replay: "r",
            id: "o\"1",
            kind: "order_completed",
            table: "order_completed_1",
            replayed_at: "2026-11-24T10:00:00Z",
            reason: "invalid",
        };
        let mut record = Vec::new();
        note.write(&mut record);
        let record = String::from_utf8(record).unwrap();
        let event = Event::read(&record, 8).unwrap();
        assert_eq!((&*event.id, &*event.kind), ("b-1", REPLAYED_EVENTS));
        let registry = Registry::empty().unwrap();
        let schema = registry
            .resolve(&event.kind, event.dataschema.as_deref())
            .unwrap();
        assert_eq!(schema.table(), REPLAYED_EVENTS);
        let Data::Json(data) = event.data else {
            panic!("no data in {record}")
        };
        assert_eq!(schema.check(data, 8), Ok(()));
    }
}
