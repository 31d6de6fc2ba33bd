//! Whether records are sent to the primary at all. A failure opens the breaker; only the forwarder, which alone tries the
//! primary meanwhile, closes it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[derive(Debug, Default)]
pub(super) struct Breaker {
    open: AtomicBool,
    /// Rises with every failure: what was found out about the primary before counts no more.
    failures: AtomicU64,
    state: Mutex<Option<(Instant, Arc<str>)>>,
}

impl Breaker {
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// The primary failed; whether that opened the breaker.
    pub(super) fn trip(&self, reason: &str) -> bool {
        let mut state = self.state();
        self.failures.fetch_add(1, Ordering::AcqRel);
        let since = state.as_ref().map(|(since, _)| *since);
        *state = Some((since.unwrap_or_else(Instant::now), reason.into()));
        self.open.store(true, Ordering::Release);
        since.is_none()
    }

    /// The primary works, unless it failed since `failures` were counted; whether that closed the breaker.
    pub(super) fn close(&self, failures: u64) -> bool {
        let mut state = self.state();
        if state.is_none() || self.failures() != failures {
            return false;
        }
        *state = None;
        self.open.store(false, Ordering::Release);
        true
    }

    /// For how long it has been open, and what the primary said last.
    pub(super) fn trouble(&self) -> Option<(Duration, Arc<str>)> {
        let state = self.state();
        let (since, reason) = state.as_ref()?;
        Some((since.elapsed(), Arc::clone(reason)))
    }

    fn state(&self) -> MutexGuard<'_, Option<(Instant, Arc<str>)>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_since_the_last_look_keeps_it_open() {
        let breaker = Breaker::default();
        assert!(!breaker.is_open() && breaker.trip("first"));
        let seen = breaker.failures();
        assert!(!breaker.trip("second"));
        assert!(!breaker.close(seen) && breaker.is_open());
        assert_eq!(breaker.trouble().unwrap().1.as_ref(), "second");
        assert!(breaker.close(breaker.failures()) && !breaker.is_open());
        assert!(breaker.trouble().is_none());
    }
}
