//! What a run of the load test is to do.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::schedule::Schedule;

/// The settings of one run; the defaults are a gentle run against `headgate up`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where events are posted. Default `http://127.0.0.1:8080/v1/events`.
    pub url: String,
    /// Allows `url` to be on another machine. Default false: only loopback addresses are loaded.
    pub allow_remote: bool,
    /// Events a second. Default 1,000.
    pub rate_per_s: u64,
    /// Length of the run in seconds. Default 10.
    pub length_s: u64,
    /// Events in all, when fewer than rate times length. Default: no such bound.
    pub events_max: Option<u64>,
    /// Events a request. Default 20.
    pub batch_events: u32,
    /// Connections. Default 64.
    pub connections: u32,
    /// Requests in flight on one HTTP/2 connection. Default 16. On HTTP/1.1 it is always one.
    pub streams_per_connection: u32,
    /// HTTP/2 with prior knowledge instead of HTTP/1.1. Default false.
    pub http2: bool,
    /// Compresses request bodies. Default false.
    pub gzip: bool,
    /// The share of events made invalid, from 0 to 1. Default 0.01.
    pub invalid_share: f64,
    /// Events by name with their relative weights. Default empty: every schema alike.
    pub mix: BTreeMap<String, f64>,
    /// The seed of all that is random: the same seed and schemas give the same events. Default 1.
    pub seed: u64,
    /// Different valid payloads made for each schema before the run starts. Default 64.
    pub payloads_per_schema: u32,
    /// Different users that events come from. Default 10,000.
    pub users: u32,
    /// A request without a reply after this has an unknown outcome. Default 10,000.
    pub request_timeout_ms: u64,
    /// A connection not made after this leaves its request unsent. Default 1,000.
    pub connect_timeout_ms: u64,
    /// How long after the last event's time late requests are still sent. Default 5,000.
    pub drain_deadline_ms: u64,
    /// A request that starts this much after its time counts as late. Default 20.
    pub late_after_ms: u64,
    /// The run's id, of lower-case letters, digits and `_`. Default: a fresh one.
    pub run_id: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            url: "http://127.0.0.1:8080/v1/events".to_owned(),
            allow_remote: false,
            rate_per_s: 1_000,
            length_s: 10,
            events_max: None,
            batch_events: 20,
            connections: 64,
            streams_per_connection: 16,
            http2: false,
            gzip: false,
            invalid_share: 0.01,
            mix: BTreeMap::new(),
            seed: 1,
            payloads_per_schema: 64,
            users: 10_000,
            request_timeout_ms: 10_000,
            connect_timeout_ms: 1_000,
            drain_deadline_ms: 5_000,
            late_after_ms: 20,
            run_id: None,
        }
    }
}

const EVENTS_MAX: u64 = 1_000_000_000;
const CONNECTIONS_MAX: u32 = 20_000;

impl Options {
    /// The schedule that these options ask for.
    pub fn schedule(&self) -> Schedule {
        let events = self.rate_per_s.saturating_mul(self.length_s);
        let events = events.min(self.events_max.unwrap_or(u64::MAX));
        Schedule::new(self.rate_per_s, u64::from(self.batch_events), events)
    }

    /// Requests that may be in flight at once; more are not started, and count as late.
    pub fn in_flight_requests_max(&self) -> u32 {
        let streams = if self.http2 {
            self.streams_per_connection
        } else {
            1
        };
        self.connections.saturating_mul(streams)
    }

    pub(crate) fn drain_deadline(&self) -> Duration {
        Duration::from_millis(self.drain_deadline_ms)
    }

    /// Each setting that cannot be used: its name, and what is wrong with it and what is allowed.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut within = |key: &'static str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                problems.push((key, format!("is {value}, must be from {least} to {most}")));
            }
        };
        within("rate_per_s", self.rate_per_s, 1, 10_000_000);
        within("length_s", self.length_s, 1, 7 * 24 * 3_600);
        within("batch_events", self.batch_events.into(), 1, 10_000);
        within(
            "connections",
            self.connections.into(),
            1,
            CONNECTIONS_MAX.into(),
        );
        within(
            "streams_per_connection",
            self.streams_per_connection.into(),
            1,
            1_000,
        );
        within(
            "payloads_per_schema",
            self.payloads_per_schema.into(),
            1,
            100_000,
        );
        within("users", self.users.into(), 1, 100_000_000);
        within("request_timeout_ms", self.request_timeout_ms, 1, 600_000);
        within("connect_timeout_ms", self.connect_timeout_ms, 1, 600_000);
        within("drain_deadline_ms", self.drain_deadline_ms, 0, 600_000);
        within(
            "events (rate_per_s x length_s)",
            self.schedule().events(),
            1,
            EVENTS_MAX,
        );
        if !(0.0..=1.0).contains(&self.invalid_share) {
            let share = self.invalid_share;
            problems.push(("invalid_share", format!("is {share}, must be from 0 to 1")));
        }
        for (event, weight) in &self.mix {
            if !(weight.is_finite() && *weight > 0.0) {
                problems.push((
                    "mix",
                    format!("weight of {event} is {weight}, must be above 0"),
                ));
            }
        }
        let plain = |id: &str| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            !id.is_empty() && id.len() <= 64 && id.bytes().all(plain)
        };
        if let Some(id) = self.run_id.as_deref().filter(|id| !plain(id)) {
            let allowed = "must be 1 to 64 lower-case letters, digits and _";
            problems.push(("run_id", format!("is {id:?}, {allowed}")));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_allowed() {
        assert_eq!(Options::default().problems(), []);
    }

    #[test]
    fn each_setting_out_of_bounds_is_named() {
        let options = Options {
            rate_per_s: 0,
            batch_events: 0,
            invalid_share: f64::NAN,
            mix: BTreeMap::from([("a".to_owned(), -1.0)]),
            run_id: Some("a-b".to_owned()),
            ..Options::default()
        };
        let keys: Vec<_> = options.problems().into_iter().map(|(key, _)| key).collect();
        let events = "events (rate_per_s x length_s)";
        let expected = [
            "rate_per_s",
            "batch_events",
            events,
            "invalid_share",
            "mix",
            "run_id",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn the_event_bound_shortens_the_run() {
        let options = Options {
            events_max: Some(30),
            ..Options::default()
        };
        assert_eq!(options.schedule().events(), 30);
        assert_eq!(options.schedule().requests(), 2);
    }
}
