//! A gateway that writes to Kafka: CPU time an event as fast as it takes them, and how long an acknowledgement takes at
//! half of that.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::beside::Beside;
use super::{Error, KIND, Setup, open};
use crate::bench::closed::{self, Bodies, measure, median};

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Taking {
    /// Connections of the closed loop. Default 64.
    pub connections: u32,
    /// Events a request. Default 20.
    pub batch_events: u32,
    /// Requests of one round. Default 20,000.
    pub requests: u64,
    /// Rounds; medians are reported. Default 5.
    pub rounds: u32,
    /// How long half the load is kept up. Default 30 s.
    pub half_load: Duration,
    /// What is measured in turn with it: see `--beside`. Default nothing.
    pub beside: Option<String>,
}

impl Default for Taking {
    fn default() -> Taking {
        Taking {
            connections: 64,
            batch_events: 20,
            requests: 20_000,
            rounds: 5,
            half_load: Duration::from_secs(30),
            beside: None,
        }
    }
}

/// Different bodies: more than a producer's batch holds.
const BODIES: usize = 500;

/// Connections of the open loop, so many that a due request hardly ever waits for one.
const OPEN_CONNECTIONS: u32 = 256;

/// What it came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Taken {
    /// Events a request.
    pub batch_events: u32,
    /// The gateway's CPU time for one event, in microseconds.
    pub us_per_event: f64,
    /// Events a second that were acknowledged, with client and brokers on the same machine.
    pub events_per_s: f64,
    /// The rate at which latency was measured, in events a second.
    pub half_events_per_s: u64,
    /// The median of the time from when a request was due to its acknowledgement, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// What ran in turn with it, CPU time an event, in microseconds.
    pub beside_us: BTreeMap<String, f64>,
}

impl Taking {
    /// Starts a gateway and measures it.
    ///
    /// # Errors
    /// [`Error`] when the gateway fails, or a request is not answered with success.
    pub async fn run(&self, setup: &Setup) -> Result<Taken, Error> {
        let schemas = setup.cluster_schemas()?;
        let gateway = setup.gateway("taking", &schemas).await?;
        let bodies = Bodies::keyed(self.batch_events, BODIES, KIND);
        measure(&gateway, &bodies, self.connections, self.requests / 10 + 1).await?;
        let mut beside = Beside::new(self.beside.clone());
        let mut rounds = Vec::new();
        for _ in 0..self.rounds.max(1) {
            rounds.push(measure(&gateway, &bodies, self.connections, self.requests).await?);
            beside.round().await?;
        }
        let middle =
            |figure: fn(&closed::Taken) -> f64| median(rounds.iter().map(figure).collect());
        let events_per_s = middle(closed::Taken::events_per_s);
        let half = (events_per_s / 2.0) as u64;
        let latency = open::run(&gateway, &bodies, OPEN_CONNECTIONS, half, self.half_load).await?;
        Ok(Taken {
            batch_events: self.batch_events,
            us_per_event: middle(closed::Taken::cpu_us_per_event),
            events_per_s,
            half_events_per_s: half,
            p50_ms: latency.p50_ms,
            p99_ms: latency.p99_ms,
            max_ms: latency.max_ms,
            beside_us: beside.medians(),
        })
    }
}
