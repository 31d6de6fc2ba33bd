//! Records between an append and their outcome, and the bound on how many there are.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};

use super::{config::Config, kpl};
use crate::{
    log::{Outcome, Record, Refusal},
    outcomes::Batch,
};

/// The longest partition key that Kinesis takes, in characters.
const KEY_CHARS_MAX: usize = 256;

/// The length of the partition key of a key that Kinesis does not take, in bytes.
pub(super) const KEY_BYTES_OTHER: usize = 2 * kpl::DIGEST_BYTES;

/// What waits in all streams of one writer, and how much may.
#[derive(Debug)]
pub(super) struct Queue {
    records: AtomicU64,
    bytes: AtomicU64,
    records_max: u64,
    bytes_max: u64,
    /// The last record has left.
    left: Notify,
}

impl Queue {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            records_max: config.queue_records_max.into(),
            bytes_max: config.queue_bytes_max,
            left: Notify::new(),
        }
    }

    /// How many records wait, and their bytes.
    pub(super) fn used(&self) -> (u64, u64) {
        let used = |of: &AtomicU64| of.load(Ordering::Relaxed);
        (used(&self.records), used(&self.bytes))
    }

    /// Makes room for a record.
    ///
    /// # Errors
    /// There is none.
    fn enter(&self, bytes: u64) -> Result<(), Refusal> {
        let records = self.records.fetch_add(1, Ordering::Relaxed);
        let used = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if records < self.records_max && used + bytes <= self.bytes_max {
            return Ok(());
        }
        self.leave(bytes);
        let reason = format!(
            "the queue to Kinesis is full: {used} of {} bytes, {records} of {} records",
            self.bytes_max, self.records_max
        );
        Err(Refusal::Unsent(reason.into()))
    }

    fn leave(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if self.records.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.left.notify_waiters();
        }
    }

    /// Waits until nothing is queued.
    pub(super) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            if self.records.load(Ordering::Acquire) == 0 {
                return;
            }
            left.await;
        }
    }
}

/// What the records of one append share.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) batch: Arc<Batch>,
    pub(super) since: Instant,
    queue: Arc<Queue>,
    /// The partition key of its records without a key, so that they go together.
    any_key: Bytes,
}

impl Append {
    /// `number` tells the appends of one writer apart.
    pub(super) fn new(queue: &Arc<Queue>, number: u64) -> Arc<Self> {
        Arc::new(Self {
            batch: Batch::new(),
            since: Instant::now(),
            queue: Arc::clone(queue),
            any_key: number.to_string().into(),
        })
    }
}

/// One record on its way into a shard. However it ends, its append is told.
#[derive(Debug)]
pub(super) struct Pending {
    /// The record's key, or another one where it has none: never empty.
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    /// Where the key belongs among the shards.
    pub(super) hash: u128,
    /// A request that it was in may have succeeded without saying so.
    pub(super) doubtful: bool,
    append: Arc<Append>,
    place: u32,
    /// In the queue.
    bytes: u64,
    alone_bytes: usize,
    settled: bool,
}

impl Pending {
    /// The record takes its place in the queue.
    ///
    /// # Errors
    /// The queue is full.
    pub(super) fn new(append: &Arc<Append>, place: u32, record: &Record) -> Result<Self, Refusal> {
        let bytes = (record.key.len() + record.value.len()) as u64;
        append.queue.enter(bytes)?;
        append.batch.open();
        let key = match record.key.is_empty() {
            true => append.any_key.clone(),
            false => record.key.clone(),
        };
        let (hash, key_bytes) = {
            let partition_key = partition_key(&key);
            (kpl::hash_of(&partition_key), partition_key.len())
        };
        Ok(Self {
            hash,
            alone_bytes: key_bytes + record.value.len(),
            key,
            value: record.value.clone(),
            doubtful: false,
            append: Arc::clone(append),
            place,
            bytes,
            settled: false,
        })
    }

    /// When it was appended.
    pub(super) fn since(&self) -> Instant {
        self.append.since
    }

    /// What it comes to by itself as a record of Kinesis, in bytes.
    pub(super) fn alone_bytes(&self) -> usize {
        self.alone_bytes
    }

    /// Its fate is known.
    pub(super) fn settle(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: Outcome) {
        self.settled = true;
        self.append.queue.leave(self.bytes);
        self.append.batch.settle(self.place, outcome);
    }
}

/// The process ends, or the writer was dropped.
impl Drop for Pending {
    fn drop(&mut self) {
        if !self.settled {
            self.end(Err(Refusal::Unavailable("the writer has ended".into())));
        }
    }
}

/// The partition key of a key: the key itself where Kinesis takes it, else its MD5 in hexadecimal digits.
pub(super) fn partition_key(key: &[u8]) -> Cow<'_, str> {
    match as_is(key) {
        Some(text) => Cow::Borrowed(text),
        None => format!("{:032x}", u128::from_be_bytes(kpl::digest(key))).into(),
    }
}

/// The length of the partition key, in bytes.
pub(super) fn key_bytes(key: &[u8]) -> usize {
    as_is(key).map_or(KEY_BYTES_OTHER, str::len)
}

fn as_is(key: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(key).ok()?;
    let short = key.len() <= KEY_CHARS_MAX || text.chars().count() <= KEY_CHARS_MAX;
    (short && !key.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Topic;

    fn record(key: &[u8], value: &'static str) -> Record {
        Record {
            topic: Topic::new("events"),
            key: Bytes::copy_from_slice(key),
            value: value.into(),
        }
    }

    fn pending(key: &[u8]) -> Pending {
        let queue = Arc::new(Queue::new(&Config::default()));
        Pending::new(&Append::new(&queue, 0), 0, &record(key, "")).unwrap()
    }

    #[test]
    fn every_key_has_a_partition_key_that_kinesis_takes() {
        let long = "ä".repeat(257);
        for key in [&b"\xff\xfe"[..], long.as_bytes()] {
            let text = partition_key(key);
            assert!(text.len() == 32 && text.bytes().all(|c| c.is_ascii_hexdigit()));
            let pending = pending(key);
            assert_eq!(
                (pending.alone_bytes, pending.hash),
                (key_bytes(key), kpl::hash_of(&text))
            );
        }
        let whole = "ä".repeat(256);
        assert_eq!(partition_key(whole.as_bytes()), whole);
        assert_eq!(pending(whole.as_bytes()).hash, kpl::hash_of(&whole));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_every_end_makes_room() {
        let config = Config {
            queue_records_max: 2,
            queue_bytes_max: 10,
            ..Config::default()
        };
        let queue = Arc::new(Queue::new(&config));
        let append = Append::new(&queue, 0);
        let first = Pending::new(&append, 0, &record(b"k", "12345")).unwrap();
        let refused = Pending::new(&append, 1, &record(b"k", "12345")).unwrap_err();
        assert!(matches!(refused, Refusal::Unsent(_)), "{refused}");
        let third = Pending::new(&append, 2, &record(b"", "")).unwrap();
        Pending::new(&append, 3, &record(b"", "")).unwrap_err();
        assert_eq!((queue.used(), &third.key[..]), ((2, 6), &b"0"[..]));
        first.settle(Ok(()));
        drop(third);
        assert_eq!(queue.used(), (0, 0));
        let outcomes = append.batch.outcomes(3).await;
        assert!(outcomes[0].is_ok() && matches!(outcomes[2], Err(Refusal::Unavailable(_))));
    }
}
