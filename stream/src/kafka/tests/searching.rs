//! What a spill asks of Kafka, against real brokers.

use std::collections::HashSet;

use super::{broker::Brokers, *};
use crate::spill::{Digest, Primary, Search};

async fn primary(config: &Config, topics: &[Topic]) -> Arc<dyn Primary> {
    let (config, topics) = (config.clone(), topics.to_vec());
    let opened = tokio::task::spawn_blocking(move || kafka(&config).primary(&topics));
    opened.await.unwrap().unwrap()
}

fn search(topic: &Topic, since_ms: i64, values: &[&str]) -> Search {
    Search {
        topics: vec![topic.clone()],
        since_ms,
        wanted: values
            .iter()
            .map(|value| Digest::of(value.as_bytes()))
            .collect(),
    }
}

async fn found(primary: &dyn Primary, search: Search) -> HashSet<Digest> {
    let found = primary.find(search).await.unwrap();
    assert!(found.values().all(|count| *count == 1), "{found:?}");
    found.into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn values_are_found_in_every_partition_and_only_from_the_time_asked_for() {
    let brokers = Brokers::shared();
    let mut config = config(&brokers.bootstrap);
    config.topics.partitions = 3;
    let topic = new_topic("searched");
    let primary = primary(&config, std::slice::from_ref(&topic)).await;
    primary.reach(vec![topic.clone()]).await.unwrap();
    let empty = found(primary.as_ref(), search(&topic, 0, &["a-1"])).await;
    assert_eq!(empty.len(), 0);
    for key in ["a", "b", "c", "d", "e"] {
        append(primary.as_ref(), numbered(&topic, key, 0..100)).await;
    }
    let between = now_ms() + 1;
    until("the clock went on", || now_ms() > between).await;
    append(primary.as_ref(), numbered(&topic, "c", 100..200)).await;
    let wanted = ["a-0", "b-99", "d-50", "c-100", "c-199", "c-200", "nobody"];
    let all = found(primary.as_ref(), search(&topic, 0, &wanted)).await;
    assert_eq!(all, search(&topic, 0, &wanted[..5]).wanted);
    let late = found(primary.as_ref(), search(&topic, between, &wanted)).await;
    assert_eq!(late, search(&topic, 0, &wanted[3..5]).wanted);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn what_a_hung_broker_takes_when_it_goes_on_is_found() {
    let brokers = Brokers::start(1);
    let mut config = config(&brokers.bootstrap);
    let topic = new_topic("hung");
    let patient = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    config.produce_deadline_ms = 1_000;
    let primary = primary(&config, std::slice::from_ref(&topic)).await;
    // So that it is connected when the broker hangs; its deadline may be too short for a busy machine.
    until_sent(primary.as_ref(), record(&topic, "k", "first")).await;
    tokio::task::block_in_place(|| brokers.run("pause", &["1"]));
    let outcomes = primary.send(&numbered(&topic, "k", 1..4)).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(Refusal::Unavailable(_)))),
        "{outcomes:?}"
    );
    assert!(primary.reach(vec![topic.clone()]).await.is_err());
    tokio::task::block_in_place(|| brokers.run("cont", &["1"]));
    while primary.reach(vec![topic.clone()]).await.is_err() {}
    // As a spill does.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let wanted = ["k-1", "k-2", "k-3"];
    let there = found(primary.as_ref(), search(&topic, 0, &wanted)).await;
    append(patient.as_ref(), numbered(&topic, "end", 0..1)).await;
    let mut reader = from(&config, &topic, &Position::start()).await;
    let mut read = Vec::new();
    while read.last().is_none_or(|last| last != "end-0") {
        read.extend(records(reader.as_mut()).await.values);
    }
    read.retain(|value| value.starts_with(b"k-"));
    assert_eq!(read.len(), there.len());
    assert_eq!(
        read.iter()
            .map(|value| Digest::of(value))
            .collect::<HashSet<_>>(),
        there
    );
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

async fn until_sent(primary: &dyn Primary, record: Record) {
    let sent = async { while primary.send(std::slice::from_ref(&record)).await != [Ok(())] {} };
    tokio::time::timeout(PATIENCE, sent).await.unwrap();
}
