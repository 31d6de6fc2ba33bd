//! Amazon MSK's IAM access control, over SASL's OAUTHBEARER: a request that is signed with AWS credentials and never sent
//! is the token, as in Amazon's own signers for other languages
//! (<https://github.com/aws/aws-msk-iam-sasl-signer-python>).

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use aws_config::{BehaviorVersion, Region, sts::AssumeRoleProvider};
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rdkafka::client::OAuthToken;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::token_cache::{Shared, Token};

/// How long brokers take a token.
const LIFETIME: Duration = Duration::from_secs(900);

/// How long credentials may be looked for: environment, profile, web identity, ECS and EC2 roles, in that order.
const CREDENTIALS_WAIT_MAX: Duration = Duration::from_secs(10);

/// Tells MSK's logs who signed.
const USER_AGENT: &str = concat!("headgate/", env!("CARGO_PKG_VERSION"));

/// The `[kafka.msk_iam]` section. Credentials are not here: they come from the environment, a profile, a web identity or
/// the machine's role, and are never written or logged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MskIam {
    /// The cluster's region. Default: `AWS_REGION`, the profile's or the machine's.
    pub region: Option<String>,
    /// A role to assume with the credentials that were found. Default: none.
    pub assume_role_arn: Option<String>,
    /// What was signed last, for all clients of this configuration and its clones.
    #[serde(skip)]
    #[schemars(skip)]
    signed: Shared,
}

impl MskIam {
    /// A token that holds for a while. As long as the one at hand does, another is signed behind the caller's back, who
    /// may be the thread that takes Kafka's acknowledgements; without one this waits until it is signed, or until looking
    /// for credentials has failed: a little longer than [`CREDENTIALS_WAIT_MAX`].
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn token(&self) -> Result<OAuthToken, String> {
        let source = self.clone();
        self.signed.get(SystemTime::now(), move || source.issue())
    }

    fn issue(&self) -> Result<Token, String> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().map_err(|e| e.to_string())?;
        let found = runtime.block_on(timeout(CREDENTIALS_WAIT_MAX, self.credentials()));
        // A name that does not resolve would be waited for.
        runtime.shutdown_background();
        let (credentials, region) =
            found.map_err(|_| "AWS credentials were not found in time".to_owned())??;
        signed(credentials, &region, SystemTime::now())
    }

    async fn credentials(&self) -> Result<(Credentials, String), String> {
        let http = Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        if let Some(region) = self.region.clone() {
            loader = loader.region(Region::new(region));
        }
        let shared = loader.load().await;
        let region = shared.region().map(ToString::to_string).ok_or(
            "the region of the MSK cluster is not known: set kafka.msk_iam.region or AWS_REGION",
        )?;
        let found = match &self.assume_role_arn {
            Some(role) => {
                let assumed = AssumeRoleProvider::builder(role).configure(&shared);
                let assumed = assumed.session_name("headgate").build().await;
                assumed.provide_credentials().await
            }
            None => match shared.credentials_provider() {
                Some(provider) => provider.provide_credentials().await,
                None => return Err("there are no AWS credentials".to_owned()),
            },
        };
        let credentials = found.map_err(|error| with_sources("no AWS credentials", &error))?;
        Ok((credentials, region))
    }
}

/// The token that these credentials give at that time.
fn signed(credentials: Credentials, region: &str, now: SystemTime) -> Result<Token, String> {
    let url = format!("https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect");
    let principal_name = credentials.access_key_id().to_owned();
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFETIME);
    let failed = |error: &dyn Error| with_sources("cannot sign a token", error);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("kafka-cluster")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let body = SignableBody::Bytes(b"");
    let request = SignableRequest::new("GET", &url, std::iter::empty(), body);
    let request = request.map_err(|error| failed(&error))?;
    let signing = sign(request, &params).map_err(|error| failed(&error))?;
    let (instructions, _) = signing.into_parts();
    let mut request = http::Request::get(&url)
        .body(())
        .map_err(|error| failed(&error))?;
    instructions.apply_to_request_http1x(&mut request);
    // Not a part of what is signed.
    let url = format!(
        "{}&User-Agent={}",
        request.uri(),
        USER_AGENT.replace('/', "%2F")
    );
    Ok(Token {
        token: URL_SAFE_NO_PAD.encode(url),
        principal_name,
        expires: now + LIFETIME,
    })
}

/// What failed, with all that caused it: the SDK says the essential last.
fn with_sources(what: &str, error: &dyn Error) -> String {
    let mut said = format!("{what}: {error}");
    let mut next = error.source();
    while let Some(source) = next {
        said.push_str(": ");
        said.push_str(&source.to_string());
        next = source.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// 2026-03-04T05:06:07Z.
    const NOW: Duration = Duration::from_secs(1_772_600_767);

    fn token(session: Option<&str>) -> Token {
        let keys = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            session.map(str::to_owned),
            None,
            "test",
        );
        signed(keys, "eu-central-1", UNIX_EPOCH + NOW).unwrap()
    }

    fn parts(token: &Token) -> Vec<(String, String)> {
        let url = URL_SAFE_NO_PAD.decode(&token.token).unwrap();
        let url = String::from_utf8(url).unwrap();
        let (host, query) = url.split_once("/?").unwrap();
        assert_eq!(host, "https://kafka.eu-central-1.amazonaws.com");
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn value<'a>(parts: &'a [(String, String)], name: &str) -> Option<&'a str> {
        let found = parts.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| &**value)
    }

    /// The signatures are those of aws-msk-iam-sasl-signer-python 1.0.2, for the same keys, region and time.
    #[test]
    fn tokens_are_signed_as_amazons_own_signer_does() {
        let plain = token(None);
        let found = parts(&plain);
        for (name, expected) in [
            ("Action", "kafka-cluster%3AConnect"),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Date", "20260304T050607Z"),
            ("X-Amz-Expires", "900"),
            ("X-Amz-SignedHeaders", "host"),
            (
                "X-Amz-Signature",
                "a095ac47afd6e44e325bd6413cbc89f3e5a9249e14eaa1d19bdd9b16cede4ea2",
            ),
        ] {
            assert_eq!(value(&found, name), Some(expected), "{name}");
        }
        assert!(value(&found, "User-Agent").is_some_and(|agent| agent.starts_with("headgate%2F")));
        assert_eq!(plain.principal_name, "AKIDEXAMPLE");
        assert_eq!(plain.expires, UNIX_EPOCH + NOW + LIFETIME);

        let found = parts(&token(Some("session/token+1")));
        assert_eq!(
            value(&found, "X-Amz-Signature"),
            Some("3fd3271bb4949e7c08eb8bac7e6a7d5bac748098d22c2c967c3aadf5fb421aff")
        );
        assert_eq!(
            value(&found, "X-Amz-Security-Token"),
            Some("session%2Ftoken%2B1")
        );
    }
}
