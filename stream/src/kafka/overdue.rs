//! Which appends have waited longest for their acknowledgements.
//!
//! librdkafka must not give records up by itself: it would go on under a new epoch of its idempotent producer, and send
//! what it had under way beside them again, which brokers then take for new. So its own timeout is off, and a client
//! that has kept a record for too long is given up as a whole.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use crate::outcomes::Batch;

/// So many more appends than were open at the last look, and those that have ended are looked for again.
const GROWTH: usize = 1_024;

/// The appends of one client, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Overdue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sent: VecDeque<(Instant, Weak<Batch>)>,
    /// How many were open when all were last looked at.
    open: usize,
}

impl Overdue {
    /// An append is under way.
    pub(super) fn sent(&self, batch: &Arc<Batch>) {
        let mut state = self.state();
        if state.sent.len() > 2 * state.open + GROWTH {
            state.sent.retain(|(_, batch)| is_open(batch));
            state.open = state.sent.len();
        }
        state
            .sent
            .push_back((Instant::now(), Arc::downgrade(batch)));
    }

    /// How long the oldest append that is still under way has been.
    pub(super) fn oldest(&self) -> Option<Duration> {
        let mut state = self.state();
        while let Some((began, batch)) = state.sent.front() {
            if is_open(batch) {
                return Some(began.elapsed());
            }
            state.sent.pop_front();
        }
        None
    }

    /// What was sent is no more this client's.
    pub(super) fn forget(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever waits for an append may have gone; librdkafka still holds what is under way.
fn is_open(batch: &Weak<Batch>) -> bool {
    batch.upgrade().is_some_and(|batch| batch.is_open())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under_way(overdue: &Overdue) -> Arc<Batch> {
        let batch = Batch::new();
        overdue.sent(&batch);
        batch
    }

    /// A batch is open once more than it has records, until they were all sent.
    fn end(batch: &Batch) {
        batch.settle(0, Ok(()));
    }

    #[test]
    fn the_oldest_open_append_is_told_and_those_that_have_ended_do_not_gather_behind_it() {
        let overdue = Overdue::default();
        assert_eq!(overdue.oldest(), None);
        let (first, second) = (under_way(&overdue), under_way(&overdue));
        end(&first);
        assert!(overdue.oldest().is_some());
        for _ in 0..20 * GROWTH {
            end(&under_way(&overdue));
        }
        assert!(overdue.state().sent.len() <= 2 * GROWTH);
        end(&second);
        assert_eq!(overdue.oldest(), None);
        let _third = under_way(&overdue);
        overdue.forget();
        assert_eq!(overdue.oldest(), None);
    }
}
