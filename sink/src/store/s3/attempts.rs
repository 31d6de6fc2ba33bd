//! The one place where requests to S3 are timed, bounded and tried again. The SDK does none of it.
//!
//! What outlasts these tries is an outage, and the caller's to wait out: the sink does (`retry`), a query does not.

use std::{future::Future, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout_at},
};

use super::{
    config::Config,
    fault::{Fault, Verdict},
    requests::{Kind, Requests},
};
use crate::backoff::Backoff;

/// How requests are tried.
#[derive(Debug)]
pub(super) struct Attempts {
    /// One permit for each request that is under way.
    under_way: Semaphore,
    attempts_max: u32,
    timeout: Duration,
    backoff: Backoff,
    requests: Requests,
}

impl Attempts {
    pub(super) fn new(config: &Config, requests: Requests) -> Self {
        Self {
            requests,
            under_way: Semaphore::new(config.requests_at_once_max),
            attempts_max: config.request_attempts_max,
            timeout: Duration::from_millis(config.request_timeout_ms),
            backoff: Backoff::new(
                Duration::from_millis(config.backoff_min_ms),
                Duration::from_millis(config.backoff_max_ms),
            ),
        }
    }

    /// Sends a request until it is answered for good, at most so often, and not beyond the deadline.
    pub(super) async fn send<T, F>(
        &self,
        kind: Kind,
        deadline: Instant,
        mut request: impl FnMut() -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut backoff = self.backoff.clone();
        for attempt in 1.. {
            let fault = match self.once(kind, deadline, request()).await {
                Err(fault) if fault.verdict == Verdict::Again => fault,
                answered => return answered,
            };
            let pause = backoff.next();
            if attempt >= self.attempts_max || Instant::now() + pause >= deadline {
                return Err(fault.after(attempt));
            }
            tracing::debug!(%fault, attempt, ?pause, "the store failed a request; trying again");
            sleep(pause).await;
        }
        Err(Fault::again("never tried"))
    }

    async fn once<T>(
        &self,
        kind: Kind,
        deadline: Instant,
        request: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let begun = async {
            // Never closed.
            let _permit = self.under_way.acquire().await;
            let until = (Instant::now() + self.timeout).min(deadline);
            self.requests.sent(kind);
            timeout_at(until, request).await
        };
        match timeout_at(deadline, begun).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => Err(Fault::again("the store did not answer in time")),
            Err(_) => Err(Fault::again("no turn came before the deadline")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn attempts(config: Config) -> (Attempts, Instant) {
        let deadline = Instant::now() + config.operation_deadline();
        let requests = Requests::new().unwrap();
        (Attempts::new(&config, requests), deadline)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_tried_so_often_and_says_how_often() {
        let (attempts, deadline) = attempts(Config::default());
        let tried = AtomicU32::new(0);
        let request = || async {
            tried.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(Fault::again("the store answered 503 SlowDown"))
        };
        let fault = attempts
            .send(Kind::Get, deadline, request)
            .await
            .unwrap_err();
        assert_eq!(tried.load(Ordering::Relaxed), 8);
        assert_eq!(attempts.requests.count(Kind::Get), 8);
        assert_eq!(
            fault.to_string(),
            "the store answered 503 SlowDown (8 tries)"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_outlasts_the_deadline() {
        let (attempts, deadline) = attempts(Config {
            request_attempts_max: 100,
            ..Config::default()
        });
        let request = || async {
            sleep(Duration::from_secs(3_600)).await;
            Ok(())
        };
        attempts
            .send(Kind::Get, deadline, request)
            .await
            .unwrap_err();
        assert!(Instant::now() <= deadline + Duration::from_millis(2));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_requests_than_allowed_are_under_way() {
        let (attempts, deadline) = attempts(Config {
            requests_at_once_max: 2,
            ..Config::default()
        });
        let (now, most) = (AtomicU32::new(0), AtomicU32::new(0));
        let request = || async {
            let under_way = now.fetch_add(1, Ordering::Relaxed) + 1;
            most.fetch_max(under_way, Ordering::Relaxed);
            sleep(Duration::from_millis(10)).await;
            now.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        };
        let sent = (0..20).map(|_| attempts.send(Kind::Get, deadline, request));
        for answered in futures_util::future::join_all(sent).await {
            answered.unwrap();
        }
        assert_eq!(most.load(Ordering::Relaxed), 2);
    }
}
