//! Whether the memory of a gateway and a sink stays flat at full load.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::page::Page;
use super::{Error, FILLING_BATCH, FILLING_BODIES, KIND, Server, Setup, apart};
use crate::bench::closed::{Bodies, measure};

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Steady {
    /// How long the load is kept up. Default 10 minutes.
    pub length: Duration,
    /// Samples of the memory, evenly spread. Default 40.
    pub samples: u32,
    /// Connections. Default 64.
    pub connections: u32,
}

impl Default for Steady {
    fn default() -> Steady {
        Steady {
            length: Duration::from_secs(600),
            samples: 40,
            connections: 64,
        }
    }
}

/// The memory after so long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SteadySample {
    /// Since the start, in seconds.
    pub seconds: f64,
    /// Events acknowledged so far.
    pub events: u64,
    /// Events landed so far.
    pub landed: u64,
    /// The gateway's resident memory in bytes.
    pub gateway_bytes: u64,
    /// The sink's.
    pub sink_bytes: u64,
}

/// Requests sent between two looks at the clock.
const REQUESTS: u64 = 200;

/// The sink may be so many events behind: where it shares its machine with all else, it is the slower one. The gateway
/// waits for it then, as both are to be loaded for as long as it takes, and the topic keeps no more than that.
const BEHIND_EVENTS_MAX: u64 = 400_000;

/// How often it is asked.
const ASKED: Duration = Duration::from_secs(1);

impl Steady {
    /// Starts a gateway and a sink and loads them.
    ///
    /// # Errors
    /// [`Error`] when a server fails, a request is not answered with success, or Kafka's retention was quicker than the
    /// sink.
    pub async fn run(&self, setup: &Setup) -> Result<Vec<SteadySample>, Error> {
        let schemas = setup.cluster_schemas()?;
        let gateway = setup.gateway("steady", &schemas).await?;
        let sink = setup
            .sink("steady-sink", &schemas, &apart("steady"))
            .await?;
        let bodies = Bodies::keyed(FILLING_BATCH, FILLING_BODIES, KIND);
        let start = Instant::now();
        let (mut taken, mut events) = (Vec::new(), 0);
        let mut asked = Instant::now();
        for sample in 0..=self.samples.max(1) {
            while start.elapsed() < self.length * sample / self.samples.max(1) {
                events += measure(&gateway, &bodies, self.connections, REQUESTS)
                    .await?
                    .events;
                if asked.elapsed() >= ASKED {
                    self.wait_for(&sink, events).await?;
                    asked = Instant::now();
                }
            }
            let page = Page::of(sink.address()).await?;
            let gaps = page.sum("headgate_sink_gap_events_total");
            if gaps > 0.0 {
                return Err(Error::Watched {
                    what: "the sink to keep up".to_owned(),
                    reason: format!(
                        "{gaps} events were removed before they landed: raise the topic's retention.bytes"
                    ),
                });
            }
            taken.push(SteadySample {
                seconds: start.elapsed().as_secs_f64(),
                events,
                landed: page.sum("headgate_sink_rows_total") as u64,
                gateway_bytes: gateway.process().resident_bytes()?,
                sink_bytes: sink.process().resident_bytes()?,
            });
        }
        Ok(taken)
    }

    /// Waits until the sink is not too far behind.
    async fn wait_for(&self, sink: &Server, events: u64) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let landed = Page::of(sink.address())
                .await?
                .sum("headgate_sink_rows_total") as u64;
            if events.saturating_sub(landed) <= BEHIND_EVENTS_MAX {
                return Ok(());
            }
            if begun.elapsed() > self.length {
                return Err(Error::Watched {
                    what: "the sink to land".to_owned(),
                    reason: format!("it has landed {landed} of {events} events"),
                });
            }
            sleep(ASKED / 10).await;
        }
    }
}
