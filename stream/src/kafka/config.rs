//! What an operator can set about Kafka.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{msk_iam::MskIam, properties};

const MIB: u64 = 1 << 20;

/// What a record costs on the wire beside its key and value: the batch's and the record's own headers, in bytes.
pub(super) const RECORD_OVERHEAD_BYTES: u64 = 512;

/// The `[kafka]` section.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The brokers that are asked first, `host:port` each; any of them leads to the others.
    pub bootstrap_servers: Vec<String>,
    /// How topics are made and what is demanded of them.
    pub topics: Topics,
    /// How batches are compressed: `lz4` (default), `zstd`, `snappy`, `gzip` or `none`.
    pub compression: Compression,
    /// How long the writer waits for a broker's acknowledgement, retries included, in ms; past it a record is refused
    /// as unavailable, and may still have been written; default 10,000.
    pub produce_deadline_ms: u64,
    /// How long a record waits for others to share its batch, in ms; default 5, at most 1,000.
    pub linger_ms: u64,
    /// The largest batch that the writer sends, in bytes before compression; default 1,000,000. A topic's own
    /// `max.message.bytes` lowers it.
    pub batch_bytes_max: u64,
    /// A record's key and value together, in bytes before compression; past it the record is refused as too large;
    /// default 1,000,000. A topic's own `max.message.bytes` lowers it.
    pub record_bytes_max: u64,
    /// Records that wait for their acknowledgement, in bytes; past it records are refused as unavailable; default 64 MiB.
    pub queue_bytes_max: u64,
    /// Records that wait for their acknowledgement; past it records are refused as unavailable; default 200,000.
    pub queue_records_max: u32,
    /// The consumer group that readers join; default `headgate-sink`.
    pub group: String,
    /// What a reader holds in memory that it has not handed over yet, in bytes; default 32 MiB. What one fetch brings
    /// over, once it is inflated, is still read whole.
    pub prefetch_bytes_max: u64,
    /// How often readers tell Kafka how far they have passed, in ms; default 1,000.
    pub commit_interval_ms: u64,
    /// How long a member of the group may be silent before its partitions go to others, in ms; default 45,000.
    pub session_timeout_ms: u64,
    /// How long partitions that go elsewhere are kept until the reader was told so, in ms; default 5,000.
    pub revoke_wait_ms_max: u64,
    /// How often new topics and partitions are looked for, in ms; default 10,000.
    pub metadata_interval_ms: u64,
    /// How often queues, brokers and lag are measured, in ms; default 1,000.
    pub statistics_interval_ms: u64,
    /// How long a question to the cluster may take (what topics there are, making one), in ms; default 10,000.
    pub request_deadline_ms: u64,
    /// How often a cluster, a topic or a writer that failed is tried again, in ms; default 1,000.
    pub probe_interval_ms: u64,
    /// How long what is queued may take to be written when the writer is closed, in ms; default 10,000.
    pub close_deadline_ms: u64,
    /// Topics that were deleted and made anew, and how often: a reader that finds other records than it had read stops
    /// and says so; raising the topic's number here makes it read the new topic from its start, as new partitions.
    pub recreated: BTreeMap<String, u32>,
    /// How to authenticate to a cluster of Amazon MSK by IAM. The section turns it on, even without a key in it: then
    /// `security.protocol` is `SASL_SSL` and `sasl.mechanism` is `OAUTHBEARER`. Topics must be there: they are not made.
    /// Default: not set, no IAM.
    pub msk_iam: Option<MskIam>,
    /// Further settings of librdkafka by their own names, such as `security.protocol` or `sasl.mechanism`. Those that
    /// the promises of this backend rest on are refused.
    pub properties: BTreeMap<String, String>,
}

/// How topics are made, and what is demanded of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// Whether a topic that is missing is made; else it is refused, at the start where it is known by then. Default true.
    pub create_missing: bool,
    /// Partitions of a topic that is made; default 12.
    pub partitions: u32,
    /// Replicas of a topic that is made; default 3.
    pub replication_factor: u32,
    /// Replicas of a topic that is made that must have a record before it counts as written; default 2.
    pub min_insync_replicas: u32,
    /// Further settings of a topic that is made, by Kafka's own names, such as `retention.ms`.
    pub properties: BTreeMap<String, String>,
    /// The most topics that one writer writes to; past it records to further ones are refused; default 1,000.
    pub count_max: usize,
}

/// How batches are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4: the cheapest for the writer.
    Lz4,
    /// Zstandard: the smallest.
    Zstd,
    /// Snappy.
    Snappy,
    /// Gzip.
    Gzip,
}

impl Compression {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
        }
    }
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            create_missing: true,
            partitions: 12,
            replication_factor: 3,
            min_insync_replicas: 2,
            properties: BTreeMap::new(),
            count_max: 1_000,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bootstrap_servers: Vec::new(),
            topics: Topics::default(),
            compression: Compression::Lz4,
            produce_deadline_ms: 10_000,
            linger_ms: 5,
            batch_bytes_max: 1_000_000,
            record_bytes_max: 1_000_000,
            queue_bytes_max: 64 * MIB,
            queue_records_max: 200_000,
            group: "headgate-sink".to_owned(),
            prefetch_bytes_max: 32 * MIB,
            commit_interval_ms: 1_000,
            session_timeout_ms: 45_000,
            revoke_wait_ms_max: 5_000,
            metadata_interval_ms: 10_000,
            statistics_interval_ms: 1_000,
            request_deadline_ms: 10_000,
            probe_interval_ms: 1_000,
            close_deadline_ms: 10_000,
            recreated: BTreeMap::new(),
            msk_iam: None,
            properties: BTreeMap::new(),
        }
    }
}

