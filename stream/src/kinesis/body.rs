//! The body of a PutRecords request, written into one buffer. The SDK would hold each record once more to describe it, and
//! write its data as a text of its own before it goes into the body: more work than all else that it does.
//! <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>

use base64_simd::STANDARD as BASE64;

use super::{
    aggregate::{Encoded, PARTITION_KEY},
    lane::Entry,
    pending::partition_key,
    streams::Named,
};

/// What an entry has beside its data, in bytes, or a little less: names, marks, and a hash of 39 digits.
const ENTRY_BYTES: usize = 96;

/// What asks Kinesis to take these entries.
///
/// # Errors
/// An entry has no record, which none is made without.
pub(super) fn body(stream: &Named, entries: &[Entry]) -> Result<Vec<u8>, &'static str> {
    let aggregates = entries.iter().filter_map(|entry| {
        let data = entry.records.iter().map(|record| &record.value[..]);
        Some((entry.aggregate.as_ref()?, data))
    });
    let encoded = Encoded::new(aggregates);
    let mut aggregated = encoded.iter();
    let data_bytes = |entry: &Entry| BASE64.encoded_length(entry.bytes) + ENTRY_BYTES;
    let bytes = entries.iter().map(data_bytes).sum::<usize>() + ENTRY_BYTES;
    let mut body = Vec::with_capacity(bytes);
    let (name, value) = match &stream.arn {
        Some(arn) => (r#"{"StreamARN":"#, arn),
        None => (r#"{"StreamName":"#, &stream.name),
    };
    body.extend_from_slice(name.as_bytes());
    text(value, &mut body);
    body.extend_from_slice(br#","Records":["#);
    for (n, entry) in entries.iter().enumerate() {
        body.extend_from_slice(if n > 0 { b"," } else { b"" });
        let whole = entry.aggregate.as_ref().and_then(|_| aggregated.next());
        match (whole, &entry.records[..]) {
            (Some(whole), _) => {
                record(whole, PARTITION_KEY, &mut body);
                body.extend_from_slice(br#","ExplicitHashKey":"#);
                text(&entry.hash.to_string(), &mut body);
            }
            (None, [alone, ..]) => record(&alone.value, &partition_key(&alone.key), &mut body),
            (None, []) => return Err("an entry without a record"),
        }
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    Ok(body)
}

/// A record, but its end.
fn record(data: &[u8], partition_key: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(br#"{"Data":""#);
    BASE64.encode_append(data, to);
    to.extend_from_slice(br#"","PartitionKey":"#);
    text(partition_key, to);
}

/// A text in quotes.
fn text(text: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::{
        super::{
            aggregate::Aggregate,
            config::Config,
            kpl::MAGIC,
            pending::{Append, Pending, Queue},
        },
        *,
    };
    use crate::log::{Record, Topic};

    /// An entry of these records, with one key.
    fn entry(key: &'static str, values: &[&'static str]) -> Entry {
        let queue = Arc::new(Queue::new(&Config::default()));
        let append = Append::new(&queue, 0);
        let record = |value: &&'static str| Record {
            topic: Topic::new("events"),
            key: key.into(),
            value: (*value).into(),
        };
        let mut aggregate = Aggregate::default();
        let mut records = Vec::new();
        for value in values {
            let pending = Pending::new(&append, 0, &record(value)).unwrap();
            assert!(aggregate.add(&pending.key, pending.hash, &pending.value, 1 << 20));
            records.push(pending);
        }
        Entry {
            lane: 0,
            hash: u128::MAX,
            bytes: aggregate.bytes(),
            aggregate: (values.len() > 1).then_some(aggregate),
            records,
        }
    }

    fn stream(arn: Option<&str>) -> Named {
        Named {
            name: "events".to_owned(),
            arn: arn.map(str::to_owned),
        }
    }

    #[test]
    fn it_is_json_that_says_what_the_entries_are() {
        let entries = [
            entry("a\"ü\n", &["one"]),
            entry("ada", &["two", "three"]),
            entry("grace", &["four", "five", "six"]),
        ];
        let body = body(&stream(None), &entries).unwrap();
        let mut told: Value = serde_json::from_slice(&body).unwrap();
        let alone = json!({"Data": "b25l", "PartitionKey": "a\"ü\n"});
        assert_eq!(told["Records"][0], alone);
        for n in [1, 2] {
            let data = told["Records"][n]["Data"].take();
            let data = BASE64.decode_to_vec(data.as_str().unwrap()).unwrap();
            assert!(
                data.starts_with(&MAGIC) && data.len() + PARTITION_KEY.len() == entries[n].bytes
            );
            let many = json!({"Data": null, "PartitionKey": "a", "ExplicitHashKey": u128::MAX.to_string()});
            assert_eq!(told["Records"][n], many);
        }
        assert_eq!(
            (
                told["Records"].as_array().unwrap().len(),
                &told["StreamName"]
            ),
            (3, &json!("events"))
        );
        assert_eq!(told.as_object().unwrap().len(), 2);
    }

    #[test]
    fn a_stream_may_be_named_by_its_arn() {
        let arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/events";
        let body = body(&stream(Some(arn)), &[entry("a", &["one"])]).unwrap();
        let told: Value = serde_json::from_slice(&body).unwrap();
        let records = json!([{"Data": "b25l", "PartitionKey": "a"}]);
        assert_eq!(told, json!({"StreamARN": arn, "Records": records}));
    }
}
