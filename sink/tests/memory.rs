//! In a process of its own: what landing into very many tables and hours at once takes of memory.

#![allow(clippy::unwrap_used, reason = "this file is nothing but a test")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_schemas::{
    event::{Data, Event},
    registry::{Registry, SharedRegistry},
};
use headgate_sink::{Config, Parts, Sink, commit::Snapshot, store::local::Local};
use headgate_stream::{
    log::{Record, Topic},
    testing::memory::Memory,
};
use tokio_util::sync::CancellationToken;

const TABLES: usize = 200;
const HOURS: usize = 24;
/// The promise.
const RSS_BYTES_MAX: u64 = 512 << 20;
/// More than one batch, so that one lands while the next one fills.
const RECORDS: usize = 75_000;
const DATA_BYTES: usize = 900;
/// The first batch has every hour, the second one few: each file costs the disk a few syncs.
const HOUR_RECORDS: usize = 2_400;

fn schemas(dir: &Path) -> Registry {
    for table in 0..TABLES {
        let properties: Vec<String> = (0..40)
            .map(|n| format!(r#""property_{n}": {{"type": "string"}}"#))
            .collect();
        let text = format!(
            r#"{{"type": "object", "properties": {{{}}}}}"#,
            properties.join(",")
        );
        let folder = dir.join(format!("event_{table}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("1.json"), text).unwrap();
    }
    Registry::load(dir).unwrap()
}

fn record(n: usize) -> Bytes {
    let kind = format!("event_{}", n % TABLES);
    let data = format!(r#"{{"property_{}": "{n:0>DATA_BYTES$}"}}"#, n % 40);
    let mut out = Vec::new();
    Event {
        id: format!("e{n}").into(),
        source: "test".into(),
        dataschema: Some(format!("{kind}/1").into()),
        kind: kind.into(),
        receivedtime: Some(format!("2026-11-22T{:02}:00:00Z", n / HOUR_RECORDS % HOURS).into()),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_tables_and_a_day_of_hours_land_within_512_mib() {
    let dir = tempfile::tempdir().unwrap();
    let registry = schemas(&dir.path().join("events"));
    let store = Arc::new(Local::open(&dir.path().join("lake")).unwrap());
    let stream = Memory::new(4);
    let topic = Topic::new("events");
    for start in (0..RECORDS).step_by(1_000) {
        let records = (start..start + 1_000).map(|n| Record {
            topic: topic.clone(),
            key: Bytes::from(n.to_string()),
            value: record(n),
        });
        let outcomes = stream.writer().append(records.collect()).await;
        assert!(outcomes.iter().all(Result::is_ok));
    }
    // The stream itself is in this process: what it holds is not the sink's.
    let stream_bytes = status_bytes("VmRSS:");
    let config = Config::default();
    assert!((RECORDS * DATA_BYTES) as u64 > config.batch_bytes_max);
    let parts = Parts {
        store: Arc::<Local>::clone(&store),
        schemas: Arc::new(SharedRegistry::new(registry)),
        metrics: prometheus::Registry::new(),
        clock: Arc::new(|| 1_795_377_600_000_000),
    };
    let sink = Sink::open(config, parts).unwrap();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(sink.run(stream.reader(&topic, "sink"), shutdown.clone()));
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tick.tick().await;
        let snapshot = Snapshot::read(&*store).await.unwrap();
        let files = snapshot.tables().flat_map(|(_, files)| files);
        if files.map(|file| file.rows).sum::<u64>() == RECORDS as u64 {
            assert_eq!(snapshot.tables().count(), TABLES);
            break;
        }
        assert!(!running.is_finished());
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();
    let peak = status_bytes("VmHWM:");
    let own = peak - stream_bytes;
    println!(
        "{} MiB at most, without the stream's {} MiB",
        own >> 20,
        stream_bytes >> 20
    );
    assert!(peak < RSS_BYTES_MAX, "{peak} bytes");
}
