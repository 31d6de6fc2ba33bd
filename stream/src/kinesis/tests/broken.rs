//! Facts of writing through a proxy that breaks requests: what Kinesis and a network do now and then.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use serde_json::Value;

use super::{
    server::{client, values},
    *,
};
use crate::{
    kinesis::Order,
    spill::{Digest, Search},
    testing::{
        proxy::{Fault, Proxy, Request},
        puts::{self, THROTTLED},
    },
};

/// Settings to write through the proxy with short waits.
fn through(proxy: &Proxy) -> Config {
    Config {
        request_timeout_ms: 1_000,
        backoff_min_ms: 5,
        backoff_max_ms: 50,
        // Faults come far more often than any real shard's, and each lowers the rate.
        shard_bytes_per_s_max: 1 << 30,
        shard_records_per_s_max: 1_000_000,
        ..config(&proxy.endpoint())
    }
}

/// The plan for requests that write; all others pass.
fn writes(mut plan: impl FnMut(&Request) -> Fault) -> impl FnMut(&Request) -> Fault {
    move |request| match request.operation.as_str() {
        "PutRecords" => plan(request),
        _ => Fault::None,
    }
}

/// Of the records of a request that writes, those fail for which `code` says how; the others are passed on.
fn some_fail(request: &Request, code: impl FnMut(usize) -> Option<&'static str>) -> Fault {
    puts::some_fail(request, code).unwrap()
}

