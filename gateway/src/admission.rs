//! Who may come in: requests hold permits for the bytes they occupy, and past the bound new ones are turned away.
//!
//! Bytes are charged as they arrive, not as they are announced: a slow client that announces much holds little.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::metrics::Metrics;

/// The bytes of all requests in work would exceed `in_flight_bytes_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway is at its limit of {bytes_max} bytes in flight")]
pub(crate) struct Busy {
    bytes_max: u64,
}

/// The bytes that requests may occupy together.
pub(crate) struct Admission {
    permits: Arc<Semaphore>,
    bytes_max: u64,
    wait: Duration,
    metrics: Arc<Metrics>,
}

impl Admission {
    pub(crate) fn new(bytes_max: u64, wait: Duration, metrics: Arc<Metrics>) -> Self {
        let permits = usize::try_from(bytes_max)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            bytes_max,
            wait,
            metrics,
        }
    }

    /// Waits for a moment until `announced` bytes would fit. What it returns holds none of them yet.
    pub(crate) async fn enter(&self, announced: u64) -> Result<Held<'_>, Busy> {
        let held = Held {
            admission: self,
            bytes: 0,
        };
        if self.permits.available_permits() as u64 >= announced.max(1) {
            return Ok(held);
        }
        let many = u32::try_from(announced.max(1)).unwrap_or(u32::MAX);
        match tokio::time::timeout(self.wait, self.permits.acquire_many(many)).await {
            Ok(Ok(_room)) => Ok(held),
            _ => Err(self.busy()),
        }
    }

    fn busy(&self) -> Busy {
        self.metrics.refused("in_flight_bytes");
        Busy {
            bytes_max: self.bytes_max,
        }
    }
}

/// The bytes that one request occupies, given back when this is dropped.
pub(crate) struct Held<'a> {
    admission: &'a Admission,
    bytes: usize,
}

impl Held<'_> {
    /// Takes `bytes` more, at once or not at all.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Busy> {
        let many = u32::try_from(bytes).map_err(|_| self.admission.busy())?;
        match self.admission.permits.try_acquire_many(many) {
            Ok(permit) => {
                permit.forget();
                self.bytes += bytes;
                self.admission.metrics.in_flight_bytes(bytes as i64);
                Ok(())
            }
            Err(_) => Err(self.admission.busy()),
        }
    }

    /// Gives `bytes` back early.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.admission.permits.add_permits(bytes);
        self.admission.metrics.in_flight_bytes(-(bytes as i64));
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(bytes_max: u64) -> Admission {
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        Admission::new(bytes_max, Duration::ZERO, Arc::new(metrics))
    }

    #[tokio::test]
    async fn bytes_are_refused_over_the_bound_and_given_back_on_drop() {
        let admission = admission(100);
        let mut first = admission.enter(60).await.unwrap();
        let mut second = admission.enter(60).await.unwrap();
        first.grow(60).unwrap();
        assert_eq!(second.grow(60).unwrap_err(), Busy { bytes_max: 100 });
        assert!(admission.enter(60).await.is_err());
        drop(first);
        second.grow(60).unwrap();
        second.shrink(30);
        assert!(admission.enter(70).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_room_before_it_is_refused() {
        let mut admission = admission(100);
        admission.wait = Duration::from_secs(1);
        let mut first = admission.enter(100).await.unwrap();
        first.grow(100).unwrap();
        let (second, ()) = tokio::join!(admission.enter(100), async {
            tokio::time::advance(Duration::from_millis(500)).await;
            drop(first);
        });
        assert!(second.is_ok());
    }
}
