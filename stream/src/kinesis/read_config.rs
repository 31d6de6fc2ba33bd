//! What an operator can set about reading from Kinesis.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::room::REPLY_BYTES_MAX;

/// Members that do not move for less than so many of their intervals are not taken for dead: a slow store must not make
/// partitions wander.
const SILENCE_INTERVALS_MIN: u64 = 2;

/// The `[kinesis.read]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Read {
    /// The shortest time between two calls that read one shard, in ms: Kinesis allows five a second to all who read it
    /// that way. Default 250, at least 200.
    pub interval_ms: u64,
    /// What a reader holds in memory that it has not handed over yet, in bytes, what is under way included; default
    /// 64 MiB, at least 10 MiB, which one reply may have.
    pub prefetch_bytes_max: u64,
    /// The name of a consumer with enhanced fan-out, which all sinks share: Kinesis then pushes records to them, with
    /// 2 MB a second for each shard of its own, and charges for it. It is registered if it is not there. Default: not
    /// set, shards are read by calls.
    pub fan_out: Option<String>,
    /// How often a reader tells the others that it lives, and looks for them, in ms: two requests to the store each time.
    /// Default 5,000.
    pub member_interval_ms: u64,
    /// How long a reader may not have told that it lives before its shards go to others, in ms; default 14,000, at
    /// least twice `member_interval_ms`.
    pub member_silence_ms_max: u64,
    /// How often the stream is asked for its shards, in ms; a shard that ends asks at once. Default 10,000.
    pub shards_interval_ms: u64,
}

impl Default for Read {
    fn default() -> Self {
        Self {
            interval_ms: 250,
            prefetch_bytes_max: 64 << 20,
            fan_out: None,
            member_interval_ms: 5_000,
            member_silence_ms_max: 14_000,
            shards_interval_ms: 10_000,
        }
    }
}

impl Read {
    /// What is wrong with these settings: each key, and what is allowed.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut within = |key, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                problems.push((key, format!("{value} is not allowed: {least} to {most}")));
            }
        };
        let hour_ms = 3_600_000;
        within("read.interval_ms", self.interval_ms, 200, 60_000);
        within(
            "read.prefetch_bytes_max",
            self.prefetch_bytes_max,
            REPLY_BYTES_MAX,
            64 << 30,
        );
        within(
            "read.member_interval_ms",
            self.member_interval_ms,
            100,
            600_000,
        );
        within(
            "read.member_silence_ms_max",
            self.member_silence_ms_max,
            self.member_interval_ms
                .saturating_mul(SILENCE_INTERVALS_MIN),
            hour_ms,
        );
        within(
            "read.shards_interval_ms",
            self.shards_interval_ms,
            1_000,
            hour_ms,
        );
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        if let Some(name) = &self.fan_out
            && !((1..=128).contains(&name.len()) && name.bytes().all(allowed))
        {
            let reason = format!("{name:?} is not allowed: 1 to 128 of a-z A-Z 0-9 . _ -");
            problems.push(("read.fan_out", reason));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed_and_what_kinesis_or_the_board_would_not_bear_is_not() {
        assert_eq!(Read::default().problems(), []);
        let wrong = Read {
            interval_ms: 100,
            prefetch_bytes_max: 1 << 20,
            fan_out: Some("a/b".to_owned()),
            member_silence_ms_max: 9_999,
            ..Read::default()
        };
        let keys: Vec<_> = wrong.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            [
                "read.interval_ms",
                "read.prefetch_bytes_max",
                "read.member_silence_ms_max",
                "read.fan_out"
            ]
        );
    }
}
