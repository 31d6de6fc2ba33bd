//! Gateways and sinks as processes of their own, around a real Kafka and a real S3 server.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{address, addresses, catalogue, headgate, request, stderr, stdout, wait_for};
use crate::services::Service;

/// Events a second on each gateway, and seconds of load.
const RATE: &str = "600";
const SECONDS: &str = "9";

/// Servers, and a directory for each process.
pub(crate) struct Cluster {
    dir: TempDir,
    environment: Vec<(&'static str, String)>,
    pub(crate) stream: Service,
    _s3: Service,
}

/// The bucket of a server.
pub(crate) fn s3_environment(s3: &Service) -> Vec<(&'static str, String)> {
    let of = |name: &str| s3.setting(name).to_owned();
    vec![
        ("HEADGATE__STORE__KIND", "s3".to_owned()),
        ("HEADGATE__S3__BUCKET", of("S3_BUCKET")),
        ("HEADGATE__S3__ENDPOINT", of("S3_ENDPOINT")),
        ("HEADGATE__S3__PATH_STYLE", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", of("AWS_ACCESS_KEY_ID")),
        ("AWS_SECRET_ACCESS_KEY", of("AWS_SECRET_ACCESS_KEY")),
        ("AWS_REGION", of("AWS_REGION")),
    ]
}

pub(crate) fn kafka_environment(bootstrap: &str) -> Vec<(&'static str, String)> {
    let servers = format!("[\"{bootstrap}\"]");
    let mut environment = vec![("HEADGATE__KAFKA__BOOTSTRAP_SERVERS", servers)];
    for (name, value) in [
        ("HEADGATE__STREAM__KIND", "kafka"),
        ("HEADGATE__KAFKA__TOPICS__PARTITIONS", "4"),
        ("HEADGATE__KAFKA__TOPICS__REPLICATION_FACTOR", "1"),
        ("HEADGATE__KAFKA__TOPICS__MIN_INSYNC_REPLICAS", "1"),
        // A killed sink's partitions are to go to the other one within the load.
        ("HEADGATE__KAFKA__SESSION_TIMEOUT_MS", "3000"),
    ] {
        environment.push((name, value.to_owned()));
    }
    environment
}

impl Cluster {
    /// One broker, and an S3 server.
    pub(crate) fn start() -> Self {
        Self::around(Service::kafka, |kafka| {
            kafka_environment(kafka.setting("KAFKA_BOOTSTRAP"))
        })
    }

    /// A server for the stream, with the settings that it needs, and an S3 server.
    pub(crate) fn around(
        stream: fn() -> Service,
        settings: fn(&Service) -> Vec<(&'static str, String)>,
    ) -> Self {
        let (stream, s3) = thread::scope(|scope| {
            let stream = scope.spawn(stream);
            let s3 = Service::seaweedfs();
            (stream.join().expect("the stream's server starts"), s3)
        });
        let mut environment = s3_environment(&s3);
        environment.extend(settings(&stream));
        for (name, value) in [
            ("HEADGATE__SINK__BATCH_AGE_MAX_MS", "300"),
            ("HEADGATE__GATEWAY__ADMIN__LISTEN", "127.0.0.1:0"),
        ] {
            environment.push((name, value.to_owned()));
        }
        Self {
            dir: TempDir::new().expect("a temporary directory"),
            environment,
            stream,
            _s3: s3,
        }
    }

    /// Another setting for all processes that are started from now on.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    /// A command in the directory of a process.
    pub(crate) fn command(&self, node: &str) -> Command {
        let mut command = headgate();
        command
            .arg("--data-dir")
            .arg(self.dir.path().join(node))
            .arg("--schemas")
            .arg(catalogue())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let output = self.command("client").args(arguments).output();
        output.expect("it runs")
    }

    fn spawn(&self, node: &str, command: &mut Command) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(node))
            .expect("a file of the test's own");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts")
    }

    fn log(&self, node: &str) -> PathBuf {
        self.dir.path().join(format!("{node}.log"))
    }

    /// Starts a gateway.
    pub(crate) fn gateway(&self, node: &str, listen: &str) -> Node {
        let mut command = self.command(node);
        command.args(["gateway", "--listen", listen]);
        Node {
            child: self.spawn(node, &mut command),
            file: self.dir.path().join(node).join("run/addresses.json"),
        }
    }

    /// Starts a sink.
    pub(crate) fn sink(&self, node: &str) -> Node {
        Node {
            child: self.spawn(node, self.command(node).arg("sink")),
            file: self.dir.path().join(node).join("run/sink-addresses.json"),
        }
    }

    /// Events for one gateway, for [`SECONDS`].
    pub(crate) fn load(&self, seed: &str, gateway: SocketAddr) -> Node {
        let ledger = self.ledger(seed);
        let url = format!("http://{gateway}/v1/events");
        let mut command = self.command("client");
        command
            .args([
                "loadtest",
                "--url",
                &url,
                "--rate",
                RATE,
                "--seconds",
                SECONDS,
            ])
            .args(["--invalid-share", "0.05", "--seed", seed, "--no-verify"])
            .args(["--connections", "16", "--ledger"])
            .arg(&ledger);
        Node {
            child: self.spawn(seed, &mut command),
            file: ledger,
        }
    }

    /// Where a run keeps its ledger.
    pub(crate) fn ledger(&self, seed: &str) -> PathBuf {
        self.dir.path().join(format!("{seed}.ledger"))
    }

    /// Proves a run's ledger against what has landed in the bucket.
    pub(crate) fn balances(&self, seed: &str) {
        let ledger = self.ledger(seed);
        let mut verify = self.command("client");
        verify.args(["loadtest", "--json", "--wait", "60", "--verify"]);
        let verdict = verify.arg(ledger).output().expect("it runs");
        let balance: Value = serde_json::from_str(stdout(&verdict).trim())
            .unwrap_or_else(|error| panic!("{error}: {}", stderr(&verdict)));
        assert_eq!(balance["balanced"], true, "{balance:#}");
        for outcome in ["accepted", "rejected"] {
            let events = balance["outcomes"][outcome]["events"].as_u64();
            assert!(events > Some(50), "hardly any {outcome}: {balance:#}");
        }
    }

    fn query(&self, sql: &str) -> Value {
        let output = self.output(&["query", "--format", "json", sql]);
        assert!(output.status.success(), "{sql}: {}", stderr(&output));
        serde_json::from_str(stdout(&output).trim()).expect("one row")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            for node in ["gateway-1", "gateway-2", "sink-1", "sink-2", "1", "2"] {
                let log = std::fs::read_to_string(self.log(node)).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                eprintln!("--- {node}, last line first:\n{}", tail.join("\n"));
            }
        }
    }
}

