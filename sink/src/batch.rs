//! What has been read and not yet landed, and when it is enough. Pure: time is passed in.

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;
use headgate_stream::log::{Partition, Position, Records};

use crate::commit::{Gap, Range};

/// When a batch is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes_max: u64,
    pub(crate) rows_max: u64,
}

/// Why a batch was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Bytes,
    Rows,
    Age,
    /// The sink stops.
    Drain,
}

impl Cause {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Rows => "rows",
            Self::Age => "age",
            Self::Drain => "drain",
        }
    }
}

/// Records as they came, with the ranges that they make up.
///
/// Nothing is decoded or sorted here: a batch costs what its records cost, however many tables they belong to.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    records: Vec<Records>,
    ranges: BTreeMap<Partition, (Position, Position)>,
    gaps: Vec<Gap>,
    /// Partitions that ended, which is to be known in the log by then whether or not there are records.
    ends: Vec<(Partition, Instant)>,
    bytes: u64,
    rows: u64,
    /// When each delivery has waited long enough.
    due: Vec<Instant>,
    /// The first of them.
    deadline: Option<Instant>,
}

impl Batch {
    /// Takes one delivery, which may wait until `due`. A batch may exceed its limits by one delivery, which the reader
    /// bounds.
    pub(crate) fn push(&mut self, records: Records, due: Instant) {
        self.extend(&records.partition, &records.follows, &records.end);
        if records.values.is_empty() {
            return;
        }
        self.rows += records.values.len() as u64;
        self.bytes += bytes_of(&records);
        self.due.push(due);
        self.deadline = Some(self.deadline.map_or(due, |first| first.min(due)));
        self.records.push(records);
    }

    /// Notes what is missing right before the delivery that was pushed last: it is in no other commit than that one.
    pub(crate) fn lacks(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    /// Takes the end of a partition, which may wait until `due`.
    pub(crate) fn push_end(
        &mut self,
        partition: Partition,
        follows: &Position,
        end: &Position,
        due: Instant,
    ) {
        self.extend(&partition, follows, end);
        self.ends.push((partition, due));
        self.deadline = Some(self.deadline.map_or(due, |first| first.min(due)));
    }

    fn extend(&mut self, partition: &Partition, follows: &Position, end: &Position) {
        let range = self
            .ranges
            .entry(partition.clone())
            .or_insert_with(|| (follows.clone(), end.clone()));
        range.1.clone_from(end);
    }

    /// Whether it must be cut now, and why. A batch without records and ends is never cut: it can wait for some.
    pub(crate) fn due(&self, limits: &Limits, now: Instant) -> Option<Cause> {
        let deadline = self.deadline?;
        if self.bytes >= limits.bytes_max {
            Some(Cause::Bytes)
        } else if self.rows >= limits.rows_max {
            Some(Cause::Rows)
        } else if now >= deadline {
            Some(Cause::Age)
        } else {
            None
        }
    }

    /// Whether it must not grow further.
    pub(crate) fn full(&self, limits: &Limits) -> bool {
        self.bytes >= limits.bytes_max || self.rows >= limits.rows_max
    }

    /// When it will be due by age if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Forgets what came from these partitions.
    pub(crate) fn drop_partitions(&mut self, gone: &[Partition]) {
        let stays = |records: &Records| !gone.contains(&records.partition);
        let mut kept = self.records.iter().map(stays);
        self.due.retain(|_| kept.next().unwrap_or_default());
        self.records.retain(stays);
        self.ends.retain(|(partition, _)| !gone.contains(partition));
        let ends = self.ends.iter().map(|(_, due)| due);
        self.deadline = self.due.iter().chain(ends).min().copied();
        self.ranges.retain(|partition, _| !gone.contains(partition));
        self.gaps.retain(|gap| !gone.contains(&gap.partition));
        self.bytes = self.records.iter().map(bytes_of).sum();
        self.rows = self.records.iter().map(|r| r.values.len() as u64).sum();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.ends.is_empty()
    }

    /// The records' memory, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn records(&self) -> &[Records] {
        &self.records
    }

    /// What its ranges lack.
    pub(crate) fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// What a commit of this batch covers.
    pub(crate) fn ranges(&self) -> Vec<Range> {
        let range = |(partition, (follows, ends)): (&Partition, &(Position, Position))| Range {
            partition: partition.clone(),
            follows: follows.clone(),
            ends: ends.clone(),
        };
        self.ranges.iter().map(range).collect()
    }
}

fn bytes_of(records: &Records) -> u64 {
    let one = |value: &Bytes| (value.len() + size_of::<Bytes>()) as u64;
    records.values.iter().map(one).sum()
}

#[cfg(test)]
mod tests;
