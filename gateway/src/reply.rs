//! What clients are told: the one place where outcomes and errors become HTTP.
//!
//! Results: 200 all accepted, 207 mixed, 400 none, 503 when nothing was accepted and some may be sent again.
//! Errors: `{"error":{"code","message"}}`, for malformed bodies with the byte `offset`. So much for the native protocol;
//! others give the same outcomes shapes of their own.

use bytes::Bytes;
use headgate_schemas::event::{Violation, write_string};
use headgate_stream::log::{Outcome, Refusal};
use http::{HeaderValue, Response, StatusCode, Version, header};
use http_body_util::Full;

use crate::{
    body::{self, inflate},
    collect::Error,
    judge::Verdict,
    sources::Denied,
};

/// Sent, unparsed request or not, to a connection that is one too many.
pub(crate) const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json\r\ncontent-length: 76\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
    {\"error\":{\"code\":\"too_many_connections\",\"message\":\"no connection is free\"}}\n";

pub(crate) type Reply = Response<Full<Bytes>>;

/// Which events a reply lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    All,
    /// `?results=errors`: all but the accepted ones.
    Errors,
}

impl Detail {
    fn of(query: Option<&str>) -> Self {
        let errors =
            query.is_some_and(|query| query.split('&').any(|pair| pair == "results=errors"));
        if errors { Self::Errors } else { Self::All }
    }
}

/// The fate of each event of a request.
pub(crate) struct Results<'a> {
    events: Vec<(Verdict<'a>, Outcome)>,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    /// Of the rejected ones, those that the bad-events topic will never take.
    pub(crate) unkept: u64,
    pub(crate) retry: u64,
}

impl<'a> Results<'a> {
    /// Joins what was decided with what the stream said to each record.
    pub(crate) fn of(verdicts: Vec<Verdict<'a>>, outcomes: Vec<Outcome>) -> Self {
        let mut results = Self {
            events: Vec::with_capacity(verdicts.len()),
            accepted: 0,
            rejected: 0,
            unkept: 0,
            retry: 0,
        };
        for (mut verdict, outcome) in verdicts.into_iter().zip(outcomes) {
            match &outcome {
                // A rejected event that could not be kept now is not yet answered for: the client sends it again.
                Err(refusal) if refusal.retriable() => results.retry += 1,
                Err(refusal) => {
                    if verdict.errors.is_empty() {
                        verdict.errors.push(too_large(refusal));
                    }
                    results.unkept += 1;
                }
                Ok(()) if verdict.errors.is_empty() => results.accepted += 1,
                Ok(()) => results.rejected += 1,
            }
            results.events.push((verdict, outcome));
        }
        results
    }

    fn status(&self) -> StatusCode {
        let rejected = self.rejected + self.unkept;
        match (self.accepted, rejected, self.retry) {
            (_, 0, 0) => StatusCode::OK,
            (0, _, 0) => StatusCode::BAD_REQUEST,
            (0, _, _) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::MULTI_STATUS,
        }
    }

    /// The native reply: each event's fate.
    pub(crate) fn response(&self, query: Option<&str>, retry_after_s: u32) -> Reply {
        let mut response = json(self.status(), self.body(Detail::of(query)));
        if self.retry > 0 {
            retry_after(&mut response, retry_after_s);
        }
        response
    }

