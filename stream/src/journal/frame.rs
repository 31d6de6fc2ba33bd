//! The bytes of a frame: one group of records, written by one write and made durable by one fsync. Pure.
//!
//! Little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | [`MAGIC`] |
//! | 4..8 | CRC-32C of bytes 8..40, continued from the partition's seed |
//! | 8..12 | CRC-32C of the payload, continued from the partition's seed |
//! | 12..16 | payload length in bytes |
//! | 16..20 | number of records, at least one |
//! | 20..24 | zero |
//! | 24..32 | offset of the first record |
//! | 32..40 | when it was written, ms since the epoch |
//! | 40.. | payload: each record as a 4-byte length and its value |
//!
//! The seed comes from the incarnation and the partition, so neither a record's content nor a file from elsewhere
//! can pass for a frame of this partition.

use bytes::Bytes;

/// What every frame begins with.
pub(super) const MAGIC: [u8; 4] = *b"HGJ1";
/// Bytes before a frame's payload.
pub(super) const HEADER_BYTES: usize = 40;
/// Bytes before a record's value.
pub(super) const LENGTH_BYTES: usize = 4;

/// Where a partition's checksums start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u32);

impl Seed {
    pub(super) fn new(incarnation: &str, partition: u32) -> Self {
        let seed = crc32c::crc32c(incarnation.as_bytes());
        Self(crc32c::crc32c_append(seed, &partition.to_le_bytes()))
    }

    pub(super) fn sum(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.0, bytes)
    }
}

/// A frame's header whose checksum was found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) payload_bytes: u32,
    pub(super) payload_sum: u32,
    pub(super) count: u32,
    pub(super) base: u64,
    pub(super) appended_ms: i64,
}

impl Header {
    /// The header at the beginning of `bytes`, if its checksum is right.
    pub(super) fn read(bytes: &[u8], seed: Seed) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let u32_at = |at: usize| header[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
        let u64_at = |at: usize| header[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
        if header[..4] != MAGIC || u32_at(4) != seed.sum(&header[8..]) {
            return None;
        }
        Some(Self {
            payload_sum: u32_at(8),
            payload_bytes: u32_at(12),
            count: u32_at(16),
            base: u64_at(24),
            appended_ms: u64_at(32).cast_signed(),
        })
    }

    /// The whole frame's length in bytes.
    pub(super) fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }

    /// The offset after the frame's last record.
    pub(super) fn next(&self) -> u64 {
        self.base.saturating_add(u64::from(self.count))
    }

    /// Appends the payload's values to `values`, as slices of `payload`, leaving out the first `skip`.
    /// False, with nothing appended, when checksum, lengths or count are wrong.
    pub(super) fn values(
        &self,
        payload: &Bytes,
        seed: Seed,
        skip: u64,
        values: &mut Vec<Bytes>,
    ) -> bool {
        if payload.len() != self.payload_bytes as usize || seed.sum(payload) != self.payload_sum {
            return false;
        }
        let before = values.len();
        let mut at = 0;
        for index in 0..u64::from(self.count) {
            let Some(length) = payload.get(at..at + LENGTH_BYTES) else {
                values.truncate(before);
                return false;
            };
            let length = length.try_into().map_or(0, u32::from_le_bytes) as usize;
            let (start, end) = (
                at + LENGTH_BYTES,
                (at + LENGTH_BYTES).saturating_add(length),
            );
            if end > payload.len() {
                values.truncate(before);
                return false;
            }
            if index >= skip {
                values.push(payload.slice(start..end));
            }
            at = end;
        }
        at == payload.len()
    }

    /// Whether the payload's checksum is right.
    pub(super) fn matches(&self, payload: &[u8], seed: Seed) -> bool {
        payload.len() == self.payload_bytes as usize && seed.sum(payload) == self.payload_sum
    }
}

/// A frame being put together in a buffer that is used again.
#[derive(Debug)]
pub(super) struct Builder {
    seed: Seed,
    bytes: Vec<u8>,
    count: u32,
}

impl Builder {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            bytes: vec![0; HEADER_BYTES],
            count: 0,
        }
    }

    /// Starts anew, keeping at most `keep_bytes` of the buffer.
    pub(super) fn clear(&mut self, keep_bytes: usize) {
        self.bytes.truncate(HEADER_BYTES);
        self.bytes.shrink_to(keep_bytes);
        self.count = 0;
    }

    /// Adds a record. Its length fits four bytes: the journal's limits see to it.
    pub(super) fn push(&mut self, value: &[u8]) {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value);
        self.count += 1;
    }

    /// Records so far.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The finished frame.
    pub(super) fn finish(&mut self, base: u64, appended_ms: i64) -> &[u8] {
        let (header, payload) = self.bytes.split_at_mut(HEADER_BYTES);
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        header[..4].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&self.seed.sum(payload).to_le_bytes());
        header[12..16].copy_from_slice(&length.to_le_bytes());
        header[16..20].copy_from_slice(&self.count.to_le_bytes());
        header[20..24].fill(0);
        header[24..32].copy_from_slice(&base.to_le_bytes());
        header[32..40].copy_from_slice(&appended_ms.to_le_bytes());
        let sum = self.seed.sum(&header[8..]);
        header[4..8].copy_from_slice(&sum.to_le_bytes());
        &self.bytes
    }
}

/// Where the first frame with a valid header at or after `next` starts in `bytes`, if there is one. Linear in `bytes`.
pub(super) fn find_header(bytes: &[u8], seed: Seed, next: u64) -> Option<usize> {
    let starts = 0..bytes.len().saturating_sub(HEADER_BYTES - 1);
    let mut starts = starts.filter(|at| bytes[*at] == MAGIC[0]);
    starts.find(|at| Header::read(&bytes[*at..], seed).is_some_and(|header| header.base >= next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(values: &[&str]) -> (Seed, Bytes) {
        let seed = Seed::new("incarnation", 3);
        let mut builder = Builder::new(seed);
        values
            .iter()
            .for_each(|value| builder.push(value.as_bytes()));
        (seed, Bytes::copy_from_slice(builder.finish(42, -7)))
    }

    #[test]
    fn a_frame_reads_back_as_written() {
        let (seed, bytes) = frame(&["one", "", "three"]);
        let header = Header::read(&bytes, seed).unwrap();
        assert_eq!(
            (header.base, header.next(), header.appended_ms),
            (42, 45, -7)
        );
        assert_eq!(header.frame_bytes(), bytes.len() as u64);
        let mut values = Vec::new();
        assert!(header.values(&bytes.slice(HEADER_BYTES..), seed, 1, &mut values));
        assert_eq!(values, ["", "three"]);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (seed, bytes) = frame(&["one", "two"]);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let damaged = Bytes::from(damaged);
            let whole = Header::read(&damaged, seed).is_some_and(|header| {
                header.values(&damaged.slice(HEADER_BYTES..), seed, 0, &mut Vec::new())
            });
            assert!(!whole, "bit {bit}");
        }
    }

    #[test]
    fn a_frame_of_another_partition_is_not_taken() {
        let (_, bytes) = frame(&["one"]);
        assert_eq!(Header::read(&bytes, Seed::new("incarnation", 4)), None);
        assert_eq!(Header::read(&bytes, Seed::new("another", 3)), None);
    }

    #[test]
    fn a_later_frame_is_found_and_an_earlier_is_not() {
        let (seed, bytes) = frame(&["one"]);
        let tail = [b"HGJ1 junk HGJ", bytes.as_ref()].concat();
        assert_eq!(find_header(&tail, seed, 42), Some(13));
        assert_eq!(find_header(&tail, seed, 43), None);
    }
}
