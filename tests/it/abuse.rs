//! What hostile or hapless clients send, and a schema that is broken: the outcome is the documented one, the process lives
//! on, its memory stays bounded, and others notice nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use flate2::{Compress, Compression, Crc, FlushCompress};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Reply, Site, Up, stderr, wait_for};

const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

fn signed_up(id: &str) -> Value {
    json!({ "id": id, "type": "signed_up", "data": { "method": "password" } })
}

/// An ordinary client's request, which must not notice what else happens.
#[track_caller]
fn ordinary(up: &Up) {
    let reply = up.post_json(&signed_up("ordinary").to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// One gzip member that inflates to a GiB of spaces. Compressed pieces that are flushed in full can be repeated.
fn gzip_bomb() -> Vec<u8> {
    let piece = vec![b' '; MIB];
    let mut packed = Vec::with_capacity(64 << 10);
    Compress::new(Compression::best(), false)
        .compress_vec(&piece, &mut packed, FlushCompress::Full)
        .expect("in memory");
    let (mut crc_of_piece, mut crc) = (Crc::new(), Crc::new());
    crc_of_piece.update(&piece);
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for _ in 0..GIB / MIB {
        bomb.extend_from_slice(&packed);
        crc.combine(&crc_of_piece);
    }
    // An empty last block, then the checksum and the length.
    bomb.extend_from_slice(&[3, 0]);
    bomb.extend_from_slice(&crc.sum().to_le_bytes());
    bomb.extend_from_slice(&(GIB as u32).to_le_bytes());
    bomb
}

/// A zstd frame of the same content: 128 KiB of spaces in each block of four bytes.
fn zstd_bomb() -> Vec<u8> {
    const BLOCK_BYTES: usize = 128 << 10;
    const RUN_LENGTH: usize = 1 << 1;
    const LAST: usize = 1;
    // Magic, a frame without size or checksum, a window of 128 KiB.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    for left in (0..GIB / BLOCK_BYTES).rev() {
        let last = if left == 0 { LAST } else { 0 };
        let header = ((BLOCK_BYTES << 3 | RUN_LENGTH | last) as u32).to_le_bytes();
        bomb.extend_from_slice(&[header[0], header[1], header[2], b' ']);
    }
    bomb
}

fn detonate(up: &Up, encoding: &str, bomb: &[u8]) -> Reply {
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", encoding),
    ];
    up.post(&headers, bomb)
}

#[test]
fn a_body_that_inflates_to_a_gib_is_refused_at_the_cap() {
    let site = Site::new();
    let up = site.up();
    ordinary(&up);
    let before = up.memory_bytes("VmRSS");
    for (encoding, bomb) in [("gzip", gzip_bomb()), ("zstd", zstd_bomb())] {
        assert!(bomb.len() < 2 * MIB, "{encoding}: {} bytes", bomb.len());
        let reply = detonate(&up, encoding, &bomb);
        assert_eq!(reply.status, 413, "{encoding}: {reply:?}");
        assert_eq!(reply.json()["error"]["code"], "inflated_body_too_large");
        ordinary(&up);
    }
    // The cap is 32 MiB by default.
    let grown = up.memory_bytes("VmHWM").saturating_sub(before);
    assert!(grown < 96 * MIB as u64, "grew by {grown} bytes");
}

#[test]
fn many_bombs_at_once_stay_within_the_bytes_in_flight() {
    let site = Site::new();
    let up = site.up();
    ordinary(&up);
    let before = up.memory_bytes("VmRSS");
    let bomb = zstd_bomb();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..32)
            .map(|_| scope.spawn(|| detonate(&up, "zstd", &bomb).status))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("a reply"))
            .collect()
    });
    assert!(
        statuses.iter().all(|status| matches!(status, 413 | 503)) && statuses.contains(&413),
        "{statuses:?}"
    );
    ordinary(&up);
    // `in_flight_bytes_max` is 256 MiB by default; together the bombs would be 32 GiB, or 1 GiB at the cap.
    let grown = up.memory_bytes("VmHWM").saturating_sub(before);
    assert!(grown < 320 * MIB as u64, "grew by {grown} bytes");
    assert_eq!(up.metric("headgate_gateway_in_flight_bytes"), Some(0.0));
}

