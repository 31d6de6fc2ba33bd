//! What an event costs from the stream's record to the Parquet file: CPU time on one thread.
//!
//! `cargo bench -p headgate-sink --features testing --bench land`
//!
//! `HEADGATE_BENCH_EVENTS` sets how many events (default 200,000); `HEADGATE_BENCH_DIR` names a directory in which
//! the records (`records.ndjson`), the files and the figures (`headgate.json`: codec to microseconds an event) are
//! kept, for `tests/compare/duckdb_sink.py` to compare with.

#[path = "land/events.rs"]
mod events;

use std::{env, fs, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_schemas::registry::Registry;
use headgate_sink::{
    Config,
    config::Compression,
    testing::{Landed, land},
};

const ROUNDS: usize = 5;

fn main() {
    let wanted = env::var("HEADGATE_BENCH_EVENTS").ok();
    let count = wanted.and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/events");
    let registry = match Registry::load(&schemas) {
        Ok(registry) => Arc::new(registry),
        Err(errors) => panic!("{errors}"),
    };
    let records: Vec<Bytes> = events::records(count).collect();
    let bytes: usize = records.iter().map(Bytes::len).sum();
    println!("{count} events, {} bytes each", bytes / count);
    let mut figures = serde_json::Map::new();
    for compression in [Compression::Snappy, Compression::Zstd] {
        let config = Config {
            compression,
            ..Config::default()
        };
        let mut rounds = Vec::new();
        let mut landed = Vec::new();
        for _ in 0..ROUNDS {
            let before = cpu_time();
            landed = land(&registry, &config, &records);
            rounds.push((cpu_time() - before).as_nanos() as f64 / count as f64 / 1e3);
        }
        rounds.sort_by(f64::total_cmp);
        let size: usize = landed.iter().map(|file| file.bytes.len()).sum();
        let rows: u64 = landed.iter().map(|file| file.rows).sum();
        assert_eq!(rows, count as u64);
        println!(
            "{compression:?}: {:.2} us CPU an event (median of {ROUNDS}; least {:.2}), {:.1} MB in {} files",
            rounds[ROUNDS / 2],
            rounds[0],
            size as f64 / 1e6,
            landed.len()
        );
        let codec = format!("{compression:?}").to_lowercase();
        figures.insert(codec, rounds[ROUNDS / 2].into());
        keep(&records, &landed, compression);
    }
    if let Ok(dir) = env::var("HEADGATE_BENCH_DIR") {
        let figures = serde_json::Value::Object(figures).to_string();
        fs::write(Path::new(&dir).join("headgate.json"), figures)
            .expect("the directory can be written");
    }
}

fn keep(records: &[Bytes], landed: &[Landed], compression: Compression) {
    let Ok(dir) = env::var("HEADGATE_BENCH_DIR") else {
        return;
    };
    let dir = Path::new(&dir);
    let mut lines = Vec::new();
    for record in records {
        lines.extend_from_slice(record);
        lines.push(b'\n');
    }
    let written =
        fs::create_dir_all(dir).and_then(|()| fs::write(dir.join("records.ndjson"), lines));
    written.expect("the directory can be written");
    for (index, file) in landed.iter().enumerate() {
        let name = format!("{compression:?}-{index}.parquet").to_lowercase();
        fs::write(dir.join(name), &file.bytes).expect("the directory can be written");
    }
}

/// This thread's time on a processor: neighbours on the machine do not count.
fn cpu_time() -> Duration {
    let stat =
        fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's CPU time");
    let nanos = stat.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds come first"))
}
