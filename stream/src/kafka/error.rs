//! Why Kafka cannot be used.

use std::io;

use rdkafka::error::KafkaError;

use crate::log::Refusal;

/// Why a writer or a reader cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are wrong.
    #[error("{key}: {reason}")]
    Config {
        /// The key in the `[kafka]` section.
        key: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// A topic's name is none that Kafka takes.
    #[error("topic name {0:?} is not allowed: 1 to 249 of a-z A-Z 0-9 . _ -, and neither . nor ..")]
    Name(String),
    /// No broker answered within `request_deadline_ms`.
    #[error("no broker answered at {servers}: {reason}")]
    Unreachable {
        /// The bootstrap servers.
        servers: String,
        /// librdkafka's reason.
        reason: String,
    },
    /// The topic does not exist and is not to be made.
    #[error("topic {0:?} does not exist, and topics.create_missing is false")]
    MissingTopic(String),
    /// The topic does not exist, and nothing is to be written to it.
    #[error("topic {0:?} does not exist")]
    NoTopic(String),
    /// The topic does not exist and could not be made.
    #[error(
        "topic {topic:?} does not exist and cannot be made with {partitions} partitions and {replication_factor} replicas: {reason}"
    )]
    CreateTopic {
        /// The topic.
        topic: String,
        /// As configured.
        partitions: u32,
        /// As configured.
        replication_factor: u32,
        /// Kafka's reason.
        reason: String,
    },
    /// The cluster refuses the topic, as for want of permission.
    #[error("topic {topic:?} cannot be used: {reason}")]
    Topic {
        /// The topic.
        topic: String,
        /// Kafka's reason.
        reason: String,
    },
    /// There are more topics than one writer writes to.
    #[error("topic {topic:?} would be one more than topics.count_max allows, {count_max}")]
    TooManyTopics {
        /// The topic.
        topic: String,
        /// As configured.
        count_max: usize,
    },
    /// librdkafka refused.
    #[error("cannot {action}: {source}")]
    Client {
        /// What was attempted.
        action: &'static str,
        /// Why not.
        source: KafkaError,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
    /// The metrics could not be registered.
    #[error("cannot register the metrics of Kafka: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Error {
    /// Wraps librdkafka's error with what was attempted, for `map_err`.
    pub(super) fn client(action: &'static str) -> impl FnOnce(KafkaError) -> Self {
        move |source| Self::Client { action, source }
    }

    /// For the records that were refused because of it: nothing of them was sent.
    pub(super) fn refusal(&self) -> Refusal {
        let reason = self.to_string().into();
        match self {
            Self::Unreachable { .. } | Self::Client { .. } | Self::Thread(_) => {
                Refusal::Unsent(reason)
            }
            _ => Refusal::NoTopic(reason),
        }
    }
}
