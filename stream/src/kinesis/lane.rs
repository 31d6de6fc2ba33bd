//! One shard's records that wait, the pace at which they may go, and what becomes of those that come back.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    aggregate::Aggregate,
    ask,
    config::{Config, Order},
    kpl::MAGIC,
    pending::Pending,
    rate::Rate,
    shards::Shard,
};
use crate::backoff::Backoff;

/// No aggregated record is larger, whatever a stream takes: it is what a shard takes in a second.
const AGGREGATE_BYTES_MAX: usize = 1 << 20;

/// So many records are looked at for ones whose keys are not in the request yet.
const SCAN_RECORDS_MAX: usize = 2_000;

/// How records become those of Kinesis.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) aggregate: bool,
    pub(super) order: Order,
    pub(super) linger: Duration,
    /// The largest record that the stream takes, in bytes.
    pub(super) record_bytes_max: usize,
}

impl Rules {
    /// As configured, for a stream with that limit.
    pub(super) fn new(config: &Config, record_bytes_max: u64) -> Self {
        Self {
            aggregate: config.aggregate,
            order: config.order,
            linger: Duration::from_millis(config.linger_ms),
            record_bytes_max: usize::try_from(record_bytes_max).unwrap_or(usize::MAX),
        }
    }

    /// How large a record of many may become.
    fn aggregate_bytes_max(&self) -> usize {
        self.record_bytes_max.min(AGGREGATE_BYTES_MAX)
    }
}

/// One record of Kinesis: one of ours, or many.
#[derive(Debug)]
pub(super) struct Entry {
    /// The place of its lane.
    pub(super) lane: usize,
    /// A hash that its shard takes: an aggregated record names its shard by it.
    pub(super) hash: u128,
    /// In order.
    pub(super) records: Vec<Pending>,
    /// None when it is one record that goes as it is.
    pub(super) aggregate: Option<Aggregate>,
    /// Data and partition key.
    pub(super) bytes: usize,
}

/// A shard's records.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) shard: Shard,
    pub(super) rate: Rate,
    pub(super) queue: VecDeque<Pending>,
    queue_bytes: usize,
    /// Entries that are in requests.
    pub(super) under_way: usize,
    backoff: Backoff,
    /// Nothing is sent before then.
    paused: Option<Instant>,
    /// Why records are still here, as last told.
    pub(super) fault: Option<Arc<str>>,
    /// Bytes that Kinesis took since it was last asked for.
    taken_bytes: u64,
}

impl Lane {
    pub(super) fn new(shard: Shard, rate: Rate, config: &Config) -> Self {
        Self {
            shard,
            rate,
            queue: VecDeque::new(),
            queue_bytes: 0,
            under_way: 0,
            backoff: ask::backoff(config),
            paused: None,
            fault: None,
            taken_bytes: 0,
        }
    }

    /// Whether there is enough for a whole record of Kinesis now, and was not before.
    pub(super) fn push(&mut self, record: Pending, rules: &Rules) -> bool {
        let before = self.queue_bytes;
        self.queue_bytes += record.alone_bytes();
        self.queue.push_back(record);
        let whole = rules.aggregate_bytes_max();
        before < whole && self.queue_bytes >= whole
    }

    /// Records that are sent again go before all others.
    pub(super) fn push_front(&mut self, record: Pending) {
        self.queue_bytes += record.alone_bytes();
        self.queue.push_front(record);
    }

    fn pop(&mut self) -> Option<Pending> {
        let record = self.queue.pop_front()?;
        self.queue_bytes -= record.alone_bytes();
        Some(record)
    }

    /// All that waits.
    pub(super) fn drain(&mut self) -> VecDeque<Pending> {
        self.queue_bytes = 0;
        std::mem::take(&mut self.queue)
    }

    /// The oldest record, if it was appended before that.
    pub(super) fn pop_older(&mut self, than: Instant) -> Option<Pending> {
        let oldest = self.queue.front()?;
        if oldest.since() > than {
            return None;
        }
        self.pop()
    }

