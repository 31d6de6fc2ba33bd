//! Rejected events: they are kept as they were sent, but for values that nobody is to see.

use std::borrow::Cow;

use headgate_schemas::{
    event::{Data, Event, Reason, WITHHELD},
    privacy::{Action, Apply, Fate, Plan},
    sdk::TRACK,
    walk::{Cursor, Kind, Syntax},
};

use super::{Described, Privacy, Withhold};
use crate::{
    protocol::{self, draft::Known, snowplow},
    rules::Unfit,
};

/// What is kept of a rejected event.
#[derive(Debug)]
pub(crate) struct Kept<'r> {
    pub(crate) payload: Cow<'r, [u8]>,
    /// The places whose values were hidden.
    pub(crate) protected: Vec<String>,
}

impl<'r> Kept<'r> {
    fn whole(raw: &'r [u8]) -> Self {
        Self {
            payload: Cow::Borrowed(raw),
            protected: Vec::new(),
        }
    }

    fn nothing() -> Self {
        Self {
            payload: Cow::Borrowed(b""),
            protected: vec![WITHHELD.to_owned()],
        }
    }
}

/// The text without what nobody is to see, if that is another one, and the places that were looked for.
type Hidden = Result<Option<(Option<String>, Vec<String>)>, Syntax>;

impl Privacy {
    /// What is kept of an event that came by a protocol as `raw`.
    pub(crate) fn rejected<'r>(
        &self,
        reading: &protocol::Rules<'_>,
        protocol: &str,
        unfit: &Unfit<'_>,
        raw: &'r [u8],
    ) -> Kept<'r> {
        if !reading.schemas.private() {
            return Kept::whole(raw);
        }
        let text = match std::str::from_utf8(raw) {
            Ok(text) if is_readable(unfit) => text,
            _ => return self.withhold(raw, Withhold::Unreadable),
        };
        let hidden = match protocol == protocol::SNOWPLOW {
            true => self.of_parameters(reading, &unfit.event, text),
            false => self.of_json(reading, protocol, &unfit.event, text),
        };
        match hidden {
            Err(_) => self.withhold(raw, Withhold::Unreadable),
            Ok(None) => self.withhold(raw, Withhold::Unknown),
            Ok(Some((text, protected))) => Kept {
                payload: text.map_or(Cow::Borrowed(raw), |text| Cow::Owned(text.into_bytes())),
                protected,
            },
        }
    }

    fn withhold<'r>(&self, raw: &'r [u8], from: Withhold) -> Kept<'r> {
        match self.withhold >= from {
            true => Kept::nothing(),
            false => Kept::whole(raw),
        }
    }

    /// Of an event that is data itself, or has it in `data`.
    fn of_json(
        &self,
        reading: &protocol::Rules<'_>,
        protocol: &str,
        event: &Event<'_>,
        text: &str,
    ) -> Hidden {
        let schemas = reading.schemas;
        let known = schemas.resolve(&event.kind, None).is_ok();
        let mut plan = schemas.privacy(&event.kind);
        if !known && protocol == protocol::SEGMENT {
            // Whatever call it was to be, what is around its properties is the same.
            plan = schemas.privacy(TRACK);
        }
        let Some(plan) = plan else {
            return Ok(known.then_some((None, Vec::new())));
        };
        let is_data = matches!(event.data, Data::Json(data) if data.len() == text.trim().len());
        let hash = |value: &[u8]| self.hash(value);
        let mut apply = Apply::to_wrong(text, self.hasher(&hash));
        let mut cursor = Cursor::new(text, u32::MAX);
        match is_data {
            true => apply.data(plan, &mut cursor)?,
            false => envelope(&mut apply, plan, &mut cursor)?,
        }
        if !known && self.withhold == Withhold::Unknown {
            return Ok(None);
        }
        let places = plan.places().iter().map(|place| place.path.clone());
        Ok(Some((apply.finish(), places.collect())))
    }

    /// Of the parameters of Snowplow's trackers.
    fn of_parameters(
        &self,
        reading: &protocol::Rules<'_>,
        event: &Event<'_>,
        text: &str,
    ) -> Hidden {
        let plan = reading.schemas.privacy(&event.kind);
        let hash = |value: &[u8]| self.hash(value);
        let mut described = Described::new(reading.schemas.iglu(), &[]);
        let hidden = snowplow::hide(text, plan, &mut described, self.hasher(&hash))?;
        let own = plan.into_iter().flat_map(Plan::places);
        let mut done: Vec<String> = own.map(|place| place.path.clone()).collect();
        done.append(&mut described.done);
        Ok(Some((hidden, done)))
    }
}

/// Whether the event is JSON, and says once what it is.
fn is_readable(unfit: &Unfit<'_>) -> bool {
    let broken = |keyword| matches!(keyword, "syntax" | "encoding");
    let mut errors = unfit.errors.iter();
    !errors.any(|error| {
        unfit.reason == Reason::Malformed && broken(error.keyword)
            || error.pointer == "/type" && error.keyword == "duplicateKey"
    })
}

/// An event in CloudEvents' JSON format. What stands beside its data, and is no attribute, may have been meant for it.
fn envelope<'t>(apply: &mut Apply<'t>, plan: &Plan, cursor: &mut Cursor<'t>) -> Result<(), Syntax> {
    if cursor.kind()? != Kind::Object {
        return cursor.skip().map(drop);
    }
    apply.object(cursor, |apply, name, cursor| {
        match Known::of(name) {
            Some(Known::Data) => apply.data(plan, cursor)?,
            // What is in it is not read.
            Some(Known::DataBase64) => drop(apply.act(Action::Mask, cursor)?),
            Some(_) => drop(cursor.skip()?),
            None => return apply.member(Some(plan), name, cursor),
        }
        Ok(Fate::Kept)
    })
}
