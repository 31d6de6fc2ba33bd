//! CPU time to validate one event of about 1.1 KB: Headgate's one pass over the bytes against a `serde_json::Value`
//! that the `jsonschema` crate then validates, in the same run. All start from bytes whose UTF-8 is unchecked.

#![allow(missing_docs, reason = "the macros of criterion")]
#![allow(clippy::unwrap_used, reason = "a bench")]

mod track;

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headgate_schemas::program::{Document, compile};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// CPU time of this thread: what neighbours on the machine do is not counted.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(
            now.tv_sec.unsigned_abs(),
            u32::try_from(now.tv_nsec).unwrap(),
        )
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        const WALL: &WallTime = &WallTime;
        WALL.formatter()
    }
}

fn validate(c: &mut Criterion<CpuTime>) {
    let events = track::events(1_000);
    let bytes: usize = events.iter().map(String::len).sum();
    println!(
        "{} events, {} bytes each on average",
        events.len(),
        bytes / events.len()
    );
    let value: Value = serde_json::from_str(track::SCHEMA).unwrap();
    let document = Document {
        uri: "headgate:///events/track/1.json".to_owned(),
        value,
    };
    let program = compile(&document, &[]).unwrap();
    let peer = jsonschema::options()
        .should_validate_formats(true)
        .build(&document.value)
        .unwrap();
    for event in &events {
        assert_eq!(program.check(event, 32), Ok(()));
        assert!(peer.is_valid(&serde_json::from_str(event).unwrap()));
    }

    let mut group = c.benchmark_group("validate an event");
    group.throughput(Throughput::Elements(1));
    group.bench_function("headgate", |b| {
        let mut next = events.iter().cycle();
        b.iter(|| {
            let text =
                simdutf8::basic::from_utf8(black_box(next.next().unwrap().as_bytes())).unwrap();
            program.check(text, 32).is_ok()
        });
    });
    group.bench_function("serde_json::Value + jsonschema", |b| {
        let mut next = events.iter().cycle();
        b.iter(|| {
            let bytes = black_box(next.next().unwrap().as_bytes());
            peer.is_valid(&serde_json::from_slice(bytes).unwrap())
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime).sample_size(50);
    targets = validate
}
criterion_main!(benches);
