//! Writer and reader as a whole, against the servers that `tests/services/kinesis.sh` starts.

mod broken;
mod crowd;
mod landing;
mod reading;
mod server;
mod writing;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prometheus::Registry;

use self::server::Server;
use super::{Config, Error, Kinesis, Mode, Streams};
use crate::log::{Health, Outcome, Record, Refusal, Topic, Writer};

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings for a test's patience. Streams are made with two shards.
fn config(endpoint: &str) -> Config {
    Config {
        region: Some("us-east-1".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        streams: Streams {
            mode: Mode::Provisioned,
            shards: 2,
            ..Streams::default()
        },
        produce_deadline_ms: 60_000,
        request_timeout_ms: 20_000,
        request_deadline_ms: 60_000,
        shards_interval_ms: 500,
        probe_interval_ms: 200,
        ..Config::default()
    }
}

fn new_topic(name: &str) -> Topic {
    Topic::new(&format!("{name}-{}", uuid::Uuid::now_v7().simple()))
}

async fn opened(config: &Config, registry: &Registry) -> Kinesis {
    let opened = Kinesis::open_with_keys(config.clone(), "headgate", "headgate-secret", registry);
    opened.await.unwrap()
}

async fn writer(config: &Config, topics: &[Topic]) -> Result<Arc<dyn Writer>, Error> {
    let kinesis = opened(config, &Registry::new()).await;
    kinesis.writer(topics).await
}

fn record(topic: &Topic, key: &str, value: impl Into<Bytes>) -> Record {
    Record {
        topic: topic.clone(),
        key: Bytes::copy_from_slice(key.as_bytes()),
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

/// Waits until the condition holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The sum over all labels of a metric.
fn metric(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let found = families.iter().filter(|family| family.name() == name);
    let metrics = found.flat_map(|family| family.get_metric());
    metrics
        .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
        .sum()
}

/// The numbers of each key's values, in the order in which they come.
fn by_key(values: impl IntoIterator<Item = Bytes>) -> BTreeMap<String, Vec<u32>> {
    let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for value in values {
        let text = String::from_utf8_lossy(&value).into_owned();
        let (key, number) = text.rsplit_once('-').unwrap();
        let numbers = found.entry(key.to_owned()).or_default();
        numbers.push(number.parse().unwrap());
    }
    found
}
