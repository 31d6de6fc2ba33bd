//! When each request is due: fixed before the run starts, so that a slow server cannot slow the load down.

use std::ops::Range;
use std::time::Duration;

const NANOS_PER_S: u128 = 1_000_000_000;

/// An open-loop schedule: requests of `batch_events` events each, evenly spaced at `rate_per_s` events a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    rate_per_s: u64,
    batch_events: u64,
    events: u64,
}

impl Schedule {
    /// A schedule of `events` events in all; a zero rate or batch counts as one.
    pub fn new(rate_per_s: u64, batch_events: u64, events: u64) -> Schedule {
        Schedule {
            rate_per_s: rate_per_s.max(1),
            batch_events: batch_events.max(1),
            events,
        }
    }

    /// Events in all.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Requests in all; the last one may be smaller than the others.
    pub fn requests(&self) -> u64 {
        self.events.div_ceil(self.batch_events)
    }

    /// The numbers of the events that request `request` carries; empty past the end.
    pub fn events_of(&self, request: u64) -> Range<u64> {
        let start = request.saturating_mul(self.batch_events).min(self.events);
        start..start.saturating_add(self.batch_events).min(self.events)
    }

    /// When request `request` is to be sent, from the start of the run.
    pub fn due(&self, request: u64) -> Duration {
        let nanos = u128::from(request) * u128::from(self.batch_events) * NANOS_PER_S;
        duration(nanos / u128::from(self.rate_per_s))
    }

    /// How many requests are due once `elapsed` has passed since the start.
    pub fn due_by(&self, elapsed: Duration) -> u64 {
        let request_nanos = u128::from(self.batch_events) * NANOS_PER_S;
        let passed = elapsed.as_nanos() * u128::from(self.rate_per_s) / request_nanos;
        u64::try_from(passed)
            .unwrap_or(u64::MAX)
            .saturating_add(1)
            .min(self.requests())
    }

    /// When the last event's time has passed: the length of the run.
    pub fn length(&self) -> Duration {
        duration(u128::from(self.events) * NANOS_PER_S / u128::from(self.rate_per_s))
    }
}

fn duration(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_evenly_spaced_at_the_rate() {
        let schedule = Schedule::new(5_000, 20, 5_000 * 60);
        assert_eq!(schedule.requests(), 15_000);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1), Duration::from_millis(4));
        assert_eq!(schedule.due(14_999), Duration::from_millis(59_996));
        assert_eq!(schedule.length(), Duration::from_secs(60));
    }

    #[test]
    fn an_odd_rate_does_not_drift() {
        let schedule = Schedule::new(7, 3, 7_000_000);
        assert_eq!(schedule.due(7), Duration::from_secs(3));
        assert_eq!(schedule.due(7 * 100_000), Duration::from_secs(300_000));
    }

    #[test]
    fn every_event_is_in_exactly_one_request() {
        let schedule = Schedule::new(1_000, 7, 100);
        let numbers: Vec<u64> = (0..schedule.requests())
            .flat_map(|r| schedule.events_of(r))
            .collect();
        assert_eq!(numbers, (0..100).collect::<Vec<u64>>());
        assert_eq!(schedule.events_of(14), 98..100);
        assert!(schedule.events_of(15).is_empty());
    }

    #[test]
    fn a_request_is_due_at_its_time_and_not_before() {
        let schedule = Schedule::new(333, 5, 10_000);
        for request in 1..schedule.requests() {
            let due = schedule.due(request);
            // `due` is rounded down to the nanosecond, so one more is always enough.
            assert!(schedule.due_by(due + Duration::from_nanos(1)) > request);
            assert!(schedule.due_by(due.saturating_sub(Duration::from_nanos(1))) <= request);
        }
        assert_eq!(schedule.due_by(Duration::MAX), schedule.requests());
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        let schedule = Schedule::new(1, u64::MAX, u64::MAX);
        assert_eq!(schedule.requests(), 1);
        assert_eq!(schedule.events_of(u64::MAX), u64::MAX..u64::MAX);
        assert_eq!(schedule.length(), Duration::from_nanos(u64::MAX));
        assert_eq!(Schedule::new(0, 0, 0).due_by(Duration::from_secs(1)), 0);
    }
}