    /// When the next entry may be cut; none when nothing waits, or must wait for what is under way.
    pub(super) fn due(&mut self, rules: &Rules, now: Instant, closing: bool) -> Option<Instant> {
        let oldest = self.queue.front()?;
        if rules.order == Order::ByKey && self.under_way > 0 {
            return None;
        }
        let lingered = oldest.since() + rules.linger;
        let full = closing || self.queue_bytes >= rules.aggregate_bytes_max();
        let due = if full { now } else { lingered };
        let due = due.max(self.paused.unwrap_or(now));
        let bytes = self.next_bytes(rules)?;
        Some(due.max(self.rate.when(bytes, now)))
    }

    /// Cuts what goes into the next request, at most so many bytes and entries; `due` has said that it may. By the rules
    /// of order no request has two entries with the same key.
    pub(super) fn cut(
        &mut self,
        lane: usize,
        rules: &Rules,
        now: Instant,
        (mut bytes_max, entries_max): (usize, usize),
        entries: &mut Vec<Entry>,
    ) {
        let mut keys = HashSet::new();
        let mut passed = Vec::new();
        let single = rules.aggregate && rules.order == Order::ByKey;
        while entries.len() < entries_max && passed.len() < SCAN_RECORDS_MAX {
            let Some(bytes) = self.next_bytes(rules) else {
                break;
            };
            if (bytes > bytes_max && !entries.is_empty()) || self.rate.when(bytes, now) > now {
                break;
            }
            if rules.order == Order::ByKey && !rules.aggregate {
                let key: Option<Bytes> = self.queue.front().map(|record| record.key.clone());
                if key.is_some_and(|key| !keys.insert(key)) {
                    passed.extend(self.pop());
                    continue;
                }
            }
            let Some(entry) = self.next(lane, rules) else {
                break;
            };
            self.rate.take(entry.bytes);
            self.under_way += 1;
            bytes_max = bytes_max.saturating_sub(entry.bytes);
            entries.push(entry);
            if single {
                break;
            }
        }
        passed
            .into_iter()
            .rev()
            .for_each(|record| self.push_front(record));
    }

    /// About how large the next entry is.
    fn next_bytes(&self, rules: &Rules) -> Option<usize> {
        let first = self.queue.front()?.alone_bytes();
        Some(match rules.aggregate {
            true => self.queue_bytes.min(rules.aggregate_bytes_max()).max(first),
            false => first,
        })
    }

    fn next(&mut self, lane: usize, rules: &Rules) -> Option<Entry> {
        let mut aggregate = Aggregate::default();
        let mut records = Vec::new();
        if rules.aggregate {
            let bytes_max = rules.aggregate_bytes_max();
            while self
                .queue
                .front()
                .is_some_and(|record| add(&mut aggregate, record, bytes_max))
            {
                records.extend(self.pop());
            }
        }
        if records.is_empty() {
            let record = self.pop()?;
            add(&mut aggregate, &record, usize::MAX);
            records.push(record);
        }
        // One record goes as it is, unless it would be taken for many.
        let alone = records.len() == 1 && !records[0].value.starts_with(&MAGIC);
        let (bytes, aggregate) = match alone {
            true => (records[0].alone_bytes(), None),
            false => (aggregate.bytes(), Some(aggregate)),
        };
        Some(Entry {
            lane,
            hash: self.shard.first,
            records,
            aggregate,
            bytes,
        })
    }

    /// Kinesis took an entry.
    pub(super) fn succeeded(&mut self, bytes: usize, now: Instant, config: &Config) {
        self.taken_bytes += bytes as u64;
        self.rate.succeeded(now);
        if self.fault.take().is_some() {
            self.backoff = ask::backoff(config);
            self.paused = None;
        }
    }

    /// An entry failed and is sent again. Several of one request make one pause.
    pub(super) fn pause(&mut self, now: Instant, fault: &Arc<str>) {
        if self.paused.is_none_or(|until| until <= now) {
            self.paused = Some(now + self.backoff.next());
        }
        self.fault = Some(Arc::clone(fault));
    }

    /// The bytes that Kinesis took since this was last asked.
    pub(super) fn taken(&mut self) -> u64 {
        std::mem::take(&mut self.taken_bytes)
    }
}

fn add(aggregate: &mut Aggregate, record: &Pending, bytes_max: usize) -> bool {
    aggregate.add(&record.key, record.hash, &record.value, bytes_max)
}
