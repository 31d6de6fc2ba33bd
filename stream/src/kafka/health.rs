//! Whether appends are expected to succeed. Every reason to refuse ends by itself: brokers that come back are noticed,
//! and a writer that failed is tried again after a while even if nobody appends.

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
    fatal: Option<Arc<str>>,
    down: Option<Arc<str>>,
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
        let failed = state
            .failed
            .as_ref()
            .filter(|(_, since)| since.elapsed() < self.failure_counts);
        let reason = if state.closed {
            Some(Refusal::Closed.to_string())
        } else {
            let reason = state.fatal.as_ref().or(state.down.as_ref());
            reason
                .or(failed.map(|(reason, _)| reason))
                .map(ToString::to_string)
        };
        reason.map_or(log::Health::Ready, log::Health::Refusing)
    }

    pub(super) fn close(&self) {
        self.set(|state| state.closed = true);
    }

    /// librdkafka's client cannot go on.
    pub(super) fn fatal(&self, reason: &str) {
        self.set(|state| state.fatal = Some(reason.into()));
    }

    /// All brokers are down.
    pub(super) fn down(&self, reason: &str) {
        self.set(|state| state.down = Some(reason.into()));
    }

    /// A record was refused for a reason that the next one is likely to meet too.
    pub(super) fn failed(&self, reason: &Arc<str>) {
        self.set(|state| state.failed = Some((Arc::clone(reason), Instant::now())));
    }

    /// A record was acknowledged.
    pub(super) fn succeeded(&self) {
        if self.refusing.load(Ordering::Relaxed) {
            self.set(|state| (state.down, state.failed) = (None, None));
        }
    }

    /// A broker answered.
    pub(super) fn up(&self) {
        if self.refusing.load(Ordering::Relaxed) {
            self.set(|state| state.down = None);
        }
    }

    /// The client was made anew.
    pub(super) fn rebuilt(&self) {
        self.set(|state| (state.fatal, state.down) = (None, None));
    }

    pub(super) fn is_down(&self) -> bool {
        self.refusing.load(Ordering::Relaxed) && self.state().down.is_some()
    }

    pub(super) fn is_fatal(&self) -> bool {
        self.refusing.load(Ordering::Relaxed) && self.state().fatal.is_some()
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let State {
            closed,
            fatal,
            down,
            failed,
        } = &*state;
        let refusing = *closed || fatal.is_some() || down.is_some() || failed.is_some();
        self.refusing.store(refusing, Ordering::Release);
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
    fn every_reason_ends_and_none_hides_another() {
        let health = Health::new(Duration::from_secs(60));
        assert!(ready(&health));
        health.down("down");
        health.fatal("fatal");
        assert_eq!(health.now(), log::Health::Refusing("fatal".to_owned()));
        health.up();
        assert!(!ready(&health) && health.is_fatal() && !health.is_down());
        health.rebuilt();
        assert!(ready(&health));
        health.failed(&"timed out".into());
        assert!(!ready(&health));
        health.succeeded();
        assert!(ready(&health));
        health.close();
        health.succeeded();
        assert!(!ready(&health));
    }

    #[test]
    fn a_failure_counts_only_for_a_while() {
        let health = Health::new(Duration::ZERO);
        health.failed(&"timed out".into());
        assert!(ready(&health));
    }
}
