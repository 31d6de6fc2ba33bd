//! The loader's loop: follow the commit logs, load what is due, and let the ledger decide.

mod reading;
mod refused;
mod upkeep;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::future::FutureExt;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    reading::{COMMITS_AT_ONCE, Streams},
    upkeep::Seen,
};
use super::{
    Error, Loader,
    lanes::{Ended, Lanes},
    ledger,
    load::{Done, Trouble, Worker},
    metrics::Metrics,
    names,
    plan::Plan,
    prepare,
};
use crate::{
    backoff::Backoff,
    commit::{self, follow},
    health::Health,
};

/// Loading once, a table is given up after so many failures.
const TRIES_MAX: u32 = 24;

/// What ails a loader whose warehouse does not answer.
const WAREHOUSE_FAILS: &str = "the warehouse fails";

/// A loader, ready to run.
pub(super) struct Running {
    worker: Arc<Worker>,
    metrics: Metrics,
    health: Health,
    lanes: Lanes,
    streams: Streams,
    expired: Option<Instant>,
    upkeep: JoinSet<Seen>,
    /// Tables whose readers are to be told then.
    tell_later: Option<(Instant, Vec<String>)>,
    loads: JoinSet<(Plan, Result<Done, Trouble>)>,
    /// The ledger is not what was read of it: all is to be read again.
    anew: bool,
    /// How long a table is left to another loader that was quicker.
    rest: Duration,
    /// By table and log: the plan that was refused last, and how often.
    refused: BTreeMap<(String, String), (String, u32)>,
}

