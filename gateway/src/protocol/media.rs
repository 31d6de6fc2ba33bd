//! What the content type decides. Routing is by path; the type only refines how JSON is framed, since SDKs send
//! JSON under `text/plain`, as a form, or under none.

use http::{HeaderMap, header};

/// How events stand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// An array, one object, or objects line by line: the body's own first bytes tell.
    Sniffed,
    /// One event a line.
    Lines,
    /// One object.
    One,
    /// An array.
    Array,
    /// The body is the data, the attributes are headers.
    Binary,
}

/// A content type that cannot hold JSON events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("content type {0:?} is not taken; send JSON, NDJSON or CloudEvents in JSON")]
pub(crate) struct Foreign(String);

/// Subtypes of `application/` and `text/` that are surely not JSON.
const FOREIGN: [&str; 12] = [
    "avro",
    "cbor",
    "cloudevents+avro",
    "cloudevents+protobuf",
    "csv",
    "html",
    "msgpack",
    "pdf",
    "protobuf",
    "xml",
    "yaml",
    "zip",
];

/// The framing that the headers ask for.
pub(crate) fn framing(headers: &HeaderMap) -> Result<Framing, Foreign> {
    let full = headers
        .get(header::CONTENT_TYPE)
        .map_or("", |v| v.to_str().unwrap_or(""));
    let essence = full
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "application/cloudevents+json" => return Ok(Framing::One),
        "application/cloudevents-batch+json" => return Ok(Framing::Array),
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines" => return Ok(Framing::Lines),
        _ => {}
    }
    let (kind, subtype) = essence.split_once('/').unwrap_or((&essence, ""));
    let foreign = match kind {
        "application" | "text" => {
            let plain = subtype.strip_prefix("x-").unwrap_or(subtype);
            FOREIGN.contains(&plain)
                || subtype.starts_with("vnd.google.protobuf")
                || subtype.ends_with("+xml")
        }
        "audio" | "font" | "image" | "model" | "multipart" | "video" => true,
        _ => false,
    };
    if foreign {
        return Err(Foreign(full.chars().take(100).collect()));
    }
    let binary = ["ce-specversion", "ce-type", "ce-id"]
        .iter()
        .any(|n| headers.contains_key(*n));
    Ok(if binary {
        Framing::Binary
    } else {
        Framing::Sniffed
    })
}

/// Whether data under this content type is JSON, as far as the name tells.
pub(crate) fn holds_json(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    essence.ends_with("+json") || matches!(essence.as_str(), "application/json" | "text/json")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(content_type: &'static str) -> Option<Framing> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        framing(&headers).ok()
    }

    #[test]
    fn types_that_may_hold_json_are_taken_and_foreign_ones_are_not() {
        for lenient in [
            "",
            "application/json; charset=utf-8",
            "text/plain;charset=UTF-8",
            "application/x-www-form-urlencoded",
            "application/octet-stream",
            "no type at all",
        ] {
            assert_eq!(of(lenient), Some(Framing::Sniffed), "{lenient}");
        }
        for foreign in [
            "application/xml",
            "text/XML; charset=utf-8",
            "application/soap+xml",
            "multipart/form-data; boundary=x",
            "application/x-protobuf",
            "application/cloudevents+protobuf",
            "image/png",
        ] {
            assert_eq!(of(foreign), None, "{foreign}");
        }
        assert_eq!(of("Application/X-NDJSON"), Some(Framing::Lines));
        assert_eq!(
            of("application/cloudevents+json; charset=utf-8"),
            Some(Framing::One)
        );
        assert_eq!(
            of("application/cloudevents-batch+json"),
            Some(Framing::Array)
        );
    }
}
