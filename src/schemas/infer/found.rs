//! What was found of each event, and what is proposed of it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use headgate_schemas::infer::{Field, Inference};
use headgate_schemas::names::{EVENT_NAME_ALLOWED, event_name, snake_case};
use headgate_schemas::registry::Registry;
use serde_json::{Map, Value};

/// Events that are told apart; others are counted.
const NAMES_MAX: usize = 1_000;

/// Of a name, what a message repeats.
const NAME_SHOWN_CHARS: usize = 64;

/// Events by the names of their schemas.
pub(super) struct Found {
    track: bool,
    fields_max: usize,
    events: u64,
    by_name: BTreeMap<String, Event>,
    /// Events whose names are too many.
    nameless: u64,
}

struct Event {
    /// As the first of them was called.
    title: String,
    inference: Inference,
    unreadable: u64,
}

/// A schema for one event.
pub(super) struct Proposal {
    pub(super) name: String,
    pub(super) schema: Value,
    events: u64,
    unreadable: u64,
    unnamed: u64,
    fields: Vec<Field>,
}

impl Found {
    /// Of track calls, or of other events.
    pub(super) fn new(fields_max: usize, track: bool) -> Self {
        Self {
            track,
            fields_max,
            events: 0,
            by_name: BTreeMap::new(),
            nameless: 0,
        }
    }

    /// Events that were looked at.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Looks at an event of that name, whose data is a JSON text; `None`: it has none, which is an empty object.
    pub(super) fn add(&mut self, title: &str, data: Option<&str>) {
        self.events += 1;
        let name = match self.track {
            // Whatever the gateway takes for the same.
            true => snake_case(title),
            false => title.to_owned(),
        };
        if !self.by_name.contains_key(&name) && self.by_name.len() >= NAMES_MAX {
            self.nameless += 1;
            return;
        }
        let fields_max = self.fields_max;
        let event = self.by_name.entry(name).or_insert_with(|| Event {
            title: title.to_owned(),
            inference: Inference::new(fields_max),
            unreadable: 0,
        });
        match data.map_or(Ok(Map::new()), serde_json::from_str::<Map<String, Value>>) {
            Ok(data) => event.inference.add(&data),
            Err(_) => event.unreadable += 1,
        }
    }

    /// A schema for each of the events, and what there is none for.
    pub(super) fn proposals(self) -> (Vec<Proposal>, Vec<String>) {
        let (mut proposals, mut left) = (Vec::new(), Vec::new());
        let built_in = Registry::empty().ok();
        for (name, event) in self.by_name {
            let (events, unreadable) = (event.inference.events(), event.unreadable);
            let shown: String = event.title.chars().take(NAME_SHOWN_CHARS).collect();
            if let Some(reason) = unfit(&name, built_in.as_ref()) {
                left.push(format!(
                    "no schema for {shown:?} ({events} events): {reason}"
                ));
                continue;
            }
            if events == 0 {
                left.push(format!(
                    "no schema for {shown:?}: none of {unreadable} events is a JSON object"
                ));
                continue;
            }
            proposals.push(Proposal {
                schema: event.inference.schema(&event.title, self.track),
                fields: event.inference.fields(),
                unnamed: event.inference.unnamed(),
                name,
                events,
                unreadable,
            });
        }
        if self.nameless > 0 {
            left.push(format!(
                "{} events have other names than the first {NAMES_MAX}, and were left out: name some with --event",
                self.nameless
            ));
        }
        (proposals, left)
    }
}

/// Why there can be no schema of that name.
fn unfit(name: &str, registry: Option<&Registry>) -> Option<String> {
    if !event_name(name) {
        return Some(format!(
            "as `{}` it has no name; {EVENT_NAME_ALLOWED}",
            name.escape_debug()
        ));
    }
    let built_in = registry.is_some_and(|registry| {
        let mut all = registry.schemas();
        all.any(|schema| schema.name() == name || schema.table() == name)
    });
    built_in.then(|| format!("`{name}` is the name of a built-in schema or its table"))
}

impl Proposal {
    /// Where it belongs below a set's directory.
    pub(super) fn file(&self) -> String {
        format!("{}/1.json", self.name)
    }

    /// Tells what each field was seen as, and how often.
    pub(super) fn report(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}: from {} events", self.file(), self.events)?;
        if self.unreadable > 0 {
            writeln!(out, "  {} more are no JSON objects", self.unreadable)?;
        }
        for Field {
            path,
            present,
            of,
            types,
            mixed,
        } in &self.fields
        {
            let types: Vec<String> = types
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            let note = if *mixed {
                "; several types: a column of JSON"
            } else {
                ""
            };
            // Clients chose the names: what steers a terminal is not for it.
            let path = path.escape_debug();
            writeln!(
                out,
                "  {path}: in {present} of {of} ({}){note}",
                types.join(", ")
            )?;
        }
        if self.unnamed > 0 {
            writeln!(
                out,
                "  {} values have other names than the first {}: they are allowed, and not named; --fields-max names more",
                self.unnamed,
                self.fields
                    .iter()
                    .filter(|field| !field.path.ends_with("/*"))
                    .count()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_the_gateway_takes_for_one_are_one_and_others_are_told() {
        let mut found = Found::new(10, true);
        for (name, data) in [
            ("Order Completed", Some(r#"{"a":1}"#)),
            ("order_completed", Some(r#"{"a":2,"b":null}"#)),
            ("OrderCompleted", None),
            ("Order Completed", Some("[1]")),
            ("Page", Some("{}")),
            ("tracks", Some("{}")),
            ("42", Some("{}")),
            ("Only Wrong", Some("7")),
        ] {
            found.add(name, data);
        }
        assert_eq!(found.events(), 8);
        let (proposals, left) = found.proposals();
        let files: Vec<String> = proposals.iter().map(Proposal::file).collect();
        assert_eq!(files, ["order_completed/1.json"]);
        let proposal = &proposals[0];
        assert_eq!((proposal.events, proposal.unreadable), (3, 1));
        assert_eq!(proposal.schema["title"], "Order Completed");
        assert_eq!(
            proposal.schema["properties"]["a"],
            json!({ "type": "integer" })
        );
        assert_eq!(proposal.schema.get("required"), None);
        assert_eq!(left.len(), 4, "{left:?}");
        let mut told = Vec::new();
        proposal.report(&mut told).expect("it writes");
        let told = String::from_utf8(told).expect("text");
        assert!(told.contains("/a: in 2 of 3 (integer 2)"), "{told}");
        assert!(told.contains("1 more are no JSON objects"), "{told}");
    }
}
