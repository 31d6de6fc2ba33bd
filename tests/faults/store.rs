//! What the store answers when it does not answer as it should.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::proxy::{Fault, Request};
use crate::schedule::{Chance, Kind, STORE_REQUEST_MS};

/// The faults of a run's store, decided on for each request.
pub(crate) struct StoreFaults(Mutex<State>);

struct State {
    kind: Option<Kind>,
    chance: Chance,
    injected: u64,
}

impl StoreFaults {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(State {
            kind: None,
            chance: Chance(seed),
            injected: 0,
        }))
    }

    /// What the store does from now on; returns how many requests the former kind has met.
    pub(crate) fn set(&self, kind: Option<Kind>) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.kind = kind;
        std::mem::take(&mut state.injected)
    }

    /// What happens to a request.
    pub(crate) fn decide(&self, request: &Request) -> Fault {
        let creates = request.method == "PUT";
        // The probe has tests of its own. SeaweedFS lets creates that race wait for each other by the second, and each
        // start races two hundred.
        if request.target.contains("/_probe/") {
            return if creates { Fault::Queue } else { Fault::None };
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let percent = state.chance.next() % 100;
        let fault = match state.kind {
            Some(Kind::StoreErrors) if percent < 50 => Fault::Answer(500, "InternalError"),
            Some(Kind::StoreSlowDown) if percent < 50 => Fault::Answer(503, "SlowDown"),
            Some(Kind::StoreExists) if creates && percent < 50 => {
                Fault::AnswerAfter(412, "PreconditionFailed")
            }
            Some(Kind::StoreUnclear) if creates && percent < 50 => Fault::CutAfter,
            Some(Kind::StoreSlow) if percent < 25 => {
                Fault::Delay(Duration::from_millis(2 * STORE_REQUEST_MS))
            }
            _ => Fault::None,
        };
        state.injected += u64::from(fault != Fault::None);
        fault
    }
}
