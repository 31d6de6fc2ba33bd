//! The settings of a run's nodes: as they would be, but less patient, so that what is waited out is waited out soon.

use std::path::Path;

use anyhow::Result;

use crate::schedule::{KINESIS_PRODUCE_MS, KINESIS_REQUEST_MS, SESSION_MS, STORE_REQUEST_MS};
use crate::servers::Servers;
use crate::streams;

/// The settings of a node that has that stream, and the store there.
pub(crate) fn of(servers: &Servers, run: &str, stream: &str, store: &str) -> Result<String> {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/events");
    let bucket = servers.s3("S3_BUCKET")?;
    let (operation_ms, store_ms) = (3 * STORE_REQUEST_MS, 4 * STORE_REQUEST_MS);
    Ok(format!(
        r#"[gateway]
listen = "127.0.0.1:0"
admin.listen = "127.0.0.1:0"

[schemas]
dir = {schemas:?}

{stream}
[store]
kind = "s3"

[s3]
bucket = "{bucket}"
prefix = "{run}"
endpoint = "{store}"
path_style = true
request_timeout_ms = {STORE_REQUEST_MS}
connect_timeout_ms = 1000
operation_deadline_ms = {operation_ms}
backoff_max_ms = 1000

[sink]
batch_age_max_ms = 500
checkpoint_commits = 8
store_timeout_ms = {store_ms}
retry_pause_max_ms = 1000
"#
    ))
}

/// Kafka as the stream.
pub(crate) fn kafka(run: &str, bootstrap: &[String]) -> String {
    format!(
        r#"[stream]
kind = "kafka"

[kafka]
bootstrap_servers = {bootstrap:?}
group = "{run}"
session_timeout_ms = {SESSION_MS}
produce_deadline_ms = 3000
request_deadline_ms = 3000
metadata_interval_ms = 1000
probe_interval_ms = 200
revoke_wait_ms_max = 1000
commit_interval_ms = 500
topics.partitions = 6
properties."socket.timeout.ms" = "4000"
"#
    )
}

/// Kinesis as the stream: of a run's own name, so that no seed lands another one's events. The server is busy for some 10 ms
/// with each request, so there are fewer of them than by default.
pub(crate) fn kinesis(run: &str, endpoint: &str) -> String {
    let (events, bad_events) = (
        streams::name(run, "events"),
        streams::name(run, "bad_events"),
    );
    format!(
        r#"[stream]
kind = "kinesis"

[kinesis]
endpoint = "{endpoint}"
linger_ms = 300
produce_deadline_ms = {KINESIS_PRODUCE_MS}
request_timeout_ms = {KINESIS_REQUEST_MS}
request_deadline_ms = 3000
connect_timeout_ms = 1000
backoff_max_ms = 1000
shards_interval_ms = 3000
probe_interval_ms = 200

[kinesis.streams]
mode = "provisioned"
shards = 2
names.events = "{events}"
names.bad_events = "{bad_events}"

[kinesis.read]
interval_ms = 1000
member_interval_ms = 300
member_silence_ms_max = {SESSION_MS}
shards_interval_ms = 3000

[spill]
clock_slack_ms = 2000
"#
    )
}
