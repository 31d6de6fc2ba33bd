//! What has landed: the committed data files of every table, over the logs of all streams.
//!
//! Only what a commit names counts. Files that a crashed or beaten sink left behind are invisible here.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::{
    COMMITS, Error, File, Record,
    checkpoint::{self, Commit},
    read_json, record_path,
};
use crate::store::{self, Store};

/// How many objects of the log are read at once.
const READS_MAX: usize = 16;

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
    /// When it was committed, by the sink's clock, in ms since the epoch.
    pub committed_ms: i64,
}

/// The committed data files at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    tables: BTreeMap<String, Vec<DataFile>>,
}

impl Snapshot {
    /// Reads the logs of all streams. A commit made meanwhile is in the snapshot whole or not at all.
    pub async fn read(store: &dyn Store) -> Result<Self, Error> {
        let mut tables: BTreeMap<String, Vec<DataFile>> = BTreeMap::new();
        each_file(store, |table, file| {
            tables.entry(table.to_owned()).or_default().push(file);
        })
        .await?;
        Ok(Self { tables })
    }

    /// Every table that has a file, by name, with its files in the order of their commits.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &[DataFile])> {
        self.tables
            .iter()
            .map(|(name, files)| (name.as_str(), files.as_slice()))
    }

    /// A table's files in the order of their commits; empty when nothing of it has landed.
    pub fn files(&self, table: &str) -> &[DataFile] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }
}

/// Visits every committed data file with its table's name, without holding more than a few commits at a time.
pub async fn each_file(
    store: &dyn Store,
    mut visit: impl FnMut(&str, DataFile) + Send,
) -> Result<(), Error> {
    for (folder, sequences) in logs(store).await? {
        let mut pieces = stream::iter(sequences.pieces())
            .map(|piece| piece.read(store, &folder))
            .buffered(READS_MAX);
        while let Some(commits) = pieces.try_next().await? {
            for commit in commits {
                for file in commit.files {
                    let (table, file) = data_file(file, commit.committed_ms);
                    visit(&table, file);
                }
            }
        }
    }
    Ok(())
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
        committed_ms,
    };
    (file.table, data)
}

/// The names that one log's folder holds.
#[derive(Debug, Default)]
struct Sequences {
    newest: u64,
    checkpoints: BTreeSet<u64>,
}

/// The logs of all streams, by folder.
async fn logs(store: &dyn Store) -> Result<BTreeMap<String, Sequences>, store::Error> {
    let mut logs: BTreeMap<String, Sequences> = BTreeMap::new();
    store::each(store, COMMITS, |object| {
        let Some(sequence) = checkpoint::sequence_of(&object.path) else {
            return;
        };
        let folder = object
            .path
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        if let Some(log) = folder.strip_suffix("_checkpoints") {
            let log = logs.entry(log.to_owned()).or_default();
            log.checkpoints.insert(sequence);
        } else {
            let log = logs.entry(format!("{folder}/")).or_default();
            log.newest = log.newest.max(sequence);
        }
    })
    .await?;
    Ok(logs)
}

/// Consecutive commits, to be read from the checkpoint at their end or else one by one.
#[derive(Debug)]
struct Piece {
    first: u64,
    last: u64,
    checkpoint: bool,
}

impl Sequences {
    /// The whole log in order. A checkpoint is assumed to begin where the one before ended; `Piece::read` checks.
    fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut first = 1;
        for last in self.checkpoints.range(..=self.newest) {
            let checkpoint = true;
            pieces.push(Piece {
                first,
                last: *last,
                checkpoint,
            });
            first = last + 1;
        }
        pieces.extend((first..=self.newest).map(|sequence| Piece {
            first: sequence,
            last: sequence,
            checkpoint: false,
        }));
        pieces
    }
}

impl Piece {
    async fn read(self, store: &dyn Store, folder: &str) -> Result<Vec<Commit>, Error> {
        if self.checkpoint
            && let Some(mut found) = checkpoint::read(store, folder, self.last).await?
            // Two sinks may have made checkpoints that overlap: what lies before is in the piece before.
            && found.first <= self.first
        {
            let before = usize::try_from(self.first - found.first).unwrap_or(usize::MAX);
            found.commits.drain(..before.min(found.commits.len()));
            return Ok(found.commits);
        }
        let mut commits = Vec::new();
        for sequence in self.first..=self.last {
            let path = record_path(folder, sequence);
            let Some(record) = read_json::<Record>(store, &path).await? else {
                return Err(Error::Broken {
                    path,
                    reason: "it is missing, though there are records after it".to_owned(),
                });
            };
            commits.push(Commit {
                committed_ms: record.committed_ms,
                files: record.files,
            });
        }
        Ok(commits)
    }
}
