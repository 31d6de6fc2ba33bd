//! Records of one partition, one after the other in one buffer, that become one delivery.

use bytes::Bytes;
use rdkafka::message::Message;

use super::{
    partitions::Place,
    position::{self, Mark},
};

/// A delivery is cut at this many bytes, and at this many records.
pub(super) const DELIVERY_BYTES_MAX: usize = 1 << 20;
const DELIVERY_RECORDS_MAX: usize = 8_192;

#[derive(Debug)]
pub(super) struct Building {
    pub(super) place: Place,
    buffer: Vec<u8>,
    ends: Vec<usize>,
    last_key: Vec<u8>,
    last: i64,
    first_ms: i64,
    last_ms: i64,
}

/// What was built.
pub(super) struct Built {
    pub(super) values: Vec<Bytes>,
    /// Of the last record.
    pub(super) mark: Mark,
    pub(super) first_ms: i64,
}

impl Building {
    /// Nothing yet, for what begins with this message.
    pub(super) fn new(message: &impl Message) -> Self {
        Self {
            place: (message.topic().to_owned(), message.partition()),
            buffer: Vec::new(),
            ends: Vec::new(),
            last_key: Vec::new(),
            last: 0,
            first_ms: position::timestamp_ms(message),
            last_ms: 0,
        }
    }

    pub(super) fn is_of(&self, topic: &str, index: i32) -> bool {
        self.place.1 == index && self.place.0 == topic
    }

    /// Whether a value of so many bytes still goes into the same delivery.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.ends.len() < DELIVERY_RECORDS_MAX && self.buffer.len() + bytes <= DELIVERY_BYTES_MAX
    }

    pub(super) fn push(&mut self, message: &impl Message) {
        let value = message.payload().unwrap_or_default();
        self.buffer.extend_from_slice(value);
        self.ends.push(self.buffer.len());
        self.last_key.clear();
        self.last_key
            .extend_from_slice(message.key().unwrap_or_default());
        self.last = message.offset();
        self.last_ms = position::timestamp_ms(message);
    }

    pub(super) fn build(self) -> Built {
        let buffer = Bytes::from(self.buffer);
        let mut start = 0;
        let slice = |end: &usize| buffer.slice(std::mem::replace(&mut start, *end)..*end);
        let values: Vec<Bytes> = self.ends.iter().map(slice).collect();
        let key = crc32c::crc32c(&self.last_key);
        let mark = Mark {
            offset: self.last,
            timestamp_ms: self.last_ms,
            checksum: crc32c::crc32c_append(key, values.last().map_or(&[][..], |value| value)),
        };
        Built {
            values,
            mark,
            first_ms: self.first_ms,
        }
    }
}
