//! CloudEvents' binary mode over HTTP: attributes as `ce-` headers, the body is the data.

use std::borrow::Cow;

use headgate_schemas::{
    event::{Data, write_string},
    walk::{Cursor, Kind},
};
use http::HeaderMap;

use super::{
    Bounds, Error, attribute_fault,
    media::Framing,
    native::{Draft, Known},
};

/// An extension's value as a JSON string: headers are text, the envelope is JSON.
pub(crate) type Quoted = Vec<(String, String)>;

/// In binary mode, writes the values of the extensions among the headers as JSON strings, for [`read`] to borrow.
pub(crate) fn quote_extensions(headers: &HeaderMap, framing: Framing) -> Quoted {
    let mut quoted = Quoted::new();
    if framing != Framing::Binary {
        return quoted;
    }
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else {
            continue;
        };
        if Known::of(name).is_some() {
            continue;
        }
        let Some(text) = decode(value.as_bytes()) else {
            continue;
        };
        let mut json = Vec::with_capacity(text.len() + 2);
        write_string(&text, &mut json);
        quoted.push((name.to_owned(), String::from_utf8_lossy(&json).into_owned()));
    }
    quoted
}

/// The one event of a request in binary mode.
pub(crate) fn read<'a>(
    headers: &HeaderMap,
    quoted: &'a Quoted,
    body: &'a str,
    bounds: &Bounds,
) -> Result<Draft<'a>, Error> {
    let mut draft = Draft::default();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else {
            continue;
        };
        match (Known::of(name), decode(value.as_bytes())) {
            (_, None) => {
                let message = format!("{name} is not percent-encoded UTF-8");
                draft
                    .faults
                    .push(attribute_fault(name, "encoding", message));
            }
            (Some(Known::Data | Known::DataBase64), _) => {
                let message = format!("{name} is no header: the body is the data");
                draft
                    .faults
                    .push(attribute_fault(name, "attribute", message));
            }
            (Some(known), Some(text)) => draft.text(known, Cow::Owned(text), bounds),
            (None, Some(_)) => {}
        }
    }
    for (name, value) in quoted {
        draft.extension(Cow::Borrowed(name), Kind::String, value, bounds);
    }
    let mut cursor = Cursor::new(body, u32::MAX);
    cursor.space();
    if cursor.at() < body.len() {
        draft.event.data = Data::Json(cursor.skip()?);
        cursor.end()?;
    }
    draft.finish();
    Ok(draft)
}

/// A header's value: percent-encoded UTF-8, in double quotes or not.
fn decode(value: &[u8]) -> Option<String> {
    let value = value
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""))
        .unwrap_or(value);
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        let hex = |at: usize| behind.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &behind[2..];
            }
            _ => out.push(*byte),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_are_percent_decoded() {
        assert_eq!(
            decode(b"Euro%20%E2%82%AC%20%F0%9F%98%80").as_deref(),
            Some("Euro € 😀")
        );
        assert_eq!(decode(b"\"quoted\"").as_deref(), Some("quoted"));
        assert_eq!(decode(b"100%").as_deref(), Some("100%"));
        assert_eq!(decode("plain €".as_bytes()).as_deref(), Some("plain €"));
        assert_eq!(decode(b"%ff"), None);
    }
}
