//! What this backend's writer tells Prometheus: one function for each fact. Its names are apart from the journal's, because
//! a gateway that spills to its journal has both.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, core::Collector,
};

use crate::log::Refusal;

const APPEND: &str = "headgate_stream_kinesis_append_seconds";
const RECORDS: &str = "headgate_stream_kinesis_records_total";
const BYTES: &str = "headgate_stream_kinesis_bytes_total";
const REFUSED: &str = "headgate_stream_kinesis_refused_records_total";
const QUEUE_RECORDS: &str = "headgate_stream_kinesis_queue_records";
const QUEUE_BYTES: &str = "headgate_stream_kinesis_queue_bytes";
const REQUEST: &str = "headgate_stream_kinesis_request_seconds";
const ENTRY_RECORDS: &str = "headgate_stream_kinesis_aggregated_records";
const ENTRY_BYTES: &str = "headgate_stream_kinesis_aggregated_bytes";
const THROTTLED: &str = "headgate_stream_kinesis_throttled_total";
const AGAIN: &str = "headgate_stream_kinesis_retried_records_total";
const RESHARDS: &str = "headgate_stream_kinesis_reshards_total";
const SHARDS: &str = "headgate_stream_kinesis_shards";
const SHARD_USED: &str = "headgate_stream_kinesis_shard_used_ratio";
const SHARD_RATE: &str = "headgate_stream_kinesis_shard_rate_ratio";

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
        "Records that Kinesis has taken, each by itself however many share one of Kinesis' records.",
    ),
    (
        BYTES,
        "counter",
        &["topic"],
        "Bytes of the values of records that Kinesis has taken.",
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
        "Records that wait to be sent or for their answer.",
    ),
    (
        QUEUE_BYTES,
        "gauge",
        &[],
        "Bytes of the records that wait to be sent or for their answer.",
    ),
    (
        REQUEST,
        "histogram",
        &[],
        "Time of a request that writes, from its sending to its answer or until it was given up.",
    ),
    (
        ENTRY_RECORDS,
        "histogram",
        &[],
        "Records that share one of Kinesis' records, each time one is sent.",
    ),
    (
        ENTRY_BYTES,
        "histogram",
        &[],
        "Size of one of Kinesis' records, each time one is sent.",
    ),
    (
        THROTTLED,
        "counter",
        &["topic"],
        "Kinesis' records that it refused as more than the shard takes; they are sent again.",
    ),
    (
        AGAIN,
        "counter",
        &["topic"],
        "Records that are sent again, for whatever reason.",
    ),
    (
        RESHARDS,
        "counter",
        &["topic"],
        "Times that the stream was found to have other shards than before.",
    ),
    (SHARDS, "gauge", &["topic"], "Open shards of the stream."),
    (
        SHARD_USED,
        "gauge",
        &["topic", "shard"],
        "Part of shard_bytes_per_s_max that this writer brought into the shard in the last second.",
    ),
    (
        SHARD_RATE,
        "gauge",
        &["topic", "shard"],
        "Part of the shard's rate that this writer allows itself: below 1 after it was told that it is too much.",
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
    request: Histogram,
    entry_records: Histogram,
    entry_bytes: Histogram,
    throttled: IntCounterVec,
    again: IntCounterVec,
    reshards: IntCounterVec,
    shards: IntGaugeVec,
    shard_used: GaugeVec,
    shard_rate: GaugeVec,
}

/// The metrics of one topic, looked up once.
#[derive(Debug)]
pub(super) struct StreamMetrics {
    topic: String,
    records: IntCounter,
    bytes: IntCounter,
    throttled: IntCounter,
    again: IntCounter,
    reshards: IntCounter,
    shards: IntGauge,
    shard_used: GaugeVec,
    shard_rate: GaugeVec,
    /// The shards that have gauges.
    shown: Arc<Mutex<BTreeSet<String>>>,
}

impl StreamMetrics {
    /// Records are in their shards.
    pub(super) fn count_written(&self, records: u64, bytes: u64) {
        self.records.inc_by(records);
        self.bytes.inc_by(bytes);
    }

    /// Kinesis' records were more than their shards take.
    pub(super) fn count_throttled(&self, entries: u64) {
        self.throttled.inc_by(entries);
    }

    /// Records are sent again.
    pub(super) fn count_again(&self, records: u64) {
        self.again.inc_by(records);
    }

    /// The stream has other shards.
    pub(super) fn count_reshard(&self) {
        self.reshards.inc();
    }

