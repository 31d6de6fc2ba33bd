//! Self-describing JSON in a parameter: the event itself, and the entities around it. What is in them is taken as it
//! stands.
//!
//! <https://docs.snowplow.io/docs/sources/trackers/snowplow-tracker-protocol/custom-events/>

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use headgate_schemas::{
    iglu::Name,
    walk::{Cursor, Kind, Syntax},
};

use super::fields::Code;

/// Why a parameter holds no self-describing JSON.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("is not Base64")]
    Base64,
    #[error("is not UTF-8 within its Base64")]
    Encoding,
    #[error("is not JSON: {0}")]
    Syntax(#[from] Syntax),
    #[error("is not {0}")]
    Shape(&'static str),
    #[error("has the schema {0:?}, which is none of Iglu's (iglu:vendor/name/jsonschema/1-0-0)")]
    Schema(String),
}

impl Error {
    /// As violations are told apart.
    pub(super) fn keyword(&self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Encoding => "encoding",
            Self::Syntax(_) => "syntax",
            Self::Shape(_) => "type",
            Self::Schema(_) => "schema",
        }
    }
}

const EVENT: &str =
    r#"an event: {"schema": "iglu:...", "data": {"schema": "iglu:...", "data": {...}}}"#;
const ENTITIES: &str =
    r#"entities: {"schema": "iglu:...", "data": [{"schema": "iglu:...", "data": {...}}, ...]}"#;
const SCHEMA_SHOWN_CHARS: usize = 128;

/// Trackers pad or do not.
const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);

/// The JSON text in a parameter.
pub(super) fn decode<'a>(value: &'a str, code: Code) -> Result<Cow<'a, str>, Error> {
    if code == Code::Plain {
        return Ok(Cow::Borrowed(value));
    }
    // In a form `+` has become a space on the way.
    let decoded = match memchr::memchr3(b'+', b'/', b' ', value.as_bytes()) {
        None => URL_SAFE.decode(value),
        Some(_) => STANDARD.decode(value.replace(' ', "+")),
    };
    let text = String::from_utf8(decoded.map_err(|_| Error::Base64)?);
    text.map(Cow::Owned).map_err(|_| Error::Encoding)
}

/// A self-describing JSON: its schema, and the whole of it.
#[derive(Debug)]
pub(super) struct Described<'a> {
    pub(super) schema: Cow<'a, str>,
    pub(super) text: &'a str,
}

/// The event in its wrapping.
pub(super) fn event(text: &str) -> Result<Described<'_>, Error> {
    let mut cursor = Cursor::new(text, u32::MAX);
    let outer = members(&mut cursor, EVENT)?;
    cursor.end()?;
    let mut data = Cursor::new(outer.data.ok_or(Error::Shape(EVENT))?, u32::MAX);
    described(&mut data, EVENT)
}

/// The entities in their wrapping: the text of an array.
pub(super) fn entities(text: &str) -> Result<&str, Error> {
    let mut cursor = Cursor::new(text, u32::MAX);
    let outer = members(&mut cursor, ENTITIES)?;
    cursor.end()?;
    let array = outer.data.ok_or(Error::Shape(ENTITIES))?;
    let mut data = Cursor::new(array, u32::MAX);
    if data.kind()? != Kind::Array {
        return Err(Error::Shape(ENTITIES));
    }
    let mut more = data.array()?;
    while more {
        described(&mut data, ENTITIES)?;
        more = data.next_element()?;
    }
    Ok(array)
}

fn described<'a>(cursor: &mut Cursor<'a>, shape: &'static str) -> Result<Described<'a>, Error> {
    cursor.space();
    let start = cursor.at();
    let found = members(cursor, shape)?;
    let text = cursor.slice(start, cursor.at());
    let (Some(schema), Some(_)) = (found.schema, found.data) else {
        return Err(Error::Shape(shape));
    };
    if Name::of(&schema).is_none() {
        let shown = schema.chars().take(SCHEMA_SHOWN_CHARS).collect();
        return Err(Error::Schema(shown));
    }
    Ok(Described { schema, text })
}

/// What makes a JSON describe itself.
#[derive(Default)]
struct Members<'a> {
    schema: Option<Cow<'a, str>>,
    data: Option<&'a str>,
}

fn members<'a>(cursor: &mut Cursor<'a>, shape: &'static str) -> Result<Members<'a>, Error> {
    if cursor.kind()? != Kind::Object {
        return Err(Error::Shape(shape));
    }
    let mut found = Members::default();
    let mut more = cursor.object()?;
    while more {
        let key = cursor.key()?;
        if key.is("schema") && cursor.kind()? == Kind::String {
            found.schema = Some(cursor.string()?.decode());
        } else {
            cursor.space();
            let value = cursor.skip()?;
            if key.is("data") {
                found.data = Some(value);
            }
        }
        more = cursor.next_member()?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: &str = r#"{"schema":"iglu:com.example/a/jsonschema/1-0-0", "data" : {"n": 1.50}}"#;

    fn wrapped(data: &str) -> String {
        format!(
            r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/x/jsonschema/1-0-0","data": {data}}}"#
        )
    }

    #[test]
    fn what_is_wrapped_is_taken_as_it_stands() {
        let text = wrapped(INNER);
        let found = event(&text).unwrap();
        assert_eq!(found.text, INNER);
        assert_eq!(found.schema, "iglu:com.example/a/jsonschema/1-0-0");
        let array = format!("[ {INNER}, {INNER}]");
        assert_eq!(entities(&wrapped(&array)).unwrap(), array);
        assert_eq!(entities(&wrapped("[]")).unwrap(), "[]");
    }

    #[test]
    fn what_does_not_describe_itself_is_refused() {
        let keyword = |text: &str| event(text).map(drop).unwrap_err().keyword();
        for text in ["", "{", "{}x"] {
            assert_eq!(keyword(text), "syntax", "{text}");
        }
        for text in ["[]", "{}", INNER, &wrapped("[]"), &wrapped("{\"data\":{}}")] {
            assert_eq!(keyword(text), "type", "{text}");
        }
        let other = wrapped(r#"{"schema":"com.example/a","data":{}}"#);
        assert_eq!(keyword(&other), "schema");
        for text in [wrapped("{}"), wrapped("[1]"), wrapped(r#"[{"data":1}]"#)] {
            assert_eq!(entities(&text).unwrap_err().keyword(), "type", "{text}");
        }
    }

    #[test]
    fn base64_is_read_in_either_alphabet_with_padding_or_without() {
        for value in [
            "eyJhIjoiPz8-In0=",
            "eyJhIjoiPz8-In0",
            "eyJhIjoiPz8+In0=",
            "eyJhIjoiPz8 In0",
        ] {
            assert_eq!(decode(value, Code::Base64).unwrap(), r#"{"a":"??>"}"#);
        }
        assert_eq!(decode("%", Code::Base64), Err(Error::Base64));
        assert_eq!(decode("_w", Code::Base64), Err(Error::Encoding));
        assert_eq!(decode("{", Code::Plain).unwrap(), "{");
    }
}
