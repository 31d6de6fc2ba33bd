//! Subscriptions against a server that pushes what a test says: no server for tests that we know speaks HTTP/2 event
//! streams of Kinesis, and neither does this one, which pushes the same messages over HTTP/1.1.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use prometheus::Registry;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::*;
use crate::{
    kinesis::{
        Config, Kinesis, deliveries::Deliveries, intake::Whose, read_metrics::Metrics,
        streams::Named,
    },
    log::{Delivery, Partition, Position},
};

/// One answer to a request.
#[derive(Debug, Clone)]
enum Answer {
    /// These messages are pushed, and the subscription is over.
    Push(Vec<Vec<u8>>),
    Error(&'static str),
    Json(Value),
}

/// A message of an event stream: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html> has the
/// same format.
fn message(kind: [(&str, &str); 2], payload: &Value) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in kind.iter().chain(&[(":content-type", "application/json")]) {
        headers.push(name.len() as u8);
        headers.extend(name.as_bytes());
        // A string.
        headers.push(7);
        headers.extend((value.len() as u16).to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let payload = payload.to_string();
    let mut message = Vec::new();
    message.extend(((16 + headers.len() + payload.len()) as u32).to_be_bytes());
    message.extend((headers.len() as u32).to_be_bytes());
    message.extend(crc32(&message).to_be_bytes());
    message.extend(headers);
    message.extend(payload.as_bytes());
    message.extend(crc32(&message).to_be_bytes());
    message
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

fn event(sequences: &[u32], continuation: u32, child: Option<&str>) -> Vec<u8> {
    let record = |sequence: &u32| {
        json!({
            "SequenceNumber": sequence.to_string(), "PartitionKey": "k", "Data": "YQ==",
            "ApproximateArrivalTimestamp": 1_700_000_000.0
        })
    };
    let records: Vec<Value> = sequences.iter().map(record).collect();
    let mut event = json!({
        "Records": records, "ContinuationSequenceNumber": continuation.to_string(),
        "MillisBehindLatest": 0
    });
    if let Some(child) = child {
        event["ChildShards"] = json!([{
            "ShardId": child, "ParentShards": ["shardId-000000000000"],
            "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"}
        }]);
    }
    let kind = [
        (":message-type", "event"),
        (":event-type", "SubscribeToShardEvent"),
    ];
    message(kind, &event)
}

fn failure() -> Vec<u8> {
    let kind = [
        (":message-type", "exception"),
        (":exception-type", "InternalFailureException"),
    ];
    message(kind, &json!({"message": "told so"}))
}

/// A server that gives these answers, one after the other, and keeps what it was asked.
struct Fake {
    endpoint: String,
    asked: Arc<Mutex<Vec<Value>>>,
    _serving: JoinSet<()>,
}

impl Fake {
    async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let mut answers = VecDeque::from(answers);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let body = request(&mut client).await;
                noted.lock().unwrap().push(body);
                let answer = answers.pop_front();
                client.write_all(&reply(answer)).await.unwrap();
                client.shutdown().await.unwrap();
            }
        });
        Self {
            endpoint,
            asked,
            _serving: serving,
        }
    }

    /// Where each subscription began.
    fn begun(&self) -> Vec<(String, String)> {
        let asked = self.asked.lock().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let begin = asked.iter().map(|body| &body["StartingPosition"]);
        let begin = begin.filter(|begin| begin.is_object());
        begin
            .map(|begin| (text(&begin["Type"]), text(&begin["SequenceNumber"])))
            .collect()
    }
}

/// The body of a request.
async fn request(client: &mut TcpStream) -> Value {
    let mut read = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = client.read(&mut chunk).await.unwrap();
        read.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut lines = head.lines().map(str::to_ascii_lowercase);
        let length =
            lines.find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return serde_json::from_str(body).unwrap_or_default();
        }
    }
}

