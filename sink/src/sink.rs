//! A sink as its users see it: what it needs, what it can fail with, and how it is opened and run.
//!
//! The work itself is [`Consumer`]'s: see `consume`.

use std::{fmt, sync::Arc, time::Duration};

use headgate_schemas::registry::SharedRegistry;
use headgate_stream::log::{ReadError, Reader};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    commit::{self, Log},
    config::Config,
    consume::Consumer,
    health::Health,
    land::{EncodeError, Lander},
    metrics::Metrics,
    retry::Retry,
    seen::Seen,
    store::Store,
    sweep,
    table::Generation,
};

/// Why a sink cannot work or go on. Faults of the store are not here: they are waited out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("sink.{key}: {reason}")]
    Config {
        /// The setting.
        key: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The metrics cannot be registered.
    #[error("cannot register the sink's metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The stream cannot be read on.
    #[error("cannot read the stream: {0}")]
    Read(#[from] ReadError),
    /// The commit log is broken.
    #[error(transparent)]
    Commit(#[from] commit::Error),
    /// A data file could not be made.
    #[error("cannot make a data file: {0}")]
    Encode(String),
    /// Another writer uses this sink's names for its files. A defect: they are unique.
    #[error(
        "{path} has {found_bytes} bytes where this sink wrote {bytes}: something else writes files below this store's tables"
    )]
    Foreign {
        /// The object.
        path: String,
        /// The size of what this sink wanted there.
        bytes: u64,
        /// The size of what is there.
        found_bytes: u64,
    },
    /// The runtime is shutting down.
    #[error("the runtime stopped the sink's work")]
    Stopped,
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error.to_string())
    }
}

/// What a sink works with.
#[derive(Clone)]
pub struct Parts {
    /// Where files and the commit log go.
    pub store: Arc<dyn Store>,
    /// The schemas that tables are derived from. A reload takes effect with the next batch.
    pub schemas: Arc<SharedRegistry>,
    /// Where the sink's metrics are registered.
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

/// A sink, ready to run. A clone runs beside it on another stream and shares its threads and metrics.
#[derive(Debug, Clone)]
pub struct Sink {
    config: Arc<Config>,
    parts: Parts,
    metrics: Metrics,
    health: Health,
    encode: Arc<Semaphore>,
    generation: Option<Generation>,
    /// Held by the one clone that sweeps.
    sweeping: Arc<Mutex<()>>,
}

impl Sink {
    /// Checks the settings and registers the metrics. Nothing is read or written yet.
    ///
    /// # Errors
    /// [`Error::Config`], or [`Error::Metrics`] when the registry has a sink's metrics already.
    pub fn open(config: Config, parts: Parts) -> Result<Self, Error> {
        if let Some((key, reason)) = config.problems().into_iter().next() {
            return Err(Error::Config { key, reason });
        }
        Ok(Self {
            metrics: Metrics::new(&parts.metrics)?,
            health: Health::new(Duration::from_millis(config.unready_after_ms)),
            encode: Arc::new(Semaphore::new(config.encode_threads_max)),
            config: Arc::new(config),
            parts,
            generation: None,
            sweeping: Arc::default(),
        })
    }

    /// What keeps this sink and its clones from working; it may be asked at any time.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// The same sink, landing in the tables of a generation.
    pub fn into_generation(mut self, generation: Generation) -> Self {
        self.generation = Some(generation);
        self
    }

    /// Lands what the reader delivers, until `shutdown` or until the stream is closed; what was read by then still
    /// lands, within `drain_deadline_ms`.
    ///
    /// # Errors
    /// When landing cannot go on safely: a corrupt stream, a broken commit log. A failing store is no error.
    pub async fn run(
        self,
        reader: Box<dyn Reader>,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let sweep = async {
            let _only = self.sweeping.lock().await;
            sweep::run(
                &*self.parts.store,
                &self.config,
                &self.parts.clock,
                &self.metrics,
            )
            .await
        };
        tokio::select! {
            ended = self.consume(reader, shutdown, false) => ended,
            never = sweep => match never {},
        }
    }

    /// Lands a stream that ends, however long its last batch takes, or until `shutdown` as [`Sink::run`] does. Nothing
    /// is swept meanwhile.
    ///
    /// # Errors
    /// As [`Sink::run`].
    pub async fn land(
        self,
        reader: Box<dyn Reader>,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        self.consume(reader, shutdown, true).await
    }

    async fn consume(
        &self,
        reader: Box<dyn Reader>,
        shutdown: CancellationToken,
        to_the_end: bool,
    ) -> Result<(), Error> {
        let stream = reader.stream().clone();
        if stream.name == commit::COMPACT_STREAM {
            return Err(Error::Config {
                key: "stream",
                reason: format!("`{}` is the name of the compactors' own log", stream.name),
            });
        }
        let retry = Retry::new(
            &self.config,
            self.metrics.store_errors(),
            self.health.clone(),
        );
        let open = || {
            let store = Arc::clone(&self.parts.store);
            Log::open(store, stream.clone(), self.config.checkpoint_commits)
        };
        let log = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            log = retry.until("read the commit log", commit::Error::transient, open) => log?,
        };
        let log = Arc::new(Mutex::new(log));
        let lander = Lander {
            config: Arc::clone(&self.config),
            store: Arc::clone(&self.parts.store),
            schemas: Arc::clone(&self.parts.schemas),
            metrics: self.metrics.clone(),
            clock: Arc::clone(&self.parts.clock),
            retry,
            health: self.health.clone(),
            encode: Arc::clone(&self.encode),
            seen: Seen::new(&self.config, &stream)
                .map(|seen| Arc::new(std::sync::Mutex::new(seen))),
            stream: stream.name,
            log,
            generation: self.generation.clone(),
            tables: std::sync::Mutex::new(None),
        };
        Consumer::new(lander, reader)
            .run(shutdown, to_the_end)
            .await
    }
}

#[cfg(test)]
pub(crate) mod tests;
