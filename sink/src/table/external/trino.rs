//! Trino, by its Hive connector (<https://trino.io/docs/current/connector/hive.html>).

use super::{Place, left_out, lines, literal};
use crate::table::{Table, Type, redshift::quoted};

/// The catalog of a database that names none.
const CATALOG: &str = "hive";

impl Table {
    /// `CREATE TABLE` over the folder, and the call that looks for partitions: it has to be made again as hours arrive.
    pub fn trino_ddl(&self, place: &Place<'_>) -> String {
        let (catalog, schema) = schema(place);
        let mut columns = lines(self, |column| {
            format!("{} {}", quoted(&column.name), trino_type(column.kind))
        });
        // Partitions are the last columns.
        columns.push_str(",\n    \"dt\" DATE,\n    \"hr\" VARCHAR");
        format!(
            "{}CREATE TABLE IF NOT EXISTS {} (\n{columns}\n)\nWITH (\n    external_location = {},\n    \
             format = 'PARQUET',\n    partitioned_by = ARRAY['dt', 'hr']\n);\n\
             CALL {}.system.sync_partition_metadata({}, {}, 'ADD');\n",
            left_out(self),
            name(place, self.name()),
            literal(&place.folder(self)),
            quoted(catalog),
            literal(schema),
            literal(self.name()),
        )
    }
}

/// The catalog and schema of a place.
fn schema<'a>(place: &Place<'a>) -> (&'a str, &'a str) {
    let named = place.database.split_once('.');
    named.unwrap_or((CATALOG, place.database))
}

/// A table's or view's name with its catalog and schema.
pub(in crate::table) fn name(place: &Place<'_>, name: &str) -> String {
    let (catalog, schema) = schema(place);
    format!("{}.{}.{}", quoted(catalog), quoted(schema), quoted(name))
}

/// A catalog takes timestamps of its own precision alone, `hive.timestamp-precision`: by default milliseconds, which is
/// what a bare TIMESTAMP has.
fn trino_type(kind: Type) -> &'static str {
    match kind {
        Type::Boolean => "BOOLEAN",
        Type::Integer => "BIGINT",
        Type::Number => "DOUBLE",
        Type::Text | Type::Json => "VARCHAR",
        Type::Timestamp => "TIMESTAMP",
        Type::Date => "DATE",
    }
}