/// A client that begins a request and then sends a byte now and then.
struct Slow(Option<TcpStream>);

impl Slow {
    fn begin(to: SocketAddr, request: &str) -> Self {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE).expect("a connection");
        stream.write_all(request.as_bytes()).expect("sent");
        stream.set_nonblocking(true).expect("a socket");
        Self(Some(stream))
    }

    /// Sends one more byte; false once the connection is lost.
    fn drip(&mut self) -> bool {
        let Some(stream) = &mut self.0 else {
            return false;
        };
        let alive = |result: std::io::Result<usize>| match result {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        if !alive(stream.write(b"x")) || !alive(stream.read(&mut [0; 1024])) {
            self.0 = None;
        }
        self.0.is_some()
    }
}

#[test]
fn five_hundred_slow_connections_are_cut_and_an_ordinary_client_notices_nothing() {
    let site = Site::new();
    let up = site.up_with(&[
        ("HEADGATE__GATEWAY__TIMEOUTS__HEADER_TIMEOUT_MS", "1000"),
        ("HEADGATE__GATEWAY__TIMEOUTS__BODY_TIMEOUT_MS", "1500"),
        ("HEADGATE__GATEWAY__TIMEOUTS__BODY_STALL_TIMEOUT_MS", "1000"),
    ]);
    let half_headers = "POST /v1/events HTTP/1.1\r\nhost: a\r\nx-slow: ";
    let half_body = "POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                     content-length: 1000000\r\n\r\n[";
    let begun = Instant::now();
    let mut slow: Vec<Slow> = (0..500)
        .map(|n| Slow::begin(up.gateway, [half_headers, half_body][n % 2]))
        .collect();
    let mut took = Vec::new();
    while slow
        .iter_mut()
        .map(Slow::drip)
        .filter(|alive| *alive)
        .count()
        > 0
    {
        let asked = Instant::now();
        ordinary(&up);
        took.push(asked.elapsed());
        assert!(begun.elapsed() < PATIENCE, "slow clients are still there");
    }
    // The settings' defaults would allow 10 and 60 seconds.
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
    took.sort();
    let median = took[took.len() / 2];
    assert!(took.len() > 10, "only {} ordinary requests", took.len());
    assert!(median < Duration::from_millis(500), "median {median:?}");
    for reason in ["header_timeout", "body_timeout"] {
        let name = format!("headgate_gateway_connections_closed_total{{reason=\"{reason}\"}}");
        assert_eq!(up.metric(&name), Some(250.0), "{reason}");
    }
    wait_for("the connections to be given back", || {
        (up.metric("headgate_gateway_connections") == Some(0.0)).then_some(())
    });
}

