//! Reading the envelope, strictly, in one pass and without allocation in the common case.
//!
//! Accepted: one JSON object with `specversion` "1.0" and the non-empty strings `id`, `source` and `type`; any other
//! attribute at most once, its name of lower-case letters and digits, its value a string, number or boolean (`null`
//! means absent, as the CloudEvents JSON format says); `data` (any JSON) or `data_base64` (a string without
//! escapes), not both; nothing after the object. Attributes may come in any order.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::{Data, Event, attribute_name};
use crate::walk::{Cursor, Expected, Kind, Str, Syntax};

/// Why a record is not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The record is not JSON, or something follows the object.
    #[error("not JSON: {0}")]
    Syntax(#[from] Syntax),
    /// The record is JSON but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A required attribute is absent or empty.
    #[error("attribute `{0}` is missing or empty")]
    Missing(&'static str),
    /// `specversion` is not "1.0".
    #[error("specversion is `{0}`, only \"1.0\" is known")]
    SpecVersion(String),
    /// An attribute occurs twice.
    #[error("attribute `{0}` occurs more than once")]
    Duplicate(String),
    /// An attribute's name is not of lower-case letters and digits.
    #[error("`{0}` is not an attribute name: lower-case ASCII letters and digits are allowed")]
    Name(String),
    /// An attribute's value has the wrong type.
    #[error("attribute `{name}` must be {allowed}")]
    Value {
        /// The attribute.
        name: String,
        /// What its value may be.
        allowed: &'static str,
    },
    /// Both `data` and `data_base64` are present.
    #[error("both `data` and `data_base64` are present")]
    TwoPayloads,
}

impl<'a> Event<'a> {
    /// Reads one record whole. `depth_max` bounds the nesting of arrays and objects inside the data.
    ///
    /// # Errors
    /// When the record is not an event by the rules of this module.
    pub fn read(record: &'a str, depth_max: u32) -> Result<Event<'a>, Error> {
        let mut reading = Reading::start(record, depth_max)?;
        while reading.attribute()? {
            reading.payload()?;
        }
        reading.cursor.end()?;
        reading.finish()
    }

    /// Reads a record's attributes up to its data and leaves the data to the caller, whose cursor stands before it:
    /// one pass over the bytes then serves both. After the value the caller ends with [`close`].
    ///
    /// The event's `data` is [`Data::None`] when a cursor is returned. Without a cursor the event was read whole:
    /// it has no data, base64 data, or attributes behind its data, which Headgate never writes but others may.
    ///
    /// # Errors
    /// When what was read is not an event by the rules of this module.
    pub fn read_to_data(
        record: &'a str,
        depth_max: u32,
    ) -> Result<(Event<'a>, Option<Cursor<'a>>), Error> {
        let mut reading = Reading::start(record, depth_max)?;
        while reading.attribute()? {
            if reading.payload == Payload::Json && reading.complete() {
                let cursor = reading.cursor;
                return Ok((reading.finish()?, Some(cursor)));
            }
            reading.payload()?;
        }
        reading.cursor.end()?;
        Ok((reading.finish()?, None))
    }
}

/// Ends the reading of a record whose data was read through the cursor of [`Event::read_to_data`].
///
/// Returns false when attributes follow the data: read the record again with [`Event::read`].
///
/// # Errors
/// When the object does not end properly.
pub fn close(cursor: &mut Cursor<'_>) -> Result<bool, Syntax> {
    if cursor.next_member()? {
        return Ok(false);
    }
    cursor.end()?;
    Ok(true)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    Absent,
    /// `data` has occurred.
    Json,
    /// `data_base64` has occurred.
    Base64,
}

/// An envelope being read: the cursor is within the object.
struct Reading<'a> {
    cursor: Cursor<'a>,
    event: Event<'a>,
    /// Members were announced and not read yet.
    member: bool,
    payload: Payload,
    specversion: bool,
    /// A bit for each of [`NAMES`] that has occurred.
    seen: u16,
    /// The place in [`NAMES`] behind the last one that stood where it was expected.
    next: usize,
}

/// [`NAMES`], ready to be compared.
static ORDER: LazyLock<[Expected; 13]> = LazyLock::new(|| NAMES.map(Expected::new));

/// The known attributes in the order in which they are written; the data stands last.
const NAMES: [&str; 13] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "dataschema",
    "subject",
    "receivedtime",
    "senttime",
    "userid",
    "anonymousid",
    "sdk",
    "datacontenttype",
];

impl<'a> Reading<'a> {
    fn start(record: &'a str, depth_max: u32) -> Result<Self, Error> {
        // The envelope's own object is one level more than the data's.
        let mut cursor = Cursor::new(record, depth_max.saturating_add(1));
        if cursor.kind()? != Kind::Object {
            return Err(Error::NotAnObject);
        }
        let member = cursor.object()?;
        Ok(Self {
            cursor,
            event: Event::default(),
            member,
            payload: Payload::Absent,
            specversion: false,
            seen: 0,
            next: 0,
        })
    }

