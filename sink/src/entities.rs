//! Self-describing JSON in an event of Snowplow's trackers: the event itself and the entities around it, each a row of the
//! table of its schema (`docs/adr/0017-snowplow.md`).
//!
//! Routing and decoding find them by the same walk over the event's data, so that they agree on which there are. The
//! event's own row is whole without them: what is no entity with a table stays what it was there.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use headgate_schemas::{
    event::{Data, Event},
    iglu::Name,
    walk::{Cursor, Kind, Syntax},
};
use memchr::memmem::Finder;

use crate::table::Table;

/// The member of the data that has what the event itself describes.
const EVENT: &str = "unstruct_event";

/// The member that has the entities.
const CONTEXTS: &str = "contexts";

/// What the name of each schema of Iglu begins with.
const IGLU: &str = "iglu:";

/// So many rows at most has one event beside its own: each has the event's attributes, and a small entity makes a large row.
const ROWS_MAX: usize = 1_000;

/// Bounds what nests while a record is routed. Depth is judged when the row is decoded.
const DEPTH_MAX: u32 = u32::MAX - 1;

/// One self-describing JSON of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Described<'a> {
    /// 0 for the event itself, then the entities from 1 on in their order: unique within the event.
    pub(crate) index: u32,
    /// The schema's whole name.
    pub(crate) schema: Cow<'a, str>,
    /// What it describes, as JSON.
    pub(crate) data: &'a str,
}

/// Tells of each that is in an event's data, through the cursor that stands before it; then the cursor is behind it. What
/// does not describe itself is passed over, and so is a second member of the data that is called the same.
pub(crate) fn each<'a>(
    data: &mut Cursor<'a>,
    mut take: impl FnMut(Described<'a>),
) -> Result<(), Syntax> {
    if data.kind()? != Kind::Object {
        return data.skip().map(drop);
    }
    let (mut event, mut contexts) = (false, false);
    let mut more = data.object()?;
    while more {
        let key = data.key()?;
        let kind = data.kind()?;
        if kind == Kind::Object && key.is(EVENT) && !std::mem::replace(&mut event, true) {
            one(data, 0, &mut take)?;
        } else if kind == Kind::Array && key.is(CONTEXTS) && !std::mem::replace(&mut contexts, true)
        {
            let mut index = 0;
            let mut more = data.array()?;
            while more {
                index += 1;
                one(data, index, &mut take)?;
                more = data.next_element()?;
            }
        } else {
            data.skip()?;
        }
        more = data.next_member()?;
    }
    Ok(())
}

/// Reads one value; of two members of one name the last counts, as it does for the gateway.
fn one<'a>(
    cursor: &mut Cursor<'a>,
    index: u32,
    take: &mut impl FnMut(Described<'a>),
) -> Result<(), Syntax> {
    if cursor.kind()? != Kind::Object {
        return cursor.skip().map(drop);
    }
    let (mut schema, mut data) = (None, None);
    let mut more = cursor.object()?;
    while more {
        let key = cursor.key()?;
        if key.is("schema") && cursor.kind()? == Kind::String {
            schema = Some(cursor.string()?.decode());
        } else {
            let value = cursor.skip()?;
            if key.is("data") {
                data = Some(value);
            }
        }
        more = cursor.next_member()?;
    }
    if let (Some(schema), Some(data)) = (schema, data) {
        take(Described {
            index,
            schema,
            data,
        });
    }
    Ok(())
}

/// The tables of one set for what describes itself.
#[derive(Debug)]
pub(crate) struct Entities {
    /// The tables of events that have such, by their places among all.
    around: Vec<usize>,
    /// By a schema's name up to its model.
    by_model: HashMap<String, usize>,
    iglu: Finder<'static>,
}

impl Entities {
    /// Those among the tables.
    pub(crate) fn among(tables: &[Arc<Table>]) -> Self {
        let by_model = tables.iter().enumerate();
        let by_model: HashMap<String, usize> = by_model
            .filter_map(|(place, table)| Some((table.entity()?.to_owned(), place)))
            .collect();
        let around = tables.iter().enumerate();
        let around = around.filter(|(_, table)| table.describes_itself() && !by_model.is_empty());
        Self {
            around: around.map(|(place, _)| place).collect(),
            by_model,
            iglu: Finder::new(IGLU),
        }
    }

