//! Parts of Kafka's stream, read once more into the tables of a generation.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{address, addresses, headgate, request, stderr, stdout, wait_for};
use crate::replay::{REPAIRED, report, write};
use crate::services::Service;

/// Kafka, a gateway and a sink, and the lake of the sink.
struct Streamed {
    dir: TempDir,
    kafka: Service,
}

impl Streamed {
    fn start() -> Self {
        let streamed = Self {
            dir: TempDir::new().expect("a directory"),
            kafka: Service::kafka(),
        };
        write(&streamed.schemas(), REPAIRED);
        streamed
    }

    fn schemas(&self) -> PathBuf {
        self.dir.path().join("schemas")
    }

    fn command(&self) -> Command {
        let servers = format!("[\"{}\"]", self.kafka.setting("KAFKA_BOOTSTRAP"));
        let mut command = headgate();
        command
            .arg("--data-dir")
            .arg(self.dir.path().join("data"))
            .arg("--schemas")
            .arg(self.schemas())
            .env("HEADGATE__KAFKA__BOOTSTRAP_SERVERS", servers);
        for (name, value) in [
            ("HEADGATE__STREAM__KIND", "kafka"),
            ("HEADGATE__KAFKA__TOPICS__PARTITIONS", "2"),
            ("HEADGATE__KAFKA__TOPICS__REPLICATION_FACTOR", "1"),
            ("HEADGATE__KAFKA__TOPICS__MIN_INSYNC_REPLICAS", "1"),
            ("HEADGATE__GATEWAY__LISTEN", "127.0.0.1:0"),
            ("HEADGATE__GATEWAY__ADMIN__LISTEN", "127.0.0.1:0"),
            ("HEADGATE__SINK__BATCH_AGE_MAX_MS", "200"),
        ] {
            command.env(name, value);
        }
        command
    }

    fn up(&self) -> Child {
        let log = File::create(self.dir.path().join("log")).expect("a file");
        let mut command = self.command();
        command.arg("up").stdout(Stdio::null()).stderr(log);
        command.spawn().expect("it runs")
    }

    fn replay(&self, arguments: &[&str]) -> Command {
        let mut command = self.command();
        command
            .args(["replay", "--from", "stream", "--json"])
            .args(arguments);
        command
    }

