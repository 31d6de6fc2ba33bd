//! Statements that make a table what loads need it to be.

use super::{
    catalog::Wanted,
    names::{Names, lock_name, quoted},
};
use crate::table::{
    Table,
    redshift::{KeyError, RedshiftType},
};

/// The statements that make a table and its lock. What files have beyond the schemas' columns is added later.
///
/// # Errors
/// `x-redshift` names a column that cannot be a key.
pub(super) fn create(
    names: &Names,
    name: &str,
    table: Option<&Table>,
    wanted: &[Wanted],
) -> Result<Vec<String>, KeyError> {
    let made = match table {
        Some(table) => table.redshift_create(names.schema())?,
        None => create_of_files(names, name, wanted),
    };
    Ok(vec![create_lock(names, name), made])
}

/// A table that no schema knows any more, as its files have it.
fn create_of_files(names: &Names, name: &str, wanted: &[Wanted]) -> String {
    let column = |column: &Wanted| {
        let null = if column.required { " NOT NULL" } else { "" };
        format!("{} {}{null}", quoted(&column.name), column.kind)
    };
    let columns: Vec<String> = wanted.iter().map(column).collect();
    format!(
        "CREATE TABLE IF NOT EXISTS {} ({}) DISTSTYLE AUTO SORTKEY (\"received_at\")",
        names.table(name),
        columns.join(", ")
    )
}

/// The statement that makes the table which loads of this one lock.
pub(super) fn create_lock(names: &Names, table: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\"locked\" BOOLEAN)",
        names.table(&lock_name(table))
    )
}

/// The statement that adds a column; one a statement is what Redshift takes.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html>
pub(super) fn add(names: &Names, table: &str, column: &Wanted) -> String {
    format!(
        "ALTER TABLE {} ADD COLUMN {} {}",
        names.table(table),
        quoted(&column.name),
        column.kind
    )
}

/// The statement that makes a text column wider; not allowed within a transaction.
pub(super) fn widen(names: &Names, table: &str, column: &str, bytes: u32) -> String {
    format!(
        "ALTER TABLE {} ALTER COLUMN {} TYPE {}",
        names.table(table),
        quoted(column),
        RedshiftType::Varchar { bytes }
    )
}

/// A token for statements that may run any number of times: each try is a run of its own.
pub(super) fn token() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}
