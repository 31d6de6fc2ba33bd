//! The one suite that every store passes: the contract of [`Store`], as facts.
//!
//! A store's test hands [`run`] something that makes a fresh, empty store for each fact.

use std::{collections::BTreeSet, fmt::Debug, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};

use crate::store::{Error, Object, Store, probe::Probe};

/// No fact takes longer, in seconds; a store that hangs fails.
const FACT_DEADLINE_S: u64 = 300;

/// A fresh store under test.
pub trait Backend: Send + Sync {
    /// A store that is empty.
    fn store(&self) -> Arc<dyn Store>;
    /// Leaves behind what an interrupted create does; how many pieces. 0: this store leaves none.
    fn interrupt_create(&self) -> BoxFuture<'_, u64>;
    /// The size of an object that this store writes in several steps, in bytes.
    fn large_bytes(&self) -> usize;
    /// Whether such an object is created exclusively among creates at once, too.
    fn large_creates_are_exclusive(&self) -> bool;
}

/// Holds the store to every fact, each on a fresh one. Panics with the fact that does not hold.
pub async fn run<M, F>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = Box<dyn Backend>>,
{
    macro_rules! facts {
        ($($fact:ident),* $(,)?) => {$(
            let backend = make().await;
            let held = Box::pin($fact(backend.as_ref()));
            let held = tokio::time::timeout(Duration::from_secs(FACT_DEADLINE_S), held).await;
            assert!(held.is_ok(), "{} took over {FACT_DEADLINE_S} s", stringify!($fact));
        )*};
    }
    facts!(
        what_is_created_is_read_byte_for_byte,
        a_path_is_written_once,
        of_many_creates_at_once_one_wins,
        of_many_large_creates_at_once_one_wins,
        what_is_missing_is_not_found,
        ranges_are_cut_at_the_objects_end,
        a_large_object_is_whole,
        a_listing_is_in_order_and_goes_on_after_any_object,
        a_listing_is_of_one_folder,
        a_folder_of_numbers_is_listed_in_their_order,
        what_is_created_is_listed_at_once,
        a_deleted_object_is_gone_and_deleting_is_repeatable,
        what_names_no_object_is_refused,
        interrupted_creates_are_swept_by_age_and_objects_are_not,
        the_probe_finds_it_fit,
    );
}

fn must<T>(result: Result<T, impl Debug>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error:?}"),
    }
}

fn paths(objects: Vec<Object>) -> Vec<String> {
    objects.into_iter().map(|object| object.path).collect()
}

/// Bytes that differ everywhere, so that a part in a wrong place shows.
fn pattern(bytes: usize) -> Bytes {
    (0..bytes as u64)
        .map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect()
}

async fn what_is_created_is_read_byte_for_byte(backend: &dyn Backend) {
    let store = backend.store();
    for bytes in [Bytes::new(), "one".into(), pattern(100_000)] {
        let path = format!("t_1/dt=2026-11-22/hr=20/{}.parquet", bytes.len());
        must(store.create(&path, bytes.clone()).await);
        assert!(must(store.read(&path).await) == bytes, "{path}");
        let object = must(store.head(&path).await);
        assert_eq!((object.path, object.bytes), (path, bytes.len() as u64));
        assert!(object.written_ms >= 0);
    }
}

async fn a_path_is_written_once(backend: &dyn Backend) {
    let store = backend.store();
    must(store.create("a/b.json", "one".into()).await);
    for bytes in ["two", "one"] {
        let again = store.create("a/b.json", bytes.into()).await;
        assert!(
            matches!(&again, Err(Error::AlreadyExists { path }) if path == "a/b.json"),
            "{again:?}"
        );
    }
    assert_eq!(must(store.read("a/b.json").await), "one");
}

async fn race(store: &dyn Store, path: &str, contents: &[Bytes]) {
    let creates = contents
        .iter()
        .map(|bytes| store.create(path, bytes.clone()));
    let results = join_all(creates).await;
    let won: Vec<usize> = (0..results.len()).filter(|n| results[*n].is_ok()).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    assert!(must(store.read(path).await) == contents[won[0]]);
    for result in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(matches!(result, Error::AlreadyExists { .. }), "{result}");
    }
}

