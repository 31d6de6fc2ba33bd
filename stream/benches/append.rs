//! What durable appends cost, against a plain write and fdatasync of the same bytes in the same run.
//!
//! `cargo bench -p headgate-stream --bench append` prints a Markdown table: for batches of 20 records of 1.1 KB, appends
//! a second and CPU time a record, with 1, 64 and 256 callers at once and with 1 and 4 partitions. `HEADGATE_BENCH_DIR`
//! chooses the disk (else the temporary directory), `HEADGATE_BENCH_SECONDS` how long each round takes (else 2).

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use headgate_stream::{
    journal::{Config, Journal},
    log::{Record, Topic},
};

const BATCH: usize = 20;
const VALUE_BYTES: usize = 1_100;

/// One round's result.
struct Round {
    appends: u64,
    took: Duration,
    cpu: Duration,
}

impl Round {
    fn appends_per_s(&self) -> f64 {
        self.appends as f64 / self.took.as_secs_f64()
    }

    fn cpu_us_per_record(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.appends.max(1) as f64 * BATCH as f64)
    }

    fn print(&self, name: &str, raw: &Round) {
        println!(
            "| {name} | {:.0} | {:.2} | {:.2} | {:.2} |",
            self.appends_per_s(),
            self.appends_per_s() / raw.appends_per_s(),
            self.cpu_us_per_record(),
            self.cpu_us_per_record() / raw.cpu_us_per_record(),
        );
    }
}

fn print_head() {
    println!(
        "| what | appends/s | times raw | CPU us a record | times raw |\n| ---: | ---: | ---: | ---: | ---: |"
    );
}

/// CPU time of this process, user and system, from the kernel's clock ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc/self/stat");
    let after = stat.rsplit(')').next().unwrap_or("");
    let fields: Vec<i64> = after
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    // Numeric fields after the state, one of which is -1 without a terminal: utime is the 11th, stime the 12th.
    Duration::from_millis(u64::try_from(fields[10] + fields[11]).unwrap_or(0) * 10)
}

fn measured(run: impl FnOnce() -> u64) -> Round {
    let (began, cpu_before) = (Instant::now(), cpu());
    let appends = run();
    Round {
        appends,
        took: began.elapsed(),
        cpu: cpu() - cpu_before,
    }
}

fn raw(dir: &Path, seconds: u64) -> Round {
    let bytes = vec![b'x'; BATCH * VALUE_BYTES];
    let mut file = File::create(dir.join("raw")).expect("create the raw file");
    measured(|| {
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut appends = 0;
        while Instant::now() < until {
            file.write_all(&bytes).expect("write");
            file.sync_data().expect("fdatasync");
            appends += 1;
        }
        appends
    })
}

fn journal(dir: &Path, seconds: u64, callers: usize, partitions: u32) -> Round {
    let topic = Topic::new("events");
    let dir = dir.join(format!("{callers}-{partitions}"));
    let config = Config {
        dir,
        partitions,
        ..Config::default()
    };
    let open = Journal::open(
        config,
        std::slice::from_ref(&topic),
        &prometheus::Registry::new(),
    );
    let journal = open.expect("open the journal");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let value = Bytes::from(vec![b'x'; VALUE_BYTES]);
    let records: Vec<Record> = (0..BATCH)
        .map(|n| {
            let key = Bytes::from(format!("user{n}"));
            Record {
                topic: topic.clone(),
                key,
                value: value.clone(),
            }
        })
        .collect();
    let round = measured(|| {
        let appends = Arc::new(AtomicU64::new(0));
        let until = Instant::now() + Duration::from_secs(seconds);
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..callers {
                let (writer, records) = (journal.writer(), records.clone());
                let appends = Arc::clone(&appends);
                tasks.spawn(async move {
                    while Instant::now() < until {
                        let outcomes = writer.append(records.clone()).await;
                        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
                        appends.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            tasks.join_all().await;
        });
        appends.load(Ordering::Relaxed)
    });
    runtime.block_on(journal.close());
    round
}

fn main() {
    let seconds = std::env::var("HEADGATE_BENCH_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let seconds = seconds.unwrap_or(2);
    let dir = match std::env::var_os("HEADGATE_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let dir = dir.expect("a directory to write to");
    print_head();
    for partitions in [1, 4] {
        for callers in [1, 64, 256] {
            let raw = raw(dir.path(), seconds);
            raw.print("raw write + fdatasync", &raw);
            let round = journal(dir.path(), seconds, callers, partitions);
            round.print(
                &format!("journal: callers {callers}, partitions {partitions}"),
                &raw,
            );
        }
    }
}
