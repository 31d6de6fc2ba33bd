//! Facts of streams and writing, with a server that does what it should.

use std::{io::Write, process::Stdio};

use super::{
    server::{active, all, client, values, values_of_kcl},
    *,
};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn what_is_appended_is_in_the_stream_byte_for_byte_and_in_the_order_of_its_keys() {
    for server in [Server::local(), Server::kinesalite()] {
        for (aggregate, order) in [
            (true, crate::kinesis::Order::ByKey),
            (false, crate::kinesis::Order::ByKey),
            (true, crate::kinesis::Order::None),
        ] {
            let config = Config {
                aggregate,
                order,
                ..config(server.endpoint())
            };
            let topic = new_topic("events");
            let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
            let keys: Vec<String> = (0..7).map(|n| format!("user{n}")).collect();
            for round in 0..10 {
                let records = keys
                    .iter()
                    .flat_map(|key| numbered(&topic, key, round * 5..round * 5 + 5));
                append(writer.as_ref(), records.collect()).await;
            }
            let client = client(&config).await;
            let found = by_key(values(&client, topic.as_str()).await);
            assert_eq!(found.len(), 7);
            for (key, mut numbers) in found {
                if order == crate::kinesis::Order::None {
                    numbers.sort_unstable();
                }
                assert!(numbers.iter().copied().eq(0..50), "{key}: {numbers:?}");
            }
            let count = all(&client, topic.as_str()).await.len();
            assert_eq!(count < 350, aggregate, "{count}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn any_bytes_are_values_and_keys() {
    let server = Server::kinesalite();
    for aggregate in [true, false] {
        let config = Config {
            aggregate,
            ..config(server.endpoint())
        };
        let topic = new_topic("events");
        let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
        let all_bytes: Vec<u8> = (0..=255).collect();
        let of_many = super::super::kpl::MAGIC.to_vec();
        let mut expected = vec![
            Bytes::new(),
            all_bytes.into(),
            of_many.into(),
            Bytes::from(vec![0; 100_000]),
        ];
        let keys: [Bytes; 4] = [
            Bytes::new(),
            Bytes::from_static(b"\xff\x00"),
            "ä".repeat(300).into(),
            "k".into(),
        ];
        for (key, value) in keys.into_iter().zip(&expected) {
            let record = Record {
                topic: topic.clone(),
                key,
                value: value.clone(),
            };
            append(writer.as_ref(), vec![record]).await;
        }
        let mut found = values(&client(&config).await, topic.as_str()).await;
        found.sort();
        expected.sort();
        assert!(found == expected, "aggregate: {aggregate}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_record_too_large_is_refused_alone_and_one_just_so_large_is_taken() {
    let server = Server::kinesalite();
    for aggregate in [true, false] {
        let config = Config {
            aggregate,
            ..config(server.endpoint())
        };
        let topic = new_topic("events");
        let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
        let records = vec![
            record(&topic, "k", "a"),
            record(&topic, "k", vec![b'x'; MIB]),
            record(&topic, "k", vec![b'y'; MIB - 1]),
            record(&topic, "k", "b"),
        ];
        let limit = MIB as u64;
        let refused = Refusal::TooLarge {
            bytes: limit + 1,
            bytes_max: limit,
        };
        let outcomes = writer.append(records).await;
        assert_eq!(outcomes, [Ok(()), Err(refused.clone()), Ok(()), Ok(())]);
        assert!(refused.to_string().contains("1048577") && !refused.retriable());
        let found = values(&client(&config).await, topic.as_str()).await;
        let lengths: Vec<usize> = found.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [1, MIB - 1, 1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn records_are_cut_at_the_limit_and_go_to_the_shards_of_their_keys() {
    let server = Server::kinesalite();
    let mut config = config(server.endpoint());
    // So that all wait for the first to be answered.
    config.shard_bytes_per_s_max = 1 << 30;
    config.linger_ms = 200;
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let records = (0..400).map(|n| record(&topic, &format!("user{n}"), vec![b'x'; 10_000]));
    append(writer.as_ref(), records.collect()).await;
    let client = client(&config).await;
    let found = all(&client, topic.as_str()).await;
    assert!(found.len() < 10, "{}", found.len());
    assert!(
        found
            .iter()
            .all(|found| found.data.len() + found.partition_key.len() <= MIB)
    );
    assert!(found.iter().any(|found| found.data.len() > MIB - 10_100));
    assert_eq!(values_of_kcl(&client, topic.as_str()).await.len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn amazons_own_library_takes_apart_what_is_written() {
    let server = Server::local();
    let config = config(server.endpoint());
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let records = (0..100).flat_map(|n| numbered(&topic, &format!("user{n}"), 0..3));
    append(writer.as_ref(), records.collect()).await;
    let found = all(&client(&config).await, topic.as_str()).await;
    let mut lines = String::new();
    for found in &found {
        let hex: String = found.data.iter().map(|b| format!("{b:02x}")).collect();
        lines.push_str(&format!("{} {hex}\n", found.partition_key));
    }
    let program = r#"
import base64, sys
from aws_kinesis_agg.deaggregator import deaggregate_records

for line in sys.stdin:
    key, data = line.split()
    record = {"kinesis": {
        "kinesisSchemaVersion": "1.0", "partitionKey": key, "sequenceNumber": "1", "approximateArrivalTimestamp": 1,
        "data": base64.b64encode(bytes.fromhex(data)).decode(),
    }}
    for user in deaggregate_records([record]):
        print(user["kinesis"]["partitionKey"], base64.b64decode(user["kinesis"]["data"]).decode())
"#;
    let python = std::env::var("HEADGATE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut child = std::process::Command::new(python)
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success(), "see what Python says above");
    let text = String::from_utf8(output.stdout).unwrap();
    let (keys, values): (Vec<&str>, Vec<&str>) = text
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .unzip();
    assert!(
        keys.iter()
            .zip(&values)
            .all(|(key, value)| value.starts_with(&format!("{key}-")))
    );
    let found = by_key(
        values
            .into_iter()
            .map(|value| Bytes::from(value.to_owned())),
    );
    assert!(found.len() == 100 && found.values().all(|numbers| numbers == &[0, 1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn boto3_reads_what_is_written_one_by_one() {
    let server = Server::local();
    let config = Config {
        aggregate: false,
        ..config(server.endpoint())
    };
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let records = (0..20).flat_map(|n| numbered(&topic, &format!("user{n}"), 0..3));
    append(writer.as_ref(), records.collect()).await;
    let program = r#"
import boto3, sys

kinesis = boto3.client(
    "kinesis", endpoint_url=sys.argv[1], region_name="us-east-1",
    aws_access_key_id="headgate", aws_secret_access_key="headgate-secret",
)
stream = {"StreamName": sys.argv[2]}
for shard in kinesis.list_shards(**stream)["Shards"]:
    at = kinesis.get_shard_iterator(**stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=at["ShardIterator"])["Records"]
    for record in records:
        print(record["PartitionKey"], record["Data"].decode())
"#;
    let python = std::env::var("HEADGATE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = std::process::Command::new(python)
        .args(["-c", program, server.endpoint(), topic.as_str()])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut values = Vec::new();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap();
        assert!(value.starts_with(&format!("{key}-")), "{line}");
        values.push(Bytes::from(value.to_owned()));
    }
    let found = by_key(values);
    assert!(
        found.len() == 20 && found.values().all(|numbers| numbers == &[0, 1, 2]),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_missing_stream_is_made_as_configured_or_refused_by_name() {
    let server = Server::local();
    let mut config = config(server.endpoint());
    config.streams.shards = 3;
    let topic = new_topic("made");
    let topics = std::slice::from_ref(&topic);
    let (one, other) = tokio::join!(writer(&config, topics), writer(&config, topics));
    // Whoever is quicker, both have it.
    assert!(
        one.is_ok() && other.is_ok(),
        "{:?} {:?}",
        one.err(),
        other.err()
    );
    let client = client(&config).await;
    let shards = client
        .list_shards()
        .stream_name(topic.as_str())
        .send()
        .await;
    assert_eq!(shards.unwrap().shards().len(), 3);

    config.streams.mode = Mode::OnDemand;
    let topic = new_topic("on-demand");
    writer(&config, std::slice::from_ref(&topic)).await.unwrap();

    config.streams.create_missing = false;
    let missing = new_topic("missing");
    let refused = writer(&config, std::slice::from_ref(&missing)).await.err();
    assert!(
        matches!(&refused, Some(Error::Missing(name)) if name == missing.as_str()),
        "{refused:?}"
    );
    let later = writer(&config, &[]).await.unwrap();
    let outcomes = later
        .append(vec![record(&missing, "k", "a"), record(&topic, "k", "b")])
        .await;
    assert!(
        matches!(&outcomes[..], [Err(Refusal::NoTopic(reason)), Ok(())] if reason.contains(missing.as_str())),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_stream_may_have_another_name_than_the_topic_or_be_an_arn() {
    let server = Server::local();
    let mut config = config(server.endpoint());
    let stream = new_topic("clicks");
    writer(&config, std::slice::from_ref(&stream))
        .await
        .unwrap();
    let (events, bad_events) = (Topic::new("events"), Topic::new("bad_events"));
    let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}");
    config.streams.names = BTreeMap::from([
        ("events".to_owned(), stream.to_string()),
        ("bad_events".to_owned(), arn),
    ]);
    let writer = writer(&config, &[events.clone(), bad_events.clone()])
        .await
        .unwrap();
    append(
        writer.as_ref(),
        vec![record(&events, "k", "a"), record(&bad_events, "k", "b")],
    )
    .await;
    let mut found = values(&client(&config).await, stream.as_str()).await;
    found.sort();
    assert_eq!(found, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_closed_writer_has_written_what_it_had_and_refuses_more() {
    let server = Server::local();
    let config = Config {
        linger_ms: 1_000,
        ..config(server.endpoint())
    };
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    assert_eq!(writer.append(Vec::new()).await, []);
    assert_eq!(writer.health(), Health::Ready);
    let records = numbered(&topic, "k", 0..10);
    let (outcomes, ()) = tokio::join!(writer.append(records), async {
        tokio::task::yield_now().await;
        writer.close().await;
    });
    assert_eq!(outcomes, vec![Ok(()); 10]);
    let outcomes = writer.append(numbered(&topic, "k", 10..11)).await;
    assert_eq!(outcomes, [Err(Refusal::Closed)]);
    assert!(matches!(writer.health(), Health::Refusing(_)));
}

/// Streams are split and merged while records are written; consumers with Amazon's libraries find each at least once, and
/// those of a key in order.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn nothing_is_lost_to_consumers_when_shards_are_split_and_merged() {
    let server = Server::local();
    let registry = Registry::new();
    let mut config = config(server.endpoint());
    config.streams.shards = 1;
    // Only what lands elsewhere tells of the change.
    config.shards_interval_ms = 3_600_000;
    let topic = new_topic("events");
    let kinesis = opened(&config, &registry).await;
    let writer = kinesis.writer(std::slice::from_ref(&topic)).await.unwrap();
    let client = client(&config).await;
    let keys: Vec<String> = (0..20).map(|n| format!("user{n}")).collect();
    let reshards = || metric(&registry, "headgate_stream_kinesis_reshards_total");
    let mut round = 0;
    for changes in 1..=2 {
        active(&client, topic.as_str()).await;
        let shards = client
            .list_shards()
            .stream_name(topic.as_str())
            .send()
            .await
            .unwrap();
        let open: Vec<_> = shards
            .shards()
            .iter()
            .filter(|shard| {
                shard
                    .sequence_number_range
                    .as_ref()
                    .unwrap()
                    .ending_sequence_number
                    .is_none()
            })
            .map(|shard| shard.shard_id().to_owned())
            .collect();
        if changes == 1 {
            let split = client
                .split_shard()
                .stream_name(topic.as_str())
                .shard_to_split(&open[0]);
            split
                .new_starting_hash_key((u128::MAX / 2).to_string())
                .send()
                .await
                .unwrap();
        } else {
            let merge = client
                .merge_shards()
                .stream_name(topic.as_str())
                .shard_to_merge(&open[0]);
            merge
                .adjacent_shard_to_merge(&open[1])
                .send()
                .await
                .unwrap();
        }
        let deadline = Instant::now() + PATIENCE;
        while reshards() < f64::from(changes) {
            assert!(Instant::now() < deadline, "the change was never noticed");
            let records = keys
                .iter()
                .flat_map(|key| numbered(&topic, key, round..round + 1));
            append(writer.as_ref(), records.collect()).await;
            round += 1;
        }
    }
    let found = by_key(values_of_kcl(&client, topic.as_str()).await);
    for key in keys {
        let mut numbers = found[&key].clone();
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..round), "{key}: {numbers:?}");
        assert_eq!(found[&key], numbers, "{key}");
    }
}
