//! External tables: landed files as tables of engines that read a bucket or a directory themselves. Partitioned by the
//! folders that the sink lays out, `<table>/dt=YYYY-MM-DD/hr=HH/`; JSON columns are text.
//!
//! Functions here only write SQL. Such an engine lists folders and knows nothing of the commit log: [`CAUTION`].

mod duckdb;
mod hive;
mod trino;

use jiff::Timestamp;

use super::{Column, Table};

pub use self::hive::{PARTITIONS_MAX, hive_type};
pub(super) use self::trino::name as trino_name;

/// What a reader that lists folders has to know: in words, for comments.
pub const CAUTION: [&str; 5] = [
    "Headgate's commit log says which files count; this engine lists folders instead. It may see files that no commit",
    "names (what a sink left that died, until they are swept: a day by default), and files beside those that",
    "`headgate sink compact` put in their place (for a day by default): some rows twice, none lost. Where that matters",
    "take one row of each event_id, or hours that ended two days ago where nothing is compacted late, or",
    "`headgate query`, which reads the log.",
];

/// The partitions' names in folders and tables.
pub const PARTITION_KEYS: [&str; 2] = ["dt", "hr"];

/// Where external tables are, and what their database is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The external schema, database, or catalog and schema with a dot between them.
    pub database: &'a str,
    /// The folder that has a folder for each table, without a slash at its end: `s3://bucket/prefix`.
    pub root: &'a str,
}

impl Place<'_> {
    /// A table's folder, with a slash at its end.
    pub fn folder(&self, table: &Table) -> String {
        format!("{}/{}/", self.root, table.name())
    }
}

/// One partition: an hour of arrival.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    /// The day, as `2026-11-22`.
    pub dt: String,
    /// The hour, `00` to `23`.
    pub hr: String,
}

impl Partition {
    /// The partition that a data file of the store is in, from its path; `None` where it is in none.
    pub fn of_file(path: &str) -> Option<Self> {
        let mut folders = path.split('/').skip(1);
        let mut value = |key: &str| folders.next()?.strip_prefix(key)?.strip_prefix('=');
        let (dt, hr) = (value("dt")?, value("hr")?);
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        (plain(dt) && plain(hr)).then(|| Self {
            dt: dt.to_owned(),
            hr: hr.to_owned(),
        })
    }

    /// Its folder within the table's, with a slash at its end.
    pub fn folder(&self) -> String {
        format!("dt={}/hr={}/", self.dt, self.hr)
    }
}

/// The columns that an external table has beside its partitions. A schema's own `dt` or `hr` is left out: no engine has
/// two columns of one name, and the folders' names cannot give way.
pub fn columns(table: &Table) -> impl Iterator<Item = &Column> {
    let columns = table.columns().iter();
    columns.filter(|column| !PARTITION_KEYS.contains(&column.name.as_str()))
}

/// A comment for the columns that are left out, with a line end; empty where none is.
fn left_out(table: &Table) -> String {
    let names = table.columns().iter().map(|column| column.name.as_str());
    let out: Vec<&str> = names.filter(|name| PARTITION_KEYS.contains(name)).collect();
    match out.is_empty() {
        true => String::new(),
        false => format!(
            "-- {}: without its own {}, of which name the partition is; `headgate query` has it.\n",
            table.name(),
            out.join(" and ")
        ),
    }
}

/// Each column's definition on a line of its own.
fn lines(table: &Table, definition: impl Fn(&Column) -> String) -> String {
    let lines: Vec<String> = columns(table)
        .map(|column| format!("    {}", definition(column)))
        .collect();
    lines.join(",\n")
}

/// A text as SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The day of a time in microseconds since 1970, UTC, as folders have it.
fn day(micros: i64) -> String {
    let time = Timestamp::from_microsecond(micros).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests;
