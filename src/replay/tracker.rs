//! How far a replay is: what its reader handed over, what the sink has landed of it, and why it could not go on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use headgate_stream::log::{Partition, Position};

/// Shared by the reader, which the sink owns, and by who waits for both.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    /// Handed over and not landed: where each delivery ends, and the events in it.
    open: BTreeMap<Partition, VecDeque<(Position, u64)>>,
    closed: bool,
    failure: Option<String>,
}

/// Events, by what became of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Rows or records that were looked at.
    pub(crate) seen: u64,
    /// Left out: replayed before, or of another type.
    pub(crate) passed_over: u64,
    /// Handed to the sink.
    pub(crate) handed: u64,
    /// Landed.
    pub(crate) landed: u64,
    /// Offsets that retention has removed.
    pub(crate) missing: u64,
    /// Left where they are: why, and how many.
    pub(crate) left: BTreeMap<&'static str, u64>,
}

impl Tracker {
    /// The counts so far.
    pub(crate) fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// Changes the counts.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.state().counts);
    }

    /// These events are the sink's from now on.
    pub(crate) fn handed(&self, partition: &Partition, end: &Position, events: u64) {
        let mut state = self.state();
        state.counts.handed += events;
        let open = state.open.entry(partition.clone()).or_default();
        open.push_back((end.clone(), events));
    }

    /// Everything up to that position has landed.
    pub(crate) fn landed(&self, partition: &Partition, position: &Position) {
        let mut state = self.state();
        let State { open, counts, .. } = &mut *state;
        let open = open.entry(partition.clone()).or_default();
        while open.front().is_some_and(|(end, _)| end <= position) {
            counts.landed += open.pop_front().map_or(0, |(_, events)| events);
        }
    }

    /// Everything was handed over.
    pub(crate) fn close(&self) {
        self.state().closed = true;
    }

    /// The replay cannot go on; the first reason counts.
    pub(crate) fn fail(&self, reason: String) {
        self.state().failure.get_or_insert(reason);
    }

    /// Whether it failed.
    pub(crate) fn failed(&self) -> bool {
        self.state().failure.is_some()
    }

    /// Whether all was handed over and has landed; else why not.
    pub(crate) fn outcome(&self) -> Result<(), String> {
        let state = self.state();
        match &state.failure {
            Some(reason) => Err(reason.clone()),
            None if !state.closed || state.counts.landed < state.counts.handed => {
                Err("it was ended before everything had landed".to_owned())
            }
            None => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_over_counts_as_landed_once_its_end_was_passed() {
        let tracker = Tracker::default();
        let (a, b) = (Partition::new("a"), Partition::new("b"));
        let at = Position::from_number;
        tracker.handed(&a, &at(3), 3);
        tracker.handed(&a, &at(5), 1);
        tracker.handed(&b, &at(9), 2);
        tracker.landed(&a, &at(4));
        assert_eq!((tracker.counts().handed, tracker.counts().landed), (6, 3));
        tracker.landed(&a, &at(5));
        tracker.close();
        assert!(tracker.outcome().is_err(), "b has not landed");
        tracker.landed(&b, &at(9));
        assert_eq!(tracker.outcome(), Ok(()));
        tracker.fail("why".to_owned());
        assert_eq!(tracker.outcome(), Err("why".to_owned()));
    }
}
