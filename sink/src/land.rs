//! One batch's way into the tables: route, decode, encode, upload, commit.
//!
//! Decoding and encoding run on blocking threads, a file at a time on each; files are uploaded as they are ready and
//! their memory is released. Nothing of a batch counts before its commit record is in the log, and everything does
//! then.

mod files;
mod quarantine;

pub(crate) use self::files::EncodeError;
#[cfg(any(test, feature = "testing"))]
pub(crate) use self::files::encode;

use std::{sync::Arc, time::Duration};

use headgate_schemas::registry::SharedRegistry;
use headgate_stream::log::Partition;
use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};

use crate::{
    batch::Batch,
    clock::Clock,
    commit::{self, Log, Outcome, Proposal},
    config::Config,
    health::Health,
    metrics::Metrics,
    retry::{PAUSE_MIN, Retry},
    route::Tables,
    seen::{self, Seen},
    sink::Error,
    store::Store,
    table::Generation,
};

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landed {
    /// Its rows are in the tables.
    Committed,
    /// Another sink landed some of its partitions. The batch is dropped; the log says where to go on.
    Lost,
}

/// What landing needs, for all batches of one stream.
pub(crate) struct Lander {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) schemas: Arc<SharedRegistry>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) retry: Retry,
    pub(crate) health: Health,
    /// Bounds the threads that encode.
    pub(crate) encode: Arc<Semaphore>,
    pub(crate) stream: String,
    pub(crate) log: Arc<Mutex<Log>>,
    pub(crate) generation: Option<Generation>,
    pub(crate) tables: std::sync::Mutex<Option<Arc<Tables>>>,
    /// What landed lately; `None`: duplicates land. Locked for moments, and by nobody else while a batch is routed.
    pub(crate) seen: Option<Arc<std::sync::Mutex<Seen>>>,
}

impl Lander {
    /// Lands the batch, however long the store takes to be well again.
    ///
    /// Files without a commit are swept after a grace period, so an attempt that has grown old must not commit
    /// them any more: it is given up, and the batch is encoded again under a new name.
    pub(crate) async fn land(self: Arc<Self>, batch: Arc<Batch>) -> Result<Landed, Error> {
        loop {
            if let Some(landed) = self.attempt(&batch).await? {
                return Ok(landed);
            }
            tracing::warn!("files of a batch grew too old before their commit; encoding it again");
        }
    }

    async fn attempt(self: &Arc<Self>, batch: &Arc<Batch>) -> Result<Option<Landed>, Error> {
        let begun = Instant::now();
        let attempt = uuid::Uuid::now_v7().simple().to_string();
        // What an earlier attempt took is not landed.
        self.with_seen(Seen::undo).await?;
        let made = self.files(batch, &attempt).await?;
        self.metrics.encoded(begun.elapsed());
        let proposal = Proposal {
            attempt,
            committed_ms: (self.clock)().div_euclid(1_000),
            ranges: batch.ranges(),
            files: made.files,
            gaps: batch.gaps().to_vec(),
            replaces: Vec::new(),
            duplicates: made.duplicates,
            seen: made.seen,
        };
        let deadline = begun + Duration::from_millis(self.config.orphan_grace_ms / 2);
        let Some(outcome) = self.commit(&proposal, deadline).await? else {
            return Ok(None);
        };
        match outcome {
            Outcome::Committed(sequence) => {
                proposal.files.iter().for_each(|f| self.metrics.file(f));
                for again in &proposal.duplicates {
                    self.metrics.duplicates(&again.table, again.events);
                }
                let now_ms = (self.clock)().div_euclid(1_000);
                let name = proposal.attempt.clone();
                self.with_seen(move |seen| seen.landed(&name, now_ms))
                    .await?;
                self.metrics.committed(begun.elapsed());
                tracing::debug!(
                    sequence,
                    rows = batch.rows(),
                    files = proposal.files.len(),
                    "batch committed"
                );
                Ok(Some(Landed::Committed))
            }
            Outcome::Conflict => {
                self.metrics.conflict_lost();
                self.with_seen(Seen::undo).await?;
                self.drop_files(&proposal).await;
                Ok(Some(Landed::Lost))
            }
        }
    }

