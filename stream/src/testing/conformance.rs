//! The one suite that every backend of [`crate::log`] passes: the contracts of [`Writer`] and [`Reader`], as facts.
//!
//! A backend's test hands [`run`] something that makes a fresh, empty stream for each fact.

use std::{collections::BTreeMap, fmt::Debug, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::log::{
    Delivery, Health, Partition, Position, Reader, Record, Records, Refusal, Topic, Writer,
};

/// No fact takes longer, in seconds; a backend that hangs fails.
const FACT_DEADLINE_S: u64 = 60;

/// A fresh stream under test.
pub trait Backend: Send + Sync {
    /// A topic that exists and is empty.
    fn topic(&self) -> Topic;
    /// A writer to it.
    fn writer(&self) -> Arc<dyn Writer>;
    /// The only reader of that group.
    fn reader(&self, group: &str) -> BoxFuture<'_, Box<dyn Reader>>;
    /// The largest record (key and value together) that the stream takes, where a test can reach it.
    fn record_bytes_max(&self) -> Option<usize>;
}

/// Holds the backend to every fact, each on a fresh stream. Panics with the fact that does not hold.
pub async fn run<M, F>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = Box<dyn Backend>>,
{
    macro_rules! facts {
        ($($fact:ident),* $(,)?) => {$(
            let backend = make().await;
            let held = $fact(backend.as_ref());
            let held = tokio::time::timeout(Duration::from_secs(FACT_DEADLINE_S), held).await;
            assert!(held.is_ok(), "{} took over {FACT_DEADLINE_S} s", stringify!($fact));
        )*};
    }
    facts!(
        what_is_appended_is_read_byte_for_byte,
        records_of_a_key_keep_their_order,
        nothing_is_delivered_before_a_seek,
        deliveries_follow_one_another_without_a_gap,
        reading_resumes_right_after_any_end,
        a_seek_discards_what_was_prefetched,
        a_dropped_next_loses_nothing,
        a_waiting_reader_is_woken_by_an_append,
        groups_read_independently_and_agree_on_the_stream,
        a_record_too_large_is_refused_alone,
        an_empty_append_has_no_outcomes,
        lag_counts_what_was_not_passed,
        a_closed_writer_refuses_and_says_so,
    );
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

async fn append(backend: &dyn Backend, records: Vec<Record>) {
    let count = records.len();
    assert_eq!(backend.writer().append(records).await, vec![Ok(()); count]);
}

fn got<T, E: Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("reading failed: {error:?}"),
    }
}

/// A reader that was assigned its partitions, none of them sought.
async fn assigned(backend: &dyn Backend, group: &str) -> (Box<dyn Reader>, Vec<Partition>) {
    let mut reader = backend.reader(group).await;
    match got(reader.next().await) {
        Delivery::Assigned(partitions) => (reader, partitions),
        other => panic!("a reader's first delivery is its assignment, not {other:?}"),
    }
}

async fn from_start(backend: &dyn Backend, group: &str) -> Box<dyn Reader> {
    let (mut reader, partitions) = assigned(backend, group).await;
    partitions
        .iter()
        .for_each(|partition| reader.seek(partition, &Position::start()));
    reader
}

async fn records(reader: &mut dyn Reader) -> Records {
    match got(reader.next().await) {
        Delivery::Records(records) => records,
        other => panic!("records were expected, not {other:?}"),
    }
}

/// Reads until that many values have come; the deliveries in order.
async fn read(reader: &mut dyn Reader, count: usize) -> Vec<Records> {
    let mut deliveries: Vec<Records> = Vec::new();
    while deliveries
        .iter()
        .map(|records| records.values.len())
        .sum::<usize>()
        < count
    {
        deliveries.push(records(reader).await);
    }
    deliveries
}

fn values(deliveries: &[Records]) -> Vec<Bytes> {
    deliveries
        .iter()
        .flat_map(|records| records.values.iter().cloned())
        .collect()
}

