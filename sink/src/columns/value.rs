//! One value: whether it fits its column, and what of it is stored there.

use headgate_schemas::{
    format::{date_days, date_time_micros},
    walk::{Cursor, Kind, Syntax},
};

use super::number::{integer, number};
use crate::{encode::Values, table::Type};

/// What became of a value.
pub(super) enum Read<'a> {
    /// It was appended.
    Value,
    /// It was `null`: nothing was appended.
    Null,
    /// It does not fit: its text.
    Misfit(&'a str),
}

/// Reads one value, and appends it if it fits.
#[inline]
pub(super) fn read<'a>(values: &mut Values, cursor: &mut Cursor<'a>) -> Result<Read<'a>, Syntax> {
    // Nearly every value is of the column's type: it is read as such, and looked at again if it is not.
    let before = *cursor;
    if read_own(values, cursor) {
        return Ok(Read::Value);
    }
    *cursor = before;
    other(cursor)
}

/// Reads and appends a value of the column's own type; false, and the cursor anywhere, when it is none.
#[inline]
fn read_own(values: &mut Values, cursor: &mut Cursor<'_>) -> bool {
    match values.kind() {
        Type::Text => text(cursor, |text| values.text(text)),
        Type::Integer => append(cursor.number().ok().and_then(integer), |v| values.whole(v)),
        Type::Number => append(cursor.number().ok().and_then(number), |v| values.real(v)),
        Type::Boolean => append(cursor.boolean().ok(), |v| values.truth(v)),
        Type::Json => match cursor.kind() {
            Ok(Kind::Null) | Err(_) => false,
            Ok(_) => append(cursor.skip().ok(), |v| values.text(v)),
        },
        Type::Timestamp => {
            let mut micros = None;
            text(cursor, |text| micros = date_time_micros(text));
            append(micros, |v| values.whole(v))
        }
        Type::Date => {
            let mut days = None;
            text(cursor, |text| days = date_days(text));
            append(days, |v| values.day(v))
        }
    }
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
