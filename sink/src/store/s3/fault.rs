//! What a reply of the store means: decided here for every operation alike.

use std::{error::Error as StdError, fmt};

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

/// What follows from a request that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is an object at the key: the condition did not hold.
    Exists,
    /// There is no object at the key.
    Missing,
    /// The upload in parts is not there: it was finished or aborted.
    NoUpload,
    /// The range begins behind the object's end.
    NoRange,
    /// It may succeed later, and may have taken effect already.
    Again,
    /// It will not succeed.
    Never,
}

/// A request that did not succeed.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) verdict: Verdict,
    reason: String,
}

impl Fault {
    pub(super) fn again(reason: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Again,
            reason: reason.into(),
        }
    }

    pub(super) fn never(reason: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Never,
            reason: reason.into(),
        }
    }

    pub(super) fn exists() -> Self {
        Self {
            verdict: Verdict::Exists,
            reason: "it exists already".to_owned(),
        }
    }

    /// The same, after so many tries.
    pub(super) fn after(mut self, tries: u32) -> Self {
        if tries > 1 {
            self.reason = format!("{} ({tries} tries)", self.reason);
        }
        self
    }

    /// Judges the SDK's error.
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
        SdkError<E, HttpResponse>: RequestId,
    {
        let SdkError::ServiceError(answer) = error else {
            return Self::again(chain(error));
        };
        let status = answer.raw().status().as_u16();
        let code = answer.err().code().unwrap_or_default();
        let mut reason = format!("the store answered {status} {code}");
        if let Some(message) = answer.err().message() {
            reason = format!("{reason}: {message}");
        }
        if let Some(id) = error.request_id() {
            reason = format!("{reason} (request {id})");
        }
        Self {
            verdict: verdict(status, code),
            reason,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl StdError for Fault {}

fn verdict(status: u16, code: &str) -> Verdict {
    match (status, code) {
        (_, "NoSuchUpload") => Verdict::NoUpload,
        (_, "NoSuchBucket") => Verdict::Never,
        (412, _) => Verdict::Exists,
        (416, _) => Verdict::NoRange,
        // HEAD has no body that could name a code.
        (404, "NoSuchKey" | "NotFound" | "") => Verdict::Missing,
        // 409 is ConditionalRequestConflict: another create of the key is under way.
        (408 | 409 | 425 | 429 | 500..=599, _) => Verdict::Again,
        // The bytes were damaged on their way, or credentials ran out while they were renewed.
        (
            400,
            "BadDigest"
            | "XAmzContentChecksumMismatch"
            | "IncompleteBody"
            | "RequestTimeout"
            | "ExpiredToken",
        ) => Verdict::Again,
        // A reply that is called good and cannot be read as such.
        (200..=299, _) => Verdict::Again,
        _ => Verdict::Never,
    }
}

/// An error and its causes, each once.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let said = source.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reply_means_one_thing() {
        for (status, code, expected) in [
            (412, "PreconditionFailed", Verdict::Exists),
            (409, "ConditionalRequestConflict", Verdict::Again),
            (503, "SlowDown", Verdict::Again),
            (429, "TooManyRequests", Verdict::Again),
            (500, "InternalError", Verdict::Again),
            (404, "NoSuchKey", Verdict::Missing),
            (404, "", Verdict::Missing),
            (404, "NoSuchBucket", Verdict::Never),
            (404, "NoSuchUpload", Verdict::NoUpload),
            (416, "InvalidRange", Verdict::NoRange),
            (403, "AccessDenied", Verdict::Never),
            (400, "BadDigest", Verdict::Again),
            (400, "InvalidArgument", Verdict::Never),
            (301, "PermanentRedirect", Verdict::Never),
        ] {
            assert_eq!(verdict(status, code), expected, "{status} {code}");
        }
    }
}
