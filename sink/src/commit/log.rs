//! A sink's view of one commit log, and the one way in which it grows.

mod checkpoints;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use headgate_stream::log::{Partition, Position, StreamId};
use tokio::time::sleep;

use super::{
    Duplicates, Error, File, Gap, Range, Record, VERSION, broken, folder, head::Head, read_json,
    record_path, tail,
};
use crate::{
    backoff::Backoff,
    store::{self, Store},
};

/// How many records are read at once where a place was found taken.
const READ_AHEAD_MAX: u64 = 4;

/// The longest first pause of a sink that finds its place in the log taken again.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// The longest pause of such a sink.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// The commit log as far as this sink has read it.
#[derive(Debug)]
pub(crate) struct Log {
    store: Arc<dyn Store>,
    id: StreamId,
    folder: String,
    /// The newest record that was read or written.
    head: Head,
    /// By how many records others moved the log between this sink's last two commits.
    moved: u64,
    /// The head at this sink's last commit.
    committed: u64,
    /// The last place that was tried, and whose attempt it was. A record of that attempt may be there, or get there.
    tried: Option<(u64, String)>,
    checkpoint_commits: u64,
    /// A checkpoint that is this sink's to write, from the first commit to the last: its own record made it due, or
    /// it was missed at the start.
    due: Option<(u64, u64)>,
    /// The end of the newest epoch that is known to be collected.
    epoch: u64,
}

/// What a sink wants to commit.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    /// Unique to this attempt.
    pub(crate) attempt: String,
    /// The writer's clock.
    pub(crate) committed_ms: i64,
    /// The ranges.
    pub(crate) ranges: Vec<Range>,
    /// The files, all durable already.
    pub(crate) files: Vec<File>,
    /// What the ranges lack.
    pub(crate) gaps: Vec<Gap>,
    /// The files whose rows they hold.
    pub(crate) replaces: Vec<String>,
    /// What had landed before.
    pub(crate) duplicates: Vec<Duplicates>,
    /// The partitions of which an object named as the attempt keeps ids.
    pub(crate) seen: Vec<Partition>,
}

/// How a proposal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the log at this sequence.
    Committed(u64),
    /// Another sink's record moved the tail of one of its partitions: it can never become valid.
    Conflict,
}

