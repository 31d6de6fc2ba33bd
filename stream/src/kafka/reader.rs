//! The reading half: what the polling thread queues, handed over one at a time.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;

use super::deliveries::Deliveries;
use crate::log::{Delivery, Lag, Partition, Position, ReadError, Reader, StreamId};

#[derive(Debug)]
pub(super) struct KafkaReader {
    stream: StreamId,
    deliveries: Arc<Deliveries>,
}

impl KafkaReader {
    pub(super) fn new(stream: StreamId, deliveries: Arc<Deliveries>) -> Self {
        Self { stream, deliveries }
    }
}

impl Reader for KafkaReader {
    fn stream(&self) -> &StreamId {
        &self.stream
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, ReadError>> {
        Box::pin(self.deliveries.next())
    }

    fn seek(&mut self, partition: &Partition, position: &Position) {
        self.deliveries.seek(partition, position);
    }

    fn passed(&mut self, partition: &Partition, position: &Position) {
        self.deliveries.passed(partition, position);
    }

    fn lag(&self) -> Vec<Lag> {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.deliveries
            .lag(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        self.deliveries.close();
    }
}
