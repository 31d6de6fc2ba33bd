//! What the writer to Kinesis costs, against a server that takes everything and keeps nothing.
//!
//! `cargo bench -p headgate-stream --features kinesis,testing --bench kinesis` prints a Markdown table: CPU time of this
//! process a record, for appends of 20 events of 1.1 KB to a stream of 16 shards, with aggregation and without. The
//! server is another process: this program, started again. `HEADGATE_BENCH_SECONDS` is how long each round takes (else 3),
//! `HEADGATE_BENCH_ROUNDS` how many there are of each kind (else 5).

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use headgate_stream::{
    kinesis::{Config, Kinesis},
    log::{Record, Topic, Writer},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

const BATCH: usize = 20;
const CALLERS: usize = 64;
const EVENTS: usize = 20_000;

/// A power of two, so that a hash's first bits name its shard.
const SHARDS: u128 = 16;

/// CPU time of this process, user and system, from the kernel's clock ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc/self/stat");
    let after = stat.rsplit(')').next().unwrap_or("");
    let fields: Vec<i64> = after
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    // Numeric fields after the state, one of which is -1 without a terminal: utime is the 11th, stime the 12th.
    Duration::from_millis(u64::try_from(fields[10] + fields[11]).unwrap_or(0) * 10)
}

/// One round: records a second, and CPU us a record.
#[derive(Debug, Clone, Copy)]
struct Round {
    per_s: f64,
    cpu_us: f64,
}

fn measured(run: impl FnOnce() -> u64) -> Round {
    let (began, cpu_before) = (Instant::now(), cpu());
    let records = run() as f64;
    Round {
        cpu_us: (cpu() - cpu_before).as_secs_f64() * 1e6 / records,
        per_s: records / began.elapsed().as_secs_f64(),
    }
}

/// Records of 1.1 KB whose bytes do not repeat. Keys are users.
fn events() -> Vec<(Bytes, Bytes)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let event = |_| {
        let user = random() % 50_000;
        let mut text = String::with_capacity(1_120);
        while text.len() < 1_100 {
            text.push_str(&format!("{:016x}", random()));
        }
        (Bytes::from(format!("user-{user}")), Bytes::from(text))
    };
    (0..EVENTS).map(event).collect()
}

fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime")
}

/// 64 callers, each with appends of 20 records.
fn round(endpoint: &str, aggregate: bool, events: &[(Bytes, Bytes)], seconds: u64) -> Round {
    let config = Config {
        region: Some("us-east-1".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        aggregate,
        // The server has no limits, and what is measured is what a record costs.
        shard_bytes_per_s_max: 1 << 30,
        shard_records_per_s_max: 1_000_000,
        ..Config::default()
    };
    let runtime = runtime();
    let topic = Topic::new("events");
    let writer = runtime.block_on(async {
        let registry = prometheus::Registry::new();
        let kinesis = Kinesis::open_with_keys(config, "key", "secret", &registry);
        let kinesis = kinesis.await.expect("right settings");
        let writer = kinesis.writer(std::slice::from_ref(&topic)).await;
        writer.expect("a stream")
    });
    let record = |(key, value): &(Bytes, Bytes)| Record {
        topic: topic.clone(),
        key: key.clone(),
        value: value.clone(),
    };
    let batches: Vec<Vec<Record>> = events
        .chunks_exact(BATCH)
        .map(|batch| batch.iter().map(record).collect())
        .collect();
    // The first record pays for the connection.
    runtime.block_on(append(&*writer, batches[0].clone()));
    let batches = Arc::new(batches);
    let round = measured(|| {
        let until = Instant::now() + Duration::from_secs(seconds);
        let records = Arc::new(AtomicU64::new(0));
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for caller in 0..CALLERS {
                let (writer, batches, records) = (
                    Arc::clone(&writer),
                    Arc::clone(&batches),
                    Arc::clone(&records),
                );
                tasks.spawn(async move {
                    for batch in batches.iter().cycle().skip(caller * 15) {
                        if Instant::now() >= until {
                            break;
                        }
                        append(&*writer, batch.clone()).await;
                        records.fetch_add(BATCH as u64, Ordering::Relaxed);
                    }
                });
            }
            tasks.join_all().await;
        });
        records.load(Ordering::Relaxed)
    });
    runtime.block_on(writer.close());
    round
}

