//! The one ordered queue between the tasks that read shards and the reader, and what the reader wants of them.
//!
//! A revocation drops what its shards had queued, so that nothing overtakes within a shard. Assignments and revocations go
//! before records: others wait for what is given up.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::{behind::Behind, position};
use crate::log::{Delivery, Lag, Partition, Position, ReadError, Records};

/// What the two sides share.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    state: Mutex<State>,
    /// Tells the reader that something is there.
    ready: Notify,
    /// Tells the balancer that something is wanted.
    wishes: Notify,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    /// The reader's shards.
    slots: BTreeMap<Partition, Slot>,
    /// Rises with every seek and every assignment: what was queued for one before is void.
    generation: u64,
    wanted: Wanted,
    closed: bool,
    ended: Option<ReadError>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u64,
    behind: Behind,
}

/// What the reader wants. The latest wish for a shard counts, so that wishes are bounded.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Where shards are to be read from, and the generation that is read then.
    pub(super) seeks: BTreeMap<Partition, (u64, Position)>,
    /// Shards whose ends were passed or sought.
    pub(super) finished: BTreeSet<Partition>,
    pub(super) close: bool,
}

#[derive(Debug)]
enum Entry {
    Move(Delivery),
    Of {
        partition: Partition,
        generation: u64,
        found: Result<Delivery, ReadError>,
        /// The memory that it takes, given back when it is taken or void.
        _room: Option<OwnedSemaphorePermit>,
    },
    Error(ReadError),
}

/// The tasks' side.
impl Deliveries {
    /// The reader's next wishes; each is taken once.
    pub(super) async fn wanted(&self) -> Wanted {
        loop {
            if let Some(wanted) = self.take_wanted() {
                return wanted;
            }
            self.wishes.notified().await;
        }
    }

    fn take_wanted(&self) -> Option<Wanted> {
        let mut state = self.state();
        let wanted = std::mem::take(&mut state.wanted);
        let close = state.closed;
        let something = close || !wanted.seeks.is_empty() || !wanted.finished.is_empty();
        something.then_some(Wanted { close, ..wanted })
    }

    pub(super) fn assigned(&self, partitions: Vec<Partition>) {
        self.state().push_move(Delivery::Assigned(partitions));
        self.ready.notify_one();
    }

    /// Queues the revocation; what it drops was not handed over.
    pub(super) fn revoked(&self, partitions: Vec<Partition>) {
        let mut state = self.state();
        for partition in &partitions {
            state.void(partition);
        }
        state.push_move(Delivery::Revoked(partitions));
        drop(state);
        self.ready.notify_one();
    }

    /// Events of one shard, the first of which was appended at `first_ms`.
    pub(super) fn records(
        &self,
        generation: u64,
        records: Records,
        first_ms: i64,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let partition = records.partition.clone();
        self.push(&partition, generation, room, |slot| {
            slot.behind.read(&records.end, first_ms);
            Ok(Delivery::Records(records))
        });
    }

    /// Retention has removed what may have come behind `after`.
    pub(super) fn gap(&self, partition: &Partition, generation: u64, after: Position) {
        self.push(partition, generation, None, |_| {
            Ok(Delivery::Gap {
                partition: partition.clone(),
                after,
                records: None,
            })
        });
    }

    /// The shard was read to its end.
    pub(super) fn ended(&self, partition: &Partition, generation: u64, follows: Position) {
        self.push(partition, generation, None, |slot| {
            slot.behind.told(Duration::ZERO);
            Ok(Delivery::Ended {
                partition: partition.clone(),
                end: position::end_of(&follows),
                follows,
            })
        });
    }

    pub(super) fn corrupt(
        &self,
        partition: &Partition,
        generation: u64,
        after: Position,
        reason: String,
    ) {
        self.push(partition, generation, None, |_| {
            Err(ReadError::Corrupt {
                partition: partition.clone(),
                after,
                reason: reason.into(),
            })
        });
    }

