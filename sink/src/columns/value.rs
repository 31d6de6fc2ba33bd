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
///
/// Nearly every value is of the column's type, and is read as such at once.
#[inline]
pub(super) fn read<'a>(values: &mut Values, cursor: &mut Cursor<'a>) -> Result<Read<'a>, Syntax> {
    let kind = values.kind();
    if kind == Type::Text {
        // What is no string leaves the cursor where it was.
        return match text(cursor, |text| values.text(text)) {
            true => Ok(Read::Value),
            false => other(cursor),
        };
    }
    let found = cursor.kind()?;
    let start = cursor.at();
    let appended = match (kind, found) {
        (_, Kind::Null) => return other(cursor),
        (Type::Integer, Kind::Number) => append(integer(cursor.number()?), |v| values.whole(v)),
        (Type::Number, Kind::Number) => append(number(cursor.number()?), |v| values.real(v)),
        (Type::Boolean, Kind::Bool) => append(Some(cursor.boolean()?), |v| values.truth(v)),
        (Type::Json, _) => append(Some(cursor.skip()?), |v| values.text(v)),
        (Type::Timestamp, Kind::String) => {
            let mut micros = None;
            if !text(cursor, |text| micros = date_time_micros(text)) {
                return other(cursor);
            }
            append(micros, |v| values.whole(v))
        }
        (Type::Date, Kind::String) => {
            let mut days = None;
            if !text(cursor, |text| days = date_days(text)) {
                return other(cursor);
            }
            append(days, |v| values.day(v))
        }
        _ => return other(cursor),
    };
    Ok(match appended {
        true => Read::Value,
        false => Read::Misfit(cursor.slice(start, cursor.at())),
    })
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
