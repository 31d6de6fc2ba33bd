//! What compactors made of files, for who follows a stream's log and comes late: a file that was replaced is gone after
//! `sink.compact.replaced_grace_ms`, and what replaced it has its rows.

use std::collections::{HashMap, HashSet};

use super::{COMPACT_INCARNATION, COMPACT_STREAM, Error, File, follow, snapshot::hash};
use crate::store::Store;

/// So many of the compactors' commits are read at once.
const COMMITS_AT_ONCE: u64 = 1_024;

/// The compactors' log, as far as it was read: some 40 bytes for each file that was replaced, and the files that replaced
/// them.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// The commit up to which the log was read.
    read: u64,
    /// By the hash of a path, the compaction that replaced it.
    by: HashMap<(u64, u64), usize>,
    /// The files of each compaction.
    compactions: Vec<Vec<File>>,
}

impl Replaced {
    /// Reads what was compacted since. Where nothing was, that takes one request.
    ///
    /// # Errors
    /// The store fails, or the log is broken. What was read until then is kept.
    pub(crate) async fn read_on(&mut self, store: &dyn Store) -> Result<(), Error> {
        let log = format!("{COMPACT_STREAM}/{COMPACT_INCARNATION}");
        loop {
            let commits = follow::behind(store, &log, self.read, COMMITS_AT_ONCE).await?;
            if commits.is_empty() {
                return Ok(());
            }
            for commit in commits {
                let compaction = self.compactions.len();
                let hashes = commit.replaces.iter().map(|path| (hash(path), compaction));
                self.by.extend(hashes);
                self.compactions.push(commit.files);
                self.read = commit.sequence;
            }
        }
    }

    /// The files that hold the rows of these now, each once, and maybe rows of others; `None`: none of them was replaced.
    pub(crate) fn in_place_of(&self, files: &[File]) -> Option<Vec<File>> {
        let compaction = |file: &File| self.by.get(&hash(&file.path)).copied();
        files.iter().find_map(compaction)?;
        let (mut current, mut taken) = (Vec::new(), HashSet::new());
        // The next one is the last: what replaced a file comes in its place.
        let mut rest: Vec<&File> = files.iter().rev().collect();
        while let Some(file) = rest.pop() {
            match compaction(file) {
                None => current.push(file.clone()),
                Some(compaction) if taken.insert(compaction) => {
                    rest.extend(self.compactions.get(compaction).into_iter().flatten().rev());
                }
                Some(_) => {}
            }
        }
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> File {
        File {
            table: "t".to_owned(),
            path: path.to_owned(),
            bytes: 1,
            rows: 1,
            crc32c: 0,
            fingerprint: "f".to_owned(),
            received_min_ms: 0,
            received_max_ms: 0,
            text_bytes_max: None,
            second_rows: 0,
        }
    }

    fn replaced(compactions: &[(&[&str], &[&str])]) -> Replaced {
        let mut replaced = Replaced::default();
        for (n, (replaces, files)) in compactions.iter().enumerate() {
            replaced
                .by
                .extend(replaces.iter().map(|path| (hash(path), n)));
            replaced
                .compactions
                .push(files.iter().map(|path| file(path)).collect());
        }
        replaced
    }

    fn current(replaced: &Replaced, files: &[&str]) -> Option<Vec<String>> {
        let files: Vec<File> = files.iter().map(|path| file(path)).collect();
        let current = replaced.in_place_of(&files)?;
        Some(current.into_iter().map(|file| file.path).collect())
    }

    #[test]
    fn what_replaced_a_file_comes_once_in_its_place() {
        let replaced = replaced(&[(&["a", "b", "x"], &["ab-0", "ab-1"])]);
        let expected = ["0", "ab-0", "ab-1", "c"].map(str::to_owned);
        assert_eq!(
            current(&replaced, &["0", "a", "b", "c"]),
            Some(expected.to_vec())
        );
        assert_eq!(current(&replaced, &["0", "c"]), None);
    }

    #[test]
    fn what_was_replaced_again_is_followed_to_what_is_there_now() {
        let replaced = replaced(&[
            (&["a", "b"], &["ab"]),
            (&["c", "d"], &["cd"]),
            (&["ab", "e", "cd"], &["all"]),
        ]);
        for files in [&["a"][..], &["d", "a"], &["e", "ab", "c"]] {
            assert_eq!(
                current(&replaced, files),
                Some(vec!["all".to_owned()]),
                "{files:?}"
            );
        }
    }
}
