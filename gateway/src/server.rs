//! The process's HTTP face: binds both ports, accepts connections, and drains them at the end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use headgate_schemas::registry::SharedRegistry;
use headgate_stream::log::{Health, Topic, Writer};
use prometheus::Registry;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, AdminState, Check},
    clock::Clock,
    collect::Collector,
    config::Config,
    connection::{self, Shared},
    drain::Drain,
    privacy::Privacy,
    sources::SharedSources,
    template::Template,
};

/// How many connections the kernel may hold that were not accepted yet.
const BACKLOG: u32 = 4096;
/// After a failed accept (mostly: no file descriptors left) others get this long to free something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the gateway is made of besides its settings.
pub struct Parts {
    /// Where records go.
    pub writer: Arc<dyn Writer>,
    /// What events are checked against; reloads take effect with the next request.
    pub schemas: Arc<SharedRegistry>,
    /// Who may send; reloads take effect with the next request.
    pub sources: Arc<SharedSources>,
    /// Hides what schemas say that nobody is to see. It has what the schemas need ([`Privacy::check`]).
    pub privacy: Arc<Privacy>,
    /// The names of the topics written to.
    pub topics: Topics,
    /// Where the gateway's metrics are registered, and what `/metrics` shows.
    pub registry: Registry,
    /// Further reasons for `/ready` to say no, from other parts of the same process.
    pub checks: Vec<Check>,
    /// What `/ready` is to tell as `degraded` while it says yes.
    pub notes: Vec<Check>,
    /// The wall clock: [`crate::clock::system`] but for tests.
    pub clock: Clock,
}

/// The topics that the gateway writes to.
#[derive(Debug, Clone)]
pub struct Topics {
    /// Takes events that are valid; with a template, those that would need more topics than there may be. Default
    /// `events`.
    pub events: Topic,
    /// Names a topic for each valid event. Default none.
    pub template: Option<Arc<Template>>,
    /// Takes events that were rejected, with the reasons. Default `bad_events`.
    pub bad_events: Topic,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            events: Topic::new("events"),
            template: None,
            bad_events: Topic::new("bad_events"),
        }
    }
}

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address could not be listened on.
    #[error("gateway.{key}: cannot listen on {address}: {source}")]
    Bind {
        /// The setting that holds the address, dotted below `gateway`.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The metrics could not be registered: mostly, two gateways share one registry.
    #[error("gateway's metrics cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A gateway that listens, but does not answer before [`Gateway::run`].
pub struct Gateway {
    config: Config,
    collector: Arc<Collector>,
    events: (TcpListener, SocketAddr),
    admin: (TcpListener, SocketAddr),
    state: AdminState,
    drain: Drain,
}

impl Gateway {
    /// Binds both ports. To be called within a Tokio runtime, with settings that have no
    /// [`problems`](Config::problems).
    ///
    /// # Errors
    /// An address cannot be bound, or the metrics are registered already.
    pub fn bind(config: Config, parts: Parts) -> Result<Self, Error> {
        let events = listen("listen", config.listen)?;
        let admin = listen("admin.listen", config.admin.listen)?;
        let drain = Drain::new();
        let mut checks = vec![drain.check(), stream_check(Arc::clone(&parts.writer))];
        if config.limits.memory_bytes_max > 0 {
            checks.push(admin::memory_check(config.limits.memory_bytes_max));
        }
        checks.extend(parts.checks.iter().cloned());
        let state = AdminState {
            registry: parts.registry.clone(),
            checks,
            notes: parts.notes.clone(),
            version: env!("CARGO_PKG_VERSION"),
            connections_max: config.admin.connections_max,
        };
        let collector = Arc::new(Collector::new(&config, parts)?);
        Ok(Self {
            config,
            collector,
            events,
            admin,
            state,
            drain,
        })
    }

    /// Where events are taken.
    pub fn addr(&self) -> SocketAddr {
        self.events.1
    }

    /// Where probes and metrics are served.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.1
    }

    /// Serves until `shutdown` is cancelled, then drains: `/ready` says no, the listener closes, requests in work
    /// end under `drain_deadline_ms`, and last the admin port closes. The writer is left open: it is the caller's.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self {
            config,
            collector,
            events: (listener, addr),
            admin: (admin_listener, admin_addr),
            state,
            drain,
        } = self;
        tracing::info!(%addr, %admin_addr, "gateway listens");
        let admin_stop = CancellationToken::new();
        let admin = tokio::spawn(admin::serve(admin_listener, state, admin_stop.clone()));
        let stopping = async {
            shutdown.cancelled().await;
            drain.begin();
            tokio::time::sleep(Duration::from_millis(config.timeouts.drain_unready_ms)).await;
        };
        let shared = Arc::new(Shared::new(&config, collector, drain.clone()));
        let slots = Arc::new(Semaphore::new(config.limits.connections_max as usize));
        tokio::select! {
            () = stopping => {}
            () = accept_all(&listener, &shared, &slots) => {}
        }
        accept_rest(listener, &shared, &slots);
        let deadline = Duration::from_millis(config.timeouts.drain_deadline_ms);
        let cut = drain.finish(deadline).await;
        if cut > 0 {
            tracing::warn!(
                connections = cut,
                "drain deadline passed, connections were cut"
            );
        }
        admin_stop.cancel();
        if let Err(error) = admin.await {
            tracing::error!(%error, "admin server failed");
        }
        tracing::info!("gateway drained");
    }
}

/// Accepts and serves connections for ever.
async fn accept_all(listener: &TcpListener, shared: &Arc<Shared>, slots: &Arc<Semaphore>) {
    loop {
        admit(accept(listener).await, shared, slots);
    }
}

/// Closes the listener, without resetting those who have connected already.
fn accept_rest(listener: TcpListener, shared: &Arc<Shared>, slots: &Arc<Semaphore>) {
    let Ok(listener) = listener.into_std() else {
        return;
    };
    while let Ok((socket, _)) = listener.accept() {
        let socket = socket
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(socket));
        match socket {
            Ok(socket) => admit(socket, shared, slots),
            Err(error) => tracing::debug!(%error, "connection died before it was served"),
        }
    }
}

/// Serves a connection, if there is room for it.
fn admit(socket: TcpStream, shared: &Arc<Shared>, slots: &Arc<Semaphore>) {
    match Arc::clone(slots).try_acquire_owned() {
        Ok(slot) => connection::spawn(socket, Arc::clone(shared), slot),
        Err(_) => connection::turn_away(&socket, shared),
    }
}

/// The next connection. Failures of accepting are logged and waited out: they pass, and the listener stays good.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

pub(crate) fn listen(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bound().map_err(|source| Error::Bind {
        key,
        address,
        source,
    })
}

fn stream_check(writer: Arc<dyn Writer>) -> Check {
    Arc::new(move || match writer.health() {
        Health::Ready => None,
        Health::Refusing(reason) => Some(format!("stream: {reason}")),
    })
}
