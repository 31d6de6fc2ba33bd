//! Values that nobody is to see, in an event's parameters as they were sent.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use headgate_schemas::{
    event::write_string,
    privacy::{Action, Apply, Fate, Hasher, Plan},
    walk::{Cursor, Kind, Syntax},
};

use super::described::decode;
use super::fields::{self, Code, Field};
use crate::privacy::Described;

/// Where the canonical event has what has no field.
const OTHER: &str = "other";

/// The event's text without them; `None`: there are none. The plan is of the event that is made of the parameters.
pub(crate) fn hide(
    text: &str,
    plan: Option<&Plan>,
    described: &mut Described<'_>,
    hash: Hasher<'_>,
) -> Result<Option<String>, Syntax> {
    let mut apply = Apply::to_wrong(text, hash);
    let mut cursor = Cursor::new(text, u32::MAX);
    if plan.is_none() && !described.says_anything() {
        return Ok(None);
    }
    if cursor.kind()? != Kind::Object {
        apply.bar(&mut cursor)?;
        return Ok(apply.finish());
    }
    apply.object(&mut cursor, |apply, name, cursor| {
        // What is none of the protocol's is kept under its name in there.
        if fields::of(name).is_none() && plan.is_some_and(|plan| plan.concerns(OTHER)) {
            return apply.act(Action::Mask, cursor);
        }
        parameter(apply, name, cursor, plan, described, hash)
    })?;
    Ok(apply.finish())
}

/// Hides values in the canonical event, of which the plan is.
pub(crate) fn hide_event<'t>(
    apply: &mut Apply<'t>,
    cursor: &mut Cursor<'t>,
    plan: Option<&Plan>,
    described: &mut Described<'_>,
    hash: Hasher<'_>,
) -> Result<(), Syntax> {
    if cursor.kind()? != Kind::Object {
        return apply.bar(cursor);
    }
    apply.object(cursor, |apply, name, cursor| {
        hide_member(apply, name, cursor, plan, described, hash)
    })
}

/// The same in one of its members.
pub(crate) fn hide_member<'t>(
    apply: &mut Apply<'t>,
    name: &str,
    cursor: &mut Cursor<'t>,
    plan: Option<&Plan>,
    described: &mut Described<'_>,
    hash: Hasher<'_>,
) -> Result<Fate, Syntax> {
    if let Some(action) = plan.and_then(|plan| plan.strongest([name])) {
        return apply.act(action, cursor);
    }
    match (name, cursor.kind()?) {
        ("unstruct_event", _) => described.one(apply, cursor)?,
        ("contexts", _) => described.all(apply, cursor)?,
        // Parameters that are given twice, or in a form that does not fit, are there as they were sent.
        (OTHER, Kind::Object) => {
            apply.object(cursor, |apply, name, cursor| match fields::of(name) {
                Some(_) => parameter(apply, name, cursor, plan, described, hash),
                None => apply.member_in((plan, OTHER), name, cursor),
            })?
        }
        _ => return apply.member(plan, name, cursor),
    }
    Ok(Fate::Kept)
}

/// A parameter of the protocol.
fn parameter<'t>(
    apply: &mut Apply<'t>,
    name: &str,
    cursor: &mut Cursor<'t>,
    plan: Option<&Plan>,
    described: &mut Described<'_>,
    hash: Hasher<'_>,
) -> Result<Fate, Syntax> {
    let field = fields::of(name).map(|found| found.field);
    let said = |field: &Field| plan.and_then(|plan| plan.strongest(field.names()));
    if let Some(action) = field.and_then(said) {
        return apply.act(action, cursor);
    }
    match field.map(|field| field.kind) {
        Some(fields::Kind::Unstruct(code) | fields::Kind::Contexts(code))
            if described.says_anything() =>
        {
            described_parameter(apply, cursor, code, described, hash)?;
        }
        _ => drop(cursor.skip()?),
    }
    Ok(Fate::Kept)
}

/// A parameter of self-describing JSON.
fn described_parameter<'t>(
    apply: &mut Apply<'t>,
    cursor: &mut Cursor<'t>,
    code: Code,
    described: &mut Described<'_>,
    hash: Hasher<'_>,
) -> Result<(), Syntax> {
    if cursor.kind()? == Kind::Object && code == Code::Plain {
        return wrapped(apply, cursor, described);
    }
    if cursor.kind()? != Kind::String {
        return apply.bar(cursor);
    }
    let mut ahead = *cursor;
    let value = ahead.string()?.decode();
    let hidden = decode(&value, code).ok().and_then(|json| {
        let mut inner = Apply::to_wrong(&json, hash);
        let mut cursor = Cursor::new(&json, u32::MAX);
        wrapped(&mut inner, &mut cursor, described)
            .and_then(|()| cursor.end())
            .ok()?;
        Some(inner.finish())
    });
    let hidden = match hidden {
        Some(None) => return cursor.skip().map(drop),
        Some(Some(json)) if code == Code::Base64 => URL_SAFE_NO_PAD.encode(json),
        Some(Some(json)) => json,
        // Nobody can tell what is in it.
        None => return apply.act(Action::Mask, cursor).map(drop),
    };
    let mut json = Vec::with_capacity(hidden.len() + 2);
    write_string(&hidden, &mut json);
    apply.put(cursor, &json)
}

/// The JSON around the event, or around its entities.
fn wrapped<'t>(
    apply: &mut Apply<'t>,
    cursor: &mut Cursor<'t>,
    described: &mut Described<'_>,
) -> Result<(), Syntax> {
    if cursor.kind()? != Kind::Object {
        return apply.bar(cursor);
    }
    apply.object(cursor, |apply, name, cursor| {
        match (name, cursor.kind()?) {
            ("data", Kind::Array) => described.all(apply, cursor)?,
            ("data", _) => described.one(apply, cursor)?,
            _ => drop(cursor.skip()?),
        }
        Ok(Fate::Kept)
    })
}
