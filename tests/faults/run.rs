//! One seed: the load, the faults, and the proof that every event is where it was promised to be.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::{try_join, try_join_all};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::inject::inject;
use crate::kind::{Kind, Stream};
use crate::node::Node;
use crate::schedule::{STORE_REQUEST_MS, Schedule};
use crate::servers::Servers;
use crate::site::Site;
use crate::warehouse::{self, Loaded};
use crate::{copies, streams};

/// How long after the load and the faults everything must have landed, in s.
const LANDING_S: u64 = 90;

/// What the proof waits for late doubles after it has found everything.
const SETTLE: Duration = Duration::from_secs(2);

/// Fewer accepted events than this share of those sent prove nothing.
const ACCEPTED_SHARE_MIN: f64 = 0.2;

/// What a seed came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// How often each of the schedule's faults struck, in its order.
    pub(crate) struck: Vec<u64>,
    /// Events by the gateways' answers.
    pub(crate) events: BTreeMap<String, u64>,
    /// Events that were promised and are not there.
    pub(crate) missing: u64,
    /// Events that are there more than once, and were not written more than once.
    pub(crate) double: u64,
    /// Events that were written more than once, since an answer of Kinesis was lost.
    pub(crate) again: u64,
    /// From the end of load and faults until everything had landed.
    pub(crate) recovery: Duration,
    /// Files that no commit named, removed at the end.
    pub(crate) swept: u64,
    /// Commits in the log.
    pub(crate) commits: u64,
    /// What was loaded, if there is a warehouse.
    pub(crate) loaded: Option<Loaded>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, events) in &self.events {
            write!(f, "{events} {name}, ")?;
        }
        write!(
            f,
            "all landed {:.1} s after the last fault, in {} commits; {} files swept",
            self.recovery.as_secs_f64(),
            self.commits,
            self.swept
        )?;
        if self.again > 0 {
            write!(f, "; {} events written more than once", self.again)?;
        }
        match self.loaded {
            Some(loaded) => write!(f, "; {} rows in {} loads", loaded.rows, loaded.loads),
            None => Ok(()),
        }
    }
}

/// Runs a schedule in an empty directory.
pub(crate) async fn run(servers: &Servers, schedule: &Schedule, dir: PathBuf) -> Result<Outcome> {
    let site = Site::new(servers, dir, schedule).await?;
    site.start().await?;
    let began = Instant::now();
    let ledgers = site.gateways.iter().enumerate();
    let loads = ledgers.map(|(n, node)| load(&site, schedule, (n, node)));
    let faults = schedule
        .faults
        .iter()
        .map(|fault| inject(&site, fault, began));
    let (ledgers, struck) = try_join(try_join_all(loads), try_join_all(faults)).await?;
    let (struck, lasted): (Vec<u64>, Vec<copies::Lasted>) = struck.into_iter().unzip();
    site.heal();
    let healed = Instant::now();
    let mut outcome = balance(&site, schedule.stream, &ledgers).await?;
    outcome.recovery = healed.elapsed().saturating_sub(SETTLE);
    outcome.struck = struck;
    if schedule.warehouse.is_some() {
        outcome.loaded = Some(warehouse::proof(&site).await?);
        let struck = warehouse::struck(servers).await?;
        for (fault, rule) in site.rules.lock().await.iter() {
            let n = schedule.faults.iter().position(|planned| planned == fault);
            if let Some(times) = n.and_then(|n| outcome.struck.get_mut(n)) {
                *times = struck.get(rule).copied().unwrap_or(0);
            }
        }
    }
    for node in site.nodes() {
        node.lives().await?;
    }
    try_join_all(site.gateways.iter().map(Node::stop)).await?;
    if schedule.stream == Stream::Kinesis {
        outcome.again = copies::proof(&site, schedule, &lasted).await?;
    }
    try_join_all(site.sinks.iter().map(Node::stop)).await?;
    if schedule
        .faults
        .iter()
        .any(|fault| fault.kind == Kind::StoreSlow)
    {
        // A request that its client has long given up may still arrive.
        let slow = Duration::from_millis(2 * STORE_REQUEST_MS);
        sleep(slow.saturating_sub(healed.elapsed())).await;
    }
    nothing_is_left(&site, &mut outcome).await?;
    Ok(outcome)
}

