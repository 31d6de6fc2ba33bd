//! Whether appends are expected to succeed. A failure counts for a while only, so that a writer that nobody appends to is
//! tried again.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::log::{self, Refusal};

#[derive(Debug)]
pub(super) struct Health {
    /// Whether anything below is set: the one thing that is looked at while all is well.
    refusing: AtomicBool,
    state: Mutex<State>,
    /// How long a failure counts.
    failure_counts: Duration,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    failed: Option<(Arc<str>, Instant)>,
}

impl Health {
    pub(super) fn new(failure_counts: Duration) -> Self {
        Self {
            refusing: AtomicBool::new(false),
            state: Mutex::default(),
            failure_counts,
        }
    }

    pub(super) fn now(&self) -> log::Health {
        if !self.refusing.load(Ordering::Acquire) {
            return log::Health::Ready;
        }
        let state = self.state();
        if state.closed {
            return log::Health::Refusing(Refusal::Closed.to_string());
        }
        match &state.failed {
            Some((reason, since)) if since.elapsed() < self.failure_counts => {
                log::Health::Refusing(reason.to_string())
            }
            _ => log::Health::Ready,
        }
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        self.refusing.store(true, Ordering::Release);
    }

    /// A record was refused for a reason that the next one is likely to meet too.
    pub(super) fn failed(&self, reason: &Arc<str>) {
        let mut state = self.state();
        state.failed = Some((Arc::clone(reason), Instant::now()));
        self.refusing.store(true, Ordering::Release);
    }

    /// A record is in its shard.
    pub(super) fn succeeded(&self) {
        if self.refusing.load(Ordering::Relaxed) {
            let mut state = self.state();
            state.failed = None;
            self.refusing.store(state.closed, Ordering::Release);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(health: &Health) -> bool {
        health.now() == log::Health::Ready
    }

    #[test]
    fn a_failure_ends_with_a_success_or_by_itself_and_closed_stays_closed() {
        let health = Health::new(Duration::from_secs(60));
        assert!(ready(&health));
        health.failed(&"timed out".into());
        assert_eq!(health.now(), log::Health::Refusing("timed out".to_owned()));
        health.succeeded();
        assert!(ready(&health));
        let brief = Health::new(Duration::ZERO);
        brief.failed(&"timed out".into());
        assert!(ready(&brief));
        health.close();
        health.succeeded();
        assert!(!ready(&health));
    }
}
