use super::*;

async fn paths(store: &Local, folder: &str, after: &str, max: usize) -> Vec<String> {
    let objects = store.list(folder, after, max).await.unwrap();
    objects.into_iter().map(|object| object.path).collect()
}

#[tokio::test]
async fn an_object_is_created_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    store.create("a/b/c.json", "one".into()).await.unwrap();
    let again = store.create("a/b/c.json", "two".into()).await;
    assert!(matches!(again, Err(Error::AlreadyExists { path }) if path == "a/b/c.json"));
    assert_eq!(store.read("a/b/c.json").await.unwrap(), "one");
    assert_eq!(fs::read_dir(dir.path().join(PARTIAL)).unwrap().count(), 0);
}

#[tokio::test]
async fn of_many_creates_at_once_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    let creates = (0..20).map(|n| store.create("log/1.json", n.to_string().into()));
    let results = futures_util::future::join_all(creates).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    let winner = results.iter().position(Result::is_ok).unwrap();
    assert_eq!(store.read("log/1.json").await.unwrap(), winner.to_string());
}

#[tokio::test]
async fn listing_is_in_the_order_of_paths_and_goes_on_after_any_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    let mut all = ["t/a/1", "t/a-b", "t/a.b", "t/b", "t/a/2/x", "u/1"].map(str::to_owned);
    for path in &all {
        store.create(path, "x".into()).await.unwrap();
    }
    all.sort();
    assert_eq!(paths(&store, "", "", 100).await, all);
    assert_eq!(paths(&store, "t/", "", 100).await, all[..5]);
    for (index, path) in all.iter().enumerate() {
        let left = &all[index + 1..];
        assert_eq!(paths(&store, "", path, 2).await, left[..left.len().min(2)]);
    }
    assert_eq!(paths(&store, "none/", "", 1).await, [""; 0]);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_deleting_it_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    assert!(matches!(store.read("a").await, Err(Error::NotFound { .. })));
    store.delete("a").await.unwrap();
}

#[tokio::test]
async fn paths_cannot_leave_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    for path in ["../x", "a/../../x", "/etc/x", "a//b", ".tmp/x", ""] {
        let error = store.create(path, "x".into()).await.unwrap_err();
        assert!(matches!(error, Error::Failed { .. }), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_fails_and_works_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    // A file where the folder should be: root may write anywhere, so permissions would not do.
    fs::write(dir.path().join("t"), "in the way").unwrap();
    let error = store.create("t/x", "x".into()).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    fs::remove_file(dir.path().join("t")).unwrap();
    store.create("t/x", "x".into()).await.unwrap();
}

#[tokio::test]
async fn interrupted_creates_are_swept_once_they_are_old() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    fs::write(dir.path().join(PARTIAL).join("left"), "half").unwrap();
    assert_eq!(store.sweep_partial(0).await.unwrap(), 0);
    assert_eq!(store.sweep_partial(i64::MAX).await.unwrap(), 1);
    assert_eq!(store.sweep_partial(i64::MAX).await.unwrap(), 0);
}
