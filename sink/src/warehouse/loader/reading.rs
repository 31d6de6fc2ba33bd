//! What the commit logs tell, taken in.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Running;
use crate::commit::{self, follow};

/// So many commits are taken in before the next look at what is due.
pub(super) const COMMITS_AT_ONCE: u64 = 1_024;

/// How often it is looked for new streams.
const STREAMS_INTERVAL: Duration = Duration::from_secs(30);

/// What ails a loader that cannot read the commit logs.
const LOGS_FAIL: &str = "the commit logs cannot be read";

/// The logs, as they are found.
#[derive(Debug, Default)]
pub(super) struct Streams {
    names: Vec<String>,
    read: Option<Instant>,
    /// Each log is read up to there; `None`: as far as it goes.
    ends: Option<BTreeMap<String, u64>>,
}

impl Running {
    /// Takes in what was committed since the last look.
    pub(super) async fn follow(&mut self) {
        match self.read().await {
            Ok(_) => self.health.end(LOGS_FAIL),
            Err(error) => {
                self.health.begin(LOGS_FAIL);
                tracing::error!(%error, "cannot read the commit logs; trying again");
            }
        }
    }

    /// From now on the logs are read as far as they go now, and no further.
    pub(super) async fn end_here(&mut self) -> Result<(), commit::Error> {
        let store = &*self.worker.store;
        let mut ends = BTreeMap::new();
        for log in follow::streams(store).await? {
            let newest = follow::newest(store, &log).await?;
            ends.insert(log, newest);
        }
        self.streams.ends = Some(ends);
        Ok(())
    }

    /// Takes in what was committed since; whether there may be more.
    pub(super) async fn read(&mut self) -> Result<bool, commit::Error> {
        let store = Arc::clone(&self.worker.store);
        let stale = |read: Instant| read.elapsed() >= STREAMS_INTERVAL;
        if self.streams.read.is_none_or(stale) {
            self.streams.names = follow::streams(&*store).await?;
            self.streams.read = Some(Instant::now());
        }
        let config = Arc::clone(&self.worker.config);
        let (mut more, mut failed) = (false, None);
        for log in &self.streams.names {
            let after = self.lanes.read(log);
            let ends = self.streams.ends.as_ref();
            let ends = ends.map_or(u64::MAX, |ends| ends.get(log).copied().unwrap_or(0));
            let most = COMMITS_AT_ONCE.min(ends.saturating_sub(after));
            if most == 0 {
                continue;
            }
            // One log that cannot be read keeps no other from being followed.
            let commits = match follow::behind(&*store, log, after, most).await {
                Ok(commits) => commits,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            more |= !commits.is_empty();
            for commit in commits {
                self.lanes.add(log, commit, |table| config.loads(table));
            }
            self.lanes.shed(config.files_waiting_max);
        }
        self.recall().await?;
        failed.map_or(Ok(more), Err)
    }

    /// Reads again what there was no room for.
    async fn recall(&mut self) -> Result<(), commit::Error> {
        let worker = Arc::clone(&self.worker);
        for (key, after) in self.lanes.forgotten(worker.config.load_files_max) {
            let most = COMMITS_AT_ONCE.min(self.lanes.read(&key.log).saturating_sub(after));
            let commits = follow::behind(&*worker.store, &key.log, after, most).await?;
            self.lanes.recall(&key, commits);
            self.lanes.shed(worker.config.files_waiting_max);
        }
        Ok(())
    }
}
