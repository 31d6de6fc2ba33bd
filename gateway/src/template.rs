//! The names of topics that are made from events: `events.{type}`, `events.{source}`, or both.
//!
//! A value that is a topic's name as it stands (`a-z A-Z 0-9 _ -`) is taken as it is. In any other, each character
//! that Kafka does not allow becomes `-`, it is cut at a length, and a hash of the whole value follows: two values do
//! not share a topic, and every gateway makes the same name. A value with a dot gets the hash too, for Kafka does not
//! let `a.b` and `a_b` exist side by side; so does `other`, which stands for all values that would need one topic too
//! many. Between two fields there must be a dot, which no value has that is taken as it is: else `a-b` and `c` would make
//! the same name as `a` and `b-c`.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use headgate_stream::log::Topic;

/// Kafka's longest name of a topic, in bytes.
const NAME_BYTES_MAX: usize = 249;
/// The longest value that stands in a name, in bytes, without its hash.
const VALUE_BYTES_MAX: usize = 100;
/// What the fields of events are replaced by that would need more topics than there may be.
const OTHER: &str = "other";
/// What two fields' values are told apart by while a name is looked up; none of them contains it.
const BETWEEN: char = '\n';

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Type,
    Source,
}

/// A template, and the topics it made so far.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
    by_type: bool,
    by_source: bool,
    topics_max: usize,
    made: RwLock<HashMap<String, Topic>>,
}

impl Template {
    /// Reads a template; none when the text is just a name. Of topics, it names `topics_max` at most.
    ///
    /// # Errors
    /// What is wrong with the text, and what is allowed.
    pub fn parse(text: &str, topics_max: usize) -> Result<Option<Self>, String> {
        let parts = split(text)?;
        let literal: usize = parts.iter().map(Part::literal_bytes).sum();
        let fields = parts
            .iter()
            .filter(|part| part.literal_bytes() == 0)
            .count();
        let room = NAME_BYTES_MAX - 2 * (VALUE_BYTES_MAX + 9);
        if fields == 0 {
            return check_name(text).map(|()| None);
        }
        if !matches!(parts.first(), Some(Part::Text(_))) {
            return Err(
                "must begin with text of its own, such as `events.`: else it names every topic"
                    .to_owned(),
            );
        }
        if literal > room {
            return Err(format!(
                "has {literal} bytes beside its fields, at most {room} are allowed"
            ));
        }
        let count = |wanted: &Part| parts.iter().filter(|part| *part == wanted).count();
        if count(&Part::Type) > 1 || count(&Part::Source) > 1 {
            return Err("names a field twice".to_owned());
        }
        if !apart(&parts) {
            return Err(
                "needs text with a dot between its fields: else two events' values can make one name"
                    .to_owned(),
            );
        }
        Ok(Some(Self {
            by_type: count(&Part::Type) > 0,
            by_source: count(&Part::Source) > 0,
            parts,
            topics_max,
            made: RwLock::default(),
        }))
    }

    /// The topic of an event; none when that would be one more than there may be.
    pub fn topic(&self, kind: &str, source: &str) -> Option<Topic> {
        let both;
        let value = match (self.by_type, self.by_source) {
            (true, false) => kind,
            (false, _) => source,
            (true, true) => {
                both = [kind, source].join(&BETWEEN.to_string());
                &both
            }
        };
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = made.get(value) {
            return Some(topic.clone());
        }
        if made.len() >= self.topics_max {
            return None;
        }
        drop(made);
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= self.topics_max && !made.contains_key(value) {
            return None;
        }
        let topic = || Topic::new(&self.name(&fitting(kind), &fitting(source)));
        Some(made.entry(value.to_owned()).or_insert_with(topic).clone())
    }

    /// The topic of all events that would need one more topic than there may be.
    pub fn fallback(&self) -> Topic {
        Topic::new(&self.name(OTHER, OTHER))
    }

    /// A regular expression, without anchors, that every name matches.
    pub fn pattern(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.replace('.', "[.]"),
            Part::Type | Part::Source => "[a-zA-Z0-9._-]+".to_owned(),
        };
        self.parts.iter().map(part).collect()
    }

    /// Whether a name may be one of the template's.
    pub fn matches(&self, name: &str) -> bool {
        matches(&self.parts, name)
    }

    fn name(&self, kind: &str, source: &str) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Type => kind.to_owned(),
            Part::Source => source.to_owned(),
        };
        self.parts.iter().map(part).collect()
    }
}

impl Part {
    fn literal_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Type | Self::Source => 0,
        }
    }
}

/// Kafka's own rule for a topic's name.
///
/// # Errors
/// What is allowed.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal);
    match fits && name != "." && name != ".." {
        true => Ok(()),
        false => Err(format!(
            "a topic's name has 1 to {NAME_BYTES_MAX} of a-z A-Z 0-9 . _ -, and is neither . nor .."
        )),
    }
}

fn legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

fn split(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (before, field) = match rest.split_once('{') {
            Some((before, after)) => {
                let (field, after) = after.split_once('}').ok_or("has a `{` without a `}`")?;
                rest = after;
                (before, Some(field))
            }
            None => (std::mem::take(&mut rest), None),
        };
        if !before.is_empty() {
            if !before.bytes().all(legal) {
                return Err(format!("{before:?} is not of a-z A-Z 0-9 . _ -"));
            }
            parts.push(Part::Text(before.to_owned()));
        }
        match field {
            None => {}
            Some("type") => parts.push(Part::Type),
            Some("source") => parts.push(Part::Source),
            Some(other) => {
                return Err(format!(
                    "{{{other}}} is no field: {{type}} and {{source}} are"
                ));
            }
        }
    }
    Ok(parts)
}

/// Whether what is between two fields has a dot.
fn apart(parts: &[Part]) -> bool {
    let mut between = parts.split(|part| part.literal_bytes() == 0);
    // What is before the first field and behind the last one stands between none.
    between.next();
    between.next_back();
    between.all(|texts| {
        let mut texts = texts.iter();
        texts.any(|part| matches!(part, Part::Text(text) if text.contains('.')))
    })
}

fn matches(parts: &[Part], name: &str) -> bool {
    match parts {
        [] => name.is_empty(),
        [Part::Text(text), rest @ ..] => name
            .strip_prefix(text.as_str())
            .is_some_and(|name| matches(rest, name)),
        [_, rest @ ..] => {
            let whole = name.bytes().take_while(|byte| legal(*byte)).count();
            (1..=whole).any(|length| matches(rest, &name[length..]))
        }
    }
}

/// A value as it stands in a topic's name.
fn fitting(value: &str) -> String {
    let plain = |byte: u8| legal(byte) && byte != b'.';
    let own = value != OTHER;
    if own && (1..=VALUE_BYTES_MAX).contains(&value.len()) && value.bytes().all(plain) {
        return value.to_owned();
    }
    let shown = value.chars().map(|c| {
        if c.is_ascii() && legal(c as u8) {
            c
        } else {
            '-'
        }
    });
    let shown: String = shown.take(VALUE_BYTES_MAX).collect();
    format!("{shown}-{:08x}", fnv(value.as_bytes()))
}

/// FNV-1a: the same for ever, which names of topics must be.
fn fnv(bytes: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, step)
}
