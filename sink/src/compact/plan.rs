//! Which files are worth putting together. Pure: what has landed and the time are passed in.

use std::collections::BTreeMap;

use super::{Config, Filter};
use crate::commit::DataFile;

const HOUR_MS: i64 = 3_600_000;

/// A file that would double the work already done on a larger one waits for others: all but the largest file of a set
/// must come to a tenth of it, or be so many.
const WORTH_SHARE: u64 = 10;
const WORTH_FILES: usize = 8;

/// A commit record names every file that it replaces: this many keep it to some megabytes.
const SET_FILES_MAX: usize = 10_000;

/// Files of one table, hour and set of columns that become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) table: String,
    /// `thing_1/dt=2026-11-22/hr=20`
    pub(super) folder: String,
    pub(super) fingerprint: String,
    /// At least two, the oldest received first.
    pub(super) files: Vec<DataFile>,
}

impl Set {
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// Small files of closed hours, as they come.
#[derive(Debug)]
pub(super) struct Planner<'c> {
    config: &'c Config,
    filter: &'c Filter,
    now_ms: i64,
    /// By table, folder and fingerprint.
    groups: BTreeMap<(String, String, String), Vec<DataFile>>,
}

impl<'c> Planner<'c> {
    pub(super) fn new(config: &'c Config, filter: &'c Filter, now_ms: i64) -> Self {
        Self {
            config,
            filter,
            now_ms,
            groups: BTreeMap::new(),
        }
    }

    /// Takes the file into account if it is small and its hour is closed and asked for.
    pub(super) fn add(&mut self, table: &str, file: DataFile) {
        let Some((folder, _)) = file.path.rsplit_once('/') else {
            return;
        };
        let begins = file.received_min_ms.div_euclid(HOUR_MS) * HOUR_MS;
        let closed_after = i64::try_from(self.config.closed_after_ms).unwrap_or(i64::MAX);
        let closed =
            self.filter.open_hours || self.now_ms.saturating_sub(closed_after) >= begins + HOUR_MS;
        let small = file.bytes < self.config.file_bytes_min;
        if closed && small && self.filter.wants(table, begins, begins + HOUR_MS) {
            let group = (
                table.to_owned(),
                folder.to_owned(),
                file.fingerprint.clone(),
            );
            self.groups.entry(group).or_default().push(file);
        }
    }

    /// The sets to put together, table by table, the oldest hour first.
    pub(super) fn sets(self) -> Vec<Set> {
        let mut sets = Vec::new();
        for ((table, folder, fingerprint), mut files) in self.groups {
            files.sort_by(|a, b| (a.received_min_ms, &a.path).cmp(&(b.received_min_ms, &b.path)));
            let mut open = Vec::new();
            let mut close = |files: &mut Vec<DataFile>| {
                let files = std::mem::take(files);
                if worth(&files) {
                    sets.push(Set {
                        table: table.clone(),
                        folder: folder.clone(),
                        fingerprint: fingerprint.clone(),
                        files,
                    });
                }
            };
            let mut bytes = 0;
            for file in files {
                let full = open.len() >= SET_FILES_MAX;
                if full || bytes + file.bytes > self.config.file_bytes_max {
                    close(&mut open);
                    bytes = 0;
                }
                bytes += file.bytes;
                open.push(file);
            }
            close(&mut open);
        }
        sets
    }
}

