//! The newest record of a log that a sink knows: what comes after it, and whether a record does.

use std::collections::BTreeMap;

use headgate_stream::log::{Partition, Position};

use super::{
    Error, Proposal, Range, Record, Tail, Uncovered, broken,
    checkpoint::{self, Checkpoint},
    record_path,
};

/// All that one record tells of the log up to it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The record's place; 0: the log is empty.
    pub(crate) sequence: u64,
    tails: BTreeMap<Partition, Position>,
    /// The newest object that keeps ids of a partition's events.
    seen: BTreeMap<Partition, String>,
    uncovered: Uncovered,
}

impl Head {
    /// Before the first record.
    pub(crate) fn empty() -> Self {
        Self {
            sequence: 0,
            tails: BTreeMap::new(),
            seen: BTreeMap::new(),
            uncovered: Uncovered {
                first: 1,
                files: 0,
                due: false,
            },
        }
    }

    /// A record that was read at that place, without what is before it.
    pub(crate) fn of(record: &Record, folder: &str, sequence: u64) -> Result<Self, Error> {
        let path = record_path(folder, sequence);
        if record.sequence != sequence {
            let reason = format!("it says that it is sequence {}", record.sequence);
            return Err(broken(&path, reason));
        }
        let tails = tails_of(&record.tails);
        for range in &record.partitions {
            if tails.get(&range.partition) != Some(&range.ends) {
                let partition = &range.partition;
                let reason = format!("{partition} ends at {}, but its tail differs", range.ends);
                return Err(broken(&path, reason));
            }
        }
        let uncovered = record.uncovered;
        if uncovered.first > sequence {
            return Err(broken(&path, "it says that a checkpoint covers it"));
        }
        Ok(Self {
            sequence,
            tails,
            seen: seen_of(&record.tails),
            uncovered,
        })
    }

    /// As it was at a checkpoint's end.
    pub(crate) fn at(checkpoint: &Checkpoint) -> Self {
        Self {
            sequence: checkpoint.sequence,
            tails: tails_of(&checkpoint.partitions),
            seen: seen_of(&checkpoint.partitions),
            uncovered: Uncovered {
                first: checkpoint.first,
                files: 0,
                due: true,
            },
        }
    }

    /// The record behind this one, if it keeps the log's rules.
    pub(crate) fn followed_by(&self, record: &Record, folder: &str) -> Result<Self, Error> {
        let next = Self::of(record, folder, self.sequence + 1)?;
        let path = record_path(folder, next.sequence);
        for range in &record.partitions {
            let tail = self.tail(&range.partition);
            if tail != range.follows {
                let reason = format!(
                    "{} follows {} there, but its tail is {tail}",
                    range.partition, range.follows
                );
                return Err(broken(&path, reason));
            }
        }
        if next.tails != self.moved(&record.partitions) {
            return Err(broken(
                &path,
                "its tails are not what its ranges make of those before",
            ));
        }
        Ok(next)
    }

    /// How far the partition has landed.
    pub(crate) fn tail(&self, partition: &Partition) -> Position {
        let tail = self.tails.get(partition).cloned();
        tail.unwrap_or_else(Position::start)
    }

    /// How far every partition has landed that ever did.
    pub(crate) fn tails(&self) -> &BTreeMap<Partition, Position> {
        &self.tails
    }

    /// The newest object that keeps ids of the partition's events.
    pub(crate) fn seen(&self, partition: &Partition) -> Option<&str> {
        self.seen.get(partition).map(String::as_str)
    }

    /// Whether a record with these ranges may come behind.
    pub(crate) fn admits(&self, ranges: &[Range]) -> bool {
        let follows = |range: &Range| self.tail(&range.partition) == range.follows;
        ranges.iter().all(follows)
    }

    /// All tails as a record behind with the proposal's ranges has them.
    pub(crate) fn tails_with(&self, proposal: &Proposal) -> Vec<Tail> {
        let tail = |(partition, ends)| Tail {
            seen: match proposal.seen.contains(&partition) {
                true => Some(proposal.attempt.clone()),
                false => self.seen.get(&partition).cloned(),
            },
            partition,
            ends,
        };
        self.moved(&proposal.ranges).into_iter().map(tail).collect()
    }

    /// What a record behind that names so many files leaves uncovered.
    pub(crate) fn uncovered_with(&self, files: usize, commits_max: u64) -> Uncovered {
        let sequence = self.sequence + 1;
        let (first, before) = match self.uncovered.due {
            true => (sequence, 0),
            false => (self.uncovered.first, self.uncovered.files),
        };
        let files = before + files as u64;
        Uncovered {
            first,
            files,
            due: sequence - first + 1 >= commits_max || files >= checkpoint::FILES_MAX,
        }
    }

    /// The commits of the checkpoint that this record makes due.
    pub(crate) fn due(&self) -> Option<(u64, u64)> {
        let due = self.uncovered.due;
        due.then_some((self.uncovered.first, self.sequence))
    }

    /// Where the newest checkpoint that was due before this record ends; 0: none was.
    pub(crate) fn covered(&self) -> u64 {
        self.uncovered.first - 1
    }

    fn moved(&self, ranges: &[Range]) -> BTreeMap<Partition, Position> {
        let mut tails = self.tails.clone();
        for range in ranges {
            tails.insert(range.partition.clone(), range.ends.clone());
        }
        tails
    }
}

fn seen_of(tails: &[Tail]) -> BTreeMap<Partition, String> {
    let named = |tail: &Tail| Some((tail.partition.clone(), tail.seen.clone()?));
    tails.iter().filter_map(named).collect()
}

fn tails_of(tails: &[Tail]) -> BTreeMap<Partition, Position> {
    let pair = |tail: &Tail| (tail.partition.clone(), tail.ends.clone());
    tails.iter().map(pair).collect()
}
