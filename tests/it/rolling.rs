//! A rolling restart under load: every process ends by SIGTERM and is started again, one after the other.

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Cluster, Node};
use crate::harness::{request, stdout, wait_for};

/// Events a second on each gateway, events a request, and seconds of load.
const RATE: &str = "400";
const BATCH: u64 = 20;
const SECONDS: &str = "25";

/// How long a gateway that is to end answers and says that it is not ready: longer than any connection of the load is
/// idle, so that each is closed by a reply.
const UNREADY_MS: &str = "1500";

fn load(cluster: &Cluster, seed: &str, gateway: SocketAddr) -> Child {
    let mut command = cluster.command("client");
    command
        .args(["loadtest", "--json", "--no-verify", "--rate", RATE])
        .args(["--seconds", SECONDS, "--batch", &BATCH.to_string()])
        .args(["--invalid-share", "0.05", "--connections", "8"])
        .args(["--seed", seed, "--url"])
        .arg(format!("http://{gateway}/v1/events"))
        .arg("--ledger")
        .arg(cluster.ledger(seed));
    command.stdout(Stdio::piped()).spawn().expect("it starts")
}

/// Records that have not landed, by what the sinks say that they were assigned.
fn lag(sinks: &[SocketAddr]) -> f64 {
    let page = |sink: &SocketAddr| request(*sink, "GET", "/metrics", &[], b"").expect("a reply");
    let pages = sinks.iter().map(|sink| page(sink).body);
    let lags = pages.flat_map(|page| {
        let lines = page
            .lines()
            .filter(|line| line.starts_with("headgate_sink_lag_events{"));
        let value = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok());
        lines.filter_map(value).collect::<Vec<_>>()
    });
    lags.sum()
}

#[test]
#[ignore = "needs Kafka and an S3 server: ./headgate.sh test"]
fn a_rolling_restart_fails_no_request_but_by_a_refused_connect_and_lands_each_event_once() {
    let mut cluster = Cluster::start();
    cluster.set("HEADGATE__GATEWAY__TIMEOUTS__DRAIN_UNREADY_MS", UNREADY_MS);
    let mut gateways = ["gateway-1", "gateway-2"].map(|node| cluster.gateway(node, "127.0.0.1:0"));
    let mut sinks = ["sink-1", "sink-2"].map(|node| cluster.sink(node));
    let takes = gateways.each_mut().map(|node| node.address("gateway"));
    for sink in &mut sinks {
        sink.address("admin");
    }
    let loads = [load(&cluster, "1", takes[0]), load(&cluster, "2", takes[1])];

    // Moments, not conditions: that is what is being tested.
    thread::sleep(Duration::from_secs(2));
    let gateways: Vec<Node> = ["gateway-1", "gateway-2"]
        .into_iter()
        .zip(gateways)
        .zip(takes)
        .map(|((name, node), listen)| {
            node.stop();
            let mut again = cluster.gateway(name, &listen.to_string());
            assert_eq!(again.address("gateway"), listen);
            again
        })
        .collect();
    let mut admins = Vec::new();
    let mut rolled = Vec::new();
    for (name, node) in ["sink-1", "sink-2"].into_iter().zip(sinks) {
        node.stop();
        let mut again = cluster.sink(name);
        admins.push(again.address("admin"));
        rolled.push(again);
    }

    for (load, seed) in loads.into_iter().zip(["1", "2"]) {
        let output = load.wait_with_output().expect("a child");
        assert!(output.status.success());
        let report: Value = serde_json::from_str(stdout(&output).trim()).expect("a report");
        let count = |outcome: &str| report["events"][outcome].as_u64().unwrap_or(0);
        let answered = count("accepted") + count("rejected");
        assert!(answered > 5_000, "{report:#}");
        assert_eq!((count("retry"), count("unknown")), (0, 0), "{report:#}");
        assert_eq!(
            Some(count("unsent")),
            report["refused_events"].as_u64(),
            "{report:#}"
        );
        cluster.balances(seed);
    }
    wait_for("the lag to be gone", || (lag(&admins) == 0.0).then_some(()));
    for node in gateways.into_iter().chain(rolled) {
        node.stop();
    }
}
