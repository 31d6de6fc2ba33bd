use super::*;
use crate::testing::memory::Memory;

const RECORD: &str = r#"{"version":2,"stream":"s","incarnation":"i","sequence":1,"attempt":"a","committed_ms":0,
    "partitions":[],"tails":[],"uncovered":{"first":1,"files":1,"due":false},"files":[{"table":"t_1","path":"t_1/dt=2026-11-22/hr=20/kept.parquet","bytes":1,"rows":1,"crc32c":0,
    "fingerprint":"f","received_min_ms":0,"received_max_ms":0}]}"#;

/// What is written is as old as the first says, whoever wrote it.
fn cuts(written_ms: i64, replaced_ms: i64) -> Cuts {
    Cuts {
        landed_ms: written_ms,
        compacted_ms: written_ms,
        replaced_ms,
    }
}

#[tokio::test]
async fn only_old_data_files_that_no_commit_names_are_removed() {
    let store = Memory::new();
    store.set_time(1_000);
    for path in [
        "t_1/dt=2026-11-22/hr=20/kept.parquet",
        "t_1/dt=2026-11-22/hr=20/orphan.parquet",
        "t_1/dt=2026-11-22/notes.txt",
        "_commits/s/i/_checkpoints/00000000000000000009.json",
        "README",
    ] {
        store.create(path, "x".into()).await.unwrap();
    }
    store
        .create("_commits/s/i/00000000000000000001.json", RECORD.into())
        .await
        .unwrap();
    store.set_time(5_000);
    store
        .create("t_1/dt=2026-11-22/hr=20/young.parquet", "x".into())
        .await
        .unwrap();
    let before = store.paths();
    assert_eq!(sweep(&store, cuts(5_000, 0)).await.unwrap(), 1);
    let orphan = "t_1/dt=2026-11-22/hr=20/orphan.parquet";
    let left: Vec<String> = before.into_iter().filter(|path| path != orphan).collect();
    assert_eq!(store.paths(), left);
}

#[tokio::test]
async fn nothing_is_removed_when_the_commits_cannot_be_read() {
    let store = Memory::new();
    store
        .create("t_1/dt=2026-11-22/hr=20/kept.parquet", "x".into())
        .await
        .unwrap();
    store
        .create("_commits/s/i/00000000000000000001.json", "{".into())
        .await
        .unwrap();
    sweep(&store, cuts(5_000, 0)).await.unwrap_err();
    assert_eq!(store.paths().len(), 2);
}

const REPLACING: &str = r#"{"version":2,"stream":"_compact","incarnation":"0","sequence":1,"attempt":"a","committed_ms":7000,
    "partitions":[],"tails":[],"uncovered":{"first":1,"files":2,"due":false},"files":[{"table":"t_1",
    "path":"t_1/dt=2026-11-22/hr=20/compact-new.parquet","bytes":1,"rows":1,"crc32c":0,"fingerprint":"f",
    "received_min_ms":0,"received_max_ms":0}],"replaces":["t_1/dt=2026-11-22/hr=20/kept.parquet"]}"#;

