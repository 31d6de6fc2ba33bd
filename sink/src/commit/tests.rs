mod ends;
mod scale;

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;

use super::*;
use crate::testing::memory::{Faults, Memory};

fn id() -> StreamId {
    StreamId {
        name: "events".into(),
        incarnation: "i1".into(),
    }
}

async fn open(store: &Memory, checkpoint_commits: u64) -> Log {
    let store: Arc<dyn Store> = Arc::new(store.clone());
    Log::open(store, id(), checkpoint_commits).await.unwrap()
}

fn range(partition: &str, follows: &Position, ends: u64) -> Range {
    Range {
        partition: Partition::new(partition),
        follows: follows.clone(),
        ends: Position::from_number(ends),
    }
}

fn proposal(attempt: &str, ranges: Vec<Range>) -> Proposal {
    Proposal {
        attempt: attempt.into(),
        committed_ms: 1,
        ranges,
        files: vec![File {
            table: "thing_1".into(),
            path: format!("thing_1/dt=2026-11-22/hr=20/{attempt}.parquet"),
            bytes: 10,
            rows: 1,
            crc32c: 0,
            fingerprint: "f".into(),
            received_min_ms: 0,
            received_max_ms: 0,
            text_bytes_max: None,
            second_rows: 0,
        }],
        gaps: vec![],
        duplicates: Vec::new(),
        seen: Vec::new(),
        replaces: vec![],
    }
}

async fn put(log: &mut Log, proposal: &Proposal) -> Result<Outcome, Error> {
    let outcome = log.put(proposal, || {}).await;
    log.checkpoint().await?;
    outcome
}

#[tokio::test]
async fn a_record_is_put_behind_one_that_touches_other_partitions() {
    let store = Memory::new();
    let (mut a, mut b) = (open(&store, 64).await, open(&store, 64).await);
    let start = Position::start();
    let first = put(&mut a, &proposal("a", vec![range("0", &start, 5)])).await;
    assert_eq!(first.unwrap(), Outcome::Committed(1));
    let second = put(&mut b, &proposal("b", vec![range("1", &start, 7)])).await;
    assert_eq!(second.unwrap(), Outcome::Committed(2));
    a.refresh().await.unwrap();
    assert_eq!(a.tail(&Partition::new("1")), Position::from_number(7));
}

#[tokio::test]
async fn of_two_sinks_on_one_partition_the_second_loses_and_learns_where_to_go_on() {
    let store = Memory::new();
    let (mut a, mut b) = (open(&store, 64).await, open(&store, 64).await);
    let start = Position::start();
    let both = vec![range("0", &start, 5), range("1", &start, 9)];
    put(&mut a, &proposal("a", both)).await.unwrap();
    let lost = put(&mut b, &proposal("b", vec![range("1", &start, 8)])).await;
    assert_eq!(lost.unwrap(), Outcome::Conflict);
    assert_eq!(b.tail(&Partition::new("1")), Position::from_number(9));
    assert_eq!(
        Snapshot::read(&store).await.unwrap().files("thing_1").len(),
        1
    );
}

#[tokio::test]
async fn a_lost_reply_is_found_out_by_putting_again() {
    let store = Memory::new();
    let mut log = open(&store, 64).await;
    let proposal = proposal("a", vec![range("0", &Position::start(), 5)]);
    store.fail(Faults {
        seed: 1,
        refused: 0,
        reply_lost: 1_000,
    });
    put(&mut log, &proposal).await.unwrap_err();
    store.fail(Faults::default());
    assert_eq!(
        put(&mut log, &proposal).await.unwrap(),
        Outcome::Committed(1)
    );
    assert_eq!(
        Snapshot::read(&store).await.unwrap().files("thing_1").len(),
        1
    );
}

