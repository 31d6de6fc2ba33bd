//! The reader that a replay gives to the sink, around the one that reads.
//!
//! The sink seeks a partition once, at the tail of the replay's commit log. If it seeks again, another replay has moved
//! that tail: one of the two ends there, by its own choice, for the log would let neither land anything twice anyway.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use headgate_stream::log::{
    Delivery, Lag, Partition, Position, ReadError, Reader, Records, StreamId,
};

use super::tracker::Tracker;

/// What an operator is told of two replays at once.
pub(crate) const ANOTHER: &str = "another replay is at work on the same; what this one had landed stays, and running it again \
     lands the rest";

/// What decides on each record.
pub(crate) type Keep = Box<dyn Fn(&[u8]) -> bool + Send>;

/// A reader that ends where something is wrong, and says why to the tracker.
pub(crate) struct Guard {
    inner: Box<dyn Reader>,
    tracker: Arc<Tracker>,
    /// The tail that the replay was begun upon, where it matters.
    after: Option<Position>,
    sought: HashSet<Partition>,
    /// Records to land; without it, the reader keeps the counts.
    keep: Option<Keep>,
    allow_missing: bool,
    /// The last thing heard was that the stream cannot be read.
    trouble: Option<Arc<str>>,
}

impl Guard {
    /// Around a reader that counts what it hands over.
    pub(crate) fn new(inner: Box<dyn Reader>, tracker: Arc<Tracker>, after: Position) -> Self {
        Self {
            inner,
            tracker,
            after: Some(after),
            sought: HashSet::new(),
            keep: None,
            allow_missing: false,
            trouble: None,
        }
    }

    /// Around a reader of the stream: only some records are handed on.
    pub(crate) fn filtering(
        inner: Box<dyn Reader>,
        tracker: Arc<Tracker>,
        keep: Keep,
        allow_missing: bool,
    ) -> Self {
        Self {
            inner,
            tracker,
            after: None,
            sought: HashSet::new(),
            keep: Some(keep),
            allow_missing,
            trouble: None,
        }
    }

    fn filter(&self, records: Records) -> Delivery {
        let Some(keep) = &self.keep else {
            return Delivery::Records(records);
        };
        let seen = records.values.len() as u64;
        let mut records = records;
        records.values.retain(|value| keep(value));
        let kept = records.values.len() as u64;
        self.tracker.count(|counts| {
            counts.seen += seen;
            counts.passed_over += seen - kept;
        });
        self.tracker.handed(&records.partition, &records.end, kept);
        Delivery::Records(records)
    }

    /// Retention has removed records meanwhile.
    fn gap(&self, partition: &Partition, records: Option<u64>) {
        let records = records.unwrap_or(1);
        self.tracker.count(|counts| counts.missing += records);
        if !self.allow_missing {
            self.tracker.fail(format!(
                "retention removed {records} offsets of {partition} before they were read; --allow-missing goes on without \
                 them"
            ));
        }
    }
}

impl Reader for Guard {
    fn stream(&self) -> &StreamId {
        self.inner.stream()
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, ReadError>> {
        async move {
            if self.tracker.failed() {
                return Err(ReadError::Closed);
            }
            let next = self.inner.next().await;
            match &next {
                Err(ReadError::Unavailable(reason)) => self.trouble = Some(Arc::clone(reason)),
                Err(ReadError::Closed) => match self.trouble.take() {
                    Some(reason) => self.tracker.fail(format!("the stream ended: {reason}")),
                    None => self.tracker.close(),
                },
                Err(ReadError::Corrupt { .. } | ReadError::Recreated { .. }) => {}
                Ok(delivery) => {
                    self.trouble = None;
                    if let Delivery::Gap {
                        partition, records, ..
                    } = delivery
                    {
                        self.gap(partition, *records);
                    }
                }
            }
            match next {
                _ if self.tracker.failed() => Err(ReadError::Closed),
                Ok(Delivery::Records(records)) => Ok(self.filter(records)),
                next => next,
            }
        }
        .boxed()
    }

    fn seek(&mut self, partition: &Partition, position: &Position) {
        let first = self.sought.insert(partition.clone());
        let begun_elsewhere = self.after.as_ref().is_some_and(|after| after != position);
        match first && !begun_elsewhere {
            true => self.inner.seek(partition, position),
            false => self.tracker.fail(ANOTHER.to_owned()),
        }
    }

    fn passed(&mut self, partition: &Partition, position: &Position) {
        self.tracker.landed(partition, position);
        self.inner.passed(partition, position);
    }

    fn lag(&self) -> Vec<Lag> {
        self.inner.lag()
    }
}
