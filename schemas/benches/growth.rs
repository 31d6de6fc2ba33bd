//! CPU time to find an event's schema and to validate the event, by the number of schemas in use: what it costs that
//! their compiled forms have to share the processor's caches.
//!
//! A gateway does much else between two uses of a schema: before each batch, memory of several times the size of a
//! core's own caches is written, and then the batch's events into one buffer, as they would be read from a socket.
//! The events are as many and as large in every row. Neither is part of the time. Two sets are measured. In `copies` every schema says the
//! same under another name; in `different` no two schemas have the name of a property in common.
//!
//! `HEADGATE_BENCH_ELSEWHERE_MIB` sets how much is written: the default clears what belongs to one core; more than the
//! shared cache holds shows what is left when neighbours on the machine have taken that too.
//! `HEADGATE_BENCH_ROUNDS` sets the measurements of each row, of which the median is shown. With
//! `HEADGATE_BENCH_UNTIMED` the clock is never read, for simulators that do not know it:
//! `valgrind --tool=cachegrind --cache-sim=yes <this bench> different 200`.

#![allow(clippy::unwrap_used, reason = "a bench")]

mod track;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use headgate_schemas::registry::Registry;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value};

use track::Random;

const SCHEMAS: [usize; 4] = [1, 10, 50, 200];
const EVENTS: usize = 4_000;
const BATCH_EVENTS: usize = 20;
const DEPTH_MAX: u32 = 32;
const ROUNDS: usize = 9;
/// What is written between two batches: more than a core's own caches hold.
const ELSEWHERE_MIB: usize = 4;

/// CPU time of this thread.
fn cpu_time(is_timed: bool) -> Duration {
    if !is_timed {
        return Duration::ZERO;
    }
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap(),
    )
}

/// The key with two characters at its end that tell one schema's keys from another's, at the same length.
fn renamed(key: &str, schema: usize) -> String {
    let digit = |at: usize| char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[at % 36]);
    let kept = key.len().saturating_sub(2);
    format!("{}{}{}", &key[..kept], digit(schema / 36), digit(schema))
}

fn rename_event(value: Value, schema: usize) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (renamed(&key, schema), rename_event(value, schema)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

/// Renames the properties that a schema names, at every level.
fn rename_schema(value: &mut Value, schema: usize) {
    let Value::Object(keywords) = value else {
        return;
    };
    if let Some(Value::Array(required)) = keywords.get_mut("required") {
        for key in required {
            *key = renamed(key.as_str().unwrap(), schema).into();
        }
    }
    if let Some(Value::Object(properties)) = keywords.get_mut("properties") {
        *properties = std::mem::take(properties)
            .into_iter()
            .map(|(key, mut value)| {
                rename_schema(&mut value, schema);
                (renamed(&key, schema), value)
            })
            .collect();
    }
}

/// Schemas and events that are spread over them.
struct Load {
    elsewhere_mib: usize,
    registry: Registry,
    /// Each event's type and data.
    events: Vec<(String, String)>,
}

impl Load {
    fn new(schemas: usize, different: bool) -> Self {
        let mut files = Vec::new();
        for at in 0..schemas {
            let mut schema: Value = serde_json::from_str(track::SCHEMA).unwrap();
            // It can belong to one of them only.
            schema.as_object_mut().unwrap().remove("$id");
            if different {
                rename_schema(&mut schema, at);
            }
            files.push((
                PathBuf::from(format!("track_{at}/1.json")),
                schema.to_string(),
            ));
        }
        let files = files
            .iter()
            .map(|(path, text)| (path.as_path(), text.as_bytes()));
        let registry = Registry::from_files(files).unwrap();
        let mut random = Random(7);
        let mut events = Vec::new();
        for event in track::events(EVENTS) {
            let at = random.below(schemas);
            let mut value: Value = serde_json::from_str(&event).unwrap();
            if different {
                value = rename_event(value, at);
            }
            let (kind, data) = (format!("track_{at}"), value.to_string());
            let schema = registry.resolve(&kind, None).unwrap();
            assert_eq!(schema.check(&data, DEPTH_MAX), Ok(()));
            events.push((kind, data));
        }
        Self {
            elsewhere_mib: setting("HEADGATE_BENCH_ELSEWHERE_MIB", ELSEWHERE_MIB),
            registry,
            events,
        }
    }

    /// Nanoseconds an event, over all events once.
    fn run(&self, validate: bool, is_timed: bool) -> f64 {
        let mut buffer = String::with_capacity(64 << 10);
        let mut elsewhere = vec![0_u8; self.elsewhere_mib << 20];
        let mut spent = Duration::ZERO;
        for batch in self.events.chunks(BATCH_EVENTS) {
            elsewhere.iter_mut().for_each(|byte| *byte ^= 1);
            black_box(&mut elsewhere);
            buffer.clear();
            batch.iter().for_each(|(_, data)| buffer.push_str(data));
            let mut rest = black_box(&*buffer);
            let before = cpu_time(is_timed);
            for (kind, data) in batch {
                let (data, behind) = rest.split_at(data.len());
                rest = behind;
                let schema = self.registry.resolve(black_box(kind), None).unwrap();
                if validate {
                    assert!(schema.check(data, DEPTH_MAX).is_ok());
                } else {
                    black_box(schema.version());
                }
            }
            spent += cpu_time(is_timed) - before;
        }
        spent.as_secs_f64() * 1e9 / self.events.len() as f64
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn main() {
    // `-- copies 200` measures one row only, for instance under a simulator of caches.
    let words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'));
    let asked: Vec<String> = words.collect();
    let rounds = setting("HEADGATE_BENCH_ROUNDS", ROUNDS);
    let is_timed = std::env::var_os("HEADGATE_BENCH_UNTIMED").is_none();
    println!("set        schemas  resolve + check    resolve alone   (ns of CPU time an event)");
    for different in [false, true] {
        let set = if different { "different" } else { "copies" };
        for schemas in SCHEMAS {
            let row = [set.to_owned(), schemas.to_string()];
            if !asked.iter().all(|word| row.contains(word)) {
                continue;
            }
            let load = Load::new(schemas, different);
            let figure = |validate| {
                let rounds = (0..rounds).map(|_| load.run(validate, is_timed));
                median(rounds.collect())
            };
            let (both, resolve) = (figure(true), figure(false));
            println!("{set:<10} {schemas:>7} {both:>16.0} {resolve:>16.0}");
        }
    }
}
