//! One set of files: put together, uploaded, and committed in place of what it was.

use std::time::Duration;

use headgate_stream::log::{Partition, Position};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Compactor,
    plan::Set,
    rewrite::{self, Rewriter, Written},
};
use crate::{
    commit::{self, File, Log, Outcome, Proposal, Range},
    retry::PAUSE_MIN,
    store,
    sweep::COMPACTED,
};

/// What came of one set of files.
pub(super) enum Done {
    Compacted(Vec<File>),
    Beaten,
}

/// Why one set of files is left as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Commit(#[from] commit::Error),
    #[error(transparent)]
    Rewrite(#[from] rewrite::Error),
    #[error(
        "{path} has {found_bytes} bytes where {bytes} were written: something else writes below this store's tables"
    )]
    Foreign {
        path: String,
        bytes: u64,
        found_bytes: u64,
    },
    #[error("it took longer than sink.compact.deadline_ms")]
    Late,
    /// A defect: no input leads here.
    #[error("putting the files together broke off: {0}")]
    Panicked(String),
    #[error("the order to stop came")]
    Stopped,
}

impl Compactor {
    /// Replaces the files of the set, if the table is where it was when they were picked.
    pub(super) async fn step(
        &self,
        log: &mut Log,
        set: &Set,
        follows: &Position,
        shutdown: &CancellationToken,
    ) -> Result<Done, Trouble> {
        let begun = Instant::now();
        let attempt = uuid::Uuid::now_v7().simple().to_string();
        let work = self.files(set, &attempt);
        let files = tokio::select! {
            biased;
            files = work => files?,
            () = shutdown.cancelled() => return Err(Trouble::Stopped),
        };
        let proposal = Proposal {
            attempt,
            committed_ms: (self.parts.clock)().div_euclid(1_000),
            ranges: vec![Range {
                partition: Partition::new(&set.table),
                ends: next(follows),
                follows: follows.clone(),
            }],
            gaps: Vec::new(),
            duplicates: Vec::new(),
            seen: Vec::new(),
            replaces: set.files.iter().map(|file| file.path.clone()).collect(),
            files,
        };
        // Older files might be swept before they count: see `sweep`.
        let age_max = Duration::from_millis(self.config.orphan_grace_ms / 2);
        let left = age_max.saturating_sub(begun.elapsed());
        let put = self.commit(log, &proposal);
        match timeout(left, put).await {
            Ok(Ok(Outcome::Committed(_))) => Ok(Done::Compacted(proposal.files)),
            Ok(Ok(Outcome::Conflict)) => {
                self.drop_files(&proposal.files).await;
                Ok(Done::Beaten)
            }
            Ok(Err(error)) => Err(error.into()),
            // Whether it is in the log is not known: the files stay, and are swept if it is not.
            Err(_) => Err(Trouble::Late),
        }
    }

    async fn commit(&self, log: &mut Log, proposal: &Proposal) -> Result<Outcome, commit::Error> {
        let mut pause = PAUSE_MIN;
        loop {
            match self.retry.bounded("commit", log.put(proposal, || {})).await {
                Err(error) if error.transient() => {
                    pause = self.retry.wait("commit", &error, pause).await;
                }
                Ok(outcome) => {
                    log.checkpoint().await?;
                    return Ok(outcome);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts the files together and uploads what they come to.
    async fn files(&self, set: &Set, attempt: &str) -> Result<Vec<File>, Trouble> {
        let mut rewriter = Rewriter::new(&self.config, set.rows(), set.bytes())?;
        for file in &set.files {
            let read = || self.parts.store.read(&file.path);
            let bytes = self.retry.until("read", transient, read).await?;
            let file = file.clone();
            rewriter = blocking(move || rewriter.add(&file, bytes).map(|()| rewriter)).await??;
        }
        let written = blocking(move || rewriter.finish()).await??;
        let mut files = Vec::new();
        for (part, written) in written.into_iter().enumerate() {
            let path = format!(
                "{}/{COMPACTED}{attempt}-00000-{}-{part}.parquet",
                set.folder, set.fingerprint
            );
            files.push(self.upload(set, path, written).await?);
        }
        Ok(files)
    }

    async fn upload(&self, set: &Set, path: String, written: Written) -> Result<File, Trouble> {
        let Written { bytes, rows } = written;
        let size = bytes.len() as u64;
        let create = || async {
            match self.parts.store.create(&path, bytes.clone()).await {
                Ok(()) => Ok(size),
                // Its name is this attempt's alone: an earlier try made it.
                Err(store::Error::AlreadyExists { .. }) => {
                    self.parts.store.head(&path).await.map(|found| found.bytes)
                }
                Err(error) => Err(error),
            }
        };
        let found_bytes = self.retry.until("upload", transient, create).await?;
        if found_bytes != size {
            return Err(Trouble::Foreign {
                path,
                bytes: size,
                found_bytes,
            });
        }
        let oldest = set.files.iter().map(|file| file.received_min_ms).min();
        let longest = set.files.iter().map(|file| file.text_bytes_max);
        let newest = set.files.iter().map(|file| file.received_max_ms).max();
        Ok(File {
            table: set.table.clone(),
            bytes: size,
            rows,
            crc32c: crc32c::crc32c(&bytes),
            fingerprint: set.fingerprint.clone(),
            received_min_ms: oldest.unwrap_or_default(),
            received_max_ms: newest.unwrap_or_default(),
            // Where it is not known of one, it is not known of all.
            text_bytes_max: longest.reduce(|a, b| Some(a?.max(b?))).flatten(),
            second_rows: 0,
            path,
        })
    }

    /// Best effort: what stays is swept later.
    async fn drop_files(&self, files: &[File]) {
        for file in files {
            if let Err(error) = self.parts.store.delete(&file.path).await {
                tracing::warn!(%error, "cannot remove a file of a beaten compaction; it will be swept");
            }
        }
    }
}

/// A file that is not there stays away: it was swept, for another compactor replaced it long ago.
fn transient(error: &store::Error) -> bool {
    matches!(error, store::Error::Failed { .. })
}

/// The table's position after one more compaction.
pub(super) fn next(position: &Position) -> Position {
    let times: u64 = position.as_str().parse().unwrap_or(0);
    Position::from_number(times + 1)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Trouble> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| match error.is_panic() {
        true => Trouble::Panicked(error.to_string()),
        // The runtime ends.
        false => Trouble::Stopped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure_and_no_order_to_stop() {
        let trouble = blocking::<()>(|| panic!("a defect")).await.unwrap_err();
        assert!(matches!(trouble, Trouble::Panicked(_)), "{trouble}");
        assert!(trouble.to_string().contains("a defect"), "{trouble}");
    }
}
