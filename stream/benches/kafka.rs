//! What the writer to Kafka costs, beside librdkafka alone with the same messages to the same broker in the same run.
//!
//! `cargo bench -p headgate-stream --features kafka --bench kafka` prints a Markdown table: CPU time of this process a
//! record, for appends of 20 events of 1.1 KB, LZ4, acks=all, idempotent. Rounds alternate; the broker is another process.
//! `KAFKA_BOOTSTRAP` names the brokers (else `tests/services/kafka.sh` starts one), `HEADGATE_BENCH_SECONDS` is how
//! long each round takes (else 3), `HEADGATE_BENCH_ROUNDS` how many there are of each kind (else 5).
//! `HEADGATE_BENCH_RECORDS` is a file of records to send instead, a line each: key, tab, value. Its last line of output is
//! the medians in JSON: that is how `headgate bench kafka --beside` compares a gateway with it.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use headgate_stream::{
    kafka::{Config, Kafka},
    log::{Record, Topic, Writer},
};
use rdkafka::{
    ClientConfig, ClientContext,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};

const BATCH: usize = 20;
const CALLERS: usize = 64;
const EVENTS: usize = 20_000;

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

/// Events as SDKs send them: words that repeat, and identities that do not. Keys are users.
fn events() -> Vec<(Bytes, Bytes)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words = [
        "Order Completed",
        "Product Viewed",
        "Checkout Started",
        "Signed Up",
        "Cart Viewed",
        "Page Viewed",
    ];
    let event = |_| {
        let user = random() % 50_000;
        let mut text = format!(
            r#"{{"specversion":"1.0","id":"{:016x}{:016x}","source":"/sdk/web","type":"track","time":"2026-03-04T05:06:{:02}.{:03}Z","subject":"user-{user}","data":{{"event":"{}","anonymousId":"{:016x}","context":{{"ip":"10.{}.{}.{}","userAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36","locale":"en-US","library":{{"name":"analytics.js","version":"4.1.{}"}}}},"properties":{{"#,
            random(),
            random(),
            random() % 60,
            random() % 1_000,
            words[(random() % 6) as usize],
            random(),
            random() % 256,
            random() % 256,
            random() % 256,
            random() % 20
        );
        while text.len() < 1_080 {
            text.push_str(&format!(
                r#""{}_{}":{:.2},"#,
                ["price", "quantity", "discount", "revenue"][(random() % 4) as usize],
                random() % 30,
                (random() % 100_000) as f64 / 100.0
            ));
        }
        text.push_str(r#""currency":"EUR"}}}"#);
        (Bytes::from(format!("user-{user}")), Bytes::from(text))
    };
    (0..EVENTS).map(event).collect()
}

/// The records of a file.
fn given(file: String) -> Vec<(Bytes, Bytes)> {
    let text = std::fs::read_to_string(file).expect("the records can be read");
    let record = |line: &str| {
        let (key, value) = line.split_once('\t')?;
        Some((Bytes::from(key.to_owned()), Bytes::from(value.to_owned())))
    };
    text.lines().filter_map(record).collect()
}

struct Counted {
    in_flight: Arc<AtomicU64>,
}

impl ClientContext for Counted {}

