//! Reading the windows of partitions that were just assigned.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::stream::{self, StreamExt};
use headgate_stream::log::Partition;

use super::{
    object::{self, Object},
    window::{Id, Kept, Slice},
};
use crate::store::{self, Store};

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
/// `events_max` events. Objects that are missing or broken are passed to `unread` with the reason.
///
/// # Errors
/// The store fails.
pub(crate) async fn load(
    store: &Arc<dyn Store>,
    folder: &str,
    newest: Vec<(Partition, String)>,
    events_max: usize,
    mut unread: impl FnMut(&str, &str),
) -> Result<Vec<Loaded>, store::Error> {
    let heads: BTreeSet<&String> = newest.iter().map(|(_, name)| name).collect();
    let mut chains: BTreeMap<Partition, Vec<Kept>> = BTreeMap::new();
    let mut sections = Sections::new();
    let mut reading = stream::iter(heads.into_iter().cloned())
        .map(|name| read(store, folder, name))
        .buffer_unordered(READS_MAX);
    while let Some((name, found)) = reading.next().await {
        let Some(object) = understood(&name, found, &mut unread)? else {
            continue;
        };
        for (partition, _) in newest.iter().filter(|(_, newest)| *newest == name) {
            if let Some((section, ids)) = object.of(partition) {
                let mut chain: Vec<Kept> = section.older().collect();
                chain.push(Kept {
                    name: name.clone(),
                    ids: section.ids,
                });
                chains.insert(partition.clone(), chain);
                let place = (name.clone(), partition.clone());
                sections.insert(place, (ids.collect(), section.slices()));
            }
        }
    }
    drop(reading);
    let wanted = within(&mut chains, events_max);
    let mut reading = stream::iter(wanted)
        .map(|(name, partitions)| async move {
            let (name, found) = read(store, folder, name).await;
            (name, partitions, found)
        })
        .buffer_unordered(READS_MAX);
    while let Some((name, partitions, found)) = reading.next().await {
        let Some(object) = understood(&name, found, &mut unread)? else {
            continue;
        };
        for partition in partitions {
            if let Some((section, ids)) = object.of(&partition) {
                let found = (ids.collect(), section.slices());
                sections.insert((name.clone(), partition.clone()), found);
            }
        }
    }
    Ok(chains
        .into_iter()
        .map(|(partition, chain)| {
            let objects = chain.into_iter().filter_map(|kept| {
                let place = (kept.name.clone(), partition.clone());
                let (ids, slices) = sections.remove(&place)?;
                Some((kept, ids, slices))
            });
            Loaded {
                objects: objects.collect(),
                partition,
            }
        })
        .collect())
}

/// Cuts the chains where there would be too many events, all at about the same distance from their ends; the objects to
/// read besides the newest, and of which partitions.
fn within(
    chains: &mut BTreeMap<Partition, Vec<Kept>>,
    events_max: usize,
) -> BTreeMap<String, Vec<Partition>> {
    let mut wanted: BTreeMap<String, Vec<Partition>> = BTreeMap::new();
    let mut open: BTreeMap<&Partition, usize> = chains.keys().map(|p| (p, 0)).collect();
    let mut events = 0;
    let mut rank = 0;
    while !open.is_empty() {
        open.retain(|partition, taken| {
            let chain = &chains[*partition];
            let Some(kept) = chain.iter().rev().nth(rank) else {
                return false;
            };
            if rank > 0 && events + kept.ids > events_max {
                return false;
            }
            events += kept.ids;
            *taken = rank + 1;
            if rank > 0 {
                let of = wanted.entry(kept.name.clone()).or_default();
                of.push((*partition).clone());
            }
            true
        });
        rank += 1;
    }
    for (partition, chain) in chains.iter_mut() {
        let is_wanted = |kept: &Kept| {
            let of = wanted.get(&kept.name);
            of.is_some_and(|partitions| partitions.contains(partition))
        };
        let newest = chain.len() - 1;
        let mut at = 0;
        chain.retain(|kept| {
            at += 1;
            at - 1 == newest || is_wanted(kept)
        });
    }
    wanted
}

async fn read(
    store: &Arc<dyn Store>,
    folder: &str,
    name: String,
) -> (String, Result<Result<Object, String>, store::Error>) {
    let found = read_object(&**store, &format!("{folder}{name}")).await;
    (name, found)
}

/// An object, or why there is none to be had.
pub(super) async fn read_object(
    store: &dyn Store,
    path: &str,
) -> Result<Result<Object, String>, store::Error> {
    match store.read(path).await {
        Ok(bytes) => Ok(object::read(&bytes)),
        Err(store::Error::NotFound { .. }) => Ok(Err("it is not there".to_owned())),
        Err(error) => Err(error),
    }
}

fn understood(
    name: &str,
    found: Result<Result<Object, String>, store::Error>,
    unread: &mut impl FnMut(&str, &str),
) -> Result<Option<Object>, store::Error> {
    match found? {
        Ok(object) => Ok(Some(object)),
        Err(reason) => {
            unread(name, &reason);
            Ok(None)
        }
    }
}