async fn of_many_creates_at_once_one_wins(backend: &dyn Backend) {
    let store = backend.store();
    let contents: Vec<Bytes> = (0..16).map(|n| format!("content {n}").into()).collect();
    for round in 0..5 {
        race(
            &*store,
            &format!("_commits/s/i/{round:020}.json"),
            &contents,
        )
        .await;
    }
}

async fn of_many_large_creates_at_once_one_wins(backend: &dyn Backend) {
    if !backend.large_creates_are_exclusive() {
        return;
    }
    let store = backend.store();
    let content = |n: usize| pattern(backend.large_bytes() + n);
    let contents: Vec<Bytes> = (0..3).map(content).collect();
    race(&*store, "t/large.parquet", &contents).await;
}

async fn what_is_missing_is_not_found(backend: &dyn Backend) {
    let store = backend.store();
    must(store.create("a/b", "x".into()).await);
    for path in ["c", "a", "a/b/c", "a/bc"] {
        let read = store.read(path).await;
        assert!(
            matches!(&read, Err(Error::NotFound { path: named }) if named == path),
            "{path}: {read:?}"
        );
        let part = store.read_range(path, 0..1).await;
        assert!(
            matches!(part, Err(Error::NotFound { .. })),
            "{path}: {part:?}"
        );
        let head = store.head(path).await;
        assert!(
            matches!(head, Err(Error::NotFound { .. })),
            "{path}: {head:?}"
        );
    }
}

async fn ranges_are_cut_at_the_objects_end(backend: &dyn Backend) {
    let store = backend.store();
    let bytes = Bytes::from_static(b"0123456789");
    must(store.create("t/x", bytes.clone()).await);
    must(store.create("t/empty", Bytes::new()).await);
    for (range, expected) in [
        (0..10, "0123456789"),
        (3..5, "34"),
        (9..10, "9"),
        (8..100, "89"),
        (0..u64::MAX, "0123456789"),
        (10..11, ""),
        (100..200, ""),
        (5..5, ""),
    ] {
        assert_eq!(
            must(store.read_range("t/x", range.clone()).await),
            expected,
            "{range:?}"
        );
    }
    assert_eq!(must(store.read_range("t/empty", 0..5).await), "");
}

async fn a_large_object_is_whole(backend: &dyn Backend) {
    let store = backend.store();
    let bytes = pattern(backend.large_bytes() + 4_321);
    must(store.create("t/large.parquet", bytes.clone()).await);
    assert_eq!(
        must(store.head("t/large.parquet").await).bytes,
        bytes.len() as u64
    );
    assert!(must(store.read("t/large.parquet").await) == bytes);
    for range in [0..1, 5_000_000..9_000_001, bytes.len() - 7..bytes.len()] {
        let range = range.start.min(bytes.len())..range.end.min(bytes.len());
        let part = must(
            store
                .read_range("t/large.parquet", range.start as u64..range.end as u64)
                .await,
        );
        assert!(part == bytes.slice(range.clone()), "{range:?}");
    }
    let again = store.create("t/large.parquet", bytes.slice(1..)).await;
    assert!(
        matches!(again, Err(Error::AlreadyExists { .. })),
        "{again:?}"
    );
    assert!(must(store.read("t/large.parquet").await) == bytes);
}

async fn a_listing_is_in_order_and_goes_on_after_any_object(backend: &dyn Backend) {
    let store = backend.store();
    let mut all = [
        "t/a/1", "t/a-b", "t/a.b", "t/b", "t/a/2/x", "t/A", "t-x/1", "u/1",
    ]
    .map(str::to_owned);
    for path in &all {
        must(store.create(path, "x".into()).await);
    }
    let listed = paths(must(store.list("", "", 100).await));
    // `/` may come before every other byte.
    all.sort_by_key(|path| path.replace('/', "\0"));
    if listed != all {
        all.sort();
    }
    assert_eq!(listed, all);
    for (index, path) in all.iter().enumerate() {
        for max in 1..4 {
            let left = &all[index + 1..];
            let listed = paths(must(store.list("", path, max).await));
            assert_eq!(listed, left[..left.len().min(max)], "{max} after {path}");
        }
    }
}

