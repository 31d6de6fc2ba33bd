//! A sink's view of one commit log, and the one way in which it grows.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use headgate_stream::log::{Partition, Position, StreamId};

use super::{
    Error, File, Range, Record, VERSION,
    checkpoint::{self, Checkpoint, Since},
    folder, read_json, record_path,
};
use crate::store::{self, Store};

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

/// How a proposal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the log at this sequence.
    Committed(u64),
    /// Another sink's record moved the tail of one of its partitions: it can never become valid.
    Conflict,
}

impl Log {
    /// Reads the log: the newest checkpoint, then every record after it.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        id: StreamId,
        checkpoint_commits: u64,
    ) -> Result<Self, Error> {
        let folder = folder(&id);
        let newest = checkpoint::newest(&*store, &folder).await?;
        let (sequence, tails) = newest.map_or_else(Default::default, Checkpoint::into_tails);
        let mut log = Self {
            store,
            id,
            folder,
            sequence,
            tails,
            since: Since::after(sequence),
            checkpoint_commits,
        };
        log.refresh().await?;
        Ok(log)
    }

    /// Reads the records that others have added.
    pub(crate) async fn refresh(&mut self) -> Result<(), Error> {
        while let Some(record) = self.read_next().await? {
            self.apply(record)?;
            self.checkpoint().await;
        }
        Ok(())
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
    /// `taken` is called for every place that another sink had taken.
    pub(crate) async fn put(
        &mut self,
        proposal: &Proposal,
        mut taken: impl FnMut() + Send,
    ) -> Result<Outcome, Error> {
        while self.admits(&proposal.ranges) {
            let record = self.record(proposal);
            let path = record_path(&self.folder, record.sequence);
            let bytes = to_json(&path, &record)?;
            match self.store.create(&path, bytes).await {
                Ok(()) => return self.committed(record),
                Err(store::Error::AlreadyExists { .. }) => {
                    let Some(found) = self.read_next().await? else {
                        return Err(broken(&path, "it exists, but cannot be read"));
                    };
                    if found.attempt == proposal.attempt {
                        return self.committed(found);
                    }
                    taken();
                    self.apply(found)?;
                }
                Err(error) => return Err(error.into()),
            }
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
        self.apply(record)?;
        Ok(Outcome::Committed(sequence))
    }

    async fn read_next(&self) -> Result<Option<Record>, Error> {
        read_json(&*self.store, &record_path(&self.folder, self.sequence + 1)).await
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
        Ok(())
    }

    /// Writes a checkpoint when one is due. It only saves reading, so a failure is logged and forgotten.
    pub(crate) async fn checkpoint(&mut self) {
        if !self.since.due(self.checkpoint_commits) {
            return;
        }
        let since = std::mem::replace(&mut self.since, Since::after(self.sequence));
        let checkpoint = since.checkpoint(&self.id, self.sequence, &self.tails);
        let path = checkpoint::path(&self.folder, self.sequence);
        let written = match to_json(&path, &checkpoint) {
            Ok(bytes) => self.store.create(&path, bytes).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        match written {
            Ok(()) | Err(Error::Store(store::Error::AlreadyExists { .. })) => {}
            Err(error) => tracing::warn!(%error, "no checkpoint of the commit log written"),
        }
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
