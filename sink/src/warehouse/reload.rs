//! Loading a window of received times once more: what is there is removed, and what has landed takes its place, in one
//! transaction, so that no reader ever sees the window empty.
//!
//! A window is loaded from the files that count now, whichever log or compactor named them. Loads go on meanwhile: a window
//! is replaced only where, by the ledger, nothing of it was loaded from commits behind those that were read. Rows of commits
//! that are still to be loaded may come with the window; their own load finds them there.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Error, Loader,
    ledger::{self, Counts},
    load::{Done, LOOKS_MAX, Trouble},
    plan::{FINGERPRINTS_MAX, Plan},
};
use crate::commit::{DataFile, File, each_file};

/// Files are of one hour each, and so are the smallest windows.
const HOUR_MS: i64 = 3_600_000;

/// A window is given up when loads were quicker so many times.
const TRIES_MAX: usize = 10;

/// What became of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Its parts, each a transaction of its own.
    pub windows: u64,
    /// Files that were read.
    pub files: u64,
    /// Rows that are there now from them.
    pub rows: u64,
    /// Values that fitted no column.
    pub discarded: u64,
}

/// Why a window was not loaded again. What was done of it before stays, and is whole.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The warehouse or the store failed.
    #[error(transparent)]
    Loader(#[from] Error),
    /// A table could not be made anew; the one that is there is as it was.
    #[error("`{table}` stays as it was: {reason}")]
    Rebuild {
        /// The table.
        table: String,
        /// What failed.
        reason: String,
    },
    /// One of its transactions did not succeed.
    #[error("{from} to {to} stays as it was: {reason}")]
    Window {
        /// The window's begin.
        from: jiff::Timestamp,
        /// Its end, excluded.
        to: jiff::Timestamp,
        /// What failed.
        reason: String,
    },
}

/// A part of the time, and the files that have rows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    from_ms: i64,
    to_ms: i64,
    files: Vec<File>,
}

impl Loader {
    /// Loads the rows of a table once more that were received in this time, in ms since the epoch, its end excluded.
    ///
    /// # Errors
    /// A part of the time could not be loaded again: the parts before it are done, and running again is safe.
    pub async fn reload(
        &self,
        table: &str,
        (from_ms, to_ms): (i64, i64),
        mut told: impl FnMut(&Reloaded) + Send,
    ) -> Result<Reloaded, ReloadError> {
        self.prepare().await?;
        self.fill(table, table, (from_ms, to_ms), &mut told).await
    }

    /// The same, of the files of `table`, into `target`: for nobody else loads into another table than that one, what is
    /// there is gone and what the ledger says of it does not matter.
    pub(super) async fn fill(
        &self,
        table: &str,
        target: &str,
        (from_ms, to_ms): (i64, i64),
        told: &mut (dyn FnMut(&Reloaded) + Send),
    ) -> Result<Reloaded, ReloadError> {
        let mut done = Reloaded::default();
        let mut next_ms = from_ms;
        let mut tries = 0;
        while next_ms < to_ms {
            let (read, files) = self.landed(table, (next_ms, to_ms)).await?;
            let limit = self.worker.config.load_bytes_max;
            let window = first_window((next_ms, to_ms), files, limit);
            let Some(counts) = self.replace(target, &window, &read).await? else {
                tries += 1;
                if tries >= TRIES_MAX {
                    let reason = format!("loads of the same time were quicker {tries} times");
                    return Err(failed(&window, reason));
                }
                continue;
            };
            tries = 0;
            next_ms = window.to_ms;
            done.windows += 1;
            done.files += window.files.len() as u64;
            done.rows += counts.inserted;
            done.discarded += counts.discarded;
            told(&done);
        }
        Ok(done)
    }