impl ProducerContext for Counted {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        assert!(delivered.is_ok(), "{delivered:?}");
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// librdkafka with a delivery callback, as many records in flight as the writer's callers have.
fn alone(
    bootstrap: &str,
    topic: &str,
    events: &[(Bytes, Bytes)],
    seconds: u64,
    header: bool,
) -> Round {
    let in_flight = Arc::new(AtomicU64::new(0));
    let mut config = ClientConfig::new();
    for (name, value) in [
        ("bootstrap.servers", bootstrap),
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("partitioner", "murmur2_random"),
        ("compression.codec", "lz4"),
        ("linger.ms", "5"),
    ] {
        config.set(name, value);
    }
    let counted = Counted {
        in_flight: Arc::clone(&in_flight),
    };
    let producer: ThreadedProducer<Counted> =
        config.create_with_context(counted).expect("a producer");
    let send = |(key, value): &(Bytes, Bytes)| {
        let mut record = BaseRecord::to(topic).key(&key[..]).payload(&value[..]);
        if header {
            record = record.headers(OwnedHeaders::new_with_capacity(1).insert(Header {
                key: "content-type",
                value: Some("application/cloudevents+json"),
            }));
        }
        in_flight.fetch_add(1, Ordering::Relaxed);
        assert!(producer.send(record).is_ok(), "the queue is full");
    };
    // The first record pays for the connection.
    send(&events[0]);
    producer.flush(Duration::from_secs(30)).expect("a broker");
    measured(|| {
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut records = 0;
        for batch in events.chunks_exact(BATCH).cycle() {
            if Instant::now() >= until {
                break;
            }
            while in_flight.load(Ordering::Relaxed) as usize > (CALLERS - 1) * BATCH {
                std::thread::sleep(Duration::from_micros(200));
            }
            batch.iter().for_each(send);
            records += BATCH as u64;
        }
        producer
            .flush(Duration::from_secs(30))
            .expect("all is written");
        records
    })
}

/// The writer, called by 64 tasks with 20 records each.
fn ours(bootstrap: &str, topic: &str, events: &[(Bytes, Bytes)], seconds: u64) -> Round {
    let config = Config {
        bootstrap_servers: vec![bootstrap.to_owned()],
        ..Config::default()
    };
    let kafka = Kafka::new(config, &prometheus::Registry::new()).expect("right settings");
    let topic = Topic::new(topic);
    let writer = kafka
        .writer(std::slice::from_ref(&topic))
        .expect("a writer");
    let record = |(key, value): &(Bytes, Bytes)| Record {
        topic: topic.clone(),
        key: key.clone(),
        value: value.clone(),
    };
    let batches: Vec<Vec<Record>> = events
        .chunks_exact(BATCH)
        .map(|batch| batch.iter().map(record).collect())
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
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

/// The script that starts a broker, and the directory it runs in until dropped.
struct Broker(tempfile::TempDir);

impl Broker {
    fn run(&self, command: &str, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/kafka.sh");
        let ran = Command::new(script)
            .arg(command)
            .arg(self.0.path())
            .args(arguments)
            .output()
            .expect("kafka.sh");
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.run("stop", &[]);
    }
}

fn main() {
    let (seconds, rounds) = (
        number("HEADGATE_BENCH_SECONDS", 3),
        number("HEADGATE_BENCH_ROUNDS", 5),
    );
    let broker = Broker(tempfile::tempdir().expect("a directory"));
    let brokers = std::env::var("KAFKA_BOOTSTRAP").ok();
    let bootstrap = brokers.clone().unwrap_or_else(|| {
        let env = broker.run("start", &["1"]);
        let found = env
            .lines()
            .find_map(|line| line.strip_prefix("KAFKA_BOOTSTRAP="));
        found.expect("KAFKA_BOOTSTRAP").to_owned()
    });
    let topic = format!("bench-{}", uuid::Uuid::now_v7());
    let mut config = Config {
        bootstrap_servers: vec![bootstrap.clone()],
        ..Config::default()
    };
    (
        config.topics.replication_factor,
        config.topics.min_insync_replicas,
    ) = (1, 1);
    let kafka = Kafka::new(config, &prometheus::Registry::new()).expect("right settings");
    drop(kafka.writer(&[Topic::new(&topic)]).expect("a topic"));

    let events = std::env::var("HEADGATE_BENCH_RECORDS").map_or_else(|_| events(), given);
    let bytes = events.iter().map(|(_, value)| value.len()).sum::<usize>() / events.len();
    let kinds = [
        "librdkafka alone",
        "librdkafka alone, with our header",
        "headgate's writer",
    ];
    let mut measured: [Vec<Round>; 3] = Default::default();
    for _ in 0..rounds {
        measured[0].push(alone(&bootstrap, &topic, &events, seconds, false));
        measured[1].push(alone(&bootstrap, &topic, &events, seconds, true));
        measured[2].push(ours(&bootstrap, &topic, &events, seconds));
    }
    println!(
        "\nEvents of {bytes} bytes, appends of {BATCH}, {CALLERS} at once; medians of {rounds} rounds of {seconds} s\n"
    );
    println!(
        "| what | records/s | CPU us a record | times alone | least to most |\n| --- | ---: | ---: | ---: | --- |"
    );
    let base = median(&measured[0], |round| round.cpu_us);
    for (kind, rounds) in kinds.iter().zip(&measured) {
        let cpu_us = median(rounds, |round| round.cpu_us);
        let least = rounds
            .iter()
            .map(|round| round.cpu_us)
            .fold(f64::MAX, f64::min);
        let most = rounds.iter().map(|round| round.cpu_us).fold(0.0, f64::max);
        println!(
            "| {kind} | {:.0} | {cpu_us:.2} | {:.2} | {least:.2} to {most:.2} |",
            median(rounds, |round| round.per_s),
            cpu_us / base
        );
    }
    if brokers.is_some() {
        println!("\nThe topic {topic} was left behind.");
    }
    let figures = kinds.iter().zip(&measured).map(|(kind, rounds)| {
        let cpu_us = median(rounds, |round| round.cpu_us);
        format!("\"{kind}\": {cpu_us:.3}")
    });
    println!("\n{{{}}}", figures.collect::<Vec<_>>().join(", "));
}
