//! A long log, and many sinks on one.

use std::{
    ops::Range as Span,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt};

use super::*;
use crate::{store::Object, testing::crowd};

/// A log of a million records, each made up when it is asked for.
#[derive(Debug, Default)]
struct LongLog {
    checkpoint_every: u64,
    reads: AtomicU64,
    heads: AtomicU64,
    lists: AtomicU64,
    added: Memory,
}

const RECORDS: u64 = 1_000_000;

impl LongLog {
    fn object(&self, path: &str) -> Option<Bytes> {
        let log = folder(&id());
        let n = checkpoint::sequence_of(path).filter(|n| (1..=RECORDS).contains(n))?;
        let position = |n: u64| match n {
            0 => Position::start(),
            n => Position::from_number(n),
        };
        let commit = |n: u64| checkpoint::Commit {
            committed_ms: 1,
            files: proposal(&n.to_string(), vec![]).files,
            gaps: vec![],
            replaces: vec![],
            duplicates: Vec::new(),
        };
        let tail = |n: u64| Tail {
            partition: Partition::new("0"),
            ends: position(n),
            seen: None,
        };
        let json = if path == record_path(&log, n) {
            serde_json::to_vec(&Record {
                version: VERSION,
                stream: id().name,
                incarnation: id().incarnation,
                sequence: n,
                attempt: n.to_string(),
                committed_ms: 1,
                partitions: vec![range("0", &position(n - 1), n)],
                tails: vec![tail(n)],
                uncovered: Uncovered {
                    first: (n - 1) / self.checkpoint_every * self.checkpoint_every + 1,
                    files: (n - 1) % self.checkpoint_every + 1,
                    due: n % self.checkpoint_every == 0,
                },
                files: commit(n).files,
                gaps: vec![],
                replaces: vec![],
                duplicates: Vec::new(),
            })
        } else if path == checkpoint::path(&log, n) && n % self.checkpoint_every == 0 {
            let first = n - self.checkpoint_every + 1;
            serde_json::to_vec(&checkpoint::Checkpoint {
                version: VERSION,
                stream: id().name,
                incarnation: id().incarnation,
                sequence: n,
                partitions: vec![tail(n)],
                first,
                commits: (first..=n).map(commit).collect(),
            })
        } else if path == checkpoint::epoch_path(&log, n) && n % checkpoint::EPOCH_COMMITS == 0 {
            let first = n - checkpoint::EPOCH_COMMITS + 1;
            serde_json::to_vec(&checkpoint::Epoch {
                version: VERSION,
                stream: id().name,
                incarnation: id().incarnation,
                first,
                sequence: n,
                commits: Some((first..=n).map(commit).collect()),
            })
        } else {
            return None;
        };
        Some(json.unwrap().into())
    }
}

impl Store for LongLog {
    fn create(&self, path: &str, bytes: Bytes) -> BoxFuture<'_, Result<(), store::Error>> {
        match self.object(path) {
            Some(_) => {
                let path = path.to_owned();
                async { Err(store::Error::AlreadyExists { path }) }.boxed()
            }
            None => self.added.create(path, bytes),
        }
    }

    fn read(&self, path: &str) -> BoxFuture<'_, Result<Bytes, store::Error>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        match self.object(path) {
            Some(bytes) => async { Ok(bytes) }.boxed(),
            None => self.added.read(path),
        }
    }

    fn read_range(&self, _: &str, _: Span<u64>) -> BoxFuture<'_, Result<Bytes, store::Error>> {
        unreachable!()
    }

    fn head(&self, path: &str) -> BoxFuture<'_, Result<Object, store::Error>> {
        self.heads.fetch_add(1, Ordering::Relaxed);
        if self.object(path).is_some() {
            let object = Object {
                path: path.to_owned(),
                bytes: 1,
                written_ms: 0,
            };
            return async { Ok(object) }.boxed();
        }
        self.added.head(path)
    }

    fn list(
        &self,
        folder: &str,
        after: &str,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Object>, store::Error>> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        let object = |path: String| Object {
            path,
            bytes: 1,
            written_ms: 0,
        };
        let log = super::folder(&id());
        let found = if folder == COMMITS {
            let first = record_path(&log, 1);
            Some(first)
                .filter(|first| after < first.as_str())
                .into_iter()
                .collect()
        } else if !folder.starts_with(&log) {
            vec![]
        } else {
            let after = checkpoint::sequence_of(after).unwrap_or(0);
            let every = self.checkpoint_every;
            let sequences = (after / every + 1..=RECORDS / every).map(|n| n * every);
            sequences
                .take(max)
                .map(|n| checkpoint::path(&log, n))
                .collect::<Vec<_>>()
        };
        let found = found.into_iter().map(object).collect();
        async { Ok(found) }.boxed()
    }

    fn delete(&self, _: &str) -> BoxFuture<'_, Result<(), store::Error>> {
        unreachable!()
    }

    fn sweep_partial(&self, _: i64) -> BoxFuture<'_, Result<u64, store::Error>> {
        unreachable!()
    }
}

