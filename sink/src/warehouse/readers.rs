//! What readers get: views over the majors of an event and over identify calls, views of single sources, and grants.
//!
//! All of it can be said again at any time, and is, whenever a table was made or has changed, and at each start.

use std::collections::BTreeSet;

use super::{
    catalog::Columns,
    config::{Config, Reader, matches},
    layouts::Layouts,
    names::{Names, literal, quoted},
};
use crate::table::{
    Table,
    redshift::{drop_view, union_view, view_name},
    users,
};

/// Redshift's longest name, in bytes.
const NAME_BYTES_MAX: usize = 127;

/// What belongs together of what is said for readers, and what it is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) what: String,
    pub(super) statements: Vec<String>,
}

/// What readers' statements are made of.
#[derive(Clone, Copy)]
pub(super) struct Readers<'a> {
    pub(super) names: &'a Names,
    pub(super) config: &'a Config,
    pub(super) layouts: &'a Layouts,
}

impl Readers<'_> {
    /// What is to be said for one table, in this order; `held` tells which tables are there, with their columns.
    pub(super) fn of_table(
        &self,
        table: &str,
        held: impl Fn(&str) -> Option<Columns>,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(columns) = held(table) else {
            return steps;
        };
        let view = self.majors(table, |name| held(name).is_some());
        if let Some((name, view)) = view {
            steps.push(self.view(&name, view));
            let all = self.readers(table);
            let all =
                all.filter(|(_, reader)| reader.sources.is_empty() && reader.tables.is_empty());
            steps.extend(all.map(|reader| self.grant(&name, reader)));
        }
        if let Some(view) = self.users(table, &columns) {
            steps.push(self.view(users::NAME, view));
            let all = self.readers(users::NAME);
            let all = all.filter(|(_, reader)| reader.sources.is_empty());
            steps.extend(all.map(|reader| self.grant(users::NAME, reader)));
        }
        let mut made = BTreeSet::new();
        for (of, reader) in self.readers(table) {
            if reader.sources.is_empty() {
                steps.push(self.grant(table, (of, reader)));
                continue;
            }
            for source in &reader.sources {
                let Some((name, view)) = self.of_source(table, &columns, source) else {
                    continue;
                };
                // Another one would take away what was granted on it.
                if made.insert(name.clone()) {
                    steps.push(self.view(&name, view));
                }
                steps.push(self.grant(&name, (of, reader)));
            }
        }
        steps
    }

    fn readers(&self, table: &str) -> impl Iterator<Item = (&str, &Reader)> {
        let readers = self.config.readers.iter();
        let readers = readers.filter(move |(_, reader)| {
            reader.tables.is_empty() || reader.tables.iter().any(|pattern| matches(pattern, table))
        });
        readers.map(|(name, reader)| (name.as_str(), reader))
    }

    /// A view that is there keeps its columns: with others it is another one.
    fn view(&self, name: &str, view: String) -> Step {
        Step {
            what: format!("the view `{name}`"),
            statements: vec![drop_view(self.names.schema(), name), view],
        }
    }

    fn grant(&self, name: &str, (of, reader): (&str, &Reader)) -> Step {
        let grant = format!(
            "GRANT SELECT ON {} TO {}",
            self.names.table(name),
            grantee(&reader.to)
        );
        Step {
            what: format!(
                "the grant on `{name}` to `{}` of warehouse.readers.{of}",
                reader.to
            ),
            statements: vec![grant],
        }
    }

    /// The view over the event's majors that are there, with its name.
    fn majors(&self, table: &str, is_there: impl Fn(&str) -> bool) -> Option<(String, String)> {
        let (event, majors) = self.layouts.majors(table)?;
        let all: Vec<&Table> = majors.iter().map(AsRef::as_ref).collect();
        let name = view_name(&event, &all);
        let there: Vec<&Table> = all.into_iter().filter(|t| is_there(t.name())).collect();
        let tables = self.layouts.tables();
        let names: Vec<&str> = tables.iter().map(|table| table.name()).collect();
        let view = union_view(self.names.schema(), &name, &there, &names)?;
        Some((name, view))
    }

    /// The view of users, if this is the table of identify calls.
    fn users(&self, table: &str, held: &Columns) -> Option<String> {
        let identifies = self.layouts.identifies()?;
        if identifies.name() != table {
            return None;
        }
        let mut columns = users::columns(&identifies);
        columns.retain(|column| held.contains_key(*column));
        let view = users::redshift_view(self.names.schema(), &identifies, &columns);
        Some(view)
    }

    /// The view of one source's rows, with its name; `None`: the name would be too long.
    fn of_source(&self, table: &str, columns: &Columns, source: &str) -> Option<(String, String)> {
        let name = format!("{table}__{}", name_of_source(source));
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

/// What a source is called in the names of views. Of two sources that are called the same, the configuration may have one.
pub(super) fn name_of_source(source: &str) -> String {
    let legal = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '_',
    };
    source.chars().map(legal).collect()
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
