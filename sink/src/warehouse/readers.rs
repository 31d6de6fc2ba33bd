//! What readers get: views over the majors of an event, views of single sources, and grants.
//!
//! All of it can be said again at any time, and is, whenever a table was made or has changed, and at each start.

use super::{
    catalog::Columns,
    config::{Config, Reader, matches},
    layouts::Layouts,
    names::{Names, literal, quoted},
};
use crate::table::{
    Table,
    redshift::{drop_view, union_view},
};

/// Redshift's longest name, in bytes.
const NAME_BYTES_MAX: usize = 127;

/// What readers' statements are made of.
#[derive(Clone, Copy)]
pub(super) struct Readers<'a> {
    pub(super) names: &'a Names,
    pub(super) config: &'a Config,
    pub(super) layouts: &'a Layouts,
}

impl Readers<'_> {
    /// The statements for one table; `held` tells which tables are there, with their columns.
    pub(super) fn of_table(
        &self,
        table: &str,
        held: impl Fn(&str) -> Option<Columns>,
    ) -> Vec<String> {
        let mut statements = Vec::new();
        let Some(columns) = held(table) else {
            return statements;
        };
        let view = self.majors(table, |name| held(name).is_some());
        if let Some((name, view)) = view {
            // A view that is there keeps its columns: with others it is another one.
            statements.push(drop_view(self.names.schema(), &name));
            statements.push(view);
            statements.extend(
                self.readers(table)
                    .filter(|reader| reader.sources.is_empty() && reader.tables.is_empty())
                    .map(|reader| self.grant(&name, reader)),
            );
        }
        for reader in self.readers(table) {
            if reader.sources.is_empty() {
                statements.push(self.grant(table, reader));
                continue;
            }
            for source in &reader.sources {
                if let Some((name, view)) = self.of_source(table, &columns, source) {
                    statements.push(drop_view(self.names.schema(), &name));
                    statements.push(view);
                    statements.push(self.grant(&name, reader));
                }
            }
        }
        statements
    }

    fn readers(&self, table: &str) -> impl Iterator<Item = &Reader> {
        self.config.readers.values().filter(move |reader| {
            reader.tables.is_empty() || reader.tables.iter().any(|pattern| matches(pattern, table))
        })
    }

    fn grant(&self, name: &str, reader: &Reader) -> String {
        format!(
            "GRANT SELECT ON {} TO {}",
            self.names.table(name),
            grantee(&reader.to)
        )
    }

    /// The view over the event's majors that are there, with its name.
    fn majors(&self, table: &str, is_there: impl Fn(&str) -> bool) -> Option<(String, String)> {
        let (event, majors) = self.layouts.majors(table)?;
        let there: Vec<&Table> = majors
            .iter()
            .map(AsRef::as_ref)
            .filter(|t| is_there(t.name()))
            .collect();
        let tables = self.layouts.tables();
        let names: Vec<&str> = tables.iter().map(|table| table.name()).collect();
        let view = union_view(self.names.schema(), &event, &there, &names)?;
        Some((event, view))
    }

    /// The view of one source's rows, with its name; `None`: the name would be too long.
    fn of_source(&self, table: &str, columns: &Columns, source: &str) -> Option<(String, String)> {
        let legal = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        };
        let name = format!("{table}__{}", source.chars().map(legal).collect::<String>());
        if name.len() > NAME_BYTES_MAX {
            tracing::warn!(
                table,
                source,
                "no view for the source: its name would be longer than 127 bytes"
            );
            return None;
        }
        let columns: Vec<String> = columns.keys().map(|column| quoted(column)).collect();
        let view = format!(
            "CREATE OR REPLACE VIEW {} AS SELECT {} FROM {} WHERE \"source\" = {} WITH NO SCHEMA BINDING",
            self.names.table(&name),
            columns.join(", "),
            self.names.table(table),
            literal(source)
        );
        Some((name, view))
    }
}

/// `ROLE r` and `GROUP g` with the name quoted, or a user.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_GRANT.html>
fn grantee(to: &str) -> String {
    match to.trim().split_once(char::is_whitespace) {
        Some((kind, name)) if kind.eq_ignore_ascii_case("role") => {
            format!("ROLE {}", quoted(name.trim()))
        }
        Some((kind, name)) if kind.eq_ignore_ascii_case("group") => {
            format!("GROUP {}", quoted(name.trim()))
        }
        _ if to.trim().eq_ignore_ascii_case("public") => "PUBLIC".to_owned(),
        _ => quoted(to.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grantee_is_a_role_a_group_a_user_or_everybody() {
        for (to, expected) in [
            ("ROLE analysts", "ROLE \"analysts\""),
            ("group web team", "GROUP \"web team\""),
            ("alice", "\"alice\""),
            ("public", "PUBLIC"),
        ] {
            assert_eq!(grantee(to), expected);
        }
    }
}
