//! The seam: what a stream is to the gateway (a [`Writer`]) and to the sink (a [`Reader`]).
//!
//! Records are opaque here. Every backend passes the one conformance suite in [`crate::testing`].

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// The name of a topic: a family of partitions that share a purpose and a retention.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topic(Arc<str>);

impl Topic {
    /// A topic of that name. Names are checked where they are configured.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One record to append.
#[derive(Debug, Clone)]
pub struct Record {
    /// Where it goes.
    pub topic: Topic,
    /// Records of one topic with equal keys keep their order. An empty key: any partition.
    pub key: Bytes,
    /// The payload, opaque to the stream.
    pub value: Bytes,
}

/// Why a record was not made durable. Nothing of a refused record will be read back, with one exception:
/// [`Refusal::Unavailable`] may leave its fate open, as when a server's reply is lost or a failing disk cannot even
/// undo a write. Sending the record again is right in every retriable case, and may then make it twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The record alone is over the stream's limit: sending it again cannot succeed.
    #[error("record of {bytes} bytes is over the stream's limit of {bytes_max} bytes")]
    TooLarge {
        /// The record's key and value together.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The stream has no room; readers or retention must free some first.
    #[error("stream is full: {used_bytes} of {bytes_max} bytes in use")]
    Full {
        /// What is in use.
        used_bytes: u64,
        /// The configured bound.
        bytes_max: u64,
    },
    /// The stream cannot take records now: a failed disk, an unreachable server, a queue that is full.
    #[error("stream is unavailable: {0}")]
    Unavailable(Arc<str>),
    /// As [`Refusal::Unavailable`], and the record was certainly not sent: a queue that is full, a server that was
    /// never reached.
    #[error("stream is unavailable: {0}")]
    Unsent(Arc<str>),
    /// The stream answered that it does not have the record's topic, and that it is not to be made. The record was not
    /// sent.
    #[error("stream cannot write to the topic: {0}")]
    NoTopic(Arc<str>),
    /// The writer was closed.
    #[error("stream is closed")]
    Closed,
}

impl Refusal {
    /// Whether the same record may succeed later.
    pub fn retriable(&self) -> bool {
        !matches!(self, Self::TooLarge { .. })
    }
}

/// The outcome of one record.
pub type Outcome = Result<(), Refusal>;

/// Whether a writer takes records at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Appends are expected to succeed.
    Ready,
    /// Appends are being refused, and why.
    Refusing(String),
}

/// The writing half of a stream.
///
/// # Contract
/// - The outcomes come in the order of the records, exactly one for each.
/// - `Ok` is durable: the record survives the loss of this process and, by the backend's own promise, of its machine.
/// - Records of one topic and key keep their order within one call, and between calls where the second
///   began after the first had returned.
/// - One record's refusal never refuses another for its sake. (A stream without room refuses what it has no room for.)
/// - A dropped future leaves each record either appended or not; it never leaves half of one.
/// - Memory is bounded: a full queue is waited for or refused, never grown.
pub trait Writer: Send + Sync + 'static {
    /// Appends the records; returns once the fate of every one is known.
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Vec<Outcome>>;

    /// Whether appends are expected to succeed. Cheap: called by every readiness probe and request.
    fn health(&self) -> Health;

    /// Refuses further appends, waits for those in flight, releases what is held.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A partition of the stream that a [`Reader`] reads: opaque, stable, unique within the stream's incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(Arc<str>);

impl Partition {
    /// A partition by its backend's own name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The backend's name for it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a partition has been read: everything up to and including this position.
///
/// Opaque and ordered. It is a string of decimal numbers joined by `.`, compared number by number without
/// leading zeros, so that offsets and 129-digit sequence numbers order alike. Nothing computes "+ 1".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(Arc<str>);

impl Position {
    /// Before every record; orders before every other position.
    pub fn start() -> Self {
        Self("".into())
    }

    /// A position by its backend's own text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// A position that is one number.
    pub fn from_number(number: u64) -> Self {
        Self(number.to_string().into())
    }

    /// The backend's own text; empty at the start.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        fn numbers(text: &str) -> impl Iterator<Item = (usize, &str)> {
            text.split('.').filter(|n| !n.is_empty()).map(|n| {
                let digits = n.trim_start_matches('0');
                (digits.len(), digits)
            })
        }
        numbers(&self.0)
            .cmp(numbers(&other.0))
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "start" } else { &self.0 })
    }
}

/// Which stream a reader reads. A stream that was deleted and made again is another incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// The stream's name, fit for a path segment.
    pub name: String,
    /// Changes when the stream is made anew, so that old positions are never taken for new ones; fit for a path segment.
    pub incarnation: String,
}