impl Log {
    /// Finds the newest record and reads it: it tells all that is needed of those before.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        id: StreamId,
        checkpoint_commits: u64,
    ) -> Result<Self, Error> {
        let mut log = Self {
            store,
            folder: folder(&id),
            id,
            head: Head::empty(),
            moved: 0,
            committed: 0,
            tried: None,
            checkpoint_commits,
            due: None,
            epoch: 0,
        };
        log.advance(0, 1).await?;
        log.committed = log.head.sequence;
        log.due = log.missed().await?;
        log.checkpoint().await?;
        Ok(log)
    }

    /// Goes to the end of the log, where others have added to it.
    pub(crate) async fn refresh(&mut self) -> Result<(), Error> {
        self.advance(self.moved.max(1), READ_AHEAD_MAX).await
    }

    /// How far the partition has landed.
    pub(crate) fn tail(&self, partition: &Partition) -> Position {
        self.head.tail(partition)
    }

    /// The newest object that keeps ids of the partition's events.
    pub(crate) fn seen(&self, partition: &Partition) -> Option<&str> {
        self.head.seen(partition)
    }

    /// How far every partition has landed.
    pub(crate) fn tails(&self) -> BTreeMap<Partition, Position> {
        self.head.tails().clone()
    }

    /// Puts the proposal at the end of the log, behind whatever others add meanwhile.
    ///
    /// After an error the proposal may be in the log or not: calling again with the same attempt finds out,
    /// because a create is refused where there is a record, and the record tells whose it is. Only one place can ever
    /// be in doubt: the next one is tried when that one is known to be another's.
    /// The same holds for a call whose future was dropped: the view moves on only in the step that answers.
    /// `taken` is called for every place that was tried and that another sink had taken.
    pub(crate) async fn put(
        &mut self,
        proposal: &Proposal,
        mut taken: impl FnMut() + Send,
    ) -> Result<Outcome, Error> {
        // Where others commit too, the place behind the last known record is taken, mostly. Not so while this attempt
        // may be there: reading past its own record it would take it for another's.
        if self.moved > 0 && !self.in_doubt(&proposal.attempt) {
            self.advance(self.moved, READ_AHEAD_MAX).await?;
        }
        let mut backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        let mut crowded = false;
        while self.head.admits(&proposal.ranges) {
            let record = self.record(proposal);
            let path = record_path(&self.folder, record.sequence);
            let bytes = to_json(&path, &record)?;
            self.tried = Some((record.sequence, proposal.attempt.clone()));
            match self.store.create(&path, bytes).await {
                Ok(()) => return self.committed(record),
                Err(store::Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            // In a crowd there is more behind the place that was taken.
            let ahead = (1 + self.moved / 8).min(READ_AHEAD_MAX);
            let found = self.read_ahead(record.sequence, ahead).await?;
            let Some(first) = found.first() else {
                return Err(broken(&path, "it exists, but cannot be read"));
            };
            if first.attempt == proposal.attempt {
                let own = first.clone();
                return self.committed(own);
            }
            taken();
            let full = self.follow(&found, ahead)?;
            // Who lost once was unlucky; who loses again meets a crowd: let some go first, and see what they did.
            if crowded {
                sleep(backoff.next()).await;
                let found = self
                    .read_ahead(self.head.sequence + 1, READ_AHEAD_MAX)
                    .await?;
                if self.follow(&found, READ_AHEAD_MAX)? {
                    self.advance(2 * READ_AHEAD_MAX, READ_AHEAD_MAX).await?;
                }
            } else if full && ahead > 1 {
                self.advance(READ_AHEAD_MAX, READ_AHEAD_MAX).await?;
            }
            crowded = true;
        }
        Ok(Outcome::Conflict)
    }

    /// Whether a record of that attempt may be at the next place.
    fn in_doubt(&self, attempt: &str) -> bool {
        let tried = self.tried.as_ref();
        tried.is_some_and(|(place, by)| *place == self.head.sequence + 1 && by == attempt)
    }

    pub(super) fn record(&self, proposal: &Proposal) -> Record {
        let files = proposal.files.len() + proposal.replaces.len();
        Record {
            version: VERSION,
            stream: self.id.name.clone(),
            incarnation: self.id.incarnation.clone(),
            sequence: self.head.sequence + 1,
            attempt: proposal.attempt.clone(),
            committed_ms: proposal.committed_ms,
            partitions: proposal.ranges.clone(),
            tails: self.head.tails_with(proposal),
            uncovered: self.head.uncovered_with(files, self.checkpoint_commits),
            files: proposal.files.clone(),
            gaps: proposal.gaps.clone(),
            replaces: proposal.replaces.clone(),
            duplicates: proposal.duplicates.clone(),
        }
    }

    fn committed(&mut self, record: Record) -> Result<Outcome, Error> {
        self.head = self.head.followed_by(&record, &self.folder)?;
        self.due = self.head.due();
        self.moved = record.sequence - 1 - self.committed;
        self.committed = record.sequence;
        Ok(Outcome::Committed(record.sequence))
    }

    /// Goes to the end of the log, about so many records further on. The last `width` numbers are read, not asked for:
    /// at the end of a busy log a round trip decides who gets the next place.
    async fn advance(&mut self, moved: u64, width: u64) -> Result<(), Error> {
        let known = self.head.sequence;
        let near = tail::near(&*self.store, &self.folder, (known, moved), width);
        let (there, beyond) = near.await?;
        let from = there.max(known + 1);
        if from == beyond {
            return Ok(());
        }
        let found = self.read_ahead(from, beyond - from).await?;
        let Some((first, rest)) = found.split_first() else {
            let path = record_path(&self.folder, from);
            return match there == known {
                true => Ok(()),
                false => Err(broken(&path, "it exists, but cannot be read")),
            };
        };
        if from > known + 1 {
            self.head = Head::of(first, &self.folder, from)?;
            self.follow(rest, 0)?;
        } else {
            self.follow(&found, 0)?;
        }
        Ok(())
    }

    /// Takes the next records into the view, if they keep the log's rules. Whether they were all of `asked`.
    fn follow(&mut self, found: &[Record], asked: u64) -> Result<bool, Error> {
        for record in found {
            self.head = self.head.followed_by(record, &self.folder)?;
        }
        Ok(found.len() as u64 == asked)
    }

    /// The records from that one on, at most so many: all that are there without a gap.
    async fn read_ahead(&self, from: u64, records_max: u64) -> Result<Vec<Record>, Error> {
        let read = |sequence| {
            let path = record_path(&self.folder, sequence);
            async move { read_json::<Record>(&*self.store, &path).await }
        };
        let mut found = Vec::new();
        for read in join_all((from..from + records_max).map(read)).await {
            match read {
                Ok(Some(record)) => found.push(record),
                Ok(None) => break,
                Err(error) if found.is_empty() => return Err(error),
                // What was read before is progress.
                Err(_) => break,
            }
        }
        Ok(found)
    }
}

fn to_json(path: &str, value: &impl serde::Serialize) -> Result<Bytes, Error> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|error| broken(path, error))
}
