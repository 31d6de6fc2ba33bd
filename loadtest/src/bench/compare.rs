//! The gateway's CPU time an event, beside a bare server's in the same run.

use serde::Serialize;

use super::closed::{Bodies, Taken, measure, median};
use super::process::Server;
use super::{Error, Setup, track_event};

/// How the comparison is run.
#[derive(Debug, Clone)]
pub struct Compare {
    /// Connections. Default 64: a gateway has many callers, and those that come together share an fsync.
    pub connections: u32,
    /// Measurements of each server at each batch size, alternating; medians are reported. Default 3.
    pub rounds: u32,
    /// Batch sizes in events, and requests of one measurement. Default 1 x 40,000, 20 x 10,000, 100 x 3,000.
    pub batches: Vec<(u32, u64)>,
}

impl Default for Compare {
    fn default() -> Compare {
        Compare {
            connections: 64,
            rounds: 3,
            batches: vec![(1, 40_000), (20, 10_000), (100, 3_000)],
        }
    }
}

/// What one batch size costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Events a request.
    pub batch_events: u32,
    /// The gateway's CPU time for one event, in microseconds.
    pub gateway_us_per_event: f64,
    /// The gateway's CPU time for one request, in microseconds.
    pub gateway_us_per_request: f64,
    /// The bare server's CPU time for one request, in microseconds.
    pub bare_us_per_request: f64,
    /// The gateway's CPU time over the bare server's.
    pub ratio: f64,
    /// Events a second that the gateway answered, with this client beside it.
    pub gateway_events_per_s: f64,
    /// Requests a second that the gateway answered.
    pub gateway_requests_per_s: f64,
    /// Requests a second that the bare server answered.
    pub bare_requests_per_s: f64,
}

impl Compare {
    /// Starts both servers and measures them in turn.
    ///
    /// # Errors
    /// [`Error`] when a server fails or a request is not answered with success.
    pub async fn run(&self, setup: &Setup) -> Result<Vec<Cost>, Error> {
        let schemas = setup.write_schemas("compare-schemas", &track_event())?;
        let gateway = setup.start("compare", &schemas).await?;
        let bare = setup.start_bare().await?;
        let mut costs = Vec::with_capacity(self.batches.len());
        for (batch_events, requests) in &self.batches {
            let bodies = Bodies::new(*batch_events, &track_event());
            costs.push(self.cost(&gateway, &bare, &bodies, *requests).await?);
        }
        Ok(costs)
    }

    async fn cost(
        &self,
        gateway: &Server,
        bare: &Server,
        bodies: &Bodies,
        requests: u64,
    ) -> Result<Cost, Error> {
        let connections = self.connections;
        for server in [gateway, bare] {
            measure(server, bodies, connections, requests / 10 + 1).await?;
        }
        let (mut gateways, mut bares) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds.max(1) {
            bares.push(measure(bare, bodies, connections, requests).await?);
            gateways.push(measure(gateway, bodies, connections, requests).await?);
        }
        let middle =
            |taken: &[Taken], figure: fn(&Taken) -> f64| median(taken.iter().map(figure).collect());
        let gateway_us_per_request = middle(&gateways, Taken::cpu_us_per_request);
        let bare_us_per_request = middle(&bares, Taken::cpu_us_per_request);
        Ok(Cost {
            batch_events: u32::try_from(bodies.events_each).unwrap_or(u32::MAX),
            gateway_us_per_event: middle(&gateways, Taken::cpu_us_per_event),
            gateway_us_per_request,
            bare_us_per_request,
            ratio: gateway_us_per_request / bare_us_per_request,
            gateway_events_per_s: middle(&gateways, Taken::events_per_s),
            gateway_requests_per_s: middle(&gateways, Taken::requests_per_s),
            bare_requests_per_s: middle(&bares, Taken::requests_per_s),
        })
    }
}
