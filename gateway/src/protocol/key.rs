//! The write key, where a request shows it outside of its body.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::{header, request};

use super::query;

/// Segment's name for it in a query.
pub(crate) const PARAMETER: &str = "writeKey";

/// The write key in the headers or the query: the user of `Authorization: Basic`, the token of `Authorization: Bearer`, the
/// header `X-Write-Key` up to a colon, or the parameter `writeKey`; the first of them that is there and not empty.
pub(crate) fn shown(head: &request::Parts) -> Option<Cow<'_, str>> {
    let authorization = head.headers.get(header::AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let in_header = authorization.and_then(authorized).or_else(|| {
        let value = head.headers.get("x-write-key")?.to_str().ok()?;
        let key = value.split_once(':').map_or(value, |(key, _)| key);
        Some(Cow::Borrowed(key.trim()))
    });
    let given = |key: &Cow<'_, str>| !key.is_empty();
    in_header
        .filter(given)
        .or_else(|| query::parameter(head.uri.query()?, PARAMETER).filter(given))
}

fn authorized(value: &str) -> Option<Cow<'_, str>> {
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Cow::Borrowed(rest));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut user = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
    user.truncate(user.find(':').unwrap_or(user.len()));
    Some(Cow::Owned(user))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn of(name: &str, value: &str, uri: &str) -> Option<String> {
        let request = Request::post(uri).header(name, value).body(()).unwrap();
        shown(&request.into_parts().0).map(Cow::into_owned)
    }

    #[test]
    fn a_key_is_found_wherever_sdks_show_it() {
        for (name, value, uri) in [
            // "the-key:" and "the-key:secret" in base64
            ("authorization", "Basic dGhlLWtleTo=", "/v1/batch"),
            ("authorization", "basic dGhlLWtleTpzZWNyZXQ=", "/v1/batch"),
            ("authorization", "Bearer the-key", "/v1/batch"),
            ("x-write-key", "the-key", "/v1/batch"),
            ("x-write-key", "the-key:secret", "/v1/batch"),
            ("x-other", "", "/v1/batch?a=b&writeKey=the%2Dkey"),
            ("authorization", "Basic Og==", "/v1/batch?writeKey=the-key"),
        ] {
            assert_eq!(
                of(name, value, uri).as_deref(),
                Some("the-key"),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        for value in ["Basic !", "Basic", "Digest the-key", "Basic Og==", ""] {
            assert_eq!(
                of("authorization", value, "/v1/batch?writeKey="),
                None,
                "{value}"
            );
        }
    }
}
