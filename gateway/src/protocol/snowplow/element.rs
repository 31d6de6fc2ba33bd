//! One event of a tracker: an object of parameters, all of them texts, and the canonical event that is made of it.

use std::borrow::Cow;

use headgate_schemas::{
    event::{Violation, write_string},
    sdk::SNOWPLOW_EVENT,
    walk::{Cursor, Kind, Syntax},
};

mod finish;

use super::super::{Rules, attribute_fault, draft::Draft};
use super::{
    client::Client,
    described,
    fields::{self, Code, Found, Id, Seen, Time},
    row::Row,
};

/// Faults reported for one event.
const FAULTS_MAX: usize = 20;
/// Of a wrong value or name, what a message repeats.
const SHOWN_CHARS: usize = 64;
/// Milliseconds since the epoch at the end of the year 9999, the last that RFC 3339 can write.
const MILLIS_MAX: i64 = 253_402_300_799_999;
/// What a row has beyond its event's bytes: longer names, and what the request tells.
const ROW_BYTES: usize = 1024;

/// Reads the event before the cursor. What is wrong with it is a fault of the event; only broken JSON is an error.
pub(super) fn read<'a>(
    cursor: &mut Cursor<'a>,
    client: &Client,
    rules: &Rules<'a>,
) -> Result<Draft<'a>, Syntax> {
    let mut draft = Draft::default();
    draft.event.kind = Cow::Borrowed(SNOWPLOW_EVENT);
    draft.event.source = Cow::Borrowed(&rules.source.name);
    if cursor.kind()? != Kind::Object {
        cursor.skip()?;
        draft.faults.push(Violation {
            pointer: String::new(),
            keyword: "event",
            message: "an event is a JSON object of the parameters of Snowplow's tracker protocol"
                .to_owned(),
        });
        return Ok(draft);
    }
    let mut ahead = *cursor;
    let mut reading = Reading {
        client,
        id_bytes_max: rules.bounds.attribute_bytes_max,
        draft,
        row: Row::new(ahead.skip()?.len() + ROW_BYTES),
        seen: Seen::default(),
        event: None,
        network: [None, None],
        schema: None,
        unstruct: None,
        contexts: None,
        times: Times::default(),
    };
    let mut more = cursor.object()?;
    while more {
        let name = cursor.key()?.decode();
        match cursor.kind()? {
            Kind::String => reading.parameter(&name, cursor.string()?.decode()),
            // Trackers are to send texts; some do not.
            Kind::Number | Kind::Bool => reading.parameter(&name, Cow::Borrowed(cursor.skip()?)),
            Kind::Null => drop(cursor.skip()?),
            Kind::Object | Kind::Array => reading.structured(&name, cursor.skip()?),
        }
        more = cursor.next_member()?;
    }
    Ok(reading.finish(rules))
}

/// By the client's clock, in microseconds since the epoch.
#[derive(Default)]
struct Times {
    created: Option<i64>,
    sent: Option<i64>,
    truly: Option<i64>,
}

/// An event as far as it is read.
struct Reading<'a, 'c> {
    client: &'c Client,
    id_bytes_max: usize,
    draft: Draft<'a>,
    row: Row,
    seen: Seen,
    /// Vendor and name, unless they stand in the event itself.
    event: Option<Option<(&'static str, &'static str)>>,
    /// `tnuid`, and `nuid`.
    network: [Option<Cow<'a, str>>; 2],
    /// Of the event itself.
    schema: Option<String>,
    unstruct: Option<String>,
    contexts: Option<String>,
    times: Times,
}

impl<'a> Reading<'a, '_> {
    /// Takes a parameter. Where an event is of JSON that is not coded, it may be no text.
    fn structured(&mut self, name: &str, json: &'a str) {
        let plain = matches!(
            fields::of(name).map(|found| found.field.kind),
            Some(fields::Kind::Unstruct(Code::Plain) | fields::Kind::Contexts(Code::Plain))
        );
        match plain {
            true => self.parameter(name, Cow::Borrowed(json)),
            false => self.keep(name, json),
        }
    }

    fn parameter(&mut self, name: &str, value: Cow<'a, str>) {
        // What is empty says nothing.
        if value.is_empty() {
            return;
        }
        let Some(found) = fields::of(name) else {
            return self.keep_text(name, &value);
        };
        if let fields::Kind::Network = found.field.kind {
            return self.network(name, value);
        }
        if self.client.anonymous && found.field.kind == fields::Kind::Ip {
            return;
        }
        if self.seen.again(&found) {
            return self.keep_text(name, &value);
        }
        self.field(name, &found, value);
    }

