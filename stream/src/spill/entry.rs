//! A spilled record as the journal keeps it: what the primary needs, and what is known of its fate. Pure.
//!
//! Little-endian: version (1 byte), flags (1), when its sending began (8, ms since the epoch), the lengths of topic (2)
//! and key (4), then topic, key and value.

use bytes::{BufMut, Bytes, BytesMut};

use crate::log::{Record, Topic};

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 16;
const DOUBTFUL: u8 = 1;

/// A spilled record.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) record: Record,
    /// When it was sent, or would have been.
    pub(super) began_ms: i64,
    /// Whether the primary may have it already.
    pub(super) doubtful: bool,
}

impl Entry {
    pub(super) fn encode(&self) -> Bytes {
        let Record { topic, key, value } = &self.record;
        let topic = topic.as_str().as_bytes();
        let bytes = HEADER_BYTES + topic.len() + key.len() + value.len();
        let mut out = BytesMut::with_capacity(bytes);
        out.put_u8(VERSION);
        out.put_u8(if self.doubtful { DOUBTFUL } else { 0 });
        out.put_i64_le(self.began_ms);
        // A topic's name has at most 249 bytes, a record far below 4 GiB.
        out.put_u16_le(u16::try_from(topic.len()).unwrap_or(u16::MAX));
        out.put_u32_le(u32::try_from(key.len()).unwrap_or(u32::MAX));
        out.put_slice(topic);
        out.put_slice(key);
        out.put_slice(value);
        out.freeze()
    }

    /// None when this version did not write it.
    pub(super) fn decode(bytes: &Bytes) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        if header[0] != VERSION {
            return None;
        }
        let began_ms = i64::from_le_bytes(header[2..10].try_into().ok()?);
        let topic_bytes = u16::from_le_bytes(header[10..12].try_into().ok()?);
        let key_bytes = u32::from_le_bytes(header[12..16].try_into().ok()?);
        let key_at = HEADER_BYTES + usize::from(topic_bytes);
        let value_at = key_at + usize::try_from(key_bytes).ok()?;
        let topic = std::str::from_utf8(bytes.get(HEADER_BYTES..key_at)?).ok()?;
        if value_at > bytes.len() {
            return None;
        }
        Some(Self {
            record: Record {
                topic: Topic::new(topic),
                key: bytes.slice(key_at..value_at),
                value: bytes.slice(value_at..),
            },
            began_ms,
            doubtful: header[1] & DOUBTFUL != 0,
        })
    }

    /// What it counts in bytes.
    pub(super) fn bytes(&self) -> u64 {
        (self.record.key.len() + self.record.value.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_as_written_and_nothing_shorter_does() {
        let entry = Entry {
            record: Record {
                topic: Topic::new("events"),
                key: Bytes::from_static(b"ada"),
                value: Bytes::from_static(b"{}"),
            },
            began_ms: -5,
            doubtful: true,
        };
        let bytes = entry.encode();
        let read = Entry::decode(&bytes).unwrap();
        assert_eq!(format!("{read:?}"), format!("{entry:?}"));
        for length in 0..bytes.len() - 2 {
            assert!(Entry::decode(&bytes.slice(..length)).is_none(), "{length}");
        }
        let mut other = bytes.to_vec();
        other[0] = 2;
        assert!(Entry::decode(&other.into()).is_none());
    }
}
