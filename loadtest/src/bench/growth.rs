//! Whether many schemas make events dearer.

use serde::Serialize;

use super::closed::{Bodies, Taken, measure, median};
use super::process::{Server, settled};
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
    /// The server's CPU time for one event, in microseconds, landing included where it lands.
    pub us_per_event: f64,
    /// The server's resident memory at the end, in bytes.
    pub resident_bytes: u64,
}

impl Growth {
    /// Starts a server for each number of schemas and measures them in turn, round by round: a machine whose speed
    /// changes slows all of them.
    ///
    /// # Errors
    /// [`Error`] when a server fails or a request is not answered with success.
    pub async fn run(&self, setup: &Setup) -> Result<Vec<Grown>, Error> {
        let mut candidates = Vec::with_capacity(self.schemas.len());
        for schemas in &self.schemas {
            candidates.push(self.start(setup, *schemas).await?);
        }
        for _ in 0..self.rounds.max(1) {
            for candidate in &mut candidates {
                let Candidate { server, bodies, .. } = &*candidate;
                let process = server.process();
                let before = settled(|| process.cpu_time()).await?;
                let mut taken = measure(server, bodies, self.connections, self.requests).await?;
                // What was answered is still to be landed: that belongs to it.
                taken.cpu = settled(|| process.cpu_time()).await?.saturating_sub(before);
                candidate.taken.push(taken);
            }
        }
        candidates.into_iter().map(Candidate::grown).collect()
    }

    /// Starts a server and warms it up.
    async fn start(&self, setup: &Setup, schemas: u32) -> Result<Candidate, Error> {
        let names: Vec<String> = (0..schemas).map(|at| format!("track_{at}")).collect();
        let name = format!("growth-{schemas}");
        let dir = setup.write_schemas(&format!("{name}-schemas"), &names)?;
        let server = setup.start(&name, &dir).await?;
        let bodies = Bodies::new(self.batch_events, &names);
        measure(&server, &bodies, self.connections, self.requests / 10 + 1).await?;
        Ok(Candidate {
            schemas,
            server,
            bodies,
            taken: Vec::new(),
        })
    }
}

/// A server with some number of schemas, and what was measured of it so far.
struct Candidate {
    schemas: u32,
    server: Server,
    bodies: Bodies,
    taken: Vec<Taken>,
}

impl Candidate {
    fn grown(self) -> Result<Grown, Error> {
        Ok(Grown {
            schemas: self.schemas,
            events_per_s: median(self.taken.iter().map(Taken::events_per_s).collect()),
            us_per_event: median(self.taken.iter().map(Taken::cpu_us_per_event).collect()),
            resident_bytes: self.server.process().resident_bytes()?,
        })
    }
}