    /// Reads attributes; true when the cursor stands before a payload, false at the object's end.
    fn attribute(&mut self) -> Result<bool, Error> {
        while self.member {
            if let Some(place) = self.expected() {
                self.known(place)?;
                self.member = self.cursor.next_member()?;
                continue;
            }
            let key = self.cursor.key()?;
            let payload = match key.raw {
                "data" => Payload::Json,
                "data_base64" => Payload::Base64,
                _ => {
                    self.one_attribute(key)?;
                    self.member = self.cursor.next_member()?;
                    continue;
                }
            };
            match self.payload {
                Payload::Absent => self.payload = payload,
                known if known == payload => return Err(Error::Duplicate(key.raw.to_owned())),
                _ => return Err(Error::TwoPayloads),
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Reads the payload before which the cursor stands.
    fn payload(&mut self) -> Result<(), Error> {
        let base64 = self.payload == Payload::Base64;
        let null = self.cursor.kind()? == Kind::Null;
        let data = if base64 && null {
            self.cursor.null()?;
            Data::None
        } else if base64 {
            match self.text_of("data_base64")? {
                Str {
                    raw,
                    escaped: false,
                } => Data::Base64(raw),
                _ => return Err(value("data_base64", "a base64 string without escapes")),
            }
        } else {
            Data::Json(self.cursor.skip()?)
        };
        self.event.data = data;
        self.member = self.cursor.next_member()?;
        Ok(())
    }

    /// Reads the key of the next attribute if it is one that may follow in the written order; its place.
    #[inline]
    fn expected(&mut self) -> Option<usize> {
        self.cursor.space();
        let ahead = &ORDER[self.next..];
        let place = self.next + ahead.iter().position(|key| self.cursor.take(key))?;
        self.next = place + 1;
        Some(place)
    }

    fn one_attribute(&mut self, key: Str<'a>) -> Result<(), Error> {
        match NAMES.iter().position(|name| *name == key.raw) {
            Some(place) => self.known(place),
            None => self.extension(&key),
        }
    }

    /// Reads the value of a known attribute.
    #[inline]
    fn known(&mut self, place: usize) -> Result<(), Error> {
        if self.seen & (1 << place) != 0 {
            return Err(Error::Duplicate(NAMES[place].to_owned()));
        }
        self.seen |= 1 << place;
        // Nearly every value is a string; what is none leaves the cursor where it was.
        let Ok(text) = self.cursor.string() else {
            return self.no_text(place);
        };
        let text = text.decode();
        match place {
            0 if text == "1.0" => self.specversion = true,
            0 => return Err(Error::SpecVersion(text.into_owned())),
            1 => self.event.id = text,
            2 => self.event.source = text,
            3 => self.event.kind = text,
            _ => *self.optional(place) = Some(text),
        }
        Ok(())
    }

    /// The value of a known attribute that is no string: null, or an error.
    #[cold]
    fn no_text(&mut self, place: usize) -> Result<(), Error> {
        if self.cursor.kind()? == Kind::Null {
            return Ok(self.cursor.null()?);
        }
        self.text_of(NAMES[place]).map(drop)
    }

    fn optional(&mut self, place: usize) -> &mut Option<Cow<'a, str>> {
        match place {
            4 => &mut self.event.time,
            5 => &mut self.event.dataschema,
            6 => &mut self.event.subject,
            7 => &mut self.event.receivedtime,
            8 => &mut self.event.senttime,
            9 => &mut self.event.userid,
            10 => &mut self.event.anonymousid,
            11 => &mut self.event.sdk,
            _ => &mut self.event.datacontenttype,
        }
    }

    fn extension(&mut self, key: &Str<'a>) -> Result<(), Error> {
        if !attribute_name(key.raw) {
            return Err(Error::Name(key.decode().into_owned()));
        }
        if self
            .event
            .extensions
            .iter()
            .any(|(name, _)| name == key.raw)
        {
            return Err(Error::Duplicate(key.raw.to_owned()));
        }
        match self.cursor.kind()? {
            Kind::Null => self.cursor.null()?,
            Kind::Object | Kind::Array => {
                return Err(value(key.raw, "a string, a number or a boolean"));
            }
            Kind::String | Kind::Number | Kind::Bool => {
                let text = self.cursor.skip()?;
                self.event.extensions.push((Cow::Borrowed(key.raw), text));
            }
        }
        Ok(())
    }

    fn text_of(&mut self, name: &str) -> Result<Str<'a>, Error> {
        match self.cursor.kind()? {
            Kind::String => Ok(self.cursor.string()?),
            _ => Err(value(name, "a string")),
        }
    }

    /// Whether the required attributes have occurred: if not, they may still follow behind the data.
    fn complete(&self) -> bool {
        self.specversion && self.seen & 0b1110 == 0b1110
    }

    fn finish(self) -> Result<Event<'a>, Error> {
        if !self.specversion {
            return Err(Error::Missing("specversion"));
        }
        let Event {
            id, source, kind, ..
        } = &self.event;
        for (name, text) in [("id", id), ("source", source), ("type", kind)] {
            if text.is_empty() {
                return Err(Error::Missing(name));
            }
        }
        Ok(self.event)
    }
}

fn value(name: &str, allowed: &'static str) -> Error {
    Error::Value {
        name: name.to_owned(),
        allowed,
    }
}
