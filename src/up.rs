//! `headgate up`: gateway, journal and sink in one process, from opening the data directory to the last commit.
//!
//! The order matters. At the start everything that can refuse (schemas, the data directory and its lock, the ports)
//! comes before anything is announced. At the end the gateway drains first, then the sink lands what it has read, and
//! the journal closes last, so that an event is always held by one of them.

mod addresses;
mod banner;
mod files;
mod reload;
mod signals;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use headgate_gateway::{Gateway, Topics};
use headgate_schemas::registry::SharedRegistry;
use headgate_sink::Sink;
use headgate_sink::store::local::Local;
use headgate_stream::journal::{self, Journal};
use headgate_stream::log::Reader;
use prometheus::process_collector::ProcessCollector;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::addresses::Addresses;
pub(crate) use self::addresses::running_gateway;
use self::reload::Reloader;
use self::signals::Ending;
use crate::cause;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::schemas::Source;

/// The name under which the journal keeps how far the sinks have landed.
const READERS: &str = "sink";

/// Runs until a signal, or until a part ends that should not. Without `landing`, what is taken stays in the journal as
/// far as its bounds keep it.
///
/// # Errors
/// The process cannot start, a part failed, or it could not end within the deadline.
pub(crate) async fn run(config: &Config, landing: bool) -> Result<()> {
    let mut ending = Ending::listen()?;
    files::raise(u64::from(config.gateway.limits.connections_max));
    let process = Process::open(config, landing)?;
    let addresses = process.addresses();
    addresses.write(&config.data_dir)?;
    let schemas = process.schemas.load();
    if let Err(error) = banner::print(config, &addresses, &process.source, &schemas) {
        // Nobody reads standard output: no reason not to run.
        tracing::warn!(%error, "cannot print where everything is");
    }
    drop(schemas);
    let mut running = process.start();
    let failure = tokio::select! {
        signal = ending.next() => {
            tracing::info!(signal, "draining; the same signal again ends at once");
            None
        }
        failure = running.failure() => Some(failure),
    };
    if let Some(failure) = &failure {
        tracing::error!("{}; draining", cause::line(failure));
    }
    let deadline = Duration::from_millis(config.shutdown.deadline_ms);
    let ended = tokio::select! {
        ended = tokio::time::timeout(deadline, running.end()) => {
            ended.unwrap_or_else(|_| Err(anyhow!(
                "not drained within shutdown.deadline_ms; what has not landed is in the journal for the next start"
            )))
        }
        signal = ending.next() => {
            tracing::warn!(signal, "ending at once; what has not landed is in the journal for the next start");
            Err(anyhow!("ended by a second signal"))
        }
    };
    Addresses::remove(&config.data_dir);
    failure.map_or(ended, Err)
}

/// Everything that `headgate up` consists of, opened and bound, before it runs.
struct Process {
    gateway: Gateway,
    journal: Journal,
    sink: Sink,
    readers: Vec<Box<dyn Reader>>,
    reloader: Reloader,
    schemas: Arc<SharedRegistry>,
    source: Source,
}

impl Process {
    fn open(config: &Config, landing: bool) -> Result<Self> {
        let source = Source::of(config);
        let schemas = Arc::new(SharedRegistry::new(source.load()?));
        let registry = prometheus::Registry::new();
        let metrics = Metrics::new(&registry)?;
        metrics.schemas_loaded(schemas.load().schemas().count());
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let topics = Topics::default();
        let kept = [topics.events.clone(), topics.bad_events.clone()];
        let journal_config = journal::Config {
            dir: config.journal_dir(),
            ..config.journal.clone()
        };
        let journal = Journal::open(journal_config, &kept, &registry)?;
        let lake = config.lake_dir();
        let store =
            Local::open(&lake).with_context(|| format!("cannot open {}", lake.display()))?;
        let sink = Sink::open(
            config.sink.clone(),
            headgate_sink::Parts {
                store: Arc::new(store),
                schemas: Arc::clone(&schemas),
                metrics: registry.clone(),
                clock: headgate_gateway::clock::system(),
            },
        )?;
        let readers = kept
            .iter()
            .filter(|_| landing)
            .map(|topic| journal.reader(topic, READERS))
            .collect::<Result<_, _>>()?;
        let writer = journal.writer();
        let gateway = Gateway::bind(
            config.gateway.clone(),
            headgate_gateway::Parts {
                writer,
                schemas: Arc::clone(&schemas),
                topics,
                registry,
                checks: Vec::new(),
                clock: headgate_gateway::clock::system(),
            },
        )?;
        let reloader = Reloader::new(
            Arc::clone(&schemas),
            source.clone(),
            &config.schemas,
            metrics,
        )?;
        Ok(Self {
            gateway,
            journal,
            sink,
            readers,
            reloader,
            schemas,
            source,
        })
    }

    fn addresses(&self) -> Addresses {
        Addresses::new(self.gateway.addr(), self.gateway.admin_addr())
    }

    fn start(self) -> Running {
        let (stop_gateway, stop_sinks) = (CancellationToken::new(), CancellationToken::new());
        let mut gateway = JoinSet::new();
        let serving = self.gateway.run(stop_gateway.clone());
        gateway.spawn(async move {
            serving.await;
            Ok(())
        });
        let mut sinks = JoinSet::new();
        for reader in self.readers {
            let stream = reader.stream().name.clone();
            let landing = self.sink.clone().run(reader, stop_sinks.clone());
            sinks.spawn(async move {
                landing
                    .await
                    .with_context(|| format!("landing of `{stream}` failed"))
            });
        }
        let mut reload = JoinSet::new();
        let reloader = self.reloader;
        reload.spawn(async move {
            reloader.run().await;
            Ok(())
        });
        Running {
            gateway,
            sinks,
            reload,
            journal: self.journal,
            stop_gateway,
            stop_sinks,
        }
    }
}

type Parts = JoinSet<Result<()>>;

/// The parts of a running process.
struct Running {
    gateway: Parts,
    sinks: Parts,
    reload: Parts,
    journal: Journal,
    stop_gateway: CancellationToken,
    stop_sinks: CancellationToken,
}

impl Running {
    /// Waits until a part ends, which none does by itself, and says why it did.
    async fn failure(&mut self) -> anyhow::Error {
        let (part, ended) = tokio::select! {
            Some(ended) = self.gateway.join_next() => ("gateway", ended),
            Some(ended) = self.sinks.join_next() => ("sink", ended),
            Some(ended) = self.reload.join_next() => ("schema reload", ended),
        };
        match outcome(ended) {
            Ok(()) => anyhow!("the {part} ended unexpectedly"),
            Err(error) => error.context(format!("the {part} ended unexpectedly")),
        }
    }

    /// Ends the parts in their order, without losing what they hold.
    async fn end(&mut self) -> Result<()> {
        self.stop_gateway.cancel();
        let gateway = all(&mut self.gateway).await;
        self.stop_sinks.cancel();
        let sinks = all(&mut self.sinks).await;
        self.journal.close().await;
        tracing::info!("drained: the journal is closed");
        gateway.and(sinks)
    }
}

/// Waits for all parts; the first failure is returned, further ones are logged.
async fn all(parts: &mut Parts) -> Result<()> {
    let mut first = Ok(());
    while let Some(ended) = parts.join_next().await {
        match (outcome(ended), &first) {
            (Ok(()), _) => {}
            (Err(error), Ok(())) => first = Err(error),
            (Err(error), Err(_)) => tracing::error!("{}", cause::line(&error)),
        }
    }
    first
}

fn outcome(ended: Result<Result<()>, JoinError>) -> Result<()> {
    ended.context("a task panicked")?
}