/// Properties may hold passwords: their names are shown, their values never.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group", &self.group)
            .field("properties", &self.properties.keys())
            .finish_non_exhaustive()
    }
}

impl Config {
    /// What is wrong with these settings: each key, and what is allowed.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = self.ranges();
        if self.bootstrap_servers.is_empty() {
            problems.push(("bootstrap_servers", "at least one is needed".to_owned()));
        }
        if let Some(wrong) = self
            .bootstrap_servers
            .iter()
            .find(|s| s.contains(',') || s.is_empty())
        {
            problems.push(("bootstrap_servers", format!("{wrong:?} is not `host:port`")));
        }
        if self.group.is_empty() || self.group.len() > 255 {
            problems.push(("group", "1 to 255 bytes are allowed".to_owned()));
        }
        let topics = &self.topics;
        if topics.min_insync_replicas > topics.replication_factor {
            let reason = format!(
                "{} is not allowed: at most replication_factor, {}",
                topics.min_insync_replicas, topics.replication_factor
            );
            problems.push(("topics.min_insync_replicas", reason));
        }
        if self.linger_ms >= self.produce_deadline_ms {
            problems.push(("linger_ms", "must be below produce_deadline_ms".to_owned()));
        }
        let mechanism = ["sasl.mechanism", "sasl.mechanisms"];
        let mut mechanisms = mechanism
            .iter()
            .filter_map(|name| self.properties.get(*name));
        if self.msk_iam.is_some() && mechanisms.any(|name| name != "OAUTHBEARER") {
            let reason = "is OAUTHBEARER's, and the property sasl.mechanism names another";
            problems.push(("msk_iam", reason.to_owned()));
        }
        let protocol = self.properties.get("security.protocol");
        if self.msk_iam.is_some()
            && protocol.is_some_and(|name| !name.eq_ignore_ascii_case("SASL_SSL"))
        {
            let reason =
                "needs SASL_SSL, and the property security.protocol names another: leave it out";
            problems.push(("msk_iam", reason.to_owned()));
        }
        problems.extend(properties::wrong(&self.properties).map(|reason| ("properties", reason)));
        problems
    }

    fn ranges(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut within = |key, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                problems.push((key, format!("{value} is not allowed: {least} to {most}")));
            }
        };
        let (gib, hour_ms) = (1024 * MIB, 3_600_000);
        within(
            "topics.partitions",
            self.topics.partitions.into(),
            1,
            10_000,
        );
        within(
            "topics.replication_factor",
            self.topics.replication_factor.into(),
            1,
            32,
        );
        within(
            "topics.min_insync_replicas",
            self.topics.min_insync_replicas.into(),
            1,
            32,
        );
        within("topics.count_max", self.topics.count_max as u64, 1, 100_000);
        within(
            "produce_deadline_ms",
            self.produce_deadline_ms,
            100,
            hour_ms,
        );
        within("linger_ms", self.linger_ms, 0, 1_000);
        within("batch_bytes_max", self.batch_bytes_max, 1_024, 256 * MIB);
        within("record_bytes_max", self.record_bytes_max, 1_024, 256 * MIB);
        within(
            "queue_bytes_max",
            self.queue_bytes_max,
            self.record_bytes_max.max(MIB),
            64 * gib,
        );
        within(
            "queue_records_max",
            self.queue_records_max.into(),
            1,
            10_000_000,
        );
        within(
            "prefetch_bytes_max",
            self.prefetch_bytes_max,
            4 * MIB,
            2 * gib,
        );
        within("commit_interval_ms", self.commit_interval_ms, 10, hour_ms);
        within(
            "session_timeout_ms",
            self.session_timeout_ms,
            1_000,
            hour_ms,
        );
        within("revoke_wait_ms_max", self.revoke_wait_ms_max, 0, 60_000);
        within(
            "metadata_interval_ms",
            self.metadata_interval_ms,
            100,
            hour_ms,
        );
        within(
            "statistics_interval_ms",
            self.statistics_interval_ms,
            100,
            hour_ms,
        );
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> Config {
        Config {
            bootstrap_servers: vec!["127.0.0.1:9092".to_owned()],
            ..Config::default()
        }
    }

    #[test]
    fn the_defaults_need_only_a_server() {
        assert_eq!(valid().problems(), []);
        let keys: Vec<_> = Config::default()
            .problems()
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys, ["bootstrap_servers"]);
    }

    #[test]
    fn passwords_are_never_shown() {
        let mut config = valid();
        config
            .properties
            .insert("sasl.password".to_owned(), "hunter2".to_owned());
        config
            .properties
            .insert("sasl.mechanism".to_owned(), "hunter2".to_owned());
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn iam_goes_with_no_other_protocol_or_mechanism() {
        let mut config = valid();
        config.msk_iam = Some(MskIam::default());
        assert_eq!(config.problems(), []);
        for (name, value) in [("security.protocol", "SSL"), ("sasl.mechanism", "PLAIN")] {
            config.properties = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let problems = config.problems();
            assert!(
                problems.len() == 1 && problems[0].0 == "msk_iam" && problems[0].1.contains(name),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn a_section_is_read_from_json_and_unknown_keys_are_refused() {
        let text =
            r#"{"bootstrap_servers": ["a:1"], "compression": "zstd", "topics": {"partitions": 3}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!(
            (config.compression, config.topics.partitions),
            (Compression::Zstd, 3)
        );
        assert!(serde_json::from_str::<Config>(r#"{"brokers": []}"#).is_err());
    }
}
