//! What the gateway counts: one function per fact.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use crate::protocol;

/// Every metric: name, kind, labels, help. The metrics are built from this and `docs/metrics.md` is generated from it.
pub const CATALOG: &[(&str, &str, &[&str], &str)] = &[
    (
        "headgate_gateway_requests_total",
        "counter",
        &["route", "status"],
        "Requests answered, by route (the protocol's name, or other) and class of status (2xx, 4xx, 5xx).",
    ),
    (
        "headgate_gateway_request_duration_seconds",
        "histogram",
        &["route"],
        "Time from a request's headers to its reply, the reading of its body included.",
    ),
    (
        "headgate_gateway_events_total",
        "counter",
        &["outcome"],
        "Events, by outcome: accepted, rejected (kept in the bad-events topic), rejected_unkept (too large even for \
         that topic), retry (the stream did not take them; the client was told to send them again).",
    ),
    (
        "headgate_gateway_batch_events",
        "histogram",
        &[],
        "Events in one request.",
    ),
    (
        "headgate_gateway_body_bytes_total",
        "counter",
        &["stage"],
        "Bytes of request bodies: received, and inflated (those that came compressed, after inflating).",
    ),
    (
        "headgate_gateway_in_flight_bytes",
        "gauge",
        &[],
        "Bytes that requests in work occupy, as counted against in_flight_bytes_max.",
    ),
    (
        "headgate_gateway_append_duration_seconds",
        "histogram",
        &[],
        "Time until the stream had told the fate of every record of a request.",
    ),
    (
        "headgate_gateway_refused_total",
        "counter",
        &["reason"],
        "Requests and connections turned away: in_flight_bytes, stream, connections.",
    ),
    (
        "headgate_gateway_connections",
        "gauge",
        &[],
        "Connections open.",
    ),
    (
        "headgate_gateway_connections_total",
        "counter",
        &[],
        "Connections accepted.",
    ),
    (
        "headgate_gateway_connections_parked",
        "gauge",
        &[],
        "Connections open that wait for a request and hold no buffers. HTTP/2 connections never do.",
    ),
    (
        "headgate_gateway_connections_closed_total",
        "counter",
        &["reason"],
        "Connections that the gateway closed: idle, header_timeout, body_timeout, drain_deadline.",
    ),
    (
        "headgate_gateway_panics_total",
        "counter",
        &[],
        "Requests answered 500 because of a defect in the gateway.",
    ),
    (
        "headgate_gateway_unrouted_events_total",
        "counter",
        &[],
        "Valid events that went to the common topic because a topic of their own would have been one more than kafka.topics.count_max allows.",
    ),
];

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];
const EVENTS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0, 10000.0];

/// The route of requests to paths of no protocol.
const OTHER: &str = "other";

/// The labels of routes: each protocol by its place, and last what is none's.
fn routes() -> impl Iterator<Item = &'static str> {
    protocol::ALL
        .iter()
        .map(|protocol| protocol.name())
        .chain([OTHER])
}

/// The gateway's metrics, registered once. Series of the hot path are looked up here, not per request.
pub(crate) struct Metrics {
    /// By route.
    requests: Vec<[IntCounter; STATUS_CLASSES.len()]>,
    duration: Vec<Histogram>,
    events: [IntCounter; 4],
    batch: Histogram,
    received: IntCounter,
    inflated: IntCounter,
    in_flight: IntGauge,
    append: Histogram,
    refused: IntCounterVec,
    connections: IntGauge,
    connections_total: IntCounter,
    parked: IntGauge,
    closed: IntCounterVec,
    panics: IntCounter,
    unrouted: IntCounter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = counters(registry, 0)?;
        let duration = histograms(registry, 1, &SECONDS)?;
        let events = counters(registry, 2)?;
        let body = counters(registry, 4)?;
        let route = |route| STATUS_CLASSES.map(|class| requests.with_label_values(&[route, class]));
        Ok(Self {
            requests: routes().map(route).collect(),
            duration: routes()
                .map(|route| duration.with_label_values(&[route]))
                .collect(),
            events: ["accepted", "rejected", "rejected_unkept", "retry"]
                .map(|outcome| events.with_label_values(&[outcome])),
            batch: histograms(registry, 3, &EVENTS)?.with_label_values::<&str>(&[]),
            received: body.with_label_values(&["received"]),
            inflated: body.with_label_values(&["inflated"]),
            in_flight: gauge(registry, 5)?,
            append: histograms(registry, 6, &SECONDS)?.with_label_values::<&str>(&[]),
            refused: counters(registry, 7)?,
            connections: gauge(registry, 8)?,
            connections_total: counters(registry, 9)?.with_label_values::<&str>(&[]),
            parked: gauge(registry, 10)?,
            closed: counters(registry, 11)?,
            panics: counters(registry, 12)?.with_label_values::<&str>(&[]),
            unrouted: counters(registry, 13)?.with_label_values::<&str>(&[]),
        })
    }

    /// A request to a protocol, by its place among all, or to none.
    pub(crate) fn request(&self, to: Option<usize>, status: http::StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUS_CLASSES.len()) - 1;
        let route = to.unwrap_or(protocol::ALL.len());
        self.requests[route][class].inc();
        self.duration[route].observe(took.as_secs_f64());
    }

    pub(crate) fn batch(&self, events: usize) {
        self.batch.observe(events as f64);
    }

    pub(crate) fn events(&self, accepted: u64, rejected: u64, unkept: u64, retry: u64) {
        for (counter, count) in self.events.iter().zip([accepted, rejected, unkept, retry]) {
            counter.inc_by(count);
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }

    pub(crate) fn inflated(&self, bytes: usize) {
        self.inflated.inc_by(bytes as u64);
    }

    pub(crate) fn in_flight_bytes(&self, change: i64) {
        self.in_flight.add(change);
    }

    pub(crate) fn appended(&self, took: Duration) {
        self.append.observe(took.as_secs_f64());
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
        self.connections_total.inc();
    }

    pub(crate) fn connection_ended(&self) {
        self.connections.dec();
    }

    pub(crate) fn connection_parked(&self) {
        self.parked.inc();
    }

    pub(crate) fn connection_unparked(&self) {
        self.parked.dec();
    }

    pub(crate) fn connection_closed(&self, reason: &'static str) {
        self.closed.with_label_values(&[reason]).inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn unrouted(&self, events: u64) {
        self.unrouted.inc_by(events);
    }
}

fn counters(registry: &Registry, row: usize) -> Result<IntCounterVec, prometheus::Error> {
    let (name, _, labels, help) = CATALOG[row];
    let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn gauge(registry: &Registry, row: usize) -> Result<IntGauge, prometheus::Error> {
    let (name, _, _, help) = CATALOG[row];
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn histograms(
    registry: &Registry,
    row: usize,
    buckets: &[f64],
) -> Result<HistogramVec, prometheus::Error> {
    let (name, _, labels, help) = CATALOG[row];
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    let histograms = HistogramVec::new(options, labels)?;
    registry.register(Box::new(histograms.clone()))?;
    Ok(histograms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_catalog_is_registered_under_its_kind() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        metrics.refused("stream");
        metrics.connection_closed("idle");
        let families = registry.gather();
        assert_eq!(families.len(), CATALOG.len());
        for (name, kind, _, help) in CATALOG {
            let family = families.iter().find(|f| f.name() == *name).unwrap();
            let found = format!("{:?}", family.get_field_type()).to_lowercase();
            assert_eq!((found.as_str(), family.help()), (*kind, *help));
        }
    }
}
