//! Self-describing JSON, as Snowplow's trackers send it: what is hidden in it is what the schema that it names says.

use std::collections::BTreeSet;

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
    /// The schemas as whose annotations say it is done now.
    named: BTreeSet<String>,
}

impl<'a> Described<'a> {
    pub(crate) fn new(iglu: &'a Iglu, before: &'a [String]) -> Self {
        Self {
            iglu,
            before,
            named: BTreeSet::new(),
        }
    }

    /// The places where values were looked for.
    pub(crate) fn done(self) -> Vec<String> {
        let plans = self
            .named
            .iter()
            .filter_map(|name| Some((name, self.iglu.privacy(name)?)));
        let places = plans.flat_map(|(name, plan)| {
            let places = plan.places().iter();
            places.map(move |place| format!("{name}#{}", place.path))
        });
        places.collect()
    }

    /// Whether any of the schemas says anything.
    pub(crate) fn says_anything(&self) -> bool {
        self.iglu.private()
    }

    /// In each of an array.
    pub(crate) fn all<'t>(
        &mut self,
        apply: &mut Apply<'t>,
        cursor: &mut Cursor<'t>,
    ) -> Result<(), Syntax> {
        match (self.says_anything(), cursor.kind()?) {
            (true, Kind::Array) => {}
            (true, _) => return apply.bar(cursor),
            (false, _) => return cursor.skip().map(drop),
        }
        let mut more = cursor.array()?;
        while more {
            self.one(apply, cursor)?;
            more = cursor.next_element()?;
        }
        Ok(())
    }

    /// In one. What names no schema may be of any of them.
    pub(crate) fn one<'t>(
        &mut self,
        apply: &mut Apply<'t>,
        cursor: &mut Cursor<'t>,
    ) -> Result<(), Syntax> {
        if !self.says_anything() {
            return cursor.skip().map(drop);
        }
        if cursor.kind()? != Kind::Object {
            return apply.bar(cursor);
        }
        let Some(name) = schema_of(*cursor)? else {
            return apply.bar(cursor);
        };
        let Some(plan) = self.iglu.privacy(&name) else {
            return cursor.skip().map(drop);
        };
        let before = self.before.iter();
        let before: Vec<String> = before
            .filter_map(|place| place.strip_prefix(&*name)?.strip_prefix('#'))
            .map(str::to_owned)
            .collect();
        if !self.named.contains(&name) {
            self.named.insert(name);
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
