//! Everything that a process consists of, opened and bound, before it runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use headgate_gateway::admin::{self, AdminState, Check};
use headgate_gateway::{Gateway, Privacy, SharedSources, clock};
use headgate_schemas::registry::{Registry as Schemas, SharedRegistry};
use headgate_sink::store::Store;
use headgate_sink::warehouse::Loader;
use headgate_sink::{Health, Sink};
use headgate_stream::log::Reader;
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Role;
use super::addresses::Addresses;
use super::reload::{Known, Reloader};
use super::running::{Running, Stops};
use super::stream::{self, Stream};
use crate::config::{Config, Loaded};
use crate::lake;
use crate::metrics::Metrics;
use crate::schemas::Source;
use crate::warehouse;

/// The parts of a process that does not run yet.
pub(crate) struct Opened {
    face: Face,
    stream: Stream,
    sink: Option<(Sink, Vec<Box<dyn Reader>>)>,
    loader: Option<Loader>,
    reloader: Reloader,
    stops: Stops,
    pub(crate) schemas: Arc<SharedRegistry>,
    pub(crate) source: Source,
}

/// What listens: the gateway has an admin port of its own.
enum Face {
    Gateway(Box<Gateway>),
    Admin {
        listener: TcpListener,
        address: SocketAddr,
        state: AdminState,
    },
}

impl Opened {
    /// Opens what the role needs.
    ///
    /// # Errors
    /// What cannot be opened, and why.
    pub(crate) async fn open(loaded: &Arc<Loaded>, role: Role) -> Result<Self> {
        let config = &loaded.config;
        // Who takes nothing needs none of the files that sources name.
        let none = BTreeMap::new();
        let known = if role.takes() { &config.sources } else { &none };
        let sources = SharedSources::new(known, &config.gateway.source_default)?;
        let sources = Arc::new(sources);
        let source = Source::of(config);
        let loaded_schemas = source.load()?;
        let privacy = privacy(config, role, &loaded_schemas)?;
        let schemas = Arc::new(SharedRegistry::new(loaded_schemas));
        let registry = Registry::new();
        let metrics = Metrics::new(&registry)?;
        metrics.schemas_loaded(schemas.load().schemas().count());
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let topics = stream::topics(config)?;
        let stops = Stops::default();
        let mut stream = Stream::open(config, role, &topics, &registry).await?;
        let landing = match role.lands() {
            true => Some(sink(config, &schemas, &registry, &metrics).await?),
            false => None,
        };
        let (sink, store, loader) = match landing {
            Some((sink, store, loader)) => (Some(sink), Some(store), loader),
            None => (None, None, None),
        };
        let note = loader.as_ref().map(warehouse::note);
        let face = match role.takes() {
            true => {
                let writer = stream.writer(&registry).await?;
                let mut notes = stream.notes();
                notes.extend(note);
                let parts = headgate_gateway::Parts {
                    writer,
                    notes,
                    schemas: Arc::clone(&schemas),
                    sources: Arc::clone(&sources),
                    privacy: Arc::clone(&privacy),
                    topics,
                    registry,
                    checks: Vec::new(),
                    clock: clock::system(),
                };
                Face::Gateway(Box::new(Gateway::bind(config.gateway.clone(), parts)?))
            }
            false => {
                let health = sink.as_ref().map(Sink::health);
                admin_face(config, registry, &stops, health, note.into_iter().collect())?
            }
        };
        // Last: who has joined the others should land what it is given.
        let sink = match sink.zip(store) {
            Some((sink, store)) => Some((sink, stream.readers(&store).await?)),
            None => None,
        };
        let known = role.takes().then(|| Known {
            sources,
            privacy,
            loaded: Arc::clone(loaded),
        });
        let reloader = Reloader::new(
            Arc::clone(&schemas),
            source.clone(),
            known,
            &config.schemas,
            metrics,
        )?;
        Ok(Self {
            face,
            stream,
            sink,
            loader,
            reloader,
            stops,
            schemas,
            source,
        })
    }

