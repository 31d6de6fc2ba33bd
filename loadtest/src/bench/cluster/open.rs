//! Open-loop load with the benchmark's own events: requests are due on a schedule, and latency counts from then, so a
//! server that stalls is not spared the requests that it delays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Error;
use crate::bench::closed::{Bodies, post, settings};
use crate::bench::process::Server;
use crate::client::{Client, Settings};
use crate::schedule::Schedule;

const LATENCY_US_MAX: u64 = 600_000_000;
const LATENCY_DIGITS: u8 = 3;

/// Time from when requests were due to their replies, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Latency {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

/// Sends events at a rate for a while; every request must be answered with success.
pub(super) async fn run(
    server: &Server,
    bodies: &Bodies,
    connections: u32,
    events_per_s: u64,
    length: Duration,
) -> Result<Latency, Error> {
    let events = (events_per_s as f64 * length.as_secs_f64()) as u64;
    let schedule = Schedule::new(events_per_s, bodies.events_each, events);
    let settings = settings(server).await?;
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (settings, bodies, next) = (Arc::clone(&settings), bodies.clone(), Arc::clone(&next));
        workers.spawn(work(settings, bodies, next, schedule, start));
    }
    let mut all = histogram()?;
    while let Some(ended) = workers.join_next().await {
        let taken = ended.map_err(|error| Error::Unanswered(error.to_string()))??;
        all.add(taken).map_err(unmeasured)?;
    }
    let ms = |us: u64| us as f64 / 1e3;
    Ok(Latency {
        p50_ms: ms(all.value_at_quantile(0.5)),
        p99_ms: ms(all.value_at_quantile(0.99)),
        max_ms: ms(all.max()),
    })
}

async fn work(
    settings: Arc<Settings>,
    bodies: Bodies,
    next: Arc<AtomicU64>,
    schedule: Schedule,
    start: Instant,
) -> Result<Histogram<u64>, Error> {
    let mut client = Client::http1(settings);
    let mut taken = histogram()?;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= schedule.requests() {
            return Ok(taken);
        }
        let due = start + schedule.due(number);
        sleep_until(due).await;
        post(&mut client, bodies.of(number)).await?;
        let us = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        taken.saturating_record(us);
    }
}

fn histogram() -> Result<Histogram<u64>, Error> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS).map_err(unmeasured)
}

fn unmeasured(error: impl std::fmt::Display) -> Error {
    Error::Watched {
        what: "latency cannot be measured".to_owned(),
        reason: error.to_string(),
    }
}
