//! Removes data files that do not count: those that no commit names, which crashed, beaten or given-up batches and
//! compactions left behind, and those that a compactor replaced.
//!
//! A file that no commit names is left alone until it is older than the grace period, and no sink or compactor commits a
//! file older than half of it (see `land`): what is removed here can never come to count. What was replaced is left alone
//! until it has been so for a period of its own: who read the log before may still want it.

use std::{
    collections::HashSet,
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
    store::{self, Store},
};

/// Sweeps now and then, for good. Failures are logged: the next round tries again.
pub(crate) async fn run(
    store: &dyn Store,
    config: &Config,
    clock: &Clock,
    metrics: &Metrics,
) -> Infallible {
    loop {
        let now_ms = clock().div_euclid(1_000);
        let ago = |grace_ms| now_ms.saturating_sub(i64::try_from(grace_ms).unwrap_or(i64::MAX));
        let replaced_ms = ago(config.compact.replaced_grace_ms);
        match sweep(store, ago(config.orphan_grace_ms), replaced_ms).await {
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

/// Removes what was written before `before_ms`, by the store's clock, and never committed, and what compactors replaced
/// before `replaced_ms`, by theirs; returns how many files. What a sink may still be about to commit must be younger.
///
/// # Errors
/// The store fails, or the commits cannot be read. Nothing that counts is ever removed.
pub async fn sweep(
    store: &dyn Store,
    before_ms: i64,
    replaced_ms: i64,
) -> Result<u64, commit::Error> {
    let mut removed = store.sweep_partial(before_ms).await?;
    // The files are listed before the commits are read: one that is committed in between is seen as such.
    let mut old = Vec::new();
    store::each(store, "", "", |object| {
        if object.written_ms < before_ms.max(replaced_ms) && is_data(&object.path) {
            old.push(object);
        }
    })
    .await?;
    if old.is_empty() {
        return Ok(removed);
    }
    // Hashes, to bound the memory: should two be equal, a file stays, which does no harm.
    let (mut kept, mut gone) = (HashSet::new(), HashSet::new());
    commit::each_named(store, &mut |named| match named {
        Named::Counts { file, .. } => drop(kept.insert(hash(&file.path))),
        Named::Replaced { path, at_ms } if at_ms >= replaced_ms => drop(kept.insert(hash(path))),
        Named::Replaced { path, .. } => drop(gone.insert(hash(path))),
    })
    .await?;
    for object in old {
        let path = hash(&object.path);
        let orphan = object.written_ms < before_ms;
        if !kept.contains(&path) && (orphan || gone.contains(&path)) {
            store.delete(&object.path).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether the path is one that this sink gives to data files: nothing else is ever removed.
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
