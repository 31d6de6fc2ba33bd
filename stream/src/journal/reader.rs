//! The reading half: follows every partition of one topic. Each sought partition has at most one fetch under way or
//! waiting to be handed over, which is the prefetch and its bound.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    commit::now_ms,
    fetch::Cursor,
    groups::Group,
    state::{Core, PartitionLog, TopicLog},
};
use crate::log::{Delivery, Lag, Partition, Position, ReadError, Reader, StreamId};

#[derive(Debug)]
pub(super) struct JournalReader {
    core: Arc<Core>,
    topic: Arc<TopicLog>,
    group: Arc<Group>,
    changed: watch::Receiver<()>,
    closed: watch::Receiver<bool>,
    assigned: bool,
    slots: Vec<Slot>,
    /// The partition that is looked at first, so that none is left waiting.
    turn: usize,
    fetch_bytes_max: u64,
}

/// What one partition's reading is at.
#[derive(Debug)]
enum Slot {
    Unsought,
    Waiting(Cursor),
    Fetching(JoinHandle<Fetched>),
    /// An error was handed over; only a seek goes on.
    Failed,
}

type Fetched = (Cursor, Result<Option<Delivery>, ReadError>);

impl JournalReader {
    pub(super) fn new(core: Arc<Core>, topic: Arc<TopicLog>, group: Arc<Group>) -> Self {
        let count = topic.partitions.len();
        Self {
            changed: topic.changed.subscribe(),
            closed: core.closed.subscribe(),
            assigned: false,
            slots: (0..count).map(|_| Slot::Unsought).collect(),
            turn: 0,
            fetch_bytes_max: core.config.prefetch_bytes_max / count.max(1) as u64,
            core,
            topic,
            group,
        }
    }

    /// Starts a fetch wherever there is something to fetch.
    fn start(&mut self) {
        for (slot, log) in self.slots.iter_mut().zip(&self.topic.partitions) {
            if matches!(slot, Slot::Waiting(cursor) if cursor.next != log.state().next) {
                let Slot::Waiting(cursor) = std::mem::replace(slot, Slot::Unsought) else {
                    continue;
                };
                *slot = Slot::Fetching(fetch(cursor, Arc::clone(log), self.fetch_bytes_max));
            }
        }
    }

    /// The first fetch that is done, in turn.
    fn poll_fetched(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery, ReadError>> {
        let count = self.slots.len();
        for index in (0..count).map(|step| (self.turn + step) % count.max(1)) {
            let Slot::Fetching(fetch) = &mut self.slots[index] else {
                continue;
            };
            let Poll::Ready(fetched) = Pin::new(fetch).poll(cx) else {
                continue;
            };
            self.slots[index] = Slot::Failed;
            let Ok((cursor, outcome)) = fetched else {
                let reason = "a read was cut short: the runtime is shutting down".into();
                return Poll::Ready(Err(ReadError::Unavailable(reason)));
            };
            match outcome {
                Ok(delivery) => {
                    self.slots[index] = Slot::Waiting(cursor);
                    if let Some(delivery) = delivery {
                        self.turn = index + 1;
                        return Poll::Ready(Ok(delivery));
                    }
                }
                Err(error @ ReadError::Unavailable(_)) => {
                    self.slots[index] = Slot::Waiting(cursor);
                    return Poll::Ready(Err(error));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Pending
    }

    async fn next_delivery(&mut self) -> Result<Delivery, ReadError> {
        loop {
            if *self.closed.borrow() {
                return Err(ReadError::Closed);
            }
            if !self.assigned {
                self.assigned = true;
                let names = self.topic.partitions.iter().map(|log| log.name.clone());
                return Ok(Delivery::Assigned(names.collect()));
            }
            self.changed.borrow_and_update();
            self.start();
            let mut changed = self.changed.clone();
            let mut closed = self.closed.clone();
            tokio::select! {
                biased;
                fetched = poll_fn(|cx| self.poll_fetched(cx)) => {
                    // The next fetch runs while this delivery is worked on.
                    self.start();
                    return fetched;
                }
                // An error says that the journal is gone; the closed flag is up then.
                changed = changed.changed() => changed.map_err(|_| ReadError::Closed)?,
                closed = closed.changed() => closed.map_err(|_| ReadError::Closed)?,
            }
        }
    }

    fn index(&self, partition: &Partition) -> Option<usize> {
        self.topic
            .partitions
            .iter()
            .position(|log| log.name == *partition)
    }
}

fn fetch(mut cursor: Cursor, log: Arc<PartitionLog>, bytes_max: u64) -> JoinHandle<Fetched> {
    tokio::task::spawn_blocking(move || {
        let fetched = cursor.fetch(&log, bytes_max);
        (cursor, fetched)
    })
}

impl Reader for JournalReader {
    fn stream(&self) -> &StreamId {
        &self.topic.stream
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, ReadError>> {
        Box::pin(self.next_delivery())
    }

    fn seek(&mut self, partition: &Partition, position: &Position) {
        if let Some(index) = self.index(partition).filter(|_| self.assigned) {
            self.slots[index] = Slot::Waiting(Cursor::after(position));
        }
    }

    fn passed(&mut self, partition: &Partition, position: &Position) {
        let Some(index) = self.index(partition) else {
            return;
        };
        let log = &self.topic.partitions[index];
        let next = Cursor::after(position).next;
        let durable = log.state().next;
        self.group.pass(index, next.min(durable));
        if self.core.space.is_full() {
            log.queue.press();
        }
    }

    fn lag(&self) -> Vec<Lag> {
        let now_ms = now_ms();
        let lag = |log: &Arc<PartitionLog>| {
            let state = log.state();
            let passed = self.group.next(log.index).max(state.first());
            let records = state.next.saturating_sub(passed);
            let oldest_ms = state.times.appended_ms(passed).filter(|_| records > 0);
            let age_ms = oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
            let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
            Lag {
                partition: log.name.clone(),
                records: Some(records),
                age,
            }
        };
        self.topic
            .partitions
            .iter()
            .filter(|_| self.assigned)
            .map(lag)
            .collect()
    }
}
