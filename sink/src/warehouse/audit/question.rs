//! The one question that an audit asks of some tables: their rows and what the ledger says of them, as of one moment.

use std::ops::Range;

use super::super::{
    ledger::{EVERY_TABLE, kind},
    names::{Names, instant, literal},
};
use crate::commit::account::HOUR_MS;

/// What the answer's rows are about.
pub(super) mod about {
    pub(in super::super) const ROWS: &str = "rows";
    pub(in super::super) const DISCARDS: &str = "discards";
    pub(in super::super) const LOADS: &str = "loads";
    pub(in super::super) const RELOAD: &str = "reload";
    pub(in super::super) const POSITION: &str = "position";
    pub(in super::super) const SET_ASIDE: &str = "set_aside";
}

/// Some tables, and the hours that are asked for.
pub(super) struct Question<'a> {
    names: &'a Names,
    /// A condition on a table's name.
    named: String,
    /// The hours' begin and end, as literals.
    window: (String, String),
}

/// Columns of an answer: a table, two texts, and two numbers.
struct Columns<'a> {
    table: &'a str,
    texts: [&'a str; 2],
    numbers: [&'a str; 2],
}

/// An hour as text that every kind of server writes alike.
fn hour_of(column: &str) -> String {
    format!("TO_CHAR({column}, 'YYYY-MM-DD HH24')")
}

/// Reads it, as hours since the epoch.
pub(super) fn hour(text: &str) -> Option<i64> {
    let at: jiff::Timestamp = format!("{}:00:00Z", text.replace(' ', "T")).parse().ok()?;
    Some(at.as_second().div_euclid(3_600))
}

impl<'a> Question<'a> {
    pub(super) fn new(names: &'a Names, tables: &[String], hours: &Range<i64>) -> Self {
        let quoted: Vec<String> = tables.iter().map(|table| literal(table)).collect();
        let at = |hour: i64| instant(hour.saturating_mul(HOUR_MS));
        Self {
            names,
            named: format!("IN ({}, {})", quoted.join(", "), literal(EVERY_TABLE)),
            window: (at(hours.start), at(hours.end)),
        }
    }

    /// Rows of six columns: what they are about, a table, two texts, and two numbers. `there`: the tables that have rows to
    /// be counted.
    pub(super) fn sql(&self, there: &[&String]) -> String {
        let mut parts: Vec<String> = there.iter().map(|table| self.rows(table)).collect();
        parts.push(self.discards());
        parts.push(self.loads());
        parts.push(self.reloads());
        parts.push(self.positions());
        parts.push(self.set_aside());
        parts.join(" UNION ALL ")
    }

    fn rows(&self, table: &str) -> String {
        let hour = hour_of("\"received_at\"");
        let columns = Columns {
            table: &literal(table),
            texts: [&hour, "NULL"],
            numbers: ["COUNT(*)", "0"],
        };
        let from = self.names.table(table);
        let rest = format!("{from} WHERE {} GROUP BY {hour}", self.within());
        select(about::ROWS, &columns, &rest)
    }

    fn discards(&self) -> String {
        let hour = hour_of("\"received_at\"");
        let columns = Columns {
            table: "\"table\"",
            texts: [&hour, "NULL"],
            numbers: ["COUNT(*)", "0"],
        };
        let rest = format!(
            "{} WHERE \"table\" {} AND {} GROUP BY \"table\", {hour}",
            self.names.discards(),
            self.named,
            self.within()
        );
        select(about::DISCARDS, &columns, &rest)
    }

    /// Loads that touch the hours, together by the hours that they have rows of. What was settled by a reload has no counts,
    /// and that reload has a row of its own.
    fn loads(&self) -> String {
        let (least, most) = (hour_of("\"received_min\""), hour_of("\"received_max\""));
        let columns = Columns {
            table: "\"table_name\"",
            texts: [&least, &most],
            numbers: ["SUM(\"rows_copied\" - \"rows_inserted\")", "0"],
        };
        let (from, to) = &self.window;
        let rest = format!(
            "{} AND \"received_max\" >= {from} AND \"received_min\" < {to} AND \"rows_copied\" IS NOT NULL GROUP BY \
             \"table_name\", {least}, {most}",
            self.of(kind::LOAD)
        );
        select(about::LOADS, &columns, &rest)
    }

    /// The windows of reloads, in ms since the epoch; a table that was made anew has none.
    fn reloads(&self) -> String {
        let columns = Columns {
            table: "\"table_name\"",
            texts: [&hour_of("\"loaded_at\""), "NULL"],
            numbers: [
                "CASE WHEN \"log\" = '*' THEN \"follows\" ELSE 0 END",
                "CASE WHEN \"log\" = '*' THEN \"ends\" ELSE 0 END",
            ],
        };
        select(about::RELOAD, &columns, &self.of(kind::RELOAD))
    }

    fn positions(&self) -> String {
        let columns = Columns {
            table: "\"table_name\"",
            texts: ["\"log\"", "NULL"],
            numbers: ["MAX(\"ends\")", "0"],
        };
        let rest = format!(
            "{} WHERE \"table_name\" {} AND \"kind\" <> {} GROUP BY \"table_name\", \"log\"",
            self.names.loads(),
            self.named,
            literal(kind::RELOAD)
        );
        select(about::POSITION, &columns, &rest)
    }

    fn set_aside(&self) -> String {
        let columns = Columns {
            table: "\"table_name\"",
            texts: ["\"log\"", "\"load_id\""],
            numbers: ["\"follows\"", "\"ends\""],
        };
        select(about::SET_ASIDE, &columns, &self.of(kind::SET_ASIDE))
    }

    /// The ledger's rows of that kind.
    fn of(&self, kind: &str) -> String {
        format!(
            "{} WHERE \"table_name\" {} AND \"kind\" = {}",
            self.names.loads(),
            self.named,
            literal(kind)
        )
    }

    fn within(&self) -> String {
        let (from, to) = &self.window;
        format!("\"received_at\" >= {from} AND \"received_at\" < {to}")
    }
}

/// `rest`: what stands behind FROM.
fn select(what: &str, columns: &Columns<'_>, rest: &str) -> String {
    let Columns {
        table,
        texts: [text_1, text_2],
        numbers: [number_1, number_2],
    } = columns;
    format!(
        "SELECT CAST({} AS VARCHAR(16)) AS \"about\", CAST({table} AS VARCHAR(127)) AS \"of_table\", CAST({text_1} AS \
         VARCHAR(512)) AS \"text_1\", CAST({text_2} AS VARCHAR(512)) AS \"text_2\", CAST({number_1} AS BIGINT) AS \
         \"number_1\", CAST({number_2} AS BIGINT) AS \"number_2\" FROM {rest}",
        literal(what)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_asks_for_all() {
        let names = Names::new("public");
        let tables = ["a".to_owned(), "it's".to_owned()];
        let sql = Question::new(&names, &tables, &(0..1)).sql(&[&tables[0]]);
        assert_eq!(sql.matches(" UNION ALL ").count(), 5);
        for part in [
            "\"table_name\" IN ('a', 'it''s', '*')",
            "FROM \"public\".\"a\" WHERE \"received_at\" >= TIMESTAMP '1970-01-01 00:00:00.000'",
        ] {
            assert!(sql.contains(part), "no {part} in {sql}");
        }
    }

    #[test]
    fn an_hour_is_read() {
        assert_eq!(hour("2026-11-22 20"), Some(1_795_377_600 / 3_600));
        assert_eq!(hour("2026-11-22"), None);
    }
}
