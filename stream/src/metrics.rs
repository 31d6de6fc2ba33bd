//! What the journal tells Prometheus: one function for each fact.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};

use crate::log::Refusal;

const APPEND: &str = "headgate_stream_append_seconds";
const RECORDS: &str = "headgate_stream_records_total";
const BYTES: &str = "headgate_stream_bytes_total";
const REFUSED: &str = "headgate_stream_refused_records_total";
const GROUP_RECORDS: &str = "headgate_stream_journal_group_records";
const SYNC: &str = "headgate_stream_journal_sync_seconds";
const DEPTH: &str = "headgate_stream_journal_depth_records";
const USED: &str = "headgate_stream_journal_used_bytes";
const SEGMENTS: &str = "headgate_stream_journal_segments";
const TORN: &str = "headgate_stream_journal_torn_bytes_total";
const FAILURES: &str = "headgate_stream_journal_disk_failures_total";

/// Every metric of this crate: name, kind, labels and meaning.
pub const CATALOG: &[(&str, &str, &[&str], &str)] = &[
    (
        APPEND,
        "histogram",
        &[],
        "Time from an append's call to its durable outcome.",
    ),
    (RECORDS, "counter", &["topic"], "Records made durable."),
    (
        BYTES,
        "counter",
        &["topic"],
        "Bytes of the values of records made durable.",
    ),
    (
        REFUSED,
        "counter",
        &["reason"],
        "Records refused: too_large, full, unavailable or closed.",
    ),
    (
        GROUP_RECORDS,
        "histogram",
        &[],
        "Records that shared one fsync.",
    ),
    (SYNC, "histogram", &[], "Time of one write and fsync."),
    (
        DEPTH,
        "gauge",
        &["topic"],
        "Records that some group of readers has yet to pass.",
    ),
    (USED, "gauge", &[], "Bytes of all segments on disk."),
    (SEGMENTS, "gauge", &["topic"], "Segment files."),
    (
        TORN,
        "counter",
        &["topic"],
        "Bytes of torn writes that were cut off when the journal was opened.",
    ),
    (
        FAILURES,
        "counter",
        &["topic"],
        "Writes, fsyncs or probes that the disk failed.",
    ),
];

/// The metrics, registered.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    append: Histogram,
    records: IntCounterVec,
    bytes: IntCounterVec,
    refused: IntCounterVec,
    group_records: Histogram,
    sync: Histogram,
    depth: IntGaugeVec,
    used: IntGauge,
    segments: IntGaugeVec,
    torn: IntCounterVec,
    failures: IntCounterVec,
}

impl Metrics {
    /// Registers all of them; an error when the registry has them already.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let times = prometheus::exponential_buckets(0.000_1, 2.0, 18)?;
        let counts = prometheus::exponential_buckets(1.0, 4.0, 10)?;
        Ok(Self {
            append: histogram(registry, APPEND, &times)?,
            records: counter(registry, RECORDS)?,
            bytes: counter(registry, BYTES)?,
            refused: counter(registry, REFUSED)?,
            group_records: histogram(registry, GROUP_RECORDS, &counts)?,
            sync: histogram(registry, SYNC, &times)?,
            depth: gauges(registry, DEPTH)?,
            used: registered(registry, IntGauge::with_opts(opts(USED).0)?)?,
            segments: gauges(registry, SEGMENTS)?,
            torn: counter(registry, TORN)?,
            failures: counter(registry, FAILURES)?,
        })
    }

    /// An append was answered after that long.
    pub(crate) fn observe_append(&self, took: Duration) {
        self.append.observe(took.as_secs_f64());
    }

    /// A group of records became durable.
    pub(crate) fn observe_group(&self, topic: &str, records: u32, bytes: u64, took: Duration) {
        self.records
            .with_label_values(&[topic])
            .inc_by(records.into());
        self.bytes.with_label_values(&[topic]).inc_by(bytes);
        self.group_records.observe(records.into());
        self.sync.observe(took.as_secs_f64());
    }

    /// That many records were refused.
    pub(crate) fn count_refused(&self, refusal: &Refusal, records: u64) {
        let reason = match refusal {
            Refusal::TooLarge { .. } => "too_large",
            Refusal::Full { .. } => "full",
            Refusal::Unavailable(_) => "unavailable",
            Refusal::Unsent(_) => "unsent",
            Refusal::NoTopic(_) => "no_topic",
            Refusal::Closed => "closed",
        };
        self.refused.with_label_values(&[reason]).inc_by(records);
    }

    /// How many records of the topic some group has yet to pass, and in how many files they are.
    pub(crate) fn set_depth(&self, topic: &str, records: u64, segments: usize) {
        self.depth
            .with_label_values(&[topic])
            .set(i64::try_from(records).unwrap_or(i64::MAX));
        self.segments
            .with_label_values(&[topic])
            .set(i64::try_from(segments).unwrap_or(i64::MAX));
    }

    /// What all segments use together.
    pub(crate) fn set_used(&self, bytes: u64) {
        self.used.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A torn write was cut off.
    pub(crate) fn count_torn(&self, topic: &str, bytes: u64) {
        self.torn.with_label_values(&[topic]).inc_by(bytes);
    }

    /// The disk failed a write, an fsync or a probe.
    pub(crate) fn count_disk_failure(&self, topic: &str) {
        self.failures.with_label_values(&[topic]).inc();
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

fn counter(registry: &Registry, name: &str) -> Result<IntCounterVec, prometheus::Error> {
    let (opts, labels) = opts(name);
    registered(registry, IntCounterVec::new(opts, labels)?)
}

fn gauges(registry: &Registry, name: &str) -> Result<IntGaugeVec, prometheus::Error> {
    let (opts, labels) = opts(name);
    registered(registry, IntGaugeVec::new(opts, labels)?)
}

fn histogram(
    registry: &Registry,
    name: &str,
    buckets: &[f64],
) -> Result<Histogram, prometheus::Error> {
    let opts = HistogramOpts::from(opts(name).0).buckets(buckets.to_vec());
    registered(registry, Histogram::with_opts(opts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_catalogue_is_exported_under_its_name_and_kind() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        metrics.observe_group("events", 1, 1, Duration::ZERO);
        metrics.count_refused(&Refusal::Closed, 1);
        metrics.set_depth("events", 1, 1);
        metrics.count_torn("events", 1);
        metrics.count_disk_failure("events");
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
