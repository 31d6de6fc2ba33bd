//! Removes data files that no commit names: what crashed, beaten or given-up batches left behind.
//!
//! A file is left alone until it is older than the grace period, and no sink commits a file older than half of it
//! (see `land`): what is removed here can never come to count.

use std::{
    collections::HashSet,
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    clock::Clock,
    commit,
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
        let grace_ms = i64::try_from(config.orphan_grace_ms).unwrap_or(i64::MAX);
        match sweep(store, now_ms.saturating_sub(grace_ms)).await {
            Ok(0) => {}
            Ok(files) => {
                tracing::info!(files, "removed files that no commit names");
                metrics.swept(files);
            }
            Err(error) => tracing::warn!(%error, "sweeping failed"),
        }
        sleep(Duration::from_millis(config.sweep_interval_ms)).await;
    }
}

/// Removes what was written before `before_ms` and never committed; returns how many files.
pub(crate) async fn sweep(store: &dyn Store, before_ms: i64) -> Result<u64, commit::Error> {
    let mut removed = store.sweep_partial(before_ms).await?;
    // The files are listed before the commits are read: one that is committed in between is seen as such.
    let mut old = Vec::new();
    store::each(store, "", "", |object| {
        if object.written_ms < before_ms && is_data(&object.path) {
            old.push(object.path);
        }
    })
    .await?;
    if old.is_empty() {
        return Ok(removed);
    }
    // Hashes, to bound the memory: should two be equal, an orphan stays, which does no harm.
    let mut committed = HashSet::new();
    commit::each_file(store, |_, file| {
        committed.insert(hash(&file.path));
    })
    .await?;
    for path in old.iter().filter(|path| !committed.contains(&hash(path))) {
        store.delete(path).await?;
        removed += 1;
    }
    Ok(removed)
}

/// Whether the path is one that this sink gives to data files: nothing else is ever removed.
fn is_data(path: &str) -> bool {
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
