//! A log in memory, for tests of what reads and writes streams. It keeps the contracts of [`crate::log`] and can
//! be told to refuse, to hold appends back, to be full, to forget and to take partitions away.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::sync::watch;

use self::{reader::MemoryReader, writer::MemoryWriter};
use crate::{
    log::{Partition, Position, ReadError, Reader, Refusal, StreamId, Topic, Writer},
    spill::Primary,
};

/// A log in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    partitions: u32,
    incarnation: String,
    state: Mutex<State>,
    /// Sent to after every change, so that waiting readers and held appends look again.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<Topic, TopicState>,
    faults: Faults,
    closed: bool,
    calls: u32,
}

/// What the log was told to do wrong.
#[derive(Debug, Default)]
struct Faults {
    refuse: Option<Refusal>,
    replies_lost: bool,
    calls_refused: Option<Refusal>,
    held: bool,
    bytes_max: Option<u64>,
    record_bytes_max: Option<u64>,
    read_error: Option<ReadError>,
}

#[derive(Debug, Default)]
struct TopicState {
    logs: Vec<Log>,
    /// By group, then by partition: the offset that everything before has been passed.
    passed: BTreeMap<String, BTreeMap<usize, u64>>,
    /// What happened to assignments; every reader follows it from where it began.
    moves: Vec<Move>,
}

#[derive(Debug, Default)]
struct Log {
    /// Records below this offset are forgotten.
    first: u64,
    records: Vec<Stored>,
    /// Nothing more is appended; readers are told.
    ended: bool,
}

#[derive(Debug)]
struct Stored {
    value: Bytes,
    appended_ms: i64,
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Assigned(usize),
    Revoked(usize),
}

impl Memory {
    /// An empty log whose topics have that many partitions each (at least one). Topics appear when first named.
    pub fn new(partitions: u32) -> Self {
        Self {
            shared: Arc::new(Shared {
                partitions: partitions.max(1),
                incarnation: uuid::Uuid::now_v7().to_string(),
                state: Mutex::default(),
                changed: watch::Sender::new(()),
            }),
        }
    }

    /// A writer to every topic.
    pub fn writer(&self) -> Arc<dyn Writer> {
        Arc::new(MemoryWriter::new(Arc::clone(&self.shared)))
    }

    /// A reader of every partition of `topic`. Readers of one group share only what was passed: each reads all.
    pub fn reader(&self, topic: &Topic, group: &str) -> Box<dyn Reader> {
        Box::new(MemoryReader::new(Arc::clone(&self.shared), topic, group))
    }

