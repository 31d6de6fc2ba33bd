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
use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};

use crate::{
    batch::Batch,
    clock::Clock,
    commit::{self, File, Log, Outcome, Proposal},
    config::Config,
    health::Health,
    metrics::Metrics,
    retry::{PAUSE_MIN, Retry},
    route::Tables,
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
        let files = self.files(batch, &attempt).await?;
        self.metrics.encoded(begun.elapsed());
        let proposal = Proposal {
            attempt,
            committed_ms: (self.clock)().div_euclid(1_000),
            ranges: batch.ranges(),
            files,
            gaps: batch.gaps().to_vec(),
            replaces: Vec::new(),
        };
        let deadline = begun + Duration::from_millis(self.config.orphan_grace_ms / 2);
        let Some(outcome) = self.commit(&proposal, deadline).await? else {
            return Ok(None);
        };
        match outcome {
            Outcome::Committed(sequence) => {
                proposal.files.iter().for_each(|f| self.metrics.file(f));
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
                self.drop_files(&proposal.files).await;
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
    async fn drop_files(&self, files: &[File]) {
        for file in files {
            if let Err(error) = self.store.delete(&file.path).await {
                tracing::warn!(%error, "cannot remove a file of a lost batch; it will be swept");
            }
        }
    }
}
