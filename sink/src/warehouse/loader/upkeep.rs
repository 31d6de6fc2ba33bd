//! What is seen to beside the loads: watermarks, rows that are too old, views and grants. One statement of it that takes long
//! keeps no load waiting, but for the lock of its own table.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Running;
use crate::warehouse::{ledger, load::Worker, prepare};

/// How often rows that are too old are removed.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(3_600);

/// The ledger's watermark moves on by so many commits at once: a start reads no more than that again.
const WATERMARK_COMMITS: u64 = 256;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The watermarks that the ledger has now: the log, and up to where.
    marked: Vec<(String, u64)>,
    /// Tables whose readers are to be told later.
    later: Vec<String>,
}

impl Running {
    /// Has what is due seen to, unless the last time is still under way.
    pub(super) fn see_to_tables(&mut self) {
        while let Some(ended) = self.upkeep.try_join_next() {
            let Seen { marked, later } = ended.unwrap_or_default();
            for (log, ends) in marked {
                self.lanes.marked(&log, ends);
            }
            if !later.is_empty() {
                let pause = Duration::from_millis(self.worker.config.retry_pause_max_ms);
                self.tell_later = Some((Instant::now() + pause, later));
            }
        }
        if let Some((_, tables)) = self.tell_later.take_if(|(when, _)| *when <= Instant::now()) {
            tables
                .iter()
                .for_each(|table| self.worker.has_changed(table));
        }
        let due = |last: Instant| last.elapsed() >= EXPIRE_INTERVAL;
        let expire = self.expired.is_none_or(due);
        let marks = self.lanes.watermarks(WATERMARK_COMMITS);
        let idle = !expire && marks.is_empty() && !self.worker.readers_wait();
        if idle || !self.upkeep.is_empty() {
            return;
        }
        if expire {
            self.expired = Some(Instant::now());
        }
        let worker = Arc::clone(&self.worker);
        self.upkeep.spawn(async move {
            let marked = worker.mark(marks).await;
            let later = worker.tell_readers().await;
            if expire {
                worker.expire_rows().await;
            }
            Seen { marked, later }
        });
    }

    /// Sees to what a loader that ends now leaves behind.
    pub(super) async fn finish(&mut self) {
        drop(self.worker.tell_readers().await);
        let marked = self.worker.mark(self.lanes.watermarks(1)).await;
        for (log, ends) in marked {
            self.lanes.marked(&log, ends);
        }
    }
}

impl Worker {
    /// Moves the ledger's watermarks on; those that it has then.
    async fn mark(&self, marks: Vec<(String, u64)>) -> Vec<(String, u64)> {
        let mut marked = Vec::new();
        for (log, ends) in marks {
            let statements = ledger::watermark(&self.names, &log, ends, &self.loader);
            match self
                .session
                .transaction(&prepare::token(), &statements)
                .await
            {
                Ok(_) => marked.push((log, ends)),
                Err(error) => {
                    tracing::warn!(%error, log, "cannot note how far the log is loaded; later");
                }
            }
        }
        marked
    }
}
