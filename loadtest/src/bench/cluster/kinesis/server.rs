//! What takes a gateway's records where Kinesis would be, while the gateway is measured: **a fake that keeps nothing**. The
//! servers that keep something take less than one gateway sends.
//!
//! It knows the three operations that a writer calls, and no others. It reads every request as strictly as Kinesis does,
//! except for the signature and what is in the data, and answers as Kinesis would if no shard ever had too much.

use std::borrow::Cow;
use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::bench::bare;

/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>
const RECORDS_MAX: usize = 500;
const RECORD_BYTES_MAX: usize = 1 << 20;
const REQUEST_BYTES_MAX: usize = 5 << 20;
const PARTITION_KEY_CHARS_MAX: usize = 256;

/// Data are a third longer as they are sent, and each record has its names.
const BODY_BYTES_MAX: usize = 2 * REQUEST_BYTES_MAX;

/// As long as one of Kinesis.
const SEQUENCE_NUMBER: &str = "49590338271490256608559692538361571095921575989136588898";
const REQUEST_ID: &str = "c3b4d5e6-f708-4192-a3b4-c5d6e7f80912";

/// A stream of so many shards under every name that is asked for.
///
/// # Errors
/// When the listener can accept no more connections.
pub async fn serve(listener: TcpListener, shards: u32) -> std::io::Result<()> {
    let shards = Shards::new(shards);
    bare::serve_with(listener, move |request| answer(shards, request)).await
}

