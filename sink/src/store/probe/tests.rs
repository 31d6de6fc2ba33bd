use std::ops::Range;

use futures_util::future::{BoxFuture, FutureExt};

use super::*;
use crate::{
    store::Object,
    testing::memory::{Faults, Memory},
};

/// What an unfit store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// Looks whether there is an object, then writes: what s3s-fs does.
    TwoSteps,
    /// Writes wherever it is told: what Garage does.
    NoCondition,
    /// Lists what was there a while ago.
    StaleListing,
    /// Refuses, and writes nevertheless.
    WritesThough,
}

#[derive(Debug)]
struct Unfit {
    memory: Memory,
    wrong: Wrong,
}

impl Store for Unfit {
    fn create(&self, path: &str, bytes: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        let path = path.to_owned();
        async move {
            let exists = self.memory.bytes(&path).is_some();
            match self.wrong {
                Wrong::TwoSteps if exists => Err(StoreError::AlreadyExists { path }),
                Wrong::TwoSteps | Wrong::NoCondition => {
                    tokio::task::yield_now().await;
                    self.memory.delete(&path).await?;
                    self.memory.create(&path, bytes).await.or(Ok(()))
                }
                Wrong::WritesThough if exists => {
                    self.memory.delete(&path).await?;
                    self.memory.create(&path, bytes).await.ok();
                    Err(StoreError::AlreadyExists { path })
                }
                Wrong::WritesThough | Wrong::StaleListing => self.memory.create(&path, bytes).await,
            }
        }
        .boxed()
    }

    fn read(&self, path: &str) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        self.memory.read(path)
    }

    fn read_range(
        &self,
        path: &str,
        range: Range<u64>,
    ) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        self.memory.read_range(path, range)
    }

    fn head(&self, path: &str) -> BoxFuture<'_, Result<Object, StoreError>> {
        self.memory.head(path)
    }

    fn list(
        &self,
        folder: &str,
        after: &str,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Object>, StoreError>> {
        if self.wrong == Wrong::StaleListing {
            return async { Ok(Vec::new()) }.boxed();
        }
        self.memory.list(folder, after, max)
    }

    fn delete(&self, path: &str) -> BoxFuture<'_, Result<(), StoreError>> {
        self.memory.delete(path)
    }

    fn sweep_partial(&self, written_ms: i64) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.memory.sweep_partial(written_ms)
    }
}

async fn verdict(wrong: Wrong) -> String {
    let memory = Memory::new();
    let store = Unfit { memory, wrong };
    let error = Probe::default().run(&store, 0).await.unwrap_err();
    assert!(matches!(error, Error::Unfit { .. }), "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_fit_store_is_left_as_it_was() {
    let store = Memory::new();
    store
        .create("_probe/old/000.txt", "x".into())
        .await
        .unwrap();
    Probe::default().run(&store, STALE_MS).await.unwrap();
    assert_eq!(store.paths(), ["_probe/old/000.txt"]);
    Probe::default().run(&store, STALE_MS + 1).await.unwrap();
    assert_eq!(store.paths(), [""; 0]);
}

#[tokio::test]
async fn a_store_that_looks_before_it_writes_is_refused() {
    let error = verdict(Wrong::TwoSteps).await;
    assert!(
        error.contains("creates of one object at once succeeded"),
        "{error}"
    );
    assert!(error.contains("If-None-Match"), "{error}");
}

#[tokio::test]
async fn a_store_that_ignores_the_condition_is_refused() {
    let error = verdict(Wrong::NoCondition).await;
    assert!(error.contains("16 of 16 creates"), "{error}");
}

#[tokio::test]
async fn a_store_that_writes_what_it_refuses_is_refused() {
    let error = verdict(Wrong::WritesThough).await;
    assert!(error.contains("it replaced an object's bytes"), "{error}");
}

#[tokio::test]
async fn a_store_that_lists_late_is_refused() {
    let error = verdict(Wrong::StaleListing).await;
    assert!(error.contains("a listing had"), "{error}");
}

#[tokio::test]
async fn lost_replies_are_no_verdict() {
    for seed in 0..50 {
        let store = Memory::new();
        store.fail(Faults {
            seed,
            refused: 50,
            reply_lost: 100,
        });
        match Probe::default().run(&store, 0).await {
            Ok(()) | Err(Error::Store(_)) => {}
            Err(unfit) => panic!("seed {seed}: {unfit}"),
        }
    }
}