fn worth(files: &[DataFile]) -> bool {
    let all: u64 = files.iter().map(|file| file.bytes).sum();
    let largest = files
        .iter()
        .map(|file| file.bytes)
        .max()
        .unwrap_or_default();
    files.len() > WORTH_FILES || (files.len() > 1 && (all - largest) * WORTH_SHARE >= largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn file(table: &str, hour: i64, name: &str, bytes: u64, fingerprint: &str) -> DataFile {
        DataFile {
            path: format!("{table}/dt=1970-01-01/hr={hour:02}/{name}.parquet"),
            bytes,
            rows: 1,
            crc32c: 0,
            fingerprint: fingerprint.to_owned(),
            received_min_ms: hour * HOUR_MS + 5,
            received_max_ms: hour * HOUR_MS + 9,
            text_bytes_max: None,
            committed_ms: 0,
        }
    }

    fn plan(
        files: &[(&str, DataFile)],
        filter: &Filter,
        now_ms: i64,
    ) -> Vec<(String, Vec<String>)> {
        let config = Config::default();
        let mut planner = Planner::new(&config, filter, now_ms);
        for (table, file) in files {
            planner.add(table, file.clone());
        }
        let name = |file: &DataFile| file.path.rsplit('/').next().unwrap().to_owned();
        let set = |set: Set| (set.folder, set.files.iter().map(name).collect());
        planner.sets().into_iter().map(set).collect()
    }

    fn names(folder: &str, files: &[&str]) -> (String, Vec<String>) {
        let files = files.iter().map(|name| format!("{name}.parquet"));
        (folder.to_owned(), files.collect())
    }

    #[test]
    fn small_files_of_one_table_hour_and_set_of_columns_are_put_together() {
        let files = [
            ("a_1", file("a_1", 1, "b", MB, "f")),
            ("a_1", file("a_1", 1, "a", MB, "f")),
            ("a_1", file("a_1", 1, "c", MB, "g")),
            ("a_1", file("a_1", 1, "d", MB, "g")),
            ("a_1", file("a_1", 2, "alone", MB, "f")),
            ("b_1", file("b_1", 1, "alone", MB, "f")),
            ("a_1", file("a_1", 1, "large", 128 * MB, "f")),
        ];
        let hour = "a_1/dt=1970-01-01/hr=01";
        let expected = [names(hour, &["a", "b"]), names(hour, &["c", "d"])];
        assert_eq!(plan(&files, &Filter::default(), i64::MAX), expected);
    }

    #[test]
    fn an_hour_is_left_alone_until_it_has_been_closed_for_a_while() {
        let files = ["a", "b"].map(|name| ("a_1", file("a_1", 1, name, MB, "f")));
        let closed_ms = 2 * HOUR_MS + 900_000;
        assert_eq!(plan(&files, &Filter::default(), closed_ms - 1), []);
        assert_eq!(plan(&files, &Filter::default(), closed_ms).len(), 1);
        let open = Filter {
            open_hours: true,
            ..Filter::default()
        };
        assert_eq!(plan(&files, &open, 0).len(), 1);
    }

    #[test]
    fn sets_are_cut_before_they_grow_too_large() {
        let files: Vec<_> = (0..12)
            .map(|n| ("a_1", file("a_1", 1, &format!("{n:02}"), 100 * MB, "f")))
            .collect();
        let sets = plan(&files, &Filter::default(), i64::MAX);
        let counts: Vec<_> = sets.iter().map(|(_, files)| files.len()).collect();
        assert_eq!(counts, [5, 5, 2]);
        let files: Vec<_> = (0..SET_FILES_MAX + 2)
            .map(|n| ("a_1", file("a_1", 1, &format!("{n:05}"), 1, "f")))
            .collect();
        let sets = plan(&files, &Filter::default(), i64::MAX);
        let counts: Vec<_> = sets.iter().map(|(_, files)| files.len()).collect();
        assert_eq!(counts, [SET_FILES_MAX, 2]);
    }

    #[test]
    fn a_few_late_rows_wait_until_they_are_worth_rewriting_a_larger_file() {
        let mut files = vec![("a_1", file("a_1", 1, "0", 100 * MB, "f"))];
        for n in 1..=8 {
            assert_eq!(plan(&files, &Filter::default(), i64::MAX), [], "{n}");
            files.push(("a_1", file("a_1", 1, &n.to_string(), 1_000, "f")));
        }
        assert_eq!(plan(&files, &Filter::default(), i64::MAX)[0].1.len(), 9);
        files.truncate(1);
        files.push(("a_1", file("a_1", 1, "late", 10 * MB, "f")));
        assert_eq!(plan(&files, &Filter::default(), i64::MAX).len(), 1);
    }

    #[test]
    fn only_the_table_and_the_hours_that_were_asked_for_are_picked() {
        let mut files = Vec::new();
        for table in ["a_1", "b_1"] {
            for hour in 1..=4 {
                files.extend(["a", "b"].map(|name| (table, file(table, hour, name, MB, "f"))));
            }
        }
        let filter = Filter {
            table: Some("b_1".to_owned()),
            from_ms: Some(2 * HOUR_MS),
            to_ms: Some(4 * HOUR_MS - 1),
            open_hours: false,
        };
        let expected = [names("b_1/dt=1970-01-01/hr=02", &["a", "b"])];
        assert_eq!(plan(&files, &filter, i64::MAX), expected);
    }
}