impl Running {
    /// Makes the ledger where it is missing and reads it; waits for a warehouse that cannot be reached.
    pub(super) async fn begin(worker: Arc<Worker>, metrics: Metrics, health: Health) -> Self {
        let pause_max = Duration::from_millis(worker.config.retry_pause_max_ms);
        let mut backoff = Backoff::new(Duration::from_millis(500), pause_max);
        let lanes = loop {
            match first(&worker).await {
                Ok(lanes) => break lanes,
                Err(error) => {
                    metrics.unavailable();
                    health.begin(WAREHOUSE_FAILS);
                    tracing::error!(%error, "cannot begin to load; trying again");
                    sleep(backoff.next()).await;
                }
            }
        };
        health.end(WAREHOUSE_FAILS);
        worker.all_have_changed();
        let rest = Duration::from_millis(worker.config.load_age_max_ms.max(1_000) * 2);
        Self {
            anew: false,
            rest,
            worker,
            metrics,
            health,
            lanes,
            streams: Streams::default(),
            expired: None,
            upkeep: JoinSet::new(),
            tell_later: None,
            loads: JoinSet::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Loads what lands, until `shutdown`. Loads under way are given up then: the next start finds out what became of them.
    pub(super) async fn run(mut self, shutdown: &CancellationToken) {
        let poll = Duration::from_millis(self.worker.config.poll_ms);
        while !shutdown.is_cancelled() {
            if self.anew && self.loads.is_empty() {
                self.begin_anew().await;
            }
            self.follow().await;
            self.start(false);
            self.see_to_tables();
            self.tell();
            let due = self.lanes.due_in(&self.worker.config, self.now_ms());
            let full = self.loads.len() >= self.worker.config.loads_at_once_max;
            let soon = |due: Duration| due.clamp(Duration::from_millis(10), poll);
            let pause = due.filter(|_| !full).map_or(poll, soon);
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(ended) = self.loads.join_next(), if !self.loads.is_empty() => {
                    if let Ok((plan, done)) = ended {
                        self.ended(plan, done).await;
                    }
                }
                () = sleep(pause) => {}
            }
        }
    }

    /// Loads all that has landed by now, due or not; what lands meanwhile is for the next time. `true`: nothing was left.
    ///
    /// # Errors
    /// The logs cannot be read.
    pub(super) async fn drain(
        &mut self,
        shutdown: &CancellationToken,
    ) -> Result<bool, commit::Error> {
        self.rest = Duration::ZERO;
        self.end_here().await?;
        let mut failures: BTreeMap<String, u32> = BTreeMap::new();
        while !shutdown.is_cancelled() {
            if self.anew && self.loads.is_empty() {
                self.begin_anew().await;
            }
            while self.read().await? {}
            self.start(true);
            let Some(ended) = self.loads.join_next().await else {
                let hopeless = |table: &str| failures.get(table).is_some_and(|n| *n >= TRIES_MAX);
                let Some(rest) = self.lanes.rest(hopeless) else {
                    break;
                };
                sleep(rest).await;
                continue;
            };
            if let Ok((plan, done)) = ended {
                if !matches!(done, Ok(Done::Loaded(_) | Done::Expired)) {
                    *failures.entry(plan.table.clone()).or_default() += 1;
                }
                self.ended(plan, done).await;
            }
        }
        self.finish().await;
        Ok(!self.lanes.waits())
    }

    /// Goes by the ledger as it is now: it was restored from a backup, or someone took rows out of it.
    async fn begin_anew(&mut self) {
        match self.worker.positions().await {
            Ok(lanes) => {
                self.lanes = lanes;
                self.anew = false;
            }
            Err(error) => tracing::error!(%error, "cannot read the ledger; trying again"),
        }
    }

    /// Starts loads while there is room for them.
    fn start(&mut self, all: bool) {
        let config = &self.worker.config;
        if self.anew {
            return;
        }
        let room = config.loads_at_once_max.saturating_sub(self.loads.len());
        for (plan, token) in self.lanes.due(config, self.now_ms(), room, all) {
            let (worker, metrics) = (Arc::clone(&self.worker), self.metrics.clone());
            self.loads.spawn(async move {
                let begun = Instant::now();
                let plan = match worker.as_known(&plan).await {
                    Ok(plan) => plan,
                    Err(error) => return (plan, Err(error.into())),
                };
                // The session ends statements that run for too long; this is for what else may hang.
                let load = timeout(worker.deadline() * 2, worker.load(&plan, &token));
                // A panic is this load's end only: the table is tried again.
                let load = AssertUnwindSafe(load).catch_unwind().await;
                let done = load.unwrap_or(Ok(Err(Trouble::Stopped)));
                let done = done.unwrap_or(Err(Trouble::Stopped));
                metrics.took(begun.elapsed());
                (plan, done)
            });
        }
    }

    async fn ended(&mut self, plan: Plan, done: Result<Done, Trouble>) {
        let ended = match done {
            Ok(done) => {
                self.health.end(WAREHOUSE_FAILS);
                self.health.end(&trouble_of(&plan.table));
                self.done(&plan, done)
            }
            Err(Trouble::Refused(message)) => self.refused(&plan, message).await,
            Err(trouble @ Trouble::Changed(_)) => {
                tracing::info!(table = plan.table, %trouble, "loading again");
                Ended::Again { failed: true }
            }
            Err(trouble) => self.failed(&plan, &trouble),
        };
        self.lanes.ended(&plan, ended);
    }

    fn done(&mut self, plan: &Plan, done: Done) -> Ended {
        let (table, files, rows) = (&plan.table, plan.files.len(), plan.rows());
        match done {
            Done::Loaded(counts) => {
                self.metrics.loaded(plan, &counts, self.now_ms());
                tracing::info!(
                    table,
                    log = plan.log,
                    ends = plan.ends,
                    files,
                    rows,
                    inserted = counts.inserted,
                    discarded = counts.discarded,
                    "loaded"
                );
                Ended::Loaded(plan.ends)
            }
            Done::Expired => {
                self.metrics.unloaded(plan, "expired");
                Ended::Loaded(plan.ends)
            }
            Done::Beaten(ends) => {
                self.metrics.ended(table, "beaten");
                if ends < plan.follows {
                    tracing::error!(
                        table,
                        ends,
                        follows = plan.follows,
                        "the ledger has gone back; beginning anew"
                    );
                    self.anew = true;
                }
                Ended::Beaten(ends, self.rest)
            }
        }
    }

    fn failed(&self, plan: &Plan, trouble: &Trouble) -> Ended {
        self.metrics.ended(&plan.table, "failed");
        let failed = match trouble {
            Trouble::Session(super::session::Error::Unavailable { .. }) => {
                self.metrics.unavailable();
                self.health.begin(WAREHOUSE_FAILS);
                false
            }
            _ => {
                self.health.begin(&trouble_of(&plan.table));
                true
            }
        };
        tracing::error!(
            table = plan.table,
            error = %trouble,
            "a load failed; nothing of it has taken effect that the ledger does not say; trying again"
        );
        Ended::Again { failed }
    }

    fn tell(&self) {
        let now_ms = self.now_ms();
        for (table, waiting) in self.lanes.waiting() {
            self.metrics.waiting(table, &waiting, now_ms);
        }
    }

    fn now_ms(&self) -> i64 {
        (self.worker.clock)().div_euclid(1_000)
    }
}

/// What ails a loader that cannot load a table.
fn trouble_of(table: &str) -> String {
    format!("`{table}` cannot be loaded")
}

/// The ledger, and how far it says that everything is loaded.
async fn first(worker: &Worker) -> Result<Lanes, Error> {
    worker.begin().await?;
    worker.positions().await
}

impl Worker {
    /// Makes the ledger where it is missing, and reads the catalogue.
    pub(super) async fn begin(&self) -> Result<(), Error> {
        let made = ledger::create(&self.names);
        self.session.transaction(&prepare::token(), &made).await?;
        self.look_all().await?;
        Ok(())
    }

    /// How far everything is loaded by the ledger.
    async fn positions(&self) -> Result<Lanes, Error> {
        let rows = self
            .session
            .statement(&ledger::ask_positions(&self.names))
            .await?;
        Ok(Lanes::new(&self.config, ledger::positions(rows)))
    }
}

impl Loader {
    /// What waits now, by the ledger and the logs. A ledger that is not there yet is empty.
    pub(super) async fn lanes(&self) -> Result<Lanes, Error> {
        self.worker.look_all().await?;
        let mut lanes = match self.worker.held(names::LOADS) {
            Some(_) => self.worker.positions().await?,
            None => Lanes::new(&self.worker.config, Vec::new()),
        };
        let config = &self.worker.config;
        for log in follow::streams(&*self.worker.store).await? {
            loop {
                let after = lanes.read(&log);
                let commits =
                    follow::behind(&*self.worker.store, &log, after, COMMITS_AT_ONCE).await?;
                if commits.is_empty() {
                    break;
                }
                for commit in commits {
                    lanes.add(&log, commit, |table| config.loads(table));
                }
            }
        }
        Ok(lanes)
    }
}
