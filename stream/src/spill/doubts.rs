//! Spilled records that the primary may have already, and where to look for them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::primary::{Digest, Search};
use crate::log::Topic;

#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many spilled records have that value.
    values: HashMap<Digest, u32>,
    topics: BTreeSet<Topic>,
    /// When the first of them was sent.
    since_ms: Option<i64>,
}

impl Doubts {
    /// One more; false when there are `records_max` already.
    pub(super) fn add(
        &self,
        digest: Digest,
        topic: &Topic,
        began_ms: i64,
        records_max: u32,
    ) -> bool {
        let mut state = self.state();
        if state.values.len() >= records_max as usize {
            return false;
        }
        *state.values.entry(digest).or_default() += 1;
        if !state.topics.contains(topic) {
            state.topics.insert(topic.clone());
        }
        state.since_ms = Some(state.since_ms.map_or(began_ms, |since| since.min(began_ms)));
        true
    }

    /// Whether a record with that value is among them.
    pub(super) fn contains(&self, digest: Digest) -> bool {
        self.state().values.contains_key(&digest)
    }

    /// One less.
    pub(super) fn remove(&self, digest: Digest) {
        let mut state = self.state();
        if let Some(count) = state.values.get_mut(&digest) {
            *count -= 1;
            if *count == 0 {
                state.values.remove(&digest);
            }
        }
        if state.values.is_empty() {
            *state = State::default();
        }
    }

    /// What to look for; none when nothing is doubtful.
    pub(super) fn search(&self, slack_ms: u64) -> Option<Search> {
        let state = self.state();
        let since_ms = state.since_ms?;
        Some(Search {
            topics: state.topics.iter().cloned().collect(),
            since_ms: since_ms.saturating_sub(i64::try_from(slack_ms).unwrap_or(i64::MAX)),
            wanted: state.values.keys().copied().collect(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_covers_all_that_is_open_and_ends_with_it() {
        let doubts = Doubts::default();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let topic = Topic::new("t");
        assert!(doubts.add(a, &topic, 500, 2) && doubts.add(b, &topic, 300, 2));
        assert!(!doubts.add(Digest::of(b"c"), &topic, 300, 2));
        let search = doubts.search(100).unwrap();
        assert_eq!(
            (search.since_ms, search.wanted.len(), search.topics),
            (200, 2, vec![topic])
        );
        doubts.remove(a);
        assert_eq!(doubts.search(0).unwrap().wanted, [b].into());
        doubts.remove(b);
        assert!(doubts.search(100).is_none());
    }
}