    fn body(&self, detail: Detail) -> Vec<u8> {
        const RESULT_BYTES: usize = 88;
        let listed = match detail {
            Detail::All => self.events.len(),
            Detail::Errors => self.events.len() - self.accepted as usize,
        };
        let mut out = Vec::with_capacity(64 + listed * RESULT_BYTES);
        out.extend_from_slice(br#"{"accepted":"#);
        number(self.accepted, &mut out);
        out.extend_from_slice(br#","rejected":"#);
        number(self.rejected + self.unkept, &mut out);
        if self.retry > 0 {
            out.extend_from_slice(br#","retry":"#);
            number(self.retry, &mut out);
        }
        out.extend_from_slice(br#","results":["#);
        let mut first = true;
        for (index, (verdict, outcome)) in self.events.iter().enumerate() {
            let retry = matches!(outcome, Err(refusal) if refusal.retriable());
            if detail == Detail::Errors && !retry && verdict.errors.is_empty() {
                continue;
            }
            out.extend_from_slice(if first {
                br#"{"index":"#
            } else {
                br#",{"index":"#
            });
            first = false;
            number(index as u64, &mut out);
            out.extend_from_slice(br#","id":"#);
            write_string(&verdict.id, &mut out);
            match outcome {
                Err(refusal) if retry => {
                    out.extend_from_slice(br#","status":"retry","message":"#);
                    write_string(&refusal.to_string(), &mut out);
                }
                _ if verdict.errors.is_empty() => out.extend_from_slice(br#","status":"accepted""#),
                _ => {
                    out.extend_from_slice(br#","status":"rejected","errors":"#);
                    violations(&verdict.errors, &mut out);
                }
            }
            out.push(b'}');
        }
        out.extend_from_slice(b"]}\n");
        out
    }
}

fn too_large(refusal: &Refusal) -> Violation {
    Violation {
        pointer: String::new(),
        keyword: "size",
        message: refusal.to_string(),
    }
}

fn violations(errors: &[Violation], out: &mut Vec<u8>) {
    for (index, error) in errors.iter().enumerate() {
        out.extend_from_slice(if index == 0 {
            br#"[{"pointer":"#
        } else {
            br#",{"pointer":"#
        });
        write_string(&error.pointer, out);
        out.extend_from_slice(br#","keyword":"#);
        write_string(error.keyword, out);
        out.extend_from_slice(br#","message":"#);
        write_string(&error.message, out);
        out.push(b'}');
    }
    out.push(b']');
}

fn number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Why nothing of a request was taken, as clients are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problem<'a> {
    pub(crate) status: StatusCode,
    /// Stable, for programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: &'a str,
    /// Where in the body.
    pub(crate) offset: Option<usize>,
    /// When to try again, in seconds.
    pub(crate) retry_after_s: Option<u32>,
}

impl Problem<'static> {
    /// For clients that hear nothing of each event: some could not be made durable, and the request is to be sent again.
    pub(crate) fn again(retry_after_s: u32) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "stream_unavailable",
            message: "not all events could be made durable: send them again",
            offset: None,
            retry_after_s: Some(retry_after_s),
        }
    }
}

/// The status and code of an error: the one place that maps them.
pub(crate) fn mapped(error: &Error) -> (StatusCode, &'static str) {
    use crate::protocol::Error as Malformed;
    use body::Error as Body;
    match error {
        Error::Media(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
        Error::Body(Body::Encoding(_)) => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding")
        }
        Error::Body(Body::TooLong { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        Error::Body(Body::InflatesTooFar { .. }) => {
            (StatusCode::PAYLOAD_TOO_LARGE, "inflated_body_too_large")
        }
        Error::TooManyEvents { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_many_events"),
        Error::Body(Body::Corrupt { .. }) => (StatusCode::BAD_REQUEST, "corrupt_encoding"),
        Error::Body(Body::Broken(_)) => (StatusCode::BAD_REQUEST, "incomplete_body"),
        Error::Malformed(Malformed::TooLong { .. }) => {
            (StatusCode::PAYLOAD_TOO_LARGE, "inflated_body_too_large")
        }
        Error::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed_body"),
        Error::Body(Body::Stalled(_) | Body::Slow(_)) => {
            (StatusCode::REQUEST_TIMEOUT, "body_timeout")
        }
        Error::Denied(Denied::Missing | Denied::Unknown) => {
            (StatusCode::UNAUTHORIZED, "unknown_write_key")
        }
        Error::Denied(_) => (StatusCode::FORBIDDEN, "forbidden"),
        Error::Limited(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_events_for_source"),
        Error::Busy(_) | Error::Body(Body::Busy(_)) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Error::Stream(_) => (StatusCode::SERVICE_UNAVAILABLE, "stream_unavailable"),
    }
}

/// The reply to a request of which nothing was taken, in the shape that its protocol gives it.
pub(crate) fn failure(
    error: &Error,
    retry_after_s: u32,
    shape: impl FnOnce(&Problem<'_>) -> Reply,
) -> Reply {
    let (status, code) = mapped(error);
    let offset = match error {
        Error::Malformed(malformed) => Some(malformed.offset()),
        _ => None,
    };
    let retry_after_s = match error {
        Error::Limited(limited) => Some(limited.retry_after_s()),
        _ => (status == StatusCode::SERVICE_UNAVAILABLE).then_some(retry_after_s),
    };
    let message = error.to_string();
    let mut response = shape(&Problem {
        status,
        code,
        message: &message,
        offset,
        retry_after_s,
    });
    if matches!(error, Error::Body(body::Error::Encoding(_))) {
        let supported = HeaderValue::from_static(inflate::SUPPORTED);
        response
            .headers_mut()
            .insert(header::ACCEPT_ENCODING, supported);
    }
    response
}

/// A response to a problem, with a body of the protocol's own.
pub(crate) fn with_problem(problem: &Problem<'_>, body: Vec<u8>) -> Reply {
    let mut response = json(problem.status, body);
    if let Some(seconds) = problem.retry_after_s {
        retry_after(&mut response, seconds);
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"write key\"");
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A problem in the native shape.
pub(crate) fn problem(problem: &Problem<'_>) -> Reply {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(br#"{"error":{"code":"#);
    write_string(problem.code, &mut out);
    out.extend_from_slice(br#","message":"#);
    write_string(problem.message, &mut out);
    if let Some(offset) = problem.offset {
        out.extend_from_slice(br#","offset":"#);
        number(offset as u64, &mut out);
    }
    out.extend_from_slice(b"}}\n");
    with_problem(problem, out)
}

/// 404: nothing is served there; `served` tells what is.
pub(crate) fn not_found(served: &str) -> Reply {
    let message = format!("nothing is served at this path; there is {served}");
    plain(StatusCode::NOT_FOUND, "not_found", &message)
}

/// 405, with what is allowed.
pub(crate) fn method_not_allowed(allowed: &'static str) -> Reply {
    let message = format!("this path takes {allowed}");
    let mut response = plain(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        &message,
    );
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// 204 to `OPTIONS`, with what is allowed.
pub(crate) fn allowed(allowed: &'static str) -> Reply {
    let mut response = no_content();
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// 500.
pub(crate) fn internal(message: &str) -> Reply {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
}

/// Ends the connection with this response; HTTP/2 streams end by themselves.
pub(crate) fn close(response: &mut Reply, version: Version) {
    if version < Version::HTTP_2 {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// A response whose body is JSON.
pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Reply {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// A picture.
pub(crate) fn image(gif: &'static [u8]) -> Reply {
    let mut response = Response::new(Full::from(gif));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 200 with a few words.
pub(crate) fn text(content_type: &'static str, text: &'static str) -> Reply {
    let mut response = Response::new(Full::from(text));
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// 204.
pub(crate) fn no_content() -> Reply {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn plain(status: StatusCode, code: &'static str, message: &str) -> Reply {
    problem(&Problem {
        status,
        code,
        message,
        offset: None,
        retry_after_s: None,
    })
}

fn retry_after(response: &mut Reply, seconds: u32) {
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canned_reply_has_the_length_it_says() {
        let text = std::str::from_utf8(TOO_MANY_CONNECTIONS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
    }
}
