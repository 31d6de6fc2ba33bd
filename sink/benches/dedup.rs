//! What it costs to know an event that comes again: CPU time on one thread, memory, and bytes in the store.
//!
//! `cargo bench -p headgate-sink --features testing --bench dedup`
//!
//! For each number of events that are remembered already, batches of 100,000 new ones are taken, and then the same again.

use std::{fs, time::Duration};

use headgate_sink::{Config, testing::Remembered};

const BATCH: u64 = 100_000;
const BATCHES: u64 = 10;

fn main() {
    println!(
        "| events remembered | new, CPU ns an event | came before, CPU ns an event | memory, bytes an event | kept in the \
         store, bytes an event |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: |");
    for remembered in [0, 100_000, 1_000_000, 9_000_000] {
        let mut known = Remembered::new(&Config::default()).expect("the default is a window");
        let mut next = 0;
        let mut landed = |known: &mut Remembered| {
            let ids = ids(next);
            let before = cpu_time();
            assert_eq!(known.take(ids.iter().map(String::as_str), 0) as u64, BATCH);
            let taken = cpu_time() - before;
            let bytes = known.landed(&next.to_string(), 0);
            next += 1;
            (taken, bytes)
        };
        for _ in 0..remembered / BATCH {
            landed(&mut known);
        }
        let (mut new, mut bytes) = (Duration::ZERO, 0);
        for _ in 0..BATCHES {
            let (taken, kept) = landed(&mut known);
            new += taken;
            bytes += kept;
        }
        let again = ids(next - 1);
        let before = cpu_time();
        assert_eq!(known.take(again.iter().map(String::as_str), 0), 0);
        let again = cpu_time() - before;
        let (events, memory) = known.extent();
        println!(
            "| {remembered} | {:.0} | {:.0} | {:.1} | {:.1} |",
            new.as_nanos() as f64 / (BATCH * BATCHES) as f64,
            again.as_nanos() as f64 / BATCH as f64,
            memory as f64 / events as f64,
            bytes as f64 / (BATCH * BATCHES) as f64,
        );
    }
}

/// The ids of a batch, as SDKs make them.
fn ids(batch: u64) -> Vec<String> {
    let id = |n: u64| {
        // Spread over all bits, the same in every run.
        let high = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let low = high.rotate_left(31).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        uuid::Uuid::from_u64_pair(high, low).to_string()
    };
    (batch * BATCH..(batch + 1) * BATCH).map(id).collect()
}

/// This thread's time on a processor: neighbours on the machine do not count.
fn cpu_time() -> Duration {
    let stat =
        fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's CPU time");
    let nanos = stat.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds come first"))
}
