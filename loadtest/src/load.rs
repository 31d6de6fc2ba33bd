//! A run: a pacer that releases requests at their times and workers that send them.
//!
//! The schedule never waits for the server. As many workers exist as requests may be in flight; when all are
//! busy, requests that are due start late, and count so. Latency is measured from the time at which a
//! request was due, so that waiting for a slow server shows in it (no coordinated omission).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use self::record::{Record, Request};
use crate::client::{self, Client, Failure, Settings, Shared, Target};
use crate::ledger::Outcome;
use crate::options::Options;
use crate::pool::Pool;
use crate::reply;
use crate::report::{Report, Snapshot};
use crate::schedule::Schedule;

mod record;
#[cfg(test)]
mod tests;

/// The pacer looks at least this often whether it is to stop.
const PACER_SLEEP_MAX: Duration = Duration::from_millis(50);

/// Why a run could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings that cannot be used, all of them.
    #[error("{}", listed(.0))]
    Options(Vec<(&'static str, String)>),
    /// The URL is wrong or leads elsewhere than allowed.
    #[error(transparent)]
    Target(#[from] client::Error),
    /// The operating system gave no thread.
    #[error("no thread for the schedule: {0}")]
    Thread(#[source] std::io::Error),
}

fn listed(problems: &[(&'static str, String)]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|(key, what)| format!("{key} {what}"))
        .collect();
    lines.join("; ")
}

/// What the pacer and the workers share.
struct Run {
    id: String,
    pool: Arc<Pool>,
    schedule: Schedule,
    start: Instant,
    drain_deadline: Duration,
    late_after: Duration,
    array: bool,
    gzip: bool,
    due: Semaphore,
    next: AtomicU64,
    stopped: AtomicBool,
    record: Mutex<Record>,
}

impl Run {
    fn record(&self) -> MutexGuard<'_, Record> {
        // A panic while recording is a bug that shows elsewhere; the numbers stay usable.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// A run in progress. Dropping it stops it.
pub struct Load {
    run: Arc<Run>,
    options: Options,
    workers: Vec<JoinHandle<()>>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
        self.workers.iter().for_each(JoinHandle::abort);
    }
}

impl Load {
    /// Starts sending the pool's events as `options` say, on the current tokio runtime.
    ///
    /// # Errors
    /// [`Error`] when the options cannot be used or the target may not be loaded.
    pub async fn start(options: &Options, pool: Arc<Pool>) -> Result<Load, Error> {
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(Error::Options(problems));
        }
        let settings = Arc::new(Settings {
            target: Target::resolve(&options.url, options.allow_remote).await?,
            connect_timeout: Duration::from_millis(options.connect_timeout_ms),
            request_timeout: Duration::from_millis(options.request_timeout_ms),
            gzip: options.gzip,
        });
        let id = options.run_id.clone().unwrap_or_else(fresh_id);
        let run = Arc::new(Run {
            record: Mutex::new(Record::new(&id, pool.tables())),
            id,
            pool,
            schedule: options.schedule(),
            start: Instant::now(),
            drain_deadline: options.drain_deadline(),
            late_after: Duration::from_millis(options.late_after_ms),
            array: options.batch_events > 1,
            gzip: options.gzip,
            due: Semaphore::new(0),
            next: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let clients = clients(options, &settings);
        let workers = clients.len();
        let pacer = Arc::clone(&run);
        std::thread::Builder::new()
            .name("loadtest-pacer".to_owned())
            .spawn(move || pace(&pacer, workers))
            .map_err(Error::Thread)?;
        let work = |client| tokio::spawn(work(Arc::clone(&run), client));
        let workers = clients.into_iter().map(work).collect();
        Ok(Load {
            run,
            options: options.clone(),
            workers,
        })
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        &self.run.id
    }

    /// How the run stands now.
    pub fn snapshot(&self) -> Snapshot {
        self.run
            .record()
            .snapshot(self.run.start.elapsed(), self.run.schedule.events())
    }

    /// Ends the schedule: no further request starts, those in flight are waited for by [`Load::finish`].
    pub fn stop(&self) {
        self.run.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether all requests have been answered or given up.
    pub fn finished(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the end of the schedule and of all requests in flight.
    pub async fn finish(mut self) -> Report {
        for worker in &mut self.workers {
            // A worker ends early only by a panic, whose events stay unknown in the ledger.
            drop(worker.await);
        }
        let elapsed = self.run.start.elapsed();
        let record = std::mem::replace(&mut *self.run.record(), Record::new("", &[]));
        record.report(&self.options, elapsed)
    }
}

fn fresh_id() -> String {
    format!("lt{}", uuid::Uuid::now_v7().simple())
}

/// One client for each request that may be in flight.
fn clients(options: &Options, settings: &Arc<Settings>) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..options.connections {
        if !options.http2 {
            clients.push(Client::http1(Arc::clone(settings)));
            continue;
        }
        let shared = Shared::default();
        let streams = 0..options.streams_per_connection;
        let client = |_| Client::http2(Arc::clone(settings), Arc::clone(&shared));
        clients.extend(streams.map(client));
    }
    clients
}

/// Releases each request when it is due. A thread of its own, since the runtime's timers are no finer than
/// a millisecond.
fn pace(run: &Run, workers: usize) {
    let requests = run.schedule.requests();
    let mut released = 0;
    while released < requests && !run.stopped() {
        let due = run.schedule.due_by(run.start.elapsed());
        if due > released {
            run.due
                .add_permits(usize::try_from(due - released).unwrap_or(0));
            released = due;
            continue;
        }
        let wait = run
            .schedule
            .due(released)
            .saturating_sub(run.start.elapsed());
        std::thread::sleep(wait.min(PACER_SLEEP_MAX));
    }
    // One more for each worker, which wakes it to find that there is nothing left.
    run.due.add_permits(workers);
}

async fn work(run: Arc<Run>, mut client: Client) {
    let last_start = run.start + run.schedule.length() + run.drain_deadline;
    loop {
        match run.due.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return,
        }
        let number = run.next.fetch_add(1, Ordering::Relaxed);
        if number >= run.schedule.requests() || run.stopped() || Instant::now() > last_start {
            return;
        }
        send(&run, &mut client, number).await;
    }
}

async fn send(run: &Run, client: &mut Client, number: u64) {
    let due = run.start + run.schedule.due(number);
    let numbers = run.schedule.events_of(number);
    let time = jiff::Timestamp::now().to_string();
    let text = run.pool.body(&run.id, numbers.clone(), &time, run.array);
    let mut request = Request {
        numbers: numbers.clone(),
        late: due.elapsed() > run.late_after,
        start_delay: due.elapsed(),
        json_bytes: text.len(),
        body_bytes: 0,
        latency: None,
        refused: false,
    };
    let body = if run.gzip {
        compressed(&text)
    } else {
        Bytes::from(text)
    };
    request.body_bytes = body.len();
    // Until the reply is here the outcome is unknown, also when this task is aborted.
    run.record().begin(&run.pool, &numbers);
    let answered = client.post(body).await;
    let events = usize::try_from(numbers.end - numbers.start).unwrap_or(0);
    let id_is = |at: usize, id: &str| {
        let number = id
            .strip_prefix(run.id.as_str())
            .and_then(|rest| rest.strip_prefix('-'));
        number.and_then(|number| number.parse().ok()) == Some(numbers.start + at as u64)
    };
    let outcomes = match answered {
        Ok(reply) => {
            request.latency = Some(due.elapsed());
            reply::outcomes(reply.status, &reply.body, events, id_is)
                .map_err(|error| (Outcome::Unknown, error))
        }
        Err(Failure::Refused(error)) => {
            request.refused = true;
            Err((Outcome::Unsent, error))
        }
        Err(Failure::NotSent(error)) => Err((Outcome::Unsent, error)),
        Err(Failure::Broken(error)) => Err((Outcome::Unknown, error)),
    };
    run.record().end(&run.pool, &request, outcomes);
}

fn compressed(text: &str) -> Bytes {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(
        Vec::with_capacity(text.len() / 2),
        flate2::Compression::fast(),
    );
    // Writing to a vector cannot fail.
    drop(encoder.write_all(text.as_bytes()));
    encoder.finish().map(Bytes::from).unwrap_or_default()
}
