//! What an operator can set about compaction.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of `headgate sink compact`, and of how long every sink leaves alone what it replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long `headgate sink compact` waits between two looks at what has landed, in ms. Default 300,000.
    pub interval_ms: u64,
    /// An hour is compacted when it ended at least this long ago, in ms. What lands in it later is compacted by and by.
    /// Default 900,000.
    pub closed_after_ms: u64,
    /// A file of at least this size is left as it is, in bytes. Default 128 MiB.
    pub file_bytes_min: u64,
    /// Files are put together up to this size, in bytes. One compaction holds at most this much in memory, and
    /// `file_bytes_min` and `sink.row_group_bytes_max`. Default 512 MiB.
    pub file_bytes_max: u64,
    /// How long a file that was replaced stays in the store, in ms, at least 60,000: queries and loads that began before
    /// read it. Counted from when the compaction can be committed no more, `deadline_ms` after it was proposed. Default
    /// 86,400,000 (a day).
    pub replaced_grace_ms: u64,
    /// Putting some files of one table and hour together is given up after this long, in ms, and after half of
    /// `sink.orphan_grace_ms`; a later round tries again. Default 3,600,000.
    pub deadline_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval_ms: 300_000,
            closed_after_ms: 900_000,
            file_bytes_min: 128 << 20,
            file_bytes_max: 512 << 20,
            replaced_grace_ms: 24 * 3_600_000,
            deadline_ms: 3_600_000,
        }
    }
}

impl Config {
    /// What is wrong with the settings: each key with what is allowed there. Empty: nothing.
    pub(crate) fn problems(&self) -> Vec<(&'static str, String)> {
        let day_ms = 86_400_000;
        let bounds = [
            ("compact.interval_ms", self.interval_ms, 1_000, day_ms),
            ("compact.closed_after_ms", self.closed_after_ms, 0, u64::MAX),
            ("compact.file_bytes_min", self.file_bytes_min, 1, 1 << 33),
            (
                "compact.file_bytes_max",
                self.file_bytes_max,
                self.file_bytes_min,
                1 << 33,
            ),
            (
                "compact.replaced_grace_ms",
                self.replaced_grace_ms,
                60_000,
                u64::MAX,
            ),
            ("compact.deadline_ms", self.deadline_ms, 1_000, u64::MAX),
        ];
        let outside = |(_, value, least, most): &(_, u64, u64, u64)| value < least || value > most;
        let outside = bounds.into_iter().filter(outside);
        let reason = |(key, value, least, most)| {
            let upper = match most {
                u64::MAX => String::new(),
                most => format!(" and at most {most}"),
            };
            let reason = format!("{value} is not allowed: at least {least}{upper}");
            (key, reason)
        };
        outside.map(reason).collect()
    }
}
