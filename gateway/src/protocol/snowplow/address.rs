//! The parts of an address, as it stands: a page's address is evidence, and nothing of it is decoded or put in order.
//!
//! The split is RFC 3986's, appendix B. A library would encode what browsers leave as it is.

/// The parts of an absolute address; empty ones are not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: Option<&'a str>,
    /// The scheme's own where none is written.
    pub(super) port: Option<u16>,
    pub(super) path: Option<&'a str>,
    pub(super) query: Option<&'a str>,
    pub(super) fragment: Option<&'a str>,
}

/// Takes an address apart; `None`: it is not absolute, or has no authority.
pub(super) fn parts(address: &str) -> Option<Parts<'_>> {
    let given = |part: &'_ &str| !part.is_empty();
    let (scheme, rest) = address.split_once("://")?;
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        || !scheme.bytes().all(in_scheme)
    {
        return None;
    }
    let (rest, fragment) = split(rest, '#');
    let (rest, query) = split(rest, '?');
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, at)| at);
    let (host, port) = match host_and_port.rsplit_once(':') {
        // The colons of an IPv6 address stand within brackets.
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (host_and_port, ""),
    };
    let usual = match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    };
    Some(Parts {
        scheme,
        host: Some(host).filter(given),
        port: match port {
            "" => usual,
            port => Some(port.parse().ok()?),
        },
        path: Some(path).filter(given),
        query: query.filter(given),
        fragment: fragment.filter(given),
    })
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_falls_into_its_parts_as_they_stand() {
        let all = parts("https://u:p@shop.example:8443/prícing/x?a=1&b=%20?#top#2").unwrap();
        let expected = Parts {
            scheme: "https",
            host: Some("shop.example"),
            port: Some(8443),
            path: Some("/prícing/x"),
            query: Some("a=1&b=%20?"),
            fragment: Some("top#2"),
        };
        assert_eq!(all, expected);
        let little = parts("http://[::1]").unwrap();
        assert_eq!(
            (little.host, little.port, little.path, little.query),
            (Some("[::1]"), Some(80), None, None)
        );
        let app = parts("android-app://com.example/?").unwrap();
        assert_eq!((app.port, app.path, app.query), (None, Some("/"), None));
        assert_eq!(parts("http://[::1]:81/").unwrap().port, Some(81));
    }

    #[test]
    fn what_is_no_absolute_address_has_no_parts() {
        for address in [
            "",
            "/a/b",
            "about:blank",
            "://x",
            "1a://x",
            "http://x:99999/",
            "http://x:y/",
        ] {
            assert_eq!(parts(address), None, "{address}");
        }
    }
}
