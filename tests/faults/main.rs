//! The fault suite: seeded schedules of what goes wrong, carried out on real processes around a real Kafka or a server that
//! speaks Kinesis' protocol, and a real S3 server, each followed by the proof that nothing was lost, nothing doubled, and
//! nothing left behind.
//!
//! `./headgate.sh faults` runs it; a failed seed is run again by its number. Under `cargo test` each seed counts as one
//! test, ignored unless `--include-ignored` is given.

mod chance;
mod clock;
mod copies;
mod inject;
mod kind;
mod kinesis;
mod landed;
mod lanes;
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
#[path = "../../stream/src/testing/puts.rs"]
#[expect(unreachable_pub, reason = "written for tests of other crates")]
mod puts;
mod report;
mod run;
mod schedule;
mod servers;
mod settings;
mod site;
mod store;
mod streams;
mod warehouse;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::kind::Stream;
use crate::report::Report;
use crate::schedule::Schedule;

/// How many seeds are run over each stream: enough for all kinds of faults.
const KAFKA_SEEDS: u64 = 30;
const KINESIS_SEEDS: u64 = 18;

/// Runs seeded schedules of faults.
#[derive(Debug, Parser)]
#[command(name = "faults")]
struct Arguments {
    /// Over which stream; over each, one after the other, unless given
    #[arg(long)]
    stream: Option<Stream>,
    /// How many seeds are run over each stream; 30 over Kafka and 18 over Kinesis unless given
    #[arg(long)]
    seeds: Option<u64>,
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
    /// The machine has much else to do: a server that stalls loses answers too, so that nobody is asked why an event was
    /// written to Kinesis again
    #[arg(long)]
    busy: bool,
    /// Prints the schedules and runs nothing
    #[arg(long)]
    dry_run: bool,
    /// Puts the summaries into docs/reliability.md
    #[arg(long)]
    write: bool,
    /// Runs the seeds, which `cargo test` by itself does not
    #[arg(long)]
    include_ignored: bool,
    /// Names of tests, as `cargo test` passes them on: a seed is named seed_1, or kinesis_seed_1
    filter: Vec<String>,
}

impl Arguments {
    /// The schedules of each stream.
    fn schedules(&self) -> Vec<(Stream, Vec<Schedule>)> {
        let spills = spills();
        let streams = match self.stream {
            Some(stream) => vec![stream],
            None => vec![Stream::Kafka, Stream::Kinesis],
        };
        let of = |stream| (stream, self.schedules_of(stream, spills));
        let all = streams.into_iter().map(of);
        all.filter(|(_, schedules)| !schedules.is_empty()).collect()
    }

    fn schedules_of(&self, stream: Stream, spills: bool) -> Vec<Schedule> {
        let seeds = self.seeds.unwrap_or(match stream {
            Stream::Kafka => KAFKA_SEEDS,
            Stream::Kinesis => KINESIS_SEEDS,
        });
        let all: Vec<u64> = match self.seed.is_empty() {
            true => (self.first..self.first.saturating_add(seeds)).collect(),
            false => self.seed.clone(),
        };
        let chosen = |seed: &u64| {
            let name = schedule::name(stream, *seed);
            self.filter.is_empty() || self.filter.iter().any(|part| name.contains(part))
        };
        let seeds = all.into_iter().filter(chosen);
        let load = Duration::from_secs(self.seconds);
        seeds
            .map(|seed| Schedule {
                busy: self.busy,
                ..Schedule::of(stream, seed, load, spills)
            })
            .collect()
    }
}

/// Whether gateways keep what the stream does not take.
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
    let all = || schedules.iter().flat_map(|(_, schedules)| schedules);
    let count = all().count();
    if arguments.dry_run {
        all().for_each(|schedule| println!("{schedule}"));
        return ExitCode::SUCCESS;
    }
    if !arguments.include_ignored || count == 0 {
        summary(0, 0, count);
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
            summary(count - failed, failed, 0);
            ExitCode::from(u8::from(failed > 0))
        }
        Err(error) => {
            eprintln!("{error:#}");
            summary(0, count, 0);
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
async fn interruptible(
    schedules: &[(Stream, Vec<Schedule>)],
    arguments: &Arguments,
) -> Result<usize> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ran = all(schedules, arguments) => ran,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

/// Runs the seeds of one stream after those of the other; returns how many failed.
async fn all(schedules: &[(Stream, Vec<Schedule>)], arguments: &Arguments) -> Result<usize> {
    let dir = tempfile::Builder::new()
        .prefix("headgate-faults-")
        .tempdir()?;
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let mut failed = Vec::new();
    for (stream, schedules) in schedules {
        let below = dir.path().join(stream.to_string().to_lowercase());
        let mut report = Report::new(*stream);
        lanes::run(&below, schedules, arguments.lanes, &mut report).await?;
        println!("\n{}", report.markdown());
        if arguments.write {
            report.write(&page)?;
        }
        let names = report.failures().iter();
        failed.extend(names.map(|seed| schedule::name(*stream, *seed)));
    }
    if !failed.is_empty() {
        let kept = dir.keep();
        println!(
            "failed seeds: {failed:?}; their files are in {}",
            kept.display()
        );
    }
    Ok(failed.len())
}
