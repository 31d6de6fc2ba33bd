//! What an operator can set about landing: when batches are cut, how files look, how long faults are waited out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{batch::Limits, compact};

/// The longest that a batch may wait.
const AGE_MS_MAX: u64 = 86_400_000;

/// Settings of the sink. Every limit has a default that suits one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A batch is cut when it holds this many bytes of records. Twice this much is held at most: one batch lands
    /// while the next one fills. Default 64 MiB.
    pub batch_bytes_max: u64,
    /// A batch is cut when it holds this many records. Default 1,000,000.
    pub batch_rows_max: u64,
    /// A batch is cut when its first record has waited this long, in ms, whether or not more arrive. Default 5,000.
    pub batch_age_max_ms: u64,
    /// Tables whose records may wait for less or longer than `batch_age_max_ms`, by name, or by a pattern in which `*`
    /// is anything: `[sink.tables."order_*"]` with `age_max_ms = 60000`. A whole name wins over a pattern, a longer
    /// pattern over a shorter one. Tables of one batch land together, so the one that may wait least decides. Default
    /// none.
    pub tables: BTreeMap<String, TableConfig>,
    /// A table's file of one hour is closed and another begun when it reaches this size, in bytes. Default 512 MiB.
    pub file_bytes_max: u64,
    /// A file's row group is closed when it reaches this size, in bytes. Default 128 MiB.
    pub row_group_bytes_max: u64,
    /// How files are compressed: `snappy` (what Redshift documents) or `zstd` (about a quarter smaller).
    /// Default `snappy`.
    pub compression: Compression,
    /// How many files are decoded and encoded at once, each on a thread of its own. Default 2.
    pub encode_threads_max: usize,
    /// How many files are written to the store at once. Default 8.
    pub uploads_max: usize,
    /// The deepest nesting of an event's data that is decoded; deeper records go to the bad events. Not below
    /// `gateway.limits.depth_max`. Default 128.
    pub data_depth_max: u32,
    /// A checkpoint of the commit log is written every so many commits. Default 64.
    pub checkpoint_commits: u64,
    /// One operation on the store is given up and tried again after this long, in ms. Default 60,000.
    pub store_timeout_ms: u64,
    /// The longest pause between two tries of an operation that fails, in ms. Default 10,000.
    pub retry_pause_max_ms: u64,
    /// How long the last batch may take to land after the order to stop, in ms; what has not landed by then is read
    /// again at the next start. Default 10,000.
    pub drain_deadline_ms: u64,
    /// `/ready` of a sink's process says why it is not ready when the store or the stream could not be reached for so
    /// long, in ms, or when one batch has been landing for so long. Default 120,000.
    pub unready_after_ms: u64,
    /// How long a file that no commit names is kept, in ms, at least 60,000. Longer than any other sink's batch on
    /// the same store may take. Default 86,400,000 (a day).
    pub orphan_grace_ms: u64,
    /// How often files that no commit names, or that were replaced long enough ago, are looked for, in ms. Default
    /// 3,600,000 (an hour).
    pub sweep_interval_ms: u64,
    /// An event that comes again within this time of the first, in ms, does not land again: of the same source, type, id
    /// and partition. 0: all land. Default 86,400,000 (a day). `docs/adr/0019-duplicates.md`.
    pub dedup_window_ms: u64,
    /// Events of a stream's partitions that a sink remembers at most, about 35 bytes each: where there are more within
    /// `dedup_window_ms`, the window is as much shorter. Default 10,000,000.
    pub dedup_events_max: u64,
    /// How small files are put together.
    pub compact: compact::Config,
}

/// Settings of one table, or of those of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// A batch is cut when the first record of such a table has waited this long, in ms.
    pub age_max_ms: u64,
}