#[tokio::test]
async fn a_put_dropped_at_any_point_can_be_called_again() {
    for polls in 1.. {
        let store = Memory::new();
        // Another sink's record is in the way, so that a put has several steps.
        let mut log = open(&store, 1).await;
        let start = Position::start();
        let mut other = open(&store, 64).await;
        put(&mut other, &proposal("b", vec![range("1", &start, 1)]))
            .await
            .unwrap();
        let proposal = proposal("a", vec![range("0", &start, 5)]);
        let mut putting = Box::pin(log.put(&proposal, || {}));
        for _ in 0..polls {
            let mut context = Context::from_waker(Waker::noop());
            if putting.as_mut().poll(&mut context).is_ready() {
                assert!(polls > 3, "dropped at {polls} points only");
                return;
            }
            // What waits for its turn within the put is woken by the runtime.
            tokio::task::yield_now().await;
        }
        drop(putting);
        assert_eq!(
            put(&mut log, &proposal).await.unwrap(),
            Outcome::Committed(2)
        );
    }
}

#[tokio::test]
async fn a_start_reads_the_newest_record_alone_and_a_snapshot_checkpoints_and_what_follows() {
    let store = Memory::new();
    let mut log = open(&store, 4).await;
    let mut tail = Position::start();
    for n in 1..=10 {
        put(
            &mut log,
            &proposal(&format!("a{n}"), vec![range("0", &tail, n)]),
        )
        .await
        .unwrap();
        tail = Position::from_number(n);
    }
    let folder = folder(&id());
    // A start that read the early records would not understand them.
    for n in 1..=8 {
        store.delete(&record_path(&folder, n)).await.unwrap();
        store
            .create(&record_path(&folder, n), "{".into())
            .await
            .unwrap();
    }
    assert_eq!(open(&store, 4).await.tail(&Partition::new("0")), tail);
    let snapshot = Snapshot::read(&store).await.unwrap();
    let paths: Vec<&str> = snapshot
        .files("thing_1")
        .iter()
        .map(|f| f.path.as_str())
        .collect();
    assert_eq!(paths.len(), 10);
    assert!(paths[0].ends_with("/a1.parquet") && paths[9].ends_with("/a10.parquet"));
}

#[tokio::test]
async fn a_missing_or_broken_checkpoint_changes_nothing() {
    let store = Memory::new();
    let mut log = open(&store, 2).await;
    let mut tail = Position::start();
    for n in 1..=7 {
        put(
            &mut log,
            &proposal(&format!("a{n}"), vec![range("0", &tail, n)]),
        )
        .await
        .unwrap();
        tail = Position::from_number(n);
    }
    let before = Snapshot::read(&store).await.unwrap();
    let folder = folder(&id());
    store.delete(&checkpoint::path(&folder, 2)).await.unwrap();
    store.delete(&checkpoint::path(&folder, 6)).await.unwrap();
    store
        .create(&checkpoint::path(&folder, 6), "{".into())
        .await
        .unwrap();
    assert_eq!(Snapshot::read(&store).await.unwrap(), before);
    assert_eq!(open(&store, 2).await.tail(&Partition::new("0")), tail);
}

