//! The same columns as SQL: what a person creates the table with in a warehouse.

use super::{Column, Table, Type};

/// Redshift's longest VARCHAR, in bytes.
const VARCHAR_BYTES_MAX: u64 = 65_535;

/// The most bytes that a character takes in UTF-8.
const CHARACTER_BYTES_MAX: u64 = 4;

impl Table {
    /// `CREATE TABLE` for Redshift. JSON columns are SUPER: a load fills them with `JSON_PARSE`.
    pub fn redshift_ddl(&self) -> String {
        let body = self.body(|column| match column.kind {
            Type::Boolean => "BOOLEAN".to_owned(),
            Type::Integer => "BIGINT".to_owned(),
            Type::Number => "DOUBLE PRECISION".to_owned(),
            Type::Timestamp => "TIMESTAMP".to_owned(),
            Type::Date => "DATE".to_owned(),
            Type::Json => "SUPER".to_owned(),
            Type::Text => format!("VARCHAR({})", varchar_bytes(column.length_max)),
        });
        format!("{body}\nDISTSTYLE AUTO\nSORTKEY (\"received_at\");\n")
    }

    /// `CREATE TABLE` for DuckDB.
    pub fn duckdb_ddl(&self) -> String {
        let body = self.body(|column| {
            let name = match column.kind {
                Type::Boolean => "BOOLEAN",
                Type::Integer => "BIGINT",
                Type::Number => "DOUBLE",
                Type::Timestamp => "TIMESTAMPTZ",
                Type::Date => "DATE",
                Type::Json => "JSON",
                Type::Text => "VARCHAR",
            };
            name.to_owned()
        });
        format!("{body};\n")
    }

    fn body(&self, type_of: impl Fn(&Column) -> String) -> String {
        let line = |column: &Column| {
            let null = if column.required { " NOT NULL" } else { "" };
            format!("    {} {}{null}", quoted(&column.name), type_of(column))
        };
        let lines: Vec<String> = self.columns().iter().map(line).collect();
        format!(
            "CREATE TABLE IF NOT EXISTS {} (\n{}\n)",
            quoted(self.name()),
            lines.join(",\n")
        )
    }
}

/// Always quoted: reserved words are fine then.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn varchar_bytes(length_max: Option<u64>) -> u64 {
    length_max.map_or(VARCHAR_BYTES_MAX, |characters| {
        (characters.saturating_mul(CHARACTER_BYTES_MAX)).clamp(1, VARCHAR_BYTES_MAX)
    })
}
