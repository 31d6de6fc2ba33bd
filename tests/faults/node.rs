//! A gateway or a sink as a process that is killed, paused and restarted.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

use crate::kind::Role;
use crate::link::Link;
use crate::mount::Disk;

/// How long a start or an end may take, faults included.
const PATIENCE: Duration = Duration::from_secs(90);

const POLL: Duration = Duration::from_millis(20);

/// The command under test, without anything of this environment's configuration.
pub(crate) fn headgate(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HEADGATE__") {
            command.env_remove(name);
        }
    }
    command.current_dir(dir).stdin(Stdio::null());
    command
}

/// A node of a run.
pub(crate) struct Node {
    pub(crate) role: Role,
    pub(crate) name: String,
    /// Its data, its configuration and its log are below.
    pub(crate) dir: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
    /// What leads clients to it.
    pub(crate) link: Option<Arc<Link>>,
    /// Held by whoever kills, pauses or restarts it.
    pub(crate) process: Mutex<Option<Child>>,
    /// Where its data is, if that is a disk of its own.
    pub(crate) disk: Option<Disk>,
}

impl Node {
    fn command(&self) -> Result<Command> {
        let log = File::options().create(true).append(true).open(self.log());
        let mut command = headgate(&self.dir);
        command
            .arg(self.role.to_string())
            .args(["--config", "headgate.toml", "--data-dir", "data"])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log.context("a node's log")?);
        Ok(command)
    }

    /// What it logs to.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The file that its clock is set by, for nodes whose clock is not the machine's.
    pub(crate) fn clock(&self) -> PathBuf {
        self.dir.join("clock")
    }

    /// Starts it, and returns when it is ready. A start that fails because of a fault is tried again, as a supervisor
    /// would.
    pub(crate) async fn start(&self) -> Result<()> {
        let mut process = self.process.lock().await;
        self.start_in(&mut process).await
    }

    async fn start_in(&self, process: &mut Option<Child>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let child = self.command()?.spawn().context("headgate does not start")?;
            let child = process.insert(child);
            let pid = child.id();
            loop {
                if child.try_wait()?.is_some() {
                    break;
                }
                if let Some(addresses) = self.addresses(pid)? {
                    if let (Some(link), Some(to)) = (&self.link, addresses) {
                        link.lead_to(to);
                    }
                    return Ok(());
                }
                ensure!(Instant::now() < deadline, "{} does not start", self.name);
                sleep(POLL).await;
            }
            ensure!(Instant::now() < deadline, "{} does not start", self.name);
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Where this very process takes events, once it says so; a sink does not.
    #[expect(clippy::option_option, reason = "not yet, or nowhere")]
    fn addresses(&self, pid: u32) -> Result<Option<Option<SocketAddr>>> {
        let file = match self.role {
            Role::Gateway => "addresses.json",
            _ => "sink-addresses.json",
        };
        let Ok(text) = fs::read(self.dir.join("data/run").join(file)) else {
            return Ok(None);
        };
        let found: Value = serde_json::from_slice(&text)?;
        // A process that was killed has left its own behind.
        if found["pid"].as_u64() != Some(pid.into()) {
            return Ok(None);
        }
        let gateway = found["gateway"].as_str().map(str::parse).transpose()?;
        Ok(Some(gateway))
    }

    /// SIGKILL, and a start after so long.
    pub(crate) async fn kill_for(&self, down: Duration) -> Result<()> {
        let mut process = self.running().await?;
        if let Some(child) = process.as_mut() {
            child.kill()?;
            child.wait()?;
        }
        sleep(down).await;
        self.start_in(&mut process).await
    }

    /// SIGSTOP, and SIGCONT after so long.
    pub(crate) async fn pause_for(&self, pause: Duration) -> Result<()> {
        let process = self.running().await?;
        signal(&process, Signal::STOP)?;
        sleep(pause).await;
        signal(&process, Signal::CONT)
    }

    /// SIGTERM, a good end, and a start after so long.
    pub(crate) async fn restart(&self, down: Duration) -> Result<()> {
        let mut process = self.running().await?;
        self.end(&mut process).await?;
        sleep(down).await;
        self.start_in(&mut process).await
    }

    /// SIGTERM, and a good end.
    pub(crate) async fn stop(&self) -> Result<()> {
        let mut process = self.running().await?;
        self.end(&mut process).await
    }

    async fn end(&self, process: &mut Option<Child>) -> Result<()> {
        signal(process, Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        let Some(child) = process.as_mut() else {
            bail!("{} was never started", self.name);
        };
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < deadline, "{} does not end", self.name);
            sleep(POLL).await;
        };
        *process = None;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// Waits for whoever has it down, and makes sure that it has not ended by itself.
    async fn running(&self) -> Result<MutexGuard<'_, Option<Child>>> {
        let mut process = self.process.lock().await;
        if let Some(status) = ended(process.as_mut())? {
            bail!("{} ended by itself, with {status}", self.name);
        }
        Ok(process)
    }

    /// Fails when the process has ended by itself.
    pub(crate) async fn lives(&self) -> Result<()> {
        self.running().await.map(drop)
    }
}

fn ended(child: Option<&mut Child>) -> Result<Option<ExitStatus>> {
    Ok(match child {
        Some(child) => child.try_wait()?,
        None => None,
    })
}

fn signal(process: &Option<Child>, signal: Signal) -> Result<()> {
    let child = process.as_ref().context("no process")?;
    let pid = Pid::from_raw(i32::try_from(child.id())?).context("no process")?;
    Ok(kill_process(pid, signal)?)
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = self.process.get_mut() {
            // It may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