#[test]
fn ten_thousand_levels_of_json_are_refused_in_every_form() {
    let site = Site::new();
    let up = site.up();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let event =
        format!(r#"{{"id":"deep","type":"signed_up","data":{{"method":"google","x":{deep}}}}}"#);
    let cloud_event = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "deep"),
        ("ce-source", "/shop"),
        // Of a schema without `x-pii`: what is no object would be masked as a whole.
        ("ce-type", "app_opened"),
    ];
    let (json_type, ndjson) = (
        &[("content-type", "application/json")][..],
        &[("content-type", "application/x-ndjson")][..],
    );
    for (headers, body) in [
        (json_type, event.as_str()),
        (json_type, &format!("[{event}]")),
        (ndjson, &format!("{event}\n")),
        (&cloud_event[..], &deep),
    ] {
        let reply = up.post(headers, body.as_bytes());
        assert_eq!(reply.status, 400, "{reply:?}");
        let result = &reply.json()["results"][0];
        assert_eq!(
            (&result["id"], &result["status"]),
            (&json!("deep"), &json!("rejected"))
        );
        assert_eq!(result["errors"][0]["keyword"], "depth");
    }
    // Nothing that could be an event.
    let reply = up.post_json(&deep);
    assert_eq!(reply.status, 400, "{reply:?}");
    for unclosed in ["[".repeat(1_000_000), r#"{"a":"#.repeat(200_000)] {
        let reply = up.post_json(&unclosed);
        assert_eq!(reply.status, 400, "{reply:?}");
        assert_eq!(reply.json()["error"]["offset"], 1_000_000, "{reply:?}");
    }
    ordinary(&up);
    site.wait_for_rows("bad_events", 5);
    let rows = site.query("select reason, rejected_id id, length(payload) n from bad_events where reason = 'malformed'");
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter()
            .all(|row| row["id"] == "deep" && row["n"].as_u64() >= Some(20_000)),
        "{rows:?}"
    );
}

#[test]
fn an_unknown_major_is_refused_with_the_majors_there_are_and_kept() {
    let site = Site::new();
    let up = site.up();
    let reply = up.post_json(
        r#"{"id":"late","type":"signed_up","dataschema":"signed_up/9","data":{"method":"google"}}"#,
    );
    assert_eq!(reply.status, 400, "{reply:?}");
    let error = reply.json()["results"][0]["errors"][0].clone();
    assert_eq!(
        (&error["pointer"], &error["keyword"]),
        (&json!("/dataschema"), &json!("dataschema"))
    );
    let message = error["message"].as_str().expect("a message");
    assert!(
        message.contains("no major version 9") && message.contains("known: 1"),
        "{message}"
    );
    site.wait_for_rows("bad_events", 1);
    let rows = site.query("select reason, rejected_type t, rejected_id id, errors from bad_events");
    assert_eq!(
        (&rows[0]["reason"], &rows[0]["t"], &rows[0]["id"]),
        (
            &json!("unknown_schema"),
            &json!("signed_up"),
            &json!("late")
        )
    );
    assert!(
        rows[0]["errors"]
            .as_str()
            .is_some_and(|errors| errors.contains("known: 1")),
        "{rows:?}"
    );
}

#[test]
fn a_broken_schema_file_ends_the_start_with_file_place_and_reason() {
    let schemas = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let dir = schemas.path().join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("1.json"), text).expect("a file");
    };
    write(
        "fine",
        r#"{"type":"object","properties":{"page":{"type":"string"}}}"#,
    );
    write(
        "misspelt",
        r#"{"type":"object","properties":{"page":{"minLenght":1}}}"#,
    );
    write("cut", r#"{"type":"object","#);
    write(
        "dangling",
        r##"{"properties":{"page":{"$ref":"#/$defs/nowhere"}}}"##,
    );
    let site = Site::with_schemas(schemas.path().to_owned());
    let output = site
        .up_command()
        .stderr(Stdio::piped())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let error = stderr(&output);
    let line = |file: &str| -> String {
        let found = error.lines().find(|line| line.contains(file));
        found
            .unwrap_or_else(|| panic!("{file} is not named: {error}"))
            .to_owned()
    };
    assert!(
        line("cut/1.json").contains("JSON") || line("cut/1.json").contains("end"),
        "{error}"
    );
    let misspelt = line("misspelt/1.json");
    assert!(
        misspelt.contains("/properties/page") && misspelt.contains("minLenght"),
        "{error}"
    );
    let dangling = line("dangling/1.json");
    assert!(
        dangling.contains("/properties/page") && dangling.contains("#/$defs/nowhere"),
        "{error}"
    );
    assert!(!error.contains("fine/1.json"), "{error}");
    assert!(!site.data_dir().exists(), "the data directory was made");
}
