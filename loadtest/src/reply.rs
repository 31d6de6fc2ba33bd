//! The gateway's reply, read as one outcome for each event of the request.

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;

use crate::ledger::Outcome;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    results: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    index: usize,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Cow<'a, str>,
}

/// The outcome of each of the `events` of one request, in order.
///
/// # Errors
/// What is wrong with a reply that does not say, once for each event, what became of it; such events'
/// outcomes are not known.
pub(crate) fn outcomes(
    status: StatusCode,
    body: &[u8],
    events: usize,
    id_is: impl Fn(usize, &str) -> bool,
) -> Result<Vec<Outcome>, String> {
    let results = match serde_json::from_slice::<Body<'_>>(body) {
        Ok(body) => body.results,
        Err(error) if status.is_success() => return Err(format!("{status}, unreadable: {error}")),
        Err(_) => Vec::new(),
    };
    if results.is_empty() {
        return match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Ok(vec![Outcome::Retry; events])
            }
            _ => Err(format!("{status} without results")),
        };
    }
    let mut outcomes: Vec<Option<Outcome>> = vec![None; events];
    for item in results {
        let outcome = match item.status.as_ref() {
            "accepted" => Outcome::Accepted,
            "rejected" => Outcome::Rejected,
            "retry" => Outcome::Retry,
            other => return Err(format!("{status} with the unknown result {other:?}")),
        };
        if item.id.is_some_and(|id| !id_is(item.index, &id)) {
            return Err(format!("{status} with a wrong id at index {}", item.index));
        }
        match outcomes.get_mut(item.index) {
            Some(slot @ None) => *slot = Some(outcome),
            Some(Some(_)) => return Err(format!("{status} with two results for one event")),
            None => {
                return Err(format!(
                    "{status} with a result for an event that was not sent"
                ));
            }
        }
    }
    let whole: Option<Vec<Outcome>> = outcomes.into_iter().collect();
    whole.ok_or_else(|| format!("{status} without a result for every event"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str, events: usize) -> Result<Vec<Outcome>, String> {
        let status = StatusCode::from_u16(status).unwrap();
        outcomes(status, body.as_bytes(), events, |index, id| {
            id == format!("run-{index}")
        })
    }

    #[test]
    fn each_event_gets_the_outcome_at_its_index() {
        let body = r#"{"accepted":1,"rejected":1,"results":[
            {"index":2,"id":"run-2","status":"rejected","errors":[{"pointer":"/a","keyword":"type","message":"m"}]},
            {"index":0,"id":"run-0","status":"accepted"},{"index":1,"status":"retry"}]}"#;
        let expected = vec![Outcome::Accepted, Outcome::Retry, Outcome::Rejected];
        assert_eq!(read(207, body, 3), Ok(expected));
    }

    #[test]
    fn a_refusal_without_results_asks_for_all_events_again() {
        assert_eq!(read(503, "busy", 2), Ok(vec![Outcome::Retry; 2]));
        assert_eq!(
            read(429, r#"{"error":"busy"}"#, 1),
            Ok(vec![Outcome::Retry])
        );
    }

    #[test]
    fn a_reply_that_leaves_an_event_open_is_not_taken_for_success() {
        let accepted = r#"{"index":0,"id":"run-0","status":"accepted"}"#;
        for (status, results) in [
            (200, String::new()),
            (200, format!("{accepted},{accepted}")),
            (200, accepted.to_owned()),
            (
                200,
                format!(r#"{accepted},{{"index":2,"status":"accepted"}}"#),
            ),
            (200, format!(r#"{accepted},{{"index":1,"status":"lost"}}"#)),
            (
                200,
                format!(r#"{accepted},{{"index":1,"id":"run-0","status":"accepted"}}"#),
            ),
            (400, String::new()),
            (500, String::new()),
        ] {
            let body = format!(r#"{{"results":[{results}]}}"#);
            assert!(read(status, &body, 2).is_err(), "{status} {body}");
        }
        assert!(read(200, "", 1).is_err());
    }
}
