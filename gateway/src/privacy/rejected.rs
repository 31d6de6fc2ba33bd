//! Rejected events: they are kept as they were sent, but for values that nobody is to see.

use std::borrow::Cow;

use headgate_schemas::{
    event::{Data, Event, Reason, WITHHELD},
    privacy::{Action, Apply, Fate, Hasher, Plan},
    registry::Registry,
    schema::Schema,
    sdk::{CALLS, SNOWPLOW_EVENT},
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
            true => self.of_parameters(reading, unfit, text),
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
        let found = schemas.resolve(&event.kind, None).ok();
        let is_call = |schema: &Schema| schema.track() || CALLS.contains(&schema.name());
        let known = found
            .filter(|schema| protocol != protocol::SEGMENT || is_call(schema))
            .is_some();
        let plan = match known || protocol != protocol::SEGMENT {
            true => schemas.privacy(&event.kind).map(Cow::Borrowed),
            // It was to be any of them.
            false => of_all_calls(schemas).map(Cow::Owned),
        };
        let plan = plan.as_deref();
        let iglu = schemas.iglu();
        let mut described = (event.kind == SNOWPLOW_EVENT).then(|| Described::new(iglu, &[]));
        if plan.is_none() && !(described.is_some() && iglu.private()) {
            return Ok(known.then_some((None, Vec::new())));
        }
        let is_data = matches!(event.data, Data::Json(data) if data.len() == text.trim().len());
        let hash = |value: &[u8]| self.hash(value);
        let mut hiding = Hiding {
            plan,
            described: described.as_mut(),
            hash: self.hasher(&hash),
        };
        let mut apply = Apply::to_wrong(text, hiding.hash);
        let mut cursor = Cursor::new(text, u32::MAX);
        match is_data {
            true => hiding.data(&mut apply, &mut cursor)?,
            false => hiding.envelope(&mut apply, &mut cursor)?,
        }
        if !known && self.withhold == Withhold::Unknown {
            return Ok(None);
        }
        let own = plan.into_iter().flat_map(Plan::places);
        let mut places: Vec<String> = own.map(|place| place.path.clone()).collect();
        places.extend(described.into_iter().flat_map(Described::done));
        Ok(Some((apply.finish(), places)))
    }

    /// Of the parameters of Snowplow's trackers.
    fn of_parameters(
        &self,
        reading: &protocol::Rules<'_>,
        unfit: &Unfit<'_>,
        text: &str,
    ) -> Hidden {
        if unfit.reason == Reason::UnknownSchema && self.withhold == Withhold::Unknown {
            return Ok(None);
        }
        let plan = reading.schemas.privacy(&unfit.event.kind);
        let hash = |value: &[u8]| self.hash(value);
        let mut described = Described::new(reading.schemas.iglu(), &[]);
        let hidden = snowplow::hide(text, plan, &mut described, self.hasher(&hash))?;
        let own = plan.into_iter().flat_map(Plan::places);
        let mut done: Vec<String> = own.map(|place| place.path.clone()).collect();
        done.extend(described.done());
        Ok(Some((hidden, done)))
    }
}

/// Whether the event is JSON, and says once what it is.
fn is_readable(unfit: &Unfit<'_>) -> bool {
    let broken = |keyword| matches!(keyword, "syntax" | "encoding");
    let mut errors = unfit.errors.iter();
    !errors.any(|error| {
        unfit.reason == Reason::Malformed && broken(error.keyword)
            || matches!(&*error.pointer, "/type" | "/event") && error.keyword == "duplicateKey"
    })
}

/// What any of the six calls has that nobody is to see.
fn of_all_calls(schemas: &Registry) -> Option<Plan> {
    let plans = CALLS.iter().map(|call| schemas.privacy(call));
    plans.fold(None, |all, plan| Plan::both(all.as_ref(), plan))
}

/// What is hidden in an event that is data itself, or has it in `data`.
struct Hiding<'p, 'd, 'h> {
    plan: Option<&'p Plan>,
    /// Of an event of Snowplow's.
    described: Option<&'p mut Described<'d>>,
    hash: Hasher<'h>,
}

impl Hiding<'_, '_, '_> {
    fn data<'t>(&mut self, apply: &mut Apply<'t>, cursor: &mut Cursor<'t>) -> Result<(), Syntax> {
        match (self.described.as_deref_mut(), self.plan) {
            (Some(described), plan) => {
                snowplow::hide_event(apply, cursor, plan, described, self.hash)
            }
            (None, Some(plan)) => apply.data(plan, cursor),
            (None, None) => cursor.skip().map(drop),
        }
    }

    /// An event in CloudEvents' JSON format. What stands beside its data, and is no attribute, may have been meant for it.
    fn envelope<'t>(
        &mut self,
        apply: &mut Apply<'t>,
        cursor: &mut Cursor<'t>,
    ) -> Result<(), Syntax> {
        if cursor.kind()? != Kind::Object {
            return apply.bar(cursor);
        }
        apply.object(cursor, |apply, name, cursor| {
            match Known::of(name) {
                Some(Known::Data) => self.data(apply, cursor)?,
                // What is in it is not read.
                Some(Known::DataBase64) => drop(apply.act(Action::Mask, cursor)?),
                Some(_) => drop(cursor.skip()?),
                None => match self.described.as_deref_mut() {
                    None => return apply.member(self.plan, name, cursor),
                    Some(described) => {
                        let (plan, hash) = (self.plan, self.hash);
                        return snowplow::hide_member(apply, name, cursor, plan, described, hash);
                    }
                },
            }
            Ok(Fate::Kept)
        })
    }
}
