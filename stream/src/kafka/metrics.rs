//! What this backend tells Prometheus: one function for each fact. Its names are apart from the journal's, because a
//! gateway that spills to its journal has both.

use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    core::Collector,
};

use crate::log::Refusal;

const APPEND: &str = "headgate_stream_kafka_append_seconds";
const RECORDS: &str = "headgate_stream_kafka_records_total";
const BYTES: &str = "headgate_stream_kafka_bytes_total";
const REFUSED: &str = "headgate_stream_kafka_refused_records_total";
const QUEUE_RECORDS: &str = "headgate_stream_kafka_queue_records";
const QUEUE_BYTES: &str = "headgate_stream_kafka_queue_bytes";
const RTT: &str = "headgate_stream_kafka_broker_rtt_seconds";
const BROKERS_UP: &str = "headgate_stream_kafka_brokers_up";
const REBUILDS: &str = "headgate_stream_kafka_writer_rebuilds_total";
const TOPICS_MADE: &str = "headgate_stream_kafka_topics_made_total";
const READ_RECORDS: &str = "headgate_stream_kafka_read_records_total";
const READ_BYTES: &str = "headgate_stream_kafka_read_bytes_total";
const REBALANCES: &str = "headgate_stream_kafka_rebalances_total";
const REVOKE_OVERDUE: &str = "headgate_stream_kafka_revocations_overdue_total";
const GAPS: &str = "headgate_stream_kafka_gaps_total";
const GAP_RECORDS: &str = "headgate_stream_kafka_gap_records_total";
const CHANGED: &str = "headgate_stream_kafka_changed_partitions_total";
const STALLS: &str = "headgate_stream_kafka_reader_stalls_total";

/// Every metric of this backend: name, kind, labels and meaning.
pub const CATALOG: &[(&str, &str, &[&str], &str)] = &[
    (
        APPEND,
        "histogram",
        &[],
        "Time from an append's call to its outcomes.",
    ),
    (
        RECORDS,
        "counter",
        &["topic"],
        "Records that all replicas in sync acknowledged.",
    ),
    (
        BYTES,
        "counter",
        &["topic"],
        "Bytes of the values of records that were acknowledged.",
    ),
    (
        REFUSED,
        "counter",
        &["reason"],
        "Records refused: too_large, unavailable (their fate is open), unsent, no_topic or closed.",
    ),
    (
        QUEUE_RECORDS,
        "gauge",
        &[],
        "Records that wait for their acknowledgement.",
    ),
    (
        QUEUE_BYTES,
        "gauge",
        &[],
        "Bytes of the records that wait for their acknowledgement.",
    ),
    (
        RTT,
        "gauge",
        &["broker"],
        "Mean time of the broker's answers to the writer in the last interval.",
    ),
    (
        BROKERS_UP,
        "gauge",
        &[],
        "Brokers that the writer is connected to.",
    ),
    (
        REBUILDS,
        "counter",
        &["why"],
        "Writers made anew: fatal (an error that idempotence cannot go on from), overdue (records without an acknowledgement within produce_deadline_ms) or limit (a topic takes smaller batches).",
    ),
    (
        TOPICS_MADE,
        "counter",
        &[],
        "Topics that were missing and were made.",
    ),
    (
        READ_RECORDS,
        "counter",
        &["stream"],
        "Records read, before they are handed over.",
    ),
    (
        READ_BYTES,
        "counter",
        &["stream"],
        "Bytes of the values of records read.",
    ),
    (
        REBALANCES,
        "counter",
        &["stream", "kind"],
        "Changes of a reader's partitions: assigned, revoked or lost.",
    ),
    (
        REVOKE_OVERDUE,
        "counter",
        &["stream"],
        "Partitions given up before the reader took notice, because revoke_wait_ms_max was over.",
    ),
    (
        GAPS,
        "counter",
        &["stream"],
        "Times that retention had removed records that were not read.",
    ),
    (
        GAP_RECORDS,
        "counter",
        &["stream"],
        "Offsets that retention removed before they were read.",
    ),
    (
        CHANGED,
        "counter",
        &["stream"],
        "Partitions found to hold other records than were read: deleted and made anew, or truncated.",
    ),
    (
        STALLS,
        "counter",
        &["stream"],
        "Times that fetching was stopped because nothing was taken from a full reader.",
    ),
];

