//! The streams of a run in Kinesis, as the suite itself sees them: directly, and with its own reading of what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use md5::{Digest, Md5};
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::kinesis::PAGE_RECORDS;
use crate::servers::Servers;

/// The topics that are written to.
const TOPICS: [&str; 2] = ["events", "bad_events"];

/// How long a stream may take to be changed.
const CHANGE: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(50);

/// What an aggregated record begins with, and the length of the digest at its end:
/// <https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>.
const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const DIGEST_BYTES: usize = 16;

/// Many events that share a record of Kinesis.
#[derive(Clone, PartialEq, Message)]
struct Aggregate {
    #[prost(string, repeated, tag = "1")]
    keys: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<Part>,
}

#[derive(Clone, PartialEq, Message)]
struct Part {
    #[prost(uint64, required, tag = "1")]
    key: u64,
    #[prost(bytes = "vec", required, tag = "3")]
    data: Vec<u8>,
}

/// What an event is known by.
#[derive(Deserialize)]
struct Envelope {
    id: String,
}

/// The stream of a run's topic.
pub(crate) fn name(run: &str, topic: &str) -> String {
    format!("{run}-{topic}")
}

/// An event's copies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Copies {
    /// When they arrived, in ms, the first one first.
    pub(crate) arrived: Vec<i64>,
    /// The shards that they are in. Sinks know an event again within a shard.
    pub(crate) shards: BTreeSet<String>,
}

/// Each event's copies.
///
/// What a split or a merge has left in a shard that is not its own is not counted: an aggregate of which any key belongs to
/// another shard than the one it is found in. Its writer sends it again, and every reader that knows the format leaves it out.
pub(crate) async fn copies(servers: &Servers, run: &str) -> Result<BTreeMap<String, Copies>> {
    let mut copies: BTreeMap<String, Copies> = BTreeMap::new();
    for topic in TOPICS {
        let stream = name(run, topic);
        let listed = ask(servers, "ListShards", json!({"StreamName": stream})).await?;
        ensure!(listed["NextToken"].is_null(), "{stream} has many shards");
        for shard in listed["Shards"].as_array().context("no shards")? {
            read(servers, &stream, shard, &mut copies).await?;
        }
    }
    let all = copies.values_mut();
    all.for_each(|copies| copies.arrived.sort());
    Ok(copies)
}

async fn read(
    servers: &Servers,
    stream: &str,
    shard: &Value,
    copies: &mut BTreeMap<String, Copies>,
) -> Result<()> {
    let from_the_start = json!({
        "StreamName": stream,
        "ShardId": shard["ShardId"],
        "ShardIteratorType": "TRIM_HORIZON"
    });
    let asked = ask(servers, "GetShardIterator", from_the_start).await?;
    let mut iterator = asked["ShardIterator"].clone();
    let keys = keys(shard)?;
    while !iterator.is_null() {
        let read = ask(
            servers,
            "GetRecords",
            json!({"ShardIterator": iterator, "Limit": PAGE_RECORDS}),
        )
        .await?;
        let records = read["Records"].as_array().context("no records")?;
        for record in records {
            let arrived_s = &record["ApproximateArrivalTimestamp"];
            let arrived_ms = 1_000.0 * arrived_s.as_f64().context("no time of arrival")?;
            let data = record["Data"].as_str().context("no data")?;
            for event in events(BASE64_STANDARD.decode(data)?, keys.as_ref())? {
                let Envelope { id } = serde_json::from_slice(&event)?;
                let copies = copies.entry(id).or_default();
                copies.arrived.push(arrived_ms as i64);
                copies
                    .shards
                    .insert(format!("{stream}/{}", shard["ShardId"]));
            }
        }
        if records.is_empty() && read["MillisBehindLatest"] == 0 {
            break;
        }
        iterator = read["NextShardIterator"].clone();
    }
    Ok(())
}

