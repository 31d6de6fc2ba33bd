//! Whether many schemas make events dearer.

use serde::Serialize;

use super::closed::{Bodies, Taken, measure, median};
use super::{Error, Setup};

/// How growth is measured.
#[derive(Debug, Clone)]
pub struct Growth {
    /// Numbers of schemas to serve. Default 1, 10, 50, 200.
    pub schemas: Vec<u32>,
    /// Connections. Default 64: a gateway has many callers, and those that come together share an fsync.
    pub connections: u32,
    /// Events a request, spread over all schemas. Default 20.
    pub batch_events: u32,
    /// Requests of one measurement. Default 20,000: the system counts CPU time in steps of 10 ms.
    pub requests: u64,
    /// Measurements of each server; medians are reported. Default 3.
    pub rounds: u32,
}

impl Default for Growth {
    fn default() -> Growth {
        let schemas = vec![1, 10, 50, 200];
        Growth {
            schemas,
            connections: 64,
            batch_events: 20,
            requests: 20_000,
            rounds: 3,
        }
    }
}

/// The cost with one number of schemas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Grown {
    /// Schemas served, all of them in use.
    pub schemas: u32,
    /// Events a second answered.
    pub events_per_s: f64,
    /// The server's CPU time for one event, in microseconds.
    pub us_per_event: f64,
    /// The server's resident memory at the end, in bytes.
    pub resident_bytes: u64,
}

impl Growth {
    /// Starts a server for each number of schemas, one after the other, and measures it.
    ///
    /// # Errors
    /// [`Error`] when a server fails or a request is not answered with success.
    pub async fn run(&self, setup: &Setup) -> Result<Vec<Grown>, Error> {
        let mut grown = Vec::with_capacity(self.schemas.len());
        for schemas in &self.schemas {
            let names: Vec<String> = (0..*schemas).map(|at| format!("track_{at}")).collect();
            let name = format!("growth-{schemas}");
            let dir = setup.write_schemas(&format!("{name}-schemas"), &names)?;
            let server = setup.start(&name, &dir).await?;
            let bodies = Bodies::new(self.batch_events, &names);
            measure(&server, &bodies, self.connections, self.requests / 10 + 1).await?;
            let mut taken = Vec::new();
            for _ in 0..self.rounds.max(1) {
                taken.push(measure(&server, &bodies, self.connections, self.requests).await?);
            }
            grown.push(Grown {
                schemas: *schemas,
                events_per_s: median(taken.iter().map(Taken::events_per_s).collect()),
                us_per_event: median(taken.iter().map(Taken::cpu_us_per_event).collect()),
                resident_bytes: server.process().resident_bytes()?,
            });
        }
        Ok(grown)
    }
}
