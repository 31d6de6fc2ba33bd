//! One column growing: which JSON values fit it, and how they are stored.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use headgate_schemas::{
    format::{date_days, date_time_micros},
    walk::{Cursor, Kind, Syntax},
};

use super::number::{integer, number};
use crate::table::Type;

/// What a text takes on average, in bytes: room is made for it beforehand.
const TEXT_BYTES: usize = 24;
/// The next rows' texts get as much room as these took, and one part in this many more.
const TEXT_BYTES_SPARE: usize = 8;

/// A column's builder.
#[derive(Debug)]
pub(super) enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Text(StringBuilder),
    Json(StringBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
}

/// What became of a value.
pub(super) enum Read<'a> {
    /// It was appended.
    Value,
    /// It was `null`: nothing was appended.
    Null,
    /// It does not fit: its text.
    Misfit(&'a str),
}

/// The same call on whichever builder it is.
macro_rules! each {
    ($builder:expr, $b:ident => $call:expr) => {
        match $builder {
            Builder::Boolean($b) => $call,
            Builder::Integer($b) => $call,
            Builder::Number($b) => $call,
            Builder::Text($b) | Builder::Json($b) => $call,
            Builder::Timestamp($b) => $call,
            Builder::Date($b) => $call,
        }
    };
}

impl Builder {
    pub(super) fn new(kind: Type, rows: usize) -> Self {
        let text = || StringBuilder::with_capacity(rows, rows * TEXT_BYTES);
        match kind {
            Type::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            Type::Integer => Self::Integer(Int64Builder::with_capacity(rows)),
            Type::Number => Self::Number(Float64Builder::with_capacity(rows)),
            Type::Text => Self::Text(text()),
            Type::Json => Self::Json(text()),
            Type::Timestamp => Self::Timestamp(timestamps(rows)),
            Type::Date => Self::Date(Date32Builder::with_capacity(rows)),
        }
    }

    /// Reads one value, and appends it if it fits.
    #[inline]
    pub(super) fn read<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Read<'a>, Syntax> {
        // Nearly every value is of the column's type: it is read as such, and looked at again if it is not.
        let before = *cursor;
        if self.read_own(cursor) {
            return Ok(Read::Value);
        }
        *cursor = before;
        other(cursor)
    }

    /// Reads and appends a value of the column's own type; false, and the cursor anywhere, when it is none.
    #[inline]
    fn read_own(&mut self, cursor: &mut Cursor<'_>) -> bool {
        match self {
            Self::Text(b) => text(cursor, |text| b.append_value(text)),
            Self::Integer(b) => append(cursor.number().ok().and_then(integer), |v| {
                b.append_value(v)
            }),
            Self::Number(b) => append(cursor.number().ok().and_then(number), |v| b.append_value(v)),
            Self::Boolean(b) => append(cursor.boolean().ok(), |v| b.append_value(v)),
            Self::Json(b) => match cursor.kind() {
                Ok(Kind::Null) | Err(_) => false,
                Ok(_) => append(cursor.skip().ok(), |v| b.append_value(v)),
            },
            Self::Timestamp(b) => {
                let mut micros = None;
                text(cursor, |text| micros = date_time_micros(text));
                append(micros, |v| b.append_value(v))
            }
            Self::Date(b) => {
                let mut days = None;
                text(cursor, |text| days = date_days(text));
                append(days, |v| b.append_value(v))
            }
        }
    }

    /// Appends an attribute's text; only text columns are asked to.
    pub(super) fn text(&mut self, text: &str) {
        if let Self::Text(b) | Self::Json(b) = self {
            b.append_value(text);
        }
    }

    /// Appends an instant; only timestamp columns are asked to.
    pub(super) fn micros(&mut self, micros: i64) {
        if let Self::Timestamp(b) = self {
            b.append_value(micros);
        }
    }

    /// Ends a row that has no value here. A required column has no null to store: the row is spoiled, and a zero
    /// or an empty text keeps its place until it is filtered out.
    pub(super) fn absent(&mut self, required: bool) {
        match self {
            Self::Text(b) if required => b.append_value(""),
            Self::Timestamp(b) if required => b.append_value(0),
            _ => each!(self, b => b.append_null()),
        }
    }

    /// Takes the column out, and makes room for one like it.
    pub(super) fn finish(&mut self) -> ArrayRef {
        macro_rules! taken {
            ($builder:expr, $fresh:expr) => {
                Arc::new(std::mem::replace($builder, $fresh).finish())
            };
        }
        match self {
            Self::Boolean(b) => taken!(b, BooleanBuilder::with_capacity(b.len())),
            Self::Integer(b) => taken!(b, Int64Builder::with_capacity(b.len())),
            Self::Number(b) => taken!(b, Float64Builder::with_capacity(b.len())),
            Self::Text(b) | Self::Json(b) => {
                let bytes = b.values_slice().len();
                let fresh = StringBuilder::with_capacity(b.len(), bytes + bytes / TEXT_BYTES_SPARE);
                taken!(b, fresh)
            }
            Self::Timestamp(b) => taken!(b, timestamps(b.len())),
            Self::Date(b) => taken!(b, Date32Builder::with_capacity(b.len())),
        }
    }
}

fn timestamps(rows: usize) -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC")
}

/// Reads a value that is not of the column's type.
#[cold]
fn other<'a>(cursor: &mut Cursor<'a>) -> Result<Read<'a>, Syntax> {
    if cursor.kind()? == Kind::Null {
        return cursor.null().map(|()| Read::Null);
    }
    cursor.skip().map(Read::Misfit)
}

#[inline]
fn append<T>(value: Option<T>, append: impl FnOnce(T)) -> bool {
    value.map(append).is_some()
}

/// Reads a string, whose text `take` gets; false when there is none.
#[inline]
fn text(cursor: &mut Cursor<'_>, take: impl FnOnce(&str)) -> bool {
    let Ok(text) = cursor.string() else {
        return false;
    };
    if text.escaped {
        take(&text.decode());
    } else {
        take(text.raw);
    }
    true
}
