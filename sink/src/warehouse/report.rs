//! What a loader knows, for people and programs: how far each table is loaded, what waits, what was set aside, and what would
//! be done next.

use std::{collections::BTreeMap, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{
    Error, Loader,
    ledger::{self, SetAside},
    load::{Done, LOOKS_MAX, Trouble},
    loader::Running,
    names,
    plan::Plan,
};
use crate::commit::follow;

/// How far a table is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableStatus {
    /// Committed files that are not in the warehouse.
    pub files_waiting: u64,
    /// Rows in them.
    pub rows_waiting: u64,
    /// When the oldest of those rows was received, in ms since the epoch.
    pub received_waiting_ms: Option<i64>,
    /// Loads that the warehouse refused.
    pub set_aside: Vec<SetAside>,
}

/// What would be done next with one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The load.
    pub plan: Plan,
    /// What has to be made or changed first, each by itself.
    pub changes: Vec<String>,
    /// The load's one transaction.
    pub transaction: Vec<String>,
}

/// What became of loads that were set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The load.
    pub load: SetAside,
    /// Why it is still set aside; `None`: it is loaded.
    pub refused: Option<String>,
}

impl Loader {
    /// The ledger as it should be, and what the catalogue says of the tables.
    pub(super) async fn prepare(&self) -> Result<(), Error> {
        self.worker.begin().await
    }

    /// Loads all that has landed by now; `false`: something could not be loaded.
    ///
    /// # Errors
    /// The commit logs cannot be read.
    pub async fn once(&self, shutdown: &CancellationToken) -> Result<bool, Error> {
        let worker = Arc::clone(&self.worker);
        let mut running = Running::begin(worker, self.metrics.clone(), self.health()).await;
        Ok(running.drain(shutdown).await?)
    }

    /// How far each table is loaded. Nothing is changed.
    ///
    /// # Errors
    /// The warehouse or the commit logs cannot be read.
    pub async fn status(&self) -> Result<BTreeMap<String, TableStatus>, Error> {
        let lanes = self.lanes().await?;
        let mut tables: BTreeMap<String, TableStatus> = BTreeMap::new();
        for (table, file) in lanes.waiting_files() {
            let status = tables.entry(table.to_owned()).or_default();
            status.files_waiting += 1;
            status.rows_waiting += file.rows;
            let oldest = status.received_waiting_ms.unwrap_or(i64::MAX);
            status.received_waiting_ms = Some(oldest.min(file.received_min_ms));
        }
        for table in lanes.tables() {
            tables.entry(table.to_owned()).or_default();
        }
        for load in self.set_aside().await? {
            tables
                .entry(load.table.clone())
                .or_default()
                .set_aside
                .push(load);
        }
        Ok(tables)
    }

    /// What would be done next, table by table. Nothing is changed, here or there.
    ///
    /// # Errors
    /// The warehouse, the commit logs or a file cannot be read.
    pub async fn planned(&self) -> Result<Vec<Planned>, Error> {
        let mut lanes = self.lanes().await?;
        let now_ms = (self.worker.clock)().div_euclid(1_000);
        let mut planned = Vec::new();
        for (plan, _) in lanes.due(&self.worker.config, now_ms, usize::MAX, true) {
            let current = self.worker.found_replaced(&plan).await?;
            planned.push(self.worker.outline(current.unwrap_or(plan)).await?);
        }
        Ok(planned)
    }

    /// Loads what was set aside once more, or only the load of that id.
    ///
    /// # Errors
    /// The warehouse or the commit logs cannot be read.
    pub async fn retry(&self, id: Option<&str>) -> Result<Vec<Retried>, Error> {
        self.prepare().await?;
        let mut retried = Vec::new();
        for load in self.set_aside().await? {
            if id.is_none_or(|id| id == load.id) {
                let refused = self.retry_one(&load).await?;
                retried.push(Retried { load, refused });
            }
        }
        Ok(retried)
    }

    async fn retry_one(&self, load: &SetAside) -> Result<Option<String>, Error> {
        let commits = load.ends.saturating_sub(load.follows);
        let store = &*self.worker.store;
        let commits = follow::behind(store, &load.log, load.follows, commits).await?;
        let files = commits.into_iter().flat_map(|commit| commit.files);
        let plan = Plan {
            table: load.table.clone(),
            log: load.log.clone(),
            follows: load.follows,
            ends: load.ends,
            files: files.filter(|file| file.table == load.table).collect(),
            commits: 1,
            committed_min_ms: 0,
        };
        let plan = self.worker.found_replaced(&plan).await?.unwrap_or(plan);
        let mut looks = 0;
        loop {
            looks += 1;
            return match self.worker.retry(&plan, &load.id).await {
                Ok(Done::Loaded(_)) => Ok(None),
                Ok(_) => Ok(Some("it is set aside no longer".to_owned())),
                Err(Trouble::Changed(_)) if looks < LOOKS_MAX => continue,
                Err(trouble) => Ok(Some(trouble.to_string())),
            };
        }
    }

    async fn set_aside(&self) -> Result<Vec<SetAside>, Error> {
        if self.worker.held(names::LOADS).is_none() {
            return Ok(Vec::new());
        }
        let rows = self
            .worker
            .session
            .statement(&ledger::ask_set_aside(&self.worker.names))
            .await?;
        Ok(ledger::set_aside(rows))
    }
}
