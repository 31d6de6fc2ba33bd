//! What an operator can set about Kinesis. Credentials are not here: they come from the environment, a profile, a web
//! identity or the machine's role, and are never written or logged.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read_config::Read;

const MIB: u64 = 1 << 20;

/// Kinesis takes no larger record, whatever a stream is set to.
const RECORD_BYTES_MAX: u64 = 10 * MIB;

/// The largest number of bytes of a record that every stream takes.
pub(super) const RECORD_BYTES_USUAL: u64 = MIB;

/// The `[kinesis]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The streams' region. Default: that of the ARNs, `AWS_REGION`, the profile's or the machine's; `us-east-1` when
    /// `endpoint` is set.
    pub region: Option<String>,
    /// The URL of a server that is not Amazon's, as `http://127.0.0.1:4567`. Default: Amazon Kinesis' for the region.
    pub endpoint: Option<String>,
    /// A role to assume with the credentials that were found. Default: none.
    pub assume_role_arn: Option<String>,
    /// What the role's owner gave to tell callers apart by, sent when the role is assumed. Default: none.
    pub external_id: Option<String>,
    /// How streams are named and made.
    pub streams: Streams,
    /// How sinks read.
    pub read: Read,
    /// Whether many events share one record of Kinesis, in the format of Amazon's Kinesis Producer Library, which its
    /// consumers and those of AWS Lambda know how to take apart. Default true.
    pub aggregate: bool,
    /// Which order is kept: `by_key` (events of one key stay in order, even when some of them have to be sent again), or
    /// `none` (several records of one shard are under way at once). Default `by_key`.
    pub order: Order,
    /// A record's key and value together, in bytes; past it the record is refused as too large. A stream's own limit
    /// lowers it; above 1 MiB it is also what streams that are made are set to. Default 1 MiB, at most 10 MiB.
    pub record_bytes_max: u64,
    /// How long the writer tries to get a record into its shard, waiting for the shard's rate included, in ms; past it
    /// the record is refused as unavailable, and may still have been written. Default 10,000.
    pub produce_deadline_ms: u64,
    /// How long a record waits for others to share its request and its record of Kinesis, in ms: Kinesis charges by
    /// 25 KB of each record. Default 20, at most 1,000.
    pub linger_ms: u64,
    /// Records that wait to be sent or for their answer, in bytes; past it records are refused as unavailable. Default
    /// 64 MiB.
    pub queue_bytes_max: u64,
    /// Records that wait to be sent or for their answer; past it records are refused as unavailable. Default 200,000.
    pub queue_records_max: u32,
    /// How many requests that write are under way at once for one stream. Default 32.
    pub requests_at_once_max: usize,
    /// What this writer sends to one shard at most, in bytes a second: what Kinesis takes from all writers together is
    /// 1 MiB. A writer that is told that it is too much sends less for a while. Default 1,048,576.
    pub shard_bytes_per_s_max: u64,
    /// What this writer sends to one shard at most, in records of Kinesis a second: what Kinesis takes from all writers
    /// together is 1,000. Default 1,000.
    pub shard_records_per_s_max: u64,
    /// One request is given up and tried again after this long, in ms. Default 5,000.
    pub request_timeout_ms: u64,
    /// A connection that is not made after this long is given up, in ms. Default 3,000.
    pub connect_timeout_ms: u64,
    /// The longest pause before the second try, in ms; it doubles with every further one. The pause itself is drawn
    /// between nothing and that. Default 50.
    pub backoff_min_ms: u64,
    /// The longest pause between two tries, in ms. Default 2,000.
    pub backoff_max_ms: u64,
    /// How often each stream is asked for its shards, in ms; a record that lands in another shard than expected asks at
    /// once. Default 30,000.
    pub shards_interval_ms: u64,
    /// How long a question about streams may take (whether one is there, its shards), tries included, in ms. Default
    /// 10,000.
    pub request_deadline_ms: u64,
    /// How often a stream that could not be used is asked for again, and for how long a failure counts, in ms. Default
    /// 1,000.
    pub probe_interval_ms: u64,
    /// How long what is queued may take to be written when the writer is closed, in ms. Default 10,000.
    pub close_deadline_ms: u64,
}

