//! Removes data files that do not count: those that no commit names, which crashed, beaten or given-up batches and
//! compactions left behind, and those that a compactor replaced; what loads into a warehouse have
//! left behind, and ids of landed events that no window needs any more.
//!
//! A file that no commit names is left alone until it is older than the grace period, and no sink or compactor commits a
//! file older than half of it (see `land`): what is removed here can never come to count. What was replaced is left alone
//! until it has been so for a period of its own: who read the log before may still want it.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    clock::Clock,
    commit::{self, Named},
    config::Config,
    metrics::Metrics,
    seen,
    store::{self, Object, PAGE_OBJECTS, Store},
};

/// What the names of a compactor's files begin with.
pub(crate) const COMPACTED: &str = "compact-";

/// Where a warehouse's loader puts what COPY reads: manifests, and copies of files that it would refuse.
pub(crate) const LOADS: &str = "_loads/";

/// Comes behind all paths that begin with `_` and that this program gives.
const BEHIND_RECORDS: &str = "_~";

/// What is old enough to be removed: what happened before these times, in ms since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cuts {
    /// When a sink's file was written that no commit names, by the store's clock. What a sink may still be about to commit
    /// must be younger.
    pub landed_ms: i64,
    /// The same for a compactor's files.
    pub compacted_ms: i64,
    /// When a compactor proposed to replace a file, by its clock.
    pub replaced_ms: i64,
}

impl Cuts {
    /// By the graces of the settings.
    pub fn of(config: &Config, now_ms: i64) -> Self {
        let ago = |ms| now_ms.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX));
        let compact = &config.compact;
        // A file counts until its compaction is committed, and that may be so long after it was proposed.
        let replaced_ms = compact
            .replaced_grace_ms
            .saturating_add(compact.deadline_ms.min(config.orphan_grace_ms / 2));
        Self {
            landed_ms: ago(config.orphan_grace_ms),
            compacted_ms: ago(config.orphan_grace_ms),
            replaced_ms: ago(replaced_ms),
        }
    }

    /// Whether the file is removed if no commit names it.
    fn orphan(&self, object: &Object) -> bool {
        let name = object.path.rsplit('/').next().unwrap_or_default();
        let cut_ms = match name.starts_with(COMPACTED) {
            true => self.compacted_ms,
            false => self.landed_ms,
        };
        object.written_ms < cut_ms
    }

    /// Whether the file may have been replaced before the cut: it was written before it was.
    fn replaceable(&self, object: &Object) -> bool {
        object.written_ms < self.replaced_ms
    }
}

/// Sweeps now and then, for good. Failures are logged: the next round tries again.
pub(crate) async fn run(
    store: &dyn Store,
    config: &Config,
    clock: &Clock,
    metrics: &Metrics,
) -> Infallible {
    loop {
        let now_ms = clock().div_euclid(1_000);
        match sweep(store, Cuts::of(config, now_ms)).await {
            Ok(0) => {}
            Ok(files) => {
                tracing::info!(
                    files,
                    "removed files that no commit names or that were replaced"
                );
                metrics.swept(files);
            }
            Err(error) => tracing::warn!(%error, "sweeping failed"),
        }
        sleep(Duration::from_millis(config.sweep_interval_ms)).await;
    }
}

/// Removes what is old enough and was never committed, and what compactors replaced long enough ago; returns how many
/// files.
///
/// # Errors
/// The store fails, or the commits cannot be read. Nothing that counts is ever removed.
pub async fn sweep(store: &dyn Store, cuts: Cuts) -> Result<u64, commit::Error> {
    let removed = sweep_files(store, &cuts).await?;
    let seen = seen::sweep(store, cuts.landed_ms).await?;
    Ok(removed + seen + sweep_loads(store, cuts.compacted_ms).await?)
}

