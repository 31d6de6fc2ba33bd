//! Compaction: the small files of a closed hour become a few large ones, while sinks land and readers read.
//!
//! A compactor commits to a log of its own, by the same rules as sinks do to theirs: its partitions are tables, and a
//! table's position is how many times it was compacted. It reads the table's position first, what has landed then, and
//! commits behind that position alone; so of two compactors on one table one is beaten, and nothing is ever replaced
//! twice. Streams' logs are not written: no sink waits for it. Readers know what was replaced from the record that names
//! what replaced it. `docs/adr/0009-few-large-files.md`.

mod config;
mod metrics;
mod plan;
mod report;
mod rewrite;
mod step;

pub use self::{
    config::Config,
    metrics::CATALOG,
    report::{Filter, Round, Step, StepResult},
};

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use headgate_stream::log::{Partition, Position, StreamId};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::{
    metrics::Metrics,
    plan::{Planner, Set},
    step::{Done, Trouble},
};
use crate::{
    clock::Clock,
    commit::{self, COMPACT_INCARNATION, COMPACT_STREAM, Log, each_file},
    health::Health,
    retry::{PAUSE_MIN, Retry},
    sink,
    store::{self, Store},
};

/// What ails a compactor whose rounds end before their time.
const ROUNDS_FAIL: &str = "nothing can be compacted";

/// What a compactor works with.
#[derive(Clone)]
pub struct Parts {
    /// Where tables and commit logs are.
    pub store: Arc<dyn Store>,
    /// Where the compactor's metrics are registered.
    pub metrics: prometheus::Registry,
    /// The time.
    pub clock: Clock,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// A compactor, ready to run.
#[derive(Debug)]
pub struct Compactor {
    config: Arc<crate::Config>,
    parts: Parts,
    filter: Filter,
    metrics: Metrics,
    health: Health,
    retry: Retry,
}

/// What is worth doing, and what it rests on.
struct Plan {
    log: Log,
    sets: Vec<Set>,
    /// Each table's position before it was looked at what has landed.
    follows: BTreeMap<String, Position>,
}

impl Compactor {
    /// Checks the settings and registers the metrics. Nothing is read or written yet.
    ///
    /// # Errors
    /// [`sink::Error::Config`], or [`sink::Error::Metrics`] when the registry has a compactor's metrics already.
    pub fn open(config: crate::Config, filter: Filter, parts: Parts) -> Result<Self, sink::Error> {
        if let Some((key, reason)) = config.problems().into_iter().next() {
            return Err(sink::Error::Config { key, reason });
        }
        let metrics = Metrics::new(&parts.metrics)?;
        let health = Health::new(Duration::from_millis(config.unready_after_ms));
        Ok(Self {
            retry: Retry::new(&config, metrics.store_errors(), health.clone()),
            config: Arc::new(config),
            parts,
            filter,
            metrics,
            health,
        })
    }

