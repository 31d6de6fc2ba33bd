//! Questions about streams, asked until they are answered for good. The SDK does none of it.

use std::{error::Error as StdError, future::Future, time::Duration};

use aws_sdk_kinesis::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    config::Config,
    error::{Fault, Verdict},
};
use crate::backoff::Backoff;

/// Sends a request until it is answered for good, for at most `request_deadline_ms`.
///
/// # Errors
/// Why it will not succeed, or what happened last before the time was over.
pub(super) async fn ask<T, E, F>(
    config: &Config,
    mut request: impl FnMut() -> F,
) -> Result<T, Fault>
where
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    E: ProvideErrorMetadata + StdError + 'static,
    SdkError<E, HttpResponse>: RequestId,
{
    let deadline = Instant::now() + Duration::from_millis(config.request_deadline_ms);
    let mut backoff = backoff(config);
    let mut last = None;
    loop {
        let fault = match timeout_at(deadline, request()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Fault::of(&error),
            Err(_) => {
                let late = || {
                    let reason = "Kinesis did not answer within request_deadline_ms";
                    Fault::new(Verdict::Unclear, reason)
                };
                return Err(last.unwrap_or_else(late));
            }
        };
        let pause = backoff.next();
        if !fault.verdict.passes() || Instant::now() + pause >= deadline {
            return Err(fault);
        }
        tracing::debug!(%fault, ?pause, "a request to Kinesis failed; trying again");
        sleep(pause).await;
        last = Some(fault);
    }
}

/// The pauses between tries, as configured.
pub(super) fn backoff(config: &Config) -> Backoff {
    Backoff::new(
        Duration::from_millis(config.backoff_min_ms),
        Duration::from_millis(config.backoff_max_ms),
    )
}