/// How streams are named and made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Streams {
    /// Topics whose stream is not called like the topic, and each one's stream: its name, or its ARN, as for a stream of
    /// another account.
    pub names: BTreeMap<String, String>,
    /// Whether a stream that is missing is made; else it is refused, at the start where it is known by then. Default true.
    pub create_missing: bool,
    /// Whether a stream that is made scales by itself (`on_demand`) or has `shards` shards (`provisioned`). Default
    /// `on_demand`.
    pub mode: Mode,
    /// Shards of a stream that is made as `provisioned`. Default 4.
    pub shards: u32,
    /// How long a stream that was made may take until it can be written to, in ms. Default 120,000.
    pub create_deadline_ms: u64,
    /// The most streams that one writer writes to; past it records to further ones are refused. Default 100.
    pub count_max: usize,
}

/// Which order the writer keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Records of one key stay in order: what failed is sent again before what came later.
    ByKey,
    /// No order: a record that is sent again may come after later ones of its key.
    None,
}

/// How a stream's shards are provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Kinesis scales the shards.
    OnDemand,
    /// A number of shards that stays until someone changes it.
    Provisioned,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            names: BTreeMap::new(),
            create_missing: true,
            mode: Mode::OnDemand,
            shards: 4,
            create_deadline_ms: 120_000,
            count_max: 100,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            assume_role_arn: None,
            external_id: None,
            streams: Streams::default(),
            read: Read::default(),
            aggregate: true,
            order: Order::ByKey,
            record_bytes_max: RECORD_BYTES_USUAL,
            produce_deadline_ms: 10_000,
            linger_ms: 20,
            queue_bytes_max: 64 * MIB,
            queue_records_max: 200_000,
            requests_at_once_max: 32,
            shard_bytes_per_s_max: MIB,
            shard_records_per_s_max: 1_000,
            request_timeout_ms: 5_000,
            connect_timeout_ms: 3_000,
            backoff_min_ms: 50,
            backoff_max_ms: 2_000,
            shards_interval_ms: 30_000,
            request_deadline_ms: 10_000,
            probe_interval_ms: 1_000,
            close_deadline_ms: 10_000,
        }
    }
}

impl Config {
    /// What is wrong with these settings: each key, and what is allowed.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = self.outside_bounds();
        problems.extend(self.read.problems());
        let mut problem = |key, reason: String| problems.push((key, reason));
        if let Some(endpoint) = &self.endpoint
            && !["http://", "https://"]
                .iter()
                .any(|scheme| endpoint.starts_with(scheme))
        {
            let reason = "must be a URL that begins with http:// or https://";
            problem("endpoint", reason.to_owned());
        }
        if self.external_id.is_some() && self.assume_role_arn.is_none() {
            problem("external_id", "is used only with assume_role_arn".into());
        }
        for stream in self.streams.names.values() {
            let name = stream_name(stream);
            if !name.is_some_and(is_stream_name) {
                let reason = format!(
                    "{stream:?} is neither a stream's name (1 to 128 of a-z A-Z 0-9 . _ -) nor its ARN \
                     (arn:aws:kinesis:REGION:ACCOUNT:stream/NAME)"
                );
                problem("streams.names", reason);
            }
        }
        if self.linger_ms >= self.produce_deadline_ms {
            problem("linger_ms", "must be below produce_deadline_ms".into());
        }
        if self.request_timeout_ms > self.produce_deadline_ms {
            let reason = "is not allowed to be above produce_deadline_ms";
            problem("request_timeout_ms", reason.into());
        }
        if self.backoff_min_ms > self.backoff_max_ms {
            let reason = "is not allowed to be above backoff_max_ms";
            problem("backoff_min_ms", reason.into());
        }
        problems
    }

    fn outside_bounds(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut within = |key, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                problems.push((key, format!("{value} is not allowed: {least} to {most}")));
            }
        };
        let (gib, hour_ms) = (1024 * MIB, 3_600_000);
        let streams = &self.streams;
        within("streams.shards", streams.shards.into(), 1, 20_000);
        within(
            "streams.create_deadline_ms",
            streams.create_deadline_ms,
            100,
            hour_ms,
        );
        within("streams.count_max", streams.count_max as u64, 1, 10_000);
        within(
            "record_bytes_max",
            self.record_bytes_max,
            1_024,
            RECORD_BYTES_MAX,
        );
        within(
            "produce_deadline_ms",
            self.produce_deadline_ms,
            100,
            hour_ms,
        );
        within("linger_ms", self.linger_ms, 0, 1_000);
        let queue_least = self.record_bytes_max.max(MIB);
        within(
            "queue_bytes_max",
            self.queue_bytes_max,
            queue_least,
            64 * gib,
        );
        let records = self.queue_records_max.into();
        within("queue_records_max", records, 1, 10_000_000);
        let requests = self.requests_at_once_max as u64;
        within("requests_at_once_max", requests, 1, 1_024);
        within(
            "shard_bytes_per_s_max",
            self.shard_bytes_per_s_max,
            1_024,
            gib,
        );
        within(
            "shard_records_per_s_max",
            self.shard_records_per_s_max,
            1,
            1_000_000,
        );
        within("request_timeout_ms", self.request_timeout_ms, 100, hour_ms);
        within("connect_timeout_ms", self.connect_timeout_ms, 10, 600_000);
        within("backoff_min_ms", self.backoff_min_ms, 1, 60_000);
        within("backoff_max_ms", self.backoff_max_ms, 1, 600_000);
        within("shards_interval_ms", self.shards_interval_ms, 100, hour_ms);
        within(
            "request_deadline_ms",
            self.request_deadline_ms,
            100,
            hour_ms,
        );
        within("probe_interval_ms", self.probe_interval_ms, 10, hour_ms);
        within("close_deadline_ms", self.close_deadline_ms, 0, hour_ms);
        problems
    }

    /// The stream of a topic: its name or its ARN.
    pub(super) fn stream_of<'a>(&'a self, topic: &'a str) -> &'a str {
        self.streams
            .names
            .get(topic)
            .map_or(topic, |stream| stream.as_str())
    }

    /// The region that the ARNs name, if any does.
    pub(super) fn region_of_arns(&self) -> Option<&str> {
        let arns = self.streams.names.values();
        let mut arns = arns.filter(|stream| is_arn(stream));
        arns.next()?.split(':').nth(3).filter(|r| !r.is_empty())
    }
}

