use super::*;
use crate::testing::memory::Memory;

const RECORD: &str = r#"{"version":2,"stream":"s","incarnation":"i","sequence":1,"attempt":"a","committed_ms":0,
    "partitions":[],"tails":[],"uncovered":{"first":1,"files":1,"due":false},"files":[{"table":"t_1","path":"t_1/dt=2026-11-22/hr=20/kept.parquet","bytes":1,"rows":1,"crc32c":0,
    "fingerprint":"f","received_min_ms":0,"received_max_ms":0}]}"#;

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
    assert_eq!(sweep(&store, 5_000, 0).await.unwrap(), 1);
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
    sweep(&store, 5_000, 0).await.unwrap_err();
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
    assert_eq!(sweep(&store, 5_000, 7_000).await.unwrap(), 0);
    assert_eq!(sweep(&store, 5_000, 7_001).await.unwrap(), 1);
    assert!(store.bytes(old).is_none() && store.bytes(new).is_some());
    assert_eq!(sweep(&store, i64::MAX, i64::MAX).await.unwrap(), 0);
}
