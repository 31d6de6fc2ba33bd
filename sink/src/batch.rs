//! What has been read and not yet landed, and when it is enough. Pure: time is passed in.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use headgate_stream::log::{Partition, Position, Records};

use crate::commit::Range;

/// When a batch is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes_max: u64,
    pub(crate) rows_max: u64,
    pub(crate) age_max: Duration,
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
    bytes: u64,
    rows: u64,
    /// When the oldest record was taken.
    since: Option<Instant>,
}

impl Batch {
    /// Takes one delivery. A batch may exceed its limits by one delivery, which the reader bounds.
    pub(crate) fn push(&mut self, records: Records, now: Instant) {
        let range = self
            .ranges
            .entry(records.partition.clone())
            .or_insert_with(|| (records.follows.clone(), records.end.clone()));
        range.1.clone_from(&records.end);
        if records.values.is_empty() {
            return;
        }
        self.rows += records.values.len() as u64;
        self.bytes += bytes_of(&records);
        self.since.get_or_insert(now);
        self.records.push(records);
    }

    /// Whether it must be cut now, and why. A batch without records is never cut: it can wait for some.
    pub(crate) fn due(&self, limits: &Limits, now: Instant) -> Option<Cause> {
        let since = self.since?;
        if self.bytes >= limits.bytes_max {
            Some(Cause::Bytes)
        } else if self.rows >= limits.rows_max {
            Some(Cause::Rows)
        } else if now.saturating_duration_since(since) >= limits.age_max {
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
    pub(crate) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        self.since.map(|since| since + limits.age_max)
    }

    /// Forgets what came from these partitions.
    pub(crate) fn drop_partitions(&mut self, gone: &[Partition]) {
        self.records.retain(|r| !gone.contains(&r.partition));
        self.ranges.retain(|partition, _| !gone.contains(partition));
        self.bytes = self.records.iter().map(bytes_of).sum();
        self.rows = self.records.iter().map(|r| r.values.len() as u64).sum();
        if self.records.is_empty() {
            self.since = None;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
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
