//! What a request costs the gateway without sockets: body in hand, a stream that takes everything at once.
//!
//! `cargo bench -p headgate-gateway`. Throughput is in events, so the time of one event can be read off.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot start may panic"
)]

use std::{hint::black_box, path::Path, sync::Arc};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::BoxFuture;
use headgate_gateway::{Collector, Config, Parts, SharedSources, Topics, clock, sources};
use headgate_schemas::registry::{Registry, SharedRegistry};
use headgate_stream::log::{Health, Outcome, Record, Writer};
use http::Request;
use http_body_util::Full;

/// Takes everything, keeps nothing.
struct Void;

impl Writer for Void {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move { black_box(records).iter().map(|_| Ok(())).collect() })
    }

    fn health(&self) -> Health {
        Health::Ready
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn collector() -> Collector {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/events");
    let parts = Parts {
        writer: Arc::new(Void),
        schemas: Arc::new(SharedRegistry::new(Registry::load(&events).unwrap())),
        sources: Arc::new(SharedSources::new(&sources::Config::new(), "/headgate")),
        topics: Topics::default(),
        registry: prometheus::Registry::new(),
        checks: Vec::new(),
        notes: Vec::new(),
        clock: clock::system(),
    };
    Collector::new(&Config::default(), parts).unwrap()
}

/// An order of about 1.1 KB.
fn event(number: usize) -> String {
    let item = |n: usize| {
        format!(
            r#"{{"product_id":"p-{n}","name":"Mug, blue, 350 ml, dishwasher-safe","price":12.{n},"quantity":2,"options":{{"engraving":"Ada Lovelace","wrapping":"recycled paper"}}}}"#
        )
    };
    let items: Vec<String> = (0..5).map(|n| item(number % 7 + n)).collect();
    format!(
        r#"{{"type":"order_completed","id":"0193f7a2-5d3c-7c4e-9a51-{number:012}","time":"2026-11-22T20:07:54.123Z","userid":"user-{number}","data":{{"order_id":"o-{number}","total":61.4,"currency":"EUR","items":[{}],"shipping":{{"method":"express","price":4.9,"country":"PT","promised_on":"2026-11-25"}},"coupon":null,"paid_at":"2026-11-22T20:07:54.123Z","first_order":true}}}}"#,
        items.join(",")
    )
}

fn collect(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let collector = collector();
    let mut group = criterion.benchmark_group("collect");
    for batch in [1, 20, 100] {
        let events: Vec<String> = (0..batch).map(event).collect();
        let body = Bytes::from(format!("[{}]", events.join(",")));
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(batch),
            &body,
            |bencher, body| {
                bencher.iter(|| {
                    let request = Request::post("/v1/events")
                        .body(Full::new(body.clone()))
                        .unwrap();
                    let response = runtime.block_on(collector.respond(request));
                    assert_eq!(response.status(), 200);
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, collect);
criterion_main!(benches);