    /// Where it listens.
    pub(crate) fn addresses(&self) -> Addresses {
        match &self.face {
            Face::Gateway(gateway) => Addresses::new(Some(gateway.addr()), gateway.admin_addr()),
            Face::Admin { address, .. } => Addresses::new(None, *address),
        }
    }

    /// Starts every part.
    pub(crate) fn start(self) -> Running {
        let stops = self.stops;
        let (mut gateway, mut admin) = (JoinSet::new(), JoinSet::new());
        match self.face {
            Face::Gateway(face) => {
                let serving = face.run(stops.gateway.clone());
                gateway.spawn(async move {
                    serving.await;
                    Ok(())
                });
            }
            Face::Admin {
                listener, state, ..
            } => {
                let serving = admin::serve(listener, state, stops.admin.clone());
                admin.spawn(async move {
                    serving.await;
                    Ok(())
                });
            }
        }
        let mut sinks = JoinSet::new();
        for (sink, reader) in self.sink.into_iter().flat_map(|(sink, readers)| {
            readers
                .into_iter()
                .map(move |reader| (sink.clone(), reader))
        }) {
            let stream = reader.stream().name.clone();
            let landing = sink.run(reader, stops.sinks.clone());
            sinks.spawn(async move {
                landing
                    .await
                    .with_context(|| format!("landing of `{stream}` failed"))
            });
        }
        let mut loaders = JoinSet::new();
        if let Some(loader) = self.loader {
            let stop = stops.sinks.clone();
            loaders.spawn(async move {
                loader.run(stop).await;
                Ok(())
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
            loaders,
            reload,
            admin,
            stream: self.stream,
            stops,
        }
    }
}

/// What hides values, fit for the schemas; where nothing is taken nothing is hidden.
fn privacy(config: &Config, role: Role, schemas: &Schemas) -> Result<Arc<Privacy>> {
    if !role.takes() {
        return Ok(Arc::default());
    }
    let privacy = Privacy::open(&config.privacy)?;
    privacy.check(schemas)?;
    Ok(Arc::new(privacy))
}

async fn sink(
    config: &Config,
    schemas: &Arc<SharedRegistry>,
    registry: &Registry,
    metrics: &Metrics,
) -> Result<(Sink, Arc<dyn Store>, Option<Loader>)> {
    let clock = clock::system();
    let (store, took) = lake::open_for_sink(config, clock() / 1_000, registry).await?;
    metrics.store_probed(took);
    let loader = warehouse::open(config, &store, schemas, registry).await?;
    let parts = headgate_sink::Parts {
        store: Arc::clone(&store),
        schemas: Arc::clone(schemas),
        metrics: registry.clone(),
        clock,
    };
    Ok((Sink::open(config.sink.clone(), parts)?, store, loader))
}

fn admin_face(
    config: &Config,
    registry: Registry,
    stops: &Stops,
    health: Option<Health>,
    notes: Vec<Check>,
) -> Result<Face> {
    let (listener, address) = admin::bind(config.gateway.admin.listen)?;
    let mut checks = vec![draining(stops.sinks.clone())];
    checks.extend(health.map(|health| -> Check { Arc::new(move || health.problem()) }));
    let memory_bytes_max = config.gateway.limits.memory_bytes_max;
    if memory_bytes_max > 0 {
        checks.push(admin::memory_check(memory_bytes_max));
    }
    let state = AdminState {
        registry,
        checks,
        notes,
        version: env!("CARGO_PKG_VERSION"),
        connections_max: config.gateway.admin.connections_max,
    };
    Ok(Face::Admin {
        listener,
        address,
        state,
    })
}

fn draining(stop: CancellationToken) -> Check {
    Arc::new(move || stop.is_cancelled().then(|| "draining".to_owned()))
}
