use super::*;
use crate::{health::Health, retry::Retry, store::Store, testing::memory::Memory};

fn stream() -> StreamId {
    StreamId {
        name: "events".to_owned(),
        incarnation: "i".to_owned(),
    }
}

fn seen(events_max: u64) -> Seen {
    let config = Config {
        dedup_events_max: events_max,
        ..Config::default()
    };
    Seen::new(&config, &stream()).unwrap()
}

fn partition(n: u32) -> Partition {
    Partition::new(&n.to_string())
}

/// Lands these ids of a partition, and keeps them in the store.
async fn land(
    seen: &mut Seen,
    store: &Memory,
    (name, at_ms): (&str, i64),
    ids: &[(u32, std::ops::Range<Id>)],
) {
    for (of, ids) in ids {
        for id in ids.clone() {
            seen.window(&partition(*of)).take(id, at_ms);
        }
    }
    if let Some(keep) = seen.keep().unwrap() {
        store.create(&seen.path(name), keep.bytes).await.unwrap();
    }
    seen.landed(name, at_ms);
}

async fn loaded(store: &Memory, newest: &[(u32, &str)], events_max: usize) -> (Seen, Vec<String>) {
    let newest = newest
        .iter()
        .map(|(n, name)| (partition(*n), (*name).to_owned()));
    let newest: Vec<_> = newest.collect();
    let (mut seen, mut missing) = (seen(events_max as u64), Vec::new());
    let failures = prometheus::IntCounter::new("failures", "of the store").unwrap();
    let retry = Retry::new(
        &Config::default(),
        failures,
        Health::new(Default::default()),
    );
    let folder = seen.folder().to_owned();
    let unread = |name: &str, _: &str| missing.push(name.to_owned());
    for loaded in load((store, &retry), &folder, &newest, events_max, unread).await {
        seen.restore(loaded);
    }
    (seen, missing)
}

#[test]
fn an_event_is_known_by_its_source_type_and_id() {
    let mut scratch = Vec::new();
    let mut id = |source, kind, id| id_of(source, kind, id, &mut scratch);
    let first = id("web", "order", "1");
    assert_eq!(first, id("web", "order", "1"));
    for other in [
        id("app", "order", "1"),
        id("web", "refund", "1"),
        id("web", "order", "2"),
        id("weborder", "", "1"),
        id("web", "", "order1"),
    ] {
        assert_ne!(first, other);
    }
}

#[tokio::test]
async fn who_reads_the_partitions_next_knows_what_landed_of_them() {
    let store = Memory::new();
    let mut first = seen(10_000);
    land(&mut first, &store, ("a", 1), &[(0, 1..10), (1, 10..20)]).await;
    land(&mut first, &store, ("b", 2), &[(0, 20..30)]).await;
    let (mut next, missing) = loaded(&store, &[(0, "b"), (1, "a")], 10_000).await;
    assert_eq!(missing, Vec::<String>::new());
    for (of, ids) in [(0, 1..10), (1, 10..20), (0, 20..30)] {
        for id in ids {
            assert!(!next.window(&partition(of)).take(id, 3), "{id}");
        }
    }
    assert!(
        next.window(&partition(1)).take(1, 3),
        "it landed in another partition"
    );
}

#[tokio::test]
async fn a_missing_object_is_told_and_the_others_are_read() {
    let store = Memory::new();
    let mut first = seen(10_000);
    for (name, ids) in [("a", 1..10), ("b", 10..20), ("c", 20..30)] {
        land(&mut first, &store, (name, 1), &[(0, ids)]).await;
    }
    store.delete(&first.path("b")).await.unwrap();
    let (mut next, missing) = loaded(&store, &[(0, "c")], 10_000).await;
    assert_eq!(missing, ["b"]);
    assert!(!next.window(&partition(0)).take(1, 3));
    assert!(next.window(&partition(0)).take(10, 3));
    assert!(!next.window(&partition(0)).take(20, 3));
}

#[tokio::test]
async fn no_more_is_read_than_may_be_remembered_and_the_newest_of_all() {
    let store = Memory::new();
    let mut first = seen(100_000);
    for n in 0..20_u32 {
        let from = Id::from(n) * 2_000;
        let ids = [(0, from + 1..from + 1_001), (1, from + 1_001..from + 2_001)];
        land(&mut first, &store, (&n.to_string(), n.into()), &ids).await;
    }
    let (mut next, _) = loaded(&store, &[(0, "19"), (1, "19")], 6_000).await;
    assert_eq!(next.extent().events, 6_000);
    for of in 0..2 {
        let last = 38_001 + Id::from(of) * 1_000;
        assert!(!next.window(&partition(of)).take(last, 20));
    }
}

#[tokio::test]
async fn what_is_remembered_of_all_partitions_is_bounded() {
    let store = Memory::new();
    let mut seen = seen(1_000);
    land(&mut seen, &store, ("a", 1), &[(0, 1..601), (1, 601..701)]).await;
    land(&mut seen, &store, ("b", 900_000), &[(1, 701..1_101)]).await;
    assert_eq!(seen.extent().events, 1_000);
    assert_eq!(seen.extent().span_ms, 899_999);
    land(&mut seen, &store, ("c", 1_800_000), &[(0, 2_000..2_999)]).await;
    assert_eq!(seen.extent().events, 1_000);
    assert!(
        seen.window(&partition(1)).take(601, 2_000_000),
        "the oldest are gone"
    );
}
