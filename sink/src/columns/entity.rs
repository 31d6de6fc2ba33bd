//! The row of an entity: the attributes of the event that it is around, which of its entities it is, and what it says.

use headgate_schemas::{
    event::{self, Data, Event},
    iglu::Name,
    walk::Cursor,
};

use super::{Error, Row, Rows};
use crate::{
    encode::RowGroup,
    entities::{Described, each},
    table::at,
};

impl Rows<'_> {
    /// Appends the entity of this index of a record to the group, as [`Rows::append`] does a record; `None`: the record has
    /// none. Nothing is appended of a record that is no row itself.
    pub(crate) fn append_entity(
        &mut self,
        record: &str,
        index: u32,
        appended_ms: i64,
        group: &mut RowGroup,
    ) -> Result<Option<i64>, Error> {
        let (event, found) = find(record, index, self.depth_max)?;
        let Some(found) = found else { return Ok(None) };
        let root = self.table.root();
        let mut cursor = Cursor::new(found.data, self.depth_max);
        let mut row = Row {
            rows: self,
            group,
            root,
        };
        if let Err(syntax) = row.data(&event, &mut cursor) {
            row.undo();
            return Err(Error::Data(syntax));
        }
        let version = Name::of(&found.schema).map_or("", |name| name.version);
        let received = row.envelope(&event, version, appended_ms);
        row.whole(at::ENTITY_INDEX, i64::from(found.index));
        row.end_row();
        Ok(Some(received))
    }
}

/// The record's attributes, and its entity of this index. All of the record is looked at.
fn find(
    record: &str,
    index: u32,
    depth_max: u32,
) -> Result<(Event<'_>, Option<Described<'_>>), Error> {
    let mut found = None;
    let (event, cursor) = Event::read_to_data(record, depth_max)?;
    if let Some(mut cursor) = cursor {
        each(&mut cursor, |one| {
            if one.index == index {
                found = Some(one);
            }
        })
        .map_err(Error::Data)?;
        if event::close(&mut cursor).map_err(Error::Data)? {
            return Ok((event, found));
        }
    }
    // Attributes stand behind the data, or it is coded otherwise.
    let event = Event::read(record, depth_max)?;
    found = None;
    if let Data::Json(text) = event.data {
        each(&mut Cursor::new(text, depth_max), |one| {
            if one.index == index {
                found = Some(one);
            }
        })
        .map_err(Error::Data)?;
    }
    Ok((event, found))
}