/// Loads one gateway through its proxy; returns the ledger's file.
async fn load(site: &Site<'_>, schedule: &Schedule, (n, node): (usize, &Node)) -> Result<PathBuf> {
    let ledger = site.dir.join(format!("{}.ledger", node.name));
    let link = node.link.as_ref().context("a gateway has a proxy")?;
    let rate = (schedule.rate_per_s / schedule.gateways as u64).max(1);
    let number = schedule.seed * 10 + n as u64;
    let mut command = site.client()?;
    command
        .args([
            "loadtest",
            "--json",
            "--no-verify",
            "--invalid-share",
            "0.05",
        ])
        .args(["--connections", "16"])
        .arg("--url")
        .arg(format!("http://{}/v1/events", link.address()))
        .arg("--rate")
        .arg(rate.to_string())
        .arg("--seconds")
        .arg(schedule.load.as_secs().to_string())
        .arg("--seed")
        .arg(number.to_string())
        .arg("--ledger")
        .arg(&ledger)
        .stdout(File::create(
            site.dir.join(format!("{}.load.json", node.name)),
        )?)
        .stderr(File::create(
            site.dir.join(format!("{}.load.log", node.name)),
        )?);
    let mut running = Running(command.spawn().context("the load does not start")?);
    loop {
        if let Some(status) = running.0.try_wait()? {
            ensure!(
                status.success(),
                "the load on {} ended with {status}",
                node.name
            );
            return Ok(ledger);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// A process that does not outlive its run.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Proves the ledgers together against what has landed. Over Kinesis an event may be there more than once: whether it may so
/// often is proved by what was written.
async fn balance(site: &Site<'_>, stream: Stream, ledgers: &[PathBuf]) -> Result<Outcome> {
    let mut command = site.client()?;
    command.args(["loadtest", "--json", "--wait", &LANDING_S.to_string()]);
    for ledger in ledgers {
        command.arg("--verify").arg(ledger);
    }
    let (_, said) = output(command, site.dir.join("balance")).await?;
    let balance: Value =
        serde_json::from_str(&said).with_context(|| format!("no balance: {said}"))?;
    let mut outcome = Outcome::default();
    let mut sent = 0;
    for (name, count) in balance["outcomes"].as_object().into_iter().flatten() {
        let of = |key: &str| count[key].as_u64().unwrap_or(0);
        outcome.missing += of("missing");
        if stream == Stream::Kafka {
            outcome.double += of("double");
        }
        sent += of("events");
        outcome.events.insert(name.clone(), of("events"));
    }
    let faults = balance["fault_counts"].as_object();
    let mut faults = faults.context("a balance has faults")?.keys();
    let balanced = match stream {
        Stream::Kafka => balance["balanced"] == true,
        Stream::Kinesis => faults.all(|fault| fault == "double"),
    };
    ensure!(balanced, "the ledgers do not balance: {balance:#}");
    let accepted = outcome.events.get("accepted").copied().unwrap_or(0);
    ensure!(
        accepted as f64 >= ACCEPTED_SHARE_MIN * sent as f64,
        "hardly anything was accepted: {balance:#}"
    );
    Ok(outcome)
}

/// Sweeps without a grace, now that nothing runs, and checks the commit log and the files.
async fn nothing_is_left(site: &Site<'_>, outcome: &mut Outcome) -> Result<()> {
    let before = lake_check(site, "check-before").await?;
    outcome.swept = before["unnamed"].as_u64().unwrap_or(0);
    let mut sweep = site.client()?;
    sweep.args(["lake", "sweep", "--no-sink-runs"]);
    let (swept, said) = output(sweep, site.dir.join("sweep")).await?;
    ensure!(swept, "the sweep failed: {said}");
    let after = lake_check(site, "check-after").await?;
    ensure!(
        after["unnamed"] == 0,
        "files are left that no commit names: {after:#}"
    );
    ensure!(
        after["files"] == before["files"],
        "{before:#} became {after:#}"
    );
    let logs = after["logs"].as_array().into_iter().flatten();
    outcome.commits = logs.filter_map(|log| log["commits"].as_u64()).sum();
    Ok(())
}

async fn lake_check(site: &Site<'_>, file: &str) -> Result<Value> {
    let mut command = site.client()?;
    command.args(["lake", "check", "--json"]);
    let (whole, said) = output(command, site.dir.join(file)).await?;
    ensure!(whole, "the lake is not whole: {said}");
    Ok(serde_json::from_str(&said)?)
}

/// Runs a command to its end; returns whether it succeeded, and its standard output. Its standard error is kept.
pub(crate) async fn output(mut command: Command, file: PathBuf) -> Result<(bool, String)> {
    let log = File::create(file.with_extension("log"))?;
    let output =
        spawn_blocking(move || command.stdout(Stdio::piped()).stderr(log).output()).await??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    fs::write(file.with_extension("json"), &said)?;
    Ok((output.status.success(), said))
}

/// Deletes Kafka's topics, which all seeds share, so that a seed does not land another one's events, or a run's streams.
pub(crate) async fn forget(servers: &Servers, stream: Stream, run: &str) -> Result<()> {
    if stream == Stream::Kinesis {
        return streams::delete(servers, run).await;
    }
    let arguments = ["TopicCommand", "--delete", "--topic", "events|bad_events"];
    let deleted = servers.kafka("tool", arguments.map(str::to_owned).to_vec());
    deleted.await.context("cannot delete the topics")
}

/// How every log of a run ends.
pub(crate) fn ends_of_logs(dir: &Path, lines_max: usize) -> Result<String> {
    let mut shown = String::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_log = path.ends_with("log") || path.extension().is_some_and(|e| e == "log");
            if path.is_dir() && !path.ends_with("data") {
                folders.push(path);
            } else if is_log && path.is_file() {
                let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
                let lines: Vec<&str> = text.lines().collect();
                let end = lines[lines.len().saturating_sub(lines_max)..].join("\n");
                shown.push_str(&format!("--- the end of {}\n{end}\n", path.display()));
            }
        }
    }
    if shown.is_empty() {
        bail!("no logs in {}", dir.display());
    }
    Ok(shown)
}
