//! What an event costs from the stream's record to the Parquet file: CPU time on one thread.
//!
//! `cargo bench -p headgate-sink --features testing --bench land`
//!
//! `HEADGATE_BENCH_EVENTS` sets how many events (default 200,000), `HEADGATE_BENCH_ROUNDS` how many rounds a codec
//! gets (default 5). With `HEADGATE_BENCH_DIR` it does not run by itself: it keeps the records (`records.ndjson`)
//! in that directory, says `ready`, and for each codec's name on a line of its input lands them once, keeps the files
//! there and prints the CPU microseconds an event. That is how `tests/compare/duckdb_sink.py` alternates between it
//! and DuckDB.

//!
//! With `HEADGATE_BENCH_RECORDS`, a file of records, one a line, and `HEADGATE_BENCH_SCHEMAS`, the directory of their
//! schemas, it lands those with the default codec, and its last line is the figure in JSON. That is how `headgate bench
//! landing --beside` compares a sink with it.

#[path = "land/events.rs"]
mod events;

use std::{env, fs, io, path::Path, str::FromStr, sync::Arc, time::Duration};

use bytes::Bytes;
use events::Way;
use headgate_schemas::registry::Registry;
use headgate_sink::{
    Config,
    config::Compression,
    testing::{Landed, delivery, land},
};
use headgate_stream::log::Records;

fn main() {
    if let Ok(file) = env::var("HEADGATE_BENCH_RECORDS") {
        return given(Path::new(&file));
    }
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/events");
    let registry = match Registry::load(&schemas) {
        Ok(registry) => Arc::new(registry),
        Err(errors) => panic!("{errors}"),
    };
    let count = setting("HEADGATE_BENCH_EVENTS", 200_000);
    let records = |way| delivery(as_read(events::records(count, way)));
    match env::var("HEADGATE_BENCH_DIR") {
        Ok(dir) => on_request(&registry, &records(Way::Native), Path::new(&dir)),
        Err(_) => {
            for way in [Way::Native, Way::Sdk] {
                print!("{way:?}: ");
                alone(&registry, &records(way));
            }
        }
    }
}

/// Lands the records of a file.
fn given(file: &Path) {
    let schemas = env::var("HEADGATE_BENCH_SCHEMAS").expect("HEADGATE_BENCH_SCHEMAS is set too");
    let registry = match Registry::load(Path::new(&schemas)) {
        Ok(registry) => Arc::new(registry),
        Err(errors) => panic!("{errors}"),
    };
    let text = Bytes::from(fs::read(file).expect("the records can be read"));
    let lines = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let records = delivery(as_read(lines.map(|line| text.slice_ref(line))));
    let codec = Config::default().compression;
    let count = setting("HEADGATE_BENCH_ROUNDS", 3);
    let mut rounds: Vec<f64> = (0..count)
        .map(|_| round(&registry, &records, codec).0)
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{{\"decode and encode\": {:.3}}}", rounds[count / 2]);
}

/// Runs all rounds of one codec after the other's, and prints their medians.
fn alone(registry: &Arc<Registry>, records: &Records) {
    let bytes: usize = records.values.iter().map(Bytes::len).sum();
    println!(
        "{} events, {} bytes each",
        records.values.len(),
        bytes / records.values.len()
    );
    let count = setting("HEADGATE_BENCH_ROUNDS", 5);
    for codec in [Compression::Snappy, Compression::Zstd] {
        let (mut rounds, landed): (Vec<_>, Vec<_>) =
            (0..count).map(|_| round(registry, records, codec)).unzip();
        rounds.sort_by(f64::total_cmp);
        let files = landed.last().map_or(&[][..], Vec::as_slice);
        let size: usize = files.iter().map(|file| file.bytes.len()).sum();
        println!(
            "{codec:?}: {:.2} us CPU an event (median of {count}; least {:.2}), {:.1} MB in {} files",
            rounds[count / 2],
            rounds[0],
            size as f64 / 1e6,
            files.len()
        );
    }
}

/// Runs one round for each line of the input.
fn on_request(registry: &Arc<Registry>, records: &Records, dir: &Path) {
    let mut lines = Vec::new();
    for record in &records.values {
        lines.extend_from_slice(record);
        lines.push(b'\n');
    }
    fs::create_dir_all(dir)
        .and_then(|()| fs::write(dir.join("records.ndjson"), lines))
        .expect("the directory can be written");
    println!("ready");
    for line in io::stdin().lines() {
        let name = line.expect("the input is text");
        let codec = match name.as_str() {
            "snappy" => Compression::Snappy,
            "zstd" => Compression::Zstd,
            other => panic!("`{other}` is neither snappy nor zstd"),
        };
        let (us, landed) = round(registry, records, codec);
        for (index, file) in landed.iter().enumerate() {
            fs::write(dir.join(format!("{name}-{index}.parquet")), &file.bytes)
                .expect("the directory can be written");
        }
        println!("{us}");
    }
}

/// Lands all records once: CPU microseconds an event, and the files.
fn round(registry: &Arc<Registry>, records: &Records, codec: Compression) -> (f64, Vec<Landed>) {
    let config = Config {
        compression: codec,
        ..Config::default()
    };
    let before = cpu_time();
    let landed = land(registry, &config, std::slice::from_ref(records));
    let spent = cpu_time() - before;
    // Each track call has a row there beside its own.
    let own = landed.iter().filter(|file| file.table != "tracks");
    let rows: u64 = own.map(|file| file.rows).sum();
    assert_eq!(rows, records.values.len() as u64);
    (
        spent.as_nanos() as f64 / records.values.len() as f64 / 1e3,
        landed,
    )
}

/// The records as a reader delivers them: slices of the chunks that it read.
fn as_read(records: impl Iterator<Item = Bytes>) -> Vec<Bytes> {
    const CHUNK_BYTES: usize = 1 << 20;
    let mut values = Vec::new();
    let (mut chunk, mut lengths) = (Vec::with_capacity(CHUNK_BYTES), Vec::new());
    let mut cut = |chunk: Vec<u8>, lengths: &mut Vec<usize>| {
        let mut chunk = Bytes::from(chunk);
        values.extend(lengths.drain(..).map(|length| chunk.split_to(length)));
    };
    for record in records {
        if chunk.len() + record.len() > CHUNK_BYTES {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_BYTES));
            cut(full, &mut lengths);
        }
        chunk.extend_from_slice(&record);
        lengths.push(record.len());
    }
    cut(chunk, &mut lengths);
    values
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let text = env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// This thread's time on a processor: neighbours on the machine do not count.
fn cpu_time() -> Duration {
    let stat =
        fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's CPU time");
    let nanos = stat.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds come first"))
}
