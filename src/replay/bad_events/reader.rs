//! The reading half: what the run makes, as the sink takes it.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use headgate_stream::log::{
    Delivery, Lag, Partition, Position, ReadError, Reader, Records, StreamId,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::super::tracker::Tracker;
use super::{Run, partition, stream};
use crate::cause;

/// What an operator is told when the task that reads has ended without a reason of its own.
const BROKEN_OFF: &str = "reading bad events broke off; the log says why";

/// Deliveries that wait for the sink.
const DELIVERIES_MAX: usize = 4;

/// What comes from the task that reads and judges.
pub(super) enum Made {
    Records(Records),
    /// Everything was looked at. A task that ends without having said so has failed.
    All,
}

/// The reading half.
pub(super) struct BadEvents {
    stream: StreamId,
    received: mpsc::Receiver<Made>,
    tracker: Arc<Tracker>,
    /// What is to be started by the first seek.
    run: Option<(Run, mpsc::Sender<Made>)>,
    told: bool,
    read: bool,
    task: Option<AbortHandle>,
}

impl BadEvents {
    /// Nothing is read before the first seek.
    pub(super) fn new(run: Run) -> Self {
        let (deliveries, received) = mpsc::channel(DELIVERIES_MAX);
        Self {
            stream: stream(),
            received,
            tracker: Arc::clone(&run.tracker),
            run: Some((run, deliveries)),
            told: false,
            read: false,
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
            match self.received.recv().await {
                Some(Made::Records(records)) => return Ok(Delivery::Records(records)),
                Some(Made::All) => self.read = true,
                None if self.read => {}
                // Where there is a reason, the task has told it before it closed the channel.
                None => self.tracker.fail(BROKEN_OFF.to_owned()),
            }
            Err(ReadError::Closed)
        }
        .boxed()
    }

    fn seek(&mut self, _: &Partition, _: &Position) {
        if let Some((run, deliveries)) = self.run.take() {
            let tracker = Arc::clone(&self.tracker);
            let work = async move {
                match run.work(&deliveries).await {
                    // Nobody takes it: the sink has ended.
                    Ok(()) => drop(deliveries.send(Made::All).await),
                    Err(error) => tracker.fail(cause::line(&error)),
                }
                // Only now: who finds the channel closed looks for the failure at once.
                drop(deliveries);
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