    /// Each shard, the part of its rate that is used, and the part that is allowed. Shards that are gone are shown no more.
    pub(super) fn set_shards(&self, used: &[(String, f64, f64)]) {
        self.shards
            .set(i64::try_from(used.len()).unwrap_or(i64::MAX));
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now: BTreeSet<String> = used.iter().map(|(shard, ..)| shard.clone()).collect();
        for gone in shown.difference(&now) {
            for gauge in [&self.shard_used, &self.shard_rate] {
                // Nothing is lost where it was not shown.
                gauge.remove_label_values(&[&self.topic, gone]).ok();
            }
        }
        for (shard, used, rate) in used {
            let labels = [&*self.topic, shard];
            self.shard_used.with_label_values(&labels).set(*used);
            self.shard_rate.with_label_values(&labels).set(*rate);
        }
        *shown = now;
    }
}

impl Metrics {
    /// Registers all of them; an error when the registry has them already.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let times = prometheus::exponential_buckets(0.001, 2.0, 15)?;
        let counts = prometheus::exponential_buckets(1.0, 4.0, 8)?;
        let sizes = prometheus::exponential_buckets(256.0, 4.0, 9)?;
        let histogram = |name, buckets| {
            let opts = HistogramOpts::from(opts(name).0).buckets(buckets);
            registered(registry, Histogram::with_opts(opts)?)
        };
        let gauge = |name| registered(registry, IntGauge::with_opts(opts(name).0)?);
        let gauges = |name| {
            let (opts, labels) = opts(name);
            registered(registry, GaugeVec::new(opts, labels)?)
        };
        let (shards, by_topic) = opts(SHARDS);
        Ok(Self {
            append: histogram(APPEND, times.clone())?,
            records: counters(registry, RECORDS)?,
            bytes: counters(registry, BYTES)?,
            refused: counters(registry, REFUSED)?,
            queue_records: gauge(QUEUE_RECORDS)?,
            queue_bytes: gauge(QUEUE_BYTES)?,
            request: histogram(REQUEST, times)?,
            entry_records: histogram(ENTRY_RECORDS, counts)?,
            entry_bytes: histogram(ENTRY_BYTES, sizes)?,
            throttled: counters(registry, THROTTLED)?,
            again: counters(registry, AGAIN)?,
            reshards: counters(registry, RESHARDS)?,
            shards: registered(registry, IntGaugeVec::new(shards, by_topic)?)?,
            shard_used: gauges(SHARD_USED)?,
            shard_rate: gauges(SHARD_RATE)?,
        })
    }

    /// An append was answered after that long.
    pub(super) fn observe_append(&self, took: Duration) {
        self.append.observe(took.as_secs_f64());
    }

    /// A request was answered, or given up, after that long.
    pub(super) fn observe_request(&self, took: Duration) {
        self.request.observe(took.as_secs_f64());
    }

    /// One of Kinesis' records is sent.
    pub(super) fn observe_entry(&self, records: usize, bytes: usize) {
        self.entry_records.observe(records as f64);
        self.entry_bytes.observe(bytes as f64);
    }

    /// What the writer has queued.
    pub(super) fn set_queue(&self, records: u64, bytes: u64) {
        self.queue_records
            .set(i64::try_from(records).unwrap_or(i64::MAX));
        self.queue_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
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

    /// What tells of a topic's stream.
    pub(super) fn stream(&self, topic: &str) -> StreamMetrics {
        StreamMetrics {
            topic: topic.to_owned(),
            records: self.records.with_label_values(&[topic]),
            bytes: self.bytes.with_label_values(&[topic]),
            throttled: self.throttled.with_label_values(&[topic]),
            again: self.again.with_label_values(&[topic]),
            reshards: self.reshards.with_label_values(&[topic]),
            shards: self.shards.with_label_values(&[topic]),
            shard_used: self.shard_used.clone(),
            shard_rate: self.shard_rate.clone(),
            shown: Arc::default(),
        }
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
        metrics.count_refused(&Refusal::Closed);
        let stream = metrics.stream("events");
        stream.set_shards(&[("shardId-0".to_owned(), 0.5, 1.0)]);
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

    #[test]
    fn shards_that_are_gone_are_shown_no_more() {
        let registry = Registry::new();
        let stream = Metrics::register(&registry).unwrap().stream("events");
        stream.set_shards(&[("a".to_owned(), 0.0, 1.0), ("b".to_owned(), 0.0, 1.0)]);
        stream.set_shards(&[("c".to_owned(), 0.0, 1.0)]);
        for family in registry.gather() {
            if family.name() == SHARD_USED {
                assert_eq!(family.get_metric().len(), 1);
            }
        }
    }
}
