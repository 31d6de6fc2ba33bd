//! How far a reader is behind on one partition, from what was read and what Kafka tells along with it.

use std::{collections::VecDeque, time::Duration};

/// Stretches of unpassed records that are told apart; past it they grow together, which makes them look older.
const SPANS_MAX: usize = 1_024;

/// What is known of one partition.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// The first offset that was not passed.
    next: i64,
    /// The first offset that does not exist yet, as far as is known.
    end: Option<i64>,
    /// What was read and not passed: the last offset of each stretch, and when its first record was appended, in ms.
    spans: VecDeque<(i64, i64)>,
}

impl Behind {
    /// Reading starts, or starts again, at that offset.
    pub(super) fn sought(&mut self, next: i64) {
        self.next = next;
        self.spans.clear();
    }

    /// Records up to the offset `last` were read; the first of them was appended at `first_ms`.
    pub(super) fn read(&mut self, last: i64, first_ms: i64) {
        self.ends(last + 1);
        let full = self.spans.len() >= SPANS_MAX;
        match self.spans.back_mut().filter(|_| full) {
            Some(span) => span.0 = last,
            None => self.spans.push_back((last, first_ms)),
        }
    }

    /// Everything up to the offset `last` was passed, or is lost.
    pub(super) fn passed(&mut self, last: i64) {
        self.next = self.next.max(last + 1);
        while self.spans.front().is_some_and(|(end, _)| *end <= last) {
            self.spans.pop_front();
        }
    }

    /// Kafka tells where the partition ends.
    pub(super) fn ends(&mut self, end: i64) {
        self.end = self.end.max(Some(end));
    }

    /// Records not passed, as offsets: markers of transactions count too.
    pub(super) fn records(&self) -> Option<u64> {
        self.end
            .map(|end| u64::try_from(end - self.next).unwrap_or(0))
    }

    /// The time since the oldest record that was read and not passed was appended.
    pub(super) fn age(&self, now_ms: i64) -> Duration {
        let oldest = self.spans.front().map_or(now_ms, |(_, first_ms)| *first_ms);
        Duration::from_millis(u64::try_from(now_ms - oldest).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_was_not_passed() {
        let mut behind = Behind::default();
        assert_eq!(behind.records(), None);
        behind.read(9, 1_000);
        behind.read(19, 3_000);
        assert_eq!(
            (behind.records(), behind.age(5_000)),
            (Some(20), Duration::from_secs(4))
        );
        behind.passed(9);
        assert_eq!(
            (behind.records(), behind.age(5_000)),
            (Some(10), Duration::from_secs(2))
        );
        behind.passed(19);
        assert_eq!(
            (behind.records(), behind.age(5_000)),
            (Some(0), Duration::ZERO)
        );
        behind.ends(25);
        assert_eq!(
            (behind.records(), behind.age(5_000)),
            (Some(5), Duration::ZERO)
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_looks_younger() {
        let mut behind = Behind::default();
        (0..10_000).for_each(|n| behind.read(n, n));
        assert_eq!(behind.spans.len(), SPANS_MAX);
        behind.passed(5_000);
        assert!(behind.age(10_000) >= Duration::from_millis(4_999));
        behind.passed(9_999);
        assert_eq!(behind.age(10_000), Duration::ZERO);
    }
}
