//! Records into columns: from an event's bytes straight into Arrow's builders, in one pass and without a tree.
//!
//! A value that fits no column (an unknown property, another type, a number too big, an attribute without a column)
//! lands in `_rest`, so that nothing is dropped; see [`rest`].

mod builder;
mod filled;
mod number;
mod rest;

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    error::ArrowError,
};
use headgate_schemas::{
    event::{self, Data, Event},
    format::date_time_micros,
    walk::{Cursor, Kind, Syntax},
};

use self::{
    builder::{Builder, Read},
    filled::Filled,
    rest::Rest,
};
use crate::table::{Member, Members, Node, Table, at};

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

/// The rows of one table, growing.
#[derive(Debug)]
pub(crate) struct Rows<'t> {
    table: &'t Table,
    depth_max: u32,
    builders: Vec<Builder>,
    /// Which columns have their value of the current row.
    filled: Filled,
    rest: Rest,
    /// Rows begun, the spoiled ones included.
    rows: usize,
    /// Rows whose record turned out to be broken halfway: they are filtered out at the end.
    spoiled: Vec<usize>,
    received_ms: Option<(i64, i64)>,
}

/// What [`Rows`] came to.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) batch: RecordBatch,
    /// The oldest and the newest received time, in ms since the epoch; `None` without rows.
    pub(crate) received_ms: Option<(i64, i64)>,
    /// Values that landed in `_rest`.
    pub(crate) rest_values: u64,
}

impl<'t> Rows<'t> {
    pub(crate) fn new(table: &'t Table, rows: usize, depth_max: u32) -> Self {
        let builder = |column: &crate::table::Column| Builder::new(column.kind, rows);
        Self {
            table,
            depth_max,
            builders: table.columns().iter().map(builder).collect(),
            filled: Filled::new(table.columns().len()),
            rest: Rest::default(),
            rows: 0,
            spoiled: Vec::new(),
            received_ms: None,
        }
    }

    /// Appends one record. `appended_ms` stands in where the record does not say when it was received.
    /// After an error the rows are as before.
    pub(crate) fn append(&mut self, record: &str, appended_ms: i64) -> Result<(), Error> {
        let (event, cursor) = Event::read_to_data(record, self.depth_max)?;
        let Some(mut cursor) = cursor else {
            return self.append_whole(&event, appended_ms);
        };
        let root = self.table.root();
        let closed = self
            .data(root, &mut cursor)
            .and_then(|()| event::close(&mut cursor));
        match closed {
            Ok(true) => {
                self.attributes(&event, appended_ms);
                self.end_row(true);
                Ok(())
            }
            // Attributes stand behind the data: nobody writes that, but it is allowed.
            Ok(false) => {
                self.end_row(false);
                let event = Event::read(record, self.depth_max)?;
                self.append_whole(&event, appended_ms)
            }
            Err(syntax) => {
                self.end_row(false);
                Err(Error::Data(syntax))
            }
        }
    }

    /// Appends an event that was read whole, so that its data is known to be JSON.
    fn append_whole(&mut self, event: &Event<'_>, appended_ms: i64) -> Result<(), Error> {
        match event.data {
            Data::Json(text) => {
                let mut cursor = Cursor::new(text, self.depth_max);
                let root = self.table.root();
                if let Err(syntax) = self.data(root, &mut cursor) {
                    self.end_row(false);
                    return Err(Error::Data(syntax));
                }
            }
            Data::Base64(text) => self.rest.attribute_text("data_base64", text),
            Data::None => {}
        }
        self.attributes(event, appended_ms);
        self.end_row(true);
        Ok(())
    }

    fn data(&mut self, root: &'t Node, cursor: &mut Cursor<'_>) -> Result<(), Syntax> {
        let misfit = match root {
            Node::Object(members) => self.object(members, cursor)?,
            Node::Column(column) => self.column(*column, cursor)?,
        };
        if let Some(raw) = misfit {
            self.rest.value("", raw);
        }
        Ok(())
    }