    /// Puts the record; `None` when the deadline has passed before it was known to be in the log.
    ///
    /// If such a record turns up in the log after all, the next attempt meets it there, counts as lost, and reading
    /// goes on behind it.
    async fn commit(
        &self,
        proposal: &Proposal,
        deadline: Instant,
    ) -> Result<Option<Outcome>, Error> {
        let mut log = self.log.lock().await;
        let mut pause = PAUSE_MIN;
        while Instant::now() < deadline {
            let taken = || self.metrics.conflict_appended();
            let put = log.put(proposal, taken);
            let error = match self.retry.bounded("commit", put).await {
                Ok(outcome) => {
                    self.checkpoint(&mut log).await?;
                    return Ok(Some(outcome));
                }
                Err(error @ commit::Error::Broken { .. }) => return Err(error.into()),
                Err(error) => error,
            };
            pause = self.retry.wait("commit", &error, pause).await;
        }
        Ok(None)
    }

    /// Best effort where the store fails; that the log is found broken ends the sink.
    async fn checkpoint(&self, log: &mut Log) -> Result<(), Error> {
        match self
            .retry
            .bounded("write a checkpoint", log.checkpoint())
            .await
        {
            Err(error) if error.transient() => {
                tracing::warn!(%error, "no checkpoint of the commit log written");
                Ok(())
            }
            written => Ok(written?),
        }
    }

    /// Forgets what landed of these partitions lately, and reads what is kept of those that are read from now on.
    pub(crate) async fn recall(
        &self,
        gone: &[Partition],
        newest: Vec<(Partition, Option<String>)>,
    ) -> Result<(), Error> {
        let Some(seen) = &self.seen else {
            return Ok(());
        };
        let (folder, events_max) = {
            let mut seen = locked(seen);
            let again = newest.iter().map(|(partition, _)| partition);
            again
                .chain(gone)
                .for_each(|partition| seen.forget(partition));
            (seen.folder().to_owned(), seen.events_max())
        };
        let named = |(partition, name): (Partition, Option<String>)| Some((partition, name?));
        let newest: Vec<_> = newest.into_iter().filter_map(named).collect();
        let mut loaded = Vec::new();
        if !newest.is_empty() {
            let unread = |name: &str, reason: &str| {
                tracing::error!(
                    name,
                    reason,
                    "ids of landed events cannot be read: if those come again they land again"
                );
                self.metrics.dedup_unread();
            };
            let with = (&*self.store, &self.retry);
            loaded = seen::load(with, &folder, &newest, events_max, unread).await;
        }
        self.with_seen(|seen| loaded.into_iter().for_each(|loaded| seen.restore(loaded)))
            .await
    }

    /// Does something with what landed lately, and tells how much that is now. Apart from the runtime's threads: a batch's
    /// ids take a while.
    async fn with_seen(&self, act: impl FnOnce(&mut Seen) + Send + 'static) -> Result<(), Error> {
        let Some(seen) = self.seen.clone() else {
            return Ok(());
        };
        let extent = files::blocking(move || {
            let mut seen = locked(&seen);
            act(&mut seen);
            seen.extent()
        });
        self.metrics.dedup(&self.stream, &extent.await?);
        Ok(())
    }

    /// The tables of the schemas in force.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        let registry = self.schemas.load();
        let mut kept = self
            .tables
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*kept {
            Some(tables) if tables.are_of(&registry) => Arc::clone(tables),
            _ => Arc::clone(kept.insert(Arc::new(Tables::of(registry, self.generation.as_ref())))),
        }
    }

    /// Best effort: what stays is swept later.
    async fn drop_files(&self, proposal: &Proposal) {
        let mut paths: Vec<_> = proposal.files.iter().map(|f| f.path.clone()).collect();
        if let Some(seen) = self.seen.as_ref().filter(|_| !proposal.seen.is_empty()) {
            paths.push(locked(seen).path(&proposal.attempt));
        }
        for path in paths {
            if let Err(error) = self.store.delete(&path).await {
                tracing::warn!(%error, "cannot remove a file of a lost batch; it will be swept");
            }
        }
    }
}

/// Whoever panicked with the lock left a batch that is undone before the next one.
fn locked(seen: &std::sync::Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
