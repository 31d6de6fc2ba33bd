//! Reading the windows of partitions that were just assigned.

use std::{collections::BTreeMap, pin::pin};

use futures_util::stream::{self, StreamExt};
use headgate_stream::log::Partition;

use super::{
    object::{self, Object},
    window::{Id, Kept, Slice},
};
use crate::{
    retry::Retry,
    store::{self, Store},
};

/// How many objects are read at once; each may have the ids of a batch's events.
const READS_MAX: usize = 4;

/// What was kept of a partition.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) partition: Partition,
    /// Oldest first.
    pub(crate) objects: Vec<(Kept, Vec<Id>, Vec<Slice>)>,
}

type Sections = BTreeMap<(String, Partition), (Vec<Id>, Vec<Slice>)>;

/// Reads what is kept of the partitions, each from its newest object on, the newest first and until there are about
/// `events_max` events, however long the store takes to be well again. Objects that are missing or broken are passed to
/// `unread` with the reason.
pub(crate) async fn load(
    (store, retry): (&dyn Store, &Retry),
    folder: &str,
    newest: &[(Partition, String)],
    events_max: usize,
    mut unread: impl FnMut(&str, &str),
) -> Vec<Loaded> {
    let mut heads: BTreeMap<String, Vec<Partition>> = BTreeMap::new();
    for (partition, name) in newest {
        heads
            .entry(name.clone())
            .or_default()
            .push(partition.clone());
    }
    let mut chains: BTreeMap<Partition, Vec<Kept>> = BTreeMap::new();
    let mut sections = Sections::new();
    let mut take = |name: &str, partition: Partition, object: &Object| {
        let (section, ids) = object.of(&partition)?;
        let mut chain: Vec<Kept> = section.older().collect();
        chain.push(Kept {
            name: name.to_owned(),
            ids: section.ids,
        });
        let found = (ids.collect(), section.slices());
        sections.insert((name.to_owned(), partition.clone()), found);
        Some((partition, chain))
    };
    let reading = |wanted: BTreeMap<String, Vec<Partition>>| {
        stream::iter(wanted)
            .map(|(name, partitions)| async {
                let found = read(store, retry, &format!("{folder}{name}")).await;
                (name, partitions, found)
            })
            .buffer_unordered(READS_MAX)
    };
    let mut found = pin!(reading(heads));
    while let Some((name, partitions, found)) = found.next().await {
        match found {
            Ok(object) => chains.extend(
                partitions
                    .into_iter()
                    .filter_map(|partition| take(&name, partition, &object)),
            ),
            Err(reason) => unread(&name, &reason),
        }
    }
    let mut found = pin!(reading(within(&mut chains, events_max)));
    while let Some((name, partitions, found)) = found.next().await {
        match found {
            Ok(object) => partitions.into_iter().for_each(|partition| {
                take(&name, partition, &object);
            }),
            Err(reason) => unread(&name, &reason),
        }
    }
    let loaded = |(partition, chain): (Partition, Vec<Kept>)| {
        let objects = chain.into_iter().filter_map(|kept| {
            let place = (kept.name.clone(), partition.clone());
            let (ids, slices) = sections.remove(&place)?;
            Some((kept, ids, slices))
        });
        Loaded {
            objects: objects.collect(),
            partition,
        }
    };
    chains.into_iter().map(loaded).collect()
}

/// Cuts the chains where there would be too many events, all at about the same distance from their ends; the objects to
/// read besides the newest, and of which partitions.
fn within(
    chains: &mut BTreeMap<Partition, Vec<Kept>>,
    events_max: usize,
) -> BTreeMap<String, Vec<Partition>> {
    let newest = chains.values().filter_map(|chain| chain.last());
    let mut events: usize = newest.map(|kept| kept.ids).sum();
    // How many objects of each are wanted, from its end.
    let mut taken: BTreeMap<Partition, usize> = BTreeMap::new();
    let mut open: Vec<Partition> = chains.keys().cloned().collect();
    let mut rank = 1;
    while !open.is_empty() {
        open.retain(|partition| {
            let kept = chains
                .get(partition)
                .and_then(|chain| chain.iter().rev().nth(rank));
            let Some(kept) = kept.filter(|kept| events + kept.ids <= events_max) else {
                return false;
            };
            events += kept.ids;
            taken.insert(partition.clone(), rank);
            true
        });
        rank += 1;
    }
    let mut wanted: BTreeMap<String, Vec<Partition>> = BTreeMap::new();
    for (partition, chain) in chains {
        let older = taken.get(partition).copied().unwrap_or(0);
        chain.drain(..chain.len().saturating_sub(older + 1));
        for kept in chain.iter().take(older) {
            wanted
                .entry(kept.name.clone())
                .or_default()
                .push(partition.clone());
        }
    }
    wanted
}

/// An object, or why there is none to be had.
async fn read(store: &dyn Store, retry: &Retry, path: &str) -> Result<Object, String> {
    let transient = |error: &store::Error| !matches!(error, store::Error::NotFound { .. });
    let doing = "read the ids of landed events";
    let bytes = retry.until(doing, transient, || store.read(path)).await;
    object::read(&bytes.map_err(|error| error.to_string())?)
}
