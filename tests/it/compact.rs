//! `headgate sink compact` beside a running Headgate, over a directory and over a real S3 server.

use std::fs::File;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Site, Up, request, stderr, stdout, wait_for};
use crate::services::Service;

/// The settings of a store, for every command on it.
type Environment = Vec<(&'static str, String)>;

struct Lake {
    site: Site,
    environment: Environment,
    _server: Option<Service>,
}

impl Lake {
    fn directory() -> Self {
        Self {
            site: Site::new(),
            environment: Vec::new(),
            _server: None,
        }
    }

    fn bucket() -> Self {
        let server = Service::seaweedfs();
        let of = |name: &str| server.setting(name).to_owned();
        let environment = vec![
            ("HEADGATE__STORE__KIND", "s3".to_owned()),
            ("HEADGATE__S3__BUCKET", of("S3_BUCKET")),
            ("HEADGATE__S3__ENDPOINT", of("S3_ENDPOINT")),
            ("HEADGATE__S3__PATH_STYLE", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", of("AWS_ACCESS_KEY_ID")),
            ("AWS_SECRET_ACCESS_KEY", of("AWS_SECRET_ACCESS_KEY")),
            ("AWS_REGION", of("AWS_REGION")),
        ];
        Self {
            site: Site::new(),
            environment,
            _server: Some(server),
        }
    }

    fn up(&self) -> Up {
        let environment = self.environment.iter();
        let environment: Vec<_> = environment
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.site.up_with(&environment)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.site.command();
        command.args(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// Posts events for some seconds; `seed` names the ledger.
    fn load(&self, seed: &str) -> Child {
        let ledger = self.site.file(seed);
        let mut command = self.command(&["loadtest", "--rate", "300", "--seconds", "5"]);
        command
            .args([
                "--invalid-share",
                "0.05",
                "--no-verify",
                "--seed",
                seed,
                "--ledger",
            ])
            .arg(ledger);
        let log = File::create(self.site.file("load.log")).expect("a file of the test's own");
        let log = command.stdout(Stdio::null()).stderr(log);
        log.spawn().expect("it starts")
    }

    /// Proves the ledger against what has landed.
    fn balances(&self, seed: &str) {
        let ledger = self.site.file(seed);
        let mut verify = self.command(&["loadtest", "--json", "--wait", "60", "--verify"]);
        let verdict = verify.arg(ledger).output().expect("it runs");
        let balance: Value = serde_json::from_str(stdout(&verdict).trim())
            .unwrap_or_else(|error| panic!("{error}: {}", stderr(&verdict)));
        assert_eq!(balance["balanced"], true, "{balance:#}");
    }

    /// How many files the tables have.
    fn files(&self) -> u64 {
        let tables = self.output(&["tables", "--format", "json"]);
        let files = |line: &str| {
            let table: Value = serde_json::from_str(line).expect("JSON");
            table["files"].as_u64().expect("a number")
        };
        stdout(&tables).lines().map(files).sum()
    }

    fn compact_once(&self) -> Command {
        self.command(&["sink", "compact", "--once", "--open-hours", "--json"])
    }
}

/// What the last line says, which is of the whole round.
fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    let out = stdout(output);
    let last = out
        .lines()
        .last()
        .unwrap_or_else(|| panic!("{}", stderr(output)));
    serde_json::from_str(last).expect("JSON")
}

fn ended(mut child: Child) {
    let status = wait_for("the end of a process", || {
        child.try_wait().expect("a child")
    });
    assert!(status.success(), "{status}");
}

fn every_row_stays_there_once_before_while_and_after(lake: &Lake) {
    let up = lake.up();
    ended(lake.load("1"));
    lake.balances("1");
    let before = lake.files();
    // More lands, and two compactors meet, while the first run's rows are counted again and again.
    let more = lake.load("2");
    let mut replaced = 0;
    for _ in 0..2 {
        let compact = || {
            let mut command = lake.compact_once();
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("it starts")
        };
        let both = [compact(), compact()];
        lake.balances("1");
        for one in both {
            let output = one.wait_with_output().expect("it ends");
            replaced += summary(&output)["files_before"].as_u64().expect("a number");
        }
        lake.balances("1");
    }
    ended(more);
    lake.balances("2");
    let last = summary(&lake.compact_once().output().expect("it runs"));
    assert!(replaced > 0, "{last}");
    assert!(
        lake.files() < before / 3,
        "{} files of {before}",
        lake.files()
    );
    for seed in ["1", "2"] {
        lake.balances(seed);
    }
    let sql = "select count(*) n, count(event_id) read, count(distinct event_id) ids from order_completed_1";
    let counted = lake.output(&["query", "--format", "json", sql]);
    let counted: Value = serde_json::from_str(stdout(&counted).trim()).expect("one row");
    assert!(counted["n"].as_u64() > Some(50), "{counted}");
    assert_eq!(
        (&counted["read"], &counted["ids"]),
        (&counted["n"], &counted["n"])
    );
    assert!(up.stop().success());
}

#[test]
fn in_a_directory_every_row_stays_there_once_while_files_are_put_together() {
    every_row_stays_there_once_before_while_and_after(&Lake::directory());
}

#[test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
fn in_a_bucket_every_row_stays_there_once_while_files_are_put_together() {
    every_row_stays_there_once_before_while_and_after(&Lake::bucket());
}

#[test]
fn a_compactor_that_runs_on_serves_its_metrics_and_ends_well_on_sigterm() {
    let lake = Lake::directory();
    let up = lake.up();
    for n in 0..3 {
        let event = r#"{"type":"screen_viewed","data":{"name":"home"}}"#;
        assert_eq!(up.post_json(event).status, 200);
        lake.site.wait_for_rows("screen_viewed_1", n + 1);
    }
    let log = lake.site.file("compact.log");
    let mut compact = lake.command(&["sink", "compact", "--open-hours"]);
    compact
        .args(["--admin-listen", "127.0.0.1:0"])
        .env("HEADGATE__SINK__COMPACT__INTERVAL_MS", "1000")
        .stdout(Stdio::null())
        .stderr(File::create(&log).expect("a file of the test's own"));
    let child = compact.spawn().expect("it starts");
    let admin = wait_for("the admin port", || {
        let text = std::fs::read_to_string(&log).ok()?;
        let (_, after) = text.split_once("admin=")?;
        after.split_whitespace().next()?.parse().ok()
    });
    wait_for("the files to be put together", || {
        let page = request(admin, "GET", "/metrics", &[], b"").ok()?.body;
        let counted = r#"headgate_compact_files_replaced_total{table="screen_viewed_1"} 3"#;
        page.contains(counted).then_some(())
    });
    assert_eq!(
        request(admin, "GET", "/ready", &[], b"")
            .expect("a reply")
            .status,
        200
    );
    assert_eq!(lake.files(), 1);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a pid"), Signal::TERM).expect("it runs");
    ended(child);
    assert_eq!(lake.site.count("screen_viewed_1"), 3);
    assert!(up.stop().success());
}

#[test]
fn a_time_that_is_none_is_refused_by_its_flag() {
    let refused = Lake::directory().output(&["sink", "compact", "--once", "--from", "yesterday"]);
    assert_eq!(refused.status.code(), Some(64));
    assert!(
        stderr(&refused).contains("invalid value 'yesterday' for '--from <TIME>'"),
        "{}",
        stderr(&refused)
    );
}
