//! The warehouse: tables in Amazon Redshift that follow those in the store, each event once.
//!
//! A loader follows the streams' commit logs in order and loads what they name, table by table: the files by one COPY for
//! each schema fingerprint into temporary tables, from there what is new into the table, and a row into the ledger, all in
//! one transaction (`statements`). The ledger (`ledger`) is in the warehouse itself and decides: what a transaction changes
//! depends on it, so a load that runs twice, or two loaders that run at once, change nothing that one has not. Nothing is
//! remembered anywhere else. `docs/adr/0012-warehouse.md`.
//!
//! Start reading at `loader`, then `load`.

mod audit;
mod catalog;
mod compacted;
mod config;
mod data_api;
mod files;
mod fit;
mod lanes;
mod layouts;
mod ledger;
mod load;
mod loader;
mod manifest;
mod metrics;
mod names;
mod outline;
mod plan;
mod postgres;
mod prepare;
mod readers;
mod rebuild;
mod reload;
mod report;
mod session;
mod statements;
mod target;
mod upkeep;

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use headgate_schemas::registry::SharedRegistry;
use tokio_util::sync::CancellationToken;

pub use self::{
    audit::{Away, Books, LoadBooks, TableBooks},
    config::{Config, Connection, DataApi, Kind, Postgres, Reader, TableConfig, Tls},
    ledger::{Counts, SetAside},
    metrics::CATALOG,
    plan::Plan,
    reload::{ReloadError, Reloaded},
    report::{Planned, Retried, TableStatus},
    session::Error as SessionError,
};
use self::{
    catalog::Catalog, data_api::DataApiSession, layouts::Layouts, load::Worker, loader::Running,
    metrics::Metrics, names::Names, postgres::PostgresSession, session::Session,
};
use crate::{clock::Clock, commit, health::Health, store::Store};

/// Why a loader cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("warehouse.{key}: {reason}")]
    Config {
        /// The setting.
        key: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The metrics cannot be registered.
    #[error("cannot register the loader's metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The warehouse does not do what it is told.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The commit logs cannot be read.
    #[error(transparent)]
    Commit(#[from] commit::Error),
}

/// What a loader works with.
#[derive(Clone)]
pub struct Parts {
    /// Where tables and commit logs are.
    pub store: Arc<dyn Store>,
    /// The store's address as the warehouse knows it, as `s3://bucket/prefix/`.
    pub root: String,
    /// The schemas that tables are derived from.
    pub schemas: Arc<SharedRegistry>,
    /// Where the loader's metrics are registered.
    pub metrics: prometheus::Registry,
    /// The time.
    pub clock: Clock,
    /// Who loads, for people: in the ledger.
    pub name: String,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("store", &self.store)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// A loader, ready to run.
pub struct Loader {
    worker: Arc<Worker>,
    metrics: Metrics,
    health: Health,
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

impl Loader {
    /// Checks the settings and registers the metrics. The warehouse is asked nothing yet. `unready_after`: so long may it be
    /// out of reach before `/ready` says so.
    ///
    /// # Errors
    /// [`Error::Config`], or [`Error::Metrics`] when the registry has a loader's metrics already.
    pub async fn open(
        config: Config,
        unready_after: Duration,
        parts: Parts,
    ) -> Result<Self, Error> {
        if let Some((key, reason)) = config.problems().into_iter().next() {
            return Err(Error::Config { key, reason });
        }
        let metrics = Metrics::new(&parts.metrics)?;
        let session: Arc<dyn Session> = match config.connection {
            Connection::DataApi => Arc::new(DataApiSession::open(&config, metrics.clone()).await?),
            Connection::Postgres => Arc::new(PostgresSession::open(&config, metrics.clone())?),
        };
        let worker = Worker {
            names: Names::new(&config.schema),
            config: Arc::new(config),
            store: parts.store,
            root: parts.root.into(),
            session,
            layouts: Arc::new(Layouts::new(parts.schemas)),
            catalog: Arc::new(Mutex::new(Catalog::default())),
            narrow: Arc::default(),
            changed: Arc::default(),
            compacted: Arc::default(),
            clock: parts.clock,
            loader: parts.name.into(),
        };
        Ok(Self {
            worker: Arc::new(worker),
            metrics,
            health: Health::new(unready_after),
        })
    }

    /// What keeps it from working; it may be asked at any time.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Loads what lands, until `shutdown`. What fails is logged and tried again.
    pub async fn run(&self, shutdown: CancellationToken) {
        let begin = Running::begin(
            Arc::clone(&self.worker),
            self.metrics.clone(),
            self.health(),
        );
        tokio::select! {
            () = shutdown.cancelled() => {}
            running = begin => tokio::select! {
                // Whatever it waits for: the next start finds out what became of it.
                () = shutdown.cancelled() => {}
                () = running.run(&shutdown) => {}
            },
        }
    }
}
