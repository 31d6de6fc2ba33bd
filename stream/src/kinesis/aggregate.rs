//! Puts records together into aggregated ones, cut at a size, in the format of `kpl`.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use prost::{Message, encoding::encoded_len_varint};

use super::kpl::{AggregatedRecord, DIGEST_BYTES, MAGIC, Record, digest};

/// The partition key of an aggregated record, as the Kinesis Producer Library has it: the shard is named by an explicit
/// hash key, and consumers look at the keys inside.
pub(super) const PARTITION_KEY: &str = "a";

/// What an aggregated record has beside its records and their keys, in bytes: magic number, digest and partition key.
const FRAME_BYTES: usize = MAGIC.len() + DIGEST_BYTES + PARTITION_KEY.len();

/// What a record costs beside its key and data at most, in bytes: the tags, lengths and places of both.
pub(super) const RECORD_OVERHEAD_BYTES: usize = FRAME_BYTES + 32;

/// An aggregated record that is being put together.
#[derive(Debug, Default)]
pub(super) struct Aggregate {
    record: AggregatedRecord,
    /// Each key's place in the table.
    places: HashMap<Bytes, u64>,
    /// The length of what is there so far, encoded.
    body_bytes: usize,
}

impl Aggregate {
    /// Adds a record, unless that would make the whole larger than `bytes_max`, its partition key included.
    /// `partition_key` is the key as text; it is the same text for the same `key`.
    pub(super) fn add(
        &mut self,
        key: &Bytes,
        partition_key: impl FnOnce() -> String,
        data: &Bytes,
        bytes_max: usize,
    ) -> bool {
        let known = self.places.get(key).copied();
        let place = known.unwrap_or(self.record.partition_key_table.len() as u64);
        let (text, key_bytes) = match known {
            Some(_) => (None, 0),
            None => {
                let text = partition_key();
                let bytes = field_bytes(text.len());
                (Some(text), bytes)
            }
        };
        let inner = 1 + encoded_len_varint(place) + field_bytes(data.len());
        let body_bytes = self.body_bytes + key_bytes + field_bytes(inner);
        if FRAME_BYTES + body_bytes > bytes_max {
            return false;
        }
        if let Some(text) = text {
            self.record.partition_key_table.push(text);
            self.places.insert(key.clone(), place);
        }
        self.record.records.push(Record {
            partition_key_index: place,
            explicit_hash_key_index: None,
            data: data.clone(),
            tags: Vec::new(),
        });
        self.body_bytes = body_bytes;
        true
    }

    /// How many records it has.
    pub(super) fn records(&self) -> usize {
        self.record.records.len()
    }

    /// What it comes to as a record of Kinesis, its partition key included, in bytes.
    pub(super) fn bytes(&self) -> usize {
        FRAME_BYTES + self.body_bytes
    }

    /// The record's data.
    pub(super) fn encode(self) -> Bytes {
        let mut data = BytesMut::with_capacity(self.bytes());
        data.put_slice(&MAGIC);
        self.record.encode_raw(&mut data);
        let digest = digest(&data[MAGIC.len()..]);
        data.put_slice(&digest);
        data.freeze()
    }
}

/// A field of that many bytes, with its tag and length.
fn field_bytes(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}
