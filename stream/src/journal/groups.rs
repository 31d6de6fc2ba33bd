//! How far each group of readers has passed each partition: what retention and lag are told from.
//!
//! A group is known once it has read the topic, and holds back retention from then on; removing its file while the
//! journal is closed forgets it. The file is written now and then, so after a crash a group may seem further behind
//! than it was: a hint, as the seam says.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{Error, files};

/// One group's progress through one topic.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
    /// For each partition, the offset of the first record not passed.
    next: Vec<AtomicU64>,
    dirty: AtomicBool,
}

/// All groups of one topic.
#[derive(Debug)]
pub(super) struct Groups {
    dir: PathBuf,
    partitions: usize,
    known: RwLock<BTreeMap<String, Arc<Group>>>,
}

impl Group {
    fn new(path: PathBuf, partitions: usize) -> Self {
        let next = (0..partitions).map(|_| AtomicU64::new(0)).collect();
        Self {
            path,
            next,
            dirty: AtomicBool::new(true),
        }
    }

    /// The offset of the partition's first record that the group has not passed.
    pub(super) fn next(&self, partition: usize) -> u64 {
        self.next
            .get(partition)
            .map_or(0, |next| next.load(Ordering::Relaxed))
    }

    /// Notes that every record before `next` was passed. Never goes back.
    pub(super) fn pass(&self, partition: usize, next: u64) {
        let Some(known) = self.next.get(partition) else {
            return;
        };
        if known.fetch_max(next, Ordering::Relaxed) < next {
            self.dirty.store(true, Ordering::Release);
        }
    }

    fn persist(&self) -> Result<(), Error> {
        if !self.dirty.swap(false, Ordering::Acquire) {
            return Ok(());
        }
        let next: BTreeMap<usize, u64> = (0..self.next.len()).map(|i| (i, self.next(i))).collect();
        let written = files::write_json(&self.path, &next);
        if written.is_err() {
            self.dirty.store(true, Ordering::Release);
        }
        written
    }
}

impl Groups {
    /// The groups that have a file below the topic's directory.
    pub(super) fn open(topic_dir: &Path, partitions: usize) -> Result<Self, Error> {
        let dir = topic_dir.join("groups");
        files::make_dir(&dir)?;
        let groups = Self {
            dir,
            partitions,
            known: RwLock::default(),
        };
        for entry in std::fs::read_dir(&groups.dir).map_err(Error::io("list", &groups.dir))? {
            let name = entry.map_err(Error::io("list", &groups.dir))?.file_name();
            if let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".json")) {
                let group = groups.get(name);
                match files::read_json::<BTreeMap<usize, u64>>(&group.path) {
                    Ok(next) => {
                        next.iter()
                            .flatten()
                            .for_each(|(index, next)| group.pass(*index, *next));
                        group.dirty.store(false, Ordering::Release);
                    }
                    Err(error) => tracing::warn!(%error, "a group's progress is taken as none"),
                }
            }
        }
        Ok(groups)
    }

    /// The group; known from now on.
    pub(super) fn get(&self, name: &str) -> Arc<Group> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let path = self.dir.join(format!("{name}.json"));
        let made = || Arc::new(Group::new(path, self.partitions));
        Arc::clone(known.entry(name.to_owned()).or_insert_with(made))
    }

    /// The offset before which every known group has passed the partition; zero while none is known.
    pub(super) fn floor(&self, partition: usize) -> u64 {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .values()
            .map(|group| group.next(partition))
            .min()
            .unwrap_or(0)
    }

    /// Writes down what changed.
    pub(super) fn persist(&self) -> Result<(), Error> {
        let known: Vec<_> = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.values().cloned().collect()
        };
        known.iter().try_for_each(|group| group.persist())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_survives_and_a_damaged_file_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let groups = Groups::open(dir.path(), 2).unwrap();
        groups.get("sink").pass(1, 9);
        groups.get("sink").pass(1, 4);
        groups.get("audit").pass(1, 5);
        groups.persist().unwrap();
        let again = Groups::open(dir.path(), 2).unwrap();
        assert_eq!(
            (again.get("sink").next(1), again.floor(1), again.floor(0)),
            (9, 5, 0)
        );
        std::fs::write(dir.path().join("groups/audit.json"), "{").unwrap();
        assert_eq!(Groups::open(dir.path(), 2).unwrap().floor(1), 0);
    }
}
