//! A reader in a connection of its own, who counts all the time while a table is loaded, reloaded and rebuilt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use super::{By, Warehouse, event};
use crate::harness::{stderr, stdout, wait_for};

/// Statements are held up by so much, in ms: without it there would be little to see in between.
const HELD_UP_MS: u64 = 150;

/// A reader at work.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u64>>,
}

impl Reader {
    /// Begins to count.
    fn watch(warehouse: &Warehouse, sql: &'static str) -> Self {
        let of = |name: &str| warehouse.fake.setting(name).to_owned();
        let mut config = tokio_postgres::Config::new();
        config
            .host(of("REDSHIFT_HOST"))
            .port(of("REDSHIFT_PORT").parse().expect("a port"))
            .dbname(of("REDSHIFT_DATABASE"))
            .user(of("REDSHIFT_USER"))
            .password(of("REDSHIFT_PASSWORD"));
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || count(&config, sql, &told));
        Self { stop, thread }
    }

    /// All that was counted, in order.
    fn ended(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the reader reads")
    }
}

fn count(config: &tokio_postgres::Config, sql: &str, stop: &AtomicBool) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let connected = config.connect(tokio_postgres::NoTls).await;
        let (client, connection) = connected.expect("the fake is there");
        tokio::spawn(connection);
        let mut counts = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let messages = client.simple_query(sql).await.expect("a count");
            let count = messages.iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                _ => None,
            });
            counts.push(count.expect("a number"));
        }
        counts
    })
}

fn never_sees_fewer_rows(by: By) {
    let warehouse = Warehouse::start(by);
    let up = warehouse.up();
    warehouse.land(&up, 0, 20);
    wait_for("20 rows", || {
        (warehouse.count("screen_viewed_1") == Some(20)).then_some(())
    });
    let window = "SELECT COUNT(*) FROM public.screen_viewed_1 WHERE received_at >= TIMESTAMP '2020-01-01' AND received_at < \
                  TIMESTAMP '2100-01-01'";
    let reader = Reader::watch(&warehouse, window);
    warehouse.fault(
        &json!({"on": "statement", "match": "headgate_(staged|picked|lost)|^DELETE|RENAME|^COMMIT",
                            "count": null, "do": "delay_ms", "ms": HELD_UP_MS}),
    );
    let reload = [
        "warehouse",
        "reload",
        "--table",
        "screen_viewed_1",
        "--from",
        "2020-01-01",
        "--to",
        "2100-01-01",
    ];
    let rebuild = ["warehouse", "rebuild", "--table", "screen_viewed_1"];
    for (round, command) in (2..).zip([&reload[..], &rebuild, &reload]) {
        let more: Vec<Value> = (round * 10..round * 10 + 10).map(event).collect();
        assert_eq!(up.post_json(&Value::Array(more).to_string()).status, 200);
        let done = warehouse.output(command);
        assert!(done.status.success(), "{}{}", stdout(&done), stderr(&done));
    }
    warehouse.no_faults();
    wait_for("50 rows", || {
        (warehouse.count("screen_viewed_1") == Some(50)).then_some(())
    });
    let counts = reader.ended();
    assert!(counts.len() > 20, "it counted {} times only", counts.len());
    let fell = counts
        .iter()
        .zip(counts.iter().skip(1))
        .find(|(before, after)| after < before);
    assert_eq!(fell, None, "of {counts:?}");
    let distinct = "SELECT COUNT(DISTINCT event_id) FROM public.screen_viewed_1";
    assert_eq!(warehouse.number(distinct), 50);
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn a_reader_never_sees_fewer_rows_while_the_data_api_reloads_and_rebuilds() {
    never_sees_fewer_rows(By::DataApi);
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn a_reader_never_sees_fewer_rows_while_postgresqls_protocol_reloads_and_rebuilds() {
    never_sees_fewer_rows(By::Postgres);
}
