//! Facts of readers that read from one offset to another.

use rdkafka::mocking::MockCluster;

use super::{broker::Brokers, reading::transactions, *};
use crate::{kafka::Range, log::StreamId};

fn range(topic: &Topic, start: i64, end: i64) -> Range {
    Range {
        topic: topic.to_string(),
        partition: 0,
        start,
        end,
    }
}

async fn open(config: &Config, ranges: Vec<Range>) -> Box<dyn Reader> {
    let config = config.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let stream = StreamId {
            name: "generation.g".to_owned(),
            incarnation: "cluster".to_owned(),
        };
        kafka(&config).range_reader(stream, &ranges)
    });
    opened.await.unwrap().unwrap()
}

/// Reads to the end of the stream; what was found, and where it ended.
async fn to_the_end(reader: &mut dyn Reader, from: &Position) -> (Vec<Bytes>, Position) {
    let (mut found, mut end) = (Vec::new(), from.clone());
    let read = async {
        loop {
            match reader.next().await {
                Ok(Delivery::Assigned(partitions)) => {
                    partitions.iter().for_each(|p| reader.seek(p, from));
                }
                Ok(Delivery::Records(records)) => {
                    assert_eq!(records.follows, end);
                    end = records.end;
                    found.extend(records.values);
                }
                Err(ReadError::Closed) => break,
                Err(ReadError::Unavailable(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("an end");
    (found, end)
}

async fn is_read(config: &Config, range: Range, expected: &[&str]) {
    let what = range.to_string();
    let mut reader = open(config, vec![range]).await;
    let (found, _) = to_the_end(reader.as_mut(), &Position::start()).await;
    assert_eq!(found, values(expected), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_read_from_its_start_to_its_end_and_no_further() {
    let cluster = MockCluster::new(1).unwrap();
    let topic = new_topic("events");
    cluster.create_topic(topic.as_str(), 1, 1).unwrap();
    let config = Config {
        request_deadline_ms: 500,
        ..config(&cluster.bootstrap_servers())
    };
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    append(writer.as_ref(), numbered(&topic, "k", 0..10)).await;
    is_read(&config, range(&topic, 3, 6), &["k-3", "k-4", "k-5"]).await;
    is_read(&config, range(&topic, 8, 10), &["k-8", "k-9"]).await;
    is_read(&config, range(&topic, 5, 5), &[]).await;
    // A second reader goes on behind what the first one read.
    let mut reader = open(&config, vec![range(&topic, 2, 5)]).await;
    let (_, end) = to_the_end(reader.as_mut(), &Position::start()).await;
    let mut again = open(&config, vec![range(&topic, 2, 7)]).await;
    let (found, end) = to_the_end(again.as_mut(), &end).await;
    assert_eq!(found, values(["k-5", "k-6"]));
    let mut done = open(&config, vec![range(&topic, 2, 7)]).await;
    let (found, _) = to_the_end(done.as_mut(), &end).await;
    assert_eq!(found, values([""; 0]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn a_range_ends_also_where_nothing_is_but_what_was_aborted() {
    let brokers = Brokers::shared();
    let config = config(&brokers.bootstrap);
    let topic = new_topic("events");
    writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    transactions(&brokers.bootstrap, &topic).await;
    let all = [
        "0.0", "0.1", "0.2", "2.0", "2.1", "2.2", "4.0", "4.1", "4.2",
    ];
    is_read(&config, range(&topic, 0, 24), &all).await;
    is_read(&config, range(&topic, 2, 8), &["0.2"]).await;
    is_read(&config, range(&topic, 3, 7), &[]).await;
    is_read(&config, range(&topic, 19, 24), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn times_become_offsets_and_what_is_there_is_told() {
    let brokers = Brokers::shared();
    let mut config = config(&brokers.bootstrap);
    config.topics.partitions = 2;
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let now_ms = || {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        i64::try_from(since.as_millis()).unwrap()
    };
    append(writer.as_ref(), numbered(&topic, "k", 0..5)).await;
    // Kafka's clock is this one, in whole milliseconds.
    let between = now_ms() + 1;
    until("the next millisecond", || now_ms() > between).await;
    append(writer.as_ref(), numbered(&topic, "k", 5..8)).await;
    let told = tokio::task::spawn_blocking(move || {
        let kafka = kafka(&config);
        let extents = kafka.extents(std::slice::from_ref(&topic)).unwrap();
        let at = |time| kafka.offsets_at(&extents, time).unwrap();
        let times = [at(0), at(between), at(between + 3_600_000)];
        let missing = kafka.extents(&[Topic::new("no-such-topic")]);
        (extents, times, missing)
    });
    let (extents, [first, second, none], missing) = told.await.unwrap();
    let mut ends: Vec<i64> = extents.iter().map(|range| range.end).collect();
    ends.sort();
    assert_eq!(ends, [0, 8], "one key, one partition: {extents:?}");
    let of = |offsets: &[i64]| {
        let full = extents.iter().position(|range| range.end == 8).unwrap();
        offsets[full]
    };
    assert_eq!((of(&first), of(&second), of(&none)), (0, 5, 8));
    assert!(matches!(missing, Err(Error::NoTopic(_))), "{missing:?}");
}
