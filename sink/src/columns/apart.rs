//! Values that have no place in a row unless they are not what they are expected to be.

use std::borrow::Cow;

use headgate_schemas::{
    event::Event,
    format::date_time_micros,
    landing::{Attribute, Implied},
    walk::{Cursor, Kind, Syntax},
};

/// Reads a value; returns it when it says something else than is expected.
pub(super) fn unexpected<'a>(
    implied: &Implied,
    event: &Event<'_>,
    cursor: &mut Cursor<'a>,
) -> Result<Option<&'a str>, Syntax> {
    let kind = cursor.kind()?;
    if kind == Kind::Null {
        return cursor.null().map(|()| None);
    }
    let start = cursor.at();
    let text = match kind {
        Kind::String => cursor.string().ok().map(|text| text.decode()),
        _ => None,
    };
    let (raw, text) = match text {
        Some(text) => (cursor.slice(start, cursor.at()), text),
        None => {
            let raw = cursor.skip()?;
            (raw, Cow::Borrowed(raw))
        }
    };
    Ok(Some(raw).filter(|_| !says(implied, event, &text)))
}

/// Whether the text says what is expected. Ids may be numbers in the data, and empty where there is none.
fn says(implied: &Implied, event: &Event<'_>, text: &str) -> bool {
    let attribute = match implied {
        Implied::Text(expected) => return text == expected,
        Implied::Envelope(attribute) => attribute,
    };
    let said = match attribute {
        Attribute::Id => Some(&event.id),
        Attribute::UserId => event.userid.as_ref(),
        Attribute::AnonymousId => event.anonymousid.as_ref(),
        Attribute::SentTime => event.senttime.as_ref(),
    };
    let said = said.map_or("", AsRef::as_ref);
    text == said
        || (*attribute == Attribute::SentTime
            && date_time_micros(text).is_some_and(|micros| date_time_micros(said) == Some(micros)))
}
