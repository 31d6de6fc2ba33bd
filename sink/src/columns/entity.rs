//! The rows of entities: the attributes of the event that they are around, which of its entities each is, and what it says.

use headgate_schemas::{
    event::{self, Data, Event},
    iglu::Name,
    walk::{Cursor, Syntax},
};

use super::{Error, Row, Rows};
use crate::{
    encode::RowGroup,
    entities::{Described, each},
    table::at,
};

/// A record's attributes, and those of its entities that are to be rows of one table.
pub(crate) struct Around<'a> {
    event: Event<'a>,
    /// In the order in which they were asked for.
    pub(crate) entities: Vec<Described<'a>>,
}

impl<'a> Around<'a> {
    /// Looks for the entities of these indices, in the order in which [`each`] tells of them. All of the record is looked
    /// at, once: one that is no row itself has none.
    pub(crate) fn find(record: &'a str, indices: &[u32], depth_max: u32) -> Result<Self, Error> {
        let (event, cursor) = Event::read_to_data(record, depth_max)?;
        if let Some(mut cursor) = cursor {
            let entities = wanted(&mut cursor, indices).map_err(Error::Data)?;
            if event::close(&mut cursor).map_err(Error::Data)? {
                return Ok(Self { event, entities });
            }
        }
        // Attributes stand behind the data, or it is coded otherwise.
        let event = Event::read(record, depth_max)?;
        let entities = match event.data {
            Data::Json(text) => {
                wanted(&mut Cursor::new(text, depth_max), indices).map_err(Error::Data)?
            }
            Data::Base64(_) | Data::None => Vec::new(),
        };
        Ok(Self { event, entities })
    }
}

fn wanted<'a>(data: &mut Cursor<'a>, indices: &[u32]) -> Result<Vec<Described<'a>>, Syntax> {
    let mut next = indices.iter().peekable();
    let mut found = Vec::with_capacity(indices.len());
    each(data, |described| {
        if next.next_if(|index| **index == described.index).is_some() {
            found.push(described);
        }
    })?;
    Ok(found)
}

impl Rows<'_> {
    /// Appends one of a record's entities to the group, as [`Rows::append`] does a record.
    pub(crate) fn append_entity(
        &mut self,
        around: &Around<'_>,
        entity: &Described<'_>,
        appended_ms: i64,
        group: &mut RowGroup,
    ) -> Result<i64, Error> {
        let root = self.table.root();
        let mut cursor = Cursor::new(entity.data, self.depth_max);
        let mut row = Row {
            rows: self,
            group,
            root,
        };
        if let Err(syntax) = row.data(&around.event, &mut cursor) {
            row.undo();
            return Err(Error::Data(syntax));
        }
        let version = Name::of(&entity.schema).map_or("", |name| name.version);
        let received = row.envelope(&around.event, version, appended_ms);
        row.whole(at::ENTITY_INDEX, i64::from(entity.index));
        row.end_row();
        Ok(received)
    }
}
