//! Aggregated records, in the format of Amazon's Kinesis Producer Library, as the writer makes them and the reader takes
//! them apart: <https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>.
//!
//! ```text
//! F3 89 9A C2 | an AggregatedRecord as Protocol Buffers | MD5 of those, 16 bytes
//! ```

use bytes::Bytes;
use md5::{Digest, Md5};

/// What an aggregated record begins with.
pub(super) const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];

/// The length of the digest at its end, in bytes.
pub(super) const DIGEST_BYTES: usize = 16;

/// Many records that share one of Kinesis.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AggregatedRecord {
    /// The partition keys, each once.
    #[prost(string, repeated, tag = "1")]
    pub(super) partition_key_table: Vec<String>,
    /// The explicit hash keys, each once: decimal numbers.
    #[prost(string, repeated, tag = "2")]
    pub(super) explicit_hash_key_table: Vec<String>,
    /// The records, in order.
    #[prost(message, repeated, tag = "3")]
    pub(super) records: Vec<Record>,
}

/// One of the records.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Record {
    /// Its key's place in the table.
    #[prost(uint64, required, tag = "1")]
    pub(super) partition_key_index: u64,
    /// Its explicit hash key's place in the table, if it has one.
    #[prost(uint64, optional, tag = "2")]
    pub(super) explicit_hash_key_index: Option<u64>,
    /// Its payload.
    #[prost(bytes = "bytes", required, tag = "3")]
    pub(super) data: Bytes,
    /// What its producer says of it. We say nothing, and read over it.
    #[prost(message, repeated, tag = "4")]
    pub(super) tags: Vec<Tag>,
}

/// What a producer may say of a record.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Tag {
    /// The name.
    #[prost(string, required, tag = "1")]
    pub(super) key: String,
    /// The value.
    #[prost(string, optional, tag = "2")]
    pub(super) value: Option<String>,
}

/// The MD5 of these bytes.
pub(super) fn digest(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    Md5::digest(bytes).into()
}

/// Where a partition key belongs among a stream's shards: its MD5 as a number, the first byte the highest.
pub(super) fn hash_of(partition_key: &str) -> u128 {
    u128::from_be_bytes(digest(partition_key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hashed_as_kinesis_does() {
        // RFC 1321, A.5.
        assert_eq!(hash_of("abc"), 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72);
    }
}
