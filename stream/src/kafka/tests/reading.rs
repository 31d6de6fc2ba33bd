//! Facts of reading that need real brokers: rebalances, gaps, topics made anew.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::{
    ClientConfig, TopicPartitionList,
    producer::{BaseProducer, BaseRecord, Producer},
    topic_partition_list::Offset,
};
use tokio::{sync::Mutex, task::JoinHandle};

use super::{
    broker::Brokers,
    real::{add_partitions, admin, delete, options},
    *,
};

/// A log of commits as the sink has one: what was taken, and each partition's tail.
#[derive(Default)]
pub(super) struct Ledger {
    tails: BTreeMap<Partition, Position>,
    pub(super) values: Vec<Bytes>,
    /// How many readers hold each partition, by what they were told.
    held: BTreeMap<Partition, u32>,
    held_twice: u32,
}

/// Reads as the sink does until it is aborted: only what follows the tail counts.
pub(super) fn member(mut reader: Box<dyn Reader>, ledger: &Arc<Mutex<Ledger>>) -> JoinHandle<()> {
    let ledger = Arc::clone(ledger);
    tokio::spawn(async move {
        let mut mine = BTreeSet::new();
        loop {
            let delivery = next(reader.as_mut()).await;
            let mut ledger = ledger.lock().await;
            match delivery {
                Delivery::Assigned(partitions) => {
                    for partition in partitions {
                        let held = ledger.held.entry(partition.clone()).or_default();
                        *held += 1;
                        if *held > 1 {
                            ledger.held_twice += 1;
                        }
                        let tail = ledger
                            .tails
                            .get(&partition)
                            .cloned()
                            .unwrap_or_else(Position::start);
                        reader.seek(&partition, &tail);
                        assert!(mine.insert(partition), "assigned twice");
                    }
                }
                Delivery::Revoked(partitions) => {
                    for partition in partitions {
                        *ledger.held.get_mut(&partition).unwrap() -= 1;
                        assert!(mine.remove(&partition), "revoked but never assigned");
                    }
                }
                Delivery::Records(records) => {
                    assert!(mine.contains(&records.partition), "not its own");
                    let tail = ledger
                        .tails
                        .get(&records.partition)
                        .cloned()
                        .unwrap_or_else(Position::start);
                    assert_eq!(records.follows, tail, "{}", records.partition);
                    ledger
                        .tails
                        .insert(records.partition.clone(), records.end.clone());
                    ledger.values.extend(records.values);
                    reader.passed(&records.partition, &records.end);
                }
                Delivery::Gap { .. } | Delivery::Ended { .. } => panic!("{delivery:?}"),
            }
        }
    })
}

