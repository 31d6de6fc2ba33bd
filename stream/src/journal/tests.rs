//! The journal as a whole: conformance, restarts, retention, full and failing disks.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prometheus::Registry;

use super::{Config, Error, Journal, faults::Fault};
use crate::{
    log::{
        Delivery, Health, Outcome, Position, ReadError, Reader, Record, Records, Refusal, Topic,
        Writer,
    },
    testing::conformance,
};

fn topic() -> Topic {
    Topic::new("events")
}

fn config(dir: &Path) -> Config {
    Config {
        dir: dir.to_owned(),
        upkeep_interval_ms: 5,
        probe_interval_ms: 5,
        ..Config::default()
    }
}

fn open(config: &Config) -> Result<Journal, Error> {
    Journal::open(
        config.clone(),
        &[topic(), Topic::new("bad_events")],
        &Registry::new(),
    )
}

fn record(key: &str, value: impl Into<Bytes>) -> Record {
    Record {
        topic: topic(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.into(),
    }
}

async fn append(journal: &Journal, value: impl Into<Bytes>) -> Outcome {
    journal
        .writer()
        .append(vec![record("k", value)])
        .await
        .remove(0)
}

async fn reader(journal: &Journal) -> Box<dyn Reader> {
    let mut reader = journal.reader(&topic(), "sink").unwrap();
    let Delivery::Assigned(partitions) = reader.next().await.unwrap() else {
        panic!()
    };
    partitions
        .iter()
        .for_each(|partition| reader.seek(partition, &Position::start()));
    reader
}

async fn records(reader: &mut dyn Reader) -> Records {
    match reader.next().await.unwrap() {
        Delivery::Records(records) => records,
        other => panic!("{other:?}"),
    }
}

/// The values of the topic's first `count` records.
async fn read(journal: &Journal, count: usize) -> Vec<Bytes> {
    let mut reader = reader(journal).await;
    let mut values = Vec::new();
    while values.len() < count {
        values.extend(records(reader.as_mut()).await.values);
    }
    values
}

/// Waits until the condition holds; the suite's own deadline ends what never does.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(30), waited)
            .await
            .is_ok(),
        "never: {what}"
    );
}

struct Backend {
    journal: Journal,
    _dir: tempfile::TempDir,
}

impl conformance::Backend for Backend {
    fn topic(&self) -> Topic {
        topic()
    }

    fn writer(&self) -> Arc<dyn Writer> {
        self.journal.writer()
    }

    fn reader(&self, group: &str) -> BoxFuture<'_, Box<dyn Reader>> {
        let reader = self.journal.reader(&topic(), group);
        Box::pin(async move { reader.unwrap() })
    }

    fn record_bytes_max(&self) -> Option<usize> {
        Some(200_000)
    }
}

async fn conforms(change: fn(&mut Config)) {
    conformance::run(|| async move {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        config.record_bytes_max = 200_000;
        change(&mut config);
        let journal = open(&config).unwrap();
        Box::new(Backend { journal, _dir: dir }) as Box<dyn conformance::Backend>
    })
    .await;
}

#[tokio::test]
async fn the_journal_conforms_with_one_partition() {
    conforms(|_| ()).await;
}

#[tokio::test]
async fn the_journal_conforms_with_three_partitions() {
    conforms(|config| config.partitions = 3).await;
}

#[tokio::test]
async fn the_journal_conforms_with_tiny_segments_groups_and_chunks() {
    conforms(|config| {
        (config.segment_bytes_max, config.prefetch_bytes_max) = (4096, 4096);
        (config.group_bytes_max, config.queue_bytes_max) = (512, 200_000);
    })
    .await;
}