#[tokio::test]
async fn a_start_on_a_million_records_takes_some_requests_in_few_round_trips() {
    let store = Arc::new(LongLog {
        checkpoint_every: 64,
        ..LongLog::default()
    });
    let shared: Arc<dyn Store> = Arc::clone(&store) as _;
    let log = Log::open(shared, id(), 64).await.unwrap();
    assert_eq!(
        log.tail(&Partition::new("0")),
        Position::from_number(RECORDS)
    );
    let count = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
    let (heads, lists, reads) = (
        count(&store.heads),
        count(&store.lists),
        count(&store.reads),
    );
    println!("start on {RECORDS} records: {heads} heads, {lists} lists, {reads} reads");
    assert!(
        heads <= 60 && lists == 0 && reads == 1,
        "{heads} {lists} {reads}"
    );
}

#[tokio::test]
async fn a_start_on_ten_thousand_commits_takes_forty_requests_at_most() {
    let store = Memory::new();
    let mut log = open(&store, 64).await;
    let mut tail = Position::start();
    for n in 1..=10_000 {
        let proposal = proposal(&n.to_string(), vec![range("0", &tail, n)]);
        put(&mut log, &proposal).await.unwrap();
        tail = Position::from_number(n);
    }
    let before = store.requests();
    assert_eq!(open(&store, 64).await.tail(&Partition::new("0")), tail);
    let took = store.requests() - before;
    println!("start on 10,000 commits: {took:?}");
    assert!(
        took.all() <= 40 && took.reads == 1 && took.lists == 0,
        "{took:?}"
    );
}

#[tokio::test]
async fn a_snapshot_of_a_million_records_reads_hundreds_of_objects() {
    let store = LongLog {
        checkpoint_every: 64,
        ..LongLog::default()
    };
    let mut files = 0;
    each_file(&store, |_, _| files += 1).await.unwrap();
    assert_eq!(files, RECORDS);
    let count = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
    let (heads, lists, reads) = (
        count(&store.heads),
        count(&store.lists),
        count(&store.reads),
    );
    println!("snapshot of {RECORDS} records: {heads} heads, {lists} lists, {reads} reads");
    assert!(
        heads <= 128 && lists == 5 && reads <= 244 + 64 + 64,
        "{heads} {lists} {reads}"
    );
}

#[tokio::test(start_paused = true)]
async fn sixty_four_sinks_make_progress_and_none_starves() {
    // All at the same moment, once; and for a minute, each every five seconds.
    for (every, commits) in [(Duration::ZERO, 1), (Duration::from_secs(5), 12)] {
        for sinks in [1, 8, 64] {
            let store = Memory::new();
            store.delay(Duration::from_millis(20), Duration::from_millis(60));
            let shared: Arc<dyn Store> = Arc::new(store.clone());
            let crowd = crowd::commit(&shared, "events", sinks, commits, every).await;
            let total = f64::from(sinks * commits);
            let requests = store.requests();
            let each = |count: u64| count as f64 / total;
            let creates = each(requests.creates);
            println!(
                "{sinks} sinks, {commits} commits each, every {every:?}: {:.1} commits/s, slowest {:?}; a commit: \
                 {:.1} requests, of which {creates:.1} creates, {:.1} reads, {:.1} heads",
                total / crowd.elapsed.as_secs_f64(),
                crowd.slowest,
                each(requests.all()),
                each(requests.reads),
                each(requests.heads),
            );
            assert!(
                crowd.slowest < Duration::from_secs(10),
                "{sinks}: {crowd:?}"
            );
            assert!(creates < 20.0, "{sinks}: {creates} creates a commit");
        }
    }
}