fn reply(answer: Option<Answer>) -> Vec<u8> {
    let (status, kind, body) = match answer {
        Some(Answer::Push(messages)) => {
            let first = [
                (":message-type", "event"),
                (":event-type", "initial-response"),
            ];
            let mut body = message(first, &json!({}));
            body.extend(messages.concat());
            ("200 OK", "vnd.amazon.eventstream", body)
        }
        Some(Answer::Json(value)) => ("200 OK", "x-amz-json-1.1", value.to_string().into_bytes()),
        Some(Answer::Error(code)) => {
            let body = json!({"__type": code, "message": "told so"});
            (
                "400 Bad Request",
                "x-amz-json-1.1",
                body.to_string().into_bytes(),
            )
        }
        None => (
            "500 Internal Server Error",
            "x-amz-json-1.1",
            b"{}".to_vec(),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/{kind}\r\nconnection: close\r\n\r\n"
    );
    [head.into_bytes(), body].concat()
}

/// Reads the shard from the position until it ends; all that was delivered.
async fn read(fake: &Fake, position: &str) -> (Ended, Vec<Delivery>) {
    let config = Config {
        region: Some("us-east-1".to_owned()),
        endpoint: Some(fake.endpoint.clone()),
        ..Config::default()
    };
    let kinesis = Kinesis::open_with_keys(config, "key", "secret", &Registry::new()).await;
    let kinesis = kinesis.unwrap();
    let deliveries = Arc::new(Deliveries::default());
    let shard = Partition::new("shardId-000000000000");
    deliveries.assigned(vec![shard.clone()]);
    deliveries.next().await.unwrap();
    let position = Position::new(position);
    deliveries.seek(&shard, &position);
    let generation = deliveries.wanted().await.seeks[&shard].0;
    let whose = Whose {
        stream: "events".to_owned(),
        shard,
        generation,
        keys: None,
    };
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let delivered = Arc::clone(&deliveries);
    let fan_out = FanOut {
        source: Source {
            client: kinesis.client.clone(),
            stream: Named::of(&kinesis.config, "events").unwrap(),
            config: Arc::clone(&kinesis.config),
            incarnation: "1700000000000".to_owned(),
        },
        intake: Intake::new(whose, position, deliveries, metrics.clone()).unwrap(),
        rooms: Rooms::new(0),
        metrics,
        consumer: "arn:aws:kinesis:us-east-1:1:stream/events/consumer/headgate:1".to_owned(),
    };
    let ended = fan_out.run().await;
    let mut all = Vec::new();
    while let Some(Ok(delivery)) = futures_util::FutureExt::now_or_never(delivered.next()) {
        all.push(delivery);
    }
    (ended, all)
}

fn ends(deliveries: &[Delivery]) -> Vec<(&'static str, &str, &str)> {
    let ends = deliveries.iter().map(|delivery| match delivery {
        Delivery::Records(r) => ("records", r.follows.as_str(), r.end.as_str()),
        Delivery::Ended { follows, end, .. } => ("ended", follows.as_str(), end.as_str()),
        Delivery::Gap { after, .. } => ("gap", after.as_str(), ""),
        other => panic!("{other:?}"),
    });
    ends.collect()
}

fn position(kind: &str, sequence: &str) -> (String, String) {
    (kind.to_owned(), sequence.to_owned())
}

#[tokio::test]
async fn a_subscription_is_made_again_where_it_stood_until_the_shard_ends() {
    let fake = Fake::start(vec![
        Answer::Error("ResourceInUseException"),
        Answer::Push(vec![event(&[5, 7], 9, None), event(&[], 11, None)]),
        Answer::Push(vec![event(&[12], 12, None), failure()]),
        Answer::Push(vec![
            event(&[13], 13, None),
            event(&[], 14, Some("shardId-000000000001")),
        ]),
    ])
    .await;
    let (ended, delivered) = read(&fake, "").await;
    assert_eq!(ended, Ended::Shard);
    assert_eq!(
        ends(&delivered),
        [
            ("records", "", "7.0"),
            ("records", "7.0", "12.0"),
            ("records", "12.0", "13.0"),
            ("ended", "13.0", "13.0.1"),
        ]
    );
    assert_eq!(
        fake.begun(),
        [
            position("TRIM_HORIZON", ""),
            position("TRIM_HORIZON", ""),
            position("AFTER_SEQUENCE_NUMBER", "11"),
            position("AFTER_SEQUENCE_NUMBER", "12"),
        ]
    );
}

#[tokio::test]
async fn a_subscription_begins_at_the_record_that_was_read_last_or_tells_that_it_is_gone() {
    let over = || event(&[], 14, Some("shardId-000000000001"));
    let fake = Fake::start(vec![Answer::Push(vec![event(&[5, 7], 9, None), over()])]).await;
    let (_, delivered) = read(&fake, "5.0").await;
    assert_eq!(
        ends(&delivered),
        [("records", "5.0", "7.0"), ("ended", "7.0", "7.0.1")]
    );
    assert_eq!(fake.begun(), [position("AT_SEQUENCE_NUMBER", "5")]);

    let summary = json!({"StreamDescriptionSummary": {
        "StreamName": "events", "StreamARN": "arn", "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24,
        "StreamCreationTimestamp": 1_700_000_000.0, "EnhancedMonitoring": [], "OpenShardCount": 1
    }});
    let oldest = json!({
        "Records": [{"SequenceNumber": "8", "PartitionKey": "k", "Data": "YQ=="}],
        "MillisBehindLatest": 0
    });
    let fake = Fake::start(vec![
        Answer::Error("ResourceNotFoundException"),
        Answer::Json(summary),
        Answer::Json(json!({"ShardIterator": "i"})),
        Answer::Json(oldest),
        Answer::Push(vec![event(&[8], 9, None), over()]),
    ])
    .await;
    let (_, delivered) = read(&fake, "5.0").await;
    assert_eq!(
        ends(&delivered),
        [
            ("gap", "5.0", ""),
            ("records", "5.0", "8.0"),
            ("ended", "8.0", "8.0.1")
        ]
    );
    assert_eq!(
        fake.begun(),
        [
            position("AT_SEQUENCE_NUMBER", "5"),
            position("TRIM_HORIZON", "")
        ]
    );
}