async fn what_is_appended_is_read_byte_for_byte(backend: &dyn Backend) {
    let topic = backend.topic();
    let all_bytes: Vec<u8> = (0..=255).collect();
    let mut expected = vec![
        Bytes::new(),
        all_bytes.into(),
        Bytes::from(vec![0; 100_000]),
    ];
    expected.extend((0..500).map(|n| Bytes::from(format!("value {n}"))));
    let keys = ["", "ada", "grace"].into_iter().cycle();
    append(
        backend,
        expected
            .iter()
            .zip(keys)
            .map(|(v, k)| record(&topic, k, v.clone()))
            .collect(),
    )
    .await;
    let mut found = values(&read(from_start(backend, "g").await.as_mut(), expected.len()).await);
    found.sort();
    expected.sort();
    assert!(found == expected, "the values read are not those appended");
}

async fn records_of_a_key_keep_their_order(backend: &dyn Backend) {
    let topic = backend.topic();
    let keys: Vec<String> = (0..7).map(|n| format!("user{n}")).collect();
    for round in 0..10 {
        let calls = keys
            .iter()
            .flat_map(|key| numbered(&topic, key, round * 5..round * 5 + 5));
        append(backend, calls.collect()).await;
    }
    let found = values(&read(from_start(backend, "g").await.as_mut(), 350).await);
    let mut by_key: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for value in found {
        let text = String::from_utf8_lossy(&value).into_owned();
        let (key, number) = text.split_once('-').unwrap_or((&text, ""));
        by_key
            .entry(key.to_owned())
            .or_default()
            .extend(number.parse::<u32>());
    }
    for key in keys {
        assert!(
            by_key[&key].iter().copied().eq(0..50),
            "{key}: {:?}",
            by_key[&key]
        );
    }
}

async fn nothing_is_delivered_before_a_seek(backend: &dyn Backend) {
    append(backend, numbered(&backend.topic(), "k", 0..3)).await;
    let (mut reader, partitions) = assigned(backend, "g").await;
    let early = tokio::time::timeout(Duration::from_millis(100), reader.next()).await;
    assert!(early.is_err(), "delivered before a seek: {early:?}");
    partitions
        .iter()
        .for_each(|partition| reader.seek(partition, &Position::start()));
    assert_eq!(
        values(&read(reader.as_mut(), 3).await),
        ["k-0", "k-1", "k-2"]
    );
}

async fn deliveries_follow_one_another_without_a_gap(backend: &dyn Backend) {
    let topic = backend.topic();
    let mut reader = from_start(backend, "g").await;
    let mut ends: BTreeMap<Partition, Position> = BTreeMap::new();
    for round in 0..8 {
        let calls = (0..40).map(|n| record(&topic, &format!("k{n}"), format!("{round}.{n}")));
        append(backend, calls.collect()).await;
        for delivered in read(reader.as_mut(), 40).await {
            let before = ends
                .remove(&delivered.partition)
                .unwrap_or_else(Position::start);
            assert_eq!(delivered.follows, before, "{}", delivered.partition);
            assert!(delivered.end > before && !delivered.values.is_empty());
            assert!(delivered.appended_ms > 0);
            ends.insert(delivered.partition, delivered.end);
        }
    }
}

async fn reading_resumes_right_after_any_end(backend: &dyn Backend) {
    let topic = backend.topic();
    let mut first = from_start(backend, "first").await;
    for n in 0..6 {
        append(backend, vec![record(&topic, "k", format!("v{n}"))]).await;
        let delivered = records(first.as_mut()).await;
        let (mut second, partitions) = assigned(backend, &format!("second{n}")).await;
        assert!(partitions.contains(&delivered.partition));
        second.seek(&delivered.partition, &delivered.end);
        append(backend, vec![record(&topic, "k", format!("w{n}"))]).await;
        let resumed = records(second.as_mut()).await;
        assert_eq!(resumed.follows, delivered.end);
        assert_eq!(resumed.values, [format!("w{n}")]);
        assert_eq!(records(first.as_mut()).await.values, [format!("w{n}")]);
    }
}

async fn a_seek_discards_what_was_prefetched(backend: &dyn Backend) {
    append(backend, numbered(&backend.topic(), "k", 0..300)).await;
    let mut reader = from_start(backend, "g").await;
    let delivered = records(reader.as_mut()).await;
    reader.seek(&delivered.partition, &Position::start());
    let again = records(reader.as_mut()).await;
    assert_eq!(
        (again.follows, &again.values[0]),
        (Position::start(), &delivered.values[0])
    );
    assert_eq!(again.values[0], "k-0");
}