    /// Refuses every append this way, until told `None`.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.change(|state| state.faults.refuse = refusal);
    }

    /// Loses replies, until told `false`: what is appended is there, and its writer is told that it is unavailable.
    pub fn lose_replies(&self, lost: bool) {
        self.change(|state| state.faults.replies_lost = lost);
    }

    /// Refuses every other append this way, until told `None`.
    pub fn refuse_every_other(&self, refusal: Option<Refusal>) {
        self.change(|state| state.faults.calls_refused = refusal);
    }

    /// The same log as something that is spilled for.
    pub fn primary(&self) -> Arc<dyn Primary> {
        Arc::new(MemoryWriter::new(Arc::clone(&self.shared)))
    }

    /// Holds appends back, neither durable nor refused, until told `false`.
    pub fn hold(&self, held: bool) {
        self.change(|state| state.faults.held = held);
    }

    /// Bounds the bytes that some group has yet to pass; past it appends are refused as full.
    pub fn bound(&self, bytes_max: Option<u64>) {
        self.change(|state| state.faults.bytes_max = bytes_max);
    }

    /// Bounds a record's key and value together; past it the record is refused as too large.
    pub fn bound_record(&self, record_bytes_max: Option<u64>) {
        self.change(|state| state.faults.record_bytes_max = record_bytes_max);
    }

    /// Fails every read this way, until told `None`. What was prefetched is still delivered afterwards.
    pub fn fail_reads(&self, error: Option<ReadError>) {
        self.change(|state| state.faults.read_error = error);
    }

    /// Forgets everything up to and including `position`, as retention does.
    pub fn forget(&self, topic: &Topic, partition: &Partition, position: &Position) {
        self.change_log(topic, partition, |log| {
            log.first = log
                .first
                .max(offset_after(position))
                .min(log.records.len() as u64);
        });
    }

    /// Takes a partition away from every reader of the topic.
    pub fn revoke(&self, topic: &Topic, partition: &Partition) {
        self.shift(topic, partition, Move::Revoked);
    }

    /// Gives a partition back to every reader of the topic.
    pub fn assign(&self, topic: &Topic, partition: &Partition) {
        self.shift(topic, partition, Move::Assigned);
    }

    /// Adds a partition to the topic and gives it to every reader.
    pub fn add_partition(&self, topic: &Topic) -> Partition {
        let mut added = 0;
        self.change(|state| {
            let topic = self.shared.topic(state, topic);
            added = topic.logs.len();
            topic.logs.push(Log::default());
            topic.moves.push(Move::Assigned(added));
        });
        partition(added)
    }

    /// Ends a partition for good: readers are told behind its last record. No key may go there any more.
    pub fn end_partition(&self, topic: &Topic, partition: &Partition) {
        self.change_log(topic, partition, |log| log.ended = true);
    }

    /// Everything that was ever appended to the topic, partition after partition.
    pub fn values(&self, topic: &Topic) -> Vec<Bytes> {
        let mut state = self.shared.state();
        let topic = self.shared.topic(&mut state, topic);
        let logs = topic.logs.iter();
        logs.flat_map(|log| &log.records)
            .map(|stored| stored.value.clone())
            .collect()
    }

    /// How far the group passed the partition.
    pub fn passed(&self, topic: &Topic, group: &str, partition: &Partition) -> Position {
        let mut state = self.shared.state();
        let topic = self.shared.topic(&mut state, topic);
        let passed = topic.passed.get(group);
        let next = passed
            .zip(index(partition))
            .and_then(|(all, index)| all.get(&index));
        next.map_or_else(Position::start, |next| position_before(*next))
    }

    fn shift(&self, topic: &Topic, partition: &Partition, how: fn(usize) -> Move) {
        self.change(|state| {
            let topic = self.shared.topic(state, topic);
            if let Some(index) = index(partition).filter(|index| *index < topic.logs.len()) {
                topic.moves.push(how(index));
            }
        });
    }

    fn change_log(&self, topic: &Topic, partition: &Partition, change: impl FnOnce(&mut Log)) {
        self.change(|state| {
            let topic = self.shared.topic(state, topic);
            if let Some(log) = index(partition).and_then(|index| topic.logs.get_mut(index)) {
                change(log);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state());
        self.shared.changed.send_replace(());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn topic<'a>(&self, state: &'a mut State, topic: &Topic) -> &'a mut TopicState {
        state.topics.entry(topic.clone()).or_insert_with(|| {
            let mut made = TopicState::default();
            made.logs
                .resize_with(self.partitions as usize, Log::default);
            made
        })
    }

    fn stream(&self, topic: &Topic) -> StreamId {
        StreamId {
            name: topic.as_str().to_owned(),
            incarnation: self.incarnation.clone(),
        }
    }
}

impl TopicState {
    /// Bytes that some group has yet to pass; all of them while there is no group.
    fn held_bytes(&self) -> u64 {
        let held = |(index, log): (usize, &Log)| {
            let passed = |group: &BTreeMap<usize, u64>| group.get(&index).copied().unwrap_or(0);
            let floor = self
                .passed
                .values()
                .map(passed)
                .min()
                .unwrap_or(0)
                .max(log.first);
            let held = log.records.iter().skip(floor as usize);
            held.map(|stored| stored.value.len() as u64).sum::<u64>()
        };
        self.logs.iter().enumerate().map(held).sum()
    }
}

fn partition(index: usize) -> Partition {
    Partition::new(&index.to_string())
}

fn index(partition: &Partition) -> Option<usize> {
    partition.as_str().parse().ok()
}

fn offset_after(position: &Position) -> u64 {
    let text = position.as_str();
    let offset = text.split_once('.').map_or(text, |(offset, _)| offset);
    offset
        .parse()
        .map_or(0, |offset: u64| offset.saturating_add(1))
}

/// The end of a partition that has so many records: behind the last of them.
fn end_of(records: u64) -> Position {
    Position::new(&format!("{}.1", records.saturating_sub(1)))
}

fn position_before(next: u64) -> Position {
    next.checked_sub(1)
        .map_or_else(Position::start, Position::from_number)
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
