//! Runs seeds side by side, in lanes: each has servers of its own, and runs one seed after the other.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use futures_util::future::try_join_all;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::kind::Stream;
use crate::report::Report;
use crate::run::{self, Outcome};
use crate::schedule::Schedule;
use crate::servers::Servers;
use crate::warehouse;

/// How many lines of each log are shown when a seed fails.
const LOG_LINES_MAX: usize = 25;

/// How often servers are started before that is given up.
const START_TRIES_MAX: u32 = 3;

/// A seed that takes longer has failed.
const SEED_MAX: Duration = Duration::from_secs(300);

/// Runs schedules over one stream in so many lanes, and tells the report of each.
pub(crate) async fn run(
    dir: &Path,
    schedules: &[Schedule],
    lanes: u64,
    report: &mut Report,
) -> Result<()> {
    println!("\nrunning {} seeds", schedules.len());
    let lanes = lanes.min(schedules.len() as u64);
    let next = AtomicUsize::new(0);
    // One after the other: ports are free until they are listened at, and both would choose from them.
    let starting = Mutex::new(());
    let ran = (0..lanes).map(|number| lane(dir, number, schedules, (&next, &starting)));
    let ran = try_join_all(ran);
    let mut ran: Vec<Ran> = ran.await?.into_iter().flatten().collect();
    ran.sort_by_key(|ran| ran.n);
    for Ran { n, outcome, took } in ran {
        match outcome {
            Some(outcome) => report.passed(&schedules[n], outcome, took),
            None => report.failed(schedules[n].seed, took),
        }
    }
    Ok(())
}

/// A seed that was run: which one of all, and what it came to if it passed.
struct Ran {
    n: usize,
    outcome: Option<Outcome>,
    took: Duration,
}

/// Starts the servers; ports that others took meanwhile are no failure yet.
async fn started(dir: &Path, stream: Stream, warehouse: bool) -> Result<Servers> {
    let mut tries = 1;
    loop {
        match Servers::start(&dir.join(tries.to_string()), stream, warehouse).await {
            Err(error) if tries < START_TRIES_MAX => {
                println!("the servers do not start, once more: {error:#}");
                tries += 1;
            }
            started => return started,
        }
    }
}

/// Runs one seed after the other, with servers that no other lane uses.
async fn lane(
    dir: &Path,
    number: u64,
    schedules: &[Schedule],
    (next, starting): (&AtomicUsize, &Mutex<()>),
) -> Result<Vec<Ran>> {
    let warehouse = schedules
        .iter()
        .any(|schedule| schedule.warehouse.is_some());
    let Some(stream) = schedules.first().map(|schedule| schedule.stream) else {
        return Ok(Vec::new());
    };
    let servers = {
        let _alone = starting.lock().await;
        let below = dir.join(format!("servers-{number}"));
        started(&below, stream, warehouse).await?
    };
    let mut ran = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let Some(schedule) = schedules.get(n) else {
            return Ok(ran);
        };
        let name = format!("run-{}-seed-{}", n + 1, schedule.seed);
        let began = Instant::now();
        let outcome = one(&servers, schedule, dir.join(&name)).await?;
        forget(&servers, stream, &name).await?;
        let took = began.elapsed();
        ran.push(Ran { n, outcome, took });
    }
}

/// Kafka's topics are of all seeds, so that they must be gone; a stream that is left only takes memory.
async fn forget(servers: &Servers, stream: Stream, run: &str) -> Result<()> {
    match (stream, run::forget(servers, stream, run).await) {
        (Stream::Kinesis, Err(error)) => eprintln!("{error:#}"),
        (_, forgotten) => forgotten?,
    }
    Ok(())
}

/// Runs one seed; returns what it came to if it passed.
async fn one(servers: &Servers, schedule: &Schedule, dir: PathBuf) -> Result<Option<Outcome>> {
    println!("\n{schedule}");
    let began = Instant::now();
    let ran = timeout(SEED_MAX, run::run(servers, schedule, dir.clone())).await;
    let ran = ran.unwrap_or_else(|_| Err(anyhow!("not done after {SEED_MAX:?}")));
    let took = began.elapsed().as_secs_f64();
    let passed = match ran {
        Ok(outcome) => {
            println!("  {outcome}");
            println!("test {} ... ok ({took:.1} s)", schedule.name());
            // What failed is kept, what passed would only fill the disk.
            std::fs::remove_dir_all(&dir)?;
            Some(outcome)
        }
        Err(error) => {
            let seed = schedule.seed;
            println!(
                "test {} ... FAILED ({took:.1} s): {error:#}",
                schedule.name()
            );
            let logs = run::ends_of_logs(&dir, LOG_LINES_MAX);
            println!("{}", logs.unwrap_or_else(|error| error.to_string()));
            println!(
                "again: ./headgate.sh faults --stream {} --seed {seed} --seconds {}\n{schedule}",
                schedule.stream.to_string().to_lowercase(),
                schedule.load.as_secs()
            );
            None
        }
    };
    servers.heal();
    if schedule.warehouse.is_some() {
        warehouse::heal(servers).await?;
    }
    Ok(passed)
}
