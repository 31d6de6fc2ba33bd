//! What waits to be written to one partition. Bounded by the bytes that its items were permitted.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::frame::LENGTH_BYTES;
use crate::log::{Outcome, Record};

/// Records of one append that go to one partition, and share their outcome.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) records: Vec<Record>,
    /// What the records take in a frame.
    pub(super) bytes: u64,
    pub(super) done: oneshot::Sender<Outcome>,
    /// Their share of the queue, given back when the item is dropped.
    pub(super) room: OwnedSemaphorePermit,
}

/// Why the committer was woken.
#[derive(Debug)]
pub(super) enum Taken {
    /// Write these.
    Group(Vec<Item>),
    /// Somebody needs disk space.
    Pressed,
    /// Nothing came within the time.
    Idle,
    /// Nothing is left, and nothing more comes.
    Closed,
}

/// The queue. Any number of callers put, one committer takes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// What the items take in a frame.
    bytes: u64,
    /// While the committer gathers, what a whole group takes: less need not wake it.
    gathering: Option<u64>,
    pressed: bool,
    closed: bool,
}

/// What a record takes in a frame.
pub(super) fn framed_bytes(record: &Record) -> u64 {
    (record.value.len() + LENGTH_BYTES) as u64
}

impl Queue {
    /// Puts the item at the end; gives it back when the queue is closed.
    pub(super) fn put(&self, item: Item) -> Result<(), Item> {
        let mut state = self.state();
        if state.closed {
            return Err(item);
        }
        state.bytes += item.bytes;
        state.items.push_back(item);
        let wakes = state.gathering.is_none_or(|whole| state.bytes >= whole);
        drop(state);
        if wakes {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Asks the committer to free disk space.
    pub(super) fn press(&self) {
        self.state().pressed = true;
        self.filled.notify_one();
    }

    /// Takes no more; what is there is still handed out.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
    }

    /// Closes the queue and drops what is in it, which tells those who wait.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.closed = true;
        state.items.clear();
        state.bytes = 0;
    }

    /// Waits for something to do, at most for `wait`; a group is of at most `bytes_max`, or one item.
    pub(super) fn take(&self, bytes_max: u64, delay: Duration, wait: Duration) -> Taken {
        let quiet = |state: &mut State| state.items.is_empty() && !state.closed && !state.pressed;
        let waited = self.filled.wait_timeout_while(self.state(), wait, quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.pressed) {
            return Taken::Pressed;
        }
        if state.items.is_empty() {
            return if state.closed {
                Taken::Closed
            } else {
                Taken::Idle
            };
        }
        if !delay.is_zero() {
            state = self.gather(state, bytes_max, delay);
        }
        Taken::Group(state.group(bytes_max))
    }

    /// Waits for more to share the fsync.
    fn gather<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        bytes_max: u64,
        delay: Duration,
    ) -> MutexGuard<'a, State> {
        state.gathering = Some(bytes_max);
        let gathers = |state: &mut State| !state.closed && state.bytes < bytes_max;
        let waited = self.filled.wait_timeout_while(state, delay, gathers);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.gathering = None;
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn group(&mut self, bytes_max: u64) -> Vec<Item> {
        let mut bytes = 0;
        let fits = self.items.iter().take_while(|item| {
            bytes += item.bytes;
            bytes <= bytes_max
        });
        let count = fits.count().max(1);
        let group: Vec<Item> = self.items.drain(..count).collect();
        self.bytes -= group.iter().map(|item| item.bytes).sum::<u64>();
        group
    }
}
