//! What the writer to Kinesis costs, beside Amazon's SDK alone with as many bytes in as many records and requests, and beside
//! the hashes alone that the protocol and the format of aggregates ask for.
//!
//! `headgate bench kinesis-server --listen 127.0.0.1:4567 --shards 64` is the server, and then
//! `KINESIS_ENDPOINT=http://127.0.0.1:4567 cargo bench -p headgate-stream --features kinesis,testing --bench kinesis` prints a
//! Markdown table: CPU time of this process a record, for appends of 20 events.
//! `HEADGATE_BENCH_CALLERS` is how many append at once (else 64), `HEADGATE_BENCH_EVENT_BYTES` the size of an event (else
//! 1,100), `HEADGATE_BENCH_SECONDS` how long each round takes (else 3), `HEADGATE_BENCH_ROUNDS` how many there are of each
//! kind (else 5). Its last line of output is the medians in JSON: that is how `headgate bench kinesis --beside` compares a gateway with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_sdk_kinesis::{
    Client,
    config::{
        BehaviorVersion, Config as SdkConfig, Credentials, Region, StalledStreamProtectionConfig,
        retry::RetryConfig,
    },
    primitives::Blob,
    types::PutRecordsRequestEntry,
};
use aws_smithy_http_client::{
    Builder as HttpBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use base64_simd::STANDARD as BASE64;
use bytes::Bytes;
use headgate_stream::{
    kinesis::{Config, Kinesis},
    log::{Record, Topic, Writer},
};
use md5::Md5;
use prometheus::Registry;
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};

const BATCH: usize = 20;
const EVENTS: usize = 20_000;

/// Requests that the SDK alone has under way.
const REQUESTS: usize = 4;

const KINDS: [&str; 4] = [
    "headgate's writer alone",
    "headgate's writer alone, aggregate = false",
    "the SDK alone, aggregates made before",
    "SHA-256 of the bodies and MD5 of the aggregates alone",
];

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

/// Records whose bytes do not repeat. Keys are users.
fn events(bytes: usize) -> Vec<(Bytes, Bytes)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let event = |_| {
        let user = random() % 50_000;
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            text.push_str(&format!("{:016x}", random()));
        }
        text.truncate(bytes);
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

/// How full what the writer sent was.
#[derive(Debug, Clone, Copy)]
struct Fill {
    events_per_record: usize,
    records_per_request: usize,
}

impl Fill {
    fn of(registry: &Registry) -> Self {
        let families = registry.gather();
        let histogram = |name: &str| {
            let name = format!("headgate_stream_kinesis_{name}");
            let family = families.iter().find(|family| family.name() == name);
            let metric = family.and_then(|family| family.get_metric().first());
            let histogram = metric.expect("the metric").get_histogram().clone();
            (
                histogram.get_sample_sum(),
                histogram.get_sample_count() as f64,
            )
        };
        let (events, records) = histogram("aggregated_records");
        let (_, requests) = histogram("request_seconds");
        let count = |figure: f64| (figure.round() as usize).max(1);
        Self {
            events_per_record: count(events / records),
            records_per_request: count(records / requests),
        }
    }
}

