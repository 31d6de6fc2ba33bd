//! What is loaded next: pure decisions over the files of one table that a log names and the warehouse does not have.

use std::collections::{BTreeSet, VecDeque};

use sha2::{Digest, Sha256};

use crate::commit::File;

/// So many schema fingerprints are loaded at once: each takes statements, of which a transaction may have 40.
pub(super) const FINGERPRINTS_MAX: usize = 4;

/// When a load is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// A file waits no longer than this, in ms.
    pub(super) age_max_ms: u64,
    /// A load is cut when its files have so many bytes.
    pub(super) bytes_max: u64,
    /// A load has at most so many files.
    pub(super) files_max: usize,
    /// The number of files is a multiple of this where nothing has to wait for it.
    pub(super) slices: usize,
}

/// A table's files of one commit.
#[derive(Debug, Clone)]
struct Waiting {
    sequence: u64,
    committed_ms: i64,
    files: Vec<File>,
}

/// The files of one table that wait, in the order of the log which names them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    files: usize,
    bytes: u64,
}

/// A part of a log, of one table: behind `follows`, up to and including `ends`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The table.
    pub table: String,
    /// The log, as `<stream>/<incarnation>`.
    pub log: String,
    /// How far the table has been loaded from it, as a commit's sequence.
    pub follows: u64,
    /// How far it has been when this is loaded.
    pub ends: u64,
    /// What is loaded, in the order of the log.
    pub files: Vec<File>,
    /// How many commits name them.
    pub commits: usize,
    /// When the oldest of them was committed, in ms since the epoch.
    pub committed_min_ms: i64,
}

impl Queue {
    /// Adds the table's files of one more commit.
    pub(super) fn add(&mut self, sequence: u64, committed_ms: i64, files: Vec<File>) {
        self.files += files.len();
        self.bytes += bytes(&files);
        self.waiting.push_back(Waiting {
            sequence,
            committed_ms,
            files,
        });
    }

    /// Forgets what is loaded up to that commit.
    pub(super) fn loaded(&mut self, ends: u64) {
        while let Some(first) = self.waiting.pop_front_if(|first| first.sequence <= ends) {
            self.files -= first.files.len();
            self.bytes -= bytes(&first.files);
        }
    }

    /// Forgets the newest commits until at most so many files wait, or one commit's; the first that was forgotten, and the
    /// files of all of them.
    pub(super) fn shed(&mut self, files_max: usize) -> Option<(u64, Vec<File>)> {
        let (mut first, mut shed) = (None, Vec::new());
        while self.files > files_max && self.waiting.len() > 1 {
            let last = self.waiting.pop_back()?;
            self.files -= last.files.len();
            self.bytes -= bytes(&last.files);
            first = Some(last.sequence);
            shed.extend(last.files);
        }
        Some((first?, shed))
    }

    /// The first commit that waits.
    pub(super) fn first(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.sequence)
    }

    /// When the first commit that waits was committed, in ms since the epoch.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.waiting.front().map(|waiting| waiting.committed_ms)
    }

    /// The files that wait, in the order of the log.
    pub(super) fn each(&self) -> impl Iterator<Item = &File> {
        self.waiting.iter().flat_map(|waiting| &waiting.files)
    }

    pub(super) fn files(&self) -> usize {
        self.files
    }

    /// In how many ms the next load is due if nothing more comes; `None`: nothing waits.
    pub(super) fn due_in_ms(&self, limits: &Limits, now_ms: i64) -> Option<u64> {
        let waited_ms = waited_ms(self.oldest_ms()?, now_ms);
        match self.bytes >= limits.bytes_max || self.files >= limits.files_max {
            true => Some(0),
            false => Some(limits.age_max_ms.saturating_sub(waited_ms)),
        }
    }

    /// The next load of the table, of so many commits at most, due or not; `None`: nothing waits. It has a commit's files
    /// whole, and one commit's whatever the limits are.
    pub(super) fn cut(&self, limits: &Limits, now_ms: i64, commits_max: usize) -> Option<Cut> {
        let mut taken = Taken::default();
        let mut even = None;
        for waiting in self.waiting.iter().take(commits_max.max(1)) {
            if !taken.admits(waiting, limits) {
                break;
            }
            taken.add(waiting);
            if taken.files.is_multiple_of(limits.slices.max(1)) {
                even = Some(taken.commits);
            }
        }
        // What stays behind must not have waited too long already.
        let may_stay = |commits: usize| {
            let next = self.waiting.get(commits);
            next.is_none_or(|next| waited_ms(next.committed_ms, now_ms) < limits.age_max_ms)
        };
        let commits = even
            .filter(|commits| may_stay(*commits))
            .unwrap_or(taken.commits);
        self.first_commits(commits)
    }

    fn first_commits(&self, commits: usize) -> Option<Cut> {
        let commits: Vec<&Waiting> = self.waiting.iter().take(commits).collect();
        Some(Cut {
            ends: commits.last()?.sequence,
            commits: commits.len(),
            committed_min_ms: commits.iter().map(|waiting| waiting.committed_ms).min()?,
            files: commits
                .iter()
                .flat_map(|w| w.files.iter().cloned())
                .collect(),
        })
    }
}

