//! CloudEvents' binary mode over HTTP: attributes as `ce-` headers, the body is the data.

use std::borrow::Cow;

use headgate_schemas::{
    event::{Data, write_string},
    walk::{Cursor, Kind},
};
use http::HeaderMap;

use super::{
    Bounds, Error, Text, attribute_fault,
    draft::{Draft, Known},
};

/// A request in binary mode.
pub(crate) struct Binary {
    /// The names of the `ce-` headers, and what they say; `None`: not percent-encoded UTF-8.
    attributes: Vec<(String, Option<String>)>,
    /// Extensions' values as JSON strings: headers are text, the envelope is JSON.
    quoted: Vec<(String, String)>,
    text: Text,
}

impl Binary {
    pub(crate) fn new(headers: &HeaderMap, text: Text) -> Self {
        let (mut attributes, mut quoted) = (Vec::new(), Vec::new());
        for (name, value) in headers {
            let Some(name) = name.as_str().strip_prefix("ce-") else {
                continue;
            };
            let value = decode(value.as_bytes());
            match &value {
                Some(text) if Known::of(name).is_none() => {
                    let mut json = Vec::with_capacity(text.len() + 2);
                    write_string(text, &mut json);
                    let json = String::from_utf8_lossy(&json).into_owned();
                    quoted.push((name.to_owned(), json));
                }
                _ => attributes.push((name.to_owned(), value)),
            }
        }
        Self {
            attributes,
            quoted,
            text,
        }
    }

    /// The body, which is the data.
    pub(crate) fn text(&self) -> &Text {
        &self.text
    }
}

/// The one event of a request in binary mode.
pub(crate) fn read<'a>(binary: &'a Binary, bounds: &Bounds) -> Result<Draft<'a>, Error> {
    let mut draft = Draft::default();
    for (name, value) in &binary.attributes {
        match (Known::of(name), value) {
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
            (Some(known), Some(text)) => draft.text(known, Cow::Borrowed(text), bounds),
            (None, Some(_)) => {}
        }
    }
    for (name, value) in &binary.quoted {
        draft.extension(Cow::Borrowed(name), Kind::String, value, bounds);
    }
    let body = binary.text.text();
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
