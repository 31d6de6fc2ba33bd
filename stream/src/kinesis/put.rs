//! One PutRecords request: what it says, and what its answer means for each of its records.

use std::time::Duration;

use aws_sdk_kinesis::{
    Client,
    config::http::HttpResponse,
    error::SdkError,
    operation::put_records::{PutRecordsError, PutRecordsOutput},
    types::PutRecordsResultEntry,
};
use bytes::Bytes;
use tokio::time::timeout;

use super::{
    body,
    error::{self, Fault, Verdict},
    lane::Entry,
    lanes::Fate,
    streams::Named,
};

/// The status under which the codes of single records are judged: each is one of a request that was answered.
const RECORD_STATUS: u16 = 500;

/// Sends the entries once. One fate for each; none is left without.
pub(super) async fn put(
    client: &Client,
    stream: &Named,
    entries: &[Entry],
    patience: Duration,
) -> Vec<Fate> {
    let body = match body::body(stream, entries) {
        Ok(body) => Bytes::from(body),
        Err(reason) => return all(entries.len(), &Fault::new(Verdict::Never, reason)),
    };
    let length = body.len().to_string();
    // The SDK finds the endpoint, signs and sends: of what it would send it knows the stream, and is given the rest.
    let request = client
        .put_records()
        .set_stream_name(stream.by_name())
        .set_stream_arn(stream.arn.clone())
        .set_records(Some(Vec::new()))
        .customize()
        .mutate_request(move |request| {
            *request.body_mut() = body.clone().into();
            let headers = request.headers_mut();
            headers.insert("content-length", length.clone());
        });
    match timeout(patience, request.send()).await {
        Ok(answer) => judge(entries.len(), answer),
        Err(_) => {
            let late = "Kinesis did not answer within request_timeout_ms";
            all(entries.len(), &Fault::new(Verdict::Unclear, late))
        }
    }
}

fn judge(
    count: usize,
    answer: Result<PutRecordsOutput, SdkError<PutRecordsError, HttpResponse>>,
) -> Vec<Fate> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return all(count, &Fault::of(&error)),
    };
    if answer.records.len() != count {
        let reason = format!(
            "Kinesis answered for {} records instead of {count}",
            answer.records.len()
        );
        return all(count, &Fault::new(Verdict::Unclear, reason));
    }
    answer.records.into_iter().map(fate).collect()
}

fn fate(answer: PutRecordsResultEntry) -> Fate {
    if let Some(code) = answer.error_code {
        let verdict = error::verdict(RECORD_STATUS, &code);
        let message = answer.error_message.unwrap_or_default();
        return Fate::Failed(Fault::new(verdict, format!("{code}: {message}")));
    }
    match answer.shard_id {
        Some(shard) if answer.sequence_number.is_some() => Fate::Taken(shard),
        _ => {
            let reason = "Kinesis answered neither where the record is nor why it is not";
            Fate::Failed(Fault::new(Verdict::Unclear, reason))
        }
    }
}

fn all(count: usize, fault: &Fault) -> Vec<Fate> {
    vec![Fate::Failed(fault.clone()); count]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: Option<&str>, shard: Option<&str>) -> Fate {
        let entry = PutRecordsResultEntry::builder()
            .set_error_code(code.map(Into::into))
            .set_shard_id(shard.map(Into::into))
            .set_sequence_number(shard.map(Into::into));
        fate(entry.build())
    }

    #[test]
    fn only_an_answer_with_a_shard_is_a_success() {
        assert!(
            matches!(answer(None, Some("shardId-1")), Fate::Taken(shard) if shard == "shardId-1")
        );
        for (code, expected) in [
            (None, Verdict::Unclear),
            (Some("InternalFailure"), Verdict::Unclear),
            (
                Some("ProvisionedThroughputExceededException"),
                Verdict::Throttled,
            ),
        ] {
            assert!(matches!(answer(code, None), Fate::Failed(fault) if fault.verdict == expected));
        }
    }
}