    /// Reads one value for a flattened object; returns it when it is not an object.
    fn object<'a>(
        &mut self,
        object: &'t Members,
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
                    self.member(object, member, cursor)?;
                }
                None => next = self.sought_member(object, next, cursor)?,
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
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Syntax> {
        let misfit = match &member.node {
            Node::Column(column) => self.column(*column, cursor)?,
            Node::Object(members) => self.object(members, cursor)?,
        };
        if let Some(raw) = misfit {
            self.rest.member(&object.pointer, &member.name, raw);
        }
        Ok(())
    }

    /// Reads a member that is not the `next` one; the place of the one that should follow it.
    fn sought_member(
        &mut self,
        object: &'t Members,
        next: usize,
        cursor: &mut Cursor<'_>,
    ) -> Result<usize, Syntax> {
        let key = cursor.key()?;
        match object.find(&key, next) {
            Some(index) => {
                self.member(object, &object.members[index], cursor)?;
                Ok(index + 1)
            }
            None => {
                let raw = cursor.skip()?;
                self.rest.member(&object.pointer, &key.decode(), raw);
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
        if self.filled.has(column) {
            // The key occurs twice: the first value has the column.
            return cursor.skip().map(Some);
        }
        Ok(match self.builders[column].read(cursor)? {
            Read::Value => {
                self.filled.set(column);
                None
            }
            Read::Null => None,
            Read::Misfit(raw) => Some(raw),
        })
    }

    fn attributes(&mut self, event: &Event<'_>, appended_ms: i64) {
        self.text(at::EVENT_ID, Some(&event.id));
        self.text(at::EVENT_TYPE, Some(&event.kind));
        let version = match &event.dataschema {
            Some(dataschema) => version_in(dataschema),
            None => self.table.version(),
        };
        self.text(at::SCHEMA_VERSION, Some(version));
        self.text(at::SOURCE, Some(&event.source));
        self.text(at::USER_ID, event.userid.as_deref());
        self.text(at::ANONYMOUS_ID, event.anonymousid.as_deref());
        self.instant(at::EVENT_TIME, "time", event.time.as_deref());
        self.instant(at::SENT_AT, "senttime", event.senttime.as_deref());
        self.received(event.receivedtime.as_deref(), appended_ms);
        let plain = |media: &&str| *media != "application/json";
        let media = event.datacontenttype.as_deref().filter(plain);
        for (name, value) in [
            ("subject", event.subject.as_deref()),
            ("sdk", event.sdk.as_deref()),
            ("datacontenttype", media),
        ] {
            if let Some(text) = value {
                self.rest.attribute_text(name, text);
            }
        }
        for (name, raw) in &event.extensions {
            self.rest.value(name, raw);
        }
    }

    fn text(&mut self, column: usize, text: Option<&str>) {
        if let Some(text) = text {
            self.builders[column].text(text);
            self.filled.set(column);
        }
    }

    fn instant(&mut self, column: usize, attribute: &str, text: Option<&str>) {
        if let Some(text) = text {
            match date_time_micros(text) {
                Some(micros) => self.micros(column, micros),
                None => self.rest.attribute_text(attribute, text),
            }
        }
    }

    fn micros(&mut self, column: usize, micros: i64) {
        self.builders[column].micros(micros);
        self.filled.set(column);
    }

    fn received(&mut self, text: Option<&str>, appended_ms: i64) {
        let read = text.and_then(date_time_micros);
        if let (Some(text), None) = (text, read) {
            self.rest.attribute_text("receivedtime", text);
        }
        let micros = read.unwrap_or(appended_ms.saturating_mul(1_000));
        self.micros(at::RECEIVED_AT, micros);
        let ms = micros.div_euclid(1_000);
        let (oldest, newest) = self.received_ms.get_or_insert((ms, ms));
        *oldest = ms.min(*oldest);
        *newest = ms.max(*newest);
    }

    fn end_row(&mut self, good: bool) {
        if good {
            if self.rest.end_row(&mut self.builders[at::REST]) {
                self.filled.set(at::REST);
            }
        } else {
            self.rest.forget_row();
            self.spoiled.push(self.rows);
        }
        for column in self.filled.take_absent() {
            // Only a spoiled row lacks a required value.
            let required = self.table.columns()[column].required;
            self.builders[column].absent(required);
        }
        self.rows += 1;
    }

    /// Takes the rows out; the builders can be filled again.
    pub(crate) fn finish(&mut self) -> Result<Finished, ArrowError> {
        let columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        let mut batch = RecordBatch::try_new(self.table.arrow_schema(), columns)?;
        if !self.spoiled.is_empty() {
            let mut keep = vec![true; self.rows];
            self.spoiled.drain(..).for_each(|row| keep[row] = false);
            batch = filter_record_batch(&batch, &BooleanArray::from(keep))?;
        }
        self.rows = 0;
        Ok(Finished {
            batch,
            received_ms: self.received_ms.take(),
            rest_values: self.rest.take_count(),
        })
    }
}

/// The version in a `dataschema`: what stands behind the last slash.
fn version_in(dataschema: &str) -> &str {
    let text = dataschema.strip_suffix(".json").unwrap_or(dataschema);
    text.rsplit_once('/').map_or(text, |(_, version)| version)
}

#[cfg(test)]
mod tests;
