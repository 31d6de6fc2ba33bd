//! Removes objects of ids that no window needs any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{SEEN, object};
use crate::{
    commit,
    store::{self, Object, PAGE_OBJECTS, Store},
};

/// Removes what was written before `cut_ms`, by the store's clock, and belongs to no partition's window; returns how many
/// objects. What was written since may be what a sink is about to commit.
///
/// # Errors
/// The store fails, or a commit log cannot be read. Nothing that is needed is ever removed.
pub(crate) async fn sweep(store: &dyn Store, cut_ms: i64) -> Result<u64, commit::Error> {
    // Listed before the commits are read: an object that a later commit needs is younger, or needed by these as well.
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = store.list(SEEN, &after, PAGE_OBJECTS).await?;
        for Object { path, .. } in page.iter().filter(|object| object.written_ms < cut_ms) {
            if let Some((folder, name)) = path.rsplit_once('/') {
                let of = folders.entry(folder.to_owned()).or_default();
                of.push(name.to_owned());
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE_OBJECTS => after.clone_from(&last.path),
            _ => break,
        }
    }
    let mut removed = 0;
    for (folder, names) in folders {
        let Some(needed) = needed(store, &folder).await? else {
            tracing::warn!(
                folder,
                "ids of landed events cannot be read; none is removed"
            );
            continue;
        };
        for name in names.iter().filter(|name| !needed.contains(*name)) {
            store.delete(&format!("{folder}/{name}")).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The names of a stream's objects that windows need; `None`: that cannot be told.
async fn needed(
    store: &dyn Store,
    folder: &str,
) -> Result<Option<BTreeSet<String>>, commit::Error> {
    let stream = folder.strip_prefix(SEEN).unwrap_or(folder);
    let newest: BTreeSet<String> = commit::seen(store, stream).await?;
    let mut needed = BTreeSet::new();
    for name in newest {
        let bytes = match store.read(&format!("{folder}/{name}")).await {
            Err(store::Error::NotFound { .. }) => return Ok(None),
            read => read?,
        };
        let Ok(object) = object::read(&bytes) else {
            return Ok(None);
        };
        let sections = object.header.partitions.iter();
        needed.extend(sections.flat_map(|section| section.older().map(|kept| kept.name)));
        needed.insert(name);
    }
    Ok(Some(needed))
}
