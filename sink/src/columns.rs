//! Records into columns: from an event's bytes straight onto the pages of the file, in one pass and without a tree.
//!
//! A value that fits no column (an unknown property, another type, a number too big, an attribute without a column)
//! lands in `_rest`, so that nothing is dropped; see [`rest`].

mod apart;
mod entity;
mod filled;
mod number;
mod rest;
mod value;

pub(crate) use self::entity::Around;

use std::ops::Range;

use headgate_schemas::{
    event::{self, Data, Event},
    format::date_time_micros,
    walk::{Cursor, Kind, Syntax},
};

use self::{filled::Filled, rest::Rest, value::Read};
use crate::{
    encode::RowGroup,
    table::{Member, Members, Node, Shared, Table, at},
};

/// Why a record is not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The record is not an event.
    #[error(transparent)]
    Envelope(#[from] event::Error),
    /// The event's data is not JSON.
    #[error("data is not JSON: {0}")]
    Data(Syntax),
}

/// Decodes the records of one table.
#[derive(Debug)]
pub(crate) struct Rows<'t> {
    table: &'t Table,
    depth_max: u32,
    /// Which columns have their value of the current row.
    filled: Filled,
    rest: Rest,
    /// What is collected of members that are not declared, by the columns for them.
    others: Vec<Rest>,
    /// Where the value of each shared column stands in the current row's text.
    shared: Vec<Range<usize>>,
}

impl<'t> Rows<'t> {
    pub(crate) fn new(table: &'t Table, depth_max: u32) -> Self {
        Self {
            table,
            depth_max,
            filled: Filled::new(table.columns().len()),
            rest: Rest::default(),
            others: table.others().iter().map(|_| Rest::default()).collect(),
            shared: vec![0..0; table.shared()],
        }
    }

    /// How many values landed in `_rest`.
    pub(crate) fn rest_values(&self) -> u64 {
        self.rest.count()
    }

    /// Appends one record to the group; its received time in microseconds, which is `appended_ms` where the record
    /// does not say. After an error the group is as before.
    pub(crate) fn append(
        &mut self,
        record: &str,
        appended_ms: i64,
        group: &mut RowGroup,
    ) -> Result<i64, Error> {
        let root = self.table.root();
        self.append_by(root, record, appended_ms, group)
    }

    /// As [`Self::append`], a record of which another table has a row too.
    pub(crate) fn append_second(
        &mut self,
        record: &str,
        appended_ms: i64,
        group: &mut RowGroup,
    ) -> Result<i64, Error> {
        let root = self.table.second();
        self.append_by(root, record, appended_ms, group)
    }

    fn append_by(
        &mut self,
        root: &'t Node,
        record: &str,
        appended_ms: i64,
        group: &mut RowGroup,
    ) -> Result<i64, Error> {
        let mut row = Row {
            rows: self,
            group,
            root,
        };
        let appended = row.append(record, appended_ms);
        if appended.is_err() {
            row.undo();
        }
        appended
    }
}

/// A row being decoded.
struct Row<'r, 't> {
    rows: &'r mut Rows<'t>,
    group: &'r mut RowGroup,
    /// The data's way.
    root: &'t Node,
}

