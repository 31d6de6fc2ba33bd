//! What a request costs the gateway without sockets: body in hand, a stream that takes everything at once.
//!
//! `cargo bench -p headgate-gateway --bench collect`; what each protocol costs beside it is `protocols`' to tell. Throughput is in events, so the time of one event can be read off.

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

/// The order's schema of the example catalogue.
fn schemas() -> Registry {
    let orders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/events");
    let order = std::fs::read_to_string(orders.join("order_completed/1.json")).unwrap();
    let money = std::fs::read(orders.join("_shared/money.json")).unwrap();
    let files: [(&Path, &[u8]); 2] = [
        (Path::new("order_completed/1.json"), order.as_bytes()),
        (Path::new("_shared/money.json"), &money),
    ];
    Registry::from_files(files.into_iter()).unwrap()
}

fn collector() -> Collector {
    let parts = Parts {
        writer: Arc::new(Void),
        schemas: Arc::new(SharedRegistry::new(schemas())),
        sources: Arc::new(SharedSources::new(&sources::Config::new(), "/headgate").unwrap()),
        privacy: Default::default(),
        topics: Topics::default(),
        registry: prometheus::Registry::new(),
        checks: Vec::new(),
        notes: Vec::new(),
        clock: clock::system(),
    };
    Collector::new(&Config::default(), parts).unwrap()
}

/// What an order of about 1.1 KB says.
fn order(number: usize) -> String {
    let item = |n: usize| {
        format!(
            r#"{{"product_id":"p-{n}","name":"Mug, blue, 350 ml, dishwasher-safe","price":12.{n},"quantity":2,"options":{{"engraving":"Ada Lovelace","wrapping":"recycled paper"}}}}"#
        )
    };
    let items: Vec<String> = (0..5).map(|n| item(number % 7 + n)).collect();
    format!(
        r#"{{"order_id":"o-{number}","total":61.4,"currency":"EUR","items":[{}],"shipping":{{"method":"express","price":4.9,"country":"PT","promised_on":"2026-11-25"}},"coupon":null,"paid_at":"2026-11-22T20:07:54.123Z","first_order":true}}"#,
        items.join(",")
    )
}

/// As a native event.
fn event(number: usize) -> String {
    let order = order(number);
    format!(
        r#"{{"type":"order_completed","id":"0193f7a2-5d3c-7c4e-9a51-{number:012}","time":"2026-11-22T20:07:54.123Z","userid":"user-{number}","data":{order}}}"#
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
        group.bench_with_input(BenchmarkId::new("native", batch), &body, |bencher, body| {
            bencher.iter(|| {
                let request = Request::post("/v1/events");
                let request = request.body(Full::new(body.clone())).unwrap();
                let response = runtime.block_on(collector.respond(request, None));
                assert_eq!(response.status(), 200);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, collect);
criterion_main!(benches);
