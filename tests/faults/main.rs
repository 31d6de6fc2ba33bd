//! The fault suite: seeded schedules of what goes wrong, carried out on real processes around a real Kafka and a real S3
//! server, each followed by the proof that nothing was lost, nothing doubled, and nothing left behind.
//!
//! `./headgate.sh faults` runs it; a failed seed is run again by its number. Under `cargo test` each seed counts as one
//! test, ignored unless `--include-ignored` is given.

mod chance;
mod clock;
mod inject;
mod link;
#[path = "../it/mount.rs"]
mod mount;
mod node;
#[path = "../../stream/src/testing/proxy.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "written for tests of other crates, which use all of it"
)]
mod proxy;
mod report;
mod run;
mod schedule;
mod servers;
mod site;
mod store;
mod warehouse;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use futures_util::future::try_join_all;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::report::Report;
use crate::run::Outcome;
use crate::schedule::{Kind, Schedule};
use crate::servers::Servers;

/// How many lines of each log are shown when a seed fails.
const LOG_LINES_MAX: usize = 25;

/// How often servers are started before that is given up.
const START_TRIES_MAX: u32 = 3;

/// A seed that takes longer has failed.
const SEED_MAX: Duration = Duration::from_secs(300);

/// Runs seeded schedules of faults.
#[derive(Debug, Parser)]
#[command(name = "faults")]
struct Arguments {
    /// How many seeds are run
    #[arg(long, default_value_t = 30)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// This seed alone; may be repeated
    #[arg(long)]
    seed: Vec<u64>,
    /// Length of each seed's load
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(8..=600))]
    seconds: u64,
    /// How many seeds run side by side, each with servers of its own: they wait most of the time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=8))]
    lanes: u64,
    /// Prints the schedules and runs nothing
    #[arg(long)]
    dry_run: bool,
    /// Puts the summary into docs/reliability.md
    #[arg(long)]
    write: bool,
    /// Runs the seeds, which `cargo test` by itself does not
    #[arg(long)]
    include_ignored: bool,
    /// Names of tests, as `cargo test` passes them on: a seed is named seed_1
    filter: Vec<String>,
}

impl Arguments {
    fn schedules(&self) -> Vec<Schedule> {
        let all: Vec<u64> = match self.seed.is_empty() {
            true => (self.first..self.first.saturating_add(self.seeds)).collect(),
            false => self.seed.clone(),
        };
        let kinds = Kind::all(spills());
        let chosen = |seed: &u64| {
            let name = format!("seed_{seed}");
            self.filter.is_empty() || self.filter.iter().any(|part| name.contains(part))
        };
        let seeds = all.into_iter().filter(chosen);
        let load = Duration::from_secs(self.seconds);
        seeds.map(|seed| Schedule::of(seed, load, &kinds)).collect()
    }
}

/// Whether gateways keep what Kafka does not take.
fn spills() -> bool {
    let printed = node::headgate(&std::env::temp_dir())
        .args(["config", "print", "--defaults"])
        .output();
    printed.is_ok_and(|printed| {
        String::from_utf8_lossy(&printed.stdout).contains("on_stream_unavailable = \"spill\"")
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let schedules = arguments.schedules();
    if arguments.dry_run {
        schedules.iter().for_each(|schedule| println!("{schedule}"));
        return ExitCode::SUCCESS;
    }
    if !arguments.include_ignored || schedules.is_empty() {
        summary(0, 0, schedules.len());
        return ExitCode::SUCCESS;
    }
    let ran = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(interruptible(&schedules, &arguments)));
    match ran {
        Ok(failed) => {
            summary(schedules.len() - failed, failed, 0);
            ExitCode::from(u8::from(failed > 0))
        }
        Err(error) => {
            eprintln!("{error:#}");
            summary(0, schedules.len(), 0);
            ExitCode::FAILURE
        }
    }
}

/// As libtest ends, for those who count.
fn summary(passed: usize, failed: usize, ignored: usize) {
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; 0 filtered out"
    );
}

/// Whatever ends this ends the servers too.
async fn interruptible(schedules: &[Schedule], arguments: &Arguments) -> Result<usize> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ran = all(schedules, arguments) => ran,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

/// Runs the seeds, some side by side; returns how many failed.
async fn all(schedules: &[Schedule], arguments: &Arguments) -> Result<usize> {
    let dir = tempfile::Builder::new()
        .prefix("headgate-faults-")
        .tempdir()?;
    println!("\nrunning {} seeds", schedules.len());
    let lanes = arguments.lanes.min(schedules.len() as u64);
    let next = AtomicUsize::new(0);
    // One after the other: ports are free until they are listened at, and both would choose from them.
    let starting = Mutex::new(());
    let ran = (0..lanes).map(|number| lane(dir.path(), number, schedules, (&next, &starting)));
    let ran = try_join_all(ran);
    let mut ran: Vec<Ran> = ran.await?.into_iter().flatten().collect();
    ran.sort_by_key(|ran| ran.n);
    let mut report = Report::default();
    for Ran { n, outcome, took } in ran {
        match outcome {
            Some(outcome) => report.passed(&schedules[n], outcome, took),
            None => report.failed(schedules[n].seed, took),
        }
    }
    println!("\n{}", report.markdown());
    if arguments.write {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
        report.write(&page)?;
    }
    let failed = report.failures();
    if !failed.is_empty() {
        let kept = dir.keep();
        println!(
            "failed seeds: {failed:?}; their files are in {}",
            kept.display()
        );
    }
    Ok(failed.len())
}

/// A seed that was run: which one of all, and what it came to if it passed.
struct Ran {
    n: usize,
    outcome: Option<Outcome>,
    took: Duration,
}

/// Starts the servers; ports that others took meanwhile are no failure yet.
async fn started(dir: &Path, warehouse: bool) -> Result<Servers> {
    let mut tries = 1;
    loop {
        match Servers::start(&dir.join(tries.to_string()), warehouse).await {
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
    let servers = {
        let _alone = starting.lock().await;
        started(&dir.join(format!("servers-{number}")), warehouse).await?
    };
    let mut ran = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let Some(schedule) = schedules.get(n) else {
            return Ok(ran);
        };
        let site = dir.join(format!("run-{}-seed-{}", n + 1, schedule.seed));
        let began = Instant::now();
        let outcome = one(&servers, schedule, site).await?;
        let took = began.elapsed();
        ran.push(Ran { n, outcome, took });
    }
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
            println!("test seed_{} ... ok ({took:.1} s)", schedule.seed);
            // What failed is kept, what passed would only fill the disk.
            std::fs::remove_dir_all(&dir)?;
            Some(outcome)
        }
        Err(error) => {
            let seed = schedule.seed;
            println!("test seed_{seed} ... FAILED ({took:.1} s): {error:#}");
            let logs = run::ends_of_logs(&dir, LOG_LINES_MAX);
            println!("{}", logs.unwrap_or_else(|error| error.to_string()));
            println!(
                "again: ./headgate.sh faults --seed {seed} --seconds {}\n{schedule}",
                schedule.load.as_secs()
            );
            None
        }
    };
    servers.heal();
    if schedule.warehouse.is_some() {
        warehouse::heal(servers).await?;
    }
    run::forget(servers).await?;
    Ok(passed)
}
