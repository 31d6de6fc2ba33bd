//! One token for all clients, renewed before it expires without making anybody wait.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rdkafka::client::OAuthToken;

/// From when on another token is signed, before the one at hand expires. librdkafka asks when four fifths of what is left
/// have passed: at first after 12 minutes.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// A token that is left with less is not handed out any more.
const LEFT_MIN: Duration = Duration::from_secs(30);

/// How long a caller waits who has no token that holds: longer than signing one may take.
const WAIT_MAX: Duration = Duration::from_secs(12);

/// What brokers are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) token: String,
    pub(super) principal_name: String,
    pub(super) expires: SystemTime,
}

/// The latest token, shared by all clones.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared(Arc<Cache>);

/// It is no setting: settings with other tokens are the same.
impl PartialEq for Shared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Shared {}

#[derive(Debug, Default)]
struct Cache {
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// Somebody signs one.
    signing: bool,
    /// Why the latest try failed; none when it did not.
    failed: Option<String>,
}

impl Token {
    fn left(&self, now: SystemTime) -> Duration {
        self.expires.duration_since(now).unwrap_or_default()
    }

    fn told(&self) -> OAuthToken {
        let since = self.expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        OAuthToken {
            token: self.token.clone(),
            principal_name: self.principal_name.clone(),
            lifetime_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

impl Shared {
    /// The token at hand, if it holds; else the next one, waited for. `sign` runs on a thread of its own, one at a time.
    pub(super) fn get(
        &self,
        now: SystemTime,
        sign: impl FnOnce() -> Result<Token, String> + Send + 'static,
    ) -> Result<OAuthToken, String> {
        let cache = &self.0;
        let mut state = cache.state.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |state: &State| state.token.as_ref().map_or(Duration::ZERO, |t| t.left(now));
        if left(&state) < RENEW_BEFORE && !state.signing {
            state.signing = true;
            if let Err(error) = self.start(sign) {
                state.signing = false;
                state.failed = Some(format!("no thread to sign a token: {error}"));
            }
        }
        if left(&state) < LEFT_MIN {
            let waited = cache
                .answered
                .wait_timeout_while(state, WAIT_MAX, |state| state.signing);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        match state.token.as_ref().filter(|_| left(&state) >= LEFT_MIN) {
            Some(token) => Ok(token.told()),
            None => Err(state
                .failed
                .clone()
                .unwrap_or_else(|| "it was not signed in time".to_owned())),
        }
    }

    fn start(
        &self,
        sign: impl FnOnce() -> Result<Token, String> + Send + 'static,
    ) -> std::io::Result<()> {
        let answer = Answer(Arc::clone(&self.0));
        let named = thread::Builder::new().name("kafka-token".to_owned());
        let spawned = named.spawn(move || answer.give(sign()));
        spawned.map(drop)
    }
}

/// Whoever signs answers, however it ends.
struct Answer(Arc<Cache>);

impl Answer {
    fn give(self, signed: Result<Token, String>) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match signed {
            Ok(token) => (state.token, state.failed) = (Some(token), None),
            Err(reason) => {
                tracing::warn!(reason, "no new token for Kafka");
                state.failed = Some(reason);
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.signing = false;
        drop(state);
        self.0.answered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn now() -> SystemTime {
        UNIX_EPOCH + NOW
    }

    fn token(name: &str, left: Duration) -> Token {
        Token {
            token: name.to_owned(),
            principal_name: "key".to_owned(),
            expires: now() + left,
        }
    }

    fn get(shared: &Shared, signed: Result<Token, String>) -> Result<String, String> {
        shared.get(now(), move || signed).map(|told| told.token)
    }

    #[test]
    fn a_token_serves_all_clones_until_it_is_to_be_renewed() {
        let shared = Shared::default();
        assert_eq!(
            get(&shared, Err("refused".to_owned())),
            Err("refused".to_owned())
        );
        let first = token("first", RENEW_BEFORE);
        assert_eq!(get(&shared.clone(), Ok(first)), Ok("first".to_owned()));
        let never = || -> Result<Token, String> { panic!("there is one") };
        assert_eq!(shared.get(now(), never).unwrap().token, "first");
    }

    #[test]
    fn nobody_waits_for_the_next_token_while_one_holds() {
        let shared = Shared::default();
        assert!(get(&shared, Ok(token("old", LEFT_MIN))).is_ok());
        let (go, wait) = mpsc::channel::<()>();
        let slow = move || {
            wait.recv().ok();
            Ok(token("new", RENEW_BEFORE))
        };
        assert_eq!(shared.get(now(), slow).unwrap().token, "old");
        // One at a time.
        let never = || -> Result<Token, String> { panic!("it is being signed") };
        assert_eq!(shared.get(now(), never).unwrap().token, "old");
        go.send(()).unwrap();
        let later = now() + Duration::from_secs(1);
        let never = || -> Result<Token, String> { panic!("it is being signed, or is there") };
        assert_eq!(shared.get(later, never).unwrap().token, "new");
    }
}
