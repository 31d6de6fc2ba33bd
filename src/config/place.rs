//! Which stream lies between gateway and sink, and where tables are.

use headgate_gateway::template::{self, Template};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;

/// `[stream]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Stream {
    /// What lies between gateway and sink: `journal` (in one process, `headgate up`), or, between any number of
    /// `headgate gateway` and `headgate sink`, `kafka` (see `[kafka]`) or `kinesis` (see `[kinesis]`). Default `journal`.
    pub(crate) kind: StreamKind,
    /// The topic of valid events; with `kafka`, also a template that names one for each `{type}` or `{source}` of
    /// events, such as `events.{type}`. Characters that no topic's name may have become `-` and a hash is added, as it
    /// is to values with a dot and to `other`. Between two fields there must be text with a dot. Of
    /// `kafka.topics.count_max` topics two are for `bad_events_topic` and for events that would need one more: they go
    /// to the template's topic with `other` for each field. Sinks that read the topics need the same setting. Default
    /// `events`.
    pub(crate) topic: String,
    /// The topic of rejected events. Default `bad_events`.
    pub(crate) bad_events_topic: String,
    /// What a gateway does with events while Kafka or Kinesis cannot be reached or the queue to it is full: `spill` (keep them on disk,
    /// forward them later; see `[spill]`) or `refuse` (clients are told to retry). With `journal` it means nothing.
    /// Default `spill`.
    pub(crate) on_stream_unavailable: OnUnavailable,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            kind: StreamKind::default(),
            topic: "events".to_owned(),
            bad_events_topic: "bad_events".to_owned(),
            on_stream_unavailable: OnUnavailable::default(),
        }
    }
}

/// What becomes of events that the stream does not take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnUnavailable {
    /// They are kept on disk.
    #[default]
    Spill,
    /// They are refused.
    Refuse,
}

impl Stream {
    /// The template of the topics of valid events, if it is one; two topics are left for others.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn template(&self, topics_max: usize) -> Result<Option<Template>, String> {
        Template::parse(&self.topic, topics_max.saturating_sub(2))
    }

    /// What is wrong with the topics.
    pub(super) fn problems(&self, topics_max: usize) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if let Err(reason) = template::check_name(&self.bad_events_topic) {
            problems.push(("bad_events_topic", reason));
        }
        match self.template(topics_max) {
            Err(reason) => problems.push(("topic", reason)),
            Ok(Some(_)) if self.kind != StreamKind::Kafka => {
                let reason = "a template needs stream.kind = \"kafka\": the others have their topics from the start";
                problems.push(("topic", reason.to_owned()));
            }
            Ok(Some(template)) if template.matches(&self.bad_events_topic) => {
                let reason = format!("must not be one of the names that {} makes", self.topic);
                problems.push(("bad_events_topic", reason));
            }
            Ok(Some(_)) if topics_max < 3 => {
                let reason = "a template needs kafka.topics.count_max to be at least 3";
                problems.push(("topic", reason.to_owned()));
            }
            Ok(None) if self.topic == self.bad_events_topic => {
                problems.push((
                    "bad_events_topic",
                    "must differ from stream.topic".to_owned(),
                ));
            }
            Ok(_) => {}
        }
        problems
    }
}

/// What a stream can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StreamKind {
    /// The journal in the process.
    #[default]
    Journal,
    /// A Kafka cluster.
    Kafka,
    /// Streams of Amazon Kinesis.
    Kinesis,
}

/// `[store]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// Where tables and their commit log are: `local` (`lake/` below `data_dir`) or `s3` (a bucket; see `[s3]`).
    /// Default `local`.
    pub(crate) kind: StoreKind,
}

/// What a store can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreKind {
    /// A directory.
    #[default]
    Local,
    /// A bucket of Amazon S3 or of a server that speaks its protocol.
    S3,
}

/// The gateway gives an append up from outside: the stream must have refused before, or nothing is left to be spilled.
pub(super) fn patience(config: &Config, produce_deadline_ms: u64) -> Vec<(&'static str, String)> {
    let append_timeout_ms = config.gateway.timeouts.append_timeout_ms;
    let spills = config.stream.on_stream_unavailable == OnUnavailable::Spill;
    if !spills || produce_deadline_ms < append_timeout_ms {
        return Vec::new();
    }
    let reason = format!("must be below gateway.timeouts.append_timeout_ms ({append_timeout_ms})");
    vec![("produce_deadline_ms", reason)]
}

/// The sink gives an operation up from outside: the store must have given up before, or its own retries are cut off.
pub(super) fn deadlines(
    s3: &headgate_sink::store::s3::Config,
    sink: &headgate_sink::Config,
) -> Vec<(&'static str, String)> {
    if s3.operation_deadline_ms < sink.store_timeout_ms {
        return Vec::new();
    }
    let reason = format!(
        "must be below sink.store_timeout_ms ({})",
        sink.store_timeout_ms
    );
    vec![("operation_deadline_ms", reason)]
}

/// A warehouse reads the files itself: they must be where it can.
pub(super) fn lake(config: &Config) -> Vec<(&'static str, String)> {
    let follows = config.warehouse.kind != headgate_sink::warehouse::Kind::None;
    match follows && config.store.kind != StoreKind::S3 {
        true => vec![(
            "kind",
            "needs store.kind = \"s3\": the warehouse reads the files there".to_owned(),
        )],
        false => Vec::new(),
    }
}