#[tokio::test]
async fn nothing_is_landed_on_top_of_a_record_that_breaks_the_rules() {
    let store = Memory::new();
    let mut log = open(&store, 64).await;
    put(
        &mut log,
        &proposal("a", vec![range("0", &Position::start(), 5)]),
    )
    .await
    .unwrap();
    let folder = folder(&id());
    let first = store.bytes(&record_path(&folder, 1)).unwrap();
    for (bytes, reason) in [
        (first.clone(), "it says that it is sequence 1"),
        ("not json".into(), "not a record"),
        (r#"{"version": 99}"#.into(), "upgrade"),
        (r#"{"version": 1}"#.into(), "by a pre-release of Headgate"),
    ] {
        store.delete(&record_path(&folder, 2)).await.unwrap();
        store.create(&record_path(&folder, 2), bytes).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store.clone());
        let error = Log::open(store, id(), 64).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// Writes the record behind the log's, spoilt by the test.
async fn spoil(store: &Memory, log: &Log, spoil: impl Fn(&mut Record)) {
    let follows = log.tail(&Partition::new("0"));
    let mut record = log.record(&proposal("x", vec![range("0", &follows, 9)]));
    spoil(&mut record);
    let path = record_path(&folder(&id()), record.sequence);
    let bytes = serde_json::to_vec(&record).unwrap();
    store.create(&path, bytes.into()).await.unwrap();
}

#[tokio::test]
async fn a_record_whose_tails_do_not_follow_from_the_one_before_is_found_by_whoever_reads_both() {
    type Spoil = fn(&mut Record);
    let spoils: [(Spoil, &str); 4] = [
        (|r| r.tails[1].ends = Position::from_number(99), "tails"),
        (|r| r.tails.truncate(1), "tails"),
        (
            |r| r.partitions[0].follows = Position::from_number(2),
            "follows",
        ),
        (
            |r| r.tails[0].ends = Position::from_number(8),
            "its tail differs",
        ),
    ];
    for (spoil_it, reason) in spoils {
        let store = Memory::new();
        let (mut log, mut other) = (open(&store, 4).await, open(&store, 4).await);
        let start = Position::start();
        let both = vec![range("0", &start, 5), range("1", &start, 6)];
        put(&mut log, &proposal("a", both)).await.unwrap();
        other.refresh().await.unwrap();
        spoil(&store, &log, spoil_it).await;
        for error in [
            Snapshot::read(&store).await.unwrap_err(),
            other.refresh().await.unwrap_err(),
            put(&mut log, &proposal("b", vec![range("7", &start, 1)]))
                .await
                .unwrap_err(),
        ] {
            let message = error.to_string();
            assert!(
                message.contains(reason) && message.contains("002.json"),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn who_writes_a_checkpoint_finds_a_broken_chain_that_nobody_read() {
    let store = Memory::new();
    let mut log = open(&store, 4).await;
    let start = Position::start();
    put(&mut log, &proposal("a", vec![range("0", &start, 5)]))
        .await
        .unwrap();
    spoil(&store, &log, |record| {
        let ends = Position::from_number(77);
        record.tails.push(Tail {
            partition: Partition::new("9"),
            ends,
            seen: None,
        });
    })
    .await;
    // Who starts now reads the newest record alone, which looks sound.
    let mut late = open(&store, 4).await;
    put(&mut late, &proposal("b", vec![range("1", &start, 1)]))
        .await
        .unwrap();
    let due = put(&mut late, &proposal("c", vec![range("2", &start, 1)])).await;
    let message = due.unwrap_err().to_string();
    assert!(
        message.contains("002.json") && message.contains("tails"),
        "{message}"
    );
}

#[tokio::test]
async fn a_log_that_moved_far_is_caught_up_with_by_reading_its_newest_record_alone() {
    let store = Memory::new();
    let (mut a, mut b) = (open(&store, 1_000).await, open(&store, 1_000).await);
    let mut tail = Position::start();
    for round in 1..=3 {
        for n in 1..=60 {
            let ends = round * 1_000 + n;
            let proposal = proposal(&format!("a{ends}"), vec![range("0", &tail, ends)]);
            put(&mut a, &proposal).await.unwrap();
            tail = Position::from_number(ends);
        }
        let before = store.requests();
        let own = format!("{round}");
        let proposal = proposal(
            &format!("b{round}"),
            vec![range(&own, &Position::start(), 1)],
        );
        assert!(matches!(
            put(&mut b, &proposal).await.unwrap(),
            Outcome::Committed(_)
        ));
        let took = store.requests() - before;
        // The first time it does not know how far to look.
        let (reads_max, creates_max) = if round == 1 { (12, 3) } else { (5, 1) };
        assert!(
            took.reads <= reads_max && took.creates <= creates_max && took.heads <= 20,
            "{round}: {took:?}"
        );
    }
}

#[tokio::test]
async fn an_attempt_in_doubt_is_found_again_though_the_log_has_moved_far_beyond_it() {
    let store = Memory::new();
    let (mut a, mut b) = (open(&store, 64).await, open(&store, 64).await);
    let start = Position::start();
    // `a` knows that others commit: it looks for the end of the log before it tries a place.
    put(&mut b, &proposal("b0", vec![range("x", &start, 1)]))
        .await
        .unwrap();
    put(&mut a, &proposal("a0", vec![range("0", &start, 1)]))
        .await
        .unwrap();
    let doubtful = proposal("a1", vec![range("0", &Position::from_number(1), 5)]);
    // It looks for the end with two requests and dies at the create; then only the create's reply is lost.
    for operations in [2, 1] {
        store.die_after(Some(operations));
        put(&mut a, &doubtful).await.unwrap_err();
    }
    store.die_after(None);
    assert_eq!(
        store.paths().len(),
        3,
        "the record is there, its reply was lost"
    );
    for n in 1..=50 {
        let partition = n.to_string();
        let proposal = proposal(&format!("b{n}"), vec![range(&partition, &start, 1)]);
        put(&mut b, &proposal).await.unwrap();
    }
    assert_eq!(put(&mut a, &doubtful).await.unwrap(), Outcome::Committed(3));
    let next = proposal("a2", vec![range("0", &Position::from_number(5), 6)]);
    assert_eq!(put(&mut a, &next).await.unwrap(), Outcome::Committed(54));
}

#[tokio::test]
async fn the_end_of_a_log_of_any_length_is_found() {
    for newest in [0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 300, 1_024] {
        let store = Memory::new();
        let folder = folder(&id());
        for n in 1..=newest {
            store
                .create(&record_path(&folder, n), "{}".into())
                .await
                .unwrap();
        }
        for seed in 0..20 {
            store.fail(Faults {
                seed,
                refused: if seed == 0 { 0 } else { 300 },
                reply_lost: 0,
            });
            let found = loop {
                if let Ok(found) = tail::newest(&store, &folder).await {
                    break found;
                }
            };
            assert_eq!(found, newest, "seed {seed}");
        }
    }
}

#[tokio::test]
async fn only_the_author_of_the_record_that_makes_a_checkpoint_due_writes_it() {
    let store = Memory::new();
    let (mut a, mut b) = (open(&store, 4).await, open(&store, 4).await);
    let start = Position::start();
    for n in 1..=3 {
        let partition = format!("{n}");
        put(
            &mut a,
            &proposal(&format!("a{n}"), vec![range(&partition, &start, 1)]),
        )
        .await
        .unwrap();
    }
    put(&mut b, &proposal("b", vec![range("0", &start, 1)]))
        .await
        .unwrap();
    let path = checkpoint::path(&folder(&id()), 4);
    let written = store.bytes(&path).unwrap();
    store.delete(&path).await.unwrap();
    a.refresh().await.unwrap();
    put(&mut a, &proposal("a5", vec![range("5", &start, 1)]))
        .await
        .unwrap();
    assert_eq!(store.bytes(&path), None);
    // Nor is it missed for good.
    open(&store, 4).await;
    assert_eq!(store.bytes(&path), Some(written));
}

#[tokio::test]
async fn an_epoch_is_collected_once_and_read_instead_of_its_checkpoints() {
    let store = Memory::new();
    let mut log = open(&store, 64).await;
    let mut tail = Position::start();
    let commits = checkpoint::EPOCH_COMMITS + 100;
    for n in 1..=commits {
        put(
            &mut log,
            &proposal(&format!("{n:05}"), vec![range("0", &tail, n)]),
        )
        .await
        .unwrap();
        tail = Position::from_number(n);
    }
    let folder = folder(&id());
    let epoch = checkpoint::epoch_path(&folder, checkpoint::EPOCH_COMMITS);
    assert!(store.bytes(&epoch).is_some());
    let before = store.operations();
    let snapshot = Snapshot::read(&store).await.unwrap();
    assert_eq!(snapshot.files("thing_1").len() as u64, commits);
    let paths = snapshot.files("thing_1").iter().map(|file| &file.path);
    assert!(paths.is_sorted());
    let operations = store.operations() - before;
    assert!(operations < 150, "{operations}");
    // Without it, the same is read from below it.
    store.delete(&epoch).await.unwrap();
    assert_eq!(Snapshot::read(&store).await.unwrap(), snapshot);
    // And who next writes a checkpoint collects it again.
    let mut log = open(&store, 64).await;
    for n in commits + 1..=commits + 64 {
        put(
            &mut log,
            &proposal(&format!("{n:05}"), vec![range("0", &tail, n)]),
        )
        .await
        .unwrap();
        tail = Position::from_number(n);
    }
    assert!(store.bytes(&epoch).is_some());
}

#[tokio::test]
async fn the_logs_of_all_streams_are_in_a_snapshot() {
    let store = Memory::new();
    let names = ["events", "events-eu", "events.x", "a", "events_2"];
    for name in names {
        for incarnation in ["i1", "i1-b", "i2"] {
            let id = StreamId {
                name: name.into(),
                incarnation: incarnation.into(),
            };
            let shared: Arc<dyn Store> = Arc::new(store.clone());
            let mut log = Log::open(shared, id, 1).await.unwrap();
            let attempt = format!("{name}-{incarnation}");
            put(
                &mut log,
                &proposal(&attempt, vec![range("0", &Position::start(), 1)]),
            )
            .await
            .unwrap();
        }
    }
    let snapshot = Snapshot::read(&store).await.unwrap();
    assert_eq!(snapshot.files("thing_1").len(), names.len() * 3);
}

/// One sink of the model: it lands ranges of whatever length, with retries, until its stream's end.
async fn zombie(store: Memory, name: u64, end: u64, mut random: u64) {
    let mut log = loop {
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        if let Ok(log) = Log::open(shared, id(), 3).await {
            break log;
        }
    };
    let partitions = ["0", "1", "2"];
    for attempt in 0.. {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(name);
        let step = 1 + (random >> 33) % 4;
        let mut ranges = Vec::new();
        for (index, partition) in partitions.iter().enumerate() {
            let tail = log.tail(&Partition::new(partition));
            let at: u64 = tail.as_str().parse().unwrap_or(0);
            if at < end && (random >> (40 + index)) & 1 == 0 {
                ranges.push(range(partition, &tail, (at + step).min(end)));
            }
        }
        let tails = partitions.map(|p| log.tail(&Partition::new(p)));
        if tails.iter().all(|tail| *tail == Position::from_number(end)) {
            return;
        }
        let mut proposal = proposal(&format!("z{name}-{attempt}"), ranges);
        // The file tells what it holds, so that the log can be checked against it.
        proposal.files[0].table = serde_json::to_string(&proposal.ranges).unwrap();
        while put(&mut log, &proposal).await.is_err() {}
    }
}

#[tokio::test]
async fn racing_zombies_under_faults_land_every_position_exactly_once() {
    for seed in 0..40 {
        let store = Memory::new();
        store.fail(Faults {
            seed,
            refused: 100,
            reply_lost: 200,
        });
        let end = 30;
        tokio::join!(
            zombie(store.clone(), 1, end, seed),
            zombie(store.clone(), 2, end, seed + 100),
            zombie(store.clone(), 3, end, seed + 200),
        );
        store.fail(Faults::default());
        let mut landed: BTreeMap<(Partition, u64), u32> = BTreeMap::new();
        each_file(&store, |table, _| {
            let ranges: Vec<Range> = serde_json::from_str(table).unwrap();
            for range in ranges {
                let from: u64 = range.follows.as_str().parse().unwrap_or(0);
                let to: u64 = range.ends.as_str().parse().unwrap();
                for position in from..to {
                    *landed
                        .entry((range.partition.clone(), position))
                        .or_default() += 1;
                }
            }
        })
        .await
        .unwrap();
        assert_eq!(landed.len() as u64, 3 * end, "seed {seed}");
        assert!(
            landed.values().all(|times| *times == 1),
            "seed {seed}: {landed:?}"
        );
    }
}
