//! Why Kinesis cannot be used, and what follows from a request that failed: decided here for every request alike.

use std::{error::Error as StdError, fmt, io};

use aws_sdk_kinesis::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

use crate::log::Refusal;

/// Why a writer or a reader cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are wrong.
    #[error("{key}: {reason}")]
    Config {
        /// The key in the `[kinesis]` section.
        key: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// Nothing says in which region the streams are.
    #[error("no region: set `region`, AWS_REGION or the profile's region")]
    Region,
    /// A stream's name is none that Kinesis takes.
    #[error("stream name {0:?} is not allowed: 1 to 128 of a-z A-Z 0-9 . _ -")]
    Name(String),
    /// Kinesis did not answer within `request_deadline_ms`, or not as it should.
    #[error("stream {stream:?} cannot be reached: {source}")]
    Unreachable {
        /// The stream.
        stream: String,
        /// What happened last.
        source: Fault,
    },
    /// The stream does not exist and is not to be made.
    #[error("stream {0:?} does not exist, and streams.create_missing is false")]
    Missing(String),
    /// The stream does not exist and could not be made.
    #[error("stream {stream:?} does not exist and cannot be made {provided}: {reason}")]
    Create {
        /// The stream.
        stream: String,
        /// How, as configured.
        provided: String,
        /// Kinesis' reason.
        reason: String,
    },
    /// Kinesis refuses the stream, as for want of permission.
    #[error("stream {stream:?} cannot be used: {source}")]
    Refused {
        /// The stream.
        stream: String,
        /// Kinesis' reason.
        source: Fault,
    },
    /// The stream is not in a state that it could be written to or read in.
    #[error("stream {stream:?} cannot be used: it is {status}")]
    Status {
        /// The stream.
        stream: String,
        /// By Kinesis' own word.
        status: String,
    },
    /// There are more streams than one writer writes to.
    #[error("stream {stream:?} would be one more than streams.count_max allows, {count_max}")]
    TooMany {
        /// The stream.
        stream: String,
        /// As configured.
        count_max: usize,
    },
    /// The metrics could not be registered.
    #[error("cannot register the metrics of Kinesis: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Error {
    /// For the records that were refused because of it: nothing of them was sent.
    pub(super) fn refusal(&self) -> Refusal {
        let reason = self.to_string().into();
        match self {
            Self::Unreachable { .. } | Self::Status { .. } => Refusal::Unsent(reason),
            _ => Refusal::NoTopic(reason),
        }
    }

    /// The error for that stream after a request about it failed for good or out of patience.
    pub(super) fn of(stream: &str, source: Fault) -> Self {
        let stream = stream.to_owned();
        match source.verdict {
            Verdict::Never
            | Verdict::Invalid
            | Verdict::Missing
            | Verdict::Exists
            | Verdict::Expired => Self::Refused { stream, source },
            Verdict::Throttled | Verdict::Unsent | Verdict::Unclear => {
                Self::Unreachable { stream, source }
            }
        }
    }
}

/// What follows from a request that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was too much at once, and had no effect.
    Throttled,
    /// It may succeed later, and had no effect.
    Unsent,
    /// It may succeed later, and may have taken effect already.
    Unclear,
    /// There is no such stream, shard or record.
    Missing,
    /// There is such a stream already, or it is being changed.
    Exists,
    /// The iterator has expired: another one must be asked for.
    Expired,
    /// What was asked for makes no sense there, as a position that the shard does not know.
    Invalid,
    /// It will not succeed.
    Never,
}

impl Verdict {
    /// Whether the same request may succeed later.
    pub(super) fn passes(self) -> bool {
        matches!(self, Self::Throttled | Self::Unsent | Self::Unclear)
    }

    /// Whether it may mean that a shard has no record at the position that was asked for.
    pub(super) fn is_no_place(self) -> bool {
        matches!(self, Self::Invalid | Self::Missing)
    }
}

/// A request that did not succeed.
#[derive(Debug, Clone)]
pub struct Fault {
    pub(super) verdict: Verdict,
    reason: String,
}