async fn a_dropped_next_loses_nothing(backend: &dyn Backend) {
    let topic = backend.topic();
    let mut reader = from_start(backend, "g").await;
    let mut found = Vec::new();
    for round in 0..50 {
        append(backend, numbered(&topic, "k", round..round + 1)).await;
        while found.len() <= round as usize {
            // Polled once and dropped, whatever it was about to say.
            if let Some(delivery) = futures_util::FutureExt::now_or_never(reader.next()) {
                match got(delivery) {
                    Delivery::Records(records) => found.extend(records.values),
                    other => panic!("records were expected, not {other:?}"),
                }
            }
            tokio::task::yield_now().await;
        }
    }
    let expected: Vec<String> = (0..50).map(|n| format!("k-{n}")).collect();
    assert_eq!(found, expected);
}

async fn a_waiting_reader_is_woken_by_an_append(backend: &dyn Backend) {
    let mut reader = from_start(backend, "g").await;
    let (delivered, ()) = tokio::join!(records(reader.as_mut()), async {
        append(backend, numbered(&backend.topic(), "k", 0..1)).await;
    });
    assert_eq!(delivered.values, ["k-0"]);
}

async fn groups_read_independently_and_agree_on_the_stream(backend: &dyn Backend) {
    append(backend, numbered(&backend.topic(), "k", 0..3)).await;
    let (mut one, mut two) = (
        from_start(backend, "one").await,
        from_start(backend, "two").await,
    );
    assert_eq!(one.stream(), two.stream());
    let fit =
        |text: &str| !text.is_empty() && !text.contains(['/', '\\']) && !text.starts_with('.');
    assert!(
        fit(&one.stream().name) && fit(&one.stream().incarnation),
        "{:?}",
        one.stream()
    );
    assert_eq!(values(&read(one.as_mut(), 3).await), ["k-0", "k-1", "k-2"]);
    assert_eq!(values(&read(two.as_mut(), 3).await), ["k-0", "k-1", "k-2"]);
}

async fn a_record_too_large_is_refused_alone(backend: &dyn Backend) {
    let Some(bytes_max) = backend.record_bytes_max() else {
        return;
    };
    let topic = backend.topic();
    let large = record(&topic, "k", vec![b'x'; bytes_max]);
    let calls = vec![record(&topic, "k", "a"), large, record(&topic, "k", "b")];
    let outcomes = backend.writer().append(calls).await;
    assert!(
        matches!(
            outcomes[..],
            [Ok(()), Err(Refusal::TooLarge { .. }), Ok(())]
        ),
        "{outcomes:?}"
    );
    assert!(
        outcomes[1]
            .as_ref()
            .is_err_and(|refusal| !refusal.retriable())
    );
    assert_eq!(
        values(&read(from_start(backend, "g").await.as_mut(), 2).await),
        ["a", "b"]
    );
}

async fn an_empty_append_has_no_outcomes(backend: &dyn Backend) {
    assert_eq!(backend.writer().append(Vec::new()).await, []);
}

async fn lag_counts_what_was_not_passed(backend: &dyn Backend) {
    append(backend, numbered(&backend.topic(), "k", 0..9)).await;
    let mut reader = from_start(backend, "g").await;
    let delivered = read(reader.as_mut(), 9).await;
    let lag = |reader: &dyn Reader| -> Option<u64> {
        reader
            .lag()
            .iter()
            .map(|lag| lag.records)
            .sum::<Option<u64>>()
    };
    assert!(
        lag(reader.as_ref()).is_none_or(|records| records == 9),
        "{:?}",
        reader.lag()
    );
    let last = &delivered[delivered.len() - 1];
    reader.passed(&last.partition, &last.end);
    assert!(
        lag(reader.as_ref()).is_none_or(|records| records == 0),
        "{:?}",
        reader.lag()
    );
    assert!(
        reader.lag().iter().all(|lag| lag.age == Duration::ZERO),
        "{:?}",
        reader.lag()
    );
}

async fn a_closed_writer_refuses_and_says_so(backend: &dyn Backend) {
    let writer = backend.writer();
    append(backend, numbered(&backend.topic(), "k", 0..1)).await;
    assert_eq!(writer.health(), Health::Ready);
    writer.close().await;
    let outcomes = writer.append(numbered(&backend.topic(), "k", 1..2)).await;
    assert_eq!(outcomes, [Err(Refusal::Closed)]);
    assert!(matches!(writer.health(), Health::Refusing(_)));
}