    /// What keeps it from working; it may be asked at any time.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Compacts what there is, every `interval_ms`, until `shutdown`. What fails is logged and tried again.
    pub async fn run(&self, shutdown: &CancellationToken, mut told: impl FnMut(&Step) + Send) {
        let pause = Duration::from_millis(self.config.compact.interval_ms);
        while !shutdown.is_cancelled() {
            match self.once(shutdown, &mut told).await {
                Ok(_) => self.health.end(ROUNDS_FAIL),
                Err(error) => {
                    self.metrics.failed();
                    self.health.begin(ROUNDS_FAIL);
                    tracing::error!(%error, "cannot compact; trying again");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Compacts what there is now and tells of each step. Ends early, and without harm, on `shutdown`.
    ///
    /// # Errors
    /// What has landed cannot be read within `compact.deadline_ms`, or the commit log is broken.
    pub async fn once(
        &self,
        shutdown: &CancellationToken,
        mut told: impl FnMut(&Step) + Send,
    ) -> Result<Round, sink::Error> {
        let begun = Instant::now();
        let planned = tokio::select! {
            () = shutdown.cancelled() => return Ok(Round::default()),
            planned = timeout(self.deadline(), self.plan()) => planned,
        };
        let late = |late| store::Error::failed("finish reading", "the commit log", late);
        let plan = planned.map_err(|error| commit::Error::from(late(error)))??;
        let round = self.work(plan, shutdown, &mut told).await?;
        self.metrics.round(begun.elapsed());
        Ok(round)
    }

    async fn work(
        &self,
        plan: Plan,
        shutdown: &CancellationToken,
        told: &mut (dyn FnMut(&Step) + Send),
    ) -> Result<Round, sink::Error> {
        let Plan {
            mut log,
            sets,
            mut follows,
        } = plan;
        let waiting = sets.iter().map(|set| set.files.len()).sum();
        self.metrics.waiting(waiting);
        let mut round = Round::default();
        for set in sets {
            if shutdown.is_cancelled() {
                break;
            }
            // None: another's record moved the table, and what was planned for it is of the past.
            let Some(position) = follows.remove(&set.table) else {
                continue;
            };
            let step = self.step(&mut log, &set, &position, shutdown);
            let result = match timeout(self.deadline(), step).await {
                Ok(Err(Trouble::Stopped)) => break,
                Ok(Ok(Done::Compacted(files))) => {
                    self.metrics.compacted(&set, &files);
                    follows.insert(set.table.clone(), step::next(&position));
                    StepResult::Compacted {
                        bytes: files.iter().map(|file| file.bytes).sum(),
                        files: files.len(),
                    }
                }
                Ok(Ok(Done::Beaten)) => {
                    self.metrics.beaten();
                    StepResult::Beaten
                }
                Ok(Err(Trouble::Commit(error @ commit::Error::Broken { .. }))) => {
                    return Err(error.into());
                }
                Ok(Err(trouble)) => {
                    follows.insert(set.table.clone(), position);
                    self.left(&trouble)
                }
                Err(_) => {
                    follows.insert(set.table.clone(), position);
                    self.left(&Trouble::Late)
                }
            };
            let step = Step::of(&set, result);
            round.add(&step);
            told(&step);
        }
        Ok(round)
    }

    fn left(&self, trouble: &Trouble) -> StepResult {
        self.metrics.failed();
        StepResult::Left(trouble.to_string())
    }

    fn deadline(&self) -> Duration {
        // What is older may be swept before it counts.
        let old_ms = self.config.orphan_grace_ms / 2;
        Duration::from_millis(self.config.compact.deadline_ms.min(old_ms))
    }

    /// The tables' positions first, what has landed then: see the module.
    async fn plan(&self) -> Result<Plan, sink::Error> {
        let id = StreamId {
            name: COMPACT_STREAM.to_owned(),
            incarnation: COMPACT_INCARNATION.to_owned(),
        };
        let open = || {
            let store = Arc::clone(&self.parts.store);
            Log::open(store, id.clone(), self.config.checkpoint_commits)
        };
        let transient = commit::Error::transient;
        let log = self
            .retry
            .until("read the commit log", transient, open)
            .await?;
        let now_ms = (self.parts.clock)().div_euclid(1_000);
        let read = || async {
            let mut planner = Planner::new(&self.config.compact, &self.filter, now_ms);
            each_file(&*self.parts.store, |table, file| planner.add(table, file)).await?;
            Ok(planner.sets())
        };
        let sets = self.unbounded("read what has landed", read).await?;
        // The log is as it was before. Later it moves on with every commit, and its tails no longer tell whether
        // another compactor has been at what is planned here.
        let tail = |set: &Set| (set.table.clone(), log.tail(&Partition::new(&set.table)));
        let follows = sets.iter().map(tail).collect();
        Ok(Plan { log, sets, follows })
    }

    /// Reading all logs may take longer than one operation.
    async fn unbounded<T, F: Future<Output = Result<T, commit::Error>>>(
        &self,
        doing: &str,
        attempt: impl Fn() -> F,
    ) -> Result<T, commit::Error> {
        let mut pause = PAUSE_MIN;
        loop {
            match attempt().await {
                Err(error) if error.transient() => {
                    pause = self.retry.wait(doing, &error, pause).await;
                }
                read => return read,
            }
        }
    }
}

#[cfg(test)]
mod tests;
