//! What has landed: the committed data files of every table, over the logs of all streams and of the compactors.
//!
//! Only what a commit names counts, and of that not what a compactor replaced. Files that a crashed or beaten sink left
//! behind are invisible here.
//!
//! A file and what replaced it are never seen both, nor neither: the compactors' log is read first. Whatever it says to be
//! replaced is left out and was named in a stream's log before; what is replaced later still counts here, and what
//! replaced it does not yet.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{
    COMMITS, COMPACT_INCARNATION, COMPACT_STREAM, Error, File, checkpoint::Commit, spans, tail,
};
use crate::store::{self, Store};

/// A committed data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
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
    /// No text in it is longer, in bytes; `None`: nobody knows.
    pub text_bytes_max: Option<u64>,
    /// When it was committed, by the sink's clock, in ms since the epoch.
    pub committed_ms: i64,
}

/// The committed data files at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    tables: BTreeMap<String, Vec<DataFile>>,
}

impl Snapshot {
    /// Reads the logs of all streams and of the compactors. A commit made meanwhile is in the snapshot whole or not at all.
    pub async fn read(store: &dyn Store) -> Result<Self, Error> {
        let mut tables: BTreeMap<String, Vec<DataFile>> = BTreeMap::new();
        each_file(store, |table, file| {
            tables.entry(table.to_owned()).or_default().push(file);
        })
        .await?;
        Ok(Self { tables })
    }

    /// Every table that has a file, by name, with its files: what compactors wrote, then in the order of their commits.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &[DataFile])> {
        self.tables
            .iter()
            .map(|(name, files)| (name.as_str(), files.as_slice()))
    }

    /// A table's files in the same order; empty when nothing of it has landed.
    pub fn files(&self, table: &str) -> &[DataFile] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }
}

/// Visits every committed data file that counts with its table's name: what compactors wrote, then each stream's files
/// in the order of their commits.
///
/// Some commits are held at a time, and of the compactors' log the files that it names and some 40 bytes for each that
/// it ever replaced.
///
/// Who needs a stream's files as they landed, in that order and whatever became of them, follows the stream's own log:
/// a file that was replaced stays for `sink.compact.replaced_grace_ms`.
pub async fn each_file(
    store: &dyn Store,
    mut visit: impl FnMut(&str, DataFile) + Send,
) -> Result<(), Error> {
    each_named(store, &mut |named| {
        if let Named::Counts { table, file } = named {
            visit(table, file);
        }
    })
    .await
}

/// A file that a commit names.
#[derive(Debug)]
pub(crate) enum Named<'a> {
    /// It counts.
    Counts { table: &'a str, file: DataFile },
    /// All that follows is of this log, up to this commit.
    Log { log: &'a str, newest: u64 },
    /// A compactor replaced it at that time, by its clock; it is there for a while.
    Replaced { path: &'a str, at_ms: i64 },
}

/// Visits every file that a commit names.
pub(crate) async fn each_named(
    store: &dyn Store,
    visit: &mut (dyn FnMut(Named<'_>) + Send),
) -> Result<(), Error> {
    let compact = format!("{COMMITS}{COMPACT_STREAM}/{COMPACT_INCARNATION}/");
    let mut replaced = HashSet::new();
    let mut compacted = Vec::new();
    let newest = tail::newest(store, &compact).await?;
    let mut each = |commit: Commit| {
        for path in &commit.replaces {
            replaced.insert(hash(path));
            visit(Named::Replaced {
                path,
                at_ms: commit.committed_ms,
            });
        }
        compacted.extend(
            commit
                .files
                .into_iter()
                .map(|file| (file, commit.committed_ms)),
        );
    };
    spans::each_commit(store, &compact, newest, &mut each).await?;
    type Visit<'v> = &'v mut (dyn FnMut(Named<'_>) + Send);
    let counts = |visit: Visit<'_>, file: File, committed_ms| {
        if !replaced.contains(&hash(&file.path)) {
            let (table, file) = data_file(file, committed_ms);
            visit(Named::Counts {
                table: &table,
                file,
            });
        }
    };
    for (file, committed_ms) in compacted {
        counts(visit, file, committed_ms);
    }
    for log in logs(store).await? {
        if log == compact {
            continue;
        }
        let newest = tail::newest(store, &log).await?;
        visit(Named::Log { log: &log, newest });
        let mut each = |commit: Commit| {
            for file in commit.files {
                counts(visit, file, commit.committed_ms);
            }
        };
        spans::each_commit(store, &log, newest, &mut each).await?;
    }
    Ok(())
}

/// A path in 128 bits: of two paths that are both hashed the same, one would be left out, so there must be none.
pub(super) fn hash(path: &str) -> (u64, u64) {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, path).hash(&mut hasher);
        hasher.finish()
    };
    (half(0), half(1))
}

fn data_file(file: File, committed_ms: i64) -> (String, DataFile) {
    let data = DataFile {
        path: file.path,
        bytes: file.bytes,
        rows: file.rows,
        crc32c: file.crc32c,
        fingerprint: file.fingerprint,
        received_min_ms: file.received_min_ms,
        received_max_ms: file.received_max_ms,
        text_bytes_max: file.text_bytes_max,
        committed_ms,
    };
    (file.table, data)
}

/// The folders of the logs of all streams. Each is entered for one object only.
pub(super) async fn logs(store: &dyn Store) -> Result<Vec<String>, store::Error> {
    let mut logs: Vec<String> = Vec::new();
    let mut after = String::new();
    while let Some(object) = store.list(COMMITS, &after, 1).await?.pop() {
        let below = object.path.strip_prefix(COMMITS).unwrap_or_default();
        after = match below.splitn(3, '/').collect::<Vec<_>>().as_slice() {
            [stream, incarnation, _] => {
                let log = format!("{COMMITS}{stream}/{incarnation}/");
                // Behind everything that a log's folder holds.
                let after = format!("{log}~");
                logs.push(log);
                after
            }
            _ => object.path,
        };
    }
    Ok(logs)
}
