//! The annotation `x-redshift` at a schema's root: how Redshift distributes and sorts the rows of the schema's table.
//!
//! Only what can be judged without columns is judged here. Which columns there are only the sink knows, who checks the
//! rest when tables are made of the schemas.

use std::fmt;

use serde_json::{Map, Value};

/// The annotation's name.
pub const ANNOTATION: &str = "x-redshift";

/// The most columns of a compound sort key (<https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html>).
pub const SORT_COLUMNS_MAX: usize = 400;

/// What the annotation may have, for messages.
const ALLOWED: &str = "allowed are `distkey` (a column), `diststyle` (auto, even, all or key) and `sortkey` (a list of columns)";

/// How rows are distributed over the cluster
/// (<https://docs.aws.amazon.com/redshift/latest/dg/c_choosing_dist_sort.html>).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DistStyle {
    /// As Redshift decides by the table's size.
    #[default]
    Auto,
    /// In turn.
    Even,
    /// Each node has all of them.
    All,
    /// By the value of the distribution key.
    Key,
}

impl DistStyle {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "auto" => Self::Auto,
            "even" => Self::Even,
            "all" => Self::All,
            "key" => Self::Key,
            _ => return None,
        })
    }
}

impl fmt::Display for DistStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "AUTO",
            Self::Even => "EVEN",
            Self::All => "ALL",
            Self::Key => "KEY",
        })
    }
}

/// What the annotation says. Columns go by their names in the table, and need not be there yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redshift {
    /// The distribution: `key` exactly where there is a distribution key.
    pub diststyle: DistStyle,
    /// The column by which rows are distributed.
    pub distkey: Option<String>,
    /// The columns by which rows are sorted, the first one first: none twice, 1 to [`SORT_COLUMNS_MAX`]. `None`: the
    /// annotation leaves it to the default.
    pub sortkey: Option<Vec<String>>,
}

/// What is wrong with the annotation at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// JSON pointer into the schema's document.
    pub(crate) pointer: String,
    /// What is wrong and what is allowed.
    pub(crate) reason: String,
}

impl Redshift {
    /// The annotation of a schema's document, where it has one.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn of(document: &Value) -> Result<Option<Self>, Vec<Problem>> {
        let Some(annotation) = document.get(ANNOTATION) else {
            return Ok(None);
        };
        let mut problems = Problems::default();
        let Some(members) = annotation.as_object() else {
            problems.at("", format!("{annotation} is not an object; {ALLOWED}"));
            return Err(problems.0);
        };
        problems.strangers(members);
        let distkey = members.get("distkey");
        let distkey = distkey.and_then(|name| problems.column("/distkey", name));
        let has_key = members.contains_key("distkey");
        let diststyle = problems.diststyle(members.get("diststyle"), has_key);
        let sortkey = members.get("sortkey");
        let sortkey = sortkey.map(|columns| problems.sortkey(columns));
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        Ok(Some(Self {
            diststyle,
            distkey,
            sortkey,
        }))
    }
}

/// What is found while the annotation is read.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    /// At a pointer below the annotation.
    fn at(&mut self, below: &str, reason: String) {
        self.0.push(Problem {
            pointer: format!("/{ANNOTATION}{below}"),
            reason,
        });
    }

    fn strangers(&mut self, members: &Map<String, Value>) {
        let known = ["distkey", "diststyle", "sortkey"];
        for name in members.keys().filter(|name| !known.contains(&&***name)) {
            let below = format!("/{}", crate::program::escape(name));
            self.at(&below, format!("`{name}` is unknown; {ALLOWED}"));
        }
    }

    fn column(&mut self, below: &str, name: &Value) -> Option<String> {
        match name.as_str() {
            Some(name) if !name.is_empty() => Some(name.to_owned()),
            _ => {
                self.at(below, format!("{name} is not the name of a column"));
                None
            }
        }
    }

    /// The style that is said, or the one that follows from the key.
    fn diststyle(&mut self, said: Option<&Value>, has_key: bool) -> DistStyle {
        let follows = match has_key {
            true => DistStyle::Key,
            false => DistStyle::Auto,
        };
        let Some(said) = said else {
            return follows;
        };
        match said.as_str().and_then(DistStyle::named) {
            None => {
                let reason = format!("{said} is not allowed: auto, even, all or key");
                self.at("/diststyle", reason);
            }
            Some(DistStyle::Key) if !has_key => {
                let reason =
                    "key needs the column in `distkey`: name one, or take auto, even or all";
                self.at("/diststyle", reason.to_owned());
            }
            Some(DistStyle::Key) => {}
            Some(_) if has_key => {
                let reason = format!(
                    "{said} contradicts `distkey`, which is for key alone: leave one of them out"
                );
                self.at("/diststyle", reason);
            }
            Some(style) => return style,
        }
        follows
    }

    fn sortkey(&mut self, columns: &Value) -> Vec<String> {
        let listed = columns.as_array().map_or(&[][..], Vec::as_slice);
        if !(1..=SORT_COLUMNS_MAX).contains(&listed.len()) {
            let found = match columns.as_array() {
                None => "not a list".to_owned(),
                Some(listed) => format!("a list of {}", listed.len()),
            };
            let reason = format!(
                "this is {found}; allowed is a list of 1 to {SORT_COLUMNS_MAX} columns, or no `sortkey`"
            );
            self.at("/sortkey", reason);
            return Vec::new();
        }
        let mut names: Vec<String> = Vec::with_capacity(listed.len());
        for (index, name) in listed.iter().enumerate() {
            let below = format!("/sortkey/{index}");
            let Some(name) = self.column(&below, name) else {
                continue;
            };
            if names.contains(&name) {
                self.at(&below, format!("`{name}` is in the list already"));
            }
            names.push(name);
        }
        names
    }
}

#[cfg(test)]
mod tests;
