//! The stream on an Apache Kafka cluster, through librdkafka. `docs/adr/0007-kafka.md` says why this way.
//!
//! - A [`Writer`]'s records go to the topic that each names; a topic that was not named at the start is ensured when
//!   its first record comes. One thread polls librdkafka for all outcomes.
//! - A [`Reader`] is a member of the consumer group. One thread polls librdkafka for it and queues assignments,
//!   revocations and records in one order. Where reading starts is the reader's to say: Kafka's own offsets are
//!   written as a hint for others and never read.

mod building;
mod client;
mod cluster;
mod config;
mod context;
mod deliveries;
mod error;
mod health;
mod lag;
mod metrics;
mod msk_iam;
mod overdue;
mod partitions;
mod position;
mod producer;
mod properties;
mod ranges;
mod reader;
mod search;
#[cfg(test)]
mod tests;
mod token_cache;
mod tokens;
mod topics;
mod worker;
mod writer;

use std::{sync::Arc, thread, time::Duration};

use prometheus::Registry;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::{sync::watch, time::timeout};

use self::{
    cluster::Cluster, context::Events, deliveries::Deliveries, metrics::Metrics,
    partitions::Partitions, producer::Shared, reader::KafkaReader, tokens::Tokens, worker::Worker,
    writer::KafkaWriter,
};
pub use self::{
    config::{Compression, Config, Topics},
    error::Error,
    metrics::CATALOG,
    msk_iam::MskIam,
    position::offset_after,
    ranges::Range,
};
use crate::{
    log::{Reader, StreamId, Topic, Writer},
    spill::Primary,
};

/// What a reader reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// These topics; one that is missing is made or refused, as `topics.create_missing` says.
    Topics(Vec<Topic>),
    /// Every topic whose name matches this regular expression, also those that appear later. It begins with `^`.
    Pattern(String),
}

/// A Kafka cluster. Nothing is connected to before a writer or a reader is opened.
#[derive(Debug)]
pub struct Kafka {
    config: Arc<Config>,
    metrics: Metrics,
    /// Threads of readers that run.
    readers: watch::Sender<usize>,
}

impl Kafka {
    /// Checks the settings and registers the metrics.
    ///
    /// # Errors
    /// [`Error::Config`] with the first wrong key, or [`Error::Metrics`] when the registry has them already.
    pub fn new(config: Config, registry: &Registry) -> Result<Self, Error> {
        if let Some((key, reason)) = config.problems().into_iter().next() {
            return Err(Error::Config { key, reason });
        }
        Ok(Self {
            config: Arc::new(config),
            metrics: Metrics::register(registry)?,
            readers: watch::Sender::new(0),
        })
    }

    /// A writer, with these topics made sure of; others follow when their first record comes. Blocks for at most
    /// `request_deadline_ms`.
    ///
    /// # Errors
    /// [`Error::MissingTopic`] and others that name the topic; [`Error::Unreachable`] when no broker answers: a writer
    /// without topics can be opened even then.
    pub fn writer(&self, topics: &[Topic]) -> Result<Arc<dyn Writer>, Error> {
        Ok(Arc::new(self.open(topics)?))
    }

    /// The same as something that can be spilled for.
    ///
    /// # Errors
    /// As [`Kafka::writer`].
    pub fn primary(&self, topics: &[Topic]) -> Result<Arc<dyn Primary>, Error> {
        Ok(Arc::new(self.open(topics)?))
    }

    fn open(&self, topics: &[Topic]) -> Result<KafkaWriter, Error> {
        let known = Arc::new(topics::Topics::new(
            Arc::clone(&self.config),
            self.metrics.clone(),
        ));
        if !topics.is_empty() {
            known.ensure_all(topics)?;
        }
        let shared = Shared::start(Arc::clone(&self.config), self.metrics.clone(), known)?;
        Ok(KafkaWriter::new(shared))
    }

    /// A reader that joins the group. `stream` names what is read, in metrics and in paths. Blocks for at most
    /// `request_deadline_ms`. Must be read inside a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::MissingTopic`] and others that name the topic, [`Error::Unreachable`] when no broker answers.
    pub fn reader(
        &self,
        stream: &str,
        subscription: &Subscription,
    ) -> Result<Box<dyn Reader>, Error> {
        let cluster = Cluster::open(&self.config, &self.metrics)?;
        if let Subscription::Topics(topics) = subscription {
            topics
                .iter()
                .try_for_each(|topic| cluster.ensure(topic.as_str()).map(drop))?;
        }
        let stream = StreamId {
            name: stream.to_owned(),
            incarnation: cluster.id()?,
        };
        drop(cluster);
        let (consumer, deliveries) = self.consumer(&stream)?;
        subscribe(&consumer, subscription)?;
        self.run(Worker::new(consumer, self.commit_interval()))?;
        Ok(Box::new(KafkaReader::new(stream, deliveries)))
    }

    /// A client that consumes, and the queue that it fills.
    fn consumer(
        &self,
        stream: &StreamId,
    ) -> Result<(BaseConsumer<Events>, Arc<Deliveries>), Error> {
        let prefetch = usize::try_from(self.config.prefetch_bytes_max).unwrap_or(usize::MAX);
        let deliveries = Deliveries::new(prefetch / 4);
        let events = Events::new(
            stream.name.clone(),
            Arc::clone(&deliveries),
            self.metrics.clone(),
            Duration::from_millis(self.config.revoke_wait_ms_max),
            Partitions::new(self.config.recreated.clone()),
            Tokens::of(&self.config),
        );
        let consumer = client::consumer(&self.config).create_with_context(events);
        let mut consumer: BaseConsumer<Events> =
            consumer.map_err(Error::client("make a consumer"))?;
        let bell = Arc::clone(deliveries.bell());
        consumer.set_nonempty_callback(move || bell.ring());
        Ok((consumer, deliveries))
    }

    fn commit_interval(&self) -> Duration {
        Duration::from_millis(self.config.commit_interval_ms)
    }

    fn run(&self, worker: Worker) -> Result<(), Error> {
        let running = self.readers.clone();
        running.send_modify(|running| *running += 1);
        let named = thread::Builder::new().name("kafka-reader".to_owned());
        let spawned = named.spawn({
            let running = running.clone();
            move || {
                worker.run();
                running.send_modify(|running| *running -= 1);
            }
        });
        if spawned.is_err() {
            running.send_modify(|running| *running -= 1);
        }
        Ok(spawned.map(drop)?)
    }

    /// Waits until readers that were dropped have left the group, for at most `close_deadline_ms`: what they had goes
    /// to others at once, not only after `session_timeout_ms`.
    pub async fn close(&self) {
        let mut running = self.readers.subscribe();
        let deadline = Duration::from_millis(self.config.close_deadline_ms);
        if timeout(deadline, running.wait_for(|running| *running == 0))
            .await
            .is_err()
        {
            tracing::warn!("readers are still in the group");
        }
    }
}

fn subscribe(consumer: &BaseConsumer<Events>, to: &Subscription) -> Result<(), Error> {
    let names: Vec<&str> = match to {
        Subscription::Topics(topics) => topics.iter().map(Topic::as_str).collect(),
        Subscription::Pattern(pattern) => vec![pattern],
    };
    consumer
        .subscribe(&names)
        .map_err(Error::client("subscribe"))
}
