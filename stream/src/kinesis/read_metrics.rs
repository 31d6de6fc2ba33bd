//! What reading from Kinesis tells Prometheus: one function for each fact.

use bytes::Bytes;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry, core::Collector};

use super::error::{Fault, Verdict};

const READ_RECORDS: &str = "headgate_stream_kinesis_read_records_total";
const READ_BYTES: &str = "headgate_stream_kinesis_read_bytes_total";
const CALLS: &str = "headgate_stream_kinesis_read_calls_total";
const GAPS: &str = "headgate_stream_kinesis_gaps_total";
const STRAYS: &str = "headgate_stream_kinesis_stray_records_total";
const SHARDS: &str = "headgate_stream_kinesis_reader_shards";
const MEMBERS: &str = "headgate_stream_kinesis_reader_members";
const MOVES: &str = "headgate_stream_kinesis_reader_moves_total";
const BOARD_FAILURES: &str = "headgate_stream_kinesis_reader_board_failures_total";

/// Every metric of readers: name, kind, labels and meaning.
pub const READ_CATALOG: &[(&str, &str, &[&str], &str)] = &[
    (
        READ_RECORDS,
        "counter",
        &["stream"],
        "Events read, before they are handed over.",
    ),
    (
        READ_BYTES,
        "counter",
        &["stream"],
        "Bytes of the events read.",
    ),
    (
        CALLS,
        "counter",
        &["stream", "outcome"],
        "Calls and subscriptions that read a shard: ok, throttled, expired or failed.",
    ),
    (
        GAPS,
        "counter",
        &["stream"],
        "Times that retention had removed the record that was read last, so that some behind it may be gone too.",
    ),
    (
        STRAYS,
        "counter",
        &["stream"],
        "Events of aggregates left out because a key of theirs does not belong to the shard: their writer has sent them again.",
    ),
    (
        SHARDS,
        "gauge",
        &["stream"],
        "Shards that this reader has at present.",
    ),
    (
        MEMBERS,
        "gauge",
        &["stream"],
        "Readers of the stream that live, as this one sees it.",
    ),
    (
        MOVES,
        "counter",
        &["stream", "kind"],
        "Shards that this reader was given (assigned) or gave up (revoked).",
    ),
    (
        BOARD_FAILURES,
        "counter",
        &["stream"],
        "Times that the readers' board in the store could not be used.",
    ),
];

/// The metrics, registered.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    read_records: IntCounterVec,
    read_bytes: IntCounterVec,
    calls: IntCounterVec,
    gaps: IntCounterVec,
    strays: IntCounterVec,
    shards: IntGaugeVec,
    members: IntGaugeVec,
    moves: IntCounterVec,
    board_failures: IntCounterVec,
}

impl Metrics {
    /// Registers all of them; an error when the registry has them already.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            read_records: counter(registry, READ_RECORDS)?,
            read_bytes: counter(registry, READ_BYTES)?,
            calls: counter(registry, CALLS)?,
            gaps: counter(registry, GAPS)?,
            strays: counter(registry, STRAYS)?,
            shards: gauge(registry, SHARDS)?,
            members: gauge(registry, MEMBERS)?,
            moves: counter(registry, MOVES)?,
            board_failures: counter(registry, BOARD_FAILURES)?,
        })
    }

    /// Events were read.
    pub(super) fn observe_read(&self, stream: &str, values: &[Bytes]) {
        let bytes: usize = values.iter().map(Bytes::len).sum();
        let records = self.read_records.with_label_values(&[stream]);
        records.inc_by(values.len() as u64);
        let read = self.read_bytes.with_label_values(&[stream]);
        read.inc_by(bytes as u64);
    }

    /// A shard was asked for records.
    pub(super) fn count_call<T>(&self, stream: &str, asked: &Result<T, Fault>) {
        let outcome = match asked.as_ref().map_err(|fault| fault.verdict) {
            Ok(_) => "ok",
            Err(Verdict::Throttled) => "throttled",
            Err(Verdict::Expired) => "expired",
            Err(_) => "failed",
        };
        self.calls.with_label_values(&[stream, outcome]).inc();
    }

    /// Retention may have removed what was not read.
    pub(super) fn count_gap(&self, stream: &str) {
        self.gaps.with_label_values(&[stream]).inc();
    }

    /// Events were in a shard that they do not belong to.
    pub(super) fn count_strays(&self, stream: &str, records: u64) {
        self.strays.with_label_values(&[stream]).inc_by(records);
    }

    /// What this reader has from now on, and what has changed.
    pub(super) fn moved(&self, stream: &str, shards: usize, assigned: usize, revoked: usize) {
        let has = self.shards.with_label_values(&[stream]);
        has.set(i64::try_from(shards).unwrap_or(i64::MAX));
        for (kind, count) in [("assigned", assigned), ("revoked", revoked)] {
            let moves = self.moves.with_label_values(&[stream, kind]);
            moves.inc_by(count as u64);
        }
    }

    /// So many readers live.
    pub(super) fn set_members(&self, stream: &str, members: usize) {
        let seen = self.members.with_label_values(&[stream]);
        seen.set(i64::try_from(members).unwrap_or(i64::MAX));
    }

    /// The board could not be used.
    pub(super) fn count_board_failure(&self, stream: &str) {
        self.board_failures.with_label_values(&[stream]).inc();
    }
}

/// The options and labels of a metric in the catalogue.
fn opts(name: &str) -> (Opts, &'static [&'static str]) {
    let found = READ_CATALOG.iter().find(|(known, ..)| *known == name);
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

fn gauge(registry: &Registry, name: &str) -> Result<IntGaugeVec, prometheus::Error> {
    let (opts, labels) = opts(name);
    registered(registry, IntGaugeVec::new(opts, labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_catalogue_is_exported_under_its_name_and_kind() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        metrics.observe_read("events", &[Bytes::from_static(b"a")]);
        metrics.count_call("events", &Ok(()));
        metrics.count_gap("events");
        metrics.count_strays("events", 1);
        metrics.moved("events", 1, 1, 0);
        metrics.set_members("events", 1);
        metrics.count_board_failure("events");
        let exported: Vec<_> = registry.gather();
        for (name, kind, ..) in READ_CATALOG {
            let found = exported.iter().find(|family| family.name() == *name);
            let found = found.map(|family| format!("{:?}", family.get_field_type()).to_lowercase());
            assert_eq!(found.as_deref(), Some(*kind), "{name}");
        }
        assert_eq!(exported.len(), READ_CATALOG.len());
    }
}
