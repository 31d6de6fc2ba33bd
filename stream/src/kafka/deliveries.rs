//! The one ordered queue between the thread that polls Kafka and the reader, and what the reader wants of the thread.
//!
//! Assignments and revocations go before records: they are waited for by the whole group. Nothing overtakes within a
//! partition, for a revocation drops what its partitions had queued.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{lag::Behind, position};
use crate::log::{Delivery, Lag, Partition, Position, ReadError, Records};

/// What the two sides share.
#[derive(Debug)]
pub(super) struct Deliveries {
    state: Mutex<State>,
    /// Tells the reader that something is there.
    ready: Notify,
    /// Tells the thread that an assignment or a revocation was taken.
    taken: Condvar,
    bell: Arc<Bell>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Assignments and revocations queued and taken since the start.
    moves: u64,
    moves_taken: u64,
    /// The reader's partitions, and how far it is behind on each.
    assigned: BTreeMap<Partition, Behind>,
    /// Rises with every seek and every move: what was queued before is void.
    generations: HashMap<Partition, u64>,
    wanted: Wanted,
    closed: bool,
    ended: bool,
}

/// What the reader wants of the thread. The latest wish for a partition counts, so that wishes are bounded.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) seeks: BTreeMap<Partition, (u64, Position)>,
    pub(super) passed: BTreeMap<Partition, i64>,
    pub(super) close: bool,
}

#[derive(Debug)]
enum Entry {
    Move(Delivery),
    Of {
        partition: Partition,
        generation: u64,
        bytes: usize,
        found: Result<Delivery, ReadError>,
    },
    Error(ReadError),
}

