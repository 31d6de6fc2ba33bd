//! Where settings come from: the TOML file, the environment and flags, each setting with its origin.
//!
//! Every setting is kept apart until all are known, so that each can be judged on its own: one wrong key hides no
//! other, and an error can say in which line or variable the value stands.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::problem::Problem;

/// Environment variables with this prefix are settings: `HEADGATE__GATEWAY__LISTEN` sets `gateway.listen`.
pub(crate) const ENV_PREFIX: &str = "HEADGATE__";

/// The place where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line, counted from 1, of the configuration file.
    File { path: PathBuf, line: usize },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One value that somebody set.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// The key's parts: `["gateway", "listen"]`.
    pub(crate) path: Vec<String>,
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

impl Setting {
    /// The key as it is written: `gateway.listen`.
    pub(crate) fn key(&self) -> String {
        self.path.join(".")
    }

    /// What is left of the key below that one: nothing where it is that one itself; none where it stands elsewhere.
    fn below(&self, key: &str) -> Option<String> {
        let own = self.key();
        let rest = own.strip_prefix(key)?;
        match rest.is_empty() {
            true => Some(String::new()),
            false => rest.strip_prefix('.').map(str::to_owned),
        }
    }

    /// A table with nothing but this setting in it.
    pub(crate) fn alone(&self) -> Table {
        let mut table = Table::new();
        put(&mut table, &self.path, &self.value);
        table
    }
}

/// The settings of a TOML file, in the order of the file, and what is wrong with its syntax.
pub(crate) fn from_file(path: &Path, text: &str) -> (Vec<Setting>, Vec<Problem>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let problems = errors
        .iter()
        .map(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            Problem::syntax(
                Origin::File {
                    path: path.to_path_buf(),
                    line,
                },
                error.message(),
            )
        })
        .collect();
    let mut found = Vec::new();
    flatten(document.get_ref(), &mut Vec::new(), &mut found);
    found.sort_by_key(|(offset, ..)| *offset);
    let settings = found.into_iter().map(|(offset, key, value)| Setting {
        path: key,
        value,
        origin: Origin::File {
            path: path.to_path_buf(),
            line: line_at(text, offset),
        },
    });
    (settings.collect(), problems)
}

fn flatten(
    table: &DeTable<'_>,
    above: &mut Vec<String>,
    out: &mut Vec<(usize, Vec<String>, Value)>,
) {
    for (key, value) in table {
        above.push(key.get_ref().to_string());
        match value.get_ref() {
            // An empty table is kept: its name may be wrong.
            DeValue::Table(inner) if !inner.is_empty() => flatten(inner, above, out),
            _ => out.extend(owned(value).map(|owned| (key.span().start, above.clone(), owned))),
        }
        above.pop();
    }
}

/// Nothing when the value's own syntax is wrong, which the parser has reported by then.
fn owned(value: &Spanned<DeValue<'_>>) -> Option<Value> {
    Value::deserialize(value.clone().into_deserializer()).ok()
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// The settings among environment variables, in the order of their names.
pub(crate) fn from_environment(variables: impl Iterator<Item = (String, String)>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(ENV_PREFIX) else {
            continue;
        };
        let path = rest.split("__").map(str::to_ascii_lowercase).collect();
        leaves(
            path,
            env_value(&text),
            &Origin::Environment(name),
            &mut settings,
        );
    }
    settings.sort_by_key(Setting::key);
    settings
}

/// A table is a setting for each value in it, as a file's is: laid over the file's table, it takes away nothing that it
/// does not name. An empty one stays as it is: it empties the table.
fn leaves(path: Vec<String>, value: Value, origin: &Origin, out: &mut Vec<Setting>) {
    match value {
        Value::Table(inner) if !inner.is_empty() => {
            for (key, value) in inner {
                let mut path = path.clone();
                path.push(key);
                leaves(path, value, origin, out);
            }
        }
        value => out.push(Setting {
            path,
            value,
            origin: origin.clone(),
        }),
    }
}

/// A TOML value where the text is one (`true`, `1000`, `["a"]`), else the text itself.
fn env_value(text: &str) -> Value {
    match DeValue::parse(text) {
        Ok(value) => owned(&value).unwrap_or_else(|| Value::String(text.to_owned())),
        Err(_) => Value::String(text.to_owned()),
    }
}

/// What set the key of a rule that is broken. Where the key is a table, that is what set the value in it that the
/// reason begins with, else the last value in it.
pub(crate) fn broken<'a>(settings: &'a [Setting], key: &str, reason: &str) -> Option<&'a Setting> {
    let inside = || {
        let all = settings.iter().rev();
        all.filter_map(|setting| Some((setting.below(key)?, setting)))
    };
    let named = inside().find(|(name, _)| name.is_empty() || reason.starts_with(name.as_str()));
    named
        .or_else(|| inside().next())
        .map(|(_, setting)| setting)
}

/// Where the value of a key was set; of a table, where each value in it was, without repetition.
pub(crate) fn origins<'a>(settings: &'a [Setting], key: &str) -> Vec<&'a Origin> {
    let mut last: Vec<(String, &Origin)> = Vec::new();
    for setting in settings {
        let Some(name) = setting.below(key) else {
            continue;
        };
        // What sets the whole takes away what was set before.
        last.retain(|(earlier, _)| !name.is_empty() && *earlier != name);
        last.push((name, &setting.origin));
    }
    let mut origins: Vec<&Origin> = Vec::new();
    for (_, origin) in last {
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    origins
}

/// Lays settings over each other; a later one wins.
pub(crate) fn merge<'a>(settings: impl IntoIterator<Item = &'a Setting>) -> Table {
    let mut merged = Table::new();
    for setting in settings {
        put(&mut merged, &setting.path, &setting.value);
    }
    merged
}

fn put(table: &mut Table, path: &[String], value: &Value) {
    match path {
        [] => {}
        [last] => {
            table.insert(last.clone(), value.clone());
        }
        [first, rest @ ..] => {
            let inner = table
                .entry(first.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