/// The files of a load, and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) ends: u64,
    pub(super) commits: usize,
    pub(super) committed_min_ms: i64,
    pub(super) files: Vec<File>,
}

/// A load as it grows.
#[derive(Default)]
struct Taken<'a> {
    commits: usize,
    files: usize,
    bytes: u64,
    fingerprints: BTreeSet<&'a str>,
}

impl<'a> Taken<'a> {
    fn admits(&self, waiting: &Waiting, limits: &Limits) -> bool {
        let new = |file: &&File| !self.fingerprints.contains(file.fingerprint.as_str());
        let others: BTreeSet<_> = waiting
            .files
            .iter()
            .filter(new)
            .map(|f| &f.fingerprint)
            .collect();
        self.commits == 0
            || (self.bytes < limits.bytes_max
                && self.files + waiting.files.len() <= limits.files_max
                && self.fingerprints.len() + others.len() <= FINGERPRINTS_MAX)
    }

    fn add(&mut self, waiting: &'a Waiting) {
        self.commits += 1;
        self.files += waiting.files.len();
        self.bytes += bytes(&waiting.files);
        let fingerprints = waiting.files.iter().map(|file| file.fingerprint.as_str());
        self.fingerprints.extend(fingerprints);
    }
}

impl Plan {
    /// 32 hexadecimal digits, the same for the same plan whoever makes it.
    pub fn id(&self) -> String {
        let mut hasher = Sha256::new();
        for part in [self.log.as_str(), &self.table] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        hasher.update(self.follows.to_le_bytes());
        hasher.update(self.ends.to_le_bytes());
        for file in &self.files {
            hasher.update(file.path.as_bytes());
            hasher.update([0]);
        }
        let digest = hasher.finalize();
        digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The bytes of its files.
    pub fn bytes(&self) -> u64 {
        bytes(&self.files)
    }

    /// The rows of its files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The files by schema fingerprint, each kind in the order of the log; kinds by their first file.
    pub(super) fn by_fingerprint(&self) -> Vec<(&str, Vec<&File>)> {
        let mut kinds: Vec<(&str, Vec<&File>)> = Vec::new();
        for file in &self.files {
            match kinds
                .iter_mut()
                .find(|(known, _)| *known == file.fingerprint)
            {
                Some((_, files)) => files.push(file),
                None => kinds.push((&file.fingerprint, vec![file])),
            }
        }
        kinds
    }
}

fn bytes(files: &[File]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

fn waited_ms(since_ms: i64, now_ms: i64) -> u64 {
    u64::try_from(now_ms.saturating_sub(since_ms)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        age_max_ms: 1_000,
        bytes_max: 100,
        files_max: 8,
        slices: 2,
    };

    fn file(name: &str, bytes: u64, fingerprint: &str) -> File {
        File {
            table: "t".to_owned(),
            path: name.to_owned(),
            bytes,
            rows: 1,
            crc32c: 0,
            fingerprint: fingerprint.to_owned(),
            received_min_ms: 0,
            received_max_ms: 0,
            text_bytes_max: None,
            second_rows: 0,
        }
    }

    /// Commits 1, 2, ... at 0, 100, ... ms with so many files of 10 bytes each.
    fn queue(files: &[usize]) -> Queue {
        let mut queue = Queue::default();
        for (sequence, count) in (1..).zip(files) {
            let names = (0..*count).map(|n| file(&format!("{sequence}-{n}"), 10, "a"));
            queue.add(sequence, (sequence as i64 - 1) * 100, names.collect());
        }
        queue
    }

    fn ends(queue: &Queue, limits: &Limits, now_ms: i64) -> Option<u64> {
        queue.cut(limits, now_ms, usize::MAX).map(|cut| cut.ends)
    }

    #[test]
    fn a_load_is_due_by_age_bytes_or_files() {
        assert_eq!(Queue::default().due_in_ms(&LIMITS, 0), None);
        assert_eq!(queue(&[1]).due_in_ms(&LIMITS, 400), Some(600));
        assert_eq!(queue(&[1]).due_in_ms(&LIMITS, 5_000), Some(0));
        assert_eq!(queue(&[8]).due_in_ms(&LIMITS, 0), Some(0));
        let large = Limits {
            bytes_max: 30,
            ..LIMITS
        };
        assert_eq!(queue(&[1, 1, 1]).due_in_ms(&large, 0), Some(0));
    }

    #[test]
    fn the_number_of_files_is_a_multiple_of_the_slices_unless_one_would_wait_too_long() {
        // The third commit has waited for 300 - 200 ms.
        assert_eq!(ends(&queue(&[1, 1, 1]), &LIMITS, 300), Some(2));
        assert_eq!(ends(&queue(&[1, 1, 1]), &LIMITS, 1_200), Some(3));
        assert_eq!(ends(&queue(&[1, 1, 1, 1]), &LIMITS, 300), Some(4));
        assert_eq!(ends(&queue(&[1]), &LIMITS, 300), Some(1));
    }

    #[test]
    fn a_load_ends_before_a_limit_and_has_a_commit_whole() {
        assert_eq!(ends(&queue(&[4, 4, 2]), &LIMITS, 0), Some(2));
        assert_eq!(ends(&queue(&[20, 1]), &LIMITS, 0), Some(1));
        let small = Limits {
            bytes_max: 15,
            ..LIMITS
        };
        assert_eq!(ends(&queue(&[1, 1, 1, 1]), &small, 0), Some(2));
        assert_eq!(queue(&[3, 1]).cut(&LIMITS, 0, 1).unwrap().files.len(), 3);
        assert_eq!(ends(&Queue::default(), &LIMITS, 0), None);
    }

    #[test]
    fn a_load_has_few_fingerprints() {
        let mut queue = Queue::default();
        for sequence in 1..=6 {
            let name = format!("f{sequence}");
            queue.add(sequence, 0, vec![file("x", 1, &name)]);
        }
        assert_eq!(
            ends(
                &queue,
                &Limits {
                    slices: 1,
                    ..LIMITS
                },
                0
            ),
            Some(FINGERPRINTS_MAX as u64)
        );
    }

    #[test]
    fn what_is_loaded_waits_no_longer() {
        let mut queue = queue(&[1, 2, 3]);
        queue.loaded(2);
        assert_eq!(
            (queue.first(), queue.files(), queue.bytes),
            (Some(3), 3, 30)
        );
        queue.loaded(9);
        assert_eq!((queue.first(), queue.files(), queue.bytes), (None, 0, 0));
    }

    #[test]
    fn a_plans_id_is_its_content() {
        let plan = |ends, name: &str| Plan {
            table: "t".to_owned(),
            log: "events/1".to_owned(),
            follows: 0,
            ends,
            files: vec![file(name, 1, "a"), file("b", 1, "b"), file("c", 1, "a")],
            commits: 1,
            committed_min_ms: 0,
        };
        assert_eq!(plan(1, "a").id(), plan(1, "a").id());
        assert_eq!(plan(1, "a").id().len(), 32);
        assert_ne!(plan(1, "a").id(), plan(2, "a").id());
        assert_ne!(plan(1, "a").id(), plan(1, "b").id());
        let (plan, count) = (plan(1, "a"), |n: usize| n);
        let kinds: Vec<_> = plan
            .by_fingerprint()
            .iter()
            .map(|(f, files)| (*f, count(files.len())))
            .collect();
        assert_eq!(kinds, [("a", 2), ("b", 1)]);
    }
}
