//! Gateways and sinks as processes of their own, around a server that speaks Kinesis' protocol and a real S3 server.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Cluster, Node};
use crate::glue::Moto;
use crate::harness::{request, stderr, stdout, wait_for};
use crate::services::Service;

/// What processes need to know of the server.
fn settings(kinesis: &Service) -> Vec<(&'static str, String)> {
    let endpoint = kinesis.setting("KINESIS_ENDPOINT").to_owned();
    let mut environment = vec![("HEADGATE__KINESIS__ENDPOINT", endpoint)];
    for (name, value) in [
        ("HEADGATE__STREAM__KIND", "kinesis"),
        ("HEADGATE__KINESIS__STREAMS__MODE", "provisioned"),
        ("HEADGATE__KINESIS__STREAMS__SHARDS", "2"),
        // A killed sink's shards are to go to the other one within the load.
        ("HEADGATE__KINESIS__READ__MEMBER_INTERVAL_MS", "300"),
        ("HEADGATE__KINESIS__READ__MEMBER_SILENCE_MS_MAX", "2000"),
        ("HEADGATE__KINESIS__READ__SHARDS_INTERVAL_MS", "1000"),
    ] {
        environment.push((name, value.to_owned()));
    }
    environment
}

/// Asks the server itself.
fn ask(kinesis: &Service, operation: &str, input: &Value) -> Result<Value, String> {
    let region = kinesis.setting("AWS_REGION");
    let key = kinesis.setting("AWS_ACCESS_KEY_ID");
    let secret = kinesis.setting("AWS_SECRET_ACCESS_KEY");
    let asked = Command::new("curl")
        .args(["--silent", "--fail-with-body", "--max-time", "10"])
        .arg("--aws-sigv4")
        .arg(format!("aws:amz:{region}:kinesis"))
        .arg("--user")
        .arg(format!("{key}:{secret}"))
        .args(["--header", "Content-Type: application/x-amz-json-1.1"])
        .arg("--header")
        .arg(format!("X-Amz-Target: Kinesis_20131202.{operation}"))
        .args(["--data", &input.to_string()])
        .arg(kinesis.setting("KINESIS_ENDPOINT"))
        .output()
        .expect("curl runs");
    let answer = stdout(&asked);
    match asked.status.success() {
        true => Ok(serde_json::from_str(answer.trim()).unwrap_or(Value::Null)),
        false => Err(format!("{answer}{}", stderr(&asked))),
    }
}

fn summary(kinesis: &Service) -> Result<Value, String> {
    let stream = json!({"StreamName": "events"});
    let answer = ask(kinesis, "DescribeStreamSummary", &stream)?;
    Ok(answer["StreamDescriptionSummary"].clone())
}

/// Splits or merges the events' shards until there are so many.
fn reshard(kinesis: &Service, shards: u64) {
    let change = json!({
        "StreamName": "events", "TargetShardCount": shards, "ScalingType": "UNIFORM_SCALING"
    });
    ask(kinesis, "UpdateShardCount", &change).expect("it is changed");
    wait_for("the stream to be changed", || {
        let summary = summary(kinesis).ok()?;
        let done = summary["StreamStatus"] == "ACTIVE" && summary["OpenShardCount"] == shards;
        done.then_some(())
    });
}