    fn count(&self, table: &str) -> u64 {
        let sql = format!("select count(*) n, count(distinct event_id) ids from {table}");
        let output = self
            .command()
            .args(["query", "--format", "json", &sql])
            .output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{}", stderr(&output));
        let row: Value = serde_json::from_str(stdout(&output).trim()).expect("a row");
        assert_eq!(row["n"], row["ids"], "{table} has doubles");
        row["n"].as_u64().expect("a count")
    }
}

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
#[ignore = "needs Kafka: ./headgate.sh test"]
fn parts_of_the_stream_land_once_in_a_generation_though_the_replay_is_killed() {
    const EVENTS: u64 = 4_000;
    let streamed = Streamed::start();
    let mut up = Running(streamed.up());
    let addresses = addresses(
        &mut up.0,
        &streamed.dir.path().join("data/run/addresses.json"),
    );
    let gateway = address(&addresses, "gateway");
    let post = |from: u64, to: u64| {
        let event = |n: u64| {
            let user = n % 50;
            format!(
                r#"{{"type":"visit","id":"v-{n}","userid":"u{user}","data":{{"page":"p","n":{n},"new":{n}}}}}"#
            )
        };
        let events: Vec<String> = (from..to).map(event).collect();
        for batch in events.chunks(500) {
            let body = format!("[{}]", batch.join(","));
            let reply = request(gateway, "POST", "/v1/events", &[], body.as_bytes());
            assert_eq!(reply.expect("a reply").status, 200);
        }
    };
    post(0, EVENTS);
    wait_for("everything to land", || {
        (streamed.count("visit_1") >= EVENTS).then_some(())
    });
    // Kafka's timestamps are this machine's, in milliseconds.
    std::thread::sleep(Duration::from_millis(5));
    let between = query_now(&streamed);
    std::thread::sleep(Duration::from_millis(5));
    post(EVENTS, EVENTS + 100);

    // The schema now names what was in `_rest`; the generation has it as a column.
    let with_new = REPAIRED.replace(r#""n":"#, r#""new":{"type":"integer"},"n":"#);
    write(&streamed.schemas(), &with_new);
    let asked = ["--into", "v2", "--until", &between];
    let log = streamed.dir.path().join("data/lake/_commits/generation.v2");
    let mut kills = 0;
    let done = loop {
        let mut command = streamed.replay(&asked);
        command
            .env("HEADGATE__SINK__BATCH_ROWS_MAX", "1")
            .env("HEADGATE__KAFKA__PREFETCH_BYTES_MAX", "4194304")
            .stdout(Stdio::piped());
        let before = commits(&log);
        let mut child = command.spawn().expect("it runs");
        let ended = wait_for("a commit", || {
            let ended = child.try_wait().expect("a child").is_some();
            (ended || (kills < 3 && commits(&log) > before)).then_some(ended)
        });
        if ended {
            break report(&child.wait_with_output().expect("it ended"));
        }
        child.kill().expect("a child");
        child.wait().expect("a child");
        kills += 1;
    };
    assert!(kills > 0, "it was never killed in the middle");
    assert_eq!(streamed.count("visit_1__v2"), EVENTS, "{done}");
    let again = report(&streamed.replay(&asked).output().expect("it runs"));
    assert_eq!(again["landed"], 0, "{again}");
    assert_eq!(streamed.count("visit_1__v2"), EVENTS);
    let sql = "select count(new) n from visit_1__v2 where new = n";
    let output = streamed
        .command()
        .args(["query", "--format", "json", sql])
        .output();
    let row: Value = serde_json::from_str(stdout(&output.expect("it runs")).trim()).expect("a row");
    assert_eq!(row["n"], EVENTS, "the new column");
    wait_for("the rest to land", || {
        (streamed.count("visit_1") >= EVENTS + 100).then_some(())
    });

    by_offset(&streamed);
}

/// Offsets of one partition, a type that is not there, and what is refused.
fn by_offset(streamed: &Streamed) {
    let part = ["--into", "part", "--offsets", "events-0:10..60"];
    let done = report(&streamed.replay(&part).output().expect("it runs"));
    assert_eq!(
        (&done["offsets"], &done["landed"]),
        (&50.into(), &50.into()),
        "{done}"
    );
    assert_eq!(streamed.count("visit_1__part"), 50);
    let none = [
        "--into",
        "none",
        "--offsets",
        "events-0:10..60",
        "--type",
        "other",
    ];
    let done = report(&streamed.replay(&none).output().expect("it runs"));
    assert_eq!(
        (&done["left_out"], &done["landed"]),
        (&50.into(), &0.into()),
        "{done}"
    );
    for (arguments, said) in [
        (
            &["--into", "part", "--offsets", "events-0:10..61"][..],
            "begun with other arguments",
        ),
        (
            &["--into", "far", "--offsets", "events-0:10..99999"],
            "is not there",
        ),
        (
            &["--into", "far", "--offsets", "events-7:1..2"],
            "no partition events-7",
        ),
        (
            &["--into", "far", "--offsets", "nothing-0:1..2"],
            "\"nothing\" does not exist",
        ),
    ] {
        let output = streamed.replay(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            stderr(&output).contains(said),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

fn commits(log: &Path) -> usize {
    let incarnations = std::fs::read_dir(log).into_iter().flatten().flatten();
    incarnations
        .flat_map(|folder| std::fs::read_dir(folder.path()))
        .map(|folder| {
            folder
                .flatten()
                .filter(|f| f.path().extension().is_some())
                .count()
        })
        .sum()
}

/// This moment, as `--until` takes it.
fn query_now(streamed: &Streamed) -> String {
    let output = streamed
        .command()
        .args([
            "query",
            "--format",
            "json",
            "select cast(now() as varchar) t",
        ])
        .output()
        .expect("it runs");
    let row: Value = serde_json::from_str(stdout(&output).trim()).expect("a row");
    let text = row["t"].as_str().expect("a time").replace(' ', "T");
    if text.ends_with('Z') || text.contains('+') {
        text
    } else {
        format!("{text}Z")
    }
}
