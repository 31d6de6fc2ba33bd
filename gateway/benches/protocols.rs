//! What an event costs the gateway by each protocol, against a native client's: CPU time on one thread without sockets, body
//! in hand, a stream that takes everything at once.
//!
//! `cargo bench -p headgate-gateway --bench protocols`
//!
//! Protocols take turns, round by round, because a machine's speed changes within minutes: a ratio is the median of the
//! rounds' ratios. All events say about the same, an order of 1.1 KB with a schema, but for the pixels, whose events are
//! small: those are held against native events that say the same.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot start may panic"
)]

#[path = "protocols/requests.rs"]
mod requests;

use std::{fs, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use headgate_gateway::{Collector, Config, Parts, SharedSources, Topics, clock, sources};
use headgate_schemas::registry::SharedRegistry;
use headgate_stream::log::{Health, Outcome, Record, Writer};
use http::{Method, Request};
use http_body_util::Full;
use requests::{Case, cases};
use tokio::runtime::Runtime;

const ROUNDS: usize = 15;
const EVENTS_A_ROUND: usize = 20_000;

/// Takes everything, keeps nothing; every event is to be valid.
struct Void;

impl Writer for Void {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Vec<Outcome>> {
        let events = Topics::default().events;
        assert!(records.iter().all(|record| record.topic == events));
        Box::pin(async move {
            std::hint::black_box(records)
                .iter()
                .map(|_| Ok(()))
                .collect()
        })
    }

    fn health(&self) -> Health {
        Health::Ready
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let parts = Parts {
        writer: Arc::new(Void),
        schemas: Arc::new(SharedRegistry::new(requests::schemas())),
        sources: Arc::new(SharedSources::new(&sources::Config::new(), "/headgate").unwrap()),
        privacy: Default::default(),
        topics: Topics::default(),
        registry: prometheus::Registry::new(),
        checks: Vec::new(),
        notes: Vec::new(),
        clock: clock::system(),
    };
    let collector = Collector::new(&Config::default(), parts).unwrap();
    println!(
        "| events a request | protocol | bytes an event | CPU us an event | times native | aim |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for (native, others, aim) in cases() {
        let mut spent = vec![Vec::new(); others.len() + 1];
        for _ in 0..ROUNDS {
            for (case, spent) in std::iter::once(&native).chain(&others).zip(&mut spent) {
                spent.push(round(&runtime, &collector, case));
            }
        }
        let (of_native, of_others) = spent.split_first().unwrap();
        row(&native, median(of_native.clone()), None);
        for (case, of_case) in others.iter().zip(of_others) {
            let ratios = of_case
                .iter()
                .zip(of_native)
                .map(|(case, native)| case / native);
            let ratio = median(ratios.collect());
            row(case, median(of_case.clone()), Some((ratio, aim)));
        }
    }
}

fn row(case: &Case, us: f64, ratio: Option<(f64, f64)>) {
    let (times, aim) = match ratio {
        Some((ratio, aim)) => (format!("{ratio:.2}"), aim.to_string()),
        None => ("1.00".to_owned(), String::new()),
    };
    let bytes = (case.body.len() + case.path.len()) / case.events;
    println!(
        "| {} | {} | {bytes} | {us:.2} | {times} | {aim} |",
        case.events, case.name
    );
}

/// CPU microseconds an event.
fn round(runtime: &Runtime, collector: &Collector, case: &Case) -> f64 {
    let requests = EVENTS_A_ROUND / case.events;
    let before = cpu_time();
    for _ in 0..requests {
        let method = match case.body.is_empty() {
            true => Method::GET,
            false => Method::POST,
        };
        let request = Request::builder()
            .method(method)
            .uri(&case.path)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::clone(&case.body)))
            .unwrap();
        let response = runtime.block_on(collector.respond(request, None));
        assert_eq!(response.status(), 200, "{}", case.name);
    }
    (cpu_time() - before).as_nanos() as f64 / (requests * case.events) as f64 / 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// This thread's time on a processor: neighbours on the machine do not count.
fn cpu_time() -> Duration {
    let stat =
        fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's CPU time");
    let nanos = stat.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds come first"))
}
