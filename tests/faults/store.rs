//! What the store answers when it does not answer as it should.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::chance::Chance;
use crate::kind::Kind;
use crate::proxy::{Fault, Request};
use crate::schedule::STORE_REQUEST_MS;

/// The faults of a run's store, decided on for each request.
pub(crate) struct StoreFaults(Mutex<State>);

struct State {
    /// What is under way, and how many requests it has met.
    active: Vec<(Kind, u64)>,
    chance: Chance,
}

impl StoreFaults {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(State {
            active: Vec::new(),
            chance: Chance(seed),
        }))
    }

    /// The store has this fault from now on.
    pub(crate) fn begin(&self, kind: Kind) {
        self.state().active.push((kind, 0));
    }

    /// The store has this fault no more; returns how many requests it has met.
    pub(crate) fn end(&self, kind: Kind) -> u64 {
        let mut state = self.state();
        let at = state.active.iter().position(|(active, _)| *active == kind);
        at.map_or(0, |at| state.active.remove(at).1)
    }

    /// What happens to a request.
    pub(crate) fn decide(&self, request: &Request) -> Fault {
        let creates = request.method == "PUT";
        // The probe has tests of its own. SeaweedFS lets creates that race wait for each other by the second, and each
        // start races two hundred.
        if request.target.contains("/_probe/") {
            return if creates { Fault::Queue } else { Fault::None };
        }
        let State { active, chance } = &mut *self.state();
        for (kind, met) in active {
            let fault = meet(*kind, creates, chance.next() % 100);
            if !matches!(fault, Fault::None) {
                *met += 1;
                return fault;
            }
        }
        Fault::None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn meet(kind: Kind, creates: bool, percent: u64) -> Fault {
    match kind {
        Kind::StoreErrors if percent < 50 => Fault::Answer(500, "InternalError"),
        Kind::StoreSlowDown if percent < 50 => Fault::Answer(503, "SlowDown"),
        Kind::StoreExists if creates && percent < 50 => {
            Fault::AnswerAfter(412, "PreconditionFailed")
        }
        Kind::StoreUnclear if creates && percent < 50 => Fault::CutAfter,
        Kind::StoreSlow if percent < 25 => {
            Fault::Delay(Duration::from_millis(2 * STORE_REQUEST_MS))
        }
        _ => Fault::None,
    }
}