impl<'t> Row<'_, 't> {
    fn append(&mut self, record: &str, appended_ms: i64) -> Result<i64, Error> {
        let depth_max = self.rows.depth_max;
        let (event, cursor) = Event::read_to_data(record, depth_max)?;
        let Some(mut cursor) = cursor else {
            return self.append_whole(&event, appended_ms);
        };
        self.data(&event, &mut cursor).map_err(Error::Data)?;
        if event::close(&mut cursor).map_err(Error::Data)? {
            return Ok(self.end(&event, appended_ms));
        }
        // Attributes stand behind the data: nobody writes that, but it is allowed.
        self.undo();
        let event = Event::read(record, depth_max)?;
        self.append_whole(&event, appended_ms)
    }

    /// Appends an event that was read whole, so that its data is known to be JSON.
    fn append_whole(&mut self, event: &Event<'_>, appended_ms: i64) -> Result<i64, Error> {
        match event.data {
            Data::Json(text) => {
                let mut cursor = Cursor::new(text, self.rows.depth_max);
                self.data(event, &mut cursor).map_err(Error::Data)?;
            }
            Data::Base64(text) => self.rows.rest.attribute_text("data_base64", text),
            Data::None => {}
        }
        Ok(self.end(event, appended_ms))
    }

    fn data(&mut self, event: &Event<'_>, cursor: &mut Cursor<'_>) -> Result<(), Syntax> {
        let misfit = self.value(self.root, event, cursor)?;
        if let Some(raw) = misfit {
            self.rows.rest.value("", raw);
        }
        Ok(())
    }

    /// Reads one value for a flattened object; returns it when it is not an object.
    fn object<'a>(
        &mut self,
        object: &'t Members,
        event: &Event<'_>,
        cursor: &mut Cursor<'a>,
    ) -> Result<Option<&'a str>, Syntax> {
        match cursor.kind()? {
            Kind::Object => {}
            Kind::Null => return cursor.null().map(|()| None),
            _ => return cursor.skip().map(Some),
        }
        let mut more = cursor.object()?;
        // Members mostly come in declared order, and then need no more than a comparison.
        let mut next = 0;
        while more {
            cursor.space();
            match object.members.get(next).filter(|m| cursor.take(&m.key)) {
                Some(member) => {
                    next += 1;
                    self.member(object, member, event, cursor)?;
                }
                None => next = self.sought_member(object, next, event, cursor)?,
            }
            more = cursor.next_member()?;
        }
        Ok(None)
    }

    /// Reads a member's value.
    #[inline]
    fn member(
        &mut self,
        object: &'t Members,
        member: &'t Member,
        event: &Event<'_>,
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Syntax> {
        if let Some(raw) = self.value(&member.node, event, cursor)? {
            self.rows.rest.member(&object.pointer, &member.name, raw);
        }
        Ok(())
    }

    /// Reads a value that goes this way; returns it when it does not fit there.
    #[inline]
    fn value<'a>(
        &mut self,
        node: &'t Node,
        event: &Event<'_>,
        cursor: &mut Cursor<'a>,
    ) -> Result<Option<&'a str>, Syntax> {
        match node {
            Node::Column(column) => self.column(*column, cursor),
            Node::Object(members) => self.object(members, event, cursor),
            Node::Shared(shared) => self.shared(*shared, cursor),
            Node::Implied(implied) => apart::unexpected(implied, event, cursor),
            Node::Elsewhere => cursor.skip().map(|_| None),
        }
    }

    /// Reads a member that is not the `next` one; the place of the one that should follow it.
    fn sought_member(
        &mut self,
        object: &'t Members,
        next: usize,
        event: &Event<'_>,
        cursor: &mut Cursor<'_>,
    ) -> Result<usize, Syntax> {
        let key = cursor.key()?;
        match object.find(&key, next) {
            Some(index) => {
                self.member(object, &object.members[index], event, cursor)?;
                Ok(index + 1)
            }
            None => {
                let raw = cursor.skip()?;
                match object.others {
                    Some(slot) => self.rows.others[slot].value(&key.decode(), raw),
                    None => self.rows.rest.member(&object.pointer, &key.decode(), raw),
                }
                Ok(next)
            }
        }
    }

    /// Reads one value into a column; returns it when it does not fit there.
    #[inline]
    fn column<'a>(
        &mut self,
        column: usize,
        cursor: &mut Cursor<'a>,
    ) -> Result<Option<&'a str>, Syntax> {
        if self.rows.filled.has(column) {
            // The key occurs twice: the first value has the column.
            return cursor.skip().map(Some);
        }
        Ok(match value::read(self.group.values(column), cursor)? {
            Read::Value => {
                self.rows.filled.set(column);
                None
            }
            Read::Null => None,
            Read::Misfit(raw) => Some(raw),
        })
    }

    /// Reads a value into a column that another of the row may have taken already: then it says nothing new where it is
    /// the same.
    fn shared<'a>(
        &mut self,
        Shared { column, slot }: Shared,
        cursor: &mut Cursor<'a>,
    ) -> Result<Option<&'a str>, Syntax> {
        // The value begins behind the space.
        cursor.kind()?;
        let start = cursor.at();
        if self.rows.filled.has(column) {
            let raw = cursor.skip()?;
            let first = self.rows.shared[slot].clone();
            return Ok(Some(raw).filter(|raw| cursor.slice(first.start, first.end) != *raw));
        }
        let misfit = self.column(column, cursor)?;
        self.rows.shared[slot] = start..cursor.at();
        Ok(misfit)
    }

    /// Appends the attributes and ends the row; the received time.
    fn end(&mut self, event: &Event<'_>, appended_ms: i64) -> i64 {
        let version = match &event.dataschema {
            Some(dataschema) => version_in(dataschema),
            None => self.rows.table.version(),
        };
        let received_micros = self.envelope(event, version, appended_ms);
        self.without_column(event);
        self.end_row();
        received_micros
    }

    /// Appends the attributes that have columns; the received time.
    fn envelope(&mut self, event: &Event<'_>, version: &str, appended_ms: i64) -> i64 {
        self.text(at::EVENT_ID, Some(&event.id));
        self.text(at::EVENT_TYPE, Some(&event.kind));
        self.text(at::SCHEMA_VERSION, Some(version));
        self.text(at::SOURCE, Some(&event.source));
        self.text(at::USER_ID, event.userid.as_deref());
        self.text(at::ANONYMOUS_ID, event.anonymousid.as_deref());
        self.instant(at::EVENT_TIME, "time", event.time.as_deref());
        self.instant(at::SENT_AT, "senttime", event.senttime.as_deref());
        let received = event.receivedtime.as_deref();
        let known = self.instant(at::RECEIVED_AT, "receivedtime", received);
        known.unwrap_or_else(|| {
            let micros = appended_ms.saturating_mul(1_000);
            self.whole(at::RECEIVED_AT, micros);
            micros
        })
    }

    /// Keeps the attributes that have none.
    fn without_column(&mut self, event: &Event<'_>) {
        let plain = |media: &&str| *media != "application/json";
        let media = event.datacontenttype.as_deref().filter(plain);
        for (name, value) in [
            ("subject", event.subject.as_deref()),
            ("sdk", event.sdk.as_deref()),
            ("datacontenttype", media),
        ] {
            if let Some(text) = value {
                self.rows.rest.attribute_text(name, text);
            }
        }
        for (name, raw) in &event.extensions {
            self.rows.rest.value(name, raw);
        }
    }

    fn end_row(&mut self) {
        if self.rows.rest.end_row(self.group.values(at::REST)) {
            self.rows.filled.set(at::REST);
        }
        for (others, column) in self.rows.others.iter_mut().zip(self.rows.table.others()) {
            if others.end_row(self.group.values(*column)) {
                self.rows.filled.set(*column);
            }
        }
        self.group.end_row(self.rows.filled.take_absent());
    }

    #[inline]
    fn text(&mut self, column: usize, text: Option<&str>) {
        if let Some(text) = text {
            self.group.values(column).text(text);
            self.rows.filled.set(column);
        }
    }

    fn instant(&mut self, column: usize, attribute: &str, text: Option<&str>) -> Option<i64> {
        let text = text?;
        let micros = date_time_micros(text);
        match micros {
            Some(micros) => self.whole(column, micros),
            None => self.rows.rest.attribute_text(attribute, text),
        }
        micros
    }

    fn whole(&mut self, column: usize, number: i64) {
        self.group.values(column).whole(number);
        self.rows.filled.set(column);
    }

    /// Takes back what was appended of the row.
    #[cold]
    fn undo(&mut self) {
        self.rows.rest.forget_row();
        self.rows.others.iter_mut().for_each(Rest::forget_row);
        let filled = &mut self.rows.filled;
        let columns = 0..self.rows.table.columns().len();
        for column in columns.filter(|column| filled.has(*column)) {
            self.group.values(column).undo();
        }
        filled.clear();
    }
}

/// The version in a `dataschema`: what stands behind the last slash.
fn version_in(dataschema: &str) -> &str {
    let text = dataschema.strip_suffix(".json").unwrap_or(dataschema);
    text.rsplit_once('/').map_or(text, |(_, version)| version)
}

#[cfg(test)]
mod tests;