/// Callers, each with appends of 20 records; the writer's settings are the default ones.
fn ours(
    endpoint: &str,
    aggregate: bool,
    events: &[(Bytes, Bytes)],
    callers: usize,
    seconds: u64,
) -> (Round, Fill) {
    let config = Config {
        region: Some("us-east-1".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        aggregate,
        ..Config::default()
    };
    let runtime = runtime();
    let topic = Topic::new("events");
    let registry = Registry::new();
    let writer = runtime.block_on(async {
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
            for caller in 0..callers {
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
    (round, Fill::of(&registry))
}

async fn append(writer: &dyn Writer, batch: Vec<Record>) {
    let outcomes = writer.append(batch).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// The data of requests that are as full as the writer's: each has so many records, each of so many events.
fn requests(events: &[(Bytes, Bytes)], fill: Fill) -> Vec<Vec<Vec<u8>>> {
    let values: Vec<&[u8]> = events.iter().map(|(_, value)| &value[..]).collect();
    let records: Vec<Vec<u8>> = values
        .chunks_exact(fill.events_per_record)
        .map(<[&[u8]]>::concat)
        .collect();
    let requests = records.chunks(fill.records_per_request);
    requests.map(<[Vec<u8>]>::to_vec).collect()
}

/// The SDK as it comes, a request after the other on each of a few tasks.
fn alone(endpoint: &str, requests: &Arc<Vec<Vec<Vec<u8>>>>, fill: Fill, seconds: u64) -> Round {
    let http = HttpBuilder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "bench"))
        .endpoint_url(endpoint)
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let client = Client::from_conf(config.build());
    let runtime = runtime();
    runtime.block_on(put(&client, &requests[0]));
    measured(|| {
        let until = Instant::now() + Duration::from_secs(seconds);
        let (next, records) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..REQUESTS {
                let (client, requests) = (client.clone(), Arc::clone(requests));
                let (next, records) = (Arc::clone(&next), Arc::clone(&records));
                tasks.spawn(async move {
                    while Instant::now() < until {
                        let n = next.fetch_add(1, Ordering::Relaxed) % requests.len();
                        put(&client, &requests[n]).await;
                        records.fetch_add(requests[n].len(), Ordering::Relaxed);
                    }
                });
            }
            tasks.join_all().await;
        });
        (records.load(Ordering::Relaxed) * fill.events_per_record) as u64
    })
}

async fn put(client: &Client, records: &[Vec<u8>]) {
    let entry = |data: &Vec<u8>| {
        let entry = PutRecordsRequestEntry::builder()
            .data(Blob::new(data.clone()))
            .partition_key("a")
            .explicit_hash_key("0");
        entry.build().expect("an entry")
    };
    let records: Vec<PutRecordsRequestEntry> = records.iter().map(entry).collect();
    let count = records.len();
    let request = client.put_records().stream_name("events");
    let answer = request.set_records(Some(records)).send().await;
    assert_eq!(answer.expect("an answer").records.len(), count);
}

/// What neither the signature nor the format of aggregates can do without, one message after the other.
fn hashes(requests: &[Vec<Vec<u8>>], fill: Fill, seconds: u64) -> Round {
    let body = |records: &Vec<Vec<u8>>| BASE64.encode_to_string(records.concat());
    let bodies: Vec<String> = requests.iter().map(body).collect();
    measured(|| {
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut records = 0;
        for (body, aggregates) in bodies.iter().zip(requests).cycle() {
            if Instant::now() >= until {
                break;
            }
            std::hint::black_box(Sha256::digest(body));
            for aggregate in aggregates {
                std::hint::black_box(Md5::digest(aggregate));
            }
            records += aggregates.len();
        }
        (records * fill.events_per_record) as u64
    })
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
    let (seconds, count) = (
        number("HEADGATE_BENCH_SECONDS", 3),
        number("HEADGATE_BENCH_ROUNDS", 5),
    );
    let bytes = number("HEADGATE_BENCH_EVENT_BYTES", 1_100) as usize;
    let callers = number("HEADGATE_BENCH_CALLERS", 64) as usize;
    let Ok(endpoint) = std::env::var("KINESIS_ENDPOINT") else {
        // As when all benches are run.
        return eprintln!("KINESIS_ENDPOINT names no server: see `headgate bench kinesis`");
    };
    let events = events(bytes);
    let mut rounds: [Vec<Round>; KINDS.len()] = Default::default();
    let mut filled = Vec::new();
    for _ in 0..count {
        let (round, fill) = ours(&endpoint, true, &events, callers, seconds);
        rounds[0].push(round);
        rounds[1].push(ours(&endpoint, false, &events, callers, seconds).0);
        let requests = Arc::new(requests(&events, fill));
        rounds[2].push(alone(&endpoint, &requests, fill, seconds));
        rounds[3].push(hashes(&requests, fill, 1));
        filled.push(fill);
    }
    println!(
        "\nEvents of {bytes} bytes, appends of {BATCH}, {callers} at once; medians of {count} rounds of {seconds} s\n"
    );
    println!("{:?}\n", filled[filled.len() / 2]);
    println!("| what | records/s | CPU us a record | least to most |\n| --- | ---: | ---: | --- |");
    for (kind, rounds) in KINDS.iter().zip(&rounds) {
        let all = || rounds.iter().map(|round| round.cpu_us);
        println!(
            "| {kind} | {:.0} | {:.2} | {:.2} to {:.2} |",
            median(rounds, |round| round.per_s),
            median(rounds, |round| round.cpu_us),
            all().fold(f64::MAX, f64::min),
            all().fold(0.0, f64::max)
        );
    }
    let figures = KINDS.iter().zip(&rounds).map(|(kind, rounds)| {
        let cpu_us = median(rounds, |round| round.cpu_us);
        format!("\"{kind}\": {cpu_us:.3}")
    });
    println!("\n{{{}}}", figures.collect::<Vec<_>>().join(", "));
}
