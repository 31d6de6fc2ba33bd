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
#[path = "../../sink/src/testing/proxy.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "written for the sink's own tests, which use all of it"
)]
mod proxy;
mod report;
mod run;
mod schedule;
mod servers;
mod site;
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout};

use crate::report::Report;
use crate::run::Outcome;
use crate::schedule::{Kind, Schedule};
use crate::servers::Servers;

/// How many lines of each log are shown when a seed fails.
const LOG_LINES_MAX: usize = 25;

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
        .and_then(|runtime| runtime.block_on(interruptible(&schedules, arguments.write)));
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
async fn interruptible(schedules: &[Schedule], write: bool) -> Result<usize> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ran = all(schedules, write) => ran,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

/// Runs the seeds one after the other; returns how many failed.
async fn all(schedules: &[Schedule], write: bool) -> Result<usize> {
    let dir = tempfile::Builder::new()
        .prefix("headgate-faults-")
        .tempdir()?;
    println!("\nrunning {} seeds", schedules.len());
    let servers = Servers::start(&dir.path().join("servers")).await?;
    let mut report = Report::default();
    for (n, schedule) in schedules.iter().enumerate() {
        let name = format!("run-{}-seed-{}", n + 1, schedule.seed);
        let site = dir.path().join(name);
        let began = Instant::now();
        match one(&servers, schedule, site).await? {
            Some(outcome) => report.passed(schedule, outcome, began.elapsed()),
            None => report.failed(schedule.seed, began.elapsed()),
        }
    }
    drop(servers);
    println!("\n{}", report.markdown());
    if write {
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
    run::forget(servers).await?;
    Ok(passed)
}
