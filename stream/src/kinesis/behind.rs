//! How far a reader is behind on one shard, from what was read and what Kinesis tells along with it.

use std::{collections::VecDeque, time::Duration};

use crate::log::Position;

/// Stretches of unpassed events that are told apart; past it they grow together, which makes them look older.
const SPANS_MAX: usize = 1_024;

/// What is known of one shard.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// `MillisBehindLatest` of the last reply: how far before the shard's tip the reading is.
    latest: Duration,
    /// What was read and not passed: the end of each stretch, and when its first event was appended, in ms.
    spans: VecDeque<(Position, i64)>,
}

impl Behind {
    /// Reading starts, or starts again.
    pub(super) fn sought(&mut self) {
        self.spans.clear();
    }

    /// Events up to `end` were read; the first of them was appended at `first_ms`.
    pub(super) fn read(&mut self, end: &Position, first_ms: i64) {
        let full = self.spans.len() >= SPANS_MAX;
        match self.spans.back_mut().filter(|_| full) {
            Some(span) => span.0.clone_from(end),
            None => self.spans.push_back((end.clone(), first_ms)),
        }
    }

    /// Everything up to the position was passed.
    pub(super) fn passed(&mut self, position: &Position) {
        while self.spans.front().is_some_and(|(end, _)| end <= position) {
            self.spans.pop_front();
        }
    }

    /// Kinesis tells how far before the tip the reading is.
    pub(super) fn told(&mut self, latest: Duration) {
        self.latest = latest;
    }

    /// The time since the oldest event that was not passed was appended, as far as is known: of what was not read, Kinesis
    /// tells.
    pub(super) fn age(&self, now_ms: i64) -> Duration {
        let oldest = self.spans.front().map_or(now_ms, |(_, first_ms)| *first_ms);
        let read = Duration::from_millis(u64::try_from(now_ms - oldest).unwrap_or(0));
        read.max(self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_age_of_what_was_read_and_not_passed_or_what_kinesis_tells() {
        let at = Position::new;
        let mut behind = Behind::default();
        behind.read(&at("9.0"), 1_000);
        behind.read(&at("10.3"), 3_000);
        assert_eq!(behind.age(5_000), Duration::from_secs(4));
        behind.passed(&at("9.0"));
        assert_eq!(behind.age(5_000), Duration::from_secs(2));
        behind.told(Duration::from_secs(60));
        assert_eq!(behind.age(5_000), Duration::from_secs(60));
        behind.told(Duration::ZERO);
        behind.passed(&at("10.3"));
        assert_eq!(behind.age(5_000), Duration::ZERO);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_looks_younger() {
        let mut behind = Behind::default();
        (1..=10_000).for_each(|n| behind.read(&Position::from_number(n), n as i64));
        assert_eq!(behind.spans.len(), SPANS_MAX);
        behind.passed(&Position::from_number(5_000));
        assert!(behind.age(10_000) >= Duration::from_millis(4_999));
        behind.passed(&Position::from_number(10_000));
        assert_eq!(behind.age(10_000), Duration::ZERO);
    }
}
