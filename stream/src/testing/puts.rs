//! Answers of Kinesis to requests of which only a part is written: no server of the tests gives them by itself.

use std::sync::Arc;

use serde_json::{Value, json};

use super::proxy::{Edit, Fault, Request};

/// What Kinesis says of what came too fast.
pub const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// What Kinesis says of what went wrong over there.
pub const FAILED: &str = "InternalFailure";

/// Of the records of a PutRecords, those fail for which `code` says how, by their place; the others are passed on.
///
/// # Errors
/// It is no such request.
pub fn some_fail(
    request: &Request,
    mut code: impl FnMut(usize) -> Option<&'static str>,
) -> Result<Fault, serde_json::Error> {
    let mut asked: Value = serde_json::from_slice(&request.body)?;
    let records = asked.get_mut("Records").and_then(Value::as_array_mut);
    let Some(records) = records else {
        return Ok(Fault::None);
    };
    let failed: Vec<Option<&str>> = (0..records.len()).map(&mut code).collect();
    let Some(first) = failed.iter().flatten().next() else {
        return Ok(Fault::None);
    };
    let mut kept = failed.iter();
    records.retain(|_| kept.next().is_some_and(Option::is_none));
    if records.is_empty() {
        // A request without records is none; one that all records of fail is answered as a whole.
        return Ok(match *first {
            THROTTLED => Fault::Answer(400, THROTTLED),
            _ => Fault::Answer(500, FAILED),
        });
    }
    Ok(Fault::Edit(Edit {
        body: asked.to_string().into(),
        reply: Arc::new(move |reply| with_failed(reply, &failed).unwrap_or_else(|| reply.to_vec())),
    }))
}

/// The answer for all records, made of the one for those that were passed on. None when that is no such answer.
fn with_failed(reply: &[u8], failed: &[Option<&str>]) -> Option<Vec<u8>> {
    let mut answer: Value = serde_json::from_slice(reply).ok()?;
    let mut taken = answer.get("Records")?.as_array()?.clone().into_iter();
    let all = failed.iter().map(|failed| match failed {
        Some(code) => Some(json!({"ErrorCode": code, "ErrorMessage": "said by the proxy"})),
        None => taken.next(),
    });
    answer["Records"] = all.collect::<Option<_>>()?;
    answer["FailedRecordCount"] = failed.iter().flatten().count().into();
    Some(answer.to_string().into_bytes())
}
