//! Puts records together into aggregated ones, cut at a size, in the format of `kpl`.

use std::collections::HashMap;

use bytes::Bytes;
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

    /// What it comes to as a record of Kinesis, its partition key included, in bytes.
    pub(super) fn bytes(&self) -> usize {
        FRAME_BYTES + self.body_bytes
    }

    /// The record's data.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(self.bytes());
        data.extend_from_slice(&MAGIC);
        self.record.encode_raw(&mut data);
        let digest = digest(&data[MAGIC.len()..]);
        data.extend_from_slice(&digest);
        data
    }
}

/// A field of that many bytes, with its tag and length.
fn field_bytes(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_together_is_cut_exactly_at_the_size_and_encoded_in_the_format() {
        let (key, data) = (Bytes::from_static(b"ada"), Bytes::from(vec![b'x'; 1_000]));
        let mut aggregate = Aggregate::default();
        let mut add = |bytes_max| {
            let text = || "ada".to_owned();
            let added = aggregate.add(&key, text, &data, bytes_max);
            (added, aggregate.bytes())
        };
        let mut last = 0;
        for _ in 0..300 {
            let (added, bytes) = add(usize::MAX);
            assert!(added);
            last = bytes;
        }
        let next = last + 3 + 2 + 1_003;
        assert_eq!(add(next - 1), (false, last));
        assert_eq!(add(next), (true, next));
        let encoded = aggregate.encode();
        assert_eq!(encoded.len() + PARTITION_KEY.len(), next);
        let (body, end) =
            encoded[MAGIC.len()..].split_at(encoded.len() - MAGIC.len() - DIGEST_BYTES);
        assert_eq!((&encoded[..4], end), (&MAGIC[..], &digest(body)[..]));
        let decoded = AggregatedRecord::decode(body).unwrap();
        assert_eq!(decoded.partition_key_table, ["ada"]);
        assert_eq!(
            (decoded.records.len(), &decoded.records[300].data),
            (301, &data)
        );
    }

    /// What Amazon's own module for Python (aws-kinesis-agg 1.2.3) makes of the same two records.
    #[test]
    fn the_bytes_are_those_of_other_producers() {
        let mut aggregate = Aggregate::default();
        for (key, data) in [("ada", "one"), ("grace", "two")] {
            let (key, data) = (Bytes::from(key), Bytes::from(data));
            let text = || String::from_utf8(key.to_vec()).unwrap();
            assert!(aggregate.add(&key, text, &data, 1 << 20));
        }
        let hex: String = aggregate
            .encode()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            hex,
            "f3899ac20a036164610a0567726163651a0708001a036f6e651a0708011a0374776f32fb19d5ff0975abe1d211f6f9bec24e"
        );
    }
}
