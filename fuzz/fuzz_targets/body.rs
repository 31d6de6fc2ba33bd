//! Any bytes as a request's body, framed in every way: the gateway answers, never panics, and what it writes to
//! the stream can be read back as an event. The first byte chooses content type and encoding.
#![no_main]

use std::sync::{Arc, OnceLock};

use headgate_gateway::{Collector, Config, Parts, SharedSources, Topics, clock, sources};
use headgate_schemas::{
    event::Event,
    registry::{Registry, SharedRegistry},
};
use headgate_stream::testing::memory::Memory;
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;

const TYPES: [&str; 4] = [
    "application/json",
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
];
const ENCODINGS: [&str; 5] = ["identity", "gzip", "deflate", "br", "zstd"];

fuzz_target!(|input: &[u8]| {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    static SCHEMAS: OnceLock<Arc<SharedRegistry>> = OnceLock::new();
    let Some((choice, body)) = input.split_first() else {
        return;
    };
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    });
    let schemas = SCHEMAS.get_or_init(|| {
        let events = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/events");
        Arc::new(SharedRegistry::new(
            Registry::load(events.as_ref()).unwrap(),
        ))
    });
    let memory = Memory::new(1);
    let topics = Topics::default();
    let parts = Parts {
        writer: memory.writer(),
        schemas: Arc::clone(schemas),
        sources: Arc::new(SharedSources::new(&sources::Config::new(), "/headgate").unwrap()),
        privacy: Default::default(),
        topics: topics.clone(),
        registry: prometheus::Registry::new(),
        checks: Vec::new(),
        notes: Vec::new(),
        clock: clock::system(),
    };
    let mut config = Config::default();
    config.limits.inflated_bytes_max = 1 << 20;
    let collector = Collector::new(&config, parts).unwrap();
    let mut request = http::Request::post("/v1/events")
        .header("content-type", TYPES[usize::from(*choice) % TYPES.len()])
        .header(
            "content-encoding",
            ENCODINGS[usize::from(*choice >> 4) % ENCODINGS.len()],
        );
    if choice & 8 != 0 {
        request = request.header("ce-type", "signed_up");
    }
    let request = request
        .body(Full::new(bytes::Bytes::copy_from_slice(body)))
        .unwrap();
    let status = runtime
        .block_on(collector.respond(request, None))
        .status()
        .as_u16();
    assert!(matches!(status, 200 | 207 | 400 | 413), "{status}");
    for topic in [&topics.events, &topics.bad_events] {
        for record in memory.values(topic) {
            Event::read(std::str::from_utf8(&record).unwrap(), u32::MAX).unwrap();
        }
    }
});
