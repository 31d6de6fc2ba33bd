//! Trying the store again: faults are waited out, never given up on, because the sink holds the only copy of
//! where it stands only until it lands.

use std::{future::Future, time::Duration};

use prometheus::IntCounter;
use tokio::time::{sleep, timeout};

use crate::{backoff::Backoff, config::Config, health::Health, store};

/// What ails a sink whose operations on the store fail.
const STORE_FAILS: &str = "the store fails";

/// The first pause.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(50);

/// How operations on the store are repeated.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    timeout: Duration,
    pause_max: Duration,
    failures: IntCounter,
    health: Health,
}

impl Retry {
    pub(crate) fn new(config: &Config, failures: IntCounter, health: Health) -> Self {
        Self {
            timeout: Duration::from_millis(config.store_timeout_ms),
            pause_max: Duration::from_millis(config.retry_pause_max_ms),
            failures,
            health,
        }
    }

    /// Tries until it succeeds, or fails in a way that is not `transient`.
    pub(crate) async fn until<T, E, F>(
        &self,
        doing: &str,
        transient: impl Fn(&E) -> bool,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        E: From<store::Error> + std::fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let mut pause = PAUSE_MIN;
        loop {
            match self.bounded(doing, attempt()).await {
                Err(error) if transient(&error) => pause = self.wait(doing, &error, pause).await,
                ended => return ended,
            }
        }
    }

    /// One try: an operation that takes too long has failed, its fate unknown.
    pub(crate) async fn bounded<T, E: From<store::Error>>(
        &self,
        doing: &str,
        attempt: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match timeout(self.timeout, attempt).await {
            Ok(ended) => {
                if ended.is_ok() {
                    self.health.end(STORE_FAILS);
                }
                ended
            }
            Err(elapsed) => Err(store::Error::failed("finish", doing, elapsed).into()),
        }
    }

    /// Reports a failure and waits before the next try; returns the pause after that one.
    pub(crate) async fn wait(
        &self,
        doing: &str,
        error: &impl std::fmt::Display,
        pause: Duration,
    ) -> Duration {
        self.failures.inc();
        self.health.begin(STORE_FAILS);
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::error!(%error, doing, pause_ms, "store failed; trying again");
        // Jittered, so that sinks that were failed together do not come back together.
        sleep(Backoff::new(pause, pause).next()).await;
        (pause * 2).min(self.pause_max.max(PAUSE_MIN))
    }
}