async fn append(writer: &dyn Writer, batch: Vec<Record>) {
    let outcomes = writer.append(batch).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// The server's process; it ends with this.
struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg("serve")
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let out = child.stdout.take().expect("its output");
        let mut endpoint = String::new();
        BufReader::new(out)
            .read_line(&mut endpoint)
            .expect("its endpoint");
        let endpoint = endpoint.trim().to_owned();
        Self { child, endpoint }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("the server was not ended: {error}");
        }
    }
}

fn serve() {
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}", listener.local_addr().expect("an address"));
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer_all(client));
        }
    });
}

async fn answer_all(mut client: TcpStream) {
    let mut read = BytesMut::with_capacity(8 << 20);
    loop {
        let head_bytes = loop {
            if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            match client.read_buf(&mut read).await {
                Ok(1..) => {}
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&read[..head_bytes]).to_lowercase();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .find(|(found, _)| *found == name)
                .map_or("", |(_, value)| value)
        };
        let length: usize = header("content-length").parse().unwrap_or(0);
        let operation = header("x-amz-target").to_owned();
        while read.len() < head_bytes + length {
            match client.read_buf(&mut read).await {
                Ok(1..) => {}
                _ => return,
            }
        }
        let body = answer(&operation, &read[head_bytes..head_bytes + length]).to_string();
        let reply = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        read.advance(head_bytes + length);
        if client.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(operation: &str, body: &[u8]) -> Value {
    let width = u128::MAX / SHARDS + 1;
    match operation.rsplit('.').next() {
        Some("describestreamsummary") => json!({"StreamDescriptionSummary": {
            "StreamName": "events", "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/events",
            "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24, "StreamCreationTimestamp": 0,
            "EnhancedMonitoring": [], "OpenShardCount": SHARDS,
        }}),
        Some("listshards") => {
            let shard = |n: u128| {
                json!({"ShardId": format!("shard-{n}"), "HashKeyRange": {
                    "StartingHashKey": (n * width).to_string(),
                    "EndingHashKey": (n * width + (width - 1)).to_string(),
                }, "SequenceNumberRange": {"StartingSequenceNumber": "1"}})
            };
            json!({"Shards": (0..SHARDS).map(shard).collect::<Vec<_>>()})
        }
        _ => {
            let asked: Value = serde_json::from_slice(body).expect("a request");
            let records = asked["Records"].as_array().expect("records");
            // Where a record by itself lands is of no interest to the writer.
            let shard = |record: &Value| {
                let hash = record["ExplicitHashKey"].as_str().unwrap_or("0");
                hash.parse::<u128>().unwrap_or(0) / width
            };
            let taken = |record: &Value| json!({"SequenceNumber": "1", "ShardId": format!("shard-{}", shard(record))});
            let taken: Vec<Value> = records.iter().map(taken).collect();
            json!({"FailedRecordCount": 0, "Records": taken})
        }
    }
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

fn main() {
    if std::env::args()
        .nth(1)
        .is_some_and(|argument| argument == "serve")
    {
        return serve();
    }
    let (seconds, count) = (
        number("HEADGATE_BENCH_SECONDS", 3),
        number("HEADGATE_BENCH_ROUNDS", 5),
    );
    let server = Server::start();
    let events = events();
    let mut rounds: [Vec<Round>; 2] = Default::default();
    for _ in 0..count {
        for (rounds, aggregate) in rounds.iter_mut().zip([true, false]) {
            rounds.push(round(&server.endpoint, aggregate, &events, seconds));
        }
    }
    println!(
        "\nEvents of 1.1 KB, appends of {BATCH}, {CALLERS} at once, {SHARDS} shards; medians of {count} rounds of {seconds} s\n"
    );
    println!(
        "| aggregation | records/s | CPU us a record | least to most |\n| --- | ---: | ---: | --- |"
    );
    for (kind, rounds) in ["on", "off"].iter().zip(&rounds) {
        let all = || rounds.iter().map(|round| round.cpu_us);
        println!(
            "| {kind} | {:.0} | {:.2} | {:.2} to {:.2} |",
            median(rounds, |round| round.per_s),
            median(rounds, |round| round.cpu_us),
            all().fold(f64::MAX, f64::min),
            all().fold(0.0, f64::max)
        );
    }
}
