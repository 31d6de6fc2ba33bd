//! The long-lived processes: `headgate up` (all in one), `headgate gateway` and `headgate sink`, from opening the
//! stream to the last commit.
//!
//! The order matters. At the start everything that can refuse (schemas, the stream and its lock, the store, the ports)
//! comes before anything is announced. At the end the gateway drains first, then the sink lands what it has read, and
//! the stream closes last, so that an event is always held by one of them.

mod addresses;
mod banner;
mod files;
mod opened;
mod reload;
mod running;
mod signals;
pub(crate) mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};

pub(crate) use self::addresses::running_gateway;
use self::opened::Opened;
pub(crate) use self::signals::Ending;
pub(crate) use self::stream::Stream;
use crate::cause;
use crate::config::Loaded;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes events and lands them. Without `landing`, what is taken stays in the stream as far as its bounds keep it.
    Whole { landing: bool },
    /// Takes events.
    Gateway,
    /// Lands events.
    Sink,
}

impl Role {
    fn takes(self) -> bool {
        self != Self::Sink
    }

    fn lands(self) -> bool {
        matches!(self, Self::Whole { landing: true } | Self::Sink)
    }

    fn is_whole(self) -> bool {
        matches!(self, Self::Whole { .. })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole { .. } => "up",
            Self::Gateway => "gateway",
            Self::Sink => "sink",
        })
    }
}

/// Runs until a signal, or until a part ends that should not.
///
/// # Errors
/// The process cannot start, a part failed, or it could not end within the deadline.
pub(crate) async fn run(loaded: &Arc<Loaded>, role: Role) -> Result<()> {
    let config = &loaded.config;
    let mut ending = Ending::listen()?;
    if role.takes() {
        files::raise(u64::from(config.gateway.limits.connections_max));
    }
    let opened = tokio::select! {
        opened = Box::pin(Opened::open(loaded, role)) => opened?,
        // A server that does not answer can hold the start up for a while.
        signal = ending.next() => {
            tracing::info!(signal, "ended while it started");
            return Ok(());
        }
    };
    let addresses = opened.addresses();
    addresses.write(&config.data_dir)?;
    let schemas = opened.schemas.load();
    if let Err(error) = banner::print(config, role, &addresses, &opened.source, &schemas) {
        // Nobody reads standard output: no reason not to run.
        tracing::warn!(%error, "cannot print where everything is");
    }
    drop(schemas);
    let mut running = opened.start();
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
                "not drained within shutdown.deadline_ms; what has not landed is in the stream for the next start"
            )))
        }
        signal = ending.next() => {
            tracing::warn!(signal, "ending at once; what has not landed is in the stream for the next start");
            Err(anyhow!("ended by a second signal"))
        }
    };
    addresses.remove(&config.data_dir);
    failure.map_or(ended, Err)
}
