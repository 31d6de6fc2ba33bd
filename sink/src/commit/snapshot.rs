//! What has landed: the committed data files of every table, over the logs of all streams.
//!
//! Only what a commit names counts. Files that a crashed or beaten sink left behind are invisible here.

use std::collections::BTreeMap;

use super::{COMMITS, Error, File, checkpoint::Commit, spans, tail};
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
    for log in logs(store).await? {
        let newest = tail::newest(store, &log).await?;
        let mut each = |commit: Commit| {
            for file in commit.files {
                let (table, file) = data_file(file, commit.committed_ms);
                visit(&table, file);
            }
        };
        spans::each_commit(store, &log, newest, &mut each).await?;
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

/// The folders of the logs of all streams. Each is entered for one object only.
async fn logs(store: &dyn Store) -> Result<Vec<String>, store::Error> {
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
