//! Where a log ends, by answers of which some are wrong.

use super::*;

/// A store with a log of so many records, each naming a file.
async fn log_of(records: u64) -> Memory {
    let store = Memory::new();
    let mut log = open(&store, 64).await;
    let mut tail = Position::start();
    for n in 1..=records {
        let proposal = proposal(&n.to_string(), vec![range("0", &tail, n)]);
        put(&mut log, &proposal).await.unwrap();
        tail = Position::from_number(n);
    }
    store
}

fn path(n: u64) -> String {
    record_path(&folder(&id()), n)
}

async fn files(store: &Memory) -> Result<u64, Error> {
    let mut files = 0;
    each_file(store, |_, _| files += 1).await?;
    Ok(files)
}

#[tokio::test]
async fn one_wrong_answer_about_any_record_hides_no_file() {
    for records in [1, 5, 20, 70] {
        let store = log_of(records).await;
        for n in 1..=records {
            store.deny(&path(n), 1);
            assert_eq!(files(&store).await.unwrap(), records, "{n}");
            store.deny(&path(n), 0);
        }
    }
}

#[tokio::test]
async fn a_log_that_is_listed_is_seen_though_none_of_its_records_is_found() {
    let store = log_of(99).await;
    (1..=99).for_each(|n| store.deny(&path(n), u32::MAX));
    assert_eq!(files(&store).await.unwrap(), 99);
}

#[tokio::test]
async fn a_store_that_lists_far_more_than_it_finds_fails_and_may_be_asked_again() {
    let store = log_of(400).await;
    (1..=400).for_each(|n| store.deny(&path(n), u32::MAX));
    let error = files(&store).await.unwrap_err();
    assert!(error.transient(), "{error}");
    (1..=400).for_each(|n| store.deny(&path(n), 0));
    assert_eq!(files(&store).await.unwrap(), 400);
}

#[tokio::test]
async fn a_record_that_is_missing_below_others_is_a_broken_log() {
    for missing in [1, 4, 16, 19] {
        let store = log_of(20).await;
        store.delete(&path(missing)).await.unwrap();
        let error = files(&store).await.unwrap_err().to_string();
        assert!(error.contains(&path(missing)), "{error}");
    }
}

#[tokio::test]
async fn the_checkpoints_of_a_span_are_listed_and_no_later_ones() {
    let (store, log) = (Memory::new(), folder(&id()));
    for n in 1..=3_000 {
        let path = checkpoint::path(&log, n * 2);
        store.create(&path, "{}".into()).await.unwrap();
    }
    let before = store.requests();
    let listed = checkpoint::listed(&store, &log, &(101..=200))
        .await
        .unwrap();
    assert_eq!(listed, (51..=100).map(|n| n * 2).collect::<Vec<_>>());
    assert_eq!((store.requests() - before).lists, 1);
    let listed = checkpoint::listed(&store, &log, &(1..=5_000))
        .await
        .unwrap();
    assert_eq!(listed.len(), 2_500);
    let listed = checkpoint::listed(&store, &log, &(5_999..=9_000)).await;
    assert_eq!(listed.unwrap(), [6_000]);
}