/// Wakes the thread, from anywhere.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ring.notify_one();
    }

    pub(super) fn wait(&self, at_most: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ring.wait_timeout_while(rung, at_most, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// The thread's side.
impl Deliveries {
    pub(super) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            ready: Notify::new(),
            taken: Condvar::new(),
            bell: Arc::default(),
            bytes_max,
        })
    }

    pub(super) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// Whether more may be queued; once it was much too full, only when half of it was taken.
    pub(super) fn has_room(&self, stalled: bool) -> bool {
        let bytes_max = if stalled {
            self.bytes_max / 2
        } else {
            self.bytes_max
        };
        self.state().bytes < bytes_max
    }

    /// What the reader wants; each wish is taken once.
    pub(super) fn wanted(&self, with_passed: bool) -> Wanted {
        let mut state = self.state();
        let close = state.closed;
        let wanted = &mut state.wanted;
        Wanted {
            seeks: std::mem::take(&mut wanted.seeks),
            passed: if with_passed {
                std::mem::take(&mut wanted.passed)
            } else {
                BTreeMap::new()
            },
            close,
        }
    }

    pub(super) fn assigned(&self, partitions: Vec<Partition>) {
        let mut state = self.state();
        state.push_move(Delivery::Assigned(partitions));
        drop(state);
        self.ready.notify_one();
    }

    /// Queues the revocation; what it drops was not handed over. Gives the number to wait for.
    pub(super) fn revoked(&self, partitions: Vec<Partition>) -> u64 {
        let mut state = self.state();
        for partition in &partitions {
            state.void(partition);
        }
        state.push_move(Delivery::Revoked(partitions));
        let number = state.moves;
        drop(state);
        self.ready.notify_one();
        number
    }

    /// Whether the move was taken in time, or nobody is there to take it.
    pub(super) fn await_taken(&self, number: u64, at_most: Duration) -> bool {
        let state = self.state();
        let waiting = |state: &mut State| state.moves_taken < number && !state.closed;
        let waited = self.taken.wait_timeout_while(state, at_most, waiting);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(super) fn records(&self, generation: u64, records: Records, last: i64, first_ms: i64) {
        let bytes = records
            .values
            .iter()
            .map(|value| value.len() + size_of_val(value))
            .sum();
        let mut state = self.state();
        let partition = records.partition.clone();
        if !state.current(&partition, generation) {
            return;
        }
        if let Some(behind) = state.assigned.get_mut(&partition) {
            behind.read(last, first_ms);
        }
        state.push_of(partition, generation, bytes, Ok(Delivery::Records(records)));
        drop(state);
        self.ready.notify_one();
    }

    /// Retention removed what comes before the offset `first`.
    pub(super) fn gap(
        &self,
        partition: &Partition,
        generation: u64,
        after: Position,
        records: u64,
        first: i64,
    ) {
        let mut state = self.state();
        if !state.current(partition, generation) {
            return;
        }
        if let Some(behind) = state.assigned.get_mut(partition) {
            behind.passed(first - 1);
        }
        let gap = Delivery::Gap {
            partition: partition.clone(),
            after,
            records: Some(records),
        };
        state.push_of(partition.clone(), generation, 0, Ok(gap));
        drop(state);
        self.ready.notify_one();
    }

    pub(super) fn corrupt(
        &self,
        partition: &Partition,
        generation: u64,
        after: Position,
        reason: String,
    ) {
        let mut state = self.state();
        if !state.current(partition, generation) {
            return;
        }
        let error = ReadError::Corrupt {
            partition: partition.clone(),
            after,
            reason: reason.into(),
        };
        state.push_of(partition.clone(), generation, 0, Err(error));
        drop(state);
        self.ready.notify_one();
    }

    /// The stream cannot be read at present. Said once until it was heard.
    pub(super) fn unavailable(&self, reason: &str) {
        let mut state = self.state();
        let said = |entry: &Entry| matches!(entry, Entry::Error(_));
        if !state.entries.iter().any(said) {
            let error = ReadError::Unavailable(reason.into());
            state.entries.push_back(Entry::Error(error));
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Kafka tells where a partition ends.
    pub(super) fn ends(&self, partition: &Partition, end: i64) {
        if let Some(behind) = self.state().assigned.get_mut(partition) {
            behind.ends(end);
        }
    }

    /// The thread is gone: what is queued is still handed over.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.ready.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reader's side.
impl Deliveries {
    /// The next delivery. Cancel-safe: what is taken is returned at once.
    pub(super) async fn next(&self) -> Result<Delivery, ReadError> {
        loop {
            if let Some(found) = self.take() {
                return found;
            }
            self.ready.notified().await;
        }
    }

    fn take(&self) -> Option<Result<Delivery, ReadError>> {
        let mut state = self.state();
        while let Some(entry) = state.entries.pop_front() {
            match entry {
                Entry::Move(delivery) => {
                    state.moved(&delivery);
                    self.taken.notify_all();
                    return Some(Ok(delivery));
                }
                Entry::Of {
                    partition,
                    generation,
                    bytes,
                    found,
                } => {
                    state.bytes -= bytes;
                    if state.current(&partition, generation) {
                        drop(state);
                        self.bell.ring();
                        return Some(found);
                    }
                }
                Entry::Error(error) => return Some(Err(error)),
            }
        }
        state.ended.then_some(Err(ReadError::Closed))
    }

    pub(super) fn seek(&self, partition: &Partition, position: &Position) {
        let mut state = self.state();
        let Some(behind) = state.assigned.get_mut(partition) else {
            return;
        };
        behind.sought(next_offset(position));
        state.void(partition);
        let generation = state.generations.get(partition).copied().unwrap_or(0);
        state
            .wanted
            .seeks
            .insert(partition.clone(), (generation, position.clone()));
        drop(state);
        self.bell.ring();
    }

    pub(super) fn passed(&self, partition: &Partition, position: &Position) {
        let mut state = self.state();
        let last = next_offset(position) - 1;
        let Some(behind) = state.assigned.get_mut(partition).filter(|_| last >= 0) else {
            return;
        };
        behind.passed(last);
        state.wanted.passed.insert(partition.clone(), last);
    }

    pub(super) fn lag(&self, now_ms: i64) -> Vec<Lag> {
        let state = self.state();
        let lag = |(partition, behind): (&Partition, &Behind)| Lag {
            partition: partition.clone(),
            records: behind.records(),
            age: behind.age(now_ms),
        };
        state.assigned.iter().map(lag).collect()
    }

    /// Nobody reads any more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.taken.notify_all();
        self.bell.ring();
    }
}

impl State {
    fn push_move(&mut self, delivery: Delivery) {
        let moves = self
            .entries
            .iter()
            .take_while(|entry| matches!(entry, Entry::Move(_)));
        let place = moves.count();
        self.entries.insert(place, Entry::Move(delivery));
        self.moves += 1;
    }

    fn push_of(
        &mut self,
        partition: Partition,
        generation: u64,
        bytes: usize,
        found: Result<Delivery, ReadError>,
    ) {
        self.bytes += bytes;
        self.entries.push_back(Entry::Of {
            partition,
            generation,
            bytes,
            found,
        });
    }

    fn current(&self, partition: &Partition, generation: u64) -> bool {
        self.generations.get(partition) == Some(&generation)
    }

    /// Drops what the partition has queued, and what may still come of it.
    fn void(&mut self, partition: &Partition) {
        *self.generations.entry(partition.clone()).or_default() += 1;
        let mut freed = 0;
        self.entries.retain(|entry| match entry {
            Entry::Of {
                partition: of,
                bytes,
                ..
            } if of == partition => {
                freed += bytes;
                false
            }
            _ => true,
        });
        self.bytes -= freed;
    }

    fn moved(&mut self, delivery: &Delivery) {
        self.moves_taken += 1;
        match delivery {
            Delivery::Assigned(partitions) => {
                for partition in partitions {
                    self.void(partition);
                    self.wanted.seeks.remove(partition);
                    self.assigned.insert(partition.clone(), Behind::default());
                }
            }
            Delivery::Revoked(partitions) => {
                for partition in partitions {
                    self.void(partition);
                    self.assigned.remove(partition);
                    self.wanted.seeks.remove(partition);
                    self.wanted.passed.remove(partition);
                }
            }
            _ => {}
        }
    }
}

/// The offset that follows the position.
fn next_offset(position: &Position) -> i64 {
    let mark = position::mark(position).ok().flatten();
    mark.map_or(0, |mark| mark.offset + 1)
}