async fn answer(
    shards: Shards,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let of = |name: &str| head.headers.get(name).and_then(|text| text.to_str().ok());
    let signed = of("authorization").is_some_and(|how| how.starts_with("AWS4-HMAC-SHA256 "));
    let json = of("content-type") == Some("application/x-amz-json-1.1");
    let operation = of("x-amz-target").and_then(|of| of.strip_prefix("Kinesis_20131202."));
    let answered = match (signed && json, operation) {
        (true, Some(operation)) => match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => shards.answer(operation, &body.to_bytes()),
            Err(error) => Err(("SerializationException", error.to_string())),
        },
        _ => Err((
            "IncompleteSignature",
            "no signed request in JSON".to_owned(),
        )),
    };
    let (status, text) = match answered {
        Ok(answer) => (StatusCode::OK, answer),
        Err((kind, message)) => {
            let said = json!({"__type": kind, "message": message});
            (StatusCode::BAD_REQUEST, said.to_string())
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let json = header::HeaderValue::from_static("application/x-amz-json-1.1");
    headers.insert(header::CONTENT_TYPE, json);
    let id = header::HeaderValue::from_static(REQUEST_ID);
    headers.insert("x-amzn-requestid", id);
    Ok(response)
}

/// An error as Kinesis names it, and why.
type Refused = (&'static str, String);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct PutRecords<'a> {
    #[serde(borrow)]
    stream_name: Cow<'a, str>,
    #[serde(borrow)]
    records: Vec<Record<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Record<'a> {
    data: &'a str,
    partition_key: Cow<'a, str>,
    explicit_hash_key: Option<&'a str>,
}

/// The ranges of hashes, each as large as the others but for the last.
#[derive(Debug, Clone, Copy)]
struct Shards {
    count: u128,
    width: u128,
}

impl Shards {
    fn new(count: u32) -> Shards {
        let count = u128::from(count.max(1));
        let width = u128::MAX / count;
        Shards { count, width }
    }

    fn name(n: u128) -> String {
        format!("shardId-{n:012}")
    }

    fn answer(self, operation: &str, body: &[u8]) -> Result<String, Refused> {
        match operation {
            "PutRecords" => self.put(body),
            "DescribeStreamSummary" => Ok(self.describe(stream(body)?)),
            "ListShards" => {
                stream(body)?;
                Ok(self.list())
            }
            _ => Err(("UnknownOperationException", operation.to_owned())),
        }
    }

    fn put(self, body: &[u8]) -> Result<String, Refused> {
        let asked: PutRecords<'_> = serde_json::from_slice(body)
            .map_err(|error| ("SerializationException", error.to_string()))?;
        let invalid = |reason: &str| Err(("ValidationException", reason.to_owned()));
        if asked.stream_name.is_empty() || !(1..=RECORDS_MAX).contains(&asked.records.len()) {
            return invalid("a stream and 1 to 500 records");
        }
        let mut bytes = 0;
        let mut answer = String::with_capacity(128 * asked.records.len());
        for record in &asked.records {
            let Some(record_bytes) = decoded_bytes(record.data) else {
                return invalid("data that are not base64");
            };
            let record_bytes = record_bytes + record.partition_key.len();
            bytes += record_bytes;
            let key_chars = record.partition_key.chars().count();
            if record_bytes > RECORD_BYTES_MAX
                || !(1..=PARTITION_KEY_CHARS_MAX).contains(&key_chars)
            {
                return invalid("a record that is too large, or has no key");
            }
            let Some(hash) = record.hash() else {
                return invalid("a hash key that is no number");
            };
            let shard = Shards::name((hash / self.width).min(self.count - 1));
            let comma = if answer.is_empty() { "" } else { "," };
            answer.push_str(&format!(
                r#"{comma}{{"SequenceNumber":"{SEQUENCE_NUMBER}","ShardId":"{shard}"}}"#
            ));
        }
        if bytes > REQUEST_BYTES_MAX {
            return invalid("more than a request may have");
        }
        Ok(format!(r#"{{"FailedRecordCount":0,"Records":[{answer}]}}"#))
    }

    fn describe(self, stream: String) -> String {
        let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}");
        json!({"StreamDescriptionSummary": {
            "StreamName": stream, "StreamARN": arn, "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 0, "EnhancedMonitoring": [], "OpenShardCount": self.count,
        }})
        .to_string()
    }

    fn list(self) -> String {
        let shard = |n: u128| {
            let last = match n + 1 == self.count {
                true => u128::MAX,
                false => (n + 1) * self.width - 1,
            };
            let range = json!({"StartingHashKey": (n * self.width).to_string(), "EndingHashKey": last.to_string()});
            json!({"ShardId": Shards::name(n), "HashKeyRange": range,
                "SequenceNumberRange": {"StartingSequenceNumber": SEQUENCE_NUMBER}})
        };
        let shards: Vec<Value> = (0..self.count).map(shard).collect();
        json!({ "Shards": shards }).to_string()
    }
}

impl Record<'_> {
    /// Where it belongs, as Kinesis has it: by the hash that it names, else by the MD5 of its key.
    fn hash(&self) -> Option<u128> {
        match self.explicit_hash_key {
            Some(hash) => hash.parse().ok(),
            None => {
                let digest = Md5::digest(self.partition_key.as_bytes());
                Some(u128::from_be_bytes(digest.into()))
            }
        }
    }
}

/// The stream that is asked about.
fn stream(body: &[u8]) -> Result<String, Refused> {
    let asked: Value = serde_json::from_slice(body)
        .map_err(|error| ("SerializationException", error.to_string()))?;
    let name = asked["StreamName"].as_str();
    let missing = || ("ValidationException", "no stream".to_owned());
    name.map(str::to_owned).ok_or_else(missing)
}

/// How many bytes that is as base64; none if it is not.
fn decoded_bytes(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let data = match bytes {
        [data @ .., b'=', b'='] | [data @ .., b'='] => data,
        data => data,
    };
    let allowed = data.iter().fold(true, |all, c| {
        all & (c.is_ascii_alphanumeric() | (*c == b'+') | (*c == b'/'))
    });
    (allowed && bytes.len().is_multiple_of(4)).then_some(data.len() * 3 / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(body: &Value) -> Result<Value, Refused> {
        let answer = Shards::new(3).answer("PutRecords", body.to_string().as_bytes())?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    #[test]
    fn each_record_is_in_the_shard_that_kinesis_would_put_it_into() {
        let shards = Shards::new(3).list();
        let shards: Value = serde_json::from_str(&shards).unwrap();
        let last = u128::MAX.to_string();
        assert_eq!(shards["Shards"][2]["HashKeyRange"]["EndingHashKey"], last);
        let second = &shards["Shards"][1]["HashKeyRange"]["StartingHashKey"];
        // The MD5 of "abc" begins with 0x90: that is in the second third.
        let answer = put(&json!({"StreamName": "events", "Records": [
            {"Data": "YQ==", "PartitionKey": "abc"},
            {"Data": "YWJj", "PartitionKey": "a", "ExplicitHashKey": "0"},
            {"Data": "YWI=", "PartitionKey": "a", "ExplicitHashKey": second},
            {"Data": "YQ==", "PartitionKey": "a", "ExplicitHashKey": last},
        ]}));
        let answer = answer.unwrap();
        let of = |n: usize| answer["Records"][n]["ShardId"].as_str().unwrap();
        assert_eq!(
            [0, 1, 2, 3].map(of),
            [
                "shardId-000000000001",
                "shardId-000000000000",
                "shardId-000000000001",
                "shardId-000000000002"
            ]
        );
    }

    #[test]
    fn what_kinesis_would_not_take_is_refused() {
        let record = json!({"Data": "YQ==", "PartitionKey": "a"});
        put(&json!({"StreamName": "events", "Records": [record]})).unwrap();
        let large = "YWJj".repeat((1 << 20) / 3);
        for records in [
            json!([]),
            Value::from(vec![record.clone(); 501]),
            json!([{"Data": "YQ=", "PartitionKey": "a"}]),
            json!([{"Data": "Y!==", "PartitionKey": "a"}]),
            json!([{"Data": "YQ==", "PartitionKey": ""}]),
            json!([{"Data": "YQ==", "PartitionKey": "a", "ExplicitHashKey": "x"}]),
            json!([{"Data": "YQ==", "PartitionKey": "a", "Key": "x"}]),
            json!([{"Data": format!("{large}YWJj"), "PartitionKey": "a"}]),
            Value::from(vec![json!({"Data": large, "PartitionKey": "a"}); 6]),
        ] {
            put(&json!({"StreamName": "events", "Records": records})).unwrap_err();
        }
        put(&json!({"Records": [record]})).unwrap_err();
        Shards::new(1).answer("GetRecords", b"{}").unwrap_err();
    }
}
