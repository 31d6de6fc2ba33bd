//! Formats of the internet: host names, addresses, email, URIs.

use std::net::{Ipv4Addr, Ipv6Addr};

/// RFC 1123: labels of letters, digits and inner hyphens. The Unicode behind an `xn--` label is not looked at.
pub(super) fn is_hostname(text: &str) -> bool {
    !text.is_empty() && text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    // RFC 5891 keeps `??--` for A-labels.
    let reserved = bytes.get(2..4) == Some(b"--") && !label.starts_with("xn--");
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && !reserved
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

pub(super) fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

pub(super) fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

/// RFC 5321 `Mailbox`.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    text.len() <= 254 && is_local_part(local) && is_mail_domain(domain)
}

fn is_local_part(local: &str) -> bool {
    if local.len() > 64 {
        return false;
    }
    if let Some(quoted) = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        let mut bytes = quoted.bytes();
        while let Some(byte) = bytes.next() {
            let fine = match byte {
                b'\\' => bytes.next().is_some_and(|b| matches!(b, b' '..=b'~')),
                b'"' => false,
                other => matches!(other, b' '..=b'~'),
            };
            if !fine {
                return false;
            }
        }
        return local.len() >= 2;
    }
    local.split('.').all(|atom| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    })
}

fn is_mail_domain(domain: &str) -> bool {
    let Some(literal) = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return is_hostname(domain);
    };
    match literal.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("ipv6:") => is_ipv6(address),
        _ => is_ipv4(literal),
    }
}

/// RFC 3986, with a scheme.
pub(super) fn is_uri(text: &str) -> bool {
    scheme_end(text).is_some() && is_uri_reference(text)
}

/// RFC 3986, relative or not.
pub(super) fn is_uri_reference(text: &str) -> bool {
    let scheme = scheme_end(text);
    let rest = &text[scheme.map_or(0, |end| end + 1)..];
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            if !is_authority(&rest[..end]) {
                return false;
            }
            &rest[end..]
        }
        None => rest,
    };
    // Without a scheme, a colon in the first segment would read as one.
    let first_segment = path.split('/').next().unwrap_or("");
    (scheme.is_some() || !first_segment.contains(':'))
        && is_made_of(path, b":@/")
        && is_made_of(query, b":@/?")
        && is_made_of(fragment, b":@/?")
}

fn scheme_end(text: &str) -> Option<usize> {
    let end = text
        .bytes()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))?;
    let is_scheme = text.as_bytes()[end] == b':' && text.as_bytes()[0].is_ascii_alphabetic();
    is_scheme.then_some(end)
}

fn is_authority(authority: &str) -> bool {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host_ok, port) = if let Some(rest) = host.strip_prefix('[') {
        let Some((literal, port)) = rest.split_once(']') else {
            return false;
        };
        (is_ip_literal(literal), port)
    } else {
        let end = host.find(':').unwrap_or(host.len());
        (is_made_of(&host[..end], b""), &host[end..])
    };
    let port_ok = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    host_ok && port_ok && is_made_of(user, b":")
}

fn is_ip_literal(literal: &str) -> bool {
    let Some(future) = literal.strip_prefix(['v', 'V']) else {
        return is_ipv6(literal);
    };
    future.split_once('.').is_some_and(|(version, address)| {
        !version.is_empty()
            && version.bytes().all(|b| b.is_ascii_hexdigit())
            && !address.is_empty()
            && !address.contains('%')
            && is_made_of(address, b":")
    })
}

/// Unreserved characters, sub-delimiters, percent-encoded bytes, and `more`.
fn is_made_of(text: &str, more: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fine = match byte {
            b'%' => {
                let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
                hex(bytes.next()) && hex(bytes.next())
            }
            other => {
                other.is_ascii_alphanumeric()
                    || b"-._~!$&'()*+,;=".contains(&other)
                    || more.contains(&other)
            }
        };
        if !fine {
            return false;
        }
    }
    true
}
