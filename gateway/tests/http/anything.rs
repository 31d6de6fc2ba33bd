//! Any bytes, framed in every way, through the gateway without sockets: the twin of the fuzz target `body`.

use std::sync::Arc;

use bytes::Bytes;
use headgate_gateway::{Collector, Config, Parts, SharedSources, Topics, clock, sources};
use headgate_schemas::{
    event::Event,
    registry::{Registry, SharedRegistry},
};
use headgate_stream::testing::memory::Memory;
use http_body_util::Full;
use proptest::prelude::*;

const TYPES: [&str; 4] = [
    "application/json",
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
];
const ENCODINGS: [&str; 5] = ["identity", "gzip", "deflate", "br", "zstd"];

/// Bytes that are often nearly events.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(br#"{"type":"bad_events","id":""}"#.to_vec()),
        Just(br#"{"type":"nope","data":{"a":[1,2]},"id":"\ud83d\ude00"}"#.to_vec()),
        Just(br#"{"type":"x","ext":"\u0000\n\\","userid":"u"}"#.to_vec()),
        prop::sample::select(b"[]{},:\"\n\\0tn \xFF\x1F\x8B".to_vec()).prop_map(|byte| vec![byte]),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_body_is_answered_and_what_is_written_reads_back(
        body in body(),
        media in prop::sample::select(&TYPES[..]),
        encoding in prop::sample::select(&ENCODINGS[..]),
        binary: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let memory = Memory::new(1);
        let topics = Topics::default();
        let parts = Parts {
            writer: memory.writer(),
            schemas: Arc::new(SharedRegistry::new(Registry::empty().unwrap())),
            sources: Arc::new(SharedSources::new(&sources::Config::new(), "/headgate").unwrap()),
            privacy: Default::default(),
            topics: topics.clone(),
            registry: prometheus::Registry::new(),
            checks: Vec::new(),
            notes: Vec::new(),
            clock: clock::system(),
        };
        let collector = Collector::new(&Config::default(), parts).unwrap();
        let mut request = http::Request::post("/v1/events")
            .header("content-type", media)
            .header("content-encoding", encoding);
        if binary {
            request = request.header("ce-type", "nope");
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let status = runtime.block_on(collector.respond(request, None)).status().as_u16();
        prop_assert!(matches!(status, 200 | 400), "{}", status);
        prop_assert!(memory.values(&topics.events).is_empty());
        for record in memory.values(&topics.bad_events) {
            let text = std::str::from_utf8(&record).unwrap();
            prop_assert!(Event::read(text, u32::MAX).is_ok(), "{}", text);
        }
    }
}
