//! What can be wrong with a configuration, in words that name the key, the place, the value and what is allowed.

use std::{collections::BTreeMap, fmt};

use serde::de::DeserializeOwned;
use toml::Value;

use super::layers::{self, Origin, Setting};

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    /// The dotted key; empty where the file's syntax is wrong.
    key: String,
    /// Where the value was written; none for a default.
    origin: Option<Origin>,
    /// The value, as TOML.
    value: Option<String>,
    /// What is wrong and what is allowed.
    reason: String,
}

impl Problem {
    /// The file cannot be read as TOML at this place.
    pub(crate) fn syntax(origin: Origin, message: &str) -> Self {
        let reason = format!("not valid TOML: {message}");
        Self {
            key: String::new(),
            origin: Some(origin),
            value: None,
            reason,
        }
    }

    /// The value of `key` breaks a rule; `setting` is what set it, if anything did, or what is wrong in it.
    pub(crate) fn rule(key: String, setting: Option<&Setting>, reason: String) -> Self {
        // Of a table the value that stands under `key` is not the one that was set: it may be a password.
        let whole = setting.filter(|setting| setting.key() == key && !secret(&setting.path));
        Self {
            origin: setting.map(|setting| setting.origin.clone()),
            value: whole.map(|setting| setting.value.to_string()),
            key,
            reason,
        }
    }
}

/// Whether nobody's log should have the value of that key.
pub(super) fn secret(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        path[..],
        ["sources", _, "keys"] | ["privacy", "hash_key", ..]
    )
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: ")?,
            None => f.write_str("default: ")?,
        }
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.reason)
    }
}

/// Judges one setting without the others: an unknown key, a value of the wrong type.
///
/// A value from the environment has no quotes to tell text from numbers: where text is wanted, it is made text.
pub(crate) fn judge<C: DeserializeOwned>(setting: &mut Setting) -> Option<Problem> {
    let error = attempt::<C>(setting).err()?;
    if absent(&error).is_some() {
        // What it needs beside it may well be another setting: see `missing`.
        return None;
    }
    if matches!(setting.origin, Origin::Environment(_)) && !setting.value.is_str() {
        let text = Value::String(setting.value.to_string());
        let typed = std::mem::replace(&mut setting.value, text);
        if attempt::<C>(setting).is_ok() {
            return None;
        }
        setting.value = typed;
    }
    let reason = match secret(&setting.path) {
        // The message may repeat the value.
        true => "is not of the right type".to_owned(),
        false => reason(&error),
    };
    Some(Problem::rule(setting.key(), Some(setting), reason))
}

/// Tables in which settings stand without one that they need.
pub(crate) fn missing<C: DeserializeOwned>(settings: &[Setting]) -> Vec<Problem> {
    let mut tables: BTreeMap<&[String], Vec<&Setting>> = BTreeMap::new();
    for setting in settings {
        if let Some((_, table)) = setting.path.split_last() {
            tables.entry(table).or_default().push(setting);
        }
    }
    let missing = |(table, of): (&[String], Vec<&Setting>)| {
        let first = of.first().copied();
        let error = C::deserialize(Value::Table(layers::merge(of))).err()?;
        let key = [table, &[absent(error.message())?.to_owned()]].concat();
        let reason = "it is missing; set it too".to_owned();
        Some(Problem::rule(key.join("."), first, reason))
    };
    tables.into_iter().filter_map(missing).collect()
}

/// The field that the message says to be missing.
fn absent(message: &str) -> Option<&str> {
    message
        .trim()
        .strip_prefix("missing field `")?
        .strip_suffix('`')
}

fn attempt<C: DeserializeOwned>(setting: &Setting) -> Result<C, String> {
    C::deserialize(Value::Table(setting.alone())).map_err(|error| error.message().to_owned())
}

/// Turns serde's message into one for operators.
fn reason(message: &str) -> String {
    let message = message.trim();
    if message == "invalid socket address syntax" {
        return "not an address; expected one with a port, such as 127.0.0.1:8080".to_owned();
    }
    let Some((what, rest)) = message.split_once(", expected ") else {
        return message.to_owned();
    };
    let mut quoted = what.split('`').skip(1).step_by(2);
    let unknown = ["unknown field", "unknown variant"]
        .iter()
        .any(|start| what.starts_with(start));
    let (Some(given), true) = (quoted.next(), unknown) else {
        return format!("{what}, expected {}", plain(rest));
    };
    let allowed: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let mut reason = match what.starts_with("unknown field") {
        true => format!("unknown key `{given}`"),
        false => format!("unknown value `{given}`"),
    };
    if let Some(near) = nearest(given, &allowed) {
        reason.push_str(&format!("; did you mean `{near}`?"));
    }
    if !allowed.is_empty() {
        reason.push_str(&format!(" (allowed: {})", allowed.join(", ")));
    }
    reason
}

/// Rust's names of types mean nothing to operators.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        other => other,
    }
}

/// The allowed name that a typing error most likely meant.
pub(crate) fn nearest<'a>(given: &str, allowed: &[&'a str]) -> Option<&'a str> {
    allowed
        .iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
