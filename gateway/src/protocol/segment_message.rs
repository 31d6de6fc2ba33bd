//! One message of Segment's tracking API: which event it is, whose, and when it happened. The message itself is the
//! event's data, byte for byte.
//!
//! <https://segment.com/docs/connections/spec/common/>

use std::borrow::Cow;

use headgate_schemas::{
    event::{Data, Violation},
    format,
    names::snake_case,
    walk::{Cursor, Kind, Syntax},
};

use super::{Error, Rules, attribute_fault, draft::Draft};
use crate::sources::Policy;

/// What a message reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

impl Call {
    /// By its name, or by the letter that browsers save bytes with.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "track" | "t" => Self::Track,
            "identify" | "i" => Self::Identify,
            "page" | "p" => Self::Page,
            "screen" | "s" => Self::Screen,
            "group" | "g" => Self::Group,
            "alias" | "a" => Self::Alias,
            _ => return None,
        })
    }

    /// Its name: the type of its events too, unless a schema describes the track call.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }

    /// What stands for its pixel.
    pub(super) fn pixel(self) -> &'static str {
        match self {
            Self::Track => "pixel/track",
            Self::Identify => "pixel/identify",
            Self::Page => "pixel/page",
            Self::Screen => "pixel/screen",
            Self::Group => "pixel/group",
            Self::Alias => "pixel/alias",
        }
    }
}

/// What is read of a message before it is known what it is.
#[derive(Default)]
struct Common<'a> {
    call: Option<Call>,
    event: Option<Cow<'a, str>>,
    sent: Option<Cow<'a, str>>,
    original: Option<Cow<'a, str>>,
    timestamp: Option<Cow<'a, str>>,
}

/// The longest text that is read as a time, in bytes.
const TIME_BYTES_MAX: usize = 64;

/// What the request says of its client's clock.
#[derive(Clone, Copy)]
pub(super) struct Clock<'s> {
    /// When all messages together were sent.
    pub(super) sent: Option<&'s str>,
    /// Whether times are corrected by it.
    pub(super) corrected: bool,
}

/// A time as SDKs write it, in microseconds since the epoch.
pub(super) fn time(text: &str) -> Option<i64> {
    match text.len() <= TIME_BYTES_MAX {
        true => format::date_time_micros(text),
        false => None,
    }
}

/// Reads the message before the cursor. What is wrong with it is a fault of the event; only broken JSON is an error.
///
/// `call` is what the path says.
pub(super) fn read<'a>(
    cursor: &mut Cursor<'a>,
    call: Option<Call>,
    clock: Clock<'_>,
    rules: &Rules<'a>,
) -> Result<Draft<'a>, Syntax> {
    let mut draft = Draft::default();
    let start = cursor.at();
    if cursor.kind()? != Kind::Object {
        cursor.skip()?;
        draft.faults.push(Violation {
            pointer: String::new(),
            keyword: "event",
            message: "a message is a JSON object".to_owned(),
        });
        return Ok(draft);
    }
    let mut common = Common {
        call,
        ..Common::default()
    };
    let mut more = cursor.object()?;
    while more {
        let key = cursor.key()?;
        member(&key.decode(), cursor, rules, &mut common, &mut draft)?;
        more = cursor.next_member()?;
    }
    let message = cursor.slice(start, cursor.at());
    draft.event.data = Data::Json(message);
    draft.event.source = Cow::Borrowed(&rules.source.name);
    times(&common, clock, rules.received_micros, &mut draft);
    match common.call {
        Some(Call::Track) => track(common.event.as_deref(), rules, &mut draft),
        Some(call) => draft.event.kind = Cow::Borrowed(call.name()),
        None => {
            let known = "type is required: track, identify, page, screen, group or alias";
            draft.faults.push(attribute_fault("type", "type", known));
        }
    }
    if draft.faults.is_empty() && draft.unknown.is_none() {
        let schema = rules
            .schemas
            .resolve(&draft.event.kind, draft.event.dataschema.as_deref());
        let mut data = Cursor::new(message, u32::MAX);
        draft.kept = schema
            .ok()
            .map(AsRef::as_ref)
            .filter(|schema| schema.passes(&mut data, rules.bounds.depth_max));
    }
    Ok(draft)
}

fn member<'a>(
    name: &str,
    cursor: &mut Cursor<'a>,
    rules: &Rules<'a>,
    common: &mut Common<'a>,
    draft: &mut Draft<'a>,
) -> Result<(), Syntax> {
    let wanted = matches!(
        name,
        "type"
            | "event"
            | "messageId"
            | "userId"
            | "anonymousId"
            | "sentAt"
            | "originalTimestamp"
            | "timestamp"
    );
    if !wanted {
        return cursor.skip().map(drop);
    }
    let text = match cursor.kind()? {
        Kind::String => cursor.string()?.decode(),
        // SDKs pass on what they are given, and users have numbers.
        Kind::Number if matches!(name, "userId" | "anonymousId") => Cow::Borrowed(cursor.skip()?),
        _ => return cursor.skip().map(drop),
    };
    match name {
        "type" => common.call = Call::of(&text).or(common.call),
        "event" => {
            if common.event.replace(text).is_some() {
                let found = "event is given more than once";
                draft
                    .faults
                    .push(attribute_fault(name, "duplicateKey", found));
            }
        }
        "sentAt" => common.sent = Some(text),
        "originalTimestamp" => common.original = Some(text),
        "timestamp" => common.timestamp = Some(text),
        _ => identity(name, text, rules, draft),
    }
    Ok(())
}

