//! `CREATE TABLE` for DuckDB: what a person loads landed files into.

use super::{Table, Type, redshift::quoted};

impl Table {
    /// `CREATE TABLE` for DuckDB.
    pub fn duckdb_ddl(&self) -> String {
        let columns = self.columns().iter().map(|column| {
            let null = if column.required { " NOT NULL" } else { "" };
            let kind = match column.kind {
                Type::Boolean => "BOOLEAN",
                Type::Integer => "BIGINT",
                Type::Number => "DOUBLE",
                Type::Timestamp => "TIMESTAMPTZ",
                Type::Date => "DATE",
                Type::Json => "JSON",
                Type::Text => "VARCHAR",
            };
            format!("    {} {kind}{null}", quoted(&column.name))
        });
        format!(
            "CREATE TABLE IF NOT EXISTS {} (\n{}\n);\n",
            quoted(self.name()),
            columns.collect::<Vec<_>>().join(",\n")
        )
    }
}
