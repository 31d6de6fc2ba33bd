//! How much one gateway takes of a source: a token bucket for the second, a counter for the day.

use std::sync::{Mutex, PoisonError};

use super::config;

const SECOND_MICROS: i64 = 1_000_000;
const DAY_S: i64 = 86_400;
/// A burst may have so many seconds' events.
const BURST_S: f64 = 2.0;

/// Too much was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Limited {
    #[error("over the source's events_per_s_max of {max}")]
    Rate { max: u32, retry_after_s: u32 },
    #[error("over the source's events_per_day_max of {max}")]
    Quota { max: u64, retry_after_s: u32 },
}

impl Limited {
    /// When there may be room again, in seconds.
    pub(crate) fn retry_after_s(self) -> u32 {
        match self {
            Self::Rate { retry_after_s, .. } | Self::Quota { retry_after_s, .. } => retry_after_s,
        }
    }
}

/// The limits of a source, and what was counted against them.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    per_s_max: u32,
    per_day_max: u64,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    /// Events that may be sent at once; below 0 after a request with more than that.
    tokens: f64,
    at_micros: i64,
    day: i64,
    events: u64,
}

impl Limiter {
    /// Limits as configured, going on from what was counted before.
    pub(super) fn new(config: &config::Source, before: Option<&Self>) -> Self {
        let fresh = Counted {
            tokens: f64::from(config.events_per_s_max) * BURST_S,
            ..Counted::default()
        };
        let counted = before.map_or(fresh, |before| *lock(&before.counted));
        Self {
            per_s_max: config.events_per_s_max,
            per_day_max: config.events_per_day_max,
            counted: Mutex::new(counted),
        }
    }

    /// Counts these events, all of them or none.
    ///
    /// A request with more events than a burst may have passes while there is anything left, and is paid off by those
    /// after it: its client cannot cut it into smaller ones.
    pub(super) fn spend(&self, events: u64, now_micros: i64) -> Result<(), Limited> {
        if self.per_s_max == 0 && self.per_day_max == 0 {
            return Ok(());
        }
        let counted = &mut *lock(&self.counted);
        let now_s = now_micros.div_euclid(SECOND_MICROS);
        let day = now_s.div_euclid(DAY_S);
        if counted.day != day {
            (counted.day, counted.events) = (day, 0);
        }
        if self.per_day_max > 0 && counted.events.saturating_add(events) > self.per_day_max {
            let left_s = DAY_S - now_s.rem_euclid(DAY_S);
            return Err(Limited::Quota {
                max: self.per_day_max,
                retry_after_s: u32::try_from(left_s).unwrap_or(u32::MAX),
            });
        }
        if self.per_s_max > 0 {
            let rate = f64::from(self.per_s_max);
            // A clock that was set back gives nothing, and one that jumped no more than a burst.
            let passed = (now_micros - counted.at_micros).max(0) as f64 / SECOND_MICROS as f64;
            counted.at_micros = now_micros;
            counted.tokens = (counted.tokens + passed * rate).min(rate * BURST_S);
            if counted.tokens < (events as f64).min(1.0) {
                let wait_s = ((1.0 - counted.tokens) / rate).ceil();
                return Err(Limited::Rate {
                    max: self.per_s_max,
                    retry_after_s: wait_s.max(1.0) as u32,
                });
            }
            counted.tokens -= events as f64;
        }
        counted.events += events;
        Ok(())
    }

    /// Uncounts these events.
    pub(super) fn give_back(&self, events: u64) {
        if events == 0 || (self.per_s_max == 0 && self.per_day_max == 0) {
            return;
        }
        let counted = &mut *lock(&self.counted);
        counted.events = counted.events.saturating_sub(events);
        let burst = f64::from(self.per_s_max) * BURST_S;
        counted.tokens = (counted.tokens + events as f64).min(burst);
    }
}

fn lock(counted: &Mutex<Counted>) -> std::sync::MutexGuard<'_, Counted> {
    counted.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 12 * 3_600 * SECOND_MICROS;

    fn limiter(events_per_s_max: u32, events_per_day_max: u64) -> Limiter {
        let config = config::Source {
            events_per_s_max,
            events_per_day_max,
            ..config::Source::default()
        };
        Limiter::new(&config, None)
    }

    #[test]
    fn a_burst_passes_and_what_follows_waits_for_the_rate() {
        let limiter = limiter(10, 0);
        assert_eq!(limiter.spend(20, NOON), Ok(()));
        let limited = limiter.spend(1, NOON).unwrap_err();
        assert_eq!(
            (limited, limited.retry_after_s()),
            (
                Limited::Rate {
                    max: 10,
                    retry_after_s: 1
                },
                1
            )
        );
        assert_eq!(limiter.spend(5, NOON + SECOND_MICROS / 2), Ok(()));
        assert!(limiter.spend(1, NOON + SECOND_MICROS / 2).is_err());
    }

    #[test]
    fn a_batch_beyond_a_burst_passes_and_is_paid_off_by_those_after_it() {
        let limiter = limiter(10, 0);
        assert_eq!(limiter.spend(120, NOON), Ok(()));
        let limited = limiter.spend(1, NOON + SECOND_MICROS).unwrap_err();
        assert_eq!(limited.retry_after_s(), 10);
        assert_eq!(limiter.spend(1, NOON + 11 * SECOND_MICROS), Ok(()));
    }

    #[test]
    fn a_quota_is_for_a_day_and_a_refused_request_does_not_count() {
        let limiter = limiter(0, 100);
        assert_eq!(limiter.spend(60, NOON), Ok(()));
        let limited = limiter.spend(41, NOON).unwrap_err();
        assert_eq!(limited.retry_after_s(), 12 * 3_600);
        assert_eq!(limiter.spend(40, NOON), Ok(()));
        assert!(limiter.spend(1, NOON).is_err());
        assert_eq!(limiter.spend(100, NOON * 3), Ok(()));
    }

    #[test]
    fn what_could_not_be_taken_does_not_count() {
        let limiter = limiter(10, 30);
        assert_eq!(limiter.spend(20, NOON), Ok(()));
        limiter.give_back(20);
        assert_eq!(limiter.spend(20, NOON), Ok(()));
        assert!(limiter.spend(1, NOON).is_err());
        limiter.give_back(u64::MAX);
        assert_eq!(limiter.spend(30, NOON + SECOND_MICROS), Ok(()));
    }

    #[test]
    fn without_limits_nothing_is_counted_and_a_reload_keeps_what_was() {
        assert_eq!(limiter(0, 0).spend(u64::MAX, NOON), Ok(()));
        let first = limiter(0, 100);
        first.spend(90, NOON).unwrap();
        let config = config::Source {
            events_per_day_max: 95,
            ..config::Source::default()
        };
        let second = Limiter::new(&config, Some(&first));
        assert!(second.spend(6, NOON).is_err());
        assert_eq!(second.spend(5, NOON), Ok(()));
    }
}
