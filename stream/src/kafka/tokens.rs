//! Tokens for SASL's OAUTHBEARER, where librdkafka does not get them by itself.

use std::{
    error::Error,
    sync::{Mutex, PoisonError},
};

use rdkafka::client::OAuthToken;

use super::{config::Config, msk_iam::MskIam};

/// Where one client's tokens come from.
#[derive(Debug)]
pub(super) struct Tokens {
    msk_iam: Option<MskIam>,
    /// How the latest question was answered.
    issued: Mutex<Option<Result<(), String>>>,
}

impl Tokens {
    pub(super) fn of(config: &Config) -> Self {
        let none_needed = config.msk_iam.is_none().then_some(Ok(()));
        Self {
            msk_iam: config.msk_iam.clone(),
            issued: Mutex::new(none_needed),
        }
    }

    /// Answers librdkafka, which asks on the thread that polls it: at the start, and before a token expires. After a
    /// failure it asks again in ten seconds. `told` is the property `sasl.oauthbearer.config`.
    pub(super) fn issue(&self, told: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let Some(msk_iam) = &self.msk_iam else {
            return Err(
                "OAUTHBEARER needs tokens: the section kafka.msk_iam gets them for Amazon MSK, and there is no other way"
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
        let answered = token.as_ref().map(drop).map_err(ToString::to_string);
        *self.issued.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered);
        token.map_err(Into::into)
    }

    /// How the latest question for a token was answered; none as long as there was none. Well where none is needed.
    pub(super) fn issued(&self) -> Option<Result<(), String>> {
        self.issued
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::OAuthToken;

    /// A token that Kafka takes without a signature, as tests set it up: see `a_secured_listener`.
    pub(super) fn unsecured(subject: &str) -> Result<OAuthToken, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
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
            lifetime_ms: i64::try_from(expires.as_millis()).unwrap(),
        })
    }
}