    fn field(&mut self, parameter: &str, found: &Found, value: Cow<'a, str>) {
        let (name, row) = (found.field.name, &mut self.row);
        let fits = match found.field.kind {
            fields::Kind::Text | fields::Kind::Ip => {
                row.text(name, &value);
                true
            }
            fields::Kind::Integer => row.whole(name, &value),
            fields::Kind::Number => row.number(name, &value),
            fields::Kind::Flag => row.flag(name, &value),
            fields::Kind::Size(second) => row.size([name, second], &value),
            fields::Kind::Address(parts) => {
                row.address(name, parts, &value);
                true
            }
            fields::Kind::Time(time) => self.time(name, time, &value),
            fields::Kind::Id(id) => return self.id(parameter, name, id, value),
            fields::Kind::Event => return self.event(&value),
            fields::Kind::Unstruct(code) => return self.unstruct(parameter, code, &value),
            fields::Kind::Contexts(code) => return self.contexts(parameter, code, &value),
            fields::Kind::Network => true,
        };
        if !fits {
            self.keep_text(parameter, &value);
        }
    }

    fn time(&mut self, name: &str, time: Time, value: &str) -> bool {
        let millis = value.trim().parse().ok();
        let Some(millis) = millis.filter(|millis| (0..=MILLIS_MAX).contains(millis)) else {
            return false;
        };
        let micros = millis * 1000;
        self.row.time(name, micros);
        let place = match time {
            Time::Created => &mut self.times.created,
            Time::Sent => &mut self.times.sent,
            Time::True => &mut self.times.truly,
        };
        *place = Some(micros);
        true
    }

    fn id(&mut self, parameter: &str, name: &str, id: Id, value: Cow<'a, str>) {
        if value.len() > self.id_bytes_max {
            let message = format!(
                "{parameter} has {} bytes, at most {} are allowed",
                value.len(),
                self.id_bytes_max
            );
            return self.fault(parameter, "maxLength", message);
        }
        self.row.text(name, &value);
        let event = &mut self.draft.event;
        match id {
            Id::Event => event.id = value,
            Id::User => event.userid = Some(value),
            Id::Domain => event.anonymousid = Some(value),
        }
    }

    fn event(&mut self, letters: &str) {
        let Some((event, named)) = fields::event(letters) else {
            let shown: String = letters.chars().take(SHOWN_CHARS).collect();
            let message = format!("e is {shown:?}; allowed are pv, pp, se, ue, tr and ti");
            return self.fault("e", "enum", message);
        };
        self.row.text("event", event);
        self.event = Some(named);
    }

    /// `tnuid` before `nuid`; neither of someone who wants to be nobody.
    fn network(&mut self, name: &str, value: Cow<'a, str>) {
        if self.client.anonymous {
            return;
        }
        let place = usize::from(name == "nuid");
        match &self.network[place] {
            Some(_) => self.keep_text(name, &value),
            None => self.network[place] = Some(value),
        }
    }

    fn unstruct(&mut self, parameter: &str, code: Code, value: &str) {
        let read = || {
            let text = described::decode(value, code)?;
            let event = described::event(&text)?;
            Ok((event.schema.into_owned(), event.text.to_owned()))
        };
        match read() {
            Ok((schema, text)) => (self.schema, self.unstruct) = (Some(schema), Some(text)),
            Err(error) => self.undescribed(parameter, &error),
        }
    }

    fn contexts(&mut self, parameter: &str, code: Code, value: &str) {
        let read = || {
            let text = described::decode(value, code)?;
            described::entities(&text).map(str::to_owned)
        };
        match read() {
            Ok(array) => self.contexts = Some(array),
            Err(error) => self.undescribed(parameter, &error),
        }
    }

    fn undescribed(&mut self, parameter: &str, error: &described::Error) {
        let message = format!("{parameter} {error}");
        self.fault(parameter, error.keyword(), message);
    }

    fn keep_text(&mut self, name: &str, value: &str) {
        let mut json = Vec::with_capacity(value.len() + 2);
        write_string(value, &mut json);
        self.keep(name, &String::from_utf8_lossy(&json));
    }

    fn keep(&mut self, name: &str, json: &str) {
        if !self.row.keep(name, json) {
            let shown: String = name.chars().take(SHOWN_CHARS).collect();
            let message = format!("{shown} is given more than once");
            self.fault(&shown, "duplicateKey", message);
        }
    }

    fn fault(&mut self, parameter: &str, keyword: &'static str, message: String) {
        if self.draft.faults.len() < FAULTS_MAX {
            let fault = attribute_fault(parameter, keyword, message);
            self.draft.faults.push(fault);
        }
    }
}
