//! From records of Kinesis, as a call or a subscription brings them, to deliveries of one shard.
//!
//! Reading begins at the very record that a position names, and that record must come first: what Kinesis gives otherwise
//! without a word is the oldest record that is left, when retention has removed those before.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use aws_sdk_kinesis::types::Record;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    deaggregate::{Keys, deaggregate},
    deliveries::Deliveries,
    position::{self, Mark, Place},
    read_metrics::Metrics,
    room::{self, Room},
};
use crate::log::{Partition, Position, ReadError, Records};

/// A delivery that has so many bytes is handed over; the rest of an aggregate follows in the next one.
const DELIVERY_BYTES: usize = 1 << 20;

/// Where reading goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begin {
    /// At the oldest record that there is.
    Oldest,
    /// At that record.
    At(String),
}

/// One shard's events on their way.
#[derive(Debug)]
pub(super) struct Intake {
    stream: String,
    pub(super) shard: Partition,
    generation: u64,
    keys: Option<Keys>,
    deliveries: Arc<Deliveries>,
    metrics: Metrics,
    /// The end of what was delivered, or where it was sought.
    follows: Position,
    /// What was read last and is to be read again first.
    resume: Option<Mark>,
}

/// Who reads and for whom.
#[derive(Debug, Clone)]
pub(super) struct Whose {
    pub(super) stream: String,
    pub(super) shard: Partition,
    pub(super) generation: u64,
    /// What belongs to the shard, where Kinesis tells.
    pub(super) keys: Option<Keys>,
}

impl Intake {
    /// Reading from right after that position. None when there is nothing to be read: the shard's end, or no position
    /// of ours, which is told.
    pub(super) fn new(
        whose: Whose,
        position: Position,
        deliveries: Arc<Deliveries>,
        metrics: Metrics,
    ) -> Option<Self> {
        let resume = match position::place(&position) {
            Ok(Place::Start) => None,
            Ok(Place::Behind(mark)) => Some(mark),
            Ok(Place::End) => return None,
            Err(reason) => {
                deliveries.corrupt(&whose.shard, whose.generation, position, reason);
                return None;
            }
        };
        Some(Self {
            stream: whose.stream,
            shard: whose.shard,
            generation: whose.generation,
            keys: whose.keys,
            deliveries,
            metrics,
            follows: position,
            resume,
        })
    }

    /// Where the next iterator or subscription begins: always at a record that is known, so that it can be seen whether
    /// retention has overtaken the reading.
    pub(super) fn begin_at(&mut self) -> Begin {
        if self.resume.is_none()
            && let Ok(Place::Behind(mark)) = position::place(&self.follows)
        {
            self.resume = Some(mark);
        }
        match &self.resume {
            Some(mark) => Begin::At(mark.sequence.clone()),
            None => Begin::Oldest,
        }
    }

    /// Whether the record that reading begins at has not come yet.
    pub(super) fn resumes(&self) -> bool {
        self.resume.is_some()
    }

    /// Whether a record with that sequence number comes at or before the one that reading begins at, which is not there.
    pub(super) fn is_beyond(&self, sequence: &str) -> bool {
        let resume = self.resume.as_ref();
        resume.is_some_and(|mark| position::order(sequence, &mark.sequence) != Ordering::Greater)
    }

    /// Takes what a reply brought, and how far before the tip it was.
    pub(super) fn take(&mut self, records: Vec<Record>, latest: Duration, room: &mut Room) {
        let mut batch = Batch::default();
        for record in records {
            let appended_ms = appended_ms(&record);
            let sequence = record.sequence_number;
            let skipped = self.resumed(&sequence);
            let events = deaggregate(record.data.into_inner().into(), self.keys.as_ref());
            self.metrics.count_strays(&self.stream, events.strays);
            for (place, value) in events.values {
                if skipped.is_some_and(|last| place <= last) {
                    continue;
                }
                batch.push(value, appended_ms);
                batch.end = Some((sequence.clone(), place));
                if batch.bytes >= DELIVERY_BYTES {
                    self.hand_over(&mut batch, room);
                }
            }
        }
        self.hand_over(&mut batch, room);
        self.deliveries.told(&self.shard, self.generation, latest);
    }

    /// The place up to which the record's events were read before, if it is the one that reading begins at. Tells of a
    /// gap when that one is gone.
    fn resumed(&mut self, sequence: &str) -> Option<u64> {
        let mark = self.resume.take()?;
        match position::order(sequence, &mark.sequence) {
            Ordering::Equal => Some(mark.place),
            Ordering::Greater => {
                self.gap();
                None
            }
            // Kinesis begins at or behind what was asked for; should it not, what was read is not handed over again.
            Ordering::Less => {
                self.resume = Some(mark);
                Some(u64::MAX)
            }
        }
    }

    fn gap(&self) {
        self.metrics.count_gap(&self.stream);
        let after = self.follows.clone();
        self.deliveries.gap(&self.shard, self.generation, after);
    }

    fn hand_over(&mut self, batch: &mut Batch, room: &mut Room) {
        let batch = std::mem::take(batch);
        let Some((sequence, place)) = batch.end else {
            return;
        };
        self.metrics.observe_read(&self.stream, &batch.values);
        let end = Mark { sequence, place }.position();
        let records = Records {
            partition: self.shard.clone(),
            follows: std::mem::replace(&mut self.follows, end.clone()),
            end,
            values: batch.values,
            appended_ms: batch.newest_ms,
        };
        let held: Option<OwnedSemaphorePermit> = room.split(batch.bytes);
        self.deliveries
            .records(self.generation, records, batch.oldest_ms, held);
    }

    /// The shard is closed and was read to its end.
    pub(super) fn end(&mut self) {
        // What was read last is gone, and nothing came behind it: something may have.
        if self.resume.take().is_some() {
            self.gap();
        }
        let follows = self.follows.clone();
        self.deliveries.ended(&self.shard, self.generation, follows);
    }

    /// Reading cannot go on from where it was sought.
    pub(super) fn corrupt(&self, reason: String) {
        let after = self.follows.clone();
        self.deliveries
            .corrupt(&self.shard, self.generation, after, reason);
    }

    /// What there is now under the stream's name is another stream.
    pub(super) fn recreated(&self) {
        let stream = self.stream.clone();
        self.deliveries.end(ReadError::Recreated { stream });
    }

    pub(super) fn unavailable(&self, reason: &str) {
        let shard = &self.shard;
        self.deliveries.unavailable(&format!("{shard}: {reason}"));
    }
}

/// Events that are handed over together.
#[derive(Debug, Default)]
struct Batch {
    values: Vec<Bytes>,
    bytes: usize,
    end: Option<(String, u64)>,
    oldest_ms: i64,
    newest_ms: i64,
}

impl Batch {
    fn push(&mut self, value: Bytes, appended_ms: i64) {
        if self.values.is_empty() {
            self.oldest_ms = appended_ms;
        }
        self.oldest_ms = self.oldest_ms.min(appended_ms);
        self.newest_ms = self.newest_ms.max(appended_ms);
        self.bytes += room::bytes_of(&value);
        self.values.push(value);
    }
}

/// When Kinesis took the record, in ms since the epoch.
fn appended_ms(record: &Record) -> i64 {
    let at = record.approximate_arrival_timestamp;
    at.and_then(|at| at.to_millis().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
