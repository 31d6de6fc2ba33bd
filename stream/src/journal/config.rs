//! What an operator can set about the journal.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// The `[journal]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the journal lives. Not a key: the data directory decides.
    #[serde(skip)]
    pub dir: PathBuf,
    /// Partitions of each topic, 1 to 64; default 1. Each has its own file and its own fsync, so more of them cost
    /// more fsyncs for the same records. Can be raised later, never lowered; records appended after a raise may be
    /// read before older ones of the same key.
    pub partitions: u32,
    /// A segment file is closed and the next begun once it holds this many bytes; default 64 MiB.
    pub segment_bytes_max: u64,
    /// The disk that all segments together may use; past it records are refused as full; default 16 GiB.
    pub bytes_max: u64,
    /// Records already passed by every reader are kept up to this many bytes in each partition, for another look at
    /// them; given up when the disk bound is met; default 256 MiB.
    pub retain_bytes: u64,
    /// A record's key and value together, in bytes; past it the record is refused as too large; default 2 MiB.
    pub record_bytes_max: u64,
    /// Records that wait to be written, in bytes; past it appends wait; default 64 MiB, at most 4 GiB.
    pub queue_bytes_max: u64,
    /// Records written by one fsync, in bytes, as far as one append is not larger by itself; default 4 MiB.
    pub group_bytes_max: u64,
    /// How long a write waits for more records to share its fsync, in microseconds; default 0: what arrives during
    /// an fsync shares the next one anyway. At most 100,000.
    pub group_delay_max_us: u64,
    /// What a reader holds in memory that it has not handed over yet, in bytes; default 8 MiB. One append that is
    /// larger is still read whole.
    pub prefetch_bytes_max: u64,
    /// How often readers' progress is written down and passed segments are looked for, in ms; default 1,000.
    pub upkeep_interval_ms: u64,
    /// How often a disk that failed is tried again, in ms; default 1,000.
    pub probe_interval_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: PathBuf::new(),
            partitions: 1,
            segment_bytes_max: 64 * MIB,
            bytes_max: 16 * 1024 * MIB,
            retain_bytes: 256 * MIB,
            record_bytes_max: 2 * MIB,
            queue_bytes_max: 64 * MIB,
            group_bytes_max: 4 * MIB,
            group_delay_max_us: 0,
            prefetch_bytes_max: 8 * MIB,
            upkeep_interval_ms: 1_000,
            probe_interval_ms: 1_000,
        }
    }
}

impl Config {
    /// What is wrong with these settings: each key, and what is allowed.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let gib4 = 4 * 1024 * MIB;
        let mut problems = Vec::new();
        let mut within = |key, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                problems.push((key, format!("{value} is not allowed: {least} to {most}")));
            }
        };
        within("partitions", self.partitions.into(), 1, 64);
        within("segment_bytes_max", self.segment_bytes_max, 4096, gib4);
        within("record_bytes_max", self.record_bytes_max, 1, 64 * MIB);
        within(
            "queue_bytes_max",
            self.queue_bytes_max,
            self.record_bytes_max,
            gib4 - 1,
        );
        within("group_bytes_max", self.group_bytes_max, 1, 256 * MIB);
        within("group_delay_max_us", self.group_delay_max_us, 0, 100_000);
        within("prefetch_bytes_max", self.prefetch_bytes_max, 4096, gib4);
        within("upkeep_interval_ms", self.upkeep_interval_ms, 1, 3_600_000);
        within("probe_interval_ms", self.probe_interval_ms, 1, 3_600_000);
        let least = 2 * self.segment_bytes_max;
        if self.bytes_max < least {
            let reason = format!("must be at least two segments ({least})");
            problems.push((
                "bytes_max",
                format!("{} is not allowed: {reason}", self.bytes_max),
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_problems() {
        assert_eq!(Config::default().problems(), []);
    }

    #[test]
    fn every_problem_is_told_with_its_key() {
        let wrong = Config {
            partitions: 0,
            bytes_max: 5,
            ..Config::default()
        };
        let keys: Vec<_> = wrong.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["partitions", "bytes_max"]);
    }
}
