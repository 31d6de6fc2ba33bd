//! Sinks that land a filled topic: CPU time an event, and what a second sink adds.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::beside::Beside;
use super::duty::{self, Duty};
use super::page::{self, Page};
use super::{Error, Server, Setup, apart};
use crate::bench::closed::median;

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Landing {
    /// Events in the topic. Default 2,000,000.
    pub events: u64,
    /// Rounds; medians are reported. Default 3.
    pub rounds: u32,
    /// The share of one processor that each sink has when one and two are compared, in percent. Default 20.
    pub share_percent: u32,
    /// How long landing the topic once may take. Default 10 minutes.
    pub deadline: Duration,
    /// What is measured in turn with it: see `--beside`. Default nothing.
    pub beside: Option<String>,
}

impl Default for Landing {
    fn default() -> Landing {
        Landing {
            events: 2_000_000,
            rounds: 3,
            share_percent: 20,
            deadline: Duration::from_secs(600),
            beside: None,
        }
    }
}

/// What one number of sinks came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Landed {
    /// Sinks that landed the topic together.
    pub sinks: u32,
    /// The share of one processor that each of them had at most, in percent; 100: all that there are.
    pub share_percent: u32,
    /// Events landed.
    pub events: u64,
    /// CPU time of all sinks for one event, in microseconds, from when they listened to when all had landed.
    pub us_per_event: f64,
    /// Events landed a second, over the middle of the run.
    pub events_per_s: f64,
    /// Bytes of Parquet an event.
    pub bytes_per_event: f64,
    /// What ran in turn with it, CPU time an event, in microseconds; with one sink at full speed only.
    pub beside_us: BTreeMap<String, f64>,
}

/// How often the sinks are asked how far they are.
const POLL: Duration = Duration::from_millis(100);

/// The part of the run over which throughput is taken: not the start, where partitions are handed out, and not the end,
/// where the last batch waits until it is old enough.
const MIDDLE: [f64; 2] = [0.25, 0.80];

impl Landing {
    /// Fills the topic and lands it, with one and two sinks, at full speed and at a share of it.
    ///
    /// # Errors
    /// [`Error`] when a server fails or takes too long.
    pub async fn run(&self, setup: &Setup) -> Result<Vec<Landed>, Error> {
        let schemas = setup.cluster_schemas()?;
        let events = setup.fill(&schemas, self.events).await?;
        let mut beside = Beside::new(self.beside.clone());
        let kinds = [
            (1, 100),
            (2, 100),
            (1, self.share_percent),
            (2, self.share_percent),
        ];
        let mut rounds = vec![Vec::new(); kinds.len()];
        for round in 0..self.rounds.max(1) {
            for ((sinks, share), taken) in kinds.iter().zip(&mut rounds) {
                let name = format!("landing-{round}-{sinks}-{share}");
                let run = Run {
                    sinks: *sinks,
                    share: *share,
                    events,
                    deadline: self.deadline,
                };
                taken.push(run.land(setup, &schemas, &name).await?);
            }
            beside.round().await?;
        }
        let mut beside = Some(beside.medians());
        let landed = kinds.iter().zip(rounds).map(|((sinks, share), taken)| {
            let middle = |figure: fn(&Figures) -> f64| median(taken.iter().map(figure).collect());
            Landed {
                sinks: *sinks,
                share_percent: *share,
                events,
                us_per_event: middle(|figures| figures.us_per_event),
                events_per_s: middle(|figures| figures.events_per_s),
                bytes_per_event: middle(|figures| figures.bytes_per_event),
                beside_us: beside.take().unwrap_or_default(),
            }
        });
        Ok(landed.collect())
    }
}

/// One landing of the topic.
struct Run {
    sinks: u32,
    share: u32,
    events: u64,
    deadline: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Figures {
    us_per_event: f64,
    events_per_s: f64,
    bytes_per_event: f64,
}

impl Run {
    async fn land(&self, setup: &Setup, schemas: &Path, name: &str) -> Result<Figures, Error> {
        let sinks = self.start(setup, schemas, name).await?;
        let before = cpu(&sinks)?;
        let each = sinks.iter();
        let duties: Vec<Duty> = each
            .map(|sink| Duty::of(sink.process(), self.share))
            .collect();
        let (progress, bytes) = self.watch(&sinks).await?;
        let spent = cpu(&sinks)?.saturating_sub(before);
        drop(duties);
        Ok(Figures {
            us_per_event: spent.as_secs_f64() * 1e6 / self.events as f64,
            events_per_s: speed(&progress, self.events as f64),
            bytes_per_event: bytes / self.events as f64,
        })
    }

    /// Starts the sinks, and stops each as soon as it runs: trying the store out takes each of them another while, and
    /// they are to begin together.
    async fn start(&self, setup: &Setup, schemas: &Path, name: &str) -> Result<Vec<Server>, Error> {
        let environment = apart(name);
        let mut starting = JoinSet::new();
        for at in 0..self.sinks {
            let (setup, schemas) = (setup.clone(), schemas.to_path_buf());
            let (environment, name) = (environment.clone(), format!("{name}-{at}"));
            starting.spawn(async move {
                let sink = setup.sink(&name, &schemas, &environment).await?;
                // It listens before it is in the group, and answers after that.
                page::get(sink.address(), "/ready").await?;
                duty::stop(sink.process());
                Ok::<_, Error>(sink)
            });
        }
        let mut sinks = Vec::new();
        while let Some(started) = starting.join_next().await {
            sinks.push(started.map_err(|error| Error::Unanswered(error.to_string()))??);
        }
        Ok(sinks)
    }

    /// Rows landed by time, until all have, and the bytes of their files.
    async fn watch(&self, sinks: &[Server]) -> Result<(Vec<(Duration, f64)>, f64), Error> {
        let start = Instant::now();
        let mut progress = Vec::new();
        loop {
            let (mut rows, mut bytes) = (0.0, 0.0);
            for sink in sinks {
                let page = Page::of(sink.address()).await?;
                rows += page.sum("headgate_sink_rows_total");
                bytes += page.sum("headgate_sink_file_bytes_sum");
            }
            progress.push((start.elapsed(), rows));
            if rows >= self.events as f64 {
                return Ok((progress, bytes));
            }
            if start.elapsed() > self.deadline {
                return Err(Error::Watched {
                    what: format!("{} events to land", self.events),
                    reason: format!("{rows} had after {:?}", self.deadline),
                });
            }
            sleep(POLL).await;
        }
    }
}

fn cpu(sinks: &[Server]) -> Result<Duration, Error> {
    let mut all = Duration::ZERO;
    for sink in sinks {
        all += sink.process().cpu_time()?;
    }
    Ok(all)
}

/// Rows a second over the middle of a run.
fn speed(progress: &[(Duration, f64)], rows: f64) -> f64 {
    let at = |share: f64| progress.iter().find(|(_, landed)| *landed >= share * rows);
    match MIDDLE.map(at) {
        [Some((from, first)), Some((to, last))] if to > from => {
            (last - first) / (*to - *from).as_secs_f64()
        }
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_leaves_out_the_start_and_the_end() {
        let at = |second: u64, rows: f64| (Duration::from_secs(second), rows);
        let progress = [
            at(0, 0.0),
            at(10, 10.0),
            at(11, 30.0),
            at(12, 60.0),
            at(13, 90.0),
            at(60, 100.0),
        ];
        assert_eq!(speed(&progress, 100.0), 30.0);
        assert!(speed(&progress[..2], 100.0).is_nan());
    }
}
