//! What the spill tells Prometheus: one function for each fact. The journal that it is kept in has its own metrics.

use std::time::Duration;

use prometheus::{Gauge, IntCounter, IntGauge, Opts, Registry, core::Collector};

const DEPTH_RECORDS: &str = "headgate_stream_spill_depth_records";
const DEPTH_BYTES: &str = "headgate_stream_spill_depth_bytes";
const OLDEST: &str = "headgate_stream_spill_oldest_seconds";
const OPEN: &str = "headgate_stream_spill_open";
const SPILLED: &str = "headgate_stream_spill_records_total";
const FORWARDED: &str = "headgate_stream_spill_forwarded_records_total";
const FOUND: &str = "headgate_stream_spill_found_records_total";
const FAILURES: &str = "headgate_stream_spill_forward_failures_total";
const SET_ASIDE: &str = "headgate_stream_spill_set_aside_records_total";

/// Every metric of the spill: name, kind, labels and meaning.
pub const CATALOG: &[(&str, &str, &[&str], &str)] = &[
    (
        DEPTH_RECORDS,
        "gauge",
        &[],
        "Records that are spilled and not forwarded yet.",
    ),
    (
        DEPTH_BYTES,
        "gauge",
        &[],
        "Bytes of keys and values of the records that are spilled and not forwarded yet.",
    ),
    (
        OLDEST,
        "gauge",
        &[],
        "Age of the oldest record that is spilled and not forwarded yet; 0 when there is none.",
    ),
    (
        OPEN,
        "gauge",
        &[],
        "1 while records are spilled because the stream is unavailable, else 0.",
    ),
    (SPILLED, "counter", &[], "Records spilled."),
    (
        FORWARDED,
        "counter",
        &[],
        "Spilled records that were forwarded.",
    ),
    (
        FOUND,
        "counter",
        &[],
        "Spilled records of open fate that were found in the stream, and so not sent again.",
    ),
    (
        FAILURES,
        "counter",
        &[],
        "Tries to reach the stream or to forward to it that failed.",
    ),
    (
        SET_ASIDE,
        "counter",
        &[],
        "Spilled records that the stream refuses for good, kept apart on disk. Anything above 0 needs an operator.",
    ),
];

#[derive(Debug, Clone)]
pub(super) struct Metrics {
    depth_records: IntGauge,
    depth_bytes: IntGauge,
    oldest: Gauge,
    open: IntGauge,
    spilled: IntCounter,
    forwarded: IntCounter,
    found: IntCounter,
    failures: IntCounter,
    set_aside: IntCounter,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            depth_records: registered(registry, IntGauge::with_opts(opts(DEPTH_RECORDS))?)?,
            depth_bytes: registered(registry, IntGauge::with_opts(opts(DEPTH_BYTES))?)?,
            oldest: registered(registry, Gauge::with_opts(opts(OLDEST))?)?,
            open: registered(registry, IntGauge::with_opts(opts(OPEN))?)?,
            spilled: registered(registry, IntCounter::with_opts(opts(SPILLED))?)?,
            forwarded: registered(registry, IntCounter::with_opts(opts(FORWARDED))?)?,
            found: registered(registry, IntCounter::with_opts(opts(FOUND))?)?,
            failures: registered(registry, IntCounter::with_opts(opts(FAILURES))?)?,
            set_aside: registered(registry, IntCounter::with_opts(opts(SET_ASIDE))?)?,
        })
    }

    /// What is spilled at present.
    pub(super) fn set_depth(&self, records: u64, bytes: u64, oldest: Duration) {
        self.depth_records
            .set(i64::try_from(records).unwrap_or(i64::MAX));
        self.depth_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.oldest.set(oldest.as_secs_f64());
    }

    /// Whether the primary is passed by.
    pub(super) fn set_open(&self, open: bool) {
        self.open.set(open.into());
    }

    /// Records became durable in the spill.
    pub(super) fn count_spilled(&self, records: u64) {
        self.spilled.inc_by(records);
    }

    /// Records were forwarded.
    pub(super) fn count_forwarded(&self, records: u64) {
        self.forwarded.inc_by(records);
    }

    /// Records were there already.
    pub(super) fn count_found(&self, records: u64) {
        self.found.inc_by(records);
    }

    /// The primary was tried in vain.
    pub(super) fn count_failure(&self) {
        self.failures.inc();
    }

    /// A record will never be taken.
    pub(super) fn count_set_aside(&self) {
        self.set_aside.inc();
    }
}

fn opts(name: &str) -> Opts {
    let found = CATALOG.iter().find(|(known, ..)| *known == name);
    Opts::new(name, found.map_or("", |(.., help)| *help))
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_catalogue_is_exported_under_its_name_and_kind() {
        let registry = Registry::new();
        Metrics::register(&registry).unwrap();
        let exported = registry.gather();
        assert_eq!(exported.len(), CATALOG.len());
        for (name, kind, ..) in CATALOG {
            let found = exported.iter().find(|family| family.name() == *name);
            let found = found.map(|family| format!("{:?}", family.get_field_type()));
            assert_eq!(
                found.map(|kind| kind.to_lowercase()).as_deref(),
                Some(*kind),
                "{name}"
            );
        }
    }
}