pub(super) async fn until_taken(ledger: &Mutex<Ledger>, count: usize) {
    let began = Instant::now();
    while ledger.lock().await.values.len() < count {
        assert!(
            began.elapsed() < PATIENCE,
            "{} of {count}",
            ledger.lock().await.values.len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn readers_share_partitions_and_hand_them_over_without_loss_or_double() {
    let brokers = Brokers::shared();
    let mut config = config(&brokers.bootstrap);
    config.topics.partitions = 6;
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let subscription = only(&topic);
    let open = || async { reader(&config, &subscription).await.unwrap() };
    let write = |round: u32| {
        let keys = (0..200).map(move |n| format!("user{n}"));
        keys.map(|key| record(&topic, &key, format!("{key}-{round}")))
            .collect::<Vec<_>>()
    };
    let held = |count: usize| {
        let ledger = Arc::clone(&ledger);
        async move {
            let began = Instant::now();
            while ledger
                .lock()
                .await
                .held
                .values()
                .filter(|held| **held == 1)
                .count()
                != count
            {
                assert!(began.elapsed() < PATIENCE, "{:?}", ledger.lock().await.held);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let first = member(open().await, &ledger);
    held(6).await;
    append(writer.as_ref(), write(0)).await;
    let second = member(open().await, &ledger);
    append(writer.as_ref(), write(1)).await;
    until_taken(&ledger, 400).await;
    let third = member(open().await, &ledger);
    for round in 2..6 {
        append(writer.as_ref(), write(round)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    until_taken(&ledger, 1_200).await;
    held(6).await;
    // One that leaves, and one that is gone.
    second.abort();
    assert!(second.await.is_err());
    ledger
        .lock()
        .await
        .held
        .values_mut()
        .for_each(|held| *held = 0);
    append(writer.as_ref(), write(6)).await;
    until_taken(&ledger, 1_400).await;
    let ledger = ledger.lock().await;
    let mut found: Vec<_> = ledger.values.clone();
    let mut expected: Vec<Bytes> = (0..7).flat_map(&write).map(|record| record.value).collect();
    found.sort();
    expected.sort();
    assert!(found == expected, "lost or doubled");
    assert_eq!(
        ledger.held_twice, 0,
        "a partition was assigned before its revocation was taken elsewhere"
    );
    first.abort();
    third.abort();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn a_reader_that_does_not_look_keeps_the_group_waiting_only_so_long() {
    let brokers = Brokers::shared();
    let mut config = config(&brokers.bootstrap);
    config.topics.partitions = 2;
    config.revoke_wait_ms_max = 500;
    let topic = new_topic("events");
    let mut sleeper = from(&config, &topic, &Position::start()).await;
    let mut other = reader(&config, &only(&topic)).await.unwrap();
    assert_eq!(assigned(other.as_mut()).await.len(), 1);
    assert!(matches!(next(sleeper.as_mut()).await, Delivery::Revoked(gone) if gone.len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn partitions_and_topics_that_appear_are_read_from_their_start() {
    let brokers = Brokers::shared();
    let config = config(&brokers.bootstrap);
    let name = format!("routed-{}", uuid::Uuid::now_v7());
    let topic = |kind: &str| Topic::new(&format!("{name}.{kind}"));
    let writer = writer(&config, &[topic("a")]).await.unwrap();
    let pattern = Subscription::Pattern(format!("^{name}\\..*"));
    let mut reader = reader(&config, &pattern).await.unwrap();
    let first = assigned(reader.as_mut()).await;
    assert_eq!(first, [Partition::new(&format!("{name}.a-0"))]);
    reader.seek(&first[0], &Position::start());
    append(writer.as_ref(), vec![record(&topic("a"), "k", "1")]).await;
    assert_eq!(records(reader.as_mut()).await.values, ["1"]);

    append(writer.as_ref(), vec![record(&topic("b"), "k", "2")]).await;
    let second = assigned(reader.as_mut()).await;
    assert_eq!(second, [Partition::new(&format!("{name}.b-0"))]);
    reader.seek(&second[0], &Position::start());
    assert_eq!(records(reader.as_mut()).await.values, ["2"]);

    add_partitions(&config, &topic("a"), 3).await;
    let mut third = Vec::new();
    while third.len() < 2 {
        third.extend(assigned(reader.as_mut()).await);
    }
    third
        .iter()
        .for_each(|partition| reader.seek(partition, &Position::start()));
    let many = (0..100).map(|n| record(&topic("a"), &format!("user{n}"), n.to_string()));
    append(writer.as_ref(), many.collect()).await;
    let mut found = read(reader.as_mut(), 100).await.0;
    let mut expected = values(0..100);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

async fn forget(config: &Config, topic: &Topic, before: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic.as_str(), 0, Offset::Offset(before))
        .unwrap();
    admin(config)
        .delete_records(&list, &options())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn what_retention_took_is_reported_before_what_follows() {
    let brokers = Brokers::shared();
    let config = config(&brokers.bootstrap);
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    append(writer.as_ref(), numbered(&topic, "k", 0..10)).await;
    let mut first = from(&config, &topic, &Position::start()).await;
    let (_, end) = read(first.as_mut(), 10).await;
    drop(first);
    append(writer.as_ref(), numbered(&topic, "k", 10..30)).await;
    forget(&config, &topic, 25).await;
    for (sought, gone) in [(end, 15), (Position::start(), 25)] {
        let config = Config {
            group: new_topic("group").to_string(),
            ..config.clone()
        };
        let mut reader = from(&config, &topic, &sought).await;
        let gap = next(reader.as_mut()).await;
        assert!(
            matches!(&gap, Delivery::Gap { after, records, .. } if *after == sought && *records == Some(gone)),
            "{gap:?}"
        );
        let delivered = records(reader.as_mut()).await;
        assert_eq!(
            (delivered.follows, delivered.values),
            (sought, values((25..30).map(|n| format!("k-{n}"))))
        );
    }
    // All that is left was read: nothing is lost when it goes too.
    let mut reader = from(&config, &topic, &Position::start()).await;
    assert!(matches!(next(reader.as_mut()).await, Delivery::Gap { .. }));
    let (_, end) = read(reader.as_mut(), 5).await;
    forget(&config, &topic, 30).await;
    let partition = reader.lag()[0].partition.clone();
    reader.seek(&partition, &end);
    append(writer.as_ref(), numbered(&topic, "k", 30..31)).await;
    let delivered = records(reader.as_mut()).await;
    assert_eq!(
        (delivered.follows, delivered.values),
        (end, values(["k-30"]))
    );
}

async fn corrupt(reader: &mut dyn Reader) -> String {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            match reader.next().await {
                Err(error @ ReadError::Corrupt { .. }) => return error.to_string(),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Ok(other) => panic!("{other:?}"),
            }
        }
    });
    waited.await.expect("an error")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn positions_of_a_deleted_topic_are_never_taken_for_those_of_the_new_one() {
    let brokers = Brokers::shared();
    let config = config(&brokers.bootstrap);
    for records_before in [10, 9, 3, 0, 40] {
        let topic = new_topic("events");
        let old = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
        append(old.as_ref(), numbered(&topic, "old", 0..10)).await;
        let mut first = from(&config, &topic, &Position::start()).await;
        let (_, end) = read(first.as_mut(), 10).await;
        drop(first);
        delete(&config, &topic).await;
        let new = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
        append(new.as_ref(), numbered(&topic, "new", 0..records_before)).await;
        let config = Config {
            group: new_topic("group").to_string(),
            ..config.clone()
        };
        let mut stopped = from(&config, &topic, &end).await;
        let error = corrupt(stopped.as_mut()).await;
        assert!(
            error.contains("kafka.recreated") && error.contains(topic.as_str()),
            "{error}"
        );
        // What the error advises: new partitions, read from their start.
        let mut told = Config {
            group: new_topic("group").to_string(),
            ..config.clone()
        };
        told.recreated.insert(topic.to_string(), 1);
        append(
            new.as_ref(),
            numbered(&topic, "new", records_before..records_before + 1),
        )
        .await;
        let mut reader = from(&told, &topic, &Position::start()).await;
        let delivered = records(reader.as_mut()).await;
        assert_eq!(delivered.partition.as_str(), format!("{topic}+1-0"));
        assert_eq!(delivered.values[0], "new-0");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn a_topic_made_anew_under_a_running_reader_is_noticed_before_its_records_are_read() {
    let brokers = Brokers::shared();
    for records_before in [1, 10, 50] {
        // Nothing is noticed before fetching fails, and fetching goes on only when the new topic is filled: so would
        // a reader do that was cut off meanwhile.
        let slow = Config {
            metadata_interval_ms: 600_000,
            properties: [
                ("fetch.error.backoff.ms", "3000"),
                ("topic.metadata.refresh.fast.interval.ms", "1500"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            ..config(&brokers.bootstrap)
        };
        let config = config(&brokers.bootstrap);
        let topic = new_topic("events");
        let old = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
        append(old.as_ref(), numbered(&topic, "old", 0..10)).await;
        let mut reader = from(&slow, &topic, &Position::start()).await;
        read(reader.as_mut(), 10).await;
        old.close().await;
        delete(&config, &topic).await;
        let new = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
        append(new.as_ref(), numbered(&topic, "new", 0..records_before)).await;
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                match reader.next().await {
                    Err(ReadError::Corrupt { reason, .. }) => return reason,
                    // Noticed as missing in time: it comes back as a new assignment, sought as the sink does.
                    Ok(Delivery::Revoked(_)) | Err(ReadError::Unavailable(_)) => {}
                    other => panic!("{records_before}: {other:?}"),
                }
            }
        });
        let reason = found.await.expect("an error");
        assert!(reason.contains("kafka.recreated"), "{reason}");
    }
}

/// Six transactions of three records, of which every other one is aborted: 24 offsets with their markers.
pub(super) async fn transactions(bootstrap: &str, topic: &Topic) {
    let name = topic.as_str().to_owned();
    let bootstrap = bootstrap.to_owned();
    let foreign = tokio::task::spawn_blocking(move || {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("transactional.id", &name)
            .create()
            .unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        for round in 0..6 {
            producer.begin_transaction().unwrap();
            for n in 0..3 {
                let value = format!("{round}.{n}");
                producer
                    .send(BaseRecord::<[u8], str>::to(&name).payload(&value))
                    .unwrap();
            }
            match round % 2 {
                0 => producer.commit_transaction(PATIENCE).unwrap(),
                _ => {
                    producer.flush(PATIENCE).unwrap();
                    producer.abort_transaction(PATIENCE).unwrap();
                }
            }
        }
    });
    foreign.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn aborted_transactions_are_never_read_and_their_holes_are_no_gaps() {
    let brokers = Brokers::shared();
    let config = config(&brokers.bootstrap);
    let topic = new_topic("events");
    writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    transactions(&brokers.bootstrap, &topic).await;
    let expected = values([
        "0.0", "0.1", "0.2", "2.0", "2.1", "2.2", "4.0", "4.1", "4.2",
    ]);
    let mut reader = from(&config, &topic, &Position::start()).await;
    let mut follows = Position::start();
    let mut found = Vec::new();
    while found.len() < 9 {
        let delivered = records(reader.as_mut()).await;
        assert_eq!(delivered.follows, follows);
        follows = delivered.end;
        found.extend(delivered.values);
        // From any end on, the rest comes.
        reader.seek(&delivered.partition, &follows);
    }
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn a_reader_from_which_nothing_is_taken_holds_only_so_much_and_goes_on_later() {
    let brokers = Brokers::shared();
    let mut config = config(&brokers.bootstrap);
    config.prefetch_bytes_max = 4 << 20;
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let expected: Vec<String> = (0..400).map(|n| n.to_string().repeat(30_000)).collect();
    for chunk in expected.chunks(50) {
        append(
            writer.as_ref(),
            chunk
                .iter()
                .map(|v| record(&topic, "k", v.clone()))
                .collect(),
        )
        .await;
    }
    let mut reader = from(&config, &topic, &Position::start()).await;
    // Longer than a full reader keeps Kafka waiting, and longer than the session.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let (found, _) = read(reader.as_mut(), 400).await;
    assert!(found == values(expected), "lost, doubled or out of order");
}
