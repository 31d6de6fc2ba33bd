//! Servers of Kinesis, through the script that everybody starts them with, and what is in their streams.

use std::{
    collections::HashMap,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use aws_sdk_kinesis::{
    Client,
    config::Credentials,
    types::{ShardIteratorType, StreamStatus},
};
use bytes::Bytes;
use prost::Message;

use super::{
    super::{
        client,
        config::Config,
        kpl::{AggregatedRecord, DIGEST_BYTES, MAGIC, digest, hash_of},
    },
    PATIENCE,
};

/// A server that stops when dropped.
#[derive(Debug)]
pub(super) struct Server {
    dir: tempfile::TempDir,
    env: HashMap<String, String>,
}

/// What is in one record of Kinesis.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) shard: String,
    pub(super) partition_key: String,
    /// As it is.
    pub(super) data: Bytes,
    /// The partition key and value of each record in it; itself, when it is no record of many.
    pub(super) records: Vec<(String, Bytes)>,
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/services/kinesis.sh")
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut start = Command::new(script());
        let started = start.arg("start").arg(dir.path()).args(arguments).output();
        let started = started.unwrap_or_else(|error| panic!("{}: {error}", script().display()));
        let said = String::from_utf8_lossy(&started.stderr);
        assert!(started.status.success(), "kinesis.sh: {said}");
        let out = String::from_utf8_lossy(&started.stdout);
        let pairs = out.lines().filter_map(|line| line.split_once('='));
        let env = pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Self { dir, env }
    }

    /// kinesis-local, which tests running at the same time share.
    pub(super) fn local() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        Self::shared(&SHARED, &[])
    }

    /// kinesalite, which tests running at the same time share.
    pub(super) fn kinesalite() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        Self::shared(&SHARED, &["kinesalite"])
    }

    fn shared(shared: &Mutex<Weak<Self>>, arguments: &[&str]) -> Arc<Self> {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start(arguments));
            *shared = Arc::downgrade(&server);
            server
        })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.env["KINESIS_ENDPOINT"]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = Command::new(script())
            .arg("stop")
            .arg(self.dir.path())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("Kinesis in {} was not stopped", self.dir.path().display());
        }
    }
}

/// The SDK's client, with the tests' keys.
pub(super) async fn client(config: &Config) -> Client {
    let keys = Credentials::new("headgate", "headgate-secret", None, None, "test");
    client::client(config, Some(keys)).await.unwrap()
}

/// All that is in the stream, shard by shard, parents before children.
pub(super) async fn all(client: &Client, stream: &str) -> Vec<Found> {
    let shards = client.list_shards().stream_name(stream).send().await;
    let mut found = Vec::new();
    for shard in shards.unwrap().shards() {
        let iterator = client
            .get_shard_iterator()
            .stream_name(stream)
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon);
        let mut next = iterator.send().await.unwrap().shard_iterator;
        while let Some(iterator) = next {
            let answer = client.get_records().shard_iterator(iterator);
            let answer = answer.send().await.unwrap();
            let taken = answer.records().iter();
            found.extend(taken.map(|record| Found {
                shard: shard.shard_id().to_owned(),
                partition_key: record.partition_key().unwrap_or_default().to_owned(),
                data: Bytes::copy_from_slice(record.data().as_ref()),
                records: taken_apart(
                    record.partition_key().unwrap_or_default(),
                    record.data().as_ref(),
                ),
            }));
            let more = !answer.records().is_empty();
            next = answer.next_shard_iterator.filter(|_| more);
        }
    }
    found
}

/// The values, in the order of `all`.
pub(super) async fn values(client: &Client, stream: &str) -> Vec<Bytes> {
    let found = all(client, stream).await.into_iter();
    let records = found.flat_map(|found| found.records);
    records.map(|(_, value)| value).collect()
}

/// Waits until the stream's shards may be changed: they may not while it is being made or changed.
pub(super) async fn active(client: &Client, stream: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = client.describe_stream_summary().stream_name(stream).send();
        let told = asked.await.unwrap().stream_description_summary.unwrap();
        if told.stream_status == StreamStatus::Active {
            return;
        }
        assert!(Instant::now() < deadline, "{told:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// As a consumer with Amazon's client library sees it: without aggregates of which any key is not of the shard that they are in.
pub(super) async fn values_of_kcl(client: &Client, stream: &str) -> Vec<Bytes> {
    let shards = client.list_shards().stream_name(stream).send().await;
    let shards = shards.unwrap();
    let belongs = |shard: &str, key: &str| {
        let mut of = shards.shards().iter();
        let range = of
            .find(|described| described.shard_id() == shard)
            .and_then(|described| described.hash_key_range.as_ref())
            .unwrap();
        let ends = [range.starting_hash_key(), range.ending_hash_key()];
        let [first, last] = ends.map(|hash| hash.parse::<u128>().unwrap());
        (first..=last).contains(&hash_of(key))
    };
    let mut values = Vec::new();
    for found in all(client, stream).await {
        let many = found.records.len() > 1;
        let of_shard = |(key, _): &(String, Bytes)| belongs(&found.shard, key);
        if !many || found.records.iter().all(of_shard) {
            values.extend(found.records.into_iter().map(|(_, value)| value));
        }
    }
    values
}

fn taken_apart(key: &str, data: &[u8]) -> Vec<(String, Bytes)> {
    let Some(body) = data.strip_prefix(&MAGIC) else {
        return vec![(key.to_owned(), Bytes::copy_from_slice(data))];
    };
    let (body, end) = body.split_at(body.len() - DIGEST_BYTES);
    assert_eq!(digest(body), end);
    let aggregate = AggregatedRecord::decode(body).unwrap();
    let keys = &aggregate.partition_key_table;
    let records = aggregate.records.iter();
    let taken = |record: &super::super::kpl::Record| {
        let key = &keys[usize::try_from(record.partition_key_index).unwrap()];
        (key.clone(), record.data.clone())
    };
    records.map(taken).collect()
}
