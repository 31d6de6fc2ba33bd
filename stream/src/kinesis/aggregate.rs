//! Puts records together into aggregated ones, cut at a size, in the format of `kpl`.

use std::collections::HashMap;

use bytes::Bytes;
use foldhash::fast::RandomState;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::kpl::{DIGEST_BYTES, MAGIC, digest};

/// The partition key of an aggregated record, as the Kinesis Producer Library has it: the shard is named by an explicit
/// hash key, and consumers look at the keys inside.
pub(super) const PARTITION_KEY: &str = "a";

/// What an aggregated record has beside its records and their keys, in bytes: magic number, digest and partition key.
const FRAME_BYTES: usize = MAGIC.len() + DIGEST_BYTES + PARTITION_KEY.len();

/// What a record costs beside its key and data at most, in bytes: the tags, lengths and places of both.
pub(super) const RECORD_OVERHEAD_BYTES: usize = FRAME_BYTES + 32;

/// An aggregated record that is being put together: all of it but the records' data, which stays where it is until it is
/// encoded. A message of prost would have to hold each of them once more.
#[derive(Debug, Default)]
pub(super) struct Aggregate {
    /// The partition keys, each once.
    keys: Vec<String>,
    /// Each key's place in the table.
    places: HashMap<Bytes, u64, RandomState>,
    /// The place of each record's key.
    records: Vec<u64>,
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
        data: &[u8],
        bytes_max: usize,
    ) -> bool {
        let known = self.places.get(key).copied();
        let place = known.unwrap_or(self.keys.len() as u64);
        let (text, key_bytes) = match known {
            Some(_) => (None, 0),
            None => {
                let text = partition_key();
                let bytes = field_bytes(text.len());
                (Some(text), bytes)
            }
        };
        let body_bytes = self.body_bytes + key_bytes + field_bytes(record_bytes(place, data));
        if FRAME_BYTES + body_bytes > bytes_max {
            return false;
        }
        if let Some(text) = text {
            self.keys.push(text);
            self.places.insert(key.clone(), place);
        }
        self.records.push(place);
        self.body_bytes = body_bytes;
        true
    }

    /// What it comes to as a record of Kinesis, its partition key included, in bytes.
    pub(super) fn bytes(&self) -> usize {
        FRAME_BYTES + self.body_bytes
    }

    /// The data of the whole, of that of the records, in the order in which they were added.
    pub(super) fn encode<'a>(&self, data: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.bytes());
        whole.extend_from_slice(&MAGIC);
        for key in &self.keys {
            encode_field(1, key.as_bytes(), &mut whole);
        }
        for (place, data) in self.records.iter().zip(data) {
            encode_key(3, WireType::LengthDelimited, &mut whole);
            encode_varint(record_bytes(*place, data) as u64, &mut whole);
            encode_key(1, WireType::Varint, &mut whole);
            encode_varint(*place, &mut whole);
            encode_field(3, data, &mut whole);
        }
        let digest = digest(&whole[MAGIC.len()..]);
        whole.extend_from_slice(&digest);
        whole
    }
}

fn encode_field(tag: u32, bytes: &[u8], to: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, to);
    encode_varint(bytes.len() as u64, to);
    to.extend_from_slice(bytes);
}

/// A record's message, without its own tag and length.
fn record_bytes(place: u64, data: &[u8]) -> usize {
    1 + encoded_len_varint(place) + field_bytes(data.len())
}

/// A field of that many bytes, with its tag and length.
fn field_bytes(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{super::kpl::AggregatedRecord, *};

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
        let encoded = aggregate.encode(std::iter::repeat(&data[..]));
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
        let records = [("ada", "one"), ("grace", "two")];
        for (key, data) in records {
            let key = Bytes::from(key);
            let text = || String::from_utf8(key.to_vec()).unwrap();
            assert!(aggregate.add(&key, text, data.as_bytes(), 1 << 20));
        }
        let hex: String = aggregate
            .encode(records.iter().map(|(_, data)| data.as_bytes()))
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            hex,
            "f3899ac20a036164610a0567726163651a0708001a036f6e651a0708011a0374776f32fb19d5ff0975abe1d211f6f9bec24e"
        );
    }
}
