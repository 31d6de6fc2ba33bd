//! Every setting of the gateway: what may be said, its unit, its default, and what is wrong with a bad one.

use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    enrich,
    protocol::{self, Paths},
};

/// The `[gateway]` section.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where events are taken: address and port. Port 0 takes a free one. Default `0.0.0.0:8080`.
    pub listen: SocketAddr,
    /// The `source` of an event that names none. Default `/headgate`.
    pub source_default: String,
    /// Networks of proxies, as `10.0.0.0/8`, whose `X-Forwarded-For` tells a client's address: of those whom it names, the
    /// right-most that is not in them. Default none: the address is the connection's other end.
    pub trusted_proxies: Vec<String>,
    /// What a client may ask of the gateway.
    pub limits: Limits,
    /// How long the gateway waits for others.
    pub timeouts: Timeouts,
    /// The port for probes and metrics.
    pub admin: Admin,
    /// What Snowplow's trackers are served.
    pub snowplow: Snowplow,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::UNSPECIFIED, 8080).into(),
            source_default: "/headgate".into(),
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            admin: Admin::default(),
            snowplow: Snowplow::default(),
        }
    }
}

/// The `[gateway.snowplow]` section.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Snowplow {
    /// Paths besides `/com.snowplowanalytics.snowplow/tp2` that trackers post to, as their `postPath` says, such as
    /// `/com.example/track`. Default none.
    pub post_paths: Vec<String>,
}

/// The `[gateway.admin]` section.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Where `/live`, `/ready`, `/metrics` and `/version` are served, by `headgate sink` too: on one machine each
    /// process needs its own, as by `--admin-listen`. Default `127.0.0.1:8081`.
    pub listen: SocketAddr,
    /// Connections at once; more are closed at once. Default 64.
    pub connections_max: u32,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8081).into(),
            connections_max: 64,
        }
    }
}

/// The `[gateway.limits]` section: past each of these a client gets a clear status and reason.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once; one more gets a 503 and is closed. Default 20,000.
    pub connections_max: u32,
    /// Bytes of all requests in work together: bodies as received, as inflated, and the records made of them.
    /// Over it requests get a 503 with `Retry-After`. Default 256 MiB.
    pub in_flight_bytes_max: u64,
    /// Bytes of one body as received; a longer one gets a 413. Default 10 MiB.
    pub body_bytes_max: u64,
    /// Bytes of one body after inflating; a longer one gets a 413, and nothing beyond is inflated. Default 32 MiB.
    pub inflated_bytes_max: u64,
    /// Events in one request; more get a 413. Default 10,000.
    pub batch_events_max: u32,
    /// Bytes of one event's JSON; a longer one is rejected. Default 1 MiB.
    pub event_bytes_max: u64,
    /// Arrays and objects nested in an event's data; a deeper event is rejected. Default 64.
    pub depth_max: u32,
    /// Bytes of one attribute's value (`id`, `type`, ...); an event with a longer one is rejected. Default 1,024.
    pub attribute_bytes_max: u32,
    /// Extension attributes of one event; an event with more is rejected. Default 32.
    pub extensions_max: u32,
    /// Bytes of a request's line and headers; more get a 431. It also bounds each connection's read buffer, which
    /// starts at 8 KiB and grows only while bodies arrive. At least 8 KiB. Default 64 KiB.
    pub header_bytes_max: u32,
    /// HTTP/2 requests at once on one connection. Default 64.
    pub http2_streams_max: u32,
    /// HTTP/2 flow control: body bytes a client may send ahead on one connection. Default 256 KiB.
    pub http2_window_bytes: u32,
    /// The process's resident memory above which `/ready` says no; 0 never. Default 0.
    pub memory_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            in_flight_bytes_max: 256 << 20,
            body_bytes_max: 10 << 20,
            inflated_bytes_max: 32 << 20,
            batch_events_max: 10_000,
            event_bytes_max: 1 << 20,
            depth_max: 64,
            attribute_bytes_max: 1024,
            extensions_max: 32,
            header_bytes_max: 64 << 10,
            http2_streams_max: 64,
            http2_window_bytes: 256 << 10,
            memory_bytes_max: 0,
        }
    }
}

/// The `[gateway.timeouts]` section.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// From a request's first byte to the end of its headers; then the connection is closed. Default 10,000.
    pub header_timeout_ms: u64,
    /// For a whole body; then the request gets a 408 and the connection is closed. Default 60,000.
    pub body_timeout_ms: u64,
    /// For the next bytes of a body, the least progress a client must make; then as above. Default 10,000.
    pub body_stall_timeout_ms: u64,
    /// For the next request on a connection, from its opening or the last reply. Default 75,000.
    pub idle_timeout_ms: u64,
    /// How long a request waits for room in `in_flight_bytes_max` before its 503. Default 100.
    pub admission_wait_ms: u64,
    /// For the stream to make a request's records durable; then each of its events gets `retry`. Default 30,000.
    pub append_timeout_ms: u64,
    /// What `Retry-After` tells clients, in seconds. Default 1.
    pub retry_after_s: u32,
    /// On shutdown: how long to answer as usual while `/ready` says no, so that load balancers turn away first. Each
    /// HTTP/1 connection is closed by its next reply, so that clients turn away without a failed request. Default 0.
    pub drain_unready_ms: u64,
    /// On shutdown: how long requests in work may take to end before their connections are cut. Default 20,000.
    pub drain_deadline_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_timeout_ms: 10_000,
            body_timeout_ms: 60_000,
            body_stall_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            admission_wait_ms: 100,
            append_timeout_ms: 30_000,
            retry_after_s: 1,
            drain_unready_ms: 0,
            drain_deadline_ms: 20_000,
        }
    }
}

