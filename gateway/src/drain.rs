//! The end of a gateway: who is told, who is waited for, and for how long.

use std::{sync::Arc, time::Duration};

use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFuture},
    task::TaskTracker,
};

use crate::admin::Check;

/// How long connections are still listened to after the last one was accepted.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Shared by the server and its connections.
#[derive(Clone, Default)]
pub(crate) struct Drain {
    unready: CancellationToken,
    closing: CancellationToken,
    cut: CancellationToken,
    connections: TaskTracker,
}

impl Drain {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Readiness ends; serving goes on.
    pub(crate) fn begin(&self) {
        self.unready.cancel();
    }

    /// Whether readiness has ended.
    pub(crate) fn has_begun(&self) -> bool {
        self.unready.is_cancelled()
    }

    /// Fails from [`Drain::begin`] on.
    pub(crate) fn check(&self) -> Check {
        let unready = self.unready.clone();
        Arc::new(move || unready.is_cancelled().then(|| "draining".to_owned()))
    }

    /// Runs a connection that [`Drain::finish`] will wait for.
    pub(crate) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.connections.spawn(connection);
    }

    /// Resolves when connections shall take no further requests.
    pub(crate) fn closing(&self) -> WaitForCancellationFuture<'_> {
        self.closing.cancelled()
    }

    /// Resolves when connections shall end whatever they do.
    pub(crate) fn cut(&self) -> WaitForCancellationFuture<'_> {
        self.cut.cancelled()
    }

    /// Closes connections as their requests end; returns how many had to be cut at the deadline.
    pub(crate) async fn finish(&self, deadline: Duration) -> usize {
        self.begin();
        // Who has just connected is about to say something: closed now, it would not know whether it was heard.
        if !self.connections.is_empty() {
            tokio::time::sleep(LAST_WORDS.min(deadline)).await;
        }
        self.connections.close();
        self.closing.cancel();
        if tokio::time::timeout(deadline, self.connections.wait())
            .await
            .is_ok()
        {
            return 0;
        }
        let left = self.connections.len();
        self.cut.cancel();
        self.connections.wait().await;
        left
    }
}