/// Whether that is an ARN, not a name.
pub(super) fn is_arn(stream: &str) -> bool {
    stream.starts_with("arn:")
}

/// The stream's name, also of an ARN; none where the ARN is no stream's.
pub(super) fn stream_name(stream: &str) -> Option<&str> {
    if !is_arn(stream) {
        return Some(stream);
    }
    let mut parts = stream.splitn(6, ':');
    match (parts.nth(2), parts.nth(2)) {
        (Some("kinesis"), Some(resource)) => resource.strip_prefix("stream/"),
        _ => None,
    }
}

/// Whether Kinesis takes that as a stream's name.
pub(super) fn is_stream_name(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    (1..=128).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(config: &Config) -> Vec<&'static str> {
        config.problems().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn nothing_has_to_be_set() {
        assert_eq!(Config::default().problems(), []);
        let text = r#"{"order": "none", "streams": {"mode": "provisioned", "names": {"events": "clicks"}}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!(
            (
                config.order,
                config.streams.mode,
                config.stream_of("events")
            ),
            (Order::None, Mode::Provisioned, "clicks")
        );
        assert_eq!(config.stream_of("bad_events"), "bad_events");
        serde_json::from_str::<Config>(r#"{"secret_access_key":"x"}"#).unwrap_err();
    }

    #[test]
    fn what_cannot_work_is_named() {
        let names = [
            (
                "a",
                "arn:aws:kinesis:eu-central-1:123456789012:stream/clicks",
            ),
            ("b", "no name"),
            ("c", "arn:aws:s3:::bucket"),
        ];
        let config = Config {
            endpoint: Some("kinesis.example.com".into()),
            external_id: Some("x".into()),
            record_bytes_max: 11 << 20,
            linger_ms: 900,
            produce_deadline_ms: 900,
            backoff_min_ms: 3_000,
            streams: Streams {
                names: names
                    .map(|(topic, stream)| (topic.into(), stream.into()))
                    .into(),
                ..Streams::default()
            },
            ..Config::default()
        };
        let expected = [
            "record_bytes_max",
            "endpoint",
            "external_id",
            "streams.names",
            "streams.names",
            "linger_ms",
            "request_timeout_ms",
            "backoff_min_ms",
        ];
        assert_eq!(keys(&config), expected);
        assert_eq!(config.region_of_arns(), Some("eu-central-1"));
        assert_eq!(stream_name(config.stream_of("a")), Some("clicks"));
    }
}
