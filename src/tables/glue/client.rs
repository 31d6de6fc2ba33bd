//! Glue over HTTP: JSON requests, signed by AWS' version 4
//! (<https://docs.aws.amazon.com/glue/latest/webapi/Welcome.html>). Amazon's own crate brings every call of Glue to the
//! build, some two hundred and fifty; eight are needed here.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, Region, SdkConfig, sts::AssumeRoleProvider};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::Settings;

/// The largest reply that is read. A page of partitions without their columns is far smaller.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// How often a request is tried.
const ATTEMPTS_MAX: u32 = 6;

/// The pause before the second try; it doubles with every further one.
const PAUSE: Duration = Duration::from_millis(200);

/// The region that servers other than Amazon's are spoken to in when none is set.
const REGION_ELSEWHERE: &str = "us-east-1";

/// What may go well when it is tried again
/// (<https://docs.aws.amazon.com/glue/latest/webapi/CommonErrors.html>).
const PASSING: [&str; 5] = [
    "ConcurrentModificationException",
    "InternalServiceException",
    "OperationTimeoutException",
    "ThrottlingException",
    "Throttling",
];

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// Glue said no.
    #[error("Glue refuses {call}: {code}: {message}")]
    Refused {
        /// The call.
        call: String,
        /// The error's name, as `EntityNotFoundException`.
        code: String,
        /// What Glue says about it.
        message: String,
        /// The HTTP status.
        status: u16,
    },
    /// Glue was not reached, or answered something else.
    #[error("cannot reach Glue at {url} for {call}: {reason}")]
    Unreachable {
        /// The call.
        call: String,
        /// Where it was sent.
        url: String,
        /// What happened.
        reason: String,
    },
}

impl Failed {
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { code, status, .. } => *status >= 500 || PASSING.contains(&&**code),
        }
    }
}

/// A client of one region's catalogue.
pub(super) struct Client {
    connector: Connector,
    credentials: SharedCredentialsProvider,
    region: String,
    url: String,
    request_timeout: Duration,
}

impl Client {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// Nothing says in which region the catalogue is, or there are no credentials.
    pub(super) async fn open(settings: &Settings, s3_region: Option<&str>) -> Result<Self> {
        let tls = Provider::Rustls(CryptoMode::Ring);
        let http = aws_smithy_http_client::Builder::new().tls_provider(tls.clone());
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).http_client(http.build_https());
        if let Some(region) = settings.region.as_deref().or(s3_region) {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let shared = loader.load().await;
        let known = shared.region().map(ToString::to_string);
        let elsewhere = settings
            .endpoint
            .is_some()
            .then(|| REGION_ELSEWHERE.to_owned());
        let region = known
            .or(elsewhere)
            .context("the catalogue's region is not known: set glue.region or AWS_REGION")?;
        let amazons = || amazons_endpoint(&region);
        Ok(Self {
            connector: Connector::builder().tls_provider(tls).build(),
            credentials: credentials(settings, &shared).await?,
            url: settings.endpoint.clone().unwrap_or_else(amazons),
            region,
            request_timeout: Duration::from_millis(settings.request_timeout_ms),
        })
    }