/// SplitMix64.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Whether the first occurrences of all numbers come in order.
fn in_order(numbers: &[u32]) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    let firsts: Vec<u32> = numbers
        .iter()
        .copied()
        .filter(|number| seen.insert(*number))
        .collect();
    firsts.is_sorted()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn records_of_a_key_keep_their_order_however_parts_of_requests_fail() {
    let server = Server::kinesalite();
    for seed in 0..4 {
        let proxy = Proxy::start(server.endpoint()).await.unwrap();
        let config = Config {
            aggregate: seed % 2 == 0,
            ..through(&proxy)
        };
        let topic = new_topic("events");
        let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
        let mut state = seed;
        proxy.plan(writes(move |request| match draw(&mut state) % 10 {
            0 => Fault::Answer(500, "InternalFailure"),
            1 => Fault::CutBefore,
            2 => Fault::CutAfter,
            3 => Fault::Answer(400, THROTTLED),
            4..=7 => some_fail(request, |_| match draw(&mut state) % 3 {
                0 => Some(THROTTLED),
                1 => Some("InternalFailure"),
                _ => None,
            }),
            _ => Fault::None,
        }));
        // Appends that overlap, each with several records of several keys.
        let appends = (0..8).map(|user| {
            let (writer, topic) = (Arc::clone(&writer), topic.clone());
            tokio::spawn(async move {
                for round in 0..10 {
                    let of = |key: String| numbered(&topic, &key, round * 5..round * 5 + 5);
                    let mut records = of(format!("{user}a"));
                    records.extend(of(format!("{user}b")));
                    append(writer.as_ref(), records).await;
                }
            })
        });
        for appended in appends.collect::<Vec<_>>() {
            appended.await.unwrap();
        }
        let direct = client(&self::config(server.endpoint())).await;
        let found = by_key(values(&direct, topic.as_str()).await);
        assert_eq!(found.len(), 16, "seed {seed}");
        for (key, numbers) in found {
            assert!(in_order(&numbers), "seed {seed}, {key}: {numbers:?}");
            let unique: std::collections::BTreeSet<u32> = numbers.iter().copied().collect();
            assert_eq!(unique.len(), 50, "seed {seed}, {key}: {numbers:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn without_order_every_record_is_still_written() {
    let server = Server::kinesalite();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let config = Config {
        order: Order::None,
        aggregate: false,
        ..through(&proxy)
    };
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let mut state = 7;
    proxy.plan(writes(move |request| {
        some_fail(request, |_| {
            draw(&mut state).is_multiple_of(2).then_some(THROTTLED)
        })
    }));
    append(writer.as_ref(), numbered(&topic, "k", 0..300)).await;
    let direct = client(&self::config(server.endpoint())).await;
    let mut found = by_key(values(&direct, topic.as_str()).await);
    let numbers = found.get_mut("k").unwrap();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..300), "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn throttling_slows_and_ends_in_a_refusal_of_what_was_certainly_not_written() {
    let server = Server::kinesalite();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let registry = Registry::new();
    let config = Config {
        produce_deadline_ms: 2_000,
        ..through(&proxy)
    };
    let topic = new_topic("events");
    let kinesis = opened(&config, &registry).await;
    let writer = kinesis.writer(std::slice::from_ref(&topic)).await.unwrap();
    let tries = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&tries);
    proxy.plan(writes(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Fault::Answer(400, THROTTLED)
    }));
    let began = Instant::now();
    let outcomes = writer.append(numbered(&topic, "k", 0..3)).await;
    assert!(began.elapsed() >= Duration::from_millis(1_900));
    for outcome in outcomes {
        assert!(
            matches!(&outcome, Err(Refusal::Unsent(reason)) if reason.contains(THROTTLED)
                && reason.contains("produce_deadline_ms")),
            "{outcome:?}"
        );
    }
    assert!(matches!(writer.health(), Health::Refusing(_)));
    let tried = tries.load(Ordering::Relaxed);
    assert!((5..400).contains(&tried), "{tried} tries");
    let throttled = metric(&registry, "headgate_stream_kinesis_throttled_total");
    assert_eq!(throttled, tried as f64);
    until("the shard's rate is lowered", || {
        let rates = metric(&registry, "headgate_stream_kinesis_shard_rate_ratio");
        rates > 0.0 && rates < 2.0
    })
    .await;
    proxy.plan(|_| Fault::None);
    append(writer.as_ref(), numbered(&topic, "k", 3..4)).await;
    assert_eq!(writer.health(), Health::Ready);
    let direct = client(&self::config(server.endpoint())).await;
    assert_eq!(values(&direct, topic.as_str()).await, ["k-3"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_reply_that_is_lost_makes_a_record_twice_but_never_a_false_refusal() {
    let server = Server::kinesalite();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let config = Config {
        produce_deadline_ms: 3_000,
        ..through(&proxy)
    };
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let direct = client(&self::config(server.endpoint())).await;
    for (n, fault) in [
        Fault::CutAfter,
        Fault::AnswerAfter(500, "InternalFailure"),
        Fault::Delay(Duration::from_millis(1_500)),
        Fault::Truncate(100),
    ]
    .into_iter()
    .enumerate()
    {
        let left = Mutex::new(Some(fault.clone()));
        proxy.plan(writes(move |_| {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            left.take().unwrap_or(Fault::None)
        }));
        let key = format!("once{n}");
        append(writer.as_ref(), numbered(&topic, &key, 0..1)).await;
        let found = by_key(values(&direct, topic.as_str()).await);
        // A request that was delayed may still come.
        assert!((1..=2).contains(&found[&key].len()), "{fault:?}: {found:?}");
        proxy.plan(writes(move |_| fault.clone()));
        let outcomes = writer.append(numbered(&topic, "never", 0..1)).await;
        assert!(
            matches!(outcomes[..], [Err(Refusal::Unavailable(_))]),
            "{outcomes:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn what_will_not_succeed_is_refused_at_once_and_one_shards_trouble_is_not_anothers() {
    let server = Server::kinesalite();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let topic = new_topic("events");
    let config = through(&proxy);
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    proxy.plan(writes(|_| Fault::Answer(400, "AccessDeniedException")));
    let outcomes = writer.append(numbered(&topic, "k", 0..2)).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(Refusal::Unsent(reason))
            if reason.contains("AccessDeniedException"))),
        "{outcomes:?}"
    );
    // Keys of both shards; the first record of each request is never taken while there are two.
    proxy.plan(writes(|request| {
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        match asked["Records"].as_array().unwrap().len() {
            1 => Fault::None,
            _ => some_fail(request, |n| (n == 0).then_some(THROTTLED)),
        }
    }));
    let records: Vec<Record> = (0..50)
        .flat_map(|n| numbered(&topic, &format!("user{n}"), 0..1))
        .collect();
    append(writer.as_ref(), records).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_stream_that_is_deleted_is_made_anew_for_the_next_record() {
    let server = Server::local();
    let config = config(server.endpoint());
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    append(writer.as_ref(), numbered(&topic, "k", 0..1)).await;
    let direct = client(&config).await;
    let deleted = direct.delete_stream().stream_name(topic.as_str()).send();
    deleted.await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let outcomes = writer.append(numbered(&topic, "k", 1..2)).await;
        // Until the stream is really gone, the record may still be written to it.
        if outcomes[0].is_ok() && values(&direct, topic.as_str()).await == ["k-1"] {
            break;
        }
        assert!(Instant::now() < deadline, "{outcomes:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listening_is_an_error_at_the_start_and_a_writer_without_topics_waits_for_it() {
    let config = Config {
        request_deadline_ms: 500,
        ..config("http://127.0.0.1:1")
    };
    let topic = new_topic("events");
    let refused = writer(&config, std::slice::from_ref(&topic)).await.err();
    assert!(
        matches!(refused, Some(Error::Unreachable { .. })),
        "{refused:?}"
    );
    let waiting = writer(&config, &[]).await.unwrap();
    let outcomes = waiting.append(numbered(&topic, "k", 0..1)).await;
    assert!(
        matches!(outcomes[..], [Err(Refusal::Unsent(_))]),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_full_queue_refuses_and_is_never_grown() {
    let server = Server::kinesalite();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let config = Config {
        queue_records_max: 10,
        produce_deadline_ms: 1_500,
        ..through(&proxy)
    };
    let topic = new_topic("events");
    let writer = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    proxy.plan(writes(|_| Fault::Answer(400, THROTTLED)));
    let outcomes = writer.append(numbered(&topic, "k", 0..12)).await;
    let full = |outcome: &Outcome| matches!(outcome, Err(Refusal::Unsent(reason)) if reason.contains("full"));
    assert_eq!(outcomes.iter().filter(|outcome| full(outcome)).count(), 2);
    assert!(full(&outcomes[10]) && full(&outcomes[11]), "{outcomes:?}");
    proxy.plan(|_| Fault::None);
    append(writer.as_ref(), numbered(&topic, "k", 0..10)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn values_whose_fate_is_open_are_found_as_often_as_they_are_there() {
    for server in [Server::local(), Server::kinesalite()] {
        let config = config(server.endpoint());
        let topic = new_topic("events");
        let began_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let kinesis = opened(&config, &Registry::new()).await;
        let primary = kinesis.primary(&[]).await.unwrap();
        primary.reach(vec![topic.clone()]).await.unwrap();
        let twice = record(&topic, "k", "twice");
        for _ in 0..2 {
            let mut records = numbered(&topic, "other", 0..20);
            records.push(twice.clone());
            append(primary.as_ref(), records).await;
        }
        append(primary.as_ref(), vec![record(&topic, "l", "once")]).await;
        let wanted = ["twice", "once", "never"].map(|value| Digest::of(value.as_bytes()));
        let search = Search {
            topics: vec![topic],
            since_ms: i64::try_from(began_ms).unwrap(),
            wanted: wanted.into(),
        };
        let found = primary.find(search).await.unwrap();
        assert_eq!(found, [(wanted[0], 2), (wanted[1], 1)].into());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn values_whose_fate_is_open_are_found_while_others_go_on_writing() {
    let server = Server::local();
    let config = config(server.endpoint());
    let topic = new_topic("events");
    let began_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let primary = opened(&config, &Registry::new()).await;
    let primary = primary.primary(&[]).await.unwrap();
    append(primary.as_ref(), vec![record(&topic, "k", "once")]).await;
    let others = writer(&config, std::slice::from_ref(&topic)).await.unwrap();
    let written = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&written);
    let of_others = topic.clone();
    let writing = tokio::spawn(async move {
        loop {
            append(others.as_ref(), numbered(&of_others, "other", 0..10)).await;
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    until("others write", || written.load(Ordering::Relaxed) > 0).await;
    let wanted = Digest::of(b"once");
    let search = Search {
        topics: vec![topic],
        since_ms: i64::try_from(began_ms).unwrap(),
        wanted: [wanted].into(),
    };
    let found = tokio::time::timeout(PATIENCE, primary.find(search)).await;
    writing.abort();
    assert_eq!(found.expect("an end").unwrap(), [(wanted, 1)].into());
}
