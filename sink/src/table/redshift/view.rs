//! One view over the majors of an event: a breaking change of a schema makes a new table, and who asks for the event as
//! such still finds all of it.

use headgate_schemas::names::snake_case;

use super::{Table, qualified, quoted};
use crate::table::Column;

/// `CREATE OR REPLACE VIEW` over the tables of an event's majors, in ascending order: the columns that all of them have
/// with the same type, in the newest one's order. `None` where there is one major only, or where a table of `tables` has
/// the view's name.
///
/// The view is bound late, so that tables may change or go without it; such a view is to name its tables with their
/// schema. A view is replaced only by one with the same columns: when a new major or minor changes them, [`drop_view`]
/// comes first (<https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html>).
pub fn union_view(schema: &str, name: &str, majors: &[&Table], tables: &[&str]) -> Option<String> {
    let (newest, older) = majors.split_last()?;
    if older.is_empty() || tables.contains(&name) || majors.iter().any(|t| t.name() == name) {
        return None;
    }
    let in_all = |column: &&Column| older.iter().all(|table| has(table, column));
    let columns = newest.columns().iter().filter(in_all);
    let columns: Vec<String> = columns
        .map(|column| format!("    {}", quoted(&column.name)))
        .collect();
    let columns = columns.join(",\n");
    let selects: Vec<String> = majors
        .iter()
        .map(|table| {
            format!(
                "SELECT\n{columns}\nFROM {}",
                qualified(schema, table.name())
            )
        })
        .collect();
    Some(format!(
        "CREATE OR REPLACE VIEW {} AS\n{}\nWITH NO SCHEMA BINDING",
        qualified(schema, name),
        selects.join("\nUNION ALL\n")
    ))
}

/// What the view over these majors of an event is called: the event in snake case. Where that is the table of one of them,
/// as with the first major of a track call, `_all` stands behind it.
pub fn view_name(event: &str, majors: &[&Table]) -> String {
    let name = snake_case(event);
    match majors.iter().any(|table| table.name() == name) {
        true => format!("{name}_all"),
        false => name,
    }
}

/// `DROP VIEW` for a view that may be there.
pub fn drop_view(schema: &str, name: &str) -> String {
    format!("DROP VIEW IF EXISTS {}", qualified(schema, name))
}

/// VARCHARs of different lengths are one type: the union has room for the longer one.
fn has(table: &Table, column: &Column) -> bool {
    let mut columns = table.columns().iter();
    columns.any(|known| known.name == column.name && known.kind == column.kind)
}
