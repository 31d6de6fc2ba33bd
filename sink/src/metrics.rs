//! What the sink counts: one function per fact.

mod catalog;

pub use self::catalog::CATALOG;

use std::time::Duration;

use headgate_stream::log::{Lag, Partition};
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use crate::{
    batch::{Batch, Cause},
    seen::Extent,
};

const ROWS: [f64; 8] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7];
const BYTES: [f64; 8] = [1e3, 1e4, 1e5, 1e6, 1e7, 6.4e7, 2.56e8, 1e9];
const SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// The sink's metrics, registered once.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    lag_events: IntGaugeVec,
    lag_seconds: GaugeVec,
    gap: IntCounterVec,
    batches: IntCounterVec,
    batch_rows: Histogram,
    batch_bytes: Histogram,
    filling: IntGauge,
    landing: IntGauge,
    rows: IntCounterVec,
    files: IntCounterVec,
    file_bytes: Histogram,
    received: GaugeVec,
    rest: IntCounterVec,
    quarantined: IntCounterVec,
    encode: Histogram,
    commit: Histogram,
    conflicts: IntCounterVec,
    store_errors: IntCounter,
    swept: IntCounter,
    duplicates: IntCounterVec,
    dedup_events: IntGaugeVec,
    dedup_bytes: IntGaugeVec,
    dedup_window: GaugeVec,
    dedup_unread: IntCounter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let none: [&str; 0] = [];
        Ok(Self {
            lag_events: register(registry, IntGaugeVec::new(opts(0), CATALOG[0].2)?)?,
            lag_seconds: register(registry, GaugeVec::new(opts(1), CATALOG[1].2)?)?,
            gap: counters(registry, 2)?,
            batches: counters(registry, 3)?,
            batch_rows: histogram(registry, 4, &ROWS)?,
            batch_bytes: histogram(registry, 5, &BYTES)?,
            filling: register(registry, IntGauge::with_opts(opts(6))?)?,
            landing: register(registry, IntGauge::with_opts(opts(7))?)?,
            rows: counters(registry, 8)?,
            files: counters(registry, 9)?,
            file_bytes: histogram(registry, 10, &BYTES)?,
            received: register(registry, GaugeVec::new(opts(11), CATALOG[11].2)?)?,
            rest: counters(registry, 12)?,
            quarantined: counters(registry, 13)?,
            encode: histogram(registry, 14, &SECONDS)?,
            commit: histogram(registry, 15, &SECONDS)?,
            conflicts: counters(registry, 16)?,
            store_errors: counters(registry, 17)?.with_label_values(&none),
            swept: counters(registry, 18)?.with_label_values(&none),
            duplicates: counters(registry, 19)?,
            dedup_events: register(registry, IntGaugeVec::new(opts(20), CATALOG[20].2)?)?,
            dedup_bytes: register(registry, IntGaugeVec::new(opts(21), CATALOG[21].2)?)?,
            dedup_window: register(registry, GaugeVec::new(opts(22), CATALOG[22].2)?)?,
            dedup_unread: counters(registry, 23)?.with_label_values(&none),
        })
    }

    /// How far the sink is behind, on every partition that it has.
    pub(crate) fn lag(&self, stream: &str, lags: &[Lag]) {
        for lag in lags {
            let label = [stream, lag.partition.as_str()];
            if let Some(records) = lag.records {
                let records = i64::try_from(records).unwrap_or(i64::MAX);
                self.lag_events.with_label_values(&label).set(records);
            }
            let age = lag.age.as_secs_f64();
            self.lag_seconds.with_label_values(&label).set(age);
        }
    }

    /// The partition is no longer this sink's: its lag is another's to tell.
    pub(crate) fn revoked(&self, stream: &str, partition: &Partition) {
        let label = [stream, partition.as_str()];
        // An error means that the lag was never told.
        drop(self.lag_events.remove_label_values(&label));
        drop(self.lag_seconds.remove_label_values(&label));
    }

    /// Retention was quicker than the sink.
    pub(crate) fn gap(&self, stream: &str, partition: &Partition, records: Option<u64>) {
        let gap = self.gap.with_label_values(&[stream, partition.as_str()]);
        gap.inc_by(records.unwrap_or(1));
    }

    /// What has been read for the next batch.
    pub(crate) fn filling(&self, batch: &Batch) {
        self.filling.set(gauge(batch.bytes()));
    }

    #[cfg(test)]
    pub(crate) fn filling_bytes(&self) -> i64 {
        self.filling.get()
    }

    /// A batch was cut and is landing now.
    pub(crate) fn cut(&self, cause: Cause, batch: &Batch) {
        self.batches.with_label_values(&[cause.as_str()]).inc();
        self.batch_rows.observe(batch.rows() as f64);
        self.batch_bytes.observe(batch.bytes() as f64);
        self.landing.set(gauge(batch.bytes()));
    }

    /// No batch is landing any more.
    pub(crate) fn landing_ended(&self) {
        self.landing.set(0);
    }

    /// A batch's files are encoded.
    pub(crate) fn encoded(&self, took: Duration) {
        self.encode.observe(took.as_secs_f64());
    }

    /// A batch is committed.
    pub(crate) fn committed(&self, since_cut: Duration) {
        self.commit.observe(since_cut.as_secs_f64());
    }

    /// A file is committed.
    pub(crate) fn file(&self, file: &crate::commit::File) {
        let table = [file.table.as_str()];
        self.rows.with_label_values(&table).inc_by(file.rows);
        self.files.with_label_values(&table).inc();
        self.file_bytes.observe(file.bytes as f64);
        let newest = self.received.with_label_values(&table);
        let received = file.received_max_ms as f64 / 1e3;
        newest.set(newest.get().max(received));
    }

    /// Values of a table that landed in `_rest`.
    pub(crate) fn rest(&self, table: &str, values: u64) {
        if values > 0 {
            self.rest.with_label_values(&[table]).inc_by(values);
        }
    }

    /// Records that landed in the bad events.
    pub(crate) fn quarantined(&self, reason: &str, rows: u64) {
        self.quarantined.with_label_values(&[reason]).inc_by(rows);
    }

    /// Another sink took a place in the log, and this sink's batch goes behind it.
    pub(crate) fn conflict_appended(&self) {
        self.conflicts.with_label_values(&["appended"]).inc();
    }

    /// Another sink landed this sink's partitions.
    pub(crate) fn conflict_lost(&self) {
        self.conflicts.with_label_values(&["lost"]).inc();
    }

    /// How often the store failed.
    pub(crate) fn store_errors(&self) -> IntCounter {
        self.store_errors.clone()
    }

    /// Events that had landed before, and did not again.
    pub(crate) fn duplicates(&self, table: &str, events: u64) {
        self.duplicates.with_label_values(&[table]).inc_by(events);
    }

    /// What is remembered of the events that landed.
    pub(crate) fn dedup(&self, stream: &str, extent: &Extent) {
        let set = |of: &IntGaugeVec, value: usize| {
            of.with_label_values(&[stream]).set(gauge(value as u64));
        };
        set(&self.dedup_events, extent.events);
        set(&self.dedup_bytes, extent.bytes);
        let window = self.dedup_window.with_label_values(&[stream]);
        window.set(extent.span_ms as f64 / 1e3);
    }

    /// Ids of landed events that could not be read.
    pub(crate) fn dedup_unread(&self) {
        self.dedup_unread.inc();
    }

    /// Orphans are gone.
    pub(crate) fn swept(&self, files: u64) {
        self.swept.inc_by(files);
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
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

fn counters(registry: &Registry, index: usize) -> Result<IntCounterVec, prometheus::Error> {
    register(registry, IntCounterVec::new(opts(index), CATALOG[index].2)?)
}

fn histogram(
    registry: &Registry,
    index: usize,
    buckets: &[f64],
) -> Result<Histogram, prometheus::Error> {
    let opts = HistogramOpts::new(CATALOG[index].0, CATALOG[index].3).buckets(buckets.to_vec());
    let none: [&str; 0] = [];
    Ok(register(registry, HistogramVec::new(opts, &none)?)?.with_label_values(&none))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_catalogue_is_registered_with_its_labels() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let partition = Partition::new("0");
        metrics.lag(
            "events",
            &[Lag {
                partition: partition.clone(),
                records: Some(1),
                age: Duration::ZERO,
            }],
        );
        metrics.gap("events", &partition, None);
        metrics.cut(Cause::Age, &Batch::default());
        metrics.file(&crate::commit::File {
            table: "t_1".into(),
            path: "p".into(),
            bytes: 1,
            rows: 1,
            crc32c: 0,
            fingerprint: "f".into(),
            received_min_ms: 0,
            received_max_ms: 5_000,
            text_bytes_max: None,
            second_rows: 0,
        });
        metrics.rest("t_1", 1);
        metrics.quarantined("envelope", 1);
        metrics.conflict_lost();
        metrics.duplicates("t_1", 1);
        metrics.dedup("events", &Extent::default());
        let families = registry.gather();
        let names: Vec<_> = families.iter().map(|f| f.name().to_owned()).collect();
        let mut catalogue: Vec<_> = CATALOG.iter().map(|entry| entry.0.to_owned()).collect();
        catalogue.sort();
        assert_eq!(names, catalogue);
    }
}
