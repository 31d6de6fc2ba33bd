//! Whether memory stays flat while events pass through.

use serde::Serialize;

use super::closed::{Bodies, measure};
use super::{Error, Setup, track_event};

/// How memory is measured.
#[derive(Debug, Clone)]
pub struct Memory {
    /// Events in all. Default 2,000,000: over the first million the process comes to what it needs, and over the second
    /// it must not grow.
    pub events: u64,
    /// Samples of the memory, evenly spread. Default 20.
    pub samples: u32,
    /// Events a request. Default 100.
    pub batch_events: u32,
    /// Connections. Default 64: a gateway has many callers, and those that come together share an fsync.
    pub connections: u32,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            events: 2_000_000,
            samples: 20,
            batch_events: 100,
            connections: 64,
        }
    }
}

/// The server's memory after so many events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Events answered so far.
    pub events: u64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
}

impl Memory {
    /// Starts a server, sends it the events and samples its memory between.
    ///
    /// # Errors
    /// [`Error`] when the server fails or a request is not answered with success.
    pub async fn run(&self, setup: &Setup) -> Result<Vec<Sample>, Error> {
        let schemas = setup.write_schemas("memory-schemas", &track_event())?;
        let server = setup.start("memory", &schemas).await?;
        let bodies = Bodies::new(self.batch_events, &track_event());
        let samples = u64::from(self.samples.max(1));
        let requests = (self.events / bodies.events_each.max(1))
            .div_ceil(samples)
            .max(1);
        let resident_bytes = server.process().resident_bytes()?;
        let mut taken = vec![Sample {
            events: 0,
            resident_bytes,
        }];
        for sample in 1..=samples {
            measure(&server, &bodies, self.connections, requests).await?;
            let events = sample * requests * bodies.events_each;
            let resident_bytes = server.process().resident_bytes()?;
            taken.push(Sample {
                events,
                resident_bytes,
            });
        }
        Ok(taken)
    }
}
