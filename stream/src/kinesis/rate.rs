//! How fast one shard is written to: below what Kinesis takes, and slower for a while after it took less.
//!
//! Other writers share the shard, and how many they are is unknown: each failure for the rate lowers it by a quarter, and
//! each second without one raises it again by a twentieth of the most.

use std::time::Duration;

use tokio::time::Instant;

use super::config::Config;

/// How much of a second's rate may be sent at once after a pause.
const BURST: f64 = 0.5;

/// What is left of the rate after a failure.
const SLOWER: f64 = 0.75;

/// By how much of the most the rate rises.
const FASTER: f64 = 0.05;

/// How often it rises.
const RISES_EVERY: Duration = Duration::from_secs(1);

/// No rate is a smaller part of the most.
const SHARE_MIN: f64 = 1.0 / 64.0;

/// Two buckets that fill with time: one of bytes, one of records. What is sent is taken from both, and may leave a debt.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    bytes_per_s_max: f64,
    records_per_s_max: f64,
    /// The part of the most that is allowed at present.
    share: f64,
    bytes: f64,
    records: f64,
    filled: Instant,
    changed: Instant,
    /// When it was last too much.
    exceeded: Option<Instant>,
}

impl Rate {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let (bytes, records) = (config.shard_bytes_per_s_max, config.shard_records_per_s_max);
        Self {
            bytes_per_s_max: bytes as f64,
            records_per_s_max: records as f64,
            share: 1.0,
            bytes: bytes as f64 * BURST,
            records: records as f64 * BURST,
            filled: now,
            changed: now,
            exceeded: None,
        }
    }

    /// When so many bytes may be sent as one record: now or earlier, if they may at once.
    pub(super) fn when(&mut self, bytes: usize, now: Instant) -> Instant {
        self.fill(now);
        let (bytes_per_s, records_per_s) = self.per_s();
        // Larger ones than a bucket holds wait until it is full, and leave a debt.
        let lacking_bytes = (bytes as f64).min(bytes_per_s * BURST) - self.bytes;
        let lacking_records = 1_f64.min(records_per_s * BURST) - self.records;
        let wait_s = (lacking_bytes / bytes_per_s).max(lacking_records / records_per_s);
        now + Duration::from_secs_f64(wait_s.clamp(0.0, 3_600.0))
    }

    /// So many bytes are sent as one record.
    pub(super) fn take(&mut self, bytes: usize) {
        self.bytes -= bytes as f64;
        self.records -= 1.0;
    }

    /// Kinesis took a record.
    pub(super) fn succeeded(&mut self, now: Instant) {
        if self.share < 1.0 && now.duration_since(self.changed) >= RISES_EVERY {
            self.fill(now);
            self.share = (self.share + FASTER).min(1.0);
            self.changed = now;
        }
    }

    /// Kinesis refused a record as more than the shard takes. Those of one request come at one moment and count once.
    pub(super) fn exceeded(&mut self, now: Instant) {
        self.fill(now);
        if self.exceeded.replace(now) == Some(now) {
            return;
        }
        self.share = (self.share * SLOWER).max(SHARE_MIN);
        self.changed = now;
        self.bytes = self.bytes.min(0.0);
        self.records = self.records.min(0.0);
    }

    /// The part of the most that is allowed at present.
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    fn per_s(&self) -> (f64, f64) {
        let share = self.share;
        (self.bytes_per_s_max * share, self.records_per_s_max * share)
    }

    fn fill(&mut self, now: Instant) {
        let passed_s = now.saturating_duration_since(self.filled).as_secs_f64();
        let (bytes_per_s, records_per_s) = self.per_s();
        self.bytes = (self.bytes + bytes_per_s * passed_s).min(bytes_per_s * BURST);
        self.records = (self.records + records_per_s * passed_s).min(records_per_s * BURST);
        self.filled = self.filled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many records of that size are sent in so many seconds by who always has one.
    fn sent(rate: &mut Rate, bytes: usize, began: Instant, seconds: u64) -> usize {
        let (mut now, mut count) = (began, 0);
        loop {
            now = rate.when(bytes, now).max(now);
            if now >= began + Duration::from_secs(seconds) {
                return count;
            }
            rate.take(bytes);
            count += 1;
        }
    }

    #[test]
    fn no_more_than_the_rate_is_sent_in_the_long_run_and_no_less() {
        let began = Instant::now();
        for (bytes, expected) in [(1 << 20, 100), (100 << 10, 1_024), (10, 100_000)] {
            let mut rate = Rate::new(&Config::default(), began);
            let count = sent(&mut rate, bytes, began, 100);
            // A bucket that is full at the start is half a second more.
            let most = expected + expected / 100;
            assert!((expected..=most).contains(&count), "{bytes}: {count}");
        }
    }

    #[test]
    fn what_was_too_much_lowers_the_rate_and_success_raises_it_again() {
        let began = Instant::now();
        let mut rate = Rate::new(&Config::default(), began);
        let moments = |count| (0..count).map(|n| began + Duration::from_micros(n));
        for moment in moments(3) {
            rate.exceeded(moment);
            rate.exceeded(moment);
        }
        let slow = sent(&mut rate, 1_000, began, 10);
        assert!((4_000..4_500).contains(&slow), "{slow}");
        for second in 1..20 {
            let now = began + Duration::from_secs(10 + second);
            rate.succeeded(now);
            rate.succeeded(now);
        }
        assert!(rate.share() == 1.0, "{}", rate.share());
        moments(100).for_each(|moment| rate.exceeded(moment));
        assert!(rate.share() > 0.01);
    }
}