#[tokio::test]
async fn what_was_replaced_stays_for_its_grace_and_is_removed_then() {
    let store = Memory::new();
    store.set_time(1_000);
    let (old, new) = (
        "t_1/dt=2026-11-22/hr=20/kept.parquet",
        "t_1/dt=2026-11-22/hr=20/compact-new.parquet",
    );
    for (path, bytes) in [
        (old, "x"),
        (new, "x"),
        ("_commits/s/i/00000000000000000001.json", RECORD),
        ("_commits/_compact/0/00000000000000000001.json", REPLACING),
    ] {
        store.create(path, bytes.into()).await.unwrap();
    }
    assert_eq!(sweep(&store, cuts(5_000, 7_000)).await.unwrap(), 0);
    assert_eq!(sweep(&store, cuts(5_000, 7_001)).await.unwrap(), 1);
    assert!(store.bytes(old).is_none() && store.bytes(new).is_some());
    assert_eq!(sweep(&store, cuts(i64::MAX, i64::MAX)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_compactors_files_stay_for_their_grace_whatever_is_said_of_sinks() {
    let store = Memory::new();
    store.set_time(5_000);
    let young = "t_1/dt=2026-11-22/hr=20/compact-a-00000-f-0.parquet";
    for path in [young, "t_1/dt=2026-11-22/hr=20/s-a-00000-f-0.parquet"] {
        store.create(path, "x".into()).await.unwrap();
    }
    let cuts = Cuts {
        landed_ms: i64::MAX,
        compacted_ms: 5_000,
        replaced_ms: 0,
    };
    assert_eq!(sweep(&store, cuts).await.unwrap(), 1);
    assert_eq!(store.paths(), [young]);
    let later = Cuts {
        compacted_ms: 5_001,
        ..cuts
    };
    assert_eq!(sweep(&store, later).await.unwrap(), 1);
    assert_eq!(store.paths(), [""; 0]);
}

#[test]
fn the_grace_of_what_was_replaced_begins_when_the_compaction_can_be_committed_no_more() {
    let mut config = Config {
        orphan_grace_ms: 1_000_000,
        ..Config::default()
    };
    config.compact.replaced_grace_ms = 100_000;
    config.compact.deadline_ms = 30_000;
    let cuts = Cuts::of(&config, 2_000_000);
    assert_eq!(
        (cuts.landed_ms, cuts.compacted_ms, cuts.replaced_ms),
        (1_000_000, 1_000_000, 1_870_000)
    );
    // No compaction takes longer than half of the other grace either.
    config.compact.deadline_ms = u64::MAX;
    assert_eq!(Cuts::of(&config, 2_000_000).replaced_ms, 1_400_000);
}

#[tokio::test]
async fn commit_logs_are_not_listed_with_the_files_and_files_on_all_pages_are_swept() {
    let store = Memory::new();
    for n in 0..2_500 {
        for path in [
            format!("T_1/dt=2026-11-22/hr=20/{n:04}.parquet"),
            format!("_commits/s/i/_checkpoints/{n:020}.json"),
            format!("t_1/dt=2026-11-22/hr=20/{n:04}.parquet"),
        ] {
            store.create(&path, "x".into()).await.unwrap();
        }
    }
    let kept = "t_1/dt=2026-11-22/hr=20/kept.parquet";
    let record = "_commits/s/i/00000000000000000001.json";
    for (path, bytes) in [(kept, "x"), (record, RECORD)] {
        store.create(path, bytes.into()).await.unwrap();
    }
    let before = store.requests();
    assert_eq!(sweep(&store, cuts(i64::MAX, 0)).await.unwrap(), 5_000);
    assert!(store.bytes(kept).is_some());
    assert_eq!(store.paths().len(), 2_502);
    // Three pages up to the logs, which end on the third, and three behind them, twice; five for the logs, and
    // one each for what loads have left and for ids of landed events.
    assert_eq!((store.requests() - before).lists, 2 * 6 + 5 + 1 + 1);
}

#[tokio::test]
async fn nothing_is_removed_on_answers_that_a_log_has_no_records() {
    let store = Memory::new();
    let (kept, record) = (
        "t_1/dt=2026-11-22/hr=20/kept.parquet",
        "_commits/s/i/00000000000000000001.json",
    );
    for (path, bytes) in [(kept, "x"), (record, RECORD)] {
        store.create(path, bytes.into()).await.unwrap();
    }
    store.deny(record, u32::MAX);
    assert_eq!(sweep(&store, cuts(i64::MAX, i64::MAX)).await.unwrap(), 0);
    assert!(store.bytes(kept).is_some());
}

#[tokio::test]
async fn what_loads_have_left_behind_is_removed_when_it_is_old() {
    let store = Memory::new();
    store.set_time(1_000);
    for n in 0..PAGE_OBJECTS + 2 {
        let path = format!("{LOADS}t_1/{n:05}-0.manifest");
        store.create(&path, "{}".into()).await.unwrap();
    }
    store.set_time(5_000);
    let young = format!("{LOADS}t_1/young-0.manifest");
    store.create(&young, "{}".into()).await.unwrap();
    let removed = sweep(&store, cuts(5_000, 0)).await.unwrap();
    assert_eq!(removed, PAGE_OBJECTS as u64 + 2);
    assert_eq!(store.paths(), [young]);
}
