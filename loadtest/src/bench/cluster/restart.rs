//! How long a sink takes to start over a long commit log.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::page::{self, Page};
use super::{Environment, Error, KIND, Setup, apart};
use crate::bench::closed::{Bodies, measure, median};
use crate::bench::process::Server;

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Restart {
    /// Commits in the long log. Default 10,000.
    pub commits: u64,
    /// Starts over each log; medians are reported. Default 3.
    pub rounds: u32,
    /// How long a start may take. Default 3 minutes.
    pub deadline: Duration,
}

impl Default for Restart {
    fn default() -> Restart {
        Restart {
            commits: 10_000,
            rounds: 3,
            deadline: Duration::from_secs(180),
        }
    }
}

/// How a start went; times from the process's beginning, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Started {
    /// Commits in the log before it.
    pub commits: u64,
    /// How long the store was tried out: it does not depend on the log, and is part of what follows.
    pub probe_s: f64,
    /// Until `/ready` said yes.
    pub ready_s: f64,
    /// Until the first batch had landed: the log has been read by then, and a place in Kafka's group been had.
    pub landed_s: f64,
    /// The same without the probe.
    pub landed_without_probe_s: f64,
    /// Requests to the store until then, the probe's included.
    pub requests: f64,
}

/// The variable of a sink's consumer group.
const GROUP: &str = "HEADGATE__KAFKA__GROUP";

const POLL: Duration = Duration::from_millis(5);

/// Batches are cut so soon, that waiting for their age is no part of the figures.
const BATCH_AGE_MS: &str = "50";

impl Restart {
    /// Writes the log, and starts sinks over it and over none.
    ///
    /// # Errors
    /// [`Error`] when a server fails or takes too long.
    pub async fn run(&self, setup: &Setup) -> Result<Vec<Started>, Error> {
        let schemas = setup.cluster_schemas()?;
        let gateway = setup.gateway("restart", &schemas).await?;
        let mut all = Vec::new();
        for commits in [0, self.commits] {
            let mut environment = apart(&format!("restart-{commits}"));
            environment.push((
                "HEADGATE__SINK__BATCH_AGE_MAX_MS".to_owned(),
                BATCH_AGE_MS.to_owned(),
            ));
            if commits > 0 {
                write_log(setup, commits, &environment).await?;
            }
            let mut starts = Vec::new();
            for round in 0..self.rounds.max(1) {
                // What is to land; how much of it has landed by then tells that the log was read.
                measure(&gateway, &Bodies::keyed(20, 10, KIND), 1, 10).await?;
                let name = format!("restart-{commits}-{round}");
                // The sink of the round before was killed: in its group this one would wait for its session to end.
                let mut own = environment.clone();
                own.extend(
                    apart(&name)
                        .into_iter()
                        .filter(|(variable, _)| variable == GROUP),
                );
                starts.push(self.start(setup, &schemas, &own, &name).await?);
            }
            let middle = |figure: fn(&Started) -> f64| median(starts.iter().map(figure).collect());
            all.push(Started {
                commits,
                probe_s: middle(|start| start.probe_s),
                ready_s: middle(|start| start.ready_s),
                landed_s: middle(|start| start.landed_s),
                landed_without_probe_s: middle(|start| start.landed_without_probe_s),
                requests: middle(|start| start.requests),
            });
        }
        Ok(all)
    }

    async fn start(
        &self,
        setup: &Setup,
        schemas: &Path,
        environment: &Environment,
        name: &str,
    ) -> Result<Started, Error> {
        let begun = Instant::now();
        let sink = setup.sink(name, schemas, environment).await?;
        while page::get(sink.address(), "/ready").await?.0 != 200 {
            self.within(begun, "the sink to be ready")?;
            sleep(POLL).await;
        }
        let ready = begun.elapsed();
        let page = self.landed(&sink, begun).await?;
        let landed = begun.elapsed();
        let probe_s = page.sum("headgate_store_probe_seconds");
        Ok(Started {
            commits: 0,
            probe_s,
            ready_s: ready.as_secs_f64(),
            landed_s: landed.as_secs_f64(),
            landed_without_probe_s: landed.as_secs_f64() - probe_s,
            requests: page.sum("headgate_sink_store_requests_total"),
        })
    }

    async fn landed(&self, sink: &Server, begun: Instant) -> Result<Page, Error> {
        loop {
            let page = Page::of(sink.address()).await?;
            if page.sum("headgate_sink_rows_total") > 0.0 {
                return Ok(page);
            }
            self.within(begun, "the sink to land")?;
            sleep(POLL).await;
        }
    }

    fn within(&self, begun: Instant, what: &str) -> Result<(), Error> {
        if begun.elapsed() < self.deadline {
            return Ok(());
        }
        Err(Error::Watched {
            what: what.to_owned(),
            reason: format!("not after {:?}", self.deadline),
        })
    }
}

/// Lets `headgate bench commits` write the log.
async fn write_log(setup: &Setup, commits: u64, environment: &Environment) -> Result<(), Error> {
    let commits = commits.to_string();
    let mut command = Command::new(&setup.program);
    command
        .args(["bench", "commits", "--commits", &commits])
        .args(&setup.common_args)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    let written = tokio::task::spawn_blocking(move || command.output()).await;
    let wrong = |reason: String| Error::Watched {
        what: format!("a log of {commits} commits"),
        reason,
    };
    match written {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => Err(wrong(String::from_utf8_lossy(&output.stderr).into_owned())),
        Ok(Err(error)) => Err(wrong(error.to_string())),
        Err(error) => Err(wrong(error.to_string())),
    }
}
