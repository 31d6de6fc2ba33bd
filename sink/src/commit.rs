//! The commit log: which data files count, and how far each partition of the stream has landed in them.
//!
//! One log per stream incarnation, one record per commit, at `_commits/<stream>/<incarnation>/<sequence>.json`,
//! created only where there is none. A record says for every partition it covers which position it follows and at
//! which it ends, and it is valid only if each `follows` is that partition's tail in the log before it. It carries all
//! partitions' tails after it, so the newest record alone tells how far the stream has landed. To write sequence n a
//! sink must have read n - 1, so two sinks can never land the same range: one of them finds the other's record in its
//! place. No lease, no lock, no clock is involved. `docs/adr/0003-commit-log.md`.

pub mod account;
mod check;
mod checkpoint;
#[cfg(feature = "redshift")]
pub(crate) mod follow;
mod head;
mod log;
#[cfg(feature = "redshift")]
pub(crate) mod replaced;
mod snapshot;
mod spans;
mod tail;

use std::{collections::BTreeSet, sync::Arc};

use headgate_stream::log::{Partition, Position, StreamId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::store::{self, Store};

pub use self::check::{Check, check};
pub(crate) use self::log::{Log, Outcome, Proposal};
pub use self::snapshot::{DataFile, Snapshot, each_file};
pub(crate) use self::snapshot::{Named, each_named};

/// The folder of all commit logs.
pub(crate) const COMMITS: &str = "_commits/";

/// The log of compactors is that of a stream which there cannot be: its partitions are tables, and a position is how
/// many times the table was compacted.
pub(crate) const COMPACT_STREAM: &str = "_compact";

/// The one incarnation of that stream.
pub(crate) const COMPACT_INCARNATION: &str = "0";

/// The format of records and checkpoints that this code writes, and the only one that it reads.
pub(crate) const VERSION: u32 = 2;

/// Why the commit log could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store failed; nothing is lost, the same call may succeed later.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An object of the log says what no sink would have written. Nothing may be landed on top of it.
    #[error("commit log is broken at {path}: {reason}")]
    Broken {
        /// The object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Whether the same call may succeed later.
    pub(crate) fn transient(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

/// A commit: what is at one sequence number of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The format.
    pub(crate) version: u32,
    /// The stream's name.
    pub(crate) stream: String,
    /// The stream's incarnation.
    pub(crate) incarnation: String,
    /// The record's place in the log; the first is 1.
    pub(crate) sequence: u64,
    /// Unique to one attempt of one sink: by it a writer knows its own record again.
    pub(crate) attempt: String,
    /// When the record was proposed, by its writer's clock, in ms since the epoch. For people; nothing depends on it.
    pub(crate) committed_ms: i64,
    /// What the files hold of each partition.
    pub(crate) partitions: Vec<Range>,
    /// Every partition's tail from this record on.
    pub(crate) tails: Vec<Tail>,
    /// What no checkpoint covers yet.
    pub(crate) uncovered: Uncovered,
    /// The files that count from now on.
    pub(crate) files: Vec<File>,
    /// What retention removed of the ranges before a sink read it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) gaps: Vec<Gap>,
    /// The paths of files that `files` hold the rows of: they no longer count. Compactors' records alone have some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) replaces: Vec<String>,
    /// Events of the ranges that had landed before, and did not again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) duplicates: Vec<Duplicates>,
}

/// Events of a table and hour that had landed before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    /// The table.
    pub table: String,
    /// The hour in which they were received again: hours since the epoch, UTC.
    pub hour: i64,
    /// How many they are.
    pub events: u64,
}

/// A range of one partition: behind `follows`, up to and including `ends`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    /// The partition.
    pub(crate) partition: Partition,
    /// The partition's tail in the log before this record; empty when it had none.
    pub(crate) follows: Position,
    /// The partition's tail from this record on.
    pub(crate) ends: Position,
}

