//! The configuration in words: what is in effect and where it came from, and the reference of every key.
//!
//! Keys, their order and their descriptions come from the structs themselves (their JSON Schema), so that nothing
//! here needs a change when a crate gains a setting.

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::{Config, Loaded, problem::secret};

/// One key that can be set.
pub(super) struct Key {
    pub(super) path: Vec<String>,
    /// The doc comment of the field, without line breaks.
    pub(super) about: String,
    /// None where the key has no default.
    default: Option<Value>,
    /// Whether it is a section that means something by being there, even without a value in it.
    switch: bool,
    /// Whether it is such a section, or in one: by default it is not there.
    absent: bool,
}

impl Key {
    /// The section that the key stands in; a section that is a key itself is its own.
    fn section(&self) -> String {
        let above = self.path.len().saturating_sub(usize::from(!self.switch));
        self.path.get(..above).unwrap_or_default().join(".")
    }

    fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

/// The configuration in effect, as TOML; a value that was set carries where.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let values = Table::try_from(&loaded.config).unwrap_or_default();
    let header = |key: &Key| format!("\n[{}]\n", key.section());
    toml_text(header, |key| {
        let value = shown(&key.path, lookup(&values, &key.path)?);
        if key.switch {
            return Some(String::new());
        }
        let origins = loaded.origins(&key.path.join("."));
        let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
        Some(match origins.is_empty() {
            true => format!("{} = {value}\n", key.name()),
            false => format!("{} = {value} # {}\n", key.name(), origins.join(", ")),
        })
    })
}

/// What stands for a value that is not printed.
const NOT_SHOWN: &str = "(not shown)";

/// A value as it may be printed: librdkafka's settings can be passwords, keys and tokens, by names that are not ours, and
/// write keys let anyone send.
fn shown(path: &[String], value: &Value) -> Value {
    if let [section] = path
        && section == "sources"
        && let Value::Table(sources) = value
    {
        let mut hidden = sources.clone();
        for (_, source) in &mut hidden {
            if let Some(keys) = source.get_mut("keys") {
                *keys = NOT_SHOWN.into();
            }
        }
        return Value::Table(hidden);
    }
    if secret(path) {
        return NOT_SHOWN.into();
    }
    let (["kafka", "properties"], Value::Table(properties)) = (
        path.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .as_slice(),
        value,
    ) else {
        return value.clone();
    };
    let open = |name: &str| {
        matches!(
            name,
            "security.protocol" | "sasl.mechanism" | "sasl.mechanisms" | "client.id"
        )
    };
    let hidden = properties.iter().map(|(name, value)| match open(name) {
        true => (name.clone(), value.clone()),
        false => (name.clone(), NOT_SHOWN.into()),
    });
    Value::Table(hidden.collect())
}

/// Every key with its default and what it means, as a TOML file to start from.
pub(crate) fn defaults() -> String {
    // The mere header of a section that is not there by default would set it.
    let header = |key: &Key| match key.absent {
        true => format!("\n{}# [{}]\n", comment(&key.about), key.section()),
        false => format!("\n[{}]\n", key.section()),
    };
    toml_text(header, |key| {
        if key.switch {
            return Some(String::new());
        }
        let comment = comment(&key.about);
        Some(match &key.default {
            Some(value) => format!("\n{comment}{} = {value}\n", key.name()),
            None => format!("\n{comment}# {} =\n", key.name()),
        })
    })
}

fn comment(about: &str) -> String {
    let lines = wrap(about, 98);
    lines.iter().map(|line| format!("# {line}\n")).collect()
}

/// The reference of every key, as Markdown.
pub(crate) fn reference() -> String {
    let mut page = String::from(REFERENCE_HEAD);
    let mut section = None;
    for key in keys() {
        if section.as_deref() != Some(key.section().as_str()) {
            let title = match key.section() {
                top if top.is_empty() => "Top level".to_owned(),
                name => format!("`[{name}]`"),
            };
            page.push_str(&format!(
                "\n## {title}\n\n| key | default | meaning |\n|---|---|---|\n"
            ));
            section = Some(key.section());
        }
        let default = key
            .default
            .map_or("not set".to_owned(), |value| format!("`{value}`"));
        let about = key.about.replace('|', "\\|");
        page.push_str(&format!(
            "| `{}` | {default} | {about} |\n",
            key.path.join(".")
        ));
    }
    page
}

const REFERENCE_HEAD: &str = "\
# Configuration

<!-- Generated by `headgate docs configuration`: change the doc comments of the settings, then run it again. -->

Headgate runs without any configuration. A setting comes from, a later one winning: its default, the TOML file
(`--config FILE`, else `headgate.toml` in the working directory if it is there), the environment, a flag.
The environment variable of `gateway.listen` is `HEADGATE__GATEWAY__LISTEN`, and so on for every key. A table, as in
`HEADGATE__KAFKA__PROPERTIES='{\"sasl.password\" = \"...\"}'`, is laid over the file's; `{}` empties it.

The configuration is validated whole before anything is opened or bound: a key that is unknown or a value that is not
allowed ends the start with exit code 78 and an error with the key, where it was set, the value and what is allowed.
`headgate config check` does only that; `headgate config print` prints what is in effect and where each value was set;
`headgate config print --defaults` prints a commented file to start from.
";

/// Each key's text, and before the first of a section its header.
fn toml_text(
    header: impl Fn(&Key) -> String,
    mut line: impl FnMut(&Key) -> Option<String>,
) -> String {
    let mut text = String::new();
    let mut section = String::new();
    for key in keys() {
        let Some(line) = line(&key) else { continue };
        if key.section() != section {
            section = key.section();
            text.push_str(&header(&key));
        }
        text.push_str(&line);
    }
    text.trim_start_matches('\n').to_owned()
}

/// Every key: plain values of a section first, as TOML wants it, then the sections below it.
pub(super) fn keys() -> Vec<Key> {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Config>();
    let defaults = Table::try_from(Config::default()).unwrap_or_default();
    let mut keys = Vec::new();
    collect(
        (schema.as_value(), false),
        &mut Vec::new(),
        &defaults,
        &mut keys,
    );
    keys
}

fn collect(
    (schema, absent): (&Json, bool),
    above: &mut Vec<String>,
    defaults: &Table,
    out: &mut Vec<Key>,
) {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        return;
    };
    let (sections, plain): (Vec<_>, Vec<_>) = properties
        .iter()
        .partition(|(_, property)| property.get("properties").is_some());
    for (name, property) in plain {
        let mut path = above.clone();
        path.push(name.clone());
        out.push(Key {
            default: lookup(defaults, &path).cloned(),
            path,
            about: about(property),
            switch: false,
            absent,
        });
    }
    for (name, property) in sections {
        above.push(name.clone());
        let switch = may_be_null(property);
        if switch {
            out.push(Key {
                path: above.clone(),
                about: about(property),
                default: None,
                switch,
                absent: true,
            });
        }
        collect((property, absent || switch), above, defaults, out);
        above.pop();
    }
}

/// The description, in one line.
fn about(property: &Json) -> String {
    let about = property.get("description").and_then(Json::as_str);
    let words = about.unwrap_or_default().split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

/// Whether it may be left out without a default in its place.
fn may_be_null(property: &Json) -> bool {
    let types = property.get("type").and_then(Json::as_array);
    types.is_some_and(|types| types.iter().any(|name| name == "null"))
}

fn lookup<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (last, sections) = path.split_last()?;
    let table = sections
        .iter()
        .try_fold(table, |table, name| table.get(name)?.as_table())?;
    table.get(last)
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
