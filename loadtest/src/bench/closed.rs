//! Closed-loop load: each connection sends its next request when the last one is answered. It finds out what work
//! costs; for latency under a given load see the open loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use tokio::task::JoinSet;

use super::process::{Process, Server};
use super::track::Events;
use super::{EVENTS_PATH, Error};
use crate::client::{Client, Failure, Settings, Target};

/// Different bodies; more would only cost memory.
const BODIES: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(30);
const ERROR_CHARS_MAX: usize = 300;

/// Bodies made in advance, sent one after the other.
#[derive(Debug, Clone)]
pub(super) struct Bodies {
    pub(super) bodies: Arc<Vec<Bytes>>,
    pub(super) events_each: u64,
}

impl Bodies {
    /// Batches of the benchmark's events, spread evenly over these event types. Ids are left to the server.
    pub(super) fn new(events_each: u32, kinds: &[String]) -> Bodies {
        let mut kinds = kinds.iter().cycle();
        let mut events = Events::new(u64::from(events_each));
        let mut event = || {
            let (kind, data) = (kinds.next()?, events.next()?);
            Some(format!(r#"{{"type":"{kind}","data":{data}}}"#))
        };
        let body = |_| {
            let events: Vec<String> = (0..events_each).map_while(|_| event()).collect();
            match events.as_slice() {
                [event] => Bytes::from(event.clone()),
                events => Bytes::from(format!("[{}]", events.join(","))),
            }
        };
        let bodies = Arc::new((0..BODIES).map(body).collect());
        Bodies {
            bodies,
            events_each: u64::from(events_each),
        }
    }

    /// So many batches of events of one type that name their users, as clients do: a stream is keyed by them.
    pub(super) fn keyed(events_each: u32, bodies: usize, kind: &str) -> Bodies {
        let mut events = Events::new(u64::from(events_each));
        let mut event = || {
            let data = events.next_value();
            let user = match &data["userId"] {
                Value::Null => format!(r#""anonymousid":{}"#, data["anonymousId"]),
                user => format!(r#""userid":{user}"#),
            };
            format!(r#"{{"type":"{kind}",{user},"data":{data}}}"#)
        };
        let body = |_| {
            let events: Vec<String> = (0..events_each).map(|_| event()).collect();
            Bytes::from(format!("[{}]", events.join(",")))
        };
        Bodies {
            bodies: Arc::new((0..bodies).map(body).collect()),
            events_each: u64::from(events_each),
        }
    }

    /// The body of a request.
    pub(super) fn of(&self, request: u64) -> Bytes {
        let at = usize::try_from(request).unwrap_or(0) % self.bodies.len().max(1);
        self.bodies.get(at).cloned().unwrap_or_default()
    }
}

/// What one measurement took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) requests: u64,
    pub(super) events: u64,
    pub(super) elapsed: Duration,
    /// CPU time of the server's process.
    pub(super) cpu: Duration,
}

impl Taken {
    pub(super) fn cpu_us_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests as f64
    }

    pub(super) fn cpu_us_per_event(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.events as f64
    }

    pub(super) fn requests_per_s(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    pub(super) fn events_per_s(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }
}

/// Sends `requests` requests over `connections` connections and measures the server meanwhile.
pub(super) async fn measure(
    server: &Server,
    bodies: &Bodies,
    connections: u32,
    requests: u64,
) -> Result<Taken, Error> {
    let process: Process = server.process();
    let settings = settings(server).await?;
    let next = Arc::new(AtomicU64::new(0));
    let before = process.cpu_time()?;
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let client = Client::http1(Arc::clone(&settings));
        workers.spawn(work(client, bodies.clone(), Arc::clone(&next), requests));
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|error| Error::Unanswered(error.to_string()))??;
    }
    Ok(Taken {
        requests,
        events: requests * bodies.events_each,
        elapsed: start.elapsed(),
        cpu: process.cpu_time()?.saturating_sub(before),
    })
}

async fn work(
    mut client: Client,
    bodies: Bodies,
    next: Arc<AtomicU64>,
    requests: u64,
) -> Result<(), Error> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return Ok(());
        }
        post(&mut client, bodies.of(number)).await?;
    }
}

/// Posts a body that must be taken whole.
pub(super) async fn post(client: &mut Client, body: Bytes) -> Result<(), Error> {
    let reply = match client.post(body).await {
        Ok(reply) => reply,
        Err(Failure::Refused(error) | Failure::NotSent(error) | Failure::Broken(error)) => {
            return Err(Error::Unanswered(error));
        }
    };
    if reply.status == http::StatusCode::OK {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&reply.body);
    Err(Error::Refused {
        status: reply.status,
        body: body.chars().take(ERROR_CHARS_MAX).collect(),
    })
}

/// How a server is spoken to.
pub(super) async fn settings(server: &Server) -> Result<Arc<Settings>, Error> {
    let url = format!("http://{}{EVENTS_PATH}", server.address());
    Ok(Arc::new(Settings {
        target: Target::resolve(&url, false).await?,
        connect_timeout: TIMEOUT,
        request_timeout: TIMEOUT,
        gzip: false,
    }))
}

/// The middle one of an odd number of figures.
pub(super) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
