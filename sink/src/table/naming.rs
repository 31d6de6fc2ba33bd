//! From a value's place in the data to a column's name.

use std::collections::HashSet;

use headgate_schemas::names::snake_case;

/// Redshift's limit, the tightest among the engines.
pub(super) const NAME_BYTES_MAX: usize = 127;

/// Columns that every table of Redshift has by itself, and of PostgreSQL, which it comes from: none of a schema can be called
/// so there, quoted or not. <https://www.postgresql.org/docs/8.0/ddl-system-columns.html>
const SYSTEM: [&str; 9] = [
    "oid",
    "tableoid",
    "xmin",
    "cmin",
    "xmax",
    "cmax",
    "ctid",
    "insertxid",
    "deletexid",
];

/// The column of the data itself, when it is not an object with declared members.
const DATA: &str = "data";

/// A column's name from the keys that lead to it: each in snake case, joined by `_`; before a leading digit, and
/// before what engines call columns of their own, stands `_`.
pub(super) fn column(path: &[&str]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|key| snake_case(key).trim_matches('_').to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    let name = parts.join("_");
    if path.is_empty() {
        DATA.to_owned()
    } else if name.is_empty()
        || name.starts_with(|first: char| first.is_ascii_digit())
        || SYSTEM.contains(&name.as_str())
    {
        format!("_{name}")
    } else {
        name
    }
}

/// The names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// Takes the name, or when it is taken the name with `_2`, `_3` and so on behind it: columns are named in their
    /// order, and new ones come last, so a name once given stays.
    pub(super) fn take(&mut self, name: String) -> String {
        let mut tried = cut(&name, NAME_BYTES_MAX).to_owned();
        let mut number = 2;
        while !self.0.insert(tried.clone()) {
            let suffix = format!("_{number}");
            tried = format!("{}{suffix}", cut(&name, NAME_BYTES_MAX - suffix.len()));
            number += 1;
        }
        tried
    }
}

/// Names from [`column`] are ASCII: any byte is a character's boundary.
fn cut(name: &str, bytes_max: usize) -> &str {
    name.get(..bytes_max).unwrap_or(name)
}

/// The JSON pointer (RFC 6901) to a member.
pub(crate) fn pointer(object: &str, key: &str) -> String {
    format!("{object}/{}", key.replace('~', "~0").replace('/', "~1"))
}