async fn a_listing_is_of_one_folder(backend: &dyn Backend) {
    let store = backend.store();
    for path in ["t/a/1", "t/a/2", "t/a-b", "t/ab/1", "t/b/1"] {
        must(store.create(path, "x".into()).await);
    }
    assert_eq!(
        paths(must(store.list("t/a/", "", 10).await)),
        ["t/a/1", "t/a/2"]
    );
    assert_eq!(
        paths(must(store.list("t/a/", "t/a/1", 10).await)),
        ["t/a/2"]
    );
    // What lies behind a whole folder, whatever else begins like its name.
    let behind = paths(must(store.list("t/", "t/a/~", 10).await));
    assert!(
        behind.iter().all(|path| !path.starts_with("t/a/")),
        "{behind:?}"
    );
    assert!(
        ["t/ab/1", "t/b/1"]
            .iter()
            .all(|path| behind.iter().any(|b| b == path)),
        "{behind:?}"
    );
    assert_eq!(paths(must(store.list("none/", "", 10).await)), [""; 0]);
    assert_eq!(paths(must(store.list("t/a/", "t/b", 10).await)), [""; 0]);
}

async fn a_folder_of_numbers_is_listed_in_their_order(backend: &dyn Backend) {
    const OBJECTS: usize = 1_100;
    let store = backend.store();
    let path = |n: usize| format!("_commits/s/i/{n:020}.json");
    for numbers in (1..=OBJECTS).collect::<Vec<_>>().chunks(50) {
        let creates = numbers.iter().map(|n| {
            let store = Arc::clone(&store);
            async move { store.create(&path(*n), "x".into()).await }
        });
        for created in join_all(creates).await {
            must(created);
        }
    }
    let expected: Vec<String> = (1..=OBJECTS).map(path).collect();
    let listed = must(store.list("_commits/s/i/", "", OBJECTS + 1).await);
    assert!(paths(listed) == expected);
    let listed = must(store.list("_commits/s/i/", &path(1_000), 10).await);
    assert_eq!(paths(listed), expected[1_000..1_010]);
}

async fn what_is_created_is_listed_at_once(backend: &dyn Backend) {
    let store = backend.store();
    let mut all = BTreeSet::new();
    for n in 0..20 {
        let path = format!("t/{n}");
        must(store.create(&path, n.to_string().into()).await);
        all.insert(path);
        let listed: BTreeSet<String> = paths(must(store.list("", "", 100).await))
            .into_iter()
            .collect();
        assert_eq!(listed, all);
    }
}

async fn a_deleted_object_is_gone_and_deleting_is_repeatable(backend: &dyn Backend) {
    let store = backend.store();
    must(store.create("t/a/x", "x".into()).await);
    for _ in 0..2 {
        must(store.delete("t/a/x").await);
        let read = store.read("t/a/x").await;
        assert!(matches!(read, Err(Error::NotFound { .. })), "{read:?}");
        assert_eq!(must(store.list("", "", 10).await), []);
    }
    must(store.create("t/a/x", "y".into()).await);
    assert_eq!(must(store.read("t/a/x").await), "y");
}

async fn what_names_no_object_is_refused(backend: &dyn Backend) {
    let store = backend.store();
    for path in [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "../x",
        "a/../../x",
        ".tmp/x",
        "a/.b",
        "a\\b",
    ] {
        let created = store.create(path, "x".into()).await;
        assert!(
            matches!(created, Err(Error::Failed { .. })),
            "{path}: {created:?}"
        );
    }
    assert_eq!(must(store.list("", "", 10).await), []);
}

async fn interrupted_creates_are_swept_by_age_and_objects_are_not(backend: &dyn Backend) {
    let store = backend.store();
    must(store.create("t/x", "x".into()).await);
    let pieces = backend.interrupt_create().await;
    assert_eq!(must(store.sweep_partial(0).await), 0);
    assert_eq!(must(store.sweep_partial(i64::MAX).await), pieces);
    assert_eq!(must(store.sweep_partial(i64::MAX).await), 0);
    assert_eq!(paths(must(store.list("", "", 10).await)), ["t/x"]);
}

async fn the_probe_finds_it_fit(backend: &dyn Backend) {
    let store = backend.store();
    must(Probe::default().run(&*store, 0).await);
    assert_eq!(must(store.list("", "", 10).await), []);
}