    /// Whether events of this table may have rows in others, by their places.
    pub(crate) fn around(&self, table: usize) -> bool {
        self.around.contains(&table)
    }

    /// All tables that rows may be in of an event of this table.
    pub(crate) fn of(&self, table: usize) -> impl Iterator<Item = usize> {
        let all = self.by_model.values().copied();
        all.filter(move |_| self.around(table))
    }

    /// Tells the table and the index of each row that a record of such a table has beside its own. Nothing is told of a
    /// record that is no row itself, as far as that shows.
    pub(crate) fn rows(&self, record: &[u8], mut row: impl FnMut(usize, u32)) {
        // Most events that have none are known by this look alone.
        if self.iglu.find(record).is_none() {
            return;
        }
        let Ok(record) = crate::route::text(record) else {
            return;
        };
        let mut found = Vec::new();
        let mut take = |described: Described<'_>| {
            if found.len() < ROWS_MAX
                && let Some(table) = self.table(&described.schema)
            {
                found.push((table, described.index));
            }
        };
        let Ok((event, cursor)) = Event::read_to_data(record, DEPTH_MAX) else {
            return;
        };
        let walked = match (cursor, event.data) {
            (Some(mut cursor), _) => each(&mut cursor, &mut take),
            (None, Data::Json(text)) => each(&mut Cursor::new(text, DEPTH_MAX), &mut take),
            (None, _) => Ok(()),
        };
        if walked.is_ok() {
            found
                .into_iter()
                .for_each(|(table, index)| row(table, index));
        }
    }

    /// The table of a schema: of any version of the same model.
    fn table(&self, schema: &str) -> Option<usize> {
        let name = Name::of(schema)?;
        self.by_model.get(name.of_model(schema)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &str) -> Vec<(u32, String, String)> {
        let mut found = Vec::new();
        let take = |described: Described<'_>| {
            let Described {
                index,
                schema,
                data,
            } = described;
            found.push((index, schema.into_owned(), data.to_owned()));
        };
        let mut cursor = Cursor::new(data, 20);
        each(&mut cursor, take).unwrap();
        cursor.end().unwrap();
        found
    }

    fn row(index: u32, schema: &str, data: &str) -> (u32, String, String) {
        (index, schema.to_owned(), data.to_owned())
    }

    #[test]
    fn the_event_is_the_first_and_entities_are_numbered_as_they_stand() {
        let data = r#"{"contexts": [{"schema": "a", "data": {"n": 1}}, {"data": [2] , "schema":"b"}, {"schema": "a", "data": 3}],
            "event": "unstruct", "unstruct_event": {"schema": "c\/d", "data": {}}}"#;
        let expected = [
            row(1, "a", r#"{"n": 1}"#),
            row(2, "b", "[2]"),
            row(3, "a", "3"),
            row(0, "c/d", "{}"),
        ];
        assert_eq!(found(data), expected);
    }

    #[test]
    fn what_does_not_describe_itself_is_passed_over_and_keeps_its_number() {
        let data = r#"{"contexts": [1, {"schema": "a"}, {"schema": 5, "data": 1}, {"schema": "b", "data": null}],
            "contexts": [{"schema": "second", "data": 1}], "unstruct_event": [{"schema": "a", "data": 1}]}"#;
        assert_eq!(found(data), [row(4, "b", "null")]);
        for data in [r#"{"contexts": {"schema": "a", "data": 1}}"#, "[1]", "null"] {
            assert_eq!(found(data), []);
        }
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for data in [
            r#"{"contexts": [{"schema": "a", "data": ?}]}"#,
            r#"{"contexts": [{"schema": "a", "data": 1}"#,
        ] {
            assert!(each(&mut Cursor::new(data, 20), |_| {}).is_err(), "{data}");
        }
    }
}
