//! What an operator can set about spilling.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::journal;

const MIB: u64 = 1 << 20;

/// The `[spill]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the spill lives. Not a key: the data directory decides.
    #[serde(skip)]
    pub dir: PathBuf,
    /// The disk that spilled records may use; past it they are refused as full; default 8 GiB.
    pub bytes_max: u64,
    /// How fast spilled records are forwarded at most, in bytes a second; default 64 MiB. While there is a backlog, live
    /// records of its keys queue up behind it: keep this above what the gateway takes.
    pub forward_bytes_per_s_max: u64,
    /// Spilled records that are forwarded together, in bytes; default 1 MiB. After a crash, as much is looked for in
    /// the stream before it is sent again.
    pub batch_bytes_max: u64,
    /// Spilled records that are sent at once; default 5,000.
    pub batch_records_max: u32,
    /// How often the stream is tried again while it is unavailable, in ms; default 1,000.
    pub probe_interval_ms: u64,
    /// How long appends of keys that wait are held back once the forwarder is about to be done, in ms, so that a key that
    /// always has something new gets out of the spill too; default 1,000. Past it they go into the spill.
    pub handover_wait_ms_max: u64,
    /// How long, once the stream answers again, writes that were under way get to arrive before records whose fate is
    /// open are looked for, in ms; default 2,000.
    pub settle_ms: u64,
    /// How much the clocks of this machine and the stream's may differ, in ms: records whose fate is open are looked for
    /// from so much before they were sent; default 10,000.
    pub clock_slack_ms: u64,
    /// Spilled records whose fate is open; past it such records are refused as unavailable; default 1,000,000, each
    /// takes about 40 bytes of memory.
    pub doubtful_records_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: PathBuf::new(),
            bytes_max: 8 * 1024 * MIB,
            forward_bytes_per_s_max: 64 * MIB,
            batch_bytes_max: MIB,
            batch_records_max: 5_000,
            probe_interval_ms: 1_000,
            handover_wait_ms_max: 1_000,
            settle_ms: 2_000,
            clock_slack_ms: 10_000,
            doubtful_records_max: 1_000_000,
        }
    }
}

impl Config {
    /// What is wrong with these settings: each key, and what is allowed.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut within = |key, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                problems.push((key, format!("{value} is not allowed: {least} to {most}")));
            }
        };
        let hour_ms = 3_600_000;
        within("bytes_max", self.bytes_max, 4 * MIB, u64::MAX / 2);
        within(
            "forward_bytes_per_s_max",
            self.forward_bytes_per_s_max,
            1_024,
            u64::MAX / 2,
        );
        within("batch_bytes_max", self.batch_bytes_max, 4_096, 256 * MIB);
        within(
            "batch_records_max",
            self.batch_records_max.into(),
            1,
            1_000_000,
        );
        within("probe_interval_ms", self.probe_interval_ms, 1, hour_ms);
        within("handover_wait_ms_max", self.handover_wait_ms_max, 0, 60_000);
        within("settle_ms", self.settle_ms, 0, hour_ms);
        within("clock_slack_ms", self.clock_slack_ms, 0, 24 * hour_ms);
        within(
            "doubtful_records_max",
            self.doubtful_records_max.into(),
            1,
            100_000_000,
        );
        problems
    }

    /// The journal that the records are kept in: one partition, so that there is one order.
    pub(super) fn journal(&self) -> journal::Config {
        journal::Config {
            dir: self.dir.clone(),
            bytes_max: self.bytes_max,
            segment_bytes_max: (self.bytes_max / 4).clamp(4_096, 64 * MIB),
            retain_bytes: 0,
            record_bytes_max: 64 * MIB,
            group_bytes_max: MIB,
            prefetch_bytes_max: self.batch_bytes_max,
            probe_interval_ms: self.probe_interval_ms,
            ..journal::Config::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_problems_and_neither_has_their_journal() {
        assert_eq!(Config::default().problems(), []);
        assert_eq!(Config::default().journal().problems(), []);
        let least = Config {
            bytes_max: 4 * MIB,
            batch_bytes_max: 4_096,
            ..Config::default()
        };
        assert_eq!(
            (least.problems(), least.journal().problems()),
            (vec![], vec![])
        );
    }

    #[test]
    fn every_problem_is_told_with_its_key() {
        let wrong = Config {
            bytes_max: 1,
            probe_interval_ms: 0,
            ..Config::default()
        };
        let keys: Vec<_> = wrong.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["bytes_max", "probe_interval_ms"]);
    }
}
