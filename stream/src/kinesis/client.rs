//! The SDK's client: where credentials come from, and what the SDK must leave to us.

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, Region, sts::AssumeRoleProvider};
use aws_sdk_kinesis::{
    Client,
    config::{
        Credentials, SharedHttpClient, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use super::{config::Config, error::Error};

/// The region that servers other than Amazon's are spoken to in when none is set: they take any.
const REGION_ELSEWHERE: &str = "us-east-1";

/// Builds the client. Credentials are looked for at the first request, not here: environment, profile, web identity,
/// ECS and EC2 roles, in that order, unless they are given.
pub(super) async fn client(config: &Config, keys: Option<Credentials>) -> Result<Client, Error> {
    let mut loader = defaults(config);
    if let Some(keys) = keys {
        loader = loader.credentials_provider(keys);
    }
    let mut shared = loader.load().await;
    if shared.region().is_none() {
        if config.endpoint.is_none() {
            return Err(Error::Region);
        }
        let elsewhere = Region::from_static(REGION_ELSEWHERE);
        shared = shared.into_builder().region(elsewhere).build();
    }
    let mut builder = aws_sdk_kinesis::config::Builder::from(&shared);
    builder.set_endpoint_url(config.endpoint.clone());
    if let Some(role) = &config.assume_role_arn {
        let mut assumed = AssumeRoleProvider::builder(role)
            .configure(&shared)
            .session_name("headgate");
        if let Some(id) = &config.external_id {
            assumed = assumed.external_id(id);
        }
        builder = builder.credentials_provider(assumed.build().await);
    }
    Ok(Client::from_conf(builder.build()))
}

fn defaults(config: &Config) -> ConfigLoader {
    // Requests are timed and repeated by us alone; these hold for the credentials' requests too.
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        .operation_attempt_timeout(Duration::from_millis(config.request_timeout_ms))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http(config))
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts);
    let region = config.region.as_deref().or(config.region_of_arns());
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    loader
}

fn http(config: &Config) -> SharedHttpClient {
    Builder::new()
        .pool_max_idle_per_host(config.requests_at_once_max)
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}
