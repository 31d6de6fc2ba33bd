//! How Redshift distributes and sorts a table's rows: what `x-redshift` says, against the columns that there are.

use headgate_schemas::redshift::{ANNOTATION, DistStyle, Redshift};

use super::{RedshiftType, Table, quoted};
use crate::table::{ENVELOPE, at};

/// `x-redshift` names something that cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {reason}")]
pub struct KeyError {
    /// JSON pointer into the schema's document.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}

/// Everything that the table's columns say against the annotation.
pub(in crate::table) fn problems(said: &Redshift, table: &Table) -> Vec<KeyError> {
    let distkey = said.distkey.iter();
    let distkey = distkey.map(|name| ("/distkey".to_owned(), name));
    let sortkey = said.sortkey.iter().flatten().enumerate();
    let sortkey = sortkey.map(|(index, name)| (format!("/sortkey/{index}"), name));
    let named = distkey.chain(sortkey);
    named
        .filter_map(|(below, name)| {
            Some(KeyError {
                pointer: format!("/{ANNOTATION}{below}"),
                reason: unfit(name, table)?,
            })
        })
        .collect()
}

/// Why the column cannot be a key: SUPER cannot
/// (<https://docs.aws.amazon.com/redshift/latest/dg/limitations-super.html>).
fn unfit(name: &str, table: &Table) -> Option<String> {
    let is_super = |column| Table::redshift_type(column) == RedshiftType::Super;
    let found = table.columns().iter().find(|column| column.name == name);
    let what = match found {
        Some(column) if is_super(column) => {
            format!("`{name}` is a SUPER column, which Redshift takes for no key")
        }
        Some(_) => return None,
        None => format!("the table {} has no column `{name}`", table.name()),
    };
    let fit = table.columns().iter().filter(|column| !is_super(column));
    let fit: Vec<&str> = fit.map(|column| column.name.as_str()).collect();
    Some(format!("{what}; allowed are {}", fit.join(", ")))
}

/// The clauses behind a table's columns.
pub(super) fn clauses(table: &Table) -> Result<String, KeyError> {
    let default = Redshift::default();
    let said = table.redshift.as_ref().unwrap_or(&default);
    if let Some(first) = problems(said, table).into_iter().next() {
        return Err(first);
    }
    let style = match (&said.diststyle, &said.distkey) {
        (DistStyle::Key, Some(column)) => format!("DISTSTYLE KEY\nDISTKEY ({})", quoted(column)),
        (style, _) => format!("DISTSTYLE {style}"),
    };
    let by_arrival = || vec![ENVELOPE[at::RECEIVED_AT].0.to_owned()];
    let sortkey = said.sortkey.clone().unwrap_or_else(by_arrival);
    let sortkey: Vec<String> = sortkey.iter().map(|column| quoted(column)).collect();
    Ok(format!("{style}\nSORTKEY ({})", sortkey.join(", ")))
}
