//! The shards of a stream and what they continue. Pure.
//!
//! A shard that is split or merged is closed, and its children go on with its keys. A child is read only when its parents
//! were landed to their ends; a parent that Kinesis no longer lists is over, whatever became of it.

use std::collections::{BTreeMap, BTreeSet};

use super::deaggregate::Keys;
use crate::log::Partition;

/// One shard, as Kinesis lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) parents: Vec<Partition>,
    /// The first sequence number that it can have: no two shards of one name have the same.
    pub(super) starts: String,
    /// What belongs there, where Kinesis tells.
    pub(super) keys: Option<Keys>,
}

/// All shards that are listed, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lineage {
    shards: BTreeMap<Partition, Shard>,
}

impl Lineage {
    pub(super) fn of(shards: impl IntoIterator<Item = (Partition, Shard)>) -> Self {
        Self {
            shards: shards.into_iter().collect(),
        }
    }

    /// The shards that are to be read, when these were read to their ends.
    pub(super) fn ready(&self, finished: &BTreeSet<Partition>) -> BTreeSet<Partition> {
        let open =
            |parent: &Partition| self.shards.contains_key(parent) && !finished.contains(parent);
        let ready = self
            .shards
            .iter()
            .filter(|(name, shard)| !finished.contains(*name) && !shard.parents.iter().any(open));
        ready.map(|(name, _)| name.clone()).collect()
    }

    /// Whether some shard waits for another that is not known to be finished.
    pub(super) fn waits(&self, finished: &BTreeSet<Partition>) -> bool {
        self.shards.values().any(|shard| {
            let mut parents = shard.parents.iter();
            parents.any(|p| self.shards.contains_key(p) && !finished.contains(p))
        })
    }

    /// Whether these are shards of another stream that bears the same name.
    pub(super) fn differs(&self, newer: &Self) -> bool {
        self.shards.iter().any(|(name, shard)| {
            let found = newer.shards.get(name);
            found.is_some_and(|found| found.starts != shard.starts)
        })
    }

    /// The keys of a shard that is listed.
    pub(super) fn keys(&self, shard: &Partition) -> Option<Keys> {
        self.shards.get(shard)?.keys.clone()
    }

    pub(super) fn contains(&self, shard: &Partition) -> bool {
        self.shards.contains_key(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(name: &str, parents: &[&str]) -> (Partition, Shard) {
        let shard = Shard {
            parents: parents.iter().map(|name| Partition::new(name)).collect(),
            starts: format!("1{}", name.len()),
            keys: None,
        };
        (Partition::new(name), shard)
    }

    fn names(set: &BTreeSet<Partition>) -> Vec<&str> {
        set.iter().map(Partition::as_str).collect()
    }

    fn finished(names: &[&str]) -> BTreeSet<Partition> {
        names.iter().map(|name| Partition::new(name)).collect()
    }

    /// a is split into b and c; c and d are merged into e.
    fn family() -> Lineage {
        Lineage::of([
            shard("a", &[]),
            shard("b", &["a"]),
            shard("c", &["a"]),
            shard("d", &[]),
            shard("e", &["c", "d"]),
        ])
    }

    #[test]
    fn a_child_is_read_when_all_its_parents_have_ended() {
        let family = family();
        for (ended, ready) in [
            (&[][..], &["a", "d"][..]),
            (&["d"], &["a"]),
            (&["a", "d"], &["b", "c"]),
            (&["a", "c"], &["b", "d"]),
            (&["a", "c", "d"], &["b", "e"]),
        ] {
            assert_eq!(names(&family.ready(&finished(ended))), ready, "{ended:?}");
        }
        assert!(family.waits(&finished(&["a", "c"])));
        assert!(!family.waits(&finished(&["a", "c", "d"])));
    }

    #[test]
    fn a_parent_that_retention_removed_keeps_nobody_waiting() {
        let left = Lineage::of([shard("b", &["a"]), shard("e", &["c", "d"])]);
        assert_eq!(names(&left.ready(&finished(&[]))), ["b", "e"]);
        assert!(!left.waits(&finished(&[])));
    }

    #[test]
    fn a_stream_made_anew_has_shards_of_the_same_names_that_start_elsewhere() {
        let old = Lineage::of([shard("a", &[])]);
        let mut anew = shard("a", &[]);
        "77".clone_into(&mut anew.1.starts);
        assert!(old.differs(&Lineage::of([anew])));
        assert!(!old.differs(&family()));
        assert!(!old.differs(&Lineage::default()));
    }
}