    /// Makes one call, again where that may help.
    ///
    /// # Errors
    /// Glue refuses it, or could not be reached for as often as it was tried.
    pub(super) async fn call(&self, call: &str, input: &Value) -> Result<Value, Failed> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS_MAX {
            match self.attempt(call, input).await {
                Err(error) if error.may_pass() => tracing::debug!(%error, "tried again"),
                done => return done,
            }
            sleep(pause).await;
            pause *= 2;
        }
        self.attempt(call, input).await
    }

    async fn attempt(&self, call: &str, input: &Value) -> Result<Value, Failed> {
        let exchange = timeout(self.request_timeout, self.exchange(call, input));
        let exchanged = match exchange.await {
            Ok(exchanged) => exchanged,
            Err(_) => Err(anyhow::anyhow!("no answer in {:?}", self.request_timeout)),
        };
        let (status, body) = exchanged.map_err(|error| Failed::Unreachable {
            call: call.to_owned(),
            url: self.url.clone(),
            reason: crate::cause::line(&error),
        })?;
        let reply = serde_json::from_slice(&body).unwrap_or_default();
        match status {
            200..300 => Ok(reply),
            _ => Err(refusal(call, status, &reply)),
        }
    }

    /// The status and body of one signed request.
    async fn exchange(&self, call: &str, input: &Value) -> Result<(u16, Vec<u8>)> {
        let body = serde_json::to_vec(input)?;
        let found = self.credentials.provide_credentials().await;
        let identity = found.context("no AWS credentials")?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("glue")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let target = format!("AWSGlue.{call}");
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        let url = format!("{}/", self.url.trim_end_matches('/'));
        let signable = SignableRequest::new(
            "POST",
            &url,
            headers.into_iter(),
            SignableBody::Bytes(&body),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut request = http::Request::post(&url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(SdkBody::from(body))?;
        instructions.apply_to_request_http1x(&mut request);
        let reply = self.connector.call(request.try_into()?).await?;
        let status = reply.status().as_u16();
        let body = Limited::new(reply.into_body(), REPLY_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| anyhow::anyhow!(error))?;
        Ok((status, body.to_bytes().to_vec()))
    }
}

/// Environment, profile, web identity, ECS and EC2 roles, in that order; from there the role, where one is set.
async fn credentials(settings: &Settings, shared: &SdkConfig) -> Result<SharedCredentialsProvider> {
    if let Some(role) = &settings.assume_role_arn {
        let assumed = AssumeRoleProvider::builder(role).configure(shared);
        let assumed = assumed.session_name("headgate").build().await;
        return Ok(SharedCredentialsProvider::new(assumed));
    }
    shared
        .credentials_provider()
        .context("there are no AWS credentials")
}

/// Amazon's endpoint for a region (<https://docs.aws.amazon.com/general/latest/gr/glue.html>).
fn amazons_endpoint(region: &str) -> String {
    let domain = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    format!("https://glue.{region}.{domain}")
}

/// What an error's body says. A name may have a namespace before it and a URL behind.
fn refusal(call: &str, status: u16, reply: &Value) -> Failed {
    let name = reply["__type"].as_str().unwrap_or("no reason given");
    let name = name.rsplit_once('#').map_or(name, |(_, name)| name);
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    let message = [&reply["Message"], &reply["message"]];
    let message = message.iter().find_map(|text| text.as_str());
    Failed::Refused {
        call: call.to_owned(),
        code: name.to_owned(),
        message: message.unwrap_or_default().to_owned(),
        status,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_errors_name_is_found_in_each_of_its_spellings() {
        for name in [
            "EntityNotFoundException",
            "com.amazonaws.glue#EntityNotFoundException",
            "EntityNotFoundException:http://internal.amazon.com/coral/",
        ] {
            let reply = json!({ "__type": name, "Message": "no such table" });
            let failed = refusal("GetTable", 400, &reply);
            assert!(!failed.may_pass());
            let expected = "Glue refuses GetTable: EntityNotFoundException: no such table";
            assert_eq!(failed.to_string(), expected);
        }
    }

    #[test]
    fn throttling_and_faults_of_the_server_may_pass() {
        let throttled = json!({ "__type": "ThrottlingException", "message": "slow down" });
        assert!(refusal("GetTable", 400, &throttled).may_pass());
        assert!(refusal("GetTable", 503, &Value::Null).may_pass());
        assert!(!refusal("GetTable", 403, &Value::Null).may_pass());
    }

    #[test]
    fn each_partition_of_amazons_cloud_has_its_domain() {
        let expected = "https://glue.eu-central-1.amazonaws.com";
        assert_eq!(amazons_endpoint("eu-central-1"), expected);
        let expected = "https://glue.cn-north-1.amazonaws.com.cn";
        assert_eq!(amazons_endpoint("cn-north-1"), expected);
    }
}
