//! One event as a JSON object: CloudEvents' structured mode, with defaults for what may be left out.

use std::borrow::Cow;

use headgate_schemas::{
    event::{Data, Event, Violation, attribute_name},
    format,
    schema::Schema,
    walk::{Cursor, Kind, Syntax},
};

use super::{Bounds, Rules, attribute_fault, media};

/// An event as far as it could be read, and what is wrong with its attributes.
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    /// The attributes that were given and right. Empty `id`, `source` or `kind`: not given.
    pub(crate) event: Event<'a>,
    /// What is wrong; nothing of the event is taken unless this is empty.
    pub(crate) faults: Vec<Violation>,
    /// Why no schema is to be looked for.
    pub(crate) unknown: Option<Violation>,
    /// What in the data is not allowed, by other schemas than the event's own.
    pub(crate) invalid: Vec<Violation>,
    /// The event's schema, when the data was found to keep it while it was read and need not be read again.
    pub(crate) kept: Option<&'a Schema>,
    /// The data, where it was made of what was sent: the event then has none yet.
    pub(crate) made: Option<String>,
    seen: u16,
}

/// An attribute that Headgate knows by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    SpecVersion,
    Id,
    Source,
    Type,
    Time,
    DataSchema,
    Subject,
    ReceivedTime,
    SentTime,
    UserId,
    AnonymousId,
    Sdk,
    DataContentType,
    Data,
    DataBase64,
}

impl Known {
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "specversion" => Self::SpecVersion,
            "id" => Self::Id,
            "source" => Self::Source,
            "type" => Self::Type,
            "time" => Self::Time,
            "dataschema" => Self::DataSchema,
            "subject" => Self::Subject,
            "receivedtime" => Self::ReceivedTime,
            "senttime" => Self::SentTime,
            "userid" => Self::UserId,
            "anonymousid" => Self::AnonymousId,
            "sdk" => Self::Sdk,
            "datacontenttype" => Self::DataContentType,
            "data" => Self::Data,
            "data_base64" => Self::DataBase64,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::SpecVersion => "specversion",
            Self::Id => "id",
            Self::Source => "source",
            Self::Type => "type",
            Self::Time => "time",
            Self::DataSchema => "dataschema",
            Self::Subject => "subject",
            Self::ReceivedTime => "receivedtime",
            Self::SentTime => "senttime",
            Self::UserId => "userid",
            Self::AnonymousId => "anonymousid",
            Self::Sdk => "sdk",
            Self::DataContentType => "datacontenttype",
            Self::Data => "data",
            Self::DataBase64 => "data_base64",
        }
    }
}

/// Reads the object before the cursor. Wrong attributes are faults of the event; only broken JSON is an error.
pub(crate) fn read<'a>(cursor: &mut Cursor<'a>, rules: &Rules<'a>) -> Result<Draft<'a>, Syntax> {
    let mut draft = Draft::default();
    if cursor.kind()? != Kind::Object {
        cursor.skip()?;
        let message = "an event is a JSON object with at least a type".to_owned();
        draft.faults.push(Violation {
            pointer: String::new(),
            keyword: "event",
            message,
        });
        return Ok(draft);
    }
    let mut more = cursor.object()?;
    while more {
        let key = cursor.key()?;
        draft.member(&key.decode(), key.escaped, key.raw, cursor, rules)?;
        more = cursor.next_member()?;
    }
    draft.finish();
    Ok(draft)
}

impl<'a> Draft<'a> {
    fn member(
        &mut self,
        name: &str,
        escaped: bool,
        raw: &'a str,
        cursor: &mut Cursor<'a>,
        rules: &Rules<'a>,
    ) -> Result<(), Syntax> {
        let bounds = rules.bounds;
        match Known::of(name) {
            Some(Known::Data) => self.data(cursor, rules)?,
            Some(known) => match cursor.kind()? {
                Kind::String => {
                    let text = cursor.string()?.decode();
                    self.text(known, text, bounds);
                }
                // CloudEvents' JSON format: an attribute that is null is one that is not there.
                Kind::Null => drop(cursor.skip()?),
                _ => {
                    cursor.skip()?;
                    self.fault(known, "must be a string");
                }
            },
            None => {
                let name = if escaped {
                    Cow::Owned(name.to_owned())
                } else {
                    Cow::Borrowed(raw)
                };
                let kind = cursor.kind()?;
                let value = cursor.skip()?;
                self.extension(name, kind, value, bounds);
            }
        }
        Ok(())
    }

    /// Reads the data and, where the type stands before it, checks it on the way: most events are then read once.
    /// Data that fails, or whose schema is not known yet, is only delimited here and judged later.
    fn data(&mut self, cursor: &mut Cursor<'a>, rules: &Rules<'a>) -> Result<(), Syntax> {
        cursor.space();
        let start = cursor.at();
        let (kind, dataschema) = (&self.event.kind, self.event.dataschema.as_deref());
        let schema = if kind.is_empty() {
            None
        } else {
            rules.schemas.resolve(kind, dataschema).ok()
        };
        self.kept = schema
            .map(AsRef::as_ref)
            .filter(|schema: &&Schema| schema.passes(cursor, rules.bounds.depth_max));
        if self.kept.is_none() {
            cursor.skip()?;
        }
        self.first(Known::Data);
        self.event.data = Data::Json(cursor.slice(start, cursor.at()));
        Ok(())
    }

