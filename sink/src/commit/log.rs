//! A sink's view of one commit log, and the one way in which it grows.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    future::FutureExt,
    stream::{self, StreamExt},
};
use headgate_stream::log::{Partition, Position, StreamId};
use tokio::time::sleep;

use super::{
    Error, File, Range, Record, VERSION,
    checkpoint::{self, Checkpoint, Commit, EPOCH_COMMITS, EPOCH_FILES_MAX, Epoch, Since},
    folder, read_json, record_path, spans, tail,
};
use crate::{
    backoff::Backoff,
    store::{self, Store},
};

/// How many records are read in one step.
const READ_AHEAD_MAX: u64 = 64;

/// How many of them at once.
const READS_AT_ONCE_MAX: usize = 16;

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
    /// The newest record that was read or written; 0: none.
    sequence: u64,
    tails: BTreeMap<Partition, Position>,
    since: Since,
    checkpoint_commits: u64,
    /// A checkpoint that is this sink's to write: its own record, or its start, made it due.
    due: Option<Checkpoint>,
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
}

/// What was read of the log's end.
#[derive(Debug, Default)]
struct Ahead {
    records: Vec<Record>,
    /// Whether there was nothing behind them.
    end: bool,
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
    /// Reads the log: the newest checkpoint, then every record after it. Nothing of it is listed but its end.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        id: StreamId,
        checkpoint_commits: u64,
    ) -> Result<Self, Error> {
        let folder = folder(&id);
        let newest = tail::newest(&*store, &folder).await?;
        let newest = checkpoint::newest(&*store, &folder, newest).await?;
        let (sequence, tails) = newest.map_or_else(Default::default, Checkpoint::into_tails);
        let mut log = Self {
            store,
            id,
            folder,
            sequence,
            tails,
            since: Since::after(sequence),
            checkpoint_commits,
            due: None,
            epoch: 0,
        };
        log.refresh().await?;
        // Who should have written this one did not: the next start shall read less.
        log.checkpoint().await;
        Ok(log)
    }

    /// Reads the records that others have added.
    pub(crate) async fn refresh(&mut self) -> Result<(), Error> {
        let mut ahead = 1;
        loop {
            let read = self.read_ahead(ahead).await?;
            for record in read.records {
                self.apply(record)?;
            }
            if read.end {
                return Ok(());
            }
            ahead = (ahead * 2).min(READ_AHEAD_MAX);
        }
    }

    /// How far the partition has landed.
    pub(crate) fn tail(&self, partition: &Partition) -> Position {
        self.tails
            .get(partition)
            .cloned()
            .unwrap_or_else(Position::start)
    }

    /// Puts the proposal at the end of the log, behind whatever others add meanwhile.
    ///
    /// After an error the proposal may be in the log or not: calling again with the same attempt finds out,
    /// because a create is refused where there is a record, and the record tells whose it is.
    /// The same holds for a call whose future was dropped: the view moves on only in the step that answers.
    /// `taken` is called for every place that was tried and that another sink had taken.
    pub(crate) async fn put(
        &mut self,
        proposal: &Proposal,
        mut taken: impl FnMut() + Send,
    ) -> Result<Outcome, Error> {
        let mut crowded = false;
        let mut backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        while self.admits(&proposal.ranges) {
            let record = self.record(proposal);
            let path = record_path(&self.folder, record.sequence);
            let bytes = to_json(&path, &record)?;
            match self.store.create(&path, bytes).await {
                Ok(()) => return self.committed(record),
                Err(store::Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let Some(found) = self.read_next().await? else {
                return Err(broken(&path, "it exists, but cannot be read"));
            };
            if found.attempt == proposal.attempt {
                return self.committed(found);
            }
            taken();
            self.apply(found)?;
            // Who lost once was unlucky; who loses again meets a crowd: let some go first, and read what they did.
            if crowded {
                sleep(backoff.next()).await;
                self.refresh().await?;
            }
            crowded = true;
        }
        Ok(Outcome::Conflict)
    }

    fn admits(&self, ranges: &[Range]) -> bool {
        ranges
            .iter()
            .all(|range| self.tail(&range.partition) == range.follows)
    }

    fn record(&self, proposal: &Proposal) -> Record {
        Record {
            version: VERSION,
            stream: self.id.name.clone(),
            incarnation: self.id.incarnation.clone(),
            sequence: self.sequence + 1,
            attempt: proposal.attempt.clone(),
            committed_ms: proposal.committed_ms,
            partitions: proposal.ranges.clone(),
            files: proposal.files.clone(),
        }
    }

    fn committed(&mut self, record: Record) -> Result<Outcome, Error> {
        let sequence = record.sequence;
        self.due = None;
        self.apply(record)?;
        Ok(Outcome::Committed(sequence))
    }

    async fn read_next(&self) -> Result<Option<Record>, Error> {
        read_json(&*self.store, &record_path(&self.folder, self.sequence + 1)).await
    }

    /// The next records, at most so many: all that are there without a gap. A failure counts only when it is the
    /// first read's: what was read before another one is progress.
    async fn read_ahead(&self, records_max: u64) -> Result<Ahead, Error> {
        let next = self.sequence + 1;
        let read = |sequence: u64| {
            let path = record_path(&self.folder, sequence);
            let store = Arc::clone(&self.store);
            async move { read_json::<Record>(&*store, &path).await }.boxed()
        };
        let reads: Vec<_> = (next..next.saturating_add(records_max)).map(read).collect();
        let mut reads = stream::iter(reads).buffered(READS_AT_ONCE_MAX);
        let mut ahead = Ahead::default();
        while let Some(read) = reads.next().await {
            match read {
                Ok(Some(record)) => ahead.records.push(record),
                Ok(None) => {
                    ahead.end = true;
                    break;
                }
                Err(error) if ahead.records.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(ahead)
    }

    /// Takes the next record into the view, if it keeps the log's rules.
    fn apply(&mut self, record: Record) -> Result<(), Error> {
        let path = record_path(&self.folder, self.sequence + 1);
        if record.sequence != self.sequence + 1 {
            return Err(broken(
                &path,
                format!("it says that it is sequence {}", record.sequence),
            ));
        }
        for range in &record.partitions {
            let tail = self.tail(&range.partition);
            if tail != range.follows {
                return Err(broken(
                    &path,
                    format!(
                        "{} follows {} there, but its tail is {tail}",
                        range.partition, range.follows
                    ),
                ));
            }
        }
        self.sequence = record.sequence;
        for range in &record.partitions {
            self.tails
                .insert(range.partition.clone(), range.ends.clone());
        }
        self.since.add(record);
        if self.since.due(self.checkpoint_commits) {
            let since = std::mem::replace(&mut self.since, Since::after(self.sequence));
            self.due = Some(since.checkpoint(&self.id, self.sequence, &self.tails));
        }
        Ok(())
    }

    /// Writes a checkpoint when one is due. It only saves reading, so a failure is logged and forgotten.
    pub(crate) async fn checkpoint(&mut self) {
        let Some(checkpoint) = self.due.take() else {
            return;
        };
        let written = async {
            let path = checkpoint::path(&self.folder, checkpoint.sequence);
            create(&*self.store, &path, &checkpoint).await?;
            self.epoch(checkpoint.sequence).await
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, "no checkpoint of the commit log written");
        }
    }

    /// Collects the newest epoch that has ended, if nobody has.
    async fn epoch(&mut self, sequence: u64) -> Result<(), Error> {
        let end = sequence / EPOCH_COMMITS * EPOCH_COMMITS;
        if end <= self.epoch {
            return Ok(());
        }
        let path = checkpoint::epoch_path(&self.folder, end);
        if let Err(store::Error::NotFound { .. }) = self.store.head(&path).await {
            let first = end - EPOCH_COMMITS + 1;
            let (mut commits, mut files) = (Vec::new(), 0);
            let mut collect = |commit: Commit| {
                files += commit.files.len();
                if files > EPOCH_FILES_MAX {
                    commits.clear();
                } else if !commit.files.is_empty() {
                    commits.push(commit);
                }
            };
            spans::below_epochs(&*self.store, &self.folder, first..=end, &mut collect).await?;
            let epoch = Epoch {
                version: VERSION,
                stream: self.id.name.clone(),
                incarnation: self.id.incarnation.clone(),
                first,
                sequence: end,
                commits: Some(commits).filter(|_| files <= EPOCH_FILES_MAX),
            };
            create(&*self.store, &path, &epoch).await?;
        }
        self.epoch = end;
        Ok(())
    }
}

/// Creates an object that is the same whoever creates it.
async fn create(
    store: &dyn Store,
    path: &str,
    value: &(impl serde::Serialize + Sync),
) -> Result<(), Error> {
    match store.create(path, to_json(path, value)?).await {
        Err(store::Error::AlreadyExists { .. }) => Ok(()),
        created => Ok(created?),
    }
}

fn to_json(path: &str, value: &impl serde::Serialize) -> Result<Bytes, Error> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|error| broken(path, error))
}

fn broken(path: &str, reason: impl ToString) -> Error {
    Error::Broken {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