    /// How far before the shard's tip its reading is.
    pub(super) fn told(&self, partition: &Partition, generation: u64, latest: Duration) {
        if let Some(slot) = self.state().current(partition, generation) {
            slot.behind.told(latest);
        }
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

    /// Nothing follows what is queued but this error.
    pub(super) fn end(&self, error: ReadError) {
        self.state().ended.get_or_insert(error);
        self.ready.notify_one();
    }

    fn push(
        &self,
        partition: &Partition,
        generation: u64,
        room: Option<OwnedSemaphorePermit>,
        found: impl FnOnce(&mut Slot) -> Result<Delivery, ReadError>,
    ) {
        let mut state = self.state();
        let Some(slot) = state.current(partition, generation) else {
            return;
        };
        let found = found(slot);
        state.entries.push_back(Entry::Of {
            partition: partition.clone(),
            generation,
            found,
            _room: room,
        });
        drop(state);
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
                    return Some(Ok(delivery));
                }
                Entry::Of {
                    partition,
                    generation,
                    found,
                    ..
                } => {
                    if state.current(&partition, generation).is_some() {
                        return Some(found);
                    }
                }
                Entry::Error(error) => return Some(Err(error)),
            }
        }
        state.ended.clone().map(Err)
    }

    pub(super) fn seek(&self, partition: &Partition, position: &Position) {
        let mut state = self.state();
        state.void(partition);
        let generation = state.next_generation();
        let Some(slot) = state.slots.get_mut(partition) else {
            return;
        };
        slot.generation = generation;
        slot.behind.sought();
        let wanted = &mut state.wanted;
        if position::is_end(position) {
            wanted.seeks.remove(partition);
            wanted.finished.insert(partition.clone());
        } else {
            let wish = (generation, position.clone());
            wanted.seeks.insert(partition.clone(), wish);
        }
        drop(state);
        self.wishes.notify_one();
    }

    pub(super) fn passed(&self, partition: &Partition, position: &Position) {
        let mut state = self.state();
        let Some(slot) = state.slots.get_mut(partition) else {
            return;
        };
        slot.behind.passed(position);
        if position::is_end(position) {
            state.wanted.finished.insert(partition.clone());
            drop(state);
            self.wishes.notify_one();
        }
    }

    pub(super) fn lag(&self, now_ms: i64) -> Vec<Lag> {
        let state = self.state();
        let lag = |(partition, slot): (&Partition, &Slot)| Lag {
            partition: partition.clone(),
            records: None,
            age: slot.behind.age(now_ms),
        };
        state.slots.iter().map(lag).collect()
    }

    /// Nobody reads any more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.wishes.notify_one();
    }
}

impl State {
    fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    fn push_move(&mut self, delivery: Delivery) {
        let moves = self.entries.iter();
        let place = moves.take_while(|entry| matches!(entry, Entry::Move(_)));
        let place = place.count();
        self.entries.insert(place, Entry::Move(delivery));
    }

