//! The reading half: what the tasks queue, handed over one at a time; and how it is opened and left.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use prometheus::Registry;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use super::{
    Kinesis,
    balance::Balancer,
    deliveries::Deliveries,
    error::Error,
    fan_out,
    pulse::Pulse,
    read_metrics::Metrics,
    room::Rooms,
    source::{self, Source},
    streams,
};
use crate::{
    log::{Delivery, Lag, Partition, Position, ReadError, Reader, StreamId, Topic},
    share::Board,
};

/// Opens readers, which share each stream's shards with all others on the same board.
pub struct Readers {
    kinesis: Kinesis,
    board: Arc<dyn Board>,
    metrics: Metrics,
    /// Readers that have not left.
    running: watch::Sender<usize>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers")
            .field("board", &self.board)
            .finish_non_exhaustive()
    }
}

impl Kinesis {
    /// Sets up what readers need, and registers their metrics.
    ///
    /// # Errors
    /// [`Error::Metrics`] when the registry has them already.
    pub fn readers(&self, board: Arc<dyn Board>, registry: &Registry) -> Result<Readers, Error> {
        Ok(Readers {
            kinesis: self.clone(),
            board,
            metrics: Metrics::register(registry)?,
            running: watch::Sender::new(0),
        })
    }
}

impl Readers {
    /// A reader of the topic's stream, which takes its share of the shards. `name` is what the stream is called in metrics
    /// and in paths. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::Missing`] and others that name the stream, [`Error::Unreachable`] when Kinesis does not answer.
    pub async fn open(&self, name: &str, topic: &Topic) -> Result<Box<dyn Reader>, Error> {
        let Kinesis { config, client, .. } = &self.kinesis;
        let named = streams::Named::of(config, topic.as_str())?;
        let found = streams::ensure(client, config, &named).await?;
        let source = Source {
            client: client.clone(),
            config: Arc::clone(config),
            stream: named,
            incarnation: source::incarnation(&found),
        };
        let stream = StreamId {
            name: name.to_owned(),
            incarnation: source.incarnation.clone(),
        };
        let consumer = match &config.read.fan_out {
            Some(consumer) => Some(fan_out::consumer(&source, &found.stream_arn, consumer).await?),
            None => None,
        };
        let shards = source.shards().await?;
        let deliveries = Arc::new(Deliveries::default());
        let member = uuid::Uuid::now_v7().simple().to_string();
        let hurry = Arc::new(Notify::new());
        let balancer = Balancer {
            source: source.clone(),
            stream: stream.clone(),
            member: member.clone(),
            deliveries: Arc::clone(&deliveries),
            rooms: Rooms::new(config.read.prefetch_bytes_max),
            settings: config.read.clone(),
            metrics: self.metrics.clone(),
            consumer,
            hurry: Arc::clone(&hurry),
        };
        let pulse = Pulse {
            source,
            stream: stream.clone(),
            board: Arc::clone(&self.board),
            member,
            settings: config.read.clone(),
            metrics: self.metrics.clone(),
            shards,
            hurry,
        };
        self.run(balancer, pulse);
        Ok(Box::new(KinesisReader { stream, deliveries }))
    }

    fn run(&self, balancer: Balancer, pulse: Pulse) {
        let (views, seen) = watch::channel(None);
        let running = self.running.clone();
        running.send_modify(|running| *running += 1);
        tokio::spawn(balancer.run(seen));
        tokio::spawn(async move {
            pulse.run(views).await;
            running.send_modify(|running| *running -= 1);
        });
    }

    /// Waits until readers that were dropped have left, for at most `close_deadline_ms`: what they had goes to others with
    /// their next look, not only after `read.member_silence_ms_max`.
    pub async fn close(&self) {
        let mut running = self.running.subscribe();
        let deadline = Duration::from_millis(self.kinesis.config.close_deadline_ms);
        let left = timeout(deadline, running.wait_for(|running| *running == 0));
        if left.await.is_err() {
            tracing::warn!("readers are still on the board");
        }
    }
}

struct KinesisReader {
    stream: StreamId,
    deliveries: Arc<Deliveries>,
}

impl Reader for KinesisReader {
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

impl Drop for KinesisReader {
    fn drop(&mut self) {
        self.deliveries.close();
    }
}