fn identity<'a>(name: &str, text: Cow<'a, str>, rules: &Rules<'a>, draft: &mut Draft<'a>) {
    let bytes_max = rules.bounds.attribute_bytes_max;
    if text.is_empty() {
        return;
    }
    if text.len() > bytes_max {
        let found = format!(
            "{name} has {} bytes, at most {bytes_max} are allowed",
            text.len()
        );
        draft.faults.push(attribute_fault(name, "maxLength", found));
        return;
    }
    match name {
        "messageId" => draft.event.id = text,
        "userId" => draft.event.userid = Some(text),
        _ => draft.event.anonymousid = Some(text),
    }
}

/// When it happened by a right clock: the client's clock is off by as much as its time of sending is off ours.
/// A message that does not say happened when it came. What is no time is left in the data.
fn times(common: &Common<'_>, clock: Clock<'_>, received_micros: i64, draft: &mut Draft<'_>) {
    let read = |text: &str| time(text).map(|micros| (micros, text.to_owned()));
    let sent = clock.sent.or(common.sent.as_deref()).and_then(read);
    let happened = [&common.timestamp, &common.original]
        .into_iter()
        .flatten()
        .find_map(|text| read(text));
    draft.event.time = match (&happened, &sent) {
        (Some((happened, _)), Some((sent, _))) if clock.corrected => {
            let corrected = received_micros.saturating_add(happened.saturating_sub(*sent));
            Some(Cow::Owned(date_time(corrected)))
        }
        (Some((_, happened)), _) => Some(Cow::Owned(happened.clone())),
        (None, _) => Some(Cow::Owned(date_time(received_micros))),
    };
    draft.event.senttime = sent.map(|(_, text)| Cow::Owned(text));
}

pub(super) fn date_time(micros: i64) -> String {
    let mut text = Vec::with_capacity(32);
    format::write_date_time(micros, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A track call's type: that of its schema, looked up as the source's own first, else the one that takes any.
fn track<'a>(event: Option<&str>, rules: &Rules<'a>, draft: &mut Draft<'a>) {
    let Some(event) = event.filter(|event| !event.is_empty()) else {
        let message = "a track call has an event: its name";
        draft
            .faults
            .push(attribute_fault("event", "required", message));
        return;
    };
    let name = snake_case(event);
    let own = format!("{}.{name}", rules.source.name);
    let described = [own, name].into_iter().find_map(|kind| {
        let schema = rules.schemas.resolve(&kind, None).ok()?;
        schema.track().then_some(kind)
    });
    draft.event.kind = match (described, rules.source.policy) {
        (Some(kind), _) => Cow::Owned(kind),
        (None, Policy::Capture) => Cow::Borrowed(Call::Track.name()),
        (None, Policy::Strict) => {
            let message = format!(
                "no schema describes the track call {event:?}, and the source {} is strict",
                rules.source.name
            );
            draft.unknown = Some(attribute_fault("event", "event", message));
            Cow::Owned(snake_case(event))
        }
    };
}

/// The write key in a message.
pub(super) fn key(text: &str) -> Option<Cow<'_, str>> {
    let mut cursor = Cursor::new(text, u32::MAX);
    let mut more = cursor.object().ok()?;
    while more {
        let name = cursor.key().ok()?;
        if name.is(super::key::PARAMETER) && cursor.kind().ok()? == Kind::String {
            return Some(cursor.string().ok()?.decode());
        }
        cursor.skip().ok()?;
        more = cursor.next_member().ok()?;
    }
    None
}

/// The batch with its context in each message that has none, in at most so many bytes.
pub(super) fn with_context(batch: &str, context: &str, bytes_max: usize) -> Result<String, Error> {
    let mut shared = String::with_capacity(batch.len() + context.len());
    let mut cursor = Cursor::new(batch, u32::MAX);
    let mut copied = 0;
    let mut more = cursor.array()?;
    while more {
        let is_object = cursor.kind()? == Kind::Object;
        let start = cursor.at();
        let message = cursor.skip()?;
        if is_object && !has_context(message)? {
            shared.push_str(&batch[copied..=start]);
            shared.push_str("\"context\":");
            shared.push_str(context);
            let rest = &message[1..];
            if !rest.trim_start().starts_with('}') {
                shared.push(',');
            }
            copied = start + 1;
        }
        // What is still to be copied counts too.
        if shared.len() + (batch.len() - copied) > bytes_max {
            return Err(Error::TooLong { bytes_max });
        }
        more = cursor.next_element()?;
    }
    shared.push_str(&batch[copied..]);
    Ok(shared)
}

fn has_context(message: &str) -> Result<bool, Syntax> {
    let mut cursor = Cursor::new(message, u32::MAX);
    let mut more = cursor.object()?;
    while more {
        if cursor.key()?.is("context") {
            return Ok(true);
        }
        cursor.skip()?;
        more = cursor.next_member()?;
    }
    Ok(false)
}
