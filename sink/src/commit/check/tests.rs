use super::*;
use crate::testing::memory::Memory;

fn record(sequence: u64, follows: &str, ends: &str, file: &str) -> (String, String) {
    let text = format!(
        r#"{{"version":{version},"stream":"s","incarnation":"i","sequence":{sequence},"attempt":"a","committed_ms":0,
        "partitions":[{{"partition":"0","follows":"{follows}","ends":"{ends}"}}],
        "tails":[{{"partition":"0","ends":"{ends}"}}],"uncovered":{{"first":1,"files":1,"due":false}},
        "files":[{{"table":"t_1","path":"{file}","bytes":1,"rows":2,"crc32c":0,"fingerprint":"f","received_min_ms":0,
        "received_max_ms":0}}]}}"#,
        version = super::super::VERSION,
    );
    (record_path("_commits/s/i/", sequence), text)
}

fn file(name: &str) -> String {
    format!("t_1/dt=2026-11-22/hr=20/{name}.parquet")
}

/// A store with three records, as far as `keep` wants them, and the files of each.
async fn store(keep: impl Fn(u64) -> bool) -> Memory {
    let store = Memory::new();
    for (sequence, follows, ends) in [(1, "", "5"), (2, "5", "7"), (3, "7", "9")] {
        let file = file(&sequence.to_string());
        store.create(&file, "x".into()).await.unwrap();
        let (path, text) = record(sequence, follows, ends, &file);
        if keep(sequence) {
            store.create(&path, text.into()).await.unwrap();
        }
    }
    let checkpoint = "_commits/s/i/_checkpoints/00000000000000000009.json";
    store.create(checkpoint, "{}".into()).await.unwrap();
    store
}

#[tokio::test]
async fn a_whole_log_has_no_faults() {
    let store = store(|_| true).await;
    store.create(&file("young"), "x".into()).await.unwrap();
    let found = check(&store, 9).await.unwrap();
    assert_eq!(found.logs, [("s/i".to_owned(), 3)]);
    assert_eq!((found.files, found.rows, found.unnamed), (3, 6, 1));
    assert_eq!((found.faults, found.named_faults), (0, vec![]));
}

#[tokio::test]
async fn a_gap_in_a_log_and_what_it_breaks_are_found() {
    let found = check(&store(|sequence| sequence != 2).await, 9)
        .await
        .unwrap();
    assert_eq!(found.logs, [("s/i".to_owned(), 2)]);
    assert_eq!((found.faults, found.unnamed), (2, 1));
    assert!(
        found.named_faults[0].contains("00002.json is missing"),
        "{found:?}"
    );
    assert!(
        found.named_faults[1].contains("0 follows 7 there, but its tail is 5"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_file_that_is_gone_or_of_another_size_or_named_twice_is_found() {
    let store = store(|_| true).await;
    store.delete(&file("1")).await.unwrap();
    store.delete(&file("2")).await.unwrap();
    store.create(&file("2"), "xx".into()).await.unwrap();
    let (path, text) = record(4, "9", "11", &file("3"));
    store.create(&path, text.into()).await.unwrap();
    let found = check(&store, 2).await.unwrap();
    assert_eq!(
        (found.faults, found.named_faults.len()),
        (3, 2),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_compactors_replaced_may_be_gone_but_must_have_been_named() {
    let store = store(|_| true).await;
    store.delete(&file("1")).await.unwrap();
    let large = file("large");
    store.create(&large, "x".into()).await.unwrap();
    let (_, text) = record(1, "", "1", &large);
    let replaces = |other: &str| {
        let files = [file("1"), file("2"), other.to_owned()];
        text.replace(
            r#""files":[{"#,
            &format!(r#""replaces":{},"files":[{{"#, serde_json::json!(files)),
        )
    };
    let first = format!("_commits/{COMPACT_STREAM}/0/00000000000000000001.json");
    store
        .create(&first, replaces(&file("3")).into())
        .await
        .unwrap();
    let found = check(&store, 9).await.unwrap();
    assert_eq!((found.faults, &found.named_faults), (0, &vec![]));
    assert_eq!((found.files, found.rows, found.replaced), (1, 2, 3));
    assert_eq!(found.unnamed, 0);

    store.delete(&first).await.unwrap();
    store
        .create(&first, replaces(&file("nobody's")).into())
        .await
        .unwrap();
    let found = check(&store, 9).await.unwrap();
    assert_eq!(found.faults, 1);
    assert!(
        found.named_faults[0].contains("no record names it"),
        "{found:?}"
    );
}

#[tokio::test]
async fn tails_that_are_not_those_of_the_records_are_found() {
    let store = store(|sequence| sequence != 3).await;
    let (path, text) = record(3, "7", "9", &file("3"));
    let wrong = text.replace(
        r#""tails":[{"partition":"0","ends":"9"}"#,
        r#""tails":[{"partition":"0","ends":"8"}"#,
    );
    assert_ne!(text, wrong);
    store.create(&path, wrong.into()).await.unwrap();
    let found = check(&store, 9).await.unwrap();
    assert_eq!(found.faults, 1);
    assert!(found.named_faults[0].contains("other tails"), "{found:?}");
}