async fn sweep_files(store: &dyn Store, cuts: &Cuts) -> Result<u64, commit::Error> {
    // What is partial cannot be committed: at worst a compactor uploads it again.
    let mut removed = store.sweep_partial(cuts.landed_ms).await?;
    let mut old = Old::list(store, cuts).await?;
    if old.hashes.is_empty() {
        return Ok(removed);
    }
    commit::each_named(store, &mut |named| match named {
        Named::Counts { file, .. } => old.mark(&file.path, Fate::Kept),
        Named::Replaced { path, at_ms } if at_ms >= cuts.replaced_ms => old.mark(path, Fate::Kept),
        Named::Replaced { path, .. } => old.mark(path, Fate::Gone),
        Named::Log { .. } => {}
    })
    .await?;
    if old.fates.iter().all(|fate| *fate == Fate::Kept) {
        return Ok(removed);
    }
    // They are listed once more for their paths, which are not kept. Only what was there before the commits were read is
    // removed: what was written since is not among the old ones, and a commit that was made since may name it.
    let mut pages = Pages::default();
    while let Some(page) = pages.next(store).await? {
        for object in page {
            let remove = match old.fate(&object.path) {
                Some(Fate::Unnamed) => cuts.orphan(&object),
                Some(Fate::Gone) => cuts.orphan(&object) || cuts.replaceable(&object),
                Some(Fate::Kept) | None => false,
            };
            if remove {
                store.delete(&object.path).await?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Removes what was written for loads before then. A load that is still to come writes it again; one takes no longer than a
/// grace.
async fn sweep_loads(store: &dyn Store, cut_ms: i64) -> Result<u64, store::Error> {
    let (mut removed, mut after) = (0, String::new());
    loop {
        let page = store.list(LOADS, &after, PAGE_OBJECTS).await?;
        for object in page.iter().filter(|object| object.written_ms < cut_ms) {
            store.delete(&object.path).await?;
            removed += 1;
        }
        match page.last() {
            Some(last) if page.len() == PAGE_OBJECTS => after.clone_from(&last.path),
            _ => return Ok(removed),
        }
    }
}

/// What becomes of a file, by the commits. The later of two counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Unnamed,
    Gone,
    Kept,
}

/// The files that are old enough, by the hashes of their paths, in order: to bound the memory, for most of them count.
/// Should two be equal, both stay if one does, which does no harm.
struct Old {
    hashes: Vec<u64>,
    /// Of each; apart, as together they would take twice as much.
    fates: Vec<Fate>,
}

impl Old {
    /// They are listed before the commits are read: one that is committed in between is seen as such.
    async fn list(store: &dyn Store, cuts: &Cuts) -> Result<Self, store::Error> {
        let mut hashes = Vec::new();
        let mut pages = Pages::default();
        while let Some(page) = pages.next(store).await? {
            let old = page
                .iter()
                .filter(|object| cuts.orphan(object) || cuts.replaceable(object));
            hashes.extend(old.map(|object| hash(&object.path)));
        }
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Self {
            fates: vec![Fate::Unnamed; hashes.len()],
            hashes,
        })
    }

    fn mark(&mut self, path: &str, fate: Fate) {
        let found = self.find(path);
        if let Some(known) = found.and_then(|at| self.fates.get_mut(at)) {
            *known = fate.max(*known);
        }
    }

    fn fate(&self, path: &str) -> Option<Fate> {
        self.fates.get(self.find(path)?).copied()
    }

    fn find(&self, path: &str) -> Option<usize> {
        self.hashes.binary_search(&hash(path)).ok()
    }
}

/// The data files of a store, page by page, without a listing of its commit logs.
#[derive(Default)]
struct Pages {
    after: String,
    ended: bool,
}

impl Pages {
    async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<Object>>, store::Error> {
        if self.ended {
            return Ok(None);
        }
        let mut page = store.list("", &self.after, PAGE_OBJECTS).await?;
        self.ended = page.len() < PAGE_OBJECTS;
        if let Some(last) = page.last() {
            self.after.clone_from(&last.path);
        }
        if self.after.starts_with('_') && self.after.as_str() < BEHIND_RECORDS {
            BEHIND_RECORDS.clone_into(&mut self.after);
        }
        page.retain(|object| is_data(&object.path));
        Ok(Some(page))
    }
}

/// Whether the path is one that this sink gives to data files: but for what loads have left, nothing else is ever removed.
pub(crate) fn is_data(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts.as_slice(), [table, day, hour, file]
        if !table.starts_with('_') && day.starts_with("dt=") && hour.starts_with("hr=") && file.ends_with(".parquet"))
}

fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