/// What a reader hands over, in one order for everything.
#[derive(Debug)]
pub enum Delivery {
    /// These partitions are now this reader's. Each delivers nothing until [`Reader::seek`] says where it starts.
    Assigned(Vec<Partition>),
    /// These partitions are no longer this reader's: nothing more of them follows.
    Revoked(Vec<Partition>),
    /// Records of one partition, in order.
    Records(Records),
    /// Retention removed records that this reader had not read. Reported before what follows the gap; the next
    /// [`Records::follows`] is still `after`, so that the chain of positions is never broken.
    Gap {
        /// The partition.
        partition: Partition,
        /// The last position that was read, or sought.
        after: Position,
        /// How many records are gone, where the backend can tell.
        records: Option<u64>,
    },
    /// The partition has ended for good: nothing comes behind `end`, which is to be landed as the end of records is.
    /// Partitions that continue it, such as the shards that another was split into, are assigned to readers only once
    /// the end was passed ([`Reader::passed`]) or sought, so that what they hold lands behind what it held.
    Ended {
        /// The partition.
        partition: Partition,
        /// The `end` of what was delivered before, or where it was sought.
        follows: Position,
        /// Behind every position of the partition. Whoever seeks it is delivered nothing.
        end: Position,
    },
}

/// Consecutive records of one partition.
#[derive(Debug)]
pub struct Records {
    /// The partition.
    pub partition: Partition,
    /// The position that the first record follows: the `end` of what was delivered before, or where it was sought.
    pub follows: Position,
    /// The position after the last record: reading resumes here.
    pub end: Position,
    /// Each record's value; slices of shared buffers.
    pub values: Vec<Bytes>,
    /// When the newest of them was appended, by the writer's clock, in ms since the epoch.
    pub appended_ms: i64,
}

/// How far a reader is behind on one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// The partition.
    pub partition: Partition,
    /// Records appended but not yet passed by [`Reader::passed`], where the backend can tell.
    pub records: Option<u64>,
    /// The time since the oldest record not yet passed was appended; zero when there is none.
    pub age: Duration,
}

/// A reader can no longer go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// Stored records fail their checksum or break the format.
    #[error("{partition} is corrupt after {after}: {reason}")]
    Corrupt {
        /// The partition.
        partition: Partition,
        /// The last good position.
        after: Position,
        /// What is wrong, and where on disk.
        reason: Arc<str>,
    },
    /// The backend cannot be read at present.
    #[error("stream is unavailable: {0}")]
    Unavailable(Arc<str>),
    /// The stream was deleted, and another bears its name now.
    #[error(
        "stream {stream:?} was deleted and made anew: a reader opened from now on reads the new one from its start"
    )]
    Recreated {
        /// The stream's name.
        stream: String,
    },
    /// The stream was closed.
    #[error("stream is closed")]
    Closed,
}

/// The reading half of a stream.
///
/// # Contract
/// - Assignment, revocation and records come through [`Reader::next`] alone, in one order.
/// - After `Assigned`, a partition delivers nothing until it is sought; a later `seek` discards what was prefetched.
/// - A position beyond the stream's end is an error, never silence until the end has caught up.
/// - After [`ReadError::Unavailable`] `next` may be called again; after `Corrupt`, once the partition was sought anew.
/// - Within a partition each record is delivered once, in order, and `follows` equals the `end` before it.
/// - `next` is cancel-safe: dropping its future loses nothing.
/// - Prefetch is bounded by bytes.
/// - A partition that ended says so once after each seek before its end, with a position that is the same each time.
pub trait Reader: Send + 'static {
    /// The stream being read.
    fn stream(&self) -> &StreamId;

    /// The next delivery; waits when there is none.
    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, ReadError>>;

    /// Delivers `partition` from right after `position`.
    fn seek(&mut self, partition: &Partition, position: &Position);

    /// A hint that everything up to `position` is safely landed: the backend may forget it, and counts lag from it.
    fn passed(&mut self, partition: &Partition, position: &Position);

    /// The lag of every assigned partition.
    fn lag(&self) -> Vec<Lag>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_order_by_number_not_by_text() {
        let order = [
            "",
            "0",
            "9",
            "10",
            "10.2",
            "10.10",
            "49590338271490256608559692538361571095921575989136588898",
        ];
        for pair in order.windows(2) {
            assert!(Position::new(pair[0]) < Position::new(pair[1]), "{pair:?}");
        }
        assert_eq!(Position::from_number(7), Position::new("7"));
    }
}