/// A process; killed when dropped.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) file: PathBuf,
}

impl Node {
    /// Where it listens, once it does.
    pub(crate) fn address(&mut self, name: &str) -> SocketAddr {
        address(&addresses(&mut self.child, &self.file), name)
    }

    /// Waits for its end; returns whether that was a good one.
    pub(crate) fn ended(&mut self) -> bool {
        wait_for("the end of a process", || {
            self.child.try_wait().expect("a child")
        })
        .success()
    }

    /// SIGTERM, and a good end.
    pub(crate) fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a pid"), Signal::TERM).expect("it runs");
        assert!(self.ended(), "{} did not end well", self.file.display());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
#[ignore = "needs Kafka and an S3 server: ./headgate.sh test"]
fn two_gateways_and_two_sinks_land_each_event_once_though_one_of_each_is_killed() {
    let cluster = Cluster::start();
    let mut gateways = ["gateway-1", "gateway-2"].map(|node| cluster.gateway(node, "127.0.0.1:0"));
    let mut sinks = ["sink-1", "sink-2"].map(|node| cluster.sink(node));
    let [first, second] = gateways.each_mut().map(|node| node.address("gateway"));
    let admins = sinks.each_mut().map(|node| node.address("admin"));
    let [_, admin] = admins;
    for (at, sink) in admins.into_iter().enumerate() {
        wait_for(
            &format!("half of the events' partitions at sink {at}"),
            || (partitions_of_events(sink) == 2).then_some(()),
        );
    }
    let mut loads = [cluster.load("1", first), cluster.load("2", second)];

    // Moments, not conditions: that is what is being tested.
    thread::sleep(Duration::from_secs(3));
    let [killed, sink] = sinks;
    drop(killed);
    thread::sleep(Duration::from_secs(1));
    let [killed, gateway] = gateways;
    drop(killed);
    let mut again = (
        cluster.gateway("gateway-1", &first.to_string()),
        cluster.sink("sink-1"),
    );
    again.0.address("gateway");
    again.1.address("admin");

    assert!(loads.each_mut().map(Node::ended).iter().all(|ended| *ended));
    cluster.balances("1");
    cluster.balances("2");
    what_has_landed_is_read(&cluster);
    a_record_is_a_cloud_event(&cluster);
    for page in ["/live", "/ready", "/version"] {
        let reply = request(admin, "GET", page, &[], b"").expect("a reply");
        assert_eq!(reply.status, 200, "{page}: {}", reply.body);
    }
    for node in [gateway, again.0, sink, again.1] {
        node.stop();
    }
}

/// How many partitions of the events' topic a sink has. All events at one sink and all rejected ones at another would
/// be as many partitions each, but no help.
fn partitions_of_events(admin: SocketAddr) -> usize {
    let page = request(admin, "GET", "/metrics", &[], b"").expect("a reply");
    let of_events = "headgate_sink_lag_events{partition=\"events-";
    let lines = page.body.lines();
    lines.filter(|line| line.starts_with(of_events)).count()
}

fn what_has_landed_is_read(cluster: &Cluster) {
    let counted = cluster.query("select count(*) as n from order_completed_1");
    // This one opens the files.
    let read = cluster.query(
        "select count(event_id) as n, count(distinct event_id) as ids from order_completed_1",
    );
    assert!(counted["n"].as_u64() > Some(50), "{counted}");
    assert_eq!((&read["n"], &read["ids"]), (&counted["n"], &counted["n"]));
    let tables = cluster.output(&["tables", "--format", "json"]);
    assert!(
        stdout(&tables).contains("\"bad_events\""),
        "{}",
        stderr(&tables)
    );
}

/// What any other consumer of the topic sees.
fn a_record_is_a_cloud_event(cluster: &Cluster) {
    let consumed = Command::new("kcat")
        .args(["-C", "-q", "-J", "-c", "1", "-t", "events", "-b"])
        .arg(cluster.stream.setting("KAFKA_BOOTSTRAP"))
        .output()
        .expect("kcat runs");
    let record: Value = serde_json::from_str(stdout(&consumed).trim()).expect("one record");
    assert_eq!(record["headers"][0], "content-type", "{record}");
    assert_eq!(
        record["headers"][1], "application/cloudevents+json",
        "{record}"
    );
    let payload = record["payload"].as_str().expect("text");
    let event: Value = serde_json::from_str(payload).expect("JSON");
    assert_eq!(event["specversion"], "1.0", "{event}");
    assert!(
        event["id"].is_string() && event["data"].is_object(),
        "{event}"
    );
}

#[test]
#[ignore = "needs s3s-fs: ./headgate.sh test"]
fn a_sink_refuses_a_store_without_atomic_creates() {
    let s3 = Service::s3s();
    let data = TempDir::new().expect("a temporary directory");
    // The store is tried before Kafka is asked for anything.
    let refused = headgate()
        .envs(s3_environment(&s3))
        .envs(kafka_environment("127.0.0.1:1"))
        .arg("--data-dir")
        .arg(data.path())
        .arg("sink")
        .output()
        .expect("it runs");
    let said = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("unfit for the commit log"), "{said}");
}

#[test]
fn a_gateway_or_a_sink_alone_needs_a_stream_between_processes() {
    for role in ["gateway", "sink"] {
        let data = TempDir::new().expect("a temporary directory");
        let refused = headgate()
            .arg("--data-dir")
            .arg(data.path())
            .arg(role)
            .output()
            .expect("it runs");
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains("stream.kind = \"kafka\"") && said.contains("`headgate up`"),
            "{said}"
        );
    }
}
