//! In a process of its own: what compaction takes of memory, which is not what the rows would take that pass through it.

#![allow(clippy::unwrap_used, reason = "this file is nothing but a test")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_schemas::{
    event::{Data, Event},
    registry::{Registry, SharedRegistry},
};
use headgate_sink::{
    Config, Parts, Sink,
    commit::Snapshot,
    compact::{self, Compactor, Filter},
    store::{Store, local::Local},
};
use headgate_stream::{
    log::{Record, Topic},
    testing::memory::Memory,
};
use tokio_util::sync::CancellationToken;

/// The binary's own allocator. glibc's keeps what one thread frees from the others, and every file is decoded on whichever
/// thread is free.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const RECORDS: usize = 300_000;
const TEXT_BYTES: usize = 1_000;
/// 2026-11-22T20:00:00Z
const NOW_MICROS: i64 = 1_795_377_600_000_000;
/// The rows are more than this. Most of what is seen is memory that the allocator has not given back yet.
const TAKES_BYTES_MAX: u64 = 220 << 20;

fn schemas(dir: &Path) -> Registry {
    let text = r#"{"type": "object", "properties": {"text": {"type": "string"}}}"#;
    fs::create_dir_all(dir.join("thing")).unwrap();
    fs::write(dir.join("thing/1.json"), text).unwrap();
    Registry::load(dir).unwrap()
}

fn record(n: usize) -> Bytes {
    let data = format!(r#"{{"text": "{n:0>TEXT_BYTES$}"}}"#);
    let mut out = Vec::new();
    Event {
        id: format!("e{n}").into(),
        source: "test".into(),
        dataschema: Some("thing/1".into()),
        kind: "thing".into(),
        receivedtime: Some("2026-11-22T20:00:00Z".into()),
        data: Data::Json(&data),
        ..Event::default()
    }
    .write(&mut out);
    out.into()
}

fn status_bytes(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

/// Lands the records in files of some 8,000 rows.
async fn land(dir: &Path, store: &Arc<Local>) {
    let parts = Parts {
        store: Arc::<Local>::clone(store),
        schemas: Arc::new(SharedRegistry::new(schemas(dir))),
        metrics: prometheus::Registry::new(),
        clock: Arc::new(|| NOW_MICROS),
    };
    let config = Config {
        batch_rows_max: 8_000,
        batch_age_max_ms: 100,
        ..Config::default()
    };
    let sink = Sink::open(config, parts).unwrap();
    let (stream, topic) = (Memory::new(1), Topic::new("events"));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(sink.run(stream.reader(&topic, "sink"), shutdown.clone()));
    for start in (0..RECORDS).step_by(1_000) {
        let records = (start..start + 1_000).map(|n| Record {
            topic: topic.clone(),
            key: Bytes::new(),
            value: record(n),
        });
        let outcomes = stream.writer().append(records.collect()).await;
        assert!(outcomes.iter().all(Result::is_ok));
    }
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    while files(&**store).await.1 < RECORDS as u64 {
        tick.tick().await;
        assert!(!running.is_finished());
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

async fn files(store: &dyn Store) -> (usize, u64) {
    let snapshot = Snapshot::read(store).await.unwrap();
    let files = snapshot.files("thing_1");
    (files.len(), files.iter().map(|file| file.rows).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_takes_less_memory_than_the_rows_that_pass_through_it() {
    assert!((RECORDS * TEXT_BYTES) as u64 > TAKES_BYTES_MAX);
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Local::open(&dir.path().join("lake")).unwrap());
    land(&dir.path().join("events"), &store).await;
    let before = files(&*store).await;
    assert!(before.0 > 10, "{before:?}");
    let parts = compact::Parts {
        store: Arc::<Local>::clone(&store),
        metrics: prometheus::Registry::new(),
        clock: Arc::new(|| NOW_MICROS + 7_200_000_000),
    };
    let config = Config {
        row_group_bytes_max: 8 << 20,
        ..Config::default()
    };
    let compactor = Compactor::open(config, Filter::default(), parts).unwrap();
    // The highest mark begins anew.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let held = status_bytes("VmRSS:");
    let round = compactor.once(&CancellationToken::new(), |_| {}).await;
    assert_eq!(round.unwrap().files_before, before.0 as u64);
    let takes = status_bytes("VmHWM:").saturating_sub(held);
    println!(
        "{} files of {RECORDS} rows became one with {} MiB",
        before.0,
        takes >> 20
    );
    assert_eq!(files(&*store).await, (1, RECORDS as u64));
    assert!(takes < TAKES_BYTES_MAX, "{takes} bytes");
}