    /// `None`: a load was quicker.
    async fn replace(
        &self,
        table: &str,
        window: &Window,
        read: &[(String, u64)],
    ) -> Result<Option<Counts>, ReloadError> {
        let window_ms = (window.from_ms, window.to_ms);
        let gate = ledger::gate_window(&self.worker.names, table, window_ms, read);
        let plan = Plan {
            table: table.to_owned(),
            log: "*".to_owned(),
            follows: u64::try_from(window.from_ms).unwrap_or(0),
            ends: u64::try_from(window.to_ms).unwrap_or(0),
            files: window.files.clone(),
            commits: 1,
            committed_min_ms: 0,
        };
        let names = &self.worker.names;
        let settle = ledger::settle_set_aside(names, table, Some(window_ms), read, &gate);
        let id = uuid::Uuid::now_v7().simple().to_string();
        let mut looks = 0;
        loop {
            looks += 1;
            return match self
                .worker
                .replace(&plan, &id, window_ms, (&gate, vec![settle.clone()]))
                .await
            {
                Ok(Done::Loaded(counts)) => Ok(Some(counts)),
                Ok(Done::Beaten(_) | Done::Expired) => Ok(None),
                // What is known of the table was read again: now it fits.
                Err(Trouble::Changed(_)) if looks < LOOKS_MAX => continue,
                Err(trouble) => Err(failed(window, trouble.to_string())),
            };
        }
    }

    /// How far each log was read, and the table's files that have rows of this time: at least those of the commits up to
    /// there.
    async fn landed(
        &self,
        table: &str,
        (from_ms, to_ms): (i64, i64),
    ) -> Result<(Vec<(String, u64)>, Vec<DataFile>), Error> {
        let store = &*self.worker.store;
        let read = self.read().await?;
        let mut files = Vec::new();
        each_file(store, |of, file| {
            if of == table && file.received_max_ms >= from_ms && file.received_min_ms < to_ms {
                files.push(file);
            }
        })
        .await?;
        Ok((read, files))
    }
}

/// The first part of the time: whole hours, as many as have files of so many bytes, and one at least.
fn first_window((from_ms, to_ms): (i64, i64), files: Vec<DataFile>, bytes_max: u64) -> Window {
    let mut hours: BTreeMap<i64, Vec<DataFile>> = BTreeMap::new();
    for file in files {
        hours
            .entry(file.received_min_ms.div_euclid(HOUR_MS))
            .or_default()
            .push(file);
    }
    let (mut end_ms, mut bytes, mut taken) = (to_ms, 0, Vec::new());
    let mut fingerprints = BTreeSet::new();
    for (hour, files) in hours {
        fingerprints.extend(files.iter().map(|file| file.fingerprint.clone()));
        // A transaction has room for few; an hour is not split.
        let crowded = !taken.is_empty() && fingerprints.len() > FINGERPRINTS_MAX;
        if bytes >= bytes_max || crowded {
            end_ms = (hour * HOUR_MS).clamp(from_ms + 1, to_ms);
            break;
        }
        bytes += files.iter().map(|file| file.bytes).sum::<u64>();
        taken.extend(files);
    }
    Window {
        from_ms,
        to_ms: end_ms,
        files: taken.into_iter().map(file).collect(),
    }
}

fn file(file: DataFile) -> File {
    File {
        table: String::new(),
        path: file.path,
        bytes: file.bytes,
        rows: file.rows,
        crc32c: file.crc32c,
        fingerprint: file.fingerprint,
        received_min_ms: file.received_min_ms,
        received_max_ms: file.received_max_ms,
        text_bytes_max: file.text_bytes_max,
        second_rows: 0,
    }
}

fn failed(window: &Window, reason: String) -> ReloadError {
    let instant = |ms| jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    ReloadError::Window {
        from: instant(window.from_ms),
        to: instant(window.to_ms),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(hour: i64, bytes: u64) -> DataFile {
        DataFile {
            path: format!("{hour}"),
            bytes,
            rows: 1,
            crc32c: 0,
            fingerprint: String::new(),
            received_min_ms: hour * HOUR_MS + 5,
            received_max_ms: hour * HOUR_MS + 9,
            text_bytes_max: None,
            committed_ms: 0,
        }
    }

    #[test]
    fn a_time_is_loaded_some_hours_at_once() {
        let window = first_window(
            (7, 9 * HOUR_MS),
            vec![file(0, 5), file(1, 5), file(4, 5)],
            10,
        );
        assert_eq!((window.from_ms, window.to_ms), (7, 4 * HOUR_MS));
        assert_eq!(window.files.len(), 2);
        let rest = first_window((window.to_ms, 9 * HOUR_MS), vec![file(4, 5)], 10);
        assert_eq!(
            (rest.from_ms, rest.to_ms, rest.files.len()),
            (4 * HOUR_MS, 9 * HOUR_MS, 1)
        );
        let none = first_window((7, 8), vec![], 10);
        assert_eq!((none.from_ms, none.to_ms, none.files.len()), (7, 8, 0));
    }
}
