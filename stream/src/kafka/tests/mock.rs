//! Facts that librdkafka's mock cluster suffices for. It has no AdminClient, so topics are made through its own handle
//! and their limits stay unknown.

use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use super::*;

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A cluster of one broker, a topic of that many partitions, and settings that do not wait for what it cannot do.
fn cluster(partitions: i32) -> (Cluster, Config, Topic) {
    let cluster = MockCluster::new(1).unwrap();
    let topic = new_topic("events");
    cluster.create_topic(topic.as_str(), partitions, 1).unwrap();
    let config = Config {
        request_deadline_ms: 500,
        ..config(&cluster.bootstrap_servers())
    };
    (cluster, config, topic)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the mock cluster's groups take 3 s to gather: ./headgate.sh test"]
async fn the_mock_cluster_conforms() {
    let (cluster, config, _) = cluster(1);
    conformance::run(|| async {
        let topic = new_topic("events");
        cluster.create_topic(topic.as_str(), 2, 1).unwrap();
        let config = config.clone();
        let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
        Box::new(Backend {
            config,
            topic,
            writer,
        }) as Box<dyn conformance::Backend>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_that_pass_are_not_seen_and_order_is_kept() {
    let (cluster, config, topic) = cluster(1);
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    append(writer.as_ref(), numbered(&topic, "k", 0..1)).await;
    use RDKafkaRespErr as E;
    let errors = [
        E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        E::RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    cluster.request_errors(RDKafkaApiKey::Produce, &errors);
    for round in 0..10 {
        append(
            writer.as_ref(),
            numbered(&topic, "k", 1 + round * 7..8 + round * 7),
        )
        .await;
    }
    let mut reader = from(&config, &topic, &Position::start()).await;
    let (found, _) = read(reader.as_mut(), 71).await;
    assert_eq!(found, values((0..71).map(|n| format!("k-{n}"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fatal_error_makes_the_writer_anew() {
    let (cluster, config, topic) = cluster(1);
    let registry = Registry::new();
    let kafka = Kafka::new(config.clone(), &registry).unwrap();
    let opened = kafka.writer(&[]);
    let writer = opened.unwrap();
    append(writer.as_ref(), numbered(&topic, "k", 0..1)).await;
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER],
    );
    let outcome = writer.append(numbered(&topic, "k", 1..2)).await.remove(0);
    assert!(
        matches!(outcome, Err(Refusal::Unavailable(_))),
        "{outcome:?}"
    );
    until("the writer is ready again", || {
        writer.health() == Health::Ready
    })
    .await;
    append(writer.as_ref(), numbered(&topic, "k", 2..3)).await;
    let rebuilds = registry.gather();
    let rebuilds = rebuilds
        .iter()
        .find(|f| f.name() == "headgate_stream_kafka_writer_rebuilds_total");
    assert_eq!(
        rebuilds.unwrap().get_metric()[0].get_counter().get_value(),
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_records_are_refused_in_time_and_the_writer_recovers_by_itself() {
    let (cluster, mut config, topic) = cluster(1);
    config.produce_deadline_ms = 3_000;
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    append(writer.as_ref(), numbered(&topic, "k", 0..1)).await;
    cluster.broker_down(1).unwrap();
    let began = Instant::now();
    let outcomes = writer.append(numbered(&topic, "k", 1..21)).await;
    let refused = |outcome: &Outcome| matches!(outcome, Err(Refusal::Unavailable(_)));
    assert!(outcomes.iter().all(refused), "{outcomes:?}");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    until("the writer refuses", || writer.health() != Health::Ready).await;
    cluster.broker_up(1).unwrap();
    // Nobody appends meanwhile.
    until("the writer is ready again", || {
        writer.health() == Health::Ready
    })
    .await;
    append(writer.as_ref(), numbered(&topic, "k", 21..22)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_at_once_and_what_it_holds_is_written() {
    let (cluster, mut config, topic) = cluster(1);
    config.queue_records_max = 10;
    config.linger_ms = 0;
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    append(writer.as_ref(), numbered(&topic, "k", 0..1)).await;
    cluster
        .broker_round_trip_time(1, Duration::from_millis(500))
        .unwrap();
    let outcomes = writer.append(numbered(&topic, "k", 1..31)).await;
    let written = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(written, 10, "{outcomes:?}");
    assert!(outcomes[..10].iter().all(Result::is_ok), "{outcomes:?}");
    let unsent = |outcome: &Outcome| matches!(outcome, Err(Refusal::Unsent(_)));
    assert!(outcomes[10..].iter().all(unsent), "{outcomes:?}");
    until("the queue's failure is forgotten", || {
        writer.health() == Health::Ready
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_writes_what_is_queued_and_answers_all_of_it() {
    let (cluster, mut config, topic) = cluster(1);
    config.linger_ms = 1_000;
    let open = || writer(&config, std::slice::from_ref(&topic));
    let patient = open().await.unwrap();
    append(patient.as_ref(), numbered(&topic, "k", 0..1)).await;
    let (outcomes, ()) = tokio::join!(patient.append(numbered(&topic, "k", 1..3)), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        patient.close().await;
    });
    assert_eq!(outcomes, [Ok(()), Ok(())]);
    config.close_deadline_ms = 100;
    let hasty = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    append(hasty.as_ref(), numbered(&topic, "k", 3..4)).await;
    cluster.broker_down(1).unwrap();
    let (outcomes, ()) = tokio::join!(hasty.append(numbered(&topic, "k", 4..6)), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        hasty.close().await;
    });
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(Refusal::Unavailable(_)))),
        "{outcomes:?}"
    );
}

/// The hash of Kafka's own clients in Java, from `org.apache.kafka.common.utils.Utils`.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ u32::try_from(data.len()).unwrap();
    let chunks = data.chunks_exact(4);
    let rest = chunks.remainder();
    for chunk in chunks {
        let mut k = u32::from_le_bytes(chunk.try_into().unwrap()).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    for (place, byte) in rest.iter().enumerate().rev() {
        h ^= u32::from(*byte) << (8 * place);
    }
    if !rest.is_empty() {
        h = h.wrapping_mul(M);
    }
    h = (h ^ (h >> 13)).wrapping_mul(M);
    h ^ (h >> 15)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_where_java_clients_send_it() {
    // From Kafka's own test of it.
    assert_eq!(murmur2(b"21").cast_signed(), -973_932_308);
    assert_eq!(
        murmur2(b"a-little-bit-long-string").cast_signed(),
        -985_981_536
    );
    let (_cluster, config, topic) = cluster(8);
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let keys: Vec<String> = (0..64).map(|n| format!("user-{n}")).collect();
    append(
        writer.as_ref(),
        keys.iter()
            .map(|key| record(&topic, key, key.clone()))
            .collect(),
    )
    .await;
    let mut reader = from(&config, &topic, &Position::start()).await;
    let mut found = 0;
    while found < keys.len() {
        let delivered = records(reader.as_mut()).await;
        for key in &delivered.values {
            let index = (murmur2(key) & 0x7fff_ffff) % 8;
            assert_eq!(delivered.partition.as_str(), format!("{topic}-{index}"));
        }
        found += delivered.values.len();
    }
}
