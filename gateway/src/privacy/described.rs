//! Self-describing JSON, as Snowplow's trackers send it: what is hidden in it is what the schema that it names says.

use headgate_schemas::{
    iglu::Iglu,
    privacy::{Apply, Fate},
    walk::{Cursor, Kind, Syntax},
};

/// Hides values in self-describing JSON.
pub(crate) struct Described<'a> {
    iglu: &'a Iglu,
    /// Places where that was done before.
    before: &'a [String],
    /// Places where it is done now.
    pub(crate) done: Vec<String>,
}

impl<'a> Described<'a> {
    pub(crate) fn new(iglu: &'a Iglu, before: &'a [String]) -> Self {
        Self {
            iglu,
            before,
            done: Vec::new(),
        }
    }

    /// In each of an array.
    pub(crate) fn all<'t>(
        &mut self,
        apply: &mut Apply<'t>,
        cursor: &mut Cursor<'t>,
    ) -> Result<(), Syntax> {
        if cursor.kind()? != Kind::Array {
            return cursor.skip().map(drop);
        }
        let mut more = cursor.array()?;
        while more {
            self.one(apply, cursor)?;
            more = cursor.next_element()?;
        }
        Ok(())
    }

    /// In one.
    pub(crate) fn one<'t>(
        &mut self,
        apply: &mut Apply<'t>,
        cursor: &mut Cursor<'t>,
    ) -> Result<(), Syntax> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(drop);
        }
        let name = schema_of(*cursor)?;
        let Some(plan) = name.as_deref().and_then(|name| self.iglu.privacy(name)) else {
            return cursor.skip().map(drop);
        };
        let name = name.unwrap_or_default();
        let prefix = format!("{name}#");
        let before = self.before.iter();
        let before: Vec<String> = before
            .filter_map(|place| Some(place.strip_prefix(&prefix)?.to_owned()))
            .collect();
        for place in plan.places() {
            let place = format!("{prefix}{}", place.path);
            if !self.done.contains(&place) {
                self.done.push(place);
            }
        }
        let Some(plan) = plan.without(&before) else {
            return cursor.skip().map(drop);
        };
        apply.object(cursor, |apply, name, cursor| {
            match name {
                "data" => apply.data(&plan, cursor)?,
                _ => drop(cursor.skip()?),
            }
            Ok(Fate::Kept)
        })
    }
}

/// The schema that self-describing JSON names, wherever it stands in it.
fn schema_of(mut cursor: Cursor<'_>) -> Result<Option<String>, Syntax> {
    let mut found = None;
    let mut more = cursor.object()?;
    while more {
        let key = cursor.key()?;
        if key.is("schema") && cursor.kind()? == Kind::String {
            found = Some(cursor.string()?.decode().into_owned());
        } else {
            cursor.skip()?;
        }
        more = cursor.next_member()?;
    }
    Ok(found)
}
