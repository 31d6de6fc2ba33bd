//! What the records of one append share while they are under way: a countdown, the refusals, and one wakeup.
//!
//! A future and a task for each record would cost more than sending it.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use futures_util::task::AtomicWaker;

use crate::log::{Outcome, Refusal};

/// One append under way.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Records whose fate is open, and one more while records are still being sent.
    open: AtomicUsize,
    refused: Mutex<Vec<(u32, Refusal)>>,
    waker: AtomicWaker,
}

impl Batch {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(1),
            refused: Mutex::default(),
            waker: AtomicWaker::new(),
        })
    }

    /// One more record's fate is open.
    pub(crate) fn open(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether some record's fate is open.
    #[cfg(feature = "kafka")]
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) > 0
    }

    /// The record was refused before it was opened.
    pub(crate) fn refuse(&self, place: u32, refusal: Refusal) {
        self.refused().push((place, refusal));
    }

    /// An open record's fate is known.
    pub(crate) fn settle(&self, place: u32, outcome: Outcome) {
        if let Err(refusal) = outcome {
            self.refuse(place, refusal);
        }
        self.count_down();
    }

    /// All records were sent: waits for those that are open, and gives every record's outcome.
    pub(crate) async fn outcomes(&self, count: usize) -> Vec<Outcome> {
        self.count_down();
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            match self.open.load(Ordering::Acquire) {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        let mut outcomes = vec![Ok(()); count];
        for (place, refusal) in self.refused().drain(..) {
            outcomes[place as usize] = Err(refusal);
        }
        outcomes
    }

    fn count_down(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waker.wake();
        }
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Vec<(u32, Refusal)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outcomes_come_once_every_record_is_settled_whatever_the_order() {
        let batch = Batch::new();
        batch.refuse(1, Refusal::Closed);
        batch.open();
        batch.open();
        let mut outcomes = Box::pin(batch.outcomes(3));
        assert!(futures_util::poll!(&mut outcomes).is_pending());
        batch.settle(2, Err(Refusal::Unavailable("late".into())));
        assert!(futures_util::poll!(&mut outcomes).is_pending());
        batch.settle(0, Ok(()));
        let late = Refusal::Unavailable("late".into());
        assert_eq!(outcomes.await, [Ok(()), Err(Refusal::Closed), Err(late)]);
    }

    #[tokio::test]
    async fn a_batch_of_which_all_was_refused_waits_for_nothing() {
        let batch = Batch::new();
        batch.refuse(0, Refusal::Closed);
        assert_eq!(batch.outcomes(1).await, [Err(Refusal::Closed)]);
    }
}
