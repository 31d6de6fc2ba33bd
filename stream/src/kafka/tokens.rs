//! Tokens for SASL's OAUTHBEARER, where librdkafka does not get them by itself.

use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
};

use rdkafka::client::OAuthToken;

use super::{config::Config, msk_iam::MskIam};

/// Where one client's tokens come from.
#[derive(Debug)]
pub(super) struct Tokens {
    msk_iam: Option<MskIam>,
    issued: AtomicBool,
}

impl Tokens {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            msk_iam: config.msk_iam.clone(),
            issued: AtomicBool::new(config.msk_iam.is_none()),
        }
    }

    /// Answers librdkafka, which asks on the thread that polls it: at the start, and before a token expires. After a
    /// failure it asks again in ten seconds. `told` is the property `sasl.oauthbearer.config`.
    pub(super) fn issue(&self, told: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let Some(msk_iam) = &self.msk_iam else {
            return Err(
                "OAUTHBEARER needs tokens: the section kafka.msk_iam gets them for Amazon MSK, \
                        and there is no other way"
                    .into(),
            );
        };
        let token = match told {
            #[cfg(test)]
            Some(claims) => tests::unsecured(claims),
            _ => msk_iam.token(),
        };
        if let Err(error) = &token {
            tracing::error!(%error, "no token for Kafka");
        }
        self.issued.fetch_or(token.is_ok(), Ordering::Relaxed);
        token
    }

    /// Whether the client got a token or needs none from us.
    pub(super) fn issued(&self) -> bool {
        self.issued.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    /// A token that Kafka takes without a signature, as tests set it up: see `a_secured_listener`.
    pub(super) fn unsecured(subject: &str) -> Result<OAuthToken, Box<dyn Error>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let expires = now + Duration::from_secs(60);
        let claims = format!(
            r#"{{"sub":"{subject}","iat":{},"exp":{}}}"#,
            now.as_secs(),
            expires.as_secs()
        );
        let encode = |json: &str| URL_SAFE_NO_PAD.encode(json);
        Ok(OAuthToken {
            token: format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&claims)),
            principal_name: subject.to_owned(),
            lifetime_ms: i64::try_from(expires.as_millis())?,
        })
    }
}
