//! Checks that what stands in a store is whole: no log has a gap, every record follows the ones before it, and every
//! file that a record names is there. Sinks and readers rest on this and look at no more of it than they need.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::stream::{self, StreamExt};
use headgate_stream::log::{Partition, Position};

use super::{
    COMMITS, COMPACT_STREAM, Error, Record, checkpoint::sequence_of, read_json, record_path,
    snapshot,
};
use crate::{
    store::{self, Store},
    sweep::is_data,
};

/// How many records are read at once.
const READS_AT_ONCE_MAX: usize = 16;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    /// The logs: `<stream>/<incarnation>`, and how many commits each has.
    pub logs: Vec<(String, u64)>,
    /// Data files that count.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Data files that compactors replaced, and that are or were left for a while.
    pub replaced: u64,
    /// Data files that no record names: what is being landed, or is left to be swept.
    pub unnamed: u64,
    /// How many rules are broken.
    pub faults: u64,
    /// The first of them, in words.
    pub named_faults: Vec<String>,
    faults_max: usize,
}

/// What the records name.
#[derive(Default)]
struct Names {
    files: HashMap<String, Named>,
    replaced: HashSet<String>,
}

struct Named {
    bytes: u64,
    rows: u64,
}

impl Check {
    fn fault(&mut self, fault: String) {
        self.faults += 1;
        if self.named_faults.len() < self.faults_max {
            self.named_faults.push(fault);
        }
    }
}

/// Reads every record of every log and lists every file; at most `faults_max` faults are named. Holds the paths of all
/// files in memory.
///
/// # Errors
/// The store fails, or an object of a log cannot be read as a record.
pub async fn check(store: &dyn Store, faults_max: usize) -> Result<Check, Error> {
    let mut check = Check {
        faults_max,
        ..Check::default()
    };
    // The records before the files: whatever they name must be there by then. And the compactors' log before the
    // others: whatever it replaces is named by then.
    let mut names = Names::default();
    let mut logs = snapshot::logs(store).await?;
    let compact = format!("{COMMITS}{COMPACT_STREAM}/");
    logs.sort_by_key(|log| !log.starts_with(&compact));
    for folder in logs {
        log(store, &folder, &mut check, &mut names).await?;
    }
    let Names { files, replaced } = names;
    for path in replaced.iter().filter(|path| !files.contains_key(*path)) {
        check.fault(format!("{path} was replaced, and no record names it"));
    }
    let (gone, mut files): (HashMap<_, _>, HashMap<_, _>) = files
        .into_iter()
        .partition(|(path, _)| replaced.contains(path));
    check.replaced = gone.len() as u64;
    check.files = files.len() as u64;
    check.rows = files.values().map(|named| named.rows).sum();
    store::each(store, "", "", |object| match files.remove(&object.path) {
        Some(named) if named.bytes != object.bytes => check.fault(format!(
            "{} has {} bytes, its commit says {}",
            object.path, object.bytes, named.bytes
        )),
        None if is_data(&object.path) && !gone.contains_key(&object.path) => check.unnamed += 1,
        _ => {}
    })
    .await?;
    for path in files.into_keys() {
        check.fault(format!("{path} is committed, and is not there"));
    }
    Ok(check)
}

/// Checks one log, and collects the files that it names.
async fn log(
    store: &dyn Store,
    folder: &str,
    check: &mut Check,
    names: &mut Names,
) -> Result<(), Error> {
    let mut newest = 0;
    let mut there: u64 = 0;
    store::each(store, folder, "", |object| {
        let own = object.path.strip_prefix(folder);
        if own.is_some_and(|name| !name.contains('/'))
            && let Some(sequence) = sequence_of(&object.path)
        {
            there += 1;
            newest = newest.max(sequence);
        }
    })
    .await?;
    let mut tails: BTreeMap<Partition, Position> = BTreeMap::new();
    let mut records = stream::iter(1..=newest)
        .map(|sequence| async move {
            let path = record_path(folder, sequence);
            let read = read_json::<Record>(store, &path).await;
            (sequence, path, read)
        })
        .buffered(READS_AT_ONCE_MAX);
    while let Some((sequence, path, read)) = records.next().await {
        let Some(record) = read? else {
            check.fault(format!("{path} is missing, and the log goes on behind it"));
            continue;
        };
        if record.sequence != sequence {
            check.fault(format!(
                "{path} says that it is sequence {}",
                record.sequence
            ));
        }
        follows(check, &mut tails, &path, &record);
        names_of(check, names, &path, record);
    }
    let name = folder.strip_prefix(COMMITS).unwrap_or(folder);
    check
        .logs
        .push((name.trim_end_matches('/').to_owned(), there));
    Ok(())
}

/// Checks a record against the tails before it, and moves them on.
fn follows(
    check: &mut Check,
    tails: &mut BTreeMap<Partition, Position>,
    path: &str,
    record: &Record,
) {
    for range in &record.partitions {
        let tail = tails
            .insert(range.partition.clone(), range.ends.clone())
            .unwrap_or_else(Position::start);
        if tail != range.follows {
            check.fault(format!(
                "{path}: {} follows {} there, but its tail is {tail}",
                range.partition, range.follows
            ));
        }
    }
    let told = record.tails.iter();
    let told: BTreeMap<_, _> = told
        .map(|tail| (tail.partition.clone(), tail.ends.clone()))
        .collect();
    if told != *tails {
        check.fault(format!(
            "{path} tells other tails than the records up to it"
        ));
        // Once is enough: what comes behind follows what it says.
        *tails = told;
    }
}

/// Collects the files that a record names, and those that it replaces.
fn names_of(check: &mut Check, names: &mut Names, path: &str, record: Record) {
    for file in record.files {
        let named = Named {
            bytes: file.bytes,
            rows: file.rows,
        };
        if names.files.insert(file.path.clone(), named).is_some() {
            check.fault(format!(
                "{path} names {}, which is named already",
                file.path
            ));
        }
    }
    for replaced in record.replaces {
        if !names.replaced.insert(replaced.clone()) {
            check.fault(format!(
                "{path} replaces {replaced}, which was replaced already"
            ));
        }
    }
}

#[cfg(test)]
mod tests;