/// Records of a partition that were gone before they could land: the first of them came right behind `after`, which the
/// range that they are in follows or reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The partition.
    pub partition: Partition,
    /// The last position that was read before.
    pub after: Position,
    /// How many they were, where the stream could tell.
    pub records: Option<u64>,
}

/// A partition's tail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tail {
    pub(crate) partition: Partition,
    pub(crate) ends: Position,
    /// The newest object that keeps ids of the partition's events. `docs/adr/0019-duplicates.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<String>,
}

/// The commits since the last checkpoint was due, the record's own included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Uncovered {
    /// The first of them.
    pub(crate) first: u64,
    /// How many files they name.
    pub(crate) files: u64,
    /// They are so many that the record's author writes a checkpoint of them: the next record begins anew.
    pub(crate) due: bool,
}

/// As the longest text of a file: one of its texts has a NUL character, which fits into no warehouse's text, however short
/// it is. Longer than any that does, and a number that every reader of JSON has.
pub const TEXT_WITH_NUL: u64 = u32::MAX as u64;

/// A data file that a commit names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The table.
    pub table: String,
    /// The object's path in the store.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// CRC-32C of its bytes.
    pub crc32c: u32,
    /// The fingerprint of the table's columns when it was written.
    pub fingerprint: String,
    /// The oldest received time in it, in ms since the epoch.
    pub received_min_ms: i64,
    /// The newest received time in it, in ms since the epoch.
    pub received_max_ms: i64,
    /// No text in it is longer, in bytes; [`TEXT_WITH_NUL`] where one has a NUL character. `None`: nobody knows, it was written
    /// before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_bytes_max: Option<u64>,
    /// How many of its rows are of records that have a row in another table as well: a track call of an SDK has one in the
    /// table of its event and one in that of all track calls. Compactors' files say 0: nobody asks it of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub second_rows: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The newest objects that keep ids of the partitions of a stream, which is given as `<stream>/<incarnation>`.
pub(crate) async fn seen(store: &dyn Store, stream: &str) -> Result<BTreeSet<String>, Error> {
    let log = format!("{COMMITS}{stream}/");
    let newest = tail::newest(store, &log).await?;
    if newest == 0 {
        return Ok(BTreeSet::new());
    }
    let record = spans::record(store, &log, newest).await?;
    Ok(record
        .tails
        .into_iter()
        .filter_map(|tail| tail.seen)
        .collect())
}

/// How far a partition of a stream has landed, by the stream's log.
///
/// # Errors
/// The log cannot be read.
pub async fn landed(
    store: Arc<dyn Store>,
    stream: StreamId,
    partition: &Partition,
) -> Result<Position, Error> {
    // Whoever lands writes the checkpoints.
    Ok(Log::open(store, stream, u64::MAX).await?.tail(partition))
}

fn folder(id: &StreamId) -> String {
    format!("{COMMITS}{}/{}/", id.name, id.incarnation)
}

fn record_path(folder: &str, sequence: u64) -> String {
    format!("{folder}{sequence:020}.json")
}

fn broken(path: &str, reason: impl ToString) -> Error {
    Error::Broken {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Reads and parses one object of the log; `None` when there is none.
async fn read_json<T: DeserializeOwned>(store: &dyn Store, path: &str) -> Result<Option<T>, Error> {
    #[derive(Deserialize)]
    struct Header {
        version: u32,
    }
    let bytes = match store.read(path).await {
        Ok(bytes) => bytes,
        Err(store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let header: Header =
        serde_json::from_slice(&bytes).map_err(|e| broken(path, format!("not a record: {e}")))?;
    if header.version > VERSION {
        return Err(broken(
            path,
            format!(
                "written in format {}, this Headgate reads {VERSION}: upgrade it",
                header.version
            ),
        ));
    }
    if header.version < VERSION {
        return Err(broken(
            path,
            format!(
                "written in format {} by a pre-release of Headgate, this one reads {VERSION}: land in an empty store or \
             under another prefix",
                header.version
            ),
        ));
    }
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|e| broken(path, format!("not a record: {e}")))
}

#[cfg(test)]
mod tests;
