//! What appends and the forwarder share: the primary, the journal, and what is known of both.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{Notify, watch};

use super::{
    backlog::Backlog,
    breaker::Breaker,
    config::Config,
    doubts::Doubts,
    entry::Entry,
    metrics::Metrics,
    primary::{Digest, Primary},
};
use crate::{
    journal::Journal,
    log::{Outcome, Record, Refusal, Topic, Writer},
};

pub(super) struct Core {
    pub(super) config: Config,
    pub(super) metrics: Metrics,
    pub(super) primary: Arc<dyn Primary>,
    pub(super) journal: Journal,
    pub(super) written: Arc<dyn Writer>,
    /// The journal's topic.
    pub(super) topic: Topic,
    /// Topics that are to be there even when nothing was spilled for them.
    pub(super) topics: Vec<Topic>,
    /// Whether what the primary does not take is spilled; else only what was spilled before is forwarded.
    pub(super) takes: bool,
    pub(super) breaker: Breaker,
    pub(super) backlog: Backlog,
    pub(super) doubts: Doubts,
    /// Why nothing is forwarded at present.
    pub(super) stuck: Mutex<Option<String>>,
    /// Whether the forwarder is about to be done.
    pub(super) ending: watch::Sender<bool>,
    /// Wakes the forwarder: there may be something for it.
    pub(super) wake: Notify,
    pub(super) closed: AtomicBool,
    pub(super) under_way: AtomicUsize,
    /// Told when nothing is under way any more.
    pub(super) quiet: Notify,
}

impl Core {
    /// The primary did not take something.
    pub(super) fn trip(&self, reason: &str) {
        if self.breaker.trip(reason) {
            self.metrics.set_open(true);
            let spills = self.takes;
            tracing::warn!(reason, spills, "the stream is unavailable");
        }
        self.wake.notify_one();
    }

    /// Makes the entries durable; they are counted in the backlog, and among the doubts, already. Goes on when the
    /// caller does not wait: what is counted and what is in the journal must not part.
    pub(super) async fn keep(self: &Arc<Self>, entries: Vec<Entry>) -> Vec<Outcome> {
        let (core, count) = (Arc::clone(self), entries.len());
        let kept = tokio::spawn(async move { core.keep_all(&entries).await }).await;
        kept.unwrap_or_else(|_| vec![Err(Refusal::Closed); count])
    }

    async fn keep_all(&self, entries: &[Entry]) -> Vec<Outcome> {
        let record = |entry: &Entry| Record {
            topic: self.topic.clone(),
            key: bytes::Bytes::new(),
            value: entry.encode(),
        };
        let outcomes = self
            .written
            .append(entries.iter().map(record).collect())
            .await;
        let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        self.metrics.count_spilled(kept as u64);
        if kept < entries.len() {
            let refused = || {
                let both = entries.iter().zip(&outcomes);
                both.filter(|(_, outcome)| outcome.is_err())
                    .map(|(entry, _)| entry)
            };
            self.backlog.remove(refused().map(|entry| &entry.record));
            for entry in refused().filter(|entry| entry.doubtful) {
                self.doubts.remove(Digest::of(&entry.record.value));
            }
            self.wake.notify_one();
        }
        outcomes
    }

    /// Why nothing is forwarded at present.
    pub(super) fn stuck(&self) -> Option<String> {
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.clone()
    }

    pub(super) fn set_stuck(&self, reason: Option<String>) {
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Once little is left, holds appends back that would go behind it, so that it comes to an end.
    pub(super) async fn await_end(&self, records: &[Record]) {
        let mut ending = self.ending.subscribe();
        if *ending.borrow_and_update() && self.backlog.waits(records) {
            let patience = Duration::from_millis(self.config.handover_wait_ms_max);
            // Whichever comes first: then it is decided anew where they go.
            tokio::time::timeout(patience, ending.wait_for(|ending| !ending))
                .await
                .ok();
        }
    }

    pub(super) fn set_ending(&self, ending: bool) {
        self.ending
            .send_if_modified(|was| std::mem::replace(was, ending) != ending);
    }

    /// Sets the gauges.
    pub(super) fn report(&self) {
        let oldest = self.oldest();
        self.metrics
            .set_depth(self.backlog.records(), self.backlog.bytes(), oldest);
        self.metrics.set_open(self.breaker.is_open());
    }

    /// The age of the oldest record.
    pub(super) fn oldest(&self) -> Duration {
        let age_ms = self
            .backlog
            .oldest_ms()
            .map_or(0, |oldest| now_ms().saturating_sub(oldest));
        Duration::from_millis(u64::try_from(age_ms).unwrap_or(0))
    }

    /// Counts an append for as long as the guard lives.
    pub(super) fn enter(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay(self)
    }
}

/// An append under way.
pub(super) struct UnderWay<'a>(&'a Core);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::SeqCst) == 1
            && self.0.closed.load(Ordering::SeqCst)
        {
            self.0.quiet.notify_one();
        }
    }
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}
