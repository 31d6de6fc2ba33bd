//! Checkpoints: what some consecutive commits came to, so that not every one of them must be read again.
//!
//! A checkpoint at `_checkpoints/<sequence>.json` holds the files of the commits since the one before. An epoch at
//! `_epochs/<sequence>.json` holds the files of the `EPOCH_COMMITS` commits up to there, so that a snapshot of a year
//! reads hundreds of objects and not a hundred thousand. Both are derived from the log and never needed: where one
//! is missing or unreadable, what lies below it is read instead.

use std::ops::RangeInclusive;

use headgate_stream::log::StreamId;
use serde::{Deserialize, Serialize};

use super::{Duplicates, Error, File, Gap, Record, Tail, VERSION, read_json};
use crate::store::{self, Store};

/// A checkpoint is due when the commits since the last one name this many files, however few they are:
/// it bounds the memory that collecting them takes.
pub(crate) const FILES_MAX: u64 = 10_000;

/// An epoch ends at every multiple of this many commits. Readers compute where epochs are, so it belongs to the
/// format and is no setting.
pub(crate) const EPOCH_COMMITS: u64 = 4_096;

/// An epoch of more files than this is not collected in one object: it bounds the memory that reading it takes, to
/// some 50 MiB.
pub(crate) const EPOCH_FILES_MAX: usize = 100_000;

/// The state of a log at one sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) version: u32,
    pub(crate) stream: String,
    pub(crate) incarnation: String,
    /// The last commit that it takes in.
    pub(crate) sequence: u64,
    pub(crate) partitions: Vec<Tail>,
    /// The commits from `first` to `sequence`.
    pub(crate) first: u64,
    pub(crate) commits: Vec<Commit>,
}

/// The files of the commits from `first` to `sequence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    pub(crate) version: u32,
    pub(crate) stream: String,
    pub(crate) incarnation: String,
    pub(crate) first: u64,
    pub(crate) sequence: u64,
    /// Only those that name files. `None`: they name too many to be collected here.
    pub(crate) commits: Option<Vec<Commit>>,
}

/// What a snapshot needs of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commit {
    pub(crate) committed_ms: i64,
    pub(crate) files: Vec<File>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) gaps: Vec<Gap>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) replaces: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) duplicates: Vec<Duplicates>,
}

impl From<Record> for Commit {
    fn from(record: Record) -> Self {
        Self {
            committed_ms: record.committed_ms,
            files: record.files,
            gaps: record.gaps,
            replaces: record.replaces,
            duplicates: record.duplicates,
        }
    }
}

impl Checkpoint {
    /// Of the records from `first` on, all in order; `None` without any.
    pub(crate) fn of(id: &StreamId, first: u64, records: Vec<Record>) -> Option<Self> {
        let newest = records.last()?;
        Some(Self {
            version: VERSION,
            stream: id.name.clone(),
            incarnation: id.incarnation.clone(),
            sequence: newest.sequence,
            partitions: newest.tails.clone(),
            first,
            commits: records.into_iter().map(Commit::from).collect(),
        })
    }
}

fn folder(log: &str) -> String {
    format!("{log}_checkpoints/")
}

pub(crate) fn path(log: &str, sequence: u64) -> String {
    format!("{}{sequence:020}.json", folder(log))
}

pub(crate) fn epoch_path(log: &str, sequence: u64) -> String {
    format!("{log}_epochs/{sequence:020}.json")
}

/// A checkpoint; `None` when it is missing or cannot be understood.
pub(crate) async fn read(
    store: &dyn Store,
    log: &str,
    sequence: u64,
) -> Result<Option<Checkpoint>, Error> {
    understood(read_json(store, &path(log, sequence)).await)
}

/// The commits of the epoch that ends there; `None` when it is missing, too large, or cannot be understood.
pub(crate) async fn read_epoch(
    store: &dyn Store,
    log: &str,
    sequence: u64,
) -> Result<Option<Vec<Commit>>, Error> {
    let epoch = understood(read_json::<Epoch>(store, &epoch_path(log, sequence)).await)?;
    Ok(epoch.and_then(|epoch| epoch.commits))
}

fn understood<T>(read: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(Error::Broken { path, reason }) => {
            tracing::warn!(
                path,
                reason,
                "checkpoint ignored: reading the commits instead"
            );
            Ok(None)
        }
        read => read,
    }
}

/// The sequences within the span at which a checkpoint ends, in order.
pub(crate) async fn listed(
    store: &dyn Store,
    log: &str,
    span: &RangeInclusive<u64>,
) -> Result<Vec<u64>, store::Error> {
    let (mut sequences, mut after) = (Vec::new(), span.start() - 1);
    while after < *span.end() {
        // One for each sequence at most: of a long log, what comes behind the span is not listed again for each span.
        let most = usize::try_from(span.end() - after).unwrap_or(usize::MAX);
        let most = most.min(store::PAGE_OBJECTS);
        let page = store.list(&folder(log), &path(log, after), most).await?;
        let found = page.iter().filter_map(|object| sequence_of(&object.path));
        sequences.extend(found.take_while(|sequence| span.contains(sequence)));
        let last = page.last().and_then(|object| sequence_of(&object.path));
        match last.filter(|_| page.len() == most) {
            Some(last) if last > after => after = last,
            _ => break,
        }
    }
    Ok(sequences)
}

/// The sequence in the last part of a record's or a checkpoint's path.
pub(crate) fn sequence_of(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?;
    name.strip_suffix(".json")?.parse().ok()
}
