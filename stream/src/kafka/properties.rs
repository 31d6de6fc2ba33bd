//! The settings of librdkafka that operators pass through, and those that they cannot.

use std::collections::BTreeMap;

use rdkafka::{ClientConfig, error::KafkaError};

/// Settings of librdkafka that this backend's promises rest on, or that have a key of their own here.
const REFUSED: &[(&str, &str)] = &[
    (
        "acks",
        "success means that all replicas in sync have the record",
    ),
    (
        "allow.auto.create.topics",
        "topics are made by `topics.create_missing`",
    ),
    (
        "auto.commit.enable",
        "the commit log decides where reading resumes",
    ),
    ("auto.commit.interval.ms", "see `commit_interval_ms`"),
    (
        "auto.offset.reset",
        "a lost position is reported, never jumped over",
    ),
    ("background_event_cb", "Headgate has its own"),
    ("batch.size", "see `batch_bytes_max`"),
    ("bootstrap.servers", "see `bootstrap_servers`"),
    ("check.crcs", "what is read is always checked"),
    ("closesocket_cb", "Headgate has its own"),
    ("compression.codec", "see `compression`"),
    ("compression.type", "see `compression`"),
    ("connect_cb", "Headgate has its own"),
    ("consume.callback.max.messages", "Headgate has its own"),
    ("consume_cb", "Headgate has its own"),
    ("default_topic_conf", "Headgate has its own"),
    ("delivery.report.only.error", "every record has its outcome"),
    ("delivery.timeout.ms", "see `produce_deadline_ms`"),
    ("dr_cb", "Headgate has its own"),
    ("dr_msg_cb", "Headgate has its own"),
    (
        "enable.auto.commit",
        "the commit log decides where reading resumes",
    ),
    (
        "enable.auto.offset.store",
        "the commit log decides where reading resumes",
    ),
    (
        "enable.gapless.guarantee",
        "a record's failure must not stop the writer",
    ),
    (
        "enable.idempotence",
        "without it a retry may write a record twice or out of order",
    ),
    ("enable.partition.eof", "Headgate has its own"),
    ("error_cb", "Headgate has its own"),
    ("fetch.max.bytes", "see `prefetch_bytes_max`"),
    ("fetch.message.max.bytes", "see `prefetch_bytes_max`"),
    ("group.id", "see `group`"),
    ("group.instance.id", "members are told apart by Kafka"),
    ("group.protocol", "readers rely on the classic protocol"),
    (
        "group.remote.assignor",
        "readers rely on cooperative-sticky assignment",
    ),
    (
        "isolation.level",
        "records of aborted transactions are never read",
    ),
    ("linger.ms", "see `linger_ms`"),
    ("log.queue", "Headgate has its own"),
    ("log_cb", "Headgate has its own"),
    ("max.in.flight", "idempotence sets it"),
    (
        "max.in.flight.requests.per.connection",
        "idempotence sets it",
    ),
    ("max.partition.fetch.bytes", "see `prefetch_bytes_max`"),
    ("message.max.bytes", "see `record_bytes_max`"),
    ("message.send.max.retries", "see `produce_deadline_ms`"),
    ("message.timeout.ms", "see `produce_deadline_ms`"),
    ("metadata.broker.list", "see `bootstrap_servers`"),
    ("oauth_cb", "Headgate has its own"),
    ("oauthbearer_token_refresh_cb", "Headgate has its own"),
    ("offset_commit_cb", "Headgate has its own"),
    ("opaque", "Headgate has its own"),
    ("open_cb", "Headgate has its own"),
    (
        "partition.assignment.strategy",
        "readers rely on cooperative-sticky assignment",
    ),
    (
        "partitioner",
        "records of a key keep their partition, for every client",
    ),
    (
        "partitioner_cb",
        "records of a key keep their partition, for every client",
    ),
    ("queue.buffering.max.kbytes", "see `queue_bytes_max`"),
    ("queue.buffering.max.messages", "see `queue_records_max`"),
    ("queue.buffering.max.ms", "see `linger_ms`"),
    ("queued.max.messages.kbytes", "see `prefetch_bytes_max`"),
    ("queuing.strategy", "records of a key keep their order"),
    ("rebalance_cb", "Headgate has its own"),
    (
        "request.required.acks",
        "success means that all replicas in sync have the record",
    ),
    ("resolve_cb", "Headgate has its own"),
    ("retries", "see `produce_deadline_ms`"),
    ("session.timeout.ms", "see `session_timeout_ms`"),
    ("socket_cb", "Headgate has its own"),
    ("ssl.certificate.verify_cb", "Headgate has its own"),
    ("statistics.interval.ms", "see `statistics_interval_ms`"),
    ("stats_cb", "Headgate has its own"),
    ("throttle_cb", "Headgate has its own"),
    (
        "topic.metadata.refresh.interval.ms",
        "see `metadata_interval_ms`",
    ),
    (
        "transactional.id",
        "exactly once is the sink's work, not Kafka's transactions",
    ),
];

/// What librdkafka, or a promise of ours, has against the properties; each reason names its property and never the
/// value, which may be a password. Nothing is connected to.
pub(super) fn wrong(properties: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    properties.iter().filter_map(|(name, value)| {
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| refused == name) {
            return Some(format!("{name} cannot be set: {why}"));
        }
        let tried = ClientConfig::new().set(name, value).create_native_config();
        tried.err().map(|error| match error {
            KafkaError::ClientConfig(_, reason, ..) => {
                format!("{name}: {}", reason.replace(value, "..."))
            }
            error => format!("{name}: {error}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Vec<String> {
        wrong(&BTreeMap::from([(name.to_owned(), value.to_owned())])).collect()
    }

    #[test]
    fn every_setting_of_librdkafka_passes_and_a_wrong_one_is_named() {
        let none: [String; 0] = [];
        assert_eq!(with("security.protocol", "SASL_SSL"), none);
        assert_eq!(with("sasl.mechanism", "SCRAM-SHA-512"), none);
        assert_eq!(with("client.rack", "az1"), none);
        for (name, value) in [("no.such.setting", "1"), ("security.protocol", "hunter2")] {
            let problems = with(name, value);
            assert!(
                problems.len() == 1 && problems[0].contains(name),
                "{problems:?}"
            );
            assert!(!problems[0].contains("hunter2"), "{problems:?}");
        }
    }

    #[test]
    fn what_would_break_a_promise_is_refused_by_name() {
        for (name, why) in REFUSED {
            assert_eq!(with(name, "1"), [format!("{name} cannot be set: {why}")]);
        }
    }
}
