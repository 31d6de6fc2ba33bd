//! What a compactor counts: one function per fact.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::plan::Set;
use crate::commit::File;

const SECONDS: [f64; 8] = [0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0];

/// Every metric: name, kind, labels, help. The metrics are built from this and `docs/metrics.md` is generated from it.
pub const CATALOG: &[(&str, &str, &[&str], &str)] = &[
    (
        "headgate_compact_files_replaced_total",
        "counter",
        &["table"],
        "Data files that were replaced by larger ones.",
    ),
    (
        "headgate_compact_files_total",
        "counter",
        &["table"],
        "Data files that replaced others.",
    ),
    (
        "headgate_compact_rows_total",
        "counter",
        &["table"],
        "Rows in them.",
    ),
    (
        "headgate_compact_replaced_bytes_total",
        "counter",
        &["table"],
        "Bytes of the data files that were replaced.",
    ),
    (
        "headgate_compact_bytes_total",
        "counter",
        &["table"],
        "Bytes of the data files that replaced others.",
    ),
    (
        "headgate_compact_waiting_files",
        "gauge",
        &[],
        "Data files that the last round found worth putting together.",
    ),
    (
        "headgate_compact_beaten_total",
        "counter",
        &[],
        "Compactions thrown away because another compactor was quicker with the table.",
    ),
    (
        "headgate_compact_failed_total",
        "counter",
        &[],
        "Compactions, and rounds that ended before their time, that failed; the files stay as they are, and the next \
         round tries again.",
    ),
    (
        "headgate_compact_round_seconds",
        "histogram",
        &[],
        "Time of a round over all that was worth putting together.",
    ),
    (
        "headgate_compact_store_errors_total",
        "counter",
        &[],
        "Operations on the store that failed and are tried again.",
    ),
];

/// A compactor's metrics, registered once.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    files_replaced: IntCounterVec,
    files: IntCounterVec,
    rows: IntCounterVec,
    bytes_replaced: IntCounterVec,
    bytes: IntCounterVec,
    waiting: IntGauge,
    beaten: IntCounter,
    failed: IntCounter,
    round: Histogram,
    store_errors: IntCounter,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let of_table = |index: usize| {
            let made = IntCounterVec::new(opts(index), CATALOG[index].2)?;
            register(registry, made)
        };
        let counter = |index: usize| register(registry, IntCounter::with_opts(opts(index))?);
        let seconds = HistogramOpts::from(opts(8)).buckets(SECONDS.to_vec());
        Ok(Self {
            files_replaced: of_table(0)?,
            files: of_table(1)?,
            rows: of_table(2)?,
            bytes_replaced: of_table(3)?,
            bytes: of_table(4)?,
            waiting: register(registry, IntGauge::with_opts(opts(5))?)?,
            beaten: counter(6)?,
            failed: counter(7)?,
            round: register(registry, Histogram::with_opts(seconds)?)?,
            store_errors: counter(9)?,
        })
    }

    /// The files of the set were replaced by these.
    pub(super) fn compacted(&self, set: &Set, files: &[File]) {
        let table = [set.table.as_str()];
        let add = |counter: &IntCounterVec, value| counter.with_label_values(&table).inc_by(value);
        add(&self.files_replaced, set.files.len() as u64);
        add(&self.files, files.len() as u64);
        add(&self.rows, set.rows());
        add(&self.bytes_replaced, set.bytes());
        add(&self.bytes, files.iter().map(|file| file.bytes).sum());
        self.waiting
            .sub(i64::try_from(set.files.len()).unwrap_or(i64::MAX));
    }

    /// So many files are worth putting together.
    pub(super) fn waiting(&self, files: usize) {
        self.waiting.set(i64::try_from(files).unwrap_or(i64::MAX));
    }

    /// Another compactor was quicker.
    pub(super) fn beaten(&self) {
        self.beaten.inc();
    }

    /// A set of files is left as it is, or all that a round did not come to.
    pub(super) fn failed(&self) {
        self.failed.inc();
    }

    /// A round is over.
    pub(super) fn round(&self, took: Duration) {
        self.round.observe(took.as_secs_f64());
    }

    /// How often the store failed.
    pub(super) fn store_errors(&self) -> IntCounter {
        self.store_errors.clone()
    }
}

fn opts(index: usize) -> Opts {
    Opts::new(CATALOG[index].0, CATALOG[index].3)
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_catalogue_is_registered() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let set = Set {
            table: "t_1".into(),
            folder: "t_1".into(),
            fingerprint: "f".into(),
            files: Vec::new(),
        };
        metrics.compacted(&set, &[]);
        let families = registry.gather();
        let names: Vec<_> = families.iter().map(|f| f.name().to_owned()).collect();
        let mut catalogue: Vec<_> = CATALOG.iter().map(|entry| entry.0.to_owned()).collect();
        catalogue.sort();
        assert_eq!(names, catalogue);
    }
}
