//! What a loader counts: one function per fact.

use std::time::Duration;

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts,
    Registry,
};

use super::{lanes::Waiting, ledger::Counts, plan::Plan};

const SECONDS: [f64; 12] = [
    0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0,
];

/// Every metric: name, kind, labels, help. The metrics are built from this and `docs/metrics.md` is generated from it.
pub const CATALOG: &[(&str, &str, &[&str], &str)] = &[
    (
        "headgate_warehouse_loads_total",
        "counter",
        &["table", "result"],
        "Loads that ended: loaded, beaten (another loader was quicker), expired (older than the table keeps rows), failed \
         (to be tried again), set_aside (the warehouse refused the files: `headgate warehouse retry`).",
    ),
    (
        "headgate_warehouse_rows_total",
        "counter",
        &["table"],
        "Rows that loads added.",
    ),
    (
        "headgate_warehouse_duplicates_total",
        "counter",
        &["table"],
        "Rows that loads left out because their event was there already.",
    ),
    (
        "headgate_warehouse_discards_total",
        "counter",
        &["table"],
        "Values that fitted no column and went to headgate_discards; their rows were loaded.",
    ),
    (
        "headgate_warehouse_waiting_files",
        "gauge",
        &["table"],
        "Committed data files that are not in the warehouse yet.",
    ),
    (
        "headgate_warehouse_waiting_rows",
        "gauge",
        &["table"],
        "Rows in them.",
    ),
    (
        "headgate_warehouse_unloaded_rows_total",
        "counter",
        &["table", "result"],
        "Committed rows that loads passed over: set_aside (the warehouse refused their files), expired (older than the table \
         keeps rows).",
    ),
    (
        "headgate_warehouse_waiting_seconds",
        "gauge",
        &["table"],
        "Time since the oldest of the waiting files was committed; 0 when there is none.",
    ),
    (
        "headgate_warehouse_freshness_seconds",
        "histogram",
        &["table"],
        "From when the oldest row of a load was received to when the load could be queried.",
    ),
    (
        "headgate_warehouse_load_seconds",
        "histogram",
        &[],
        "How long loads took, failed ones included.",
    ),
    (
        "headgate_warehouse_calls_total",
        "counter",
        &["operation"],
        "Calls to the Redshift Data API, or statements sent by PostgreSQL's protocol.",
    ),
    (
        "headgate_warehouse_errors_total",
        "counter",
        &[],
        "Times that the warehouse could not be reached, was too busy, or its answer was lost.",
    ),
];

/// A loader's metrics, registered once.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    loads: IntCounterVec,
    rows: IntCounterVec,
    duplicates: IntCounterVec,
    discards: IntCounterVec,
    waiting_files: IntGaugeVec,
    waiting_rows: IntGaugeVec,
    unloaded: IntCounterVec,
    waiting_seconds: GaugeVec,
    freshness: HistogramVec,
    load: Histogram,
    calls: IntCounterVec,
    errors: IntCounter,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let none: [&str; 0] = [];
        let histogram = |index: usize| {
            let opts = HistogramOpts::new(CATALOG[index].0, CATALOG[index].3);
            HistogramVec::new(opts.buckets(SECONDS.to_vec()), CATALOG[index].2)
        };
        Ok(Self {
            loads: counters(registry, 0)?,
            rows: counters(registry, 1)?,
            duplicates: counters(registry, 2)?,
            discards: counters(registry, 3)?,
            waiting_files: register(registry, IntGaugeVec::new(opts(4), CATALOG[4].2)?)?,
            waiting_rows: register(registry, IntGaugeVec::new(opts(5), CATALOG[5].2)?)?,
            unloaded: counters(registry, 6)?,
            waiting_seconds: register(registry, GaugeVec::new(opts(7), CATALOG[7].2)?)?,
            freshness: register(registry, histogram(8)?)?,
            load: register(registry, histogram(9)?)?.with_label_values(&none),
            calls: counters(registry, 10)?,
            errors: counters(registry, 11)?.with_label_values(&none),
        })
    }

    /// A load took effect.
    pub(super) fn loaded(&self, plan: &Plan, counts: &Counts, now_ms: i64) {
        let table = [plan.table.as_str()];
        self.ended(&plan.table, "loaded");
        self.rows.with_label_values(&table).inc_by(counts.inserted);
        let duplicates = counts.copied.saturating_sub(counts.inserted);
        self.duplicates.with_label_values(&table).inc_by(duplicates);
        self.discards
            .with_label_values(&table)
            .inc_by(counts.discarded);
        // The load left out files that were too old.
        let expired = plan.rows().saturating_sub(counts.copied);
        if expired > 0 {
            self.unloaded
                .with_label_values(&[table[0], "expired"])
                .inc_by(expired);
        }
        if let Some(oldest_ms) = plan.files.iter().map(|file| file.received_min_ms).min() {
            let age_ms = now_ms.saturating_sub(oldest_ms).max(0);
            self.freshness
                .with_label_values(&table)
                .observe(age_ms as f64 / 1_000.0);
        }
    }

    /// A load ended some other way.
    pub(super) fn ended(&self, table: &str, result: &str) {
        self.loads.with_label_values(&[table, result]).inc();
    }

    /// The plan's rows are not loaded, and are not waited for.
    pub(super) fn unloaded(&self, plan: &Plan, result: &str) {
        self.ended(&plan.table, result);
        let unloaded = self
            .unloaded
            .with_label_values(&[plan.table.as_str(), result]);
        unloaded.inc_by(plan.rows());
    }

    /// A load took so long, however it ended.
    pub(super) fn took(&self, time: Duration) {
        self.load.observe(time.as_secs_f64());
    }

    /// What of a table waits to be loaded.
    pub(super) fn waiting(&self, table: &str, waiting: &Waiting, now_ms: i64) {
        let files = i64::try_from(waiting.files).unwrap_or(i64::MAX);
        self.waiting_files.with_label_values(&[table]).set(files);
        let rows = i64::try_from(waiting.rows).unwrap_or(i64::MAX);
        self.waiting_rows.with_label_values(&[table]).set(rows);
        let oldest_ms = waiting.oldest_ms;
        let age_ms = oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms).max(0));
        self.waiting_seconds
            .with_label_values(&[table])
            .set(age_ms as f64 / 1_000.0);
    }

    /// The warehouse was spoken to.
    pub(super) fn called(&self, operation: &str) {
        self.calls.with_label_values(&[operation]).inc();
    }

    /// The warehouse could not be reached, or did not say what became of the statements.
    pub(super) fn unavailable(&self) {
        self.errors.inc();
    }
}

fn opts(index: usize) -> Opts {
    Opts::new(CATALOG[index].0, CATALOG[index].3)
}

fn counters(registry: &Registry, index: usize) -> Result<IntCounterVec, prometheus::Error> {
    register(registry, IntCounterVec::new(opts(index), CATALOG[index].2)?)
}

fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: M,
) -> Result<M, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
