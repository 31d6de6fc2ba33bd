//! Puts records together into aggregated ones, cut at a size, in the format of `kpl`.

use std::collections::HashMap;

use bytes::Bytes;
use foldhash::fast::RandomState;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::{
    digests::digests,
    kpl::{DIGEST_BYTES, MAGIC},
    pending::{key_bytes, partition_key},
};

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
    /// The keys, each once but for those of equal hashes.
    keys: Vec<Bytes>,
    /// A key's place among them, by its hash.
    places: HashMap<u128, u64, RandomState>,
    /// The place of each record's key.
    records: Vec<u64>,
    /// The length of what is there so far, encoded.
    body_bytes: usize,
}

impl Aggregate {
    /// Adds a record, unless that would make the whole larger than `bytes_max`, its partition key included. `hash` is
    /// where the key belongs among the shards.
    pub(super) fn add(&mut self, key: &Bytes, hash: u128, data: &[u8], bytes_max: usize) -> bool {
        let known = self.places.get(&hash).copied();
        let known = known.filter(|place| {
            let same = usize::try_from(*place).ok().and_then(|n| self.keys.get(n));
            same.is_some_and(|same| same == key)
        });
        let place = known.unwrap_or(self.keys.len() as u64);
        let partition_key_bytes = match known {
            Some(_) => 0,
            None => field_bytes(key_bytes(key)),
        };
        let record_bytes = field_bytes(record_bytes(place, data));
        let body_bytes = self.body_bytes + partition_key_bytes + record_bytes;
        if FRAME_BYTES + body_bytes > bytes_max {
            return false;
        }
        if known.is_none() {
            self.keys.push(key.clone());
            self.places.insert(hash, place);
        }
        self.records.push(place);
        self.body_bytes = body_bytes;
        true
    }

    /// What it comes to as a record of Kinesis, its partition key included, in bytes.
    pub(super) fn bytes(&self) -> usize {
        FRAME_BYTES + self.body_bytes
    }

    /// Appends the whole but its digest, of the records' data in the order in which they were added.
    fn encode<'a>(&self, data: impl Iterator<Item = &'a [u8]>, to: &mut Vec<u8>) {
        to.extend_from_slice(&MAGIC);
        for key in &self.keys {
            encode_field(1, partition_key(key).as_bytes(), to);
        }
        for (place, data) in self.records.iter().zip(data) {
            encode_key(3, WireType::LengthDelimited, to);
            encode_varint(record_bytes(*place, data) as u64, to);
            encode_key(1, WireType::Varint, to);
            encode_varint(*place, to);
            encode_field(3, data, to);
        }
    }
}

/// The data of aggregated records that are sent together, each behind the one before.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Encoded {
    /// Encodes them, each with its records' data. Their digests are made at once, which is much less work.
    pub(super) fn new<'a, D>(aggregates: impl Iterator<Item = (&'a Aggregate, D)> + Clone) -> Self
    where
        D: Iterator<Item = &'a [u8]>,
    {
        let all = aggregates.clone().map(|(aggregate, _)| aggregate.bytes());
        let mut encoded = Self {
            bytes: Vec::with_capacity(all.sum()),
            ends: Vec::new(),
        };
        for (aggregate, data) in aggregates {
            aggregate.encode(data, &mut encoded.bytes);
            // The digest's place.
            let end = encoded.bytes.len() + DIGEST_BYTES;
            encoded.bytes.resize(end, 0);
            encoded.ends.push(end);
        }
        let body = |whole: &'_ [u8]| MAGIC.len()..whole.len() - DIGEST_BYTES;
        let bodies: Vec<&[u8]> = encoded.iter().map(|whole| &whole[body(whole)]).collect();
        let digests = digests(&bodies);
        for (end, digest) in encoded.ends.iter().zip(digests) {
            encoded.bytes[end - DIGEST_BYTES..*end].copy_from_slice(&digest);
        }
        encoded
    }

    /// The data of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.bytes[*start..*end])
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

    use super::{
        super::kpl::{AggregatedRecord, digest},
        *,
    };

    #[test]
    fn what_is_put_together_is_cut_exactly_at_the_size_and_encoded_in_the_format() {
        let (key, data) = (Bytes::from_static(b"ada"), Bytes::from(vec![b'x'; 1_000]));
        let mut aggregate = Aggregate::default();
        let mut add = |bytes_max| {
            let added = aggregate.add(&key, 1, &data, bytes_max);
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
        let encoded = Encoded::new([(&aggregate, std::iter::repeat(&data[..]))].into_iter());
        let encoded: Vec<u8> = encoded.iter().flatten().copied().collect();
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
        // Equal hashes make no equal keys.
        for (key, data) in records {
            assert!(aggregate.add(&Bytes::from(key), 7, data.as_bytes(), 1 << 20));
        }
        let data = || records.iter().map(|(_, data)| data.as_bytes());
        let encoded = Encoded::new([(&aggregate, data()), (&aggregate, data())].into_iter());
        assert_eq!(encoded.iter().count(), 2);
        for whole in encoded.iter() {
            let hex: String = whole.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(
                hex,
                "f3899ac20a036164610a0567726163651a0708001a036f6e651a0708011a0374776f32fb19d5ff0975abe1d211f6f9bec24e"
            );
        }
    }
}