/// What belongs into a shard that continues another.
fn keys(shard: &Value) -> Result<Option<RangeInclusive<u128>>> {
    if shard["ParentShardId"].is_null() {
        return Ok(None);
    }
    let end = |name: &str| -> Result<u128> {
        let hash = shard["HashKeyRange"][name].as_str();
        Ok(hash.context("a shard has a range")?.parse()?)
    };
    Ok(Some(end("StartingHashKey")?..=end("EndingHashKey")?))
}

/// The events of a record that count.
fn events(data: Vec<u8>, keys: Option<&RangeInclusive<u128>>) -> Result<Vec<Vec<u8>>> {
    let Some(body) = data.strip_prefix(&MAGIC) else {
        return Ok(vec![data]);
    };
    let (body, digest) = body
        .split_last_chunk::<DIGEST_BYTES>()
        .context("an aggregate has a digest")?;
    ensure!(
        Md5::digest(body)[..] == digest[..],
        "an aggregate is damaged"
    );
    let aggregate = Aggregate::decode(body)?;
    for part in &aggregate.records {
        let key = aggregate.keys.get(usize::try_from(part.key)?);
        let key = key.context("an event of an aggregate has a key")?;
        let hash = u128::from_be_bytes(Md5::digest(key.as_bytes()).into());
        if keys.is_some_and(|keys| !keys.contains(&hash)) {
            return Ok(Vec::new());
        }
    }
    Ok(aggregate
        .records
        .into_iter()
        .map(|part| part.data)
        .collect())
}

/// Splits or merges the events' shards until there are so many.
pub(crate) async fn reshard(servers: &Servers, run: &str, shards: u64) -> Result<()> {
    let stream = name(run, TOPICS[0]);
    let change = json!({
        "StreamName": stream, "TargetShardCount": shards, "ScalingType": "UNIFORM_SCALING"
    });
    ask(servers, "UpdateShardCount", change).await?;
    let deadline = Instant::now() + CHANGE;
    loop {
        let asked = ask(
            servers,
            "DescribeStreamSummary",
            json!({"StreamName": stream}),
        )
        .await?;
        let summary = &asked["StreamDescriptionSummary"];
        if summary["StreamStatus"] == "ACTIVE" && summary["OpenShardCount"] == shards {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not changed: {summary}");
        sleep(POLL).await;
    }
}

/// Deletes a run's streams: the server has them in memory. A run that failed early has none.
pub(crate) async fn delete(servers: &Servers, run: &str) -> Result<()> {
    for topic in TOPICS {
        let stream = json!({"StreamName": name(run, topic)});
        if let Err(error) = ask(servers, "DeleteStream", stream).await {
            let missing = error.to_string().contains("ResourceNotFoundException");
            ensure!(missing, "cannot delete the stream of {topic}: {error:#}");
        }
    }
    Ok(())
}

/// Asks Kinesis itself, without a proxy.
async fn ask(servers: &Servers, operation: &str, input: Value) -> Result<Value> {
    let mut command = Command::new("curl");
    let (region, key) = (
        servers.kinesis("AWS_REGION")?,
        servers.kinesis("AWS_ACCESS_KEY_ID")?,
    );
    let secret = servers.kinesis("AWS_SECRET_ACCESS_KEY")?;
    command
        .args([
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--max-time",
            "20",
        ])
        .arg("--aws-sigv4")
        .arg(format!("aws:amz:{region}:kinesis"))
        .arg("--user")
        .arg(format!("{key}:{secret}"))
        .args(["--header", "Content-Type: application/x-amz-json-1.1"])
        .arg("--header")
        .arg(format!("X-Amz-Target: Kinesis_20131202.{operation}"))
        .args(["--data", &input.to_string()])
        .arg(servers.kinesis("KINESIS_ENDPOINT")?);
    let output = spawn_blocking(move || command.output()).await?;
    let output = output.context("curl does not run")?;
    let answer = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("Kinesis refuses {operation} {input}: {answer}{said}");
    }
    match answer.trim() {
        "" => Ok(Value::Null),
        answer => serde_json::from_str(answer).context("an answer of Kinesis"),
    }
}