impl Fault {
    pub(super) fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { verdict, reason }
    }

    /// Judges the SDK's error.
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
        SdkError<E, HttpResponse>: RequestId,
    {
        let SdkError::ServiceError(answer) = error else {
            let verdict = match was_sent(error) {
                true => Verdict::Unclear,
                false => Verdict::Unsent,
            };
            return Self::new(verdict, chain(error));
        };
        let status = answer.raw().status().as_u16();
        let code = answer.err().code().unwrap_or_default();
        let mut reason = format!("Kinesis answered {status} {code}");
        if let Some(message) = answer.err().message() {
            reason = format!("{reason}: {message}");
        }
        if let Some(id) = error.request_id() {
            reason = format!("{reason} (request {id})");
        }
        Self::new(verdict(status, code), reason)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl StdError for Fault {}

/// What Kinesis means by an error's code: of a request, and of one record in it.
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/CommonErrors.html>
pub(super) fn verdict(status: u16, code: &str) -> Verdict {
    match (status, code) {
        (
            _,
            "ProvisionedThroughputExceededException"
            | "KMSThrottlingException"
            | "LimitExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded",
        ) => Verdict::Throttled,
        (_, "ResourceNotFoundException") => Verdict::Missing,
        (_, "ResourceInUseException") => Verdict::Exists,
        (_, "ExpiredIteratorException") => Verdict::Expired,
        (_, "InvalidArgumentException") => Verdict::Invalid,
        // Credentials ran out while they were renewed.
        (_, "ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => Verdict::Unsent,
        // A reply that is called good and cannot be read as such, and whatever went wrong over there.
        (200..=299 | 408 | 500..=599, _) => Verdict::Unclear,
        (429, _) => Verdict::Throttled,
        _ => Verdict::Never,
    }
}

/// Whether the server may have seen the request. Without a connection, and without credentials, it has not.
fn was_sent<E: StdError + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    let failure = match error {
        SdkError::ConstructionFailure(_) => return false,
        SdkError::DispatchFailure(failure) => failure,
        _ => return true,
    };
    if failure.is_user() {
        return false;
    }
    let mut cause: Option<&(dyn StdError + 'static)> =
        failure.as_connector_error().map(|error| error as _);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            use io::ErrorKind as Kind;
            return !matches!(
                error.kind(),
                Kind::ConnectionRefused | Kind::HostUnreachable | Kind::NetworkUnreachable
            );
        }
        cause = error.source();
    }
    true
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
    fn each_answer_means_one_thing() {
        for (status, code, expected) in [
            (
                400,
                "ProvisionedThroughputExceededException",
                Verdict::Throttled,
            ),
            (400, "LimitExceededException", Verdict::Throttled),
            (400, "KMSThrottlingException", Verdict::Throttled),
            (400, "ResourceNotFoundException", Verdict::Missing),
            (400, "ResourceInUseException", Verdict::Exists),
            (400, "ExpiredIteratorException", Verdict::Expired),
            (400, "ExpiredTokenException", Verdict::Unsent),
            (400, "ValidationException", Verdict::Never),
            (400, "InvalidArgumentException", Verdict::Invalid),
            (400, "AccessDeniedException", Verdict::Never),
            (500, "InternalFailure", Verdict::Unclear),
            (503, "ServiceUnavailable", Verdict::Unclear),
            (429, "", Verdict::Throttled),
        ] {
            assert_eq!(verdict(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn only_what_may_pass_is_unreachable() {
        let error = |verdict| Error::of("events", Fault::new(verdict, "because"));
        assert!(matches!(
            error(Verdict::Unclear).refusal(),
            Refusal::Unsent(_)
        ));
        assert!(matches!(
            error(Verdict::Never).refusal(),
            Refusal::NoTopic(_)
        ));
        let text = error(Verdict::Never).to_string();
        assert!(
            text.contains("events") && text.contains("because"),
            "{text}"
        );
    }
}
