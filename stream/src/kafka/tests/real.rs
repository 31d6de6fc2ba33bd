//! Facts of topics and writing that need real brokers.

use rdkafka::{
    ClientConfig, Message,
    admin::{AdminClient, AdminOptions, NewPartitions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers},
};

use tokio::sync::Mutex;

use super::{
    broker::Brokers,
    reading::{Ledger, member, until_taken},
    *,
};

pub(super) fn admin(config: &Config) -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", config.bootstrap_servers.join(","))
        .create()
        .unwrap()
}

pub(super) fn options() -> AdminOptions {
    let deadline = Some(Duration::from_secs(20));
    AdminOptions::new()
        .request_timeout(deadline)
        .operation_timeout(deadline)
}

pub(super) async fn delete(config: &Config, topic: &Topic) {
    let deleted = admin(config)
        .delete_topics(&[topic.as_str()], &options())
        .await
        .unwrap();
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
}

pub(super) async fn add_partitions(config: &Config, topic: &Topic, count: usize) {
    let new = [NewPartitions::new(topic.as_str(), count)];
    let made = admin(config)
        .create_partitions(&new, &options())
        .await
        .unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

fn partition_count(config: &Config, topic: &Topic) -> usize {
    let client = admin(config);
    let metadata = client
        .inner()
        .fetch_metadata(Some(topic.as_str()), PATIENCE)
        .unwrap();
    metadata.topics()[0].partitions().len()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn a_real_broker_conforms_with_one_and_with_three_partitions() {
    let brokers = Brokers::shared();
    for partitions in [1, 3] {
        let mut config = config(&brokers.bootstrap);
        config.topics.partitions = partitions;
        conforms(&config).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn every_codec_is_written_and_read() {
    use crate::kafka::Compression as C;
    let brokers = Brokers::shared();
    for compression in [C::None, C::Lz4, C::Zstd, C::Snappy, C::Gzip] {
        let config = Config {
            compression,
            ..config(&brokers.bootstrap)
        };
        let topic = new_topic("codec");
        let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
        let value = "so it goes ".repeat(1_000);
        append(writer.as_ref(), vec![record(&topic, "k", value.clone())]).await;
        let mut reader = from(&config, &topic, &Position::start()).await;
        assert_eq!(
            records(reader.as_mut()).await.values,
            [value],
            "{compression:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn other_clients_find_key_header_and_value() {
    let brokers = Brokers::shared();
    let config = config(&brokers.bootstrap);
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    append(
        writer.as_ref(),
        vec![record(&topic, "ada", "{}"), record(&topic, "", "[]")],
    )
    .await;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &brokers.bootstrap)
        .set("group.id", topic.as_str())
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic.as_str()]).unwrap();
    let found = tokio::task::spawn_blocking(move || {
        // What is no message ends a poll too.
        let mut polls = std::iter::repeat_with(|| consumer.poll(Duration::from_secs(1)))
            .take(60)
            .flatten();
        let mut message = || polls.next().unwrap().unwrap().detach();
        [message(), message()]
    });
    let [first, second] = found.await.unwrap();
    for message in [&first, &second] {
        let headers = message.headers().unwrap();
        let content_type = Header {
            key: "content-type",
            value: Some(&b"application/cloudevents+json"[..]),
        };
        assert_eq!((headers.count(), headers.get(0)), (1, content_type));
    }
    assert_eq!(
        (first.key(), first.payload()),
        (Some(&b"ada"[..]), Some(&b"{}"[..]))
    );
    assert_eq!((second.key(), second.payload()), (None, Some(&b"[]"[..])));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn a_missing_topic_is_made_as_configured_or_refused_by_name() {
    let brokers = Brokers::shared();
    let mut config = config(&brokers.bootstrap);
    config.topics.partitions = 5;
    let topic = new_topic("made");
    let (one, other) = tokio::join!(
        writer(&config, std::slice::from_ref(&topic)),
        writer(&config, std::slice::from_ref(&topic))
    );
    // Whoever is quicker, both have it.
    assert!(
        one.is_ok() && other.is_ok(),
        "{:?} {:?}",
        one.err(),
        other.err()
    );
    assert_eq!(partition_count(&config, &topic), 5);

    let missing = new_topic("missing");
    config.topics.create_missing = false;
    let refused = writer(&config, std::slice::from_ref(&missing)).await.err();
    assert!(
        matches!(&refused, Some(Error::MissingTopic(name)) if name == missing.as_str()),
        "{refused:?}"
    );
    let refused = reader(&config, &only(&missing)).await.err();
    assert!(
        matches!(&refused, Some(Error::MissingTopic(name)) if name == missing.as_str()),
        "{refused:?}"
    );

    config.topics.create_missing = true;
    config.topics.replication_factor = 3;
    let refused = writer(&config, std::slice::from_ref(&missing)).await.err();
    let text = refused.map(|error| error.to_string()).unwrap_or_default();
    assert!(
        text.contains(missing.as_str()) && text.contains("3 replicas"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn a_topic_that_appears_later_is_made_on_its_first_record_or_refused() {
    let brokers = Brokers::shared();
    let mut config = config(&brokers.bootstrap);
    config.topics.count_max = 2;
    let known = new_topic("known");
    let routed = writer(&config, std::slice::from_ref(&known)).await.unwrap();
    let (later, beyond) = (new_topic("later"), new_topic("beyond"));
    append(
        routed.as_ref(),
        vec![record(&later, "k", "a"), record(&known, "k", "b")],
    )
    .await;
    let illegal = Topic::new("events.a b");
    let outcomes = routed
        .append(vec![
            record(&beyond, "k", "c"),
            record(&illegal, "k", "d"),
            record(&known, "k", "e"),
        ])
        .await;
    let refused = |outcome: &Outcome, word: &str| matches!(outcome, Err(Refusal::NoTopic(reason)) if reason.contains(word));
    assert!(
        refused(&outcomes[0], "count_max") && refused(&outcomes[1], "a b"),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[2], Ok(()));

    config.topics.create_missing = false;
    let strict = writer(&config, &[]).await.unwrap();
    let outcomes = strict
        .append(vec![record(&beyond, "k", "f"), record(&known, "k", "g")])
        .await;
    assert!(
        refused(&outcomes[0], beyond.as_str()) && outcomes[1].is_ok(),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn the_topics_own_limit_refuses_a_large_record_alone_and_bounds_batches() {
    let brokers = Brokers::shared();
    let registry = Registry::new();
    let plain = config(&brokers.bootstrap);
    let (small, large) = (new_topic("small"), new_topic("large"));
    let mut limited = plain.clone();
    limited
        .topics
        .properties
        .insert("max.message.bytes".to_owned(), "50000".to_owned());
    limited.compression = crate::kafka::Compression::None;
    writer(&limited, std::slice::from_ref(&small))
        .await
        .unwrap();
    // This writer does not know the topic with the small limit before its first record.
    let config = Config {
        compression: crate::kafka::Compression::None,
        ..plain
    };
    let writer = {
        let (registry, topics) = (registry.clone(), vec![large.clone()]);
        let opened = tokio::task::spawn_blocking(move || {
            Kafka::new(config, &registry).unwrap().writer(&topics)
        });
        opened.await.unwrap().unwrap()
    };
    let outcomes = writer
        .append(vec![
            record(&small, "k", vec![b'x'; 1_000]),
            record(&small, "k", vec![b'x'; 60_000]),
            record(&large, "k", vec![b'x'; 60_000]),
        ])
        .await;
    let limit = Refusal::TooLarge {
        bytes: 60_001,
        bytes_max: 49_488,
    };
    assert_eq!(outcomes, [Ok(()), Err(limit), Ok(())]);
    until("batches are bounded by the smaller limit", || {
        registry.gather().iter().any(|family| {
            family.name() == "headgate_stream_kafka_writer_rebuilds_total"
                && !family.get_metric().is_empty()
        })
    })
    .await;
    // Together they are far more than one batch may hold.
    append(
        writer.as_ref(),
        (0..200)
            .map(|_| record(&small, "k", vec![b'x'; 2_000]))
            .collect(),
    )
    .await;
    append(
        writer.as_ref(),
        vec![record(&small, "", vec![b'x'; 49_488])],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn nothing_listening_is_an_error_at_the_start_and_a_writer_without_topics_waits_for_it() {
    let config = Config {
        request_deadline_ms: 500,
        produce_deadline_ms: 1_000,
        ..config("127.0.0.1:1")
    };
    let topic = new_topic("events");
    let refused = writer(&config, std::slice::from_ref(&topic)).await.err();
    assert!(
        matches!(refused, Some(Error::Unreachable { .. })),
        "{refused:?}"
    );
    let waiting = writer(&config, &[]).await.unwrap();
    until("the writer refuses", || waiting.health() != Health::Ready).await;
    let outcomes = waiting.append(numbered(&topic, "k", 0..1)).await;
    assert!(
        matches!(outcomes[..], [Err(Refusal::Unsent(_))]),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn killed_brokers_lose_and_double_nothing_of_what_was_acknowledged() {
    let brokers = Brokers::start(3);
    let mut config = config(&brokers.bootstrap);
    config.topics = crate::kafka::Topics {
        partitions: 6,
        ..Default::default()
    };
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let reading = member(reader(&config, &only(&topic)).await.unwrap(), &ledger);
    let write = async {
        let mut acknowledged = Vec::new();
        for round in 0..60_u32 {
            let records = numbered(
                &topic,
                &format!("user{}", round % 7),
                round * 10..round * 10 + 10,
            );
            let names: Vec<Bytes> = records.iter().map(|record| record.value.clone()).collect();
            let outcomes = writer.append(records).await;
            acknowledged.extend(
                names
                    .into_iter()
                    .zip(outcomes)
                    .filter_map(|(name, o)| o.ok().map(|()| name)),
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        acknowledged
    };
    let kill = async {
        for n in ["1", "2"] {
            tokio::task::block_in_place(|| {
                brokers.run("kill", &[n]);
                std::thread::sleep(Duration::from_secs(1));
                brokers.run("restart", &[n]);
            });
        }
    };
    let (mut acknowledged, ()) = tokio::join!(write, kill);
    assert_eq!(
        acknowledged.len(),
        600,
        "with a majority alive, every record is written within the deadline"
    );
    until_taken(&ledger, 600).await;
    reading.abort();
    let mut found = ledger.lock().await.values.clone();
    acknowledged.sort();
    found.sort();
    assert_eq!(found, acknowledged);
}
