//! Tables as Redshift knows them: types and statements. Functions here only write SQL; whoever runs it decides when.
//!
//! Names are qualified and quoted, so that reserved words are names like any other; Redshift folds them to lower case,
//! in which they are (<https://docs.aws.amazon.com/redshift/latest/dg/r_names.html>). No statement ends in a semicolon.

mod keys;
mod view;

use std::fmt;

use headgate_schemas::names::EVENT_NAME_BYTES_MAX;

use super::{Column, ENVELOPE, Table, Type, at};

pub use self::keys::KeyError;
pub(super) use self::keys::problems;
pub use self::view::{drop_view, union_view, view_name};

/// The longest VARCHAR, in bytes (<https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html>).
pub const VARCHAR_BYTES_MAX: u32 = 65_535;

/// The most bytes that a character takes: a schema counts characters, Redshift bytes of UTF-8.
const CHARACTER_BYTES_MAX: u64 = 4;

/// How long an event's id, source and users may be in Redshift, in bytes: what a gateway takes by default
/// (`gateway.limits.attribute_bytes_max`).
pub const ATTRIBUTE_BYTES_MAX: u32 = 1_024;

/// Two numbers of ten digits and a dot are 21.
const VERSION_BYTES_MAX: u32 = 32;

/// What a column is in Redshift (<https://docs.aws.amazon.com/redshift/latest/dg/c_Supported_data_types.html>). Displayed
/// as SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedshiftType {
    /// true or false
    Boolean,
    /// 64-bit signed
    BigInt,
    /// 64-bit floating point
    DoublePrecision,
    /// microseconds without a zone: UTC by agreement
    Timestamp,
    /// a day
    Date,
    /// text
    Varchar {
        /// The longest, in bytes of UTF-8: 1 to [`VARCHAR_BYTES_MAX`].
        bytes: u32,
    },
    /// JSON; a load makes it of text by `JSON_PARSE`
    Super,
}

impl fmt::Display for RedshiftType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "BOOLEAN",
            Self::BigInt => "BIGINT",
            Self::DoublePrecision => "DOUBLE PRECISION",
            Self::Timestamp => "TIMESTAMP",
            Self::Date => "DATE",
            Self::Varchar { bytes } => return write!(f, "VARCHAR({bytes})"),
            Self::Super => "SUPER",
        })
    }
}

impl Table {
    /// What a column is in Redshift. Texts get the room that the schema asks for, or all there is; those of the envelope
    /// what a gateway takes.
    pub fn redshift_type(column: &Column) -> RedshiftType {
        match column.kind {
            Type::Boolean => RedshiftType::Boolean,
            Type::Integer => RedshiftType::BigInt,
            Type::Number => RedshiftType::DoublePrecision,
            Type::Timestamp => RedshiftType::Timestamp,
            Type::Date => RedshiftType::Date,
            Type::Json => RedshiftType::Super,
            Type::Text => RedshiftType::Varchar {
                bytes: match column.pointer {
                    Some(_) => varchar_bytes(column.length_max),
                    None => envelope_bytes(&column.name),
                },
            },
        }
    }

    /// `CREATE TABLE` with the distribution and the sort key of `x-redshift`, else `DISTSTYLE AUTO` and sorted by time of
    /// arrival (<https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html>). A table that is there already
    /// is left as it is.
    ///
    /// # Errors
    /// `x-redshift` names a column that cannot be a key; [`check`](super::check) tells of it before.
    pub fn redshift_create(&self, schema: &str) -> Result<String, KeyError> {
        let keys = keys::clauses(self)?;
        let columns = self.columns().iter().map(|column| {
            let null = if column.required { " NOT NULL" } else { "" };
            format!("    {}{null}", definition(column))
        });
        Ok(format!(
            "CREATE TABLE IF NOT EXISTS {} (\n{}\n)\n{keys}",
            qualified(schema, self.name()),
            columns.collect::<Vec<_>>().join(",\n"),
        ))
    }
}

/// `ALTER TABLE` that appends a column. Redshift takes one a statement, and this one also within a transaction; rows that
/// are there have null in it, so it is never `NOT NULL` (<https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html>).
pub fn add_column(schema: &str, table: &str, column: &Column) -> String {
    let table = qualified(schema, table);
    format!("ALTER TABLE {table} ADD COLUMN {}", definition(column))
}

/// `ALTER TABLE` that gives a VARCHAR more room, in bytes. Redshift refuses it within a transaction, for a column with a
/// default, a primary, foreign or unique key, and for one encoded as BYTEDICT, RUNLENGTH, TEXT255 or TEXT32K
/// (<https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html>).
pub fn widen_varchar(schema: &str, table: &str, column: &str, bytes: u32) -> String {
    let (table, column) = (qualified(schema, table), quoted(column));
    let kind = RedshiftType::Varchar {
        bytes: bytes.clamp(1, VARCHAR_BYTES_MAX),
    };
    format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind}")
}

/// A table's or view's name within its schema.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// A name as SQL, whatever it is.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn definition(column: &Column) -> String {
    let kind = Table::redshift_type(column);
    format!("{} {kind}", quoted(&column.name))
}

fn varchar_bytes(length_max: Option<u64>) -> u32 {
    let most = u64::from(VARCHAR_BYTES_MAX);
    let bytes = length_max.map_or(most, |characters| {
        characters.saturating_mul(CHARACTER_BYTES_MAX)
    });
    u32::try_from(bytes.clamp(1, most)).unwrap_or(VARCHAR_BYTES_MAX)
}

/// An event's type and version are those of a schema, whose name is bounded.
fn envelope_bytes(name: &str) -> u32 {
    let is = |index: usize| {
        ENVELOPE
            .get(index)
            .is_some_and(|(known, ..)| *known == name)
    };
    if is(at::EVENT_TYPE) {
        u32::try_from(EVENT_NAME_BYTES_MAX).unwrap_or(VARCHAR_BYTES_MAX)
    } else if is(at::SCHEMA_VERSION) {
        VERSION_BYTES_MAX
    } else {
        ATTRIBUTE_BYTES_MAX
    }
}

#[cfg(test)]
mod tests;
