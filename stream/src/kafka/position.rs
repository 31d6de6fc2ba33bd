//! Where a reader is in a partition, in a form that can be checked against the partition later.
//!
//! Kafka numbers records from 0 in each topic that bears the same name, so an offset alone cannot tell that a topic was
//! deleted and made anew. A position therefore says which record was read last: `offset.timestamp.checksum`. Seeking
//! reads that record again and compares. `docs/adr/0007-kafka.md` says why there is no better way at present.

use rdkafka::message::Message;

use crate::log::{Partition, Position};

/// The last record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) offset: i64,
    /// Kafka's timestamp in ms, whoever set it; 0 where there is none.
    pub(super) timestamp_ms: i64,
    /// CRC-32C of key and value.
    pub(super) checksum: u32,
}

impl Mark {
    pub(super) fn of(message: &impl Message) -> Self {
        let key = crc32c::crc32c(message.key().unwrap_or_default());
        Self {
            offset: message.offset(),
            timestamp_ms: timestamp_ms(message),
            checksum: crc32c::crc32c_append(key, message.payload().unwrap_or_default()),
        }
    }

    pub(super) fn position(self) -> Position {
        Position::new(&format!(
            "{}.{}.{}",
            self.offset, self.timestamp_ms, self.checksum
        ))
    }
}

/// When the record was appended, by the clock that the topic is configured for.
pub(super) fn timestamp_ms(message: &impl Message) -> i64 {
    message.timestamp().to_millis().unwrap_or(0).max(0)
}

/// The record that the position names; none at the start.
///
/// # Errors
/// What is wrong with a position that this module did not make.
pub(super) fn mark(position: &Position) -> Result<Option<Mark>, String> {
    let text = position.as_str();
    if text.is_empty() {
        return Ok(None);
    }
    let parse = || {
        let mut numbers = text.split('.');
        let mark = Mark {
            offset: numbers.next()?.parse().ok().filter(|offset| *offset >= 0)?,
            timestamp_ms: numbers.next()?.parse().ok()?,
            checksum: numbers.next()?.parse().ok()?,
        };
        numbers.next().is_none().then_some(mark)
    };
    parse()
        .map(Some)
        .ok_or_else(|| format!("{text:?} is no position of Kafka"))
}

/// The offset of the first record behind a position, 0 at the start: what an audit counts records by. Transactions and
/// compaction leave holes among offsets. `None`: no position of Kafka.
pub fn offset_after(position: &Position) -> Option<u64> {
    match mark(position).ok()? {
        None => Some(0),
        Some(mark) => u64::try_from(mark.offset).ok()?.checked_add(1),
    }
}

/// The partition's name: stable, and another one once the topic was made anew and its number raised. `+` is in no
/// topic's name.
pub(super) fn partition(topic: &str, recreated: u32, index: i32) -> Partition {
    Partition::new(&match recreated {
        0 => format!("{topic}-{index}"),
        times => format!("{topic}+{times}-{index}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_names_its_record_and_orders_by_offset() {
        let at = |offset, timestamp_ms, checksum| Mark {
            offset,
            timestamp_ms,
            checksum,
        };
        let marks = [
            at(0, 9, 9),
            at(9, 1_700_000_000_000, u32::MAX),
            at(10, 0, 0),
        ];
        for pair in marks.windows(2) {
            assert!(pair[0].position() < pair[1].position());
        }
        assert!(Position::start() < marks[0].position());
        for read in marks {
            assert_eq!(mark(&read.position()), Ok(Some(read)));
        }
    }

    #[test]
    fn positions_of_other_backends_are_refused() {
        assert_eq!(mark(&Position::start()), Ok(None));
        for text in ["7", "1.2", "1.2.3.4", "-1.0.0", "1.2.4294967296", "x"] {
            assert!(mark(&Position::new(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn records_are_counted_from_the_start_and_from_behind_a_record() {
        assert_eq!(offset_after(&Position::start()), Some(0));
        assert_eq!(offset_after(&Position::new("9.1.2")), Some(10));
        assert_eq!(offset_after(&Position::new("9")), None);
    }

    #[test]
    fn a_topic_made_anew_has_other_partitions() {
        assert_eq!(partition("events", 0, 3).as_str(), "events-3");
        assert_eq!(partition("events", 1, 3).as_str(), "events+1-3");
        assert_ne!(partition("a", 0, 1), partition("a-1", 0, 1));
    }
}