/// The metrics, registered.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    append: Histogram,
    records: IntCounterVec,
    bytes: IntCounterVec,
    refused: IntCounterVec,
    queue_records: IntGauge,
    queue_bytes: IntGauge,
    rtt: GaugeVec,
    brokers_up: IntGauge,
    rebuilds: IntCounterVec,
    topics_made: IntCounter,
    read_records: IntCounterVec,
    read_bytes: IntCounterVec,
    rebalances: IntCounterVec,
    revoke_overdue: IntCounterVec,
    gaps: IntCounterVec,
    gap_records: IntCounterVec,
    changed: IntCounterVec,
    stalls: IntCounterVec,
}

/// The counters of one topic, looked up once.
#[derive(Debug, Clone)]
pub(super) struct TopicMetrics {
    records: IntCounter,
    bytes: IntCounter,
}

impl TopicMetrics {
    /// A record was acknowledged.
    pub(super) fn count_acknowledged(&self, bytes: usize) {
        self.records.inc();
        self.bytes.inc_by(bytes as u64);
    }
}

impl Metrics {
    /// Registers all of them; an error when the registry has them already.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let times = prometheus::exponential_buckets(0.000_1, 2.0, 18)?;
        let append = HistogramOpts::from(opts(APPEND).0).buckets(times);
        Ok(Self {
            append: registered(registry, Histogram::with_opts(append)?)?,
            records: counters(registry, RECORDS)?,
            bytes: counters(registry, BYTES)?,
            refused: counters(registry, REFUSED)?,
            queue_records: registered(registry, IntGauge::with_opts(opts(QUEUE_RECORDS).0)?)?,
            queue_bytes: registered(registry, IntGauge::with_opts(opts(QUEUE_BYTES).0)?)?,
            rtt: registered(registry, GaugeVec::new(opts(RTT).0, opts(RTT).1)?)?,
            brokers_up: registered(registry, IntGauge::with_opts(opts(BROKERS_UP).0)?)?,
            rebuilds: counters(registry, REBUILDS)?,
            topics_made: registered(registry, IntCounter::with_opts(opts(TOPICS_MADE).0)?)?,
            read_records: counters(registry, READ_RECORDS)?,
            read_bytes: counters(registry, READ_BYTES)?,
            rebalances: counters(registry, REBALANCES)?,
            revoke_overdue: counters(registry, REVOKE_OVERDUE)?,
            gaps: counters(registry, GAPS)?,
            gap_records: counters(registry, GAP_RECORDS)?,
            changed: counters(registry, CHANGED)?,
            stalls: counters(registry, STALLS)?,
        })
    }

    /// An append was answered after that long.
    pub(super) fn observe_append(&self, took: Duration) {
        self.append.observe(took.as_secs_f64());
    }

    /// What counts a topic's records.
    pub(super) fn topic(&self, topic: &str) -> TopicMetrics {
        TopicMetrics {
            records: self.records.with_label_values(&[topic]),
            bytes: self.bytes.with_label_values(&[topic]),
        }
    }

    /// A record was refused.
    pub(super) fn count_refused(&self, refusal: &Refusal) {
        let reason = match refusal {
            Refusal::TooLarge { .. } => "too_large",
            Refusal::Full { .. } => "full",
            Refusal::Unavailable(_) => "unavailable",
            Refusal::Unsent(_) => "unsent",
            Refusal::NoTopic(_) => "no_topic",
            Refusal::Closed => "closed",
        };
        self.refused.with_label_values(&[reason]).inc();
    }

    /// What the writer has queued.
    pub(super) fn set_queue(&self, records: u64, bytes: u64) {
        self.queue_records
            .set(i64::try_from(records).unwrap_or(i64::MAX));
        self.queue_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// How long the broker takes to answer.
    pub(super) fn set_rtt(&self, broker: &str, mean: Duration) {
        self.gauge_rtt(broker).set(mean.as_secs_f64());
    }

    fn gauge_rtt(&self, broker: &str) -> Gauge {
        self.rtt.with_label_values(&[broker])
    }

    /// How many brokers the writer is connected to.
    pub(super) fn set_brokers_up(&self, count: usize) {
        self.brokers_up
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The writer's producer was made anew.
    pub(super) fn count_rebuild(&self, why: &str) {
        self.rebuilds.with_label_values(&[why]).inc();
    }

    /// A topic was made.
    pub(super) fn count_topic_made(&self) {
        self.topics_made.inc();
    }

    /// Records were read.
    pub(super) fn count_read(&self, stream: &str, records: usize, bytes: usize) {
        self.read_records
            .with_label_values(&[stream])
            .inc_by(records as u64);
        self.read_bytes
            .with_label_values(&[stream])
            .inc_by(bytes as u64);
    }

    /// Partitions were assigned, revoked or lost.
    pub(super) fn count_rebalance(&self, stream: &str, kind: &str) {
        self.rebalances.with_label_values(&[stream, kind]).inc();
    }

    /// A revocation went through before the reader took notice.
    pub(super) fn count_revocation_overdue(&self, stream: &str) {
        self.revoke_overdue.with_label_values(&[stream]).inc();
    }

    /// Retention was faster than the reader.
    pub(super) fn count_gap(&self, stream: &str, records: u64) {
        self.gaps.with_label_values(&[stream]).inc();
        self.gap_records
            .with_label_values(&[stream])
            .inc_by(records);
    }

    /// A partition holds other records than were read.
    pub(super) fn count_changed(&self, stream: &str) {
        self.changed.with_label_values(&[stream]).inc();
    }

    /// A full reader from which nothing was taken stopped fetching.
    pub(super) fn count_stall(&self, stream: &str) {
        self.stalls.with_label_values(&[stream]).inc();
    }
}

/// The options and labels of a metric in the catalogue.
fn opts(name: &str) -> (Opts, &'static [&'static str]) {
    let found = CATALOG.iter().find(|(known, ..)| *known == name);
    let (labels, help) = found.map_or((&[][..], ""), |(_, _, labels, help)| (*labels, *help));
    (Opts::new(name, help), labels)
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counters(registry: &Registry, name: &str) -> Result<IntCounterVec, prometheus::Error> {
    let (opts, labels) = opts(name);
    registered(registry, IntCounterVec::new(opts, labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_catalogue_is_exported_under_its_name_and_kind() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        metrics.topic("events").count_acknowledged(1);
        metrics.count_refused(&Refusal::Closed);
        metrics.set_rtt("127.0.0.1:1/1", Duration::ZERO);
        metrics.count_rebuild("fatal");
        metrics.count_read("events", 1, 1);
        metrics.count_rebalance("events", "assigned");
        metrics.count_revocation_overdue("events");
        metrics.count_gap("events", 1);
        metrics.count_changed("events");
        metrics.count_stall("events");
        let exported: Vec<_> = registry
            .gather()
            .iter()
            .map(|family| {
                (
                    family.name().to_owned(),
                    format!("{:?}", family.get_field_type()),
                )
            })
            .collect();
        for (name, kind, ..) in CATALOG {
            let found = exported.iter().find(|(exported, _)| exported == name);
            assert_eq!(
                found.map(|(_, kind)| kind.to_lowercase()).as_deref(),
                Some(*kind),
                "{name}"
            );
        }
        assert_eq!(exported.len(), CATALOG.len());
    }
}
