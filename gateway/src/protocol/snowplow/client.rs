//! Who sends, as far as a request's headers tell: the cookie by which the collector knows a browser again, and whether
//! it is not to.

use http::{HeaderMap, HeaderValue, header, request};
use uuid::Builder;

use super::super::query;
use crate::reply::Reply;

/// Snowplow's name for the cookie.
const COOKIE: &str = "sp";

/// What else is said of the cookie. It is for pages of other sites too, which takes `SameSite=None` and that `Secure`;
/// `Partitioned` is what browsers that block third parties' cookies still keep, for each site its own. Browsers take
/// `Secure` cookies from `http://localhost` as well, and from nowhere else without TLS
/// (<https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#secure>).
const ATTRIBUTES: &str = "Max-Age=31536000; Path=/; Secure; HttpOnly; SameSite=None; Partitioned";

/// With any value: neither cookie nor address.
/// <https://docs.snowplow.io/docs/collecting-data/collecting-from-own-applications/snowplow-tracker-protocol/going-deeper/http-headers/>
const ANONYMOUS: &str = "sp-anonymous";

/// The field's length in Snowplow's tables.
const USER_AGENT_BYTES_MAX: usize = 1000;
const REFERER_BYTES_MAX: usize = 4096;
const ID_BYTES_MAX: usize = 128;

/// Who sends.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// They want to be nobody.
    pub(super) anonymous: bool,
    /// Whom the cookie names, or will from now on.
    pub(super) network_userid: Option<String>,
    pub(super) user_agent: Option<String>,
    /// The page that it is sent from.
    pub(super) referer: Option<String>,
}

impl Client {
    pub(super) fn of(head: &request::Parts) -> Self {
        let anonymous = head.headers.contains_key(ANONYMOUS);
        let text = |name| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let mut user_agent = text(header::USER_AGENT);
        if let Some(user_agent) = &mut user_agent {
            // Header texts are ASCII.
            user_agent.truncate(USER_AGENT_BYTES_MAX);
        }
        Self {
            anonymous,
            network_userid: (!anonymous).then(|| {
                let query = head.uri.query().unwrap_or_default();
                let asked = query::parameter(query, "nuid").filter(|id| is_id(id));
                let known = asked.map(std::borrow::Cow::into_owned);
                known
                    .or_else(|| cookie(&head.headers))
                    .unwrap_or_else(fresh)
            }),
            user_agent,
            referer: text(header::REFERER).filter(|page| page.len() <= REFERER_BYTES_MAX),
        }
    }

    /// Of an event that was kept: its request's headers were not.
    pub(super) fn forgotten(anonymous: bool) -> Self {
        Self {
            anonymous,
            ..Self::default()
        }
    }

    /// Gives the client its cookie, for another year.
    pub(super) fn greet(&self, reply: &mut Reply) {
        let Some(id) = &self.network_userid else {
            return;
        };
        if let Ok(cookie) = HeaderValue::from_str(&format!("{COOKIE}={id}; {ATTRIBUTES}")) {
            reply.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, id) = pairs.find(|(name, id)| *name == COOKIE && is_id(id))?;
    Some(id.to_owned())
}

/// Whether that may be an id: it is sent back in a header.
fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed)
}

/// UUIDv4, as Snowplow's collector gives.
fn fresh() -> String {
    let id = Builder::from_random_bytes(rand::random()).into_uuid();
    id.hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn id(cookies: &[&str], uri: &str) -> String {
        let mut request = Request::get(uri);
        for cookie in cookies {
            request = request.header("cookie", *cookie);
        }
        let client = Client::of(&request.body(()).unwrap().into_parts().0);
        client.network_userid.unwrap()
    }

    #[test]
    fn whom_the_cookie_names_is_known_again_and_what_is_no_id_is_not_sent_back() {
        assert_eq!(id(&["a=b; sp=one; c=d"], "/i"), "one");
        assert_eq!(id(&["spx=two", "sp=one"], "/i"), "one");
        assert_eq!(id(&["sp=one"], "/i?nuid=asked"), "asked");
        for cookies in [vec![], vec!["sp="], vec!["sp=a\"b"], vec!["sp"]] {
            let (first, second) = (id(&cookies, "/i?nuid=a%0d%0ab"), id(&cookies, "/i"));
            assert!(first.len() == 36 && first != second, "{cookies:?}");
        }
    }

    #[test]
    fn who_wants_to_be_nobody_is() {
        let request = Request::get("/i?nuid=asked")
            .header("cookie", "sp=one")
            .header("sp-anonymous", "*");
        let client = Client::of(&request.body(()).unwrap().into_parts().0);
        assert!(client.anonymous && client.network_userid.is_none());
        let mut reply = crate::reply::no_content();
        client.greet(&mut reply);
        assert!(reply.headers().is_empty());
    }
}
