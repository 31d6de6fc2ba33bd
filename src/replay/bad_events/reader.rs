//! The reading half: what the run makes, as the sink takes it.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use headgate_stream::log::{
    Delivery, Lag, Partition, Position, ReadError, Reader, Records, StreamId,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::{Run, partition, stream};
use crate::cause;

/// Deliveries that wait for the sink.
const DELIVERIES_MAX: usize = 4;

/// The reading half.
pub(super) struct BadEvents {
    stream: StreamId,
    received: mpsc::Receiver<Records>,
    /// What is to be started by the first seek.
    run: Option<(Run, mpsc::Sender<Records>)>,
    told: bool,
    task: Option<AbortHandle>,
}

impl BadEvents {
    /// Nothing is read before the first seek.
    pub(super) fn new(run: Run) -> Self {
        let (deliveries, received) = mpsc::channel(DELIVERIES_MAX);
        Self {
            stream: stream(),
            received,
            run: Some((run, deliveries)),
            told: false,
            task: None,
        }
    }
}

impl Reader for BadEvents {
    fn stream(&self) -> &StreamId {
        &self.stream
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, ReadError>> {
        async move {
            if !self.told {
                self.told = true;
                return Ok(Delivery::Assigned(vec![partition()]));
            }
            let records = self.received.recv().await;
            records.map(Delivery::Records).ok_or(ReadError::Closed)
        }
        .boxed()
    }

    fn seek(&mut self, _: &Partition, _: &Position) {
        if let Some((run, deliveries)) = self.run.take() {
            let tracker = Arc::clone(&run.tracker);
            let work = async move {
                if let Err(error) = run.work(deliveries).await {
                    tracker.fail(cause::line(&error));
                }
            };
            self.task = Some(tokio::spawn(work).abort_handle());
        }
    }

    fn passed(&mut self, _: &Partition, _: &Position) {}

    fn lag(&self) -> Vec<Lag> {
        Vec::new()
    }
}

impl Drop for BadEvents {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
