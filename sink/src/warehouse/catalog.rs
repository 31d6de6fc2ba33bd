//! What the warehouse's tables look like now, and what has to change before a load.

use std::collections::BTreeMap;

use super::{
    names::{Names, literal},
    session::Rows,
    statements::Staged,
};
use crate::table::{Table, Type, redshift::RedshiftType};

/// A table's columns in the warehouse; `None`: of a type that Headgate does not make.
pub(super) type Columns = BTreeMap<String, Option<RedshiftType>>;

/// The tables of the warehouse's schema, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalog {
    tables: BTreeMap<String, Columns>,
}

/// Asks for the columns of all tables of the schema, or of one.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_COLUMNS.html>
pub(super) fn ask(names: &Names, table: Option<&str>) -> String {
    let one = table.map(|table| format!(" AND \"table_name\" = {}", literal(table)));
    format!(
        "SELECT \"table_name\", \"column_name\", \"data_type\", \"character_maximum_length\" FROM svv_columns WHERE \
         \"table_schema\" = {}{}",
        literal(names.schema()),
        one.unwrap_or_default()
    )
}

impl Catalog {
    /// What the warehouse answers to [`ask`].
    pub(super) fn read(rows: Rows) -> Self {
        let mut tables: BTreeMap<String, Columns> = BTreeMap::new();
        for row in rows {
            if let Ok([Some(table), Some(column), Some(kind), length]) =
                <[Option<String>; 4]>::try_from(row)
            {
                let length = length.and_then(|length| length.parse().ok());
                let columns = tables.entry(table).or_default();
                columns.insert(column, type_of(&kind, length));
            }
        }
        Self { tables }
    }

    /// Puts what is known of one table in the place of what was.
    pub(super) fn put(&mut self, table: &str, mut of_it: Self) {
        match of_it.tables.remove(table) {
            Some(columns) => self.tables.insert(table.to_owned(), columns),
            None => self.tables.remove(table),
        };
    }

    /// A table's columns; `None`: it is not there.
    pub(super) fn table(&self, name: &str) -> Option<&Columns> {
        self.tables.get(name)
    }
}

/// Of what the catalogue calls a type.
fn type_of(kind: &str, length: Option<u32>) -> Option<RedshiftType> {
    Some(match kind.to_ascii_lowercase().as_str() {
        "boolean" => RedshiftType::Boolean,
        "bigint" => RedshiftType::BigInt,
        "double precision" => RedshiftType::DoublePrecision,
        "timestamp without time zone" | "timestamp" => RedshiftType::Timestamp,
        "date" => RedshiftType::Date,
        "super" => RedshiftType::Super,
        "character varying" | "varchar" => RedshiftType::Varchar { bytes: length? },
        _ => return None,
    })
}

/// A column that the warehouse's table should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) kind: RedshiftType,
    pub(super) required: bool,
    /// A schema in force has it; else a file alone tells of it, and not whether a text is JSON.
    pub(super) known: bool,
}

/// The columns that a table should have: its schemas', and what files have beyond them.
pub(super) fn wanted<'a>(
    table: Option<&Table>,
    files: impl Iterator<Item = &'a Staged>,
) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = table.map_or_else(Vec::new, |table| {
        let column = |column: &crate::table::Column| Wanted {
            name: column.name.clone(),
            kind: Table::redshift_type(column),
            required: column.required,
            known: true,
        };
        table.columns().iter().map(column).collect()
    });
    for staged in files {
        if !wanted.iter().any(|column| column.name == staged.name) {
            wanted.push(Wanted {
                name: staged.name.clone(),
                kind: of_file(staged.kind),
                required: staged.required,
                known: false,
            });
        }
    }
    wanted
}

/// What a column that no schema has any more becomes.
fn of_file(kind: Type) -> RedshiftType {
    match kind {
        Type::Boolean => RedshiftType::Boolean,
        Type::Integer => RedshiftType::BigInt,
        Type::Number => RedshiftType::DoublePrecision,
        Type::Timestamp => RedshiftType::Timestamp,
        Type::Date => RedshiftType::Date,
        Type::Text => RedshiftType::Varchar { bytes: 65_535 },
        Type::Json => RedshiftType::Super,
    }
}

/// What has to change in a table that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Columns to be added, in this order.
    pub(super) add: Vec<Wanted>,
    /// Texts to be made wider, and how wide, in bytes.
    pub(super) widen: Vec<(String, u32)>,
    /// Columns whose values cannot go into what is there: what is there, and what is wanted.
    pub(super) conflicts: Vec<String>,
}

/// Compares a table that is there with what it should be.
pub(super) fn changes(held: &Columns, wanted: &[Wanted]) -> Changes {
    let mut changes = Changes::default();
    for column in wanted {
        match (held.get(&column.name), column.kind) {
            (None, _) => changes.add.push(Wanted {
                // A column cannot be added as required without a default.
                required: false,
                ..column.clone()
            }),
            (
                Some(Some(RedshiftType::Varchar { bytes })),
                RedshiftType::Varchar { bytes: want },
            ) => {
                if *bytes < want && column.known {
                    changes.widen.push((column.name.clone(), want));
                }
            }
            // Someone made it so: whether values fit is the warehouse's to say.
            (Some(None), _) => {}
            (Some(Some(held)), want) if *held == want || !column.known => {}
            (Some(Some(held)), want) => changes.conflicts.push(format!(
                "{} is {held} in the warehouse, and {want} by the schema",
                column.name
            )),
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(name: &str, kind: RedshiftType) -> Wanted {
        Wanted {
            name: name.to_owned(),
            kind,
            required: true,
            known: true,
        }
    }

    #[test]
    fn a_catalogue_is_read_and_one_table_of_it_renewed() {
        let row = |values: [&str; 4]| {
            values
                .map(|v| (!v.is_empty()).then(|| v.to_owned()))
                .to_vec()
        };
        let mut catalog = Catalog::read(vec![
            row(["t", "a", "character varying", "40"]),
            row(["t", "b", "super", ""]),
            row(["t", "c", "numeric", ""]),
        ]);
        let columns = catalog.table("t").unwrap();
        assert_eq!(columns["a"], Some(RedshiftType::Varchar { bytes: 40 }));
        assert_eq!(columns["b"], Some(RedshiftType::Super));
        assert_eq!(columns["c"], None);
        catalog.put("t", Catalog::default());
        assert!(catalog.table("t").is_none());
    }

    #[test]
    fn columns_are_added_and_texts_widened_and_nothing_else_is_touched() {
        let held = Columns::from([
            ("a".to_owned(), Some(RedshiftType::Varchar { bytes: 40 })),
            ("b".to_owned(), Some(RedshiftType::Varchar { bytes: 400 })),
            ("c".to_owned(), Some(RedshiftType::BigInt)),
            ("d".to_owned(), None),
        ]);
        let found = changes(
            &held,
            &[
                wants("a", RedshiftType::Varchar { bytes: 80 }),
                wants("b", RedshiftType::Varchar { bytes: 80 }),
                wants("c", RedshiftType::Super),
                wants("d", RedshiftType::Date),
                wants("e", RedshiftType::Date),
            ],
        );
        assert_eq!(found.widen, [("a".to_owned(), 80)]);
        assert_eq!(
            found.add,
            [Wanted {
                required: false,
                ..wants("e", RedshiftType::Date)
            }]
        );
        assert_eq!(
            found.conflicts,
            ["c is BIGINT in the warehouse, and SUPER by the schema"]
        );
    }
}
