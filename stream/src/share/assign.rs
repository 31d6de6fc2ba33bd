//! Which member reads which partition: a pure function of both sets, so that all who see the same sets agree.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::log::Partition;

/// Each partition's member. Members differ by at most one partition, and few partitions move when a member or a
/// partition comes or goes: pairs are taken in the order of a hash of both (rendezvous hashing), as long as the member
/// has room.
pub(crate) fn assign<'a>(
    partitions: &'a BTreeSet<Partition>,
    members: &'a BTreeSet<String>,
) -> BTreeMap<&'a Partition, &'a str> {
    let mut assigned = BTreeMap::new();
    let Some(each) = partitions.len().checked_div(members.len()) else {
        return assigned;
    };
    // So many members have one more than the others.
    let mut larger = partitions.len() % members.len();
    let mut pairs: Vec<(u64, &Partition, &str)> = members
        .iter()
        .flat_map(|member| {
            let weighed = |partition| (weight(partition, member), partition, member.as_str());
            partitions.iter().map(weighed)
        })
        .collect();
    pairs.sort_unstable();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, partition, member) in pairs {
        let count = counts.entry(member).or_default();
        let extra = *count == each && larger > 0;
        if assigned.contains_key(partition) || (*count >= each && !extra) {
            continue;
        }
        *count += 1;
        larger -= usize::from(extra);
        assigned.insert(partition, member);
    }
    assigned
}

/// The same on every machine and in every version: members of two versions run side by side while they are replaced.
fn weight(partition: &Partition, member: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(member.as_bytes());
    hash.update([0]);
    hash.update(partition.as_str().as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partitions(count: usize) -> BTreeSet<Partition> {
        let name = |n| Partition::new(&format!("shardId-{n:012}"));
        (0..count).map(name).collect()
    }

    fn members(names: std::ops::Range<usize>) -> BTreeSet<String> {
        names.map(|n| format!("member-{n}")).collect()
    }

    fn loads(assigned: &BTreeMap<&Partition, &str>) -> BTreeMap<String, usize> {
        let mut loads = BTreeMap::new();
        for member in assigned.values() {
            *loads.entry((*member).to_owned()).or_default() += 1;
        }
        loads
    }

    proptest! {
        #[test]
        fn every_partition_has_one_member_and_members_differ_by_at_most_one(
            partition_count in 0_usize..60, member_count in 1_usize..20
        ) {
            let (partitions, members) = (partitions(partition_count), members(0..member_count));
            let assigned = assign(&partitions, &members);
            prop_assert_eq!(assigned.len(), partition_count);
            let loads = loads(&assigned);
            let (least, most) = (partition_count / member_count, partition_count.div_ceil(member_count));
            prop_assert!(loads.values().all(|load| (least..=most).contains(load)), "{:?}", loads);
            prop_assert!(least == 0 || loads.len() == member_count);
        }
    }

    #[test]
    fn without_members_nothing_is_assigned() {
        assert!(assign(&partitions(3), &BTreeSet::new()).is_empty());
    }

    #[test]
    fn few_partitions_move_when_a_member_joins_or_dies() {
        let partitions = partitions(120);
        let before_members = members(0..8);
        let before = assign(&partitions, &before_members);
        let moved = |after: &BTreeSet<String>| {
            let after = assign(&partitions, after);
            let differs = |partition: &&Partition| before[*partition] != after[*partition];
            partitions.iter().filter(differs).count()
        };
        // 120 / 9 = 13.3 must move to a ninth, 15 must leave an eighth that died.
        assert!(
            (13..=40).contains(&moved(&members(0..9))),
            "{}",
            moved(&members(0..9))
        );
        assert!(
            (15..=45).contains(&moved(&members(0..7))),
            "{}",
            moved(&members(0..7))
        );
    }

    #[test]
    fn the_assignment_never_changes_between_versions() {
        let (partitions, members) = (partitions(5), members(0..2));
        let assigned: Vec<&str> = assign(&partitions, &members).into_values().collect();
        assert_eq!(
            assigned,
            ["member-1", "member-0", "member-1", "member-0", "member-0"]
        );
    }
}
