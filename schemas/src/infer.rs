//! A schema proposed from events that came without one: what all of them keep, and no more than they show.
//!
//! Nothing is guessed that another event could contradict at once: no enums, no lengths, no closed objects. What is
//! proposed accepts every event that it was made of.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::format::Format;
use crate::landing::TRACK;

/// Objects and arrays are looked into when at most so many enclose them.
const DEPTH_MAX: usize = 16;

/// Events of one kind, as far as they are looked at.
#[derive(Debug)]
pub struct Inference {
    root: Seen,
    fields_left: usize,
    /// Members that are not among the fields, for there are too many.
    unnamed: u64,
}

/// What is known of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// JSON pointer into the data; `*` stands for every element of an array.
    pub path: String,
    /// In how many of the objects or arrays that could have it.
    pub present: u64,
    /// How many those are.
    pub of: u64,
    /// Each type, and how many values have it.
    pub types: Vec<(&'static str, u64)>,
    /// It has several types besides null: its column is JSON.
    pub mixed: bool,
}

/// Values that stood at one place.
#[derive(Debug, Default)]
struct Seen {
    nulls: u64,
    booleans: u64,
    integers: u64,
    fractions: u64,
    strings: u64,
    date_times: u64,
    dates: u64,
    objects: u64,
    arrays: u64,
    members: Vec<(String, Seen)>,
    places: HashMap<String, usize>,
    items: Option<Box<Seen>>,
    /// Arrays that have elements.
    filled: u64,
}

impl Inference {
    /// Nothing was seen yet. Of all objects together at most `fields_max` members are kept apart.
    pub fn new(fields_max: usize) -> Self {
        Self {
            root: Seen::default(),
            fields_left: fields_max,
            unnamed: 0,
        }
    }

    /// Looks at one event's data.
    pub fn add(&mut self, data: &Map<String, Value>) {
        let Self {
            root,
            fields_left,
            unnamed,
        } = self;
        root.objects += 1;
        let mut room = Room {
            fields_left,
            unnamed,
        };
        root.object(data, 0, &mut room);
    }

    /// Events that were looked at.
    pub fn events(&self) -> u64 {
        self.root.objects
    }

    /// Members that the schema does not name, for their objects had too many: they are allowed, and land in `_rest` or in
    /// their object's JSON.
    pub fn unnamed(&self) -> u64 {
        self.unnamed
    }

    /// The schema: of an event's data, or with `track` of the properties of a track call.
    pub fn schema(&self, title: &str, track: bool) -> Value {
        let mut schema = Map::new();
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        schema.insert("$schema".to_owned(), dialect.into());
        schema.insert("title".to_owned(), title.into());
        if track {
            schema.insert(TRACK.to_owned(), true.into());
        }
        schema.extend(self.root.schema());
        schema.into()
    }

    /// What is known of each field, in the order in which they were first seen.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        self.root.fields("", &mut fields);
        fields
    }
}

/// How many more members may be kept apart.
struct Room<'r> {
    fields_left: &'r mut usize,
    unnamed: &'r mut u64,
}

impl Seen {
    fn value(&mut self, value: &Value, depth: usize, room: &mut Room<'_>) {
        match value {
            Value::Null => self.nulls += 1,
            Value::Bool(_) => self.booleans += 1,
            // What a column of integers cannot hold is a number.
            Value::Number(number) if number.is_i64() => self.integers += 1,
            Value::Number(_) => self.fractions += 1,
            Value::String(text) => {
                self.strings += 1;
                let is = |name| Format::of_name(name).is_some_and(|format| format.matches(text));
                self.date_times += u64::from(is("date-time"));
                self.dates += u64::from(is("date"));
            }
            Value::Object(members) => {
                self.objects += 1;
                self.object(members, depth, room);
            }
            Value::Array(elements) => {
                self.arrays += 1;
                self.filled += u64::from(!elements.is_empty());
                if depth < DEPTH_MAX && !elements.is_empty() {
                    let items = self.items.get_or_insert_default();
                    let each = elements.iter();
                    each.for_each(|element| items.value(element, depth + 1, room));
                }
            }
        }
    }

    fn object(&mut self, members: &Map<String, Value>, depth: usize, room: &mut Room<'_>) {
        if depth >= DEPTH_MAX {
            return;
        }
        for (name, value) in members {
            let place = match self.places.get(name) {
                Some(place) => *place,
                None if *room.fields_left == 0 => {
                    *room.unnamed += 1;
                    continue;
                }
                None => {
                    *room.fields_left -= 1;
                    self.places.insert(name.clone(), self.members.len());
                    self.members.push((name.clone(), Seen::default()));
                    self.members.len() - 1
                }
            };
            if let Some((_, seen)) = self.members.get_mut(place) {
                seen.value(value, depth + 1, room);
            }
        }
    }

    fn count(&self) -> u64 {
        self.types().iter().map(|(_, count)| count).sum()
    }

    /// Every type that was seen, with how often.
    fn types(&self) -> Vec<(&'static str, u64)> {
        let number = match self.fractions {
            0 => ("integer", self.integers),
            _ => ("number", self.integers + self.fractions),
        };
        let all = [
            ("boolean", self.booleans),
            number,
            ("string", self.strings),
            ("object", self.objects),
            ("array", self.arrays),
            ("null", self.nulls),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn mixed(&self) -> bool {
        let types = self.types();
        types.iter().filter(|(name, _)| *name != "null").count() > 1
    }

    fn schema(&self) -> Map<String, Value> {
        let mut schema = Map::new();
        let names: Vec<&str> = self.types().iter().map(|(name, _)| *name).collect();
        match names[..] {
            // Nobody knows what it is when it is not null.
            [] | ["null"] => {}
            [one] => drop(schema.insert("type".to_owned(), one.into())),
            _ => drop(schema.insert("type".to_owned(), names.into())),
        }
        if self.mixed() {
            let note = "Events have values of several types here.";
            schema.insert("description".to_owned(), note.into());
        } else if self.strings > 0 {
            let formats = [("date-time", self.date_times), ("date", self.dates)];
            let format = formats.iter().find(|(_, count)| *count == self.strings);
            if let Some((name, _)) = format {
                schema.insert("format".to_owned(), (*name).into());
            }
        }
        let always = self
            .members
            .iter()
            .filter(|(_, seen)| seen.count() == self.objects);
        let required: Vec<&str> = always.map(|(name, _)| name.as_str()).collect();
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if !self.members.is_empty() {
            let members = self.members.iter();
            let properties: Map<String, Value> = members
                .map(|(name, seen)| (name.clone(), seen.schema().into()))
                .collect();
            schema.insert("properties".to_owned(), properties.into());
        }
        if let Some(items) = &self.items {
            schema.insert("items".to_owned(), items.schema().into());
        }
        schema
    }

    fn fields(&self, path: &str, fields: &mut Vec<Field>) {
        let members = self.members.iter();
        let members =
            members.map(|(name, seen)| (crate::program::escape(name), seen, self.objects));
        let items = self.items.as_deref();
        let items = items.map(|items| ("*".to_owned(), items, self.filled));
        for (step, seen, of) in members.chain(items) {
            let path = format!("{path}/{step}");
            fields.push(Field {
                path: path.clone(),
                present: seen.count().min(of),
                of,
                types: seen.types(),
                mixed: seen.mixed(),
            });
            seen.fields(&path, fields);
        }
    }
}

#[cfg(test)]
mod tests;