/// A Parquet codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Quick, and what every engine reads.
    Snappy,
    /// Smaller, at about three times the CPU time.
    Zstd,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            batch_bytes_max: 64 << 20,
            batch_rows_max: 1_000_000,
            batch_age_max_ms: 5_000,
            tables: BTreeMap::new(),
            file_bytes_max: 512 << 20,
            row_group_bytes_max: 128 << 20,
            compression: Compression::Snappy,
            encode_threads_max: 2,
            uploads_max: 8,
            data_depth_max: 128,
            checkpoint_commits: 64,
            store_timeout_ms: 60_000,
            retry_pause_max_ms: 10_000,
            drain_deadline_ms: 10_000,
            unready_after_ms: 120_000,
            orphan_grace_ms: 24 * 3_600_000,
            sweep_interval_ms: 3_600_000,
            dedup_window_ms: 24 * 3_600_000,
            dedup_events_max: 10_000_000,
            compact: compact::Config::default(),
        }
    }
}

impl Config {
    /// What is wrong with the settings: each key with what is allowed there. Empty: nothing.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let bounds: [(&'static str, u64, u64, u64); 17] = [
            ("batch_bytes_max", self.batch_bytes_max, 1 << 16, 1 << 32),
            ("batch_rows_max", self.batch_rows_max, 1, 1 << 28),
            ("batch_age_max_ms", self.batch_age_max_ms, 1, AGE_MS_MAX),
            ("file_bytes_max", self.file_bytes_max, 1 << 16, 1 << 33),
            (
                "row_group_bytes_max",
                self.row_group_bytes_max,
                1 << 16,
                1 << 32,
            ),
            ("encode_threads_max", self.encode_threads_max as u64, 1, 256),
            ("uploads_max", self.uploads_max as u64, 1, 256),
            ("data_depth_max", self.data_depth_max.into(), 1, 10_000),
            ("checkpoint_commits", self.checkpoint_commits, 1, 10_000),
            ("store_timeout_ms", self.store_timeout_ms, 100, 3_600_000),
            ("retry_pause_max_ms", self.retry_pause_max_ms, 10, 3_600_000),
            ("drain_deadline_ms", self.drain_deadline_ms, 0, 3_600_000),
            ("unready_after_ms", self.unready_after_ms, 1_000, 86_400_000),
            ("orphan_grace_ms", self.orphan_grace_ms, 60_000, u64::MAX),
            ("sweep_interval_ms", self.sweep_interval_ms, 100, u64::MAX),
            ("dedup_window_ms", self.dedup_window_ms, 0, 30 * 86_400_000),
            ("dedup_events_max", self.dedup_events_max, 1_000, 1 << 30),
        ];
        let outside = bounds
            .iter()
            .filter(|(_, value, least, most)| value < least || value > most);
        let mut problems: Vec<_> = outside
            .map(|(key, value, least, most)| {
                let upper = match most {
                    &u64::MAX => String::new(),
                    most => format!(" and at most {most}"),
                };
                (
                    *key,
                    format!("{value} is not allowed: at least {least}{upper}"),
                )
            })
            .collect();
        if self.store_timeout_ms > self.orphan_grace_ms / 4 {
            problems.push((
                "store_timeout_ms",
                format!(
                    "{} is not allowed: at most a quarter of orphan_grace_ms ({})",
                    self.store_timeout_ms, self.orphan_grace_ms
                ),
            ));
        }
        problems.extend(self.compact.problems());
        problems.extend(self.tables.iter().filter_map(|(name, table)| {
            let named = !name.is_empty() && !name.contains(['/', '.']);
            let allowed = named && (1..=AGE_MS_MAX).contains(&table.age_max_ms);
            let reason = format!(
                "`{name}` with age_max_ms = {} is not allowed: a table's name or pattern, and at least 1 and at most \
                 {AGE_MS_MAX}",
                table.age_max_ms
            );
            (!allowed).then_some(("tables", reason))
        }));
        problems
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            bytes_max: self.batch_bytes_max,
            rows_max: self.batch_rows_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_have_no_problems() {
        assert_eq!(Config::default().problems(), []);
    }

    #[test]
    fn a_value_outside_its_bounds_is_named_with_what_is_allowed() {
        let config = Config {
            batch_rows_max: 0,
            orphan_grace_ms: 1,
            ..Config::default()
        };
        let problems = config.problems();
        let keys: Vec<_> = problems.iter().map(|(key, _)| *key).collect();
        assert_eq!(
            keys,
            ["batch_rows_max", "orphan_grace_ms", "store_timeout_ms"]
        );
        assert_eq!(
            problems[0].1,
            "0 is not allowed: at least 1 and at most 268435456"
        );
    }
}