    /// The shard's slot, unless it was sought or moved since.
    fn current(&mut self, partition: &Partition, generation: u64) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(partition);
        slot.filter(|slot| slot.generation == generation)
    }

    /// Drops what the shard has queued, and what may still come of it.
    fn void(&mut self, partition: &Partition) {
        let generation = self.next_generation();
        if let Some(slot) = self.slots.get_mut(partition) {
            slot.generation = generation;
        }
        let of =
            |entry: &Entry| matches!(entry, Entry::Of { partition: of, .. } if of == partition);
        self.entries.retain(|entry| !of(entry));
    }

    fn moved(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Assigned(partitions) => {
                for partition in partitions {
                    let slot = Slot {
                        generation: self.next_generation(),
                        behind: Behind::default(),
                    };
                    self.slots.insert(partition.clone(), slot);
                    self.wanted.seeks.remove(partition);
                }
            }
            Delivery::Revoked(partitions) => {
                for partition in partitions {
                    self.slots.remove(partition);
                    self.wanted.seeks.remove(partition);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;

    use super::*;

    fn shard() -> Partition {
        Partition::new("shardId-000000000000")
    }

    fn some(follows: &str, end: &str) -> Records {
        Records {
            partition: shard(),
            follows: Position::new(follows),
            end: Position::new(end),
            values: vec!["a".into()],
            appended_ms: 1,
        }
    }

    fn next(deliveries: &Deliveries) -> Option<Delivery> {
        deliveries.next().now_or_never().map(Result::unwrap)
    }

    /// Assigned, taken and sought; the generation that is read.
    fn sought(deliveries: &Deliveries, position: &str) -> u64 {
        deliveries.seek(&shard(), &Position::new(position));
        let wanted = deliveries.wanted().now_or_never().unwrap();
        wanted.seeks[&shard()].0
    }

    #[test]
    fn a_seek_and_a_revocation_drop_what_came_before_them() {
        let deliveries = Deliveries::default();
        deliveries.assigned(vec![shard()]);
        assert!(matches!(next(&deliveries), Some(Delivery::Assigned(_))));
        let first = sought(&deliveries, "");
        deliveries.records(first, some("", "1.0"), 1, None);
        let second = sought(&deliveries, "7.0");
        deliveries.records(first, some("1.0", "2.0"), 1, None);
        assert!(next(&deliveries).is_none());
        deliveries.records(second, some("7.0", "8.0"), 1, None);
        deliveries.revoked(vec![shard()]);
        deliveries.records(second, some("8.0", "9.0"), 1, None);
        assert!(matches!(next(&deliveries), Some(Delivery::Revoked(_))));
        assert!(next(&deliveries).is_none());
        assert!(deliveries.lag(0).is_empty());
    }

    #[test]
    fn a_shard_that_is_given_back_delivers_nothing_before_it_is_sought_anew() {
        let deliveries = Deliveries::default();
        deliveries.assigned(vec![shard()]);
        next(&deliveries);
        deliveries.revoked(vec![shard()]);
        deliveries.assigned(vec![shard()]);
        // Its user has heard of neither.
        let early = sought(&deliveries, "");
        deliveries.records(early, some("", "1.0"), 1, None);
        assert!(matches!(next(&deliveries), Some(Delivery::Revoked(_))));
        assert!(matches!(next(&deliveries), Some(Delivery::Assigned(_))));
        assert!(next(&deliveries).is_none());
    }

    #[test]
    fn the_end_is_told_and_known_once_it_was_passed_or_sought() {
        let deliveries = Deliveries::default();
        deliveries.assigned(vec![shard()]);
        next(&deliveries);
        let read = sought(&deliveries, "");
        deliveries.ended(&shard(), read, Position::new("5.2"));
        let Some(Delivery::Ended { follows, end, .. }) = next(&deliveries) else {
            panic!()
        };
        assert_eq!((follows.as_str(), end.as_str()), ("5.2", "5.2.1"));
        let finished = || {
            let wanted = deliveries.wanted().now_or_never();
            wanted.map(|wanted| (wanted.finished.len(), wanted.seeks.len()))
        };
        deliveries.passed(&shard(), &follows);
        assert_eq!(finished(), None);
        deliveries.passed(&shard(), &end);
        assert_eq!(finished(), Some((1, 0)));
        deliveries.seek(&shard(), &end);
        assert_eq!(finished(), Some((1, 0)));
    }

    #[test]
    fn what_is_void_gives_its_room_back() {
        let room = Arc::new(tokio::sync::Semaphore::new(1));
        let deliveries = Deliveries::default();
        deliveries.assigned(vec![shard()]);
        next(&deliveries);
        let read = sought(&deliveries, "");
        let taken = Arc::clone(&room).try_acquire_owned().unwrap();
        deliveries.records(read, some("", "1.0"), 1, Some(taken));
        assert_eq!(room.available_permits(), 0);
        sought(&deliveries, "");
        assert_eq!(room.available_permits(), 1);
    }
}