/// How many of the events' shards a sink has.
fn shards_of_events(admin: SocketAddr) -> usize {
    let page = request(admin, "GET", "/metrics", &[], b"").expect("a reply");
    let of_events = "headgate_stream_kinesis_reader_shards{stream=\"events\"} ";
    let mut lines = page.body.lines();
    let found = lines.find_map(|line| line.strip_prefix(of_events));
    found.and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[test]
#[ignore = "needs Kinesis and an S3 server: ./headgate.sh test"]
fn events_land_once_while_shards_split_and_merge_and_one_gateway_and_one_sink_are_killed() {
    let cluster = Cluster::around(Service::kinesis, settings);
    let mut gateways = ["gateway-1", "gateway-2"].map(|node| cluster.gateway(node, "127.0.0.1:0"));
    let [first, second] = gateways.each_mut().map(|node| node.address("gateway"));
    let mut sinks = ["sink-1", "sink-2"].map(|node| cluster.sink(node));
    let admins = sinks.each_mut().map(|node| node.address("admin"));
    for (at, sink) in admins.into_iter().enumerate() {
        wait_for(&format!("half of the events' shards at sink {at}"), || {
            (shards_of_events(sink) == 1).then_some(())
        });
    }
    let mut loads = [cluster.load("1", first), cluster.load("2", second)];

    // Moments, not conditions: that is what is being tested.
    thread::sleep(Duration::from_secs(2));
    reshard(&cluster.stream, 4);
    thread::sleep(Duration::from_secs(1));
    let [killed, sink] = sinks;
    drop(killed);
    let [killed, gateway] = gateways;
    drop(killed);
    let mut again = (
        cluster.gateway("gateway-1", &first.to_string()),
        cluster.sink("sink-1"),
    );
    again.0.address("gateway");
    let admin = again.1.address("admin");
    reshard(&cluster.stream, 3);

    assert!(loads.each_mut().map(Node::ended).iter().all(|ended| *ended));
    cluster.balances("1");
    cluster.balances("2");
    wait_for("all three shards at the two sinks", || {
        (shards_of_events(admins[1]) + shards_of_events(admin) == 3).then_some(())
    });
    for node in [gateway, again.0, sink, again.1] {
        node.stop();
    }
}

#[test]
#[ignore = "needs Kinesis and an S3 server: ./headgate.sh test"]
fn a_stream_that_is_deleted_and_made_anew_is_read_from_its_start_by_the_next_start() {
    let cluster = Cluster::around(Service::kinesis, settings);
    let mut gateway = cluster.gateway("gateway-1", "127.0.0.1:0");
    let taking = gateway.address("gateway");
    let mut sink = cluster.sink("sink-1");
    sink.address("admin");
    assert!(cluster.load("1", taking).ended());
    cluster.balances("1");
    let stream = json!({"StreamName": "events"});
    ask(&cluster.stream, "DeleteStream", &stream).expect("it is deleted");
    wait_for("the stream to be gone", || summary(&cluster.stream).err());
    // The gateway makes it again.
    assert!(cluster.load("2", taking).ended());
    assert!(!sink.ended(), "a sink goes on though its stream is gone");
    let mut sink = cluster.sink("sink-1");
    sink.address("admin");
    cluster.balances("2");
    cluster.balances("1");
    for node in [gateway, sink] {
        node.stop();
    }
}

#[test]
#[ignore = "needs Kinesis, an S3 server and a Python with moto: ./headgate.sh test"]
fn a_role_is_assumed_for_every_request() {
    const ROLE: &str = "arn:aws:iam::123456789012:role/headgate-gateway";
    let moto = Moto::start();
    let mut cluster = Cluster::around(Service::kinesis, settings);
    cluster.set("HEADGATE__KINESIS__ASSUME_ROLE_ARN", ROLE);
    cluster.set("HEADGATE__KINESIS__EXTERNAL_ID", "of-the-owner");
    cluster.set("AWS_ENDPOINT_URL_STS", &moto.endpoint);
    let mut gateway = cluster.gateway("gateway-1", "127.0.0.1:0");
    let taking = gateway.address("gateway");
    let mut sink = cluster.sink("sink-1");
    sink.address("admin");
    assert!(cluster.load("1", taking).ended());
    cluster.balances("1");
    let known = Command::new("curl")
        .args(["--silent", "--fail", "--max-time", "10"])
        .arg(format!("{}/moto-api/data.json", moto.endpoint))
        .output()
        .expect("curl runs");
    let known: Value = serde_json::from_str(&stdout(&known)).expect("what moto knows");
    let assumed = known["sts"]["AssumedRole"].as_array();
    let of_ours = |role: &&Value| {
        role["role_arn"] == ROLE
            && role["session_name"] == "headgate"
            && role["external_id"] == "of-the-owner"
    };
    let ours = assumed.into_iter().flatten().filter(of_ours).count();
    assert!(ours >= 2, "by the gateway and by the sink: {known:#}");
    for node in [gateway, sink] {
        node.stop();
    }
}
