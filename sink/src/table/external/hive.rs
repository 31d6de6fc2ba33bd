//! Engines on Hive's catalogue, which for Amazon's is Glue: Athena and Redshift Spectrum.

use super::{Partition, Place, day, left_out, lines, literal};
use crate::table::{
    Column, Table, Type,
    redshift::{RedshiftType, VARCHAR_BYTES_MAX, qualified, quoted},
};

/// The most partitions that one statement or call adds
/// (<https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html>,
/// <https://docs.aws.amazon.com/glue/latest/webapi/API_BatchCreatePartition.html>).
pub const PARTITIONS_MAX: usize = 100;

/// A column's type for Hive, Glue and Athena
/// (<https://docs.aws.amazon.com/athena/latest/ug/data-types.html>).
pub fn hive_type(kind: Type) -> &'static str {
    match kind {
        Type::Boolean => "boolean",
        Type::Integer => "bigint",
        Type::Number => "double",
        Type::Text | Type::Json => "string",
        Type::Timestamp => "timestamp",
        Type::Date => "date",
    }
}

impl Table {
    /// `CREATE EXTERNAL TABLE` for Athena. Partitions are projected, hours from the day of `since_micros` (microseconds since 1970, UTC)
    /// until now, so that none has to be registered
    /// (<https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html>). Athena then looks at no
    /// registered ones.
    pub fn athena_ddl(&self, place: &Place<'_>, since_micros: i64) -> String {
        let folder = place.folder(self);
        let properties: Vec<String> = projection(&folder, since_micros)
            .iter()
            .map(|(name, value)| format!("    '{name}' = {}", literal(value)))
            .collect();
        format!(
            "{}CREATE EXTERNAL TABLE IF NOT EXISTS {}.{} (\n{}\n)\nPARTITIONED BY (`dt` date, `hr` string)\n\
             STORED AS PARQUET\nLOCATION {}\nTBLPROPERTIES (\n{}\n);\n",
            left_out(self),
            backquoted(place.database),
            backquoted(self.name()),
            lines(self, |column| {
                format!("{} {}", backquoted(&column.name), hive_type(column.kind))
            }),
            literal(&folder),
            properties.join(",\n"),
        )
    }

    /// `CREATE EXTERNAL TABLE` for Redshift Spectrum, which has no `IF NOT EXISTS` and runs in no transaction
    /// (<https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_EXTERNAL_TABLE.html>). It has no rows until partitions are
    /// added: [`Table::spectrum_partitions`].
    pub fn spectrum_ddl(&self, place: &Place<'_>) -> String {
        format!(
            "{}CREATE EXTERNAL TABLE {} (\n{}\n)\nPARTITIONED BY (dt DATE, hr VARCHAR(2))\nSTORED AS PARQUET\n\
             LOCATION {};\n",
            left_out(self),
            qualified(place.database, self.name()),
            lines(self, |column| {
                format!("{} {}", quoted(&column.name), spectrum_type(column))
            }),
            literal(&place.folder(self)),
        )
    }

    /// `ALTER TABLE` for Redshift Spectrum that adds these partitions, at most [`PARTITIONS_MAX`] a statement. Those that
    /// are there stay.
    pub fn spectrum_partitions(&self, place: &Place<'_>, partitions: &[Partition]) -> String {
        let folder = place.folder(self);
        let added = |partition: &Partition| {
            format!(
                "\nPARTITION (dt = {}, hr = {}) LOCATION {}",
                literal(&partition.dt),
                literal(&partition.hr),
                literal(&format!("{folder}{}", partition.folder()))
            )
        };
        let statements = partitions.chunks(PARTITIONS_MAX).map(|chunk| {
            let added: String = chunk.iter().map(added).collect();
            let table = qualified(place.database, self.name());
            format!("ALTER TABLE {table} ADD IF NOT EXISTS{added};\n")
        });
        statements.collect()
    }
}

/// The properties by which Athena works out the partitions below a folder.
fn projection(folder: &str, since_micros: i64) -> [(&'static str, String); 10] {
    let plain = |name, value: &str| (name, value.to_owned());
    [
        plain("projection.enabled", "true"),
        plain("projection.dt.type", "date"),
        plain("projection.dt.format", "yyyy-MM-dd"),
        ("projection.dt.range", format!("{},NOW", day(since_micros))),
        plain("projection.dt.interval", "1"),
        plain("projection.dt.interval.unit", "DAYS"),
        plain("projection.hr.type", "integer"),
        plain("projection.hr.range", "00,23"),
        plain("projection.hr.digits", "2"),
        (
            "storage.location.template",
            format!("{folder}dt=${{dt}}/hr=${{hr}}/"),
        ),
    ]
}

/// As in Redshift itself, but that files keep JSON as text.
fn spectrum_type(column: &Column) -> RedshiftType {
    match Table::redshift_type(column) {
        RedshiftType::Super => RedshiftType::Varchar {
            bytes: VARCHAR_BYTES_MAX,
        },
        other => other,
    }
}

/// A name as Hive quotes it.
fn backquoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