    /// Notes that an attribute was given; false, and a fault, when that was before too.
    fn first(&mut self, known: Known) -> bool {
        let bit = 1 << known as u16;
        let first = self.seen & bit == 0;
        self.seen |= bit;
        if !first {
            let message = format!("{} is given twice", known.name());
            self.faults
                .push(attribute_fault(known.name(), "duplicateKey", message));
        }
        first
    }

    fn fault(&mut self, known: Known, message: &str) {
        let message = format!("{} {message}", known.name());
        self.faults
            .push(attribute_fault(known.name(), known.name(), message));
    }

    /// Takes an attribute whose value is text.
    pub(crate) fn text(&mut self, known: Known, text: Cow<'a, str>, bounds: &Bounds) {
        if !self.first(known) {
            return;
        }
        if known == Known::DataBase64 {
            return self.fault(known, "is not taken: events carry JSON, in data");
        }
        if text.is_empty() {
            return self.fault(known, "must not be empty");
        }
        if text.len() > bounds.attribute_bytes_max {
            let found = format!(
                "has {} bytes, at most {} are allowed",
                text.len(),
                bounds.attribute_bytes_max
            );
            return self.fault(known, &found);
        }
        match known {
            Known::SpecVersion if text != "1.0" => {
                return self.fault(known, "must be 1.0, the version of CloudEvents");
            }
            Known::Time | Known::SentTime if format::date_time_micros(&text).is_none() => {
                return self.fault(
                    known,
                    "must be an RFC 3339 date-time such as 2026-11-22T20:07:54.123Z",
                );
            }
            Known::DataContentType if !media::holds_json(&text) => {
                return self.fault(known, "must be a JSON type: events carry JSON");
            }
            _ => {}
        }
        self.keep(known, text);
    }

    fn keep(&mut self, known: Known, text: Cow<'a, str>) {
        let event = &mut self.event;
        match known {
            Known::Id => event.id = text,
            Known::Source => event.source = text,
            Known::Type => event.kind = text,
            Known::Time => event.time = Some(text),
            Known::DataSchema => {
                event.dataschema = Some(text);
                // If the data stood before this, it was held against another version.
                self.kept = None;
            }
            Known::Subject => event.subject = Some(text),
            Known::SentTime => event.senttime = Some(text),
            Known::UserId => event.userid = Some(text),
            Known::AnonymousId => event.anonymousid = Some(text),
            Known::Sdk => event.sdk = Some(text),
            // The envelope says these itself: its data is JSON, and `receivedtime` is the gateway's to tell.
            Known::SpecVersion | Known::ReceivedTime | Known::DataContentType => {}
            Known::Data | Known::DataBase64 => {}
        }
    }

    /// Takes an attribute that Headgate does not know: a CloudEvents extension, passed on as it stands.
    pub(crate) fn extension(
        &mut self,
        name: Cow<'a, str>,
        kind: Kind,
        value: &'a str,
        bounds: &Bounds,
    ) {
        let fault = if !attribute_name(&name) {
            let hint = match Known::of(&name.to_ascii_lowercase().replace(['_', '-'], "")) {
                Some(known) => format!("; is {} meant?", known.name()),
                None => "; the event's own fields belong into data".to_owned(),
            };
            format!("is no attribute: names have lower-case letters and digits only{hint}")
        } else if matches!(kind, Kind::Object | Kind::Array) {
            "must be a string, number or boolean; the event's own fields belong into data"
                .to_owned()
        } else if kind == Kind::Null {
            return;
        } else if value.len() > bounds.attribute_bytes_max {
            format!(
                "has {} bytes, at most {} are allowed",
                value.len(),
                bounds.attribute_bytes_max
            )
        } else if self.event.extensions.len() >= bounds.extensions_max {
            format!(
                "is one too many: at most {} extensions are allowed",
                bounds.extensions_max
            )
        } else if self
            .event
            .extensions
            .iter()
            .any(|(other, _)| *other == name)
        {
            "is given twice".to_owned()
        } else {
            self.event.extensions.push((name, value));
            return;
        };
        // One fault a name would let a body of names grow a reply much larger than itself.
        if self.faults.len() < FAULTS_MAX {
            let shown: String = name.chars().take(NAME_SHOWN_CHARS).collect();
            self.faults.push(attribute_fault(
                &shown,
                "attribute",
                format!("{shown} {fault}"),
            ));
        }
    }

    /// To be called when all attributes were read.
    pub(crate) fn finish(&mut self) {
        if self.event.kind.is_empty() && self.seen & (1 << Known::Type as u16) == 0 {
            self.fault(Known::Type, "is required");
        }
        self.faults.truncate(FAULTS_MAX);
    }
}

/// Faults reported for one event.
const FAULTS_MAX: usize = 20;
/// Of a wrong name, what a message repeats.
const NAME_SHOWN_CHARS: usize = 64;
