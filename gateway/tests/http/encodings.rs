//! Compressed bodies, whole, cut short and exploding.

use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};

use crate::support::start;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 3, 22);
    encoder.write_all(bytes).unwrap();
    drop(encoder);
    out
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

type Encode = fn(&[u8]) -> Vec<u8>;

const ALL: [(&str, Encode); 5] = [
    ("gzip", gzip),
    ("deflate", zlib),
    ("deflate", raw_deflate),
    ("br", brotli),
    ("zstd", zstd),
];

fn lines(events: usize) -> Vec<u8> {
    let line = |n| {
        format!(
            "{{\"type\":\"loose\",\"id\":\"{n}\",\"data\":{{\"n\":{}}}}}\n",
            n * 7919
        )
    };
    (0..events).map(line).collect::<String>().into_bytes()
}

#[tokio::test]
async fn every_encoding_is_inflated_small_and_large() {
    let gateway = start(|_| {});
    for (name, encode) in ALL {
        for events in [1, 5_000] {
            let headers =
                format!("content-encoding: {name}\r\ncontent-type: application/x-ndjson\r\n");
            let reply = gateway.post(&headers, encode(&lines(events))).await;
            assert_eq!(reply.status, 200, "{name} {events}: {reply:?}");
            assert_eq!(reply.json()["accepted"], events);
        }
    }
    assert_eq!(
        gateway.metric("headgate_gateway_in_flight_bytes").await,
        0.0
    );
}

#[tokio::test]
async fn a_body_cut_short_is_refused_whole() {
    let gateway = start(|_| {});
    for (name, encode) in ALL {
        let mut body = encode(&lines(5_000));
        body.truncate(body.len() / 2);
        let headers = format!("content-encoding: {name}\r\ncontent-type: application/x-ndjson\r\n");
        let reply = gateway.post(&headers, body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "corrupt_encoding"),
            "{name}"
        );
    }
    assert!(gateway.events().is_empty());
}

#[tokio::test]
async fn gzip_is_sniffed_and_may_have_many_members() {
    let gateway = start(|_| {});
    let mut body = gzip(b"[{\"type\":\"loose\"},");
    body.extend(gzip(b"{\"type\":\"loose\"}]"));
    let reply = gateway.post("content-type: text/plain\r\n", body).await;
    assert_eq!(
        (reply.status, reply.json()["accepted"].clone()),
        (200, 2.into())
    );
}

#[tokio::test]
async fn unknown_and_stacked_encodings_are_415_with_what_is_supported() {
    let gateway = start(|_| {});
    for encoding in ["compress", "gzip, gzip"] {
        let reply = gateway
            .post(&format!("content-encoding: {encoding}\r\n"), "x")
            .await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (415, "unsupported_encoding")
        );
        assert_eq!(
            reply.header("accept-encoding"),
            Some("gzip, deflate, br, zstd")
        );
    }
    let reply = gateway
        .post("content-encoding: identity\r\n", r#"{"type":"loose"}"#)
        .await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn bombs_are_refused_at_the_cap_in_every_encoding() {
    let gateway = start(|config| config.limits.inflated_bytes_max = 1 << 20);
    let spaces = vec![b' '; 8 << 20];
    // A gibibyte, in members: that is how much is sent in a mebibyte.
    let gibibyte = gzip(&spaces[..1 << 20]).repeat(1024);
    let mut bombs = vec![("gzip", gibibyte)];
    bombs.extend(ALL.map(|(name, encode)| (name, encode(&spaces))));
    for (name, bomb) in bombs {
        let reply = gateway
            .post(&format!("content-encoding: {name}\r\n"), bomb)
            .await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (413, "inflated_body_too_large"),
            "{name}"
        );
    }
    assert_eq!(
        gateway.metric("headgate_gateway_in_flight_bytes").await,
        0.0
    );
}

#[tokio::test]
async fn a_body_that_inflates_right_to_the_cap_is_taken() {
    let body = lines(100);
    let gateway = start(|config| config.limits.inflated_bytes_max = body.len() as u64);
    for (name, encode) in ALL {
        let headers = format!("content-encoding: {name}\r\ncontent-type: application/x-ndjson\r\n");
        assert_eq!(
            gateway.post(&headers, encode(&body)).await.status,
            200,
            "{name}"
        );
        let mut longer = body.clone();
        longer.push(b' ');
        assert_eq!(
            gateway.post(&headers, encode(&longer)).await.status,
            413,
            "{name}"
        );
    }
}
