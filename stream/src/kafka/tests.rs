//! The backend as a whole: against librdkafka's mock cluster where that suffices, else against real brokers, which
//! `tests/services/kafka.sh` starts.

mod broker;
mod mock;
mod ranges;
mod reading;
mod real;
mod searching;
mod secured;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prometheus::Registry;

use super::{Config, Error, Kafka, Subscription};
use crate::{
    log::{
        Delivery, Health, Outcome, Partition, Position, ReadError, Reader, Record, Records,
        Refusal, Topic, Writer,
    },
    testing::conformance,
};

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings for one broker and a test's patience.
fn config(bootstrap: &str) -> Config {
    let mut config = Config {
        bootstrap_servers: bootstrap.split(',').map(str::to_owned).collect(),
        produce_deadline_ms: 20_000,
        session_timeout_ms: 6_000,
        metadata_interval_ms: 500,
        statistics_interval_ms: 200,
        probe_interval_ms: 200,
        commit_interval_ms: 100,
        group: format!("group-{}", uuid::Uuid::now_v7()),
        ..Config::default()
    };
    config.topics.partitions = 1;
    config.topics.replication_factor = 1;
    config.topics.min_insync_replicas = 1;
    config
}

fn kafka(config: &Config) -> Kafka {
    Kafka::new(config.clone(), &Registry::new()).unwrap()
}

fn new_topic(name: &str) -> Topic {
    Topic::new(&format!("{name}-{}", uuid::Uuid::now_v7()))
}

async fn writer(config: &Config, topics: &[Topic]) -> Result<Arc<dyn Writer>, Error> {
    let (config, topics) = (config.clone(), topics.to_vec());
    let opened = tokio::task::spawn_blocking(move || kafka(&config).writer(&topics));
    opened.await.unwrap()
}

async fn reader(config: &Config, to: &Subscription) -> Result<Box<dyn Reader>, Error> {
    let (config, to) = (config.clone(), to.clone());
    let opened = tokio::task::spawn_blocking(move || kafka(&config).reader("events", &to));
    opened.await.unwrap()
}

fn only(topic: &Topic) -> Subscription {
    Subscription::Topics(vec![topic.clone()])
}

fn record(topic: &Topic, key: &str, value: impl Into<Bytes>) -> Record {
    let key = Bytes::copy_from_slice(key.as_bytes());
    Record {
        topic: topic.clone(),
        key,
        value: value.into(),
    }
}

fn numbered(topic: &Topic, key: &str, numbers: std::ops::Range<u32>) -> Vec<Record> {
    numbers
        .map(|n| record(topic, key, format!("{key}-{n}")))
        .collect()
}

async fn append(writer: &dyn Writer, records: Vec<Record>) {
    let count = records.len();
    assert_eq!(writer.append(records).await, vec![Ok(()); count]);
}

/// The next delivery, past errors that say to try again.
async fn next(reader: &mut dyn Reader) -> Delivery {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            match reader.next().await {
                Ok(delivery) => return delivery,
                Err(ReadError::Unavailable(_)) => {
                    tokio::time::sleep(Duration::from_millis(50)).await
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
    waited.await.expect("a delivery")
}

async fn assigned(reader: &mut dyn Reader) -> Vec<Partition> {
    match next(reader).await {
        Delivery::Assigned(partitions) => partitions,
        other => panic!("{other:?}"),
    }
}

async fn records(reader: &mut dyn Reader) -> Records {
    match next(reader).await {
        Delivery::Records(records) => records,
        other => panic!("{other:?}"),
    }
}

/// Reads that many values of one partition; the values and where they end.
async fn read(reader: &mut dyn Reader, count: usize) -> (Vec<Bytes>, Position) {
    let (mut values, mut end) = (Vec::new(), Position::start());
    while values.len() < count {
        let delivered = records(reader).await;
        values.extend(delivered.values);
        end = delivered.end;
    }
    (values, end)
}

/// A reader of one topic, sought to a position in all its partitions.
async fn from(config: &Config, topic: &Topic, position: &Position) -> Box<dyn Reader> {
    let mut reader = reader(config, &only(topic)).await.unwrap();
    for partition in assigned(reader.as_mut()).await {
        reader.seek(&partition, position);
    }
    reader
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn values(names: impl IntoIterator<Item = impl ToString>) -> Vec<Bytes> {
    names
        .into_iter()
        .map(|name| Bytes::from(name.to_string()))
        .collect()
}

/// A fresh topic for each fact of the suite.
struct Backend {
    config: Config,
    topic: Topic,
    writer: Arc<dyn Writer>,
}

impl Backend {
    async fn new(config: Config) -> Self {
        let topic = new_topic("events");
        let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
        Self {
            config,
            topic,
            writer,
        }
    }
}

impl conformance::Backend for Backend {
    fn topic(&self) -> Topic {
        self.topic.clone()
    }

    fn writer(&self) -> Arc<dyn Writer> {
        Arc::clone(&self.writer)
    }

    fn reader(&self, group: &str) -> BoxFuture<'_, Box<dyn Reader>> {
        let config = Config {
            group: format!("{}-{group}", self.topic),
            ..self.config.clone()
        };
        Box::pin(async move { reader(&config, &only(&self.topic)).await.unwrap() })
    }

    fn record_bytes_max(&self) -> Option<usize> {
        usize::try_from(self.config.record_bytes_max).ok()
    }
}

async fn conforms(config: &Config) {
    conformance::run(|| async {
        Box::new(Backend::new(config.clone()).await) as Box<dyn conformance::Backend>
    })
    .await;
}
