//! Values that nobody is to see, in an event's parameters as they were sent.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use headgate_schemas::{
    event::write_string,
    privacy::{Action, Apply, Fate, Hasher, Plan},
    walk::{Cursor, Kind, Syntax},
};

use super::described::decode;
use super::fields::{self, Code};
use crate::privacy::Described;

/// The event's text without them; `None`: there are none. The plan is of the event that is made of the parameters.
pub(crate) fn hide(
    text: &str,
    plan: Option<&Plan>,
    described: &mut Described<'_>,
    hash: Hasher<'_>,
) -> Result<Option<String>, Syntax> {
    let mut apply = Apply::to_wrong(text, hash);
    let mut cursor = Cursor::new(text, u32::MAX);
    if cursor.kind()? != Kind::Object {
        return Ok(None);
    }
    apply.object(&mut cursor, |apply, name, cursor| {
        let field = fields::of(name).map(|found| found.field);
        let own = plan.and_then(|plan| match field {
            Some(field) => plan.strongest(field.names()),
            // It is kept there, under its name.
            None => plan.concerns("other").then_some(Action::Mask),
        });
        if let Some(action) = own {
            return apply.act(action, cursor);
        }
        match field.map(|field| field.kind) {
            Some(fields::Kind::Unstruct(code) | fields::Kind::Contexts(code)) => {
                parameter(apply, cursor, code, described, hash)?;
            }
            _ => drop(cursor.skip()?),
        }
        Ok(Fate::Kept)
    })?;
    Ok(apply.finish())
}

/// A parameter of self-describing JSON.
fn parameter<'t>(
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
        return cursor.skip().map(drop);
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
        return cursor.skip().map(drop);
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