/// hyper's smallest read buffer.
const HEADER_BYTES_MIN: u32 = 8 << 10;
/// One request's bytes are counted in permits of `u32`.
const BODY_BYTES_CEILING: u64 = 1 << 30;

impl Config {
    /// What is wrong with these settings: the key, dotted below the section, and what is allowed.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.source_default.is_empty() {
            problems.push(("source_default", "must not be empty".into()));
        }
        for reason in enrich::problems(&self.trusted_proxies) {
            problems.push(("trusted_proxies", reason));
        }
        for path in &self.snowplow.post_paths {
            if let Some(reason) = path_problem(path) {
                problems.push(("snowplow.post_paths", format!("has {path:?}: {reason}")));
            }
        }
        self.limit_problems(&mut problems);
        self.timeout_problems(&mut problems);
        problems
    }

    fn limit_problems(&self, problems: &mut Vec<(&'static str, String)>) {
        let limits = &self.limits;
        let at_least_one = [
            (
                "admin.connections_max",
                u64::from(self.admin.connections_max),
            ),
            ("limits.connections_max", limits.connections_max.into()),
            ("limits.body_bytes_max", limits.body_bytes_max),
            ("limits.inflated_bytes_max", limits.inflated_bytes_max),
            ("limits.batch_events_max", limits.batch_events_max.into()),
            ("limits.event_bytes_max", limits.event_bytes_max),
            ("limits.depth_max", limits.depth_max.into()),
            (
                "limits.attribute_bytes_max",
                limits.attribute_bytes_max.into(),
            ),
            ("limits.http2_streams_max", limits.http2_streams_max.into()),
        ];
        for (key, value) in at_least_one {
            if value == 0 {
                problems.push((key, "is 0, must be at least 1".into()));
            }
        }
        for (key, value) in [
            ("limits.body_bytes_max", limits.body_bytes_max),
            ("limits.inflated_bytes_max", limits.inflated_bytes_max),
        ] {
            if value > BODY_BYTES_CEILING {
                problems.push((
                    key,
                    format!("is {value}, must be at most {BODY_BYTES_CEILING}"),
                ));
            }
        }
        let one_request = limits
            .body_bytes_max
            .max(limits.inflated_bytes_max)
            .saturating_mul(3);
        if limits.in_flight_bytes_max < one_request {
            problems.push((
                "limits.in_flight_bytes_max",
                format!(
                    "is {}, must be at least {one_request}: three times the larger of body_bytes_max and \
                     inflated_bytes_max, what one request may take",
                    limits.in_flight_bytes_max
                ),
            ));
        }
        if limits.header_bytes_max < HEADER_BYTES_MIN {
            problems.push((
                "limits.header_bytes_max",
                format!(
                    "is {}, must be at least {HEADER_BYTES_MIN}",
                    limits.header_bytes_max
                ),
            ));
        }
        if !(65_535..=1 << 30).contains(&limits.http2_window_bytes) {
            problems.push((
                "limits.http2_window_bytes",
                format!(
                    "is {}, must be 65535 to {}",
                    limits.http2_window_bytes,
                    1 << 30
                ),
            ));
        }
    }

    fn timeout_problems(&self, problems: &mut Vec<(&'static str, String)>) {
        let timeouts = &self.timeouts;
        for (key, value) in [
            ("timeouts.header_timeout_ms", timeouts.header_timeout_ms),
            ("timeouts.body_timeout_ms", timeouts.body_timeout_ms),
            (
                "timeouts.body_stall_timeout_ms",
                timeouts.body_stall_timeout_ms,
            ),
            ("timeouts.idle_timeout_ms", timeouts.idle_timeout_ms),
            ("timeouts.append_timeout_ms", timeouts.append_timeout_ms),
        ] {
            if value == 0 {
                problems.push((key, "is 0, must be at least 1".into()));
            }
        }
    }
}

/// What is wrong with a path that is to be served besides the protocols' own.
fn path_problem(path: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
    if !path.starts_with('/') || !path.bytes().all(allowed) {
        return Some("a path begins with `/`, and has printable ASCII without spaces, `?` and `#`");
    }
    protocol::at(path, &Paths::default())
        .is_some()
        .then_some("the path is served already")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_have_no_problems() {
        assert_eq!(Config::default().problems(), vec![]);
    }

    #[test]
    fn each_problem_names_its_key() {
        let mut config = Config {
            trusted_proxies: vec!["10.0.0.0/33".into()],
            ..Config::default()
        };
        config.limits.depth_max = 0;
        config.limits.header_bytes_max = 100;
        config.limits.in_flight_bytes_max = 1;
        config.timeouts.idle_timeout_ms = 0;
        config.snowplow.post_paths = vec![
            "/com.example/track".into(),
            "/v1/batch".into(),
            "no/path".into(),
        ];
        let keys: Vec<_> = config.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            [
                "trusted_proxies",
                "snowplow.post_paths",
                "snowplow.post_paths",
                "limits.depth_max",
                "limits.in_flight_bytes_max",
                "limits.header_bytes_max",
                "timeouts.idle_timeout_ms"
            ]
        );
    }
}
