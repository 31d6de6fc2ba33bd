//! The parts of a running process, and how they end.

use anyhow::{Context, Result, anyhow};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::stream::Stream;
use crate::cause;

/// Tasks of one kind.
pub(crate) type Parts = JoinSet<Result<()>>;

/// The orders to stop, given in this order.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    pub(crate) gateway: CancellationToken,
    pub(crate) sinks: CancellationToken,
    /// The admin port of a process without a gateway, which shows the rest end.
    pub(crate) admin: CancellationToken,
}

/// The parts of a running process; those that its role lacks are empty.
pub(crate) struct Running {
    pub(crate) gateway: Parts,
    pub(crate) sinks: Parts,
    pub(crate) loaders: Parts,
    pub(crate) reload: Parts,
    pub(crate) admin: Parts,
    pub(crate) stream: Stream,
    pub(crate) stops: Stops,
}

impl Running {
    /// Waits until a part ends, which none does by itself, and says why it did.
    pub(crate) async fn failure(&mut self) -> anyhow::Error {
        let (part, ended) = tokio::select! {
            Some(ended) = self.gateway.join_next() => ("gateway", ended),
            Some(ended) = self.sinks.join_next() => ("sink", ended),
            Some(ended) = self.loaders.join_next() => ("loader", ended),
            Some(ended) = self.reload.join_next() => ("schema reload", ended),
            Some(ended) = self.admin.join_next() => ("admin port", ended),
        };
        match outcome(ended) {
            Ok(()) => anyhow!("the {part} ended unexpectedly"),
            Err(error) => error.context(format!("the {part} ended unexpectedly")),
        }
    }

    /// Ends the parts in their order, without losing what they hold.
    pub(crate) async fn end(&mut self) -> Result<()> {
        self.stops.gateway.cancel();
        let gateway = all(&mut self.gateway).await;
        self.stops.sinks.cancel();
        let sinks = all(&mut self.sinks).await;
        // What it has not loaded the next start does: the commit log has it.
        let sinks = sinks.and(all(&mut self.loaders).await);
        self.stream.close().await;
        self.stops.admin.cancel();
        let admin = all(&mut self.admin).await;
        tracing::info!("drained: the stream is closed");
        gateway.and(sinks).and(admin)
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
