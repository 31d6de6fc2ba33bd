//! Proves at start that a store keeps the promises that the commit log rests on, and refuses one that does not.
//!
//! Some servers that speak S3 ignore `If-None-Match`, or check it and then write in two steps, so that two sinks can
//! both believe that they won a place in the log. Nothing they say of themselves tells which they are; racing does.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::future::join_all;

use super::{Error as StoreError, Store};

/// Where the probe's objects are. They are removed again; what a killed probe leaves is removed by a later one.
pub(crate) const FOLDER: &str = "_probe/";

/// A probe that was killed has left its objects behind if they are this old, in ms.
const STALE_MS: i64 = 3_600_000;

/// How many stale objects one probe removes.
const STALE_OBJECTS_MAX: usize = 1_000;

/// How a store is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// How many creates of one object race in each round.
    pub creates: usize,
    /// How many rounds there are. A store that looks and writes in two steps is found in any of them with a chance of
    /// about one half.
    pub rounds: usize,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            creates: 16,
            rounds: 12,
        }
    }
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or not be written, read, listed or deleted from.
    #[error("the store cannot be tried out: {0}")]
    Store(#[from] StoreError),
    /// It breaks its contract: exactly once cannot be had on it.
    #[error(
        "the store is unfit for the commit log: {did}. Headgate lands events exactly once by creating each commit \
         record only where there is none, so it needs a store that honours `If-None-Match: *` atomically and reads \
         and lists what it has just written (Amazon S3, SeaweedFS and Ceph RGW do)"
    )]
    Unfit {
        /// What the store did.
        did: String,
    },
}

impl Probe {
    /// Tries the store, under `_probe/`: with the defaults, some 240 small requests.
    ///
    /// # Errors
    /// [`Error::Unfit`] when the store breaks its contract, [`Error::Store`] when that cannot be told.
    pub async fn run(&self, store: &dyn Store, now_ms: i64) -> Result<(), Error> {
        let folder = format!("{FOLDER}{}/", uuid::Uuid::now_v7().simple());
        let mut outcome = Ok(());
        for round in 0..self.rounds {
            outcome = self.round(store, &folder, round).await;
            if outcome.is_err() {
                break;
            }
        }
        for round in 0..self.rounds {
            // Best effort, and the verdict matters more.
            if let Err(error) = store.delete(&object(&folder, round)).await {
                tracing::warn!(%error, "cannot remove an object of the store's probe");
            }
        }
        outcome?;
        sweep(store, now_ms).await?;
        Ok(())
    }

    async fn round(&self, store: &dyn Store, folder: &str, round: usize) -> Result<(), Error> {
        let path = object(folder, round);
        let bytes = |n: usize| Bytes::from(format!("{folder}{round}-{n}"));
        let racing = (0..self.creates).map(|n| store.create(&path, bytes(n)));
        let results = join_all(racing).await;
        // Before the object is read: where several have won, it may be a mixture that cannot be.
        at_most_one(&results)?;
        let stored = match store.read(&path).await {
            Err(StoreError::NotFound { .. }) if results.iter().any(Result::is_ok) => {
                return Err(unfit("it did not find an object that it had just created"));
            }
            read => read?,
        };
        judge(&results, |n| bytes(n) == stored)?;
        match store.create(&path, bytes(self.creates)).await {
            Err(StoreError::AlreadyExists { .. }) => {}
            Ok(()) => {
                return Err(unfit("it created an object where there was one already"));
            }
            Err(error) => return Err(error.into()),
        }
        if store.read(&path).await? != stored {
            return Err(unfit(
                "it replaced an object's bytes by a create that it refused",
            ));
        }
        let listed = store.list(folder, "", self.rounds + 1).await?;
        let listed: BTreeSet<String> = listed.into_iter().map(|found| found.path).collect();
        let expected = (0..=round).map(|round| object(folder, round)).collect();
        if listed != expected {
            return Err(unfit(format!(
                "a listing had {listed:?} when {expected:?} had been created"
            )));
        }
        Ok(())
    }
}

/// Of creates that race, one wins at most.
fn at_most_one(results: &[Result<(), StoreError>]) -> Result<(), Error> {
    match results.iter().filter(|result| result.is_ok()).count() {
        0 | 1 => Ok(()),
        won => Err(unfit(format!(
            "{won} of {} creates of one object at once succeeded",
            results.len()
        ))),
    }
}

/// Exactly one create of a race has won, and it is the one whose bytes are there.
fn judge(results: &[Result<(), StoreError>], stored: impl Fn(usize) -> bool) -> Result<(), Error> {
    let won: Vec<usize> = (0..results.len()).filter(|n| results[*n].is_ok()).collect();
    if won.iter().any(|n| !stored(*n)) {
        return Err(unfit(
            "the bytes of a create that it had refused are in an object whose create had succeeded",
        ));
    }
    let unclear =
        |result: &&Result<(), StoreError>| matches!(result, Err(StoreError::Failed { .. }));
    match (won.len(), results.iter().find(unclear)) {
        (0, Some(Err(error))) => Err(error.clone().into()),
        // A winner whose reply was lost hears on its next try that the object exists.
        (0, None) if (0..results.len()).any(&stored) => Ok(()),
        (0, _) => Err(unfit(
            "it refused every create of an object that did not exist",
        )),
        _ => Ok(()),
    }
}

fn unfit(did: impl Into<String>) -> Error {
    Error::Unfit { did: did.into() }
}

fn object(folder: &str, round: usize) -> String {
    format!("{folder}{round:03}.txt")
}

async fn sweep(store: &dyn Store, now_ms: i64) -> Result<(), StoreError> {
    for stale in store.list(FOLDER, "", STALE_OBJECTS_MAX).await? {
        if stale.written_ms < now_ms.saturating_sub(STALE_MS) {
            store.delete(&stale.path).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
