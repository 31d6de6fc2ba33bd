use futures_util::future::BoxFuture;

use super::*;
use crate::testing::conformance;

struct Backend {
    store: Local,
    dir: tempfile::TempDir,
}

impl conformance::Backend for Backend {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn interrupt_create(&self) -> BoxFuture<'_, u64> {
        fs::write(self.dir.path().join(PARTIAL).join("left"), "half").unwrap();
        Box::pin(async { 1 })
    }

    fn large_creates_are_exclusive(&self) -> bool {
        true
    }

    fn large_bytes(&self) -> usize {
        10 << 20
    }
}

#[tokio::test]
async fn conformance() {
    conformance::run(|| async {
        let dir = tempfile::tempdir().unwrap();
        let store = Local::open(dir.path()).unwrap();
        Box::new(Backend { store, dir }) as Box<dyn conformance::Backend>
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_over_once_a_create_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    store.create("a/b/c.json", "one".into()).await.unwrap();
    store.create("a/b/c.json", "two".into()).await.unwrap_err();
    assert_eq!(fs::read_dir(dir.path().join(PARTIAL)).unwrap().count(), 0);
}

#[tokio::test]
async fn a_listing_of_many_names_is_the_same_as_one_that_keeps_them_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = Local::open(dir.path()).unwrap();
    let mut all = Vec::new();
    for n in 0..4_000 {
        // Folders among the files, some of them empty.
        let path = match n % 7 {
            0 => format!("t/{n:05}/x"),
            _ => format!("t/{n:05}"),
        };
        let file = dir.path().join(&path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        if n % 21 != 0 {
            fs::write(file, "x").unwrap();
            all.push(path);
        }
    }
    for max in [1, 2, 100, 1_000, 5_000] {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let after = listed.last().cloned().unwrap_or_default();
            let page = store.list("t/", &after, max).await.unwrap();
            let last = page.len() < max;
            listed.extend(page.into_iter().map(|object| object.path));
            if last || max < 100 && listed.len() > 50 {
                break;
            }
        }
        assert_eq!(listed, all[..listed.len()], "{max}");
        assert!(max < 100 || listed.len() == all.len(), "{max}");
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
