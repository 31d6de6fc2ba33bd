//! A writer that keeps in a journal what another stream does not take at present, and forwards it later.
//! `docs/adr/0010-spill.md` says why this way.
//!
//! ```text
//! <dir>/...          a journal (see [`crate::journal`]) with one topic for what is spilled
//! <dir>/forwarded    how far that was forwarded, see `cursor`
//! ```
//!
//! While the primary works and nothing is spilled, an append goes straight to it. What it does not take is fsynced to
//! the journal and counts as written: its key's later records follow it there (`backlog`), nothing is sent to the primary
//! before it works again (`breaker`), and what it may have although it did not say so (`doubts`) is looked for there
//! before it is sent once more. One task (`forward`) brings everything over in order.

mod backlog;
mod batch;
mod breaker;
mod config;
mod core;
mod cursor;
mod doubts;
mod entry;
mod forward;
mod metrics;
mod outcome;
mod primary;
mod recount;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use prometheus::Registry;
use tokio::{sync::watch, task::JoinHandle};

use self::{
    backlog::Backlog, breaker::Breaker, core::Core, cursor::Cursor, doubts::Doubts,
    forward::Forwarder, metrics::Metrics, recount::Recount,
};
pub use self::{
    config::Config,
    metrics::CATALOG,
    primary::{Digest, Found, Primary, Search},
};
use crate::{
    journal::{self, Journal},
    log::{Delivery, Partition, Reader, Topic},
};

/// The journal's topic of what is to be forwarded.
const SPILLED: &str = "spilled";
/// The journal's topic of what the primary refuses for good.
const SET_ASIDE: &str = "set_aside";
/// The journal's name for the forwarder.
const GROUP: &str = "forward";
/// How often the gauges are set.
const REPORT: Duration = Duration::from_secs(1);

/// Why a spill cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are wrong.
    #[error("spill.{key}: {reason}")]
    Config {
        /// The key in the `[spill]` section.
        key: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The journal cannot be opened.
    #[error("spill: {0}")]
    Journal(#[from] journal::Error),
    /// The file that says how far was forwarded cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Cursor {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The metrics could not be registered.
    #[error("cannot register the metrics of the spill: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// What a spill is opened with, beside its settings.
pub struct Parts {
    /// The stream that is spilled for. The spill closes it.
    pub primary: Arc<dyn Primary>,
    /// Topics that are to be there as soon as the primary can be reached.
    pub topics: Vec<Topic>,
    /// Whether what the primary does not take is spilled. Else it is refused, and only what was spilled before is
    /// forwarded.
    pub takes: bool,
    /// Why the primary is known not to work at present.
    pub down: Option<String>,
}

/// The writer. Dropping it without [`Writer::close`] also stops it: what is spilled stays.
pub struct Spill {
    core: Arc<Core>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Spill {
    /// Opens the journal and starts forwarding what is in it. Blocks on the disk; inside a Tokio runtime.
    ///
    /// # Errors
    /// Wrong settings, or a directory that is in use, not writable or damaged.
    pub fn open(config: Config, parts: Parts, registry: &Registry) -> Result<Self, Error> {
        if let Some((key, reason)) = config.problems().into_iter().next() {
            return Err(Error::Config { key, reason });
        }
        let metrics = Metrics::register(registry)?;
        let topics = [Topic::new(SPILLED), Topic::new(SET_ASIDE)];
        let journal = Journal::open(config.journal(), &topics, registry)?;
        let [topic, _] = topics;
        let path = config.dir.join("forwarded");
        let cursor = Cursor::open(&path).map_err(|source| Error::Cursor { path, source })?;
        let (mut reader, partition) = assigned(&journal, &topic)?;
        reader.passed(&partition, &cursor.written.passed);
        let left = reader
            .lag()
            .first()
            .and_then(|lag| lag.records)
            .unwrap_or(0);
        let (counting, _) = assigned(&journal, &topic)?;
        let core = Arc::new(core(config, parts, metrics, journal, topic, left));
        let interrupted = (cursor.written.sending.clone(), cursor.written.began_ms);
        let recount = Recount {
            core: Arc::clone(&core),
            reader: counting,
            partition: partition.clone(),
            from: cursor.written.passed.clone(),
            interrupted: interrupted.clone(),
            left,
        };
        let (stop, stopped) = watch::channel(false);
        let forwarder = Forwarder {
            core: Arc::clone(&core),
            reader,
            partition,
            passed: cursor.written.passed.clone(),
            cursor,
            interrupted,
            stop: stopped.clone(),
            hand: None,
            settled: None,
            found: Found::new(),
            next: Instant::now(),
        };
        core.report();
        let tasks = vec![
            tokio::spawn(forward(recount, forwarder, stopped.clone())),
            tokio::spawn(report(Arc::clone(&core), stopped)),
        ];
        let tasks = Mutex::new(tasks);
        Ok(Self { core, stop, tasks })
    }

    /// What an operator should know while everything is taken: for how long and why records are spilled, and how many
    /// are not forwarded yet. None when all is well.
    pub fn degraded(&self) -> Option<String> {
        let core = &self.core;
        let (records, bytes) = (core.backlog.records(), core.backlog.bytes());
        let trouble = core.breaker.trouble();
        if trouble.is_none() && records == 0 {
            return None;
        }
        let oldest = core.oldest().as_secs();
        let left = format!("{records} records, {bytes} bytes, oldest {oldest} s");
        Some(match (trouble, core.stuck()) {
            (Some((since, reason)), _) if core.takes => {
                format!("spilling for {} s, {left}: {reason}", since.as_secs())
            }
            (Some((_, reason)), _) => format!("what was spilled waits, {left}: {reason}"),
            (None, Some(reason)) => format!("what was spilled waits, {left}: {reason}"),
            (None, None) => format!("forwarding what was spilled, {left}"),
        })
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().for_each(JoinHandle::abort);
    }
}

fn core(
    config: Config,
    parts: Parts,
    metrics: Metrics,
    journal: Journal,
    topic: Topic,
    left: u64,
) -> Core {
    let breaker = Breaker::default();
    if let Some(reason) = &parts.down {
        breaker.trip(reason);
    }
    Core {
        config,
        metrics,
        primary: parts.primary,
        written: journal.writer(),
        journal,
        topic,
        topics: parts.topics,
        takes: parts.takes,
        breaker,
        backlog: Backlog::new(left),
        doubts: Doubts::default(),
        stuck: Mutex::default(),
        ending: watch::Sender::new(false),
        wake: tokio::sync::Notify::new(),
        closed: false.into(),
        under_way: 0.into(),
        quiet: tokio::sync::Notify::new(),
    }
}

/// A reader of what is spilled, and its only partition.
fn assigned(journal: &Journal, topic: &Topic) -> Result<(Box<dyn Reader>, Partition), Error> {
    let mut reader = journal.reader(topic, GROUP)?;
    // The journal's assignment is there at once.
    let first = reader.next().now_or_never();
    match first {
        Some(Ok(Delivery::Assigned(partitions))) if !partitions.is_empty() => {
            let partition = partitions[0].clone();
            Ok((reader, partition))
        }
        _ => Err(Error::Journal(journal::Error::Closed)),
    }
}

async fn forward(recount: Recount, forwarder: Forwarder, mut stop: watch::Receiver<bool>) {
    if recount.left > 0 {
        recount.run(&mut stop).await;
    }
    forwarder.run().await;
}

async fn report(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    while tokio::time::timeout(REPORT, stop.wait_for(|stop| *stop))
        .await
        .is_err()
    {
        core.report();
    }
}
