//! Annotations that say where a value lands in a table: `x-inline` and `x-track` are anybody's, `x-headgate` is for the
//! schemas that are built in.

use serde_json::{Map, Value};

use crate::expand::{is_data, is_map};
use crate::shape::{Shape, ShapeKind};

/// At a schema's root: it describes the properties of an SDK's track call.
pub const TRACK: &str = "x-track";

/// At an object: the columns of its members do not begin with its own name.
pub const INLINE: &str = "x-inline";

/// What schemas that are built in say beyond that.
const BUILT_IN: &str = "x-headgate";

/// An attribute of the envelope that data may repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// `id`
    Id,
    /// `userid`
    UserId,
    /// `anonymousid`
    AnonymousId,
    /// `senttime`
    SentTime,
}

impl Attribute {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "userid" => Self::UserId,
            "anonymousid" => Self::AnonymousId,
            "senttime" => Self::SentTime,
            _ => return None,
        })
    }
}

/// A value that says nothing new where it is what it is expected to be, and then has no place in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Implied {
    /// What the envelope says already.
    Envelope(Attribute),
    /// A text that goes without saying.
    Text(String),
}

impl Shape {
    /// `x-inline`: the columns of its members do not begin with its own name.
    pub fn inline(&self) -> bool {
        self.annotation(INLINE) == Some(&Value::Bool(true))
    }

    pub(crate) fn make_inline(&mut self) {
        self.annotations.retain(|(name, _)| name != INLINE);
        self.annotations.push((INLINE.to_owned(), true.into()));
    }

    /// What the value is expected to be, where it has no column.
    pub fn implied(&self) -> Option<Implied> {
        let attribute = || Some(Implied::Envelope(Attribute::named(self.text("envelope")?)?));
        let text = || Some(Implied::Text(self.text("text")?.to_owned()));
        attribute().or_else(text)
    }

    /// The name of its column, wherever in the data it stands. Several values may name one: the first of a row has it,
    /// and those that say the same need no other place.
    pub fn column(&self) -> Option<&str> {
        self.text("column")
    }

    /// The members that are not declared have a column together, of JSON, instead of their place in the rest.
    pub fn collects(&self) -> bool {
        self.built_in("others") == Some(&Value::Bool(true))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.built_in(key)?.as_str()
    }

    fn built_in(&self, key: &str) -> Option<&Value> {
        self.annotation(BUILT_IN)?.get(key)
    }

    fn annotation(&self, name: &str) -> Option<&Value> {
        let found = self.annotations.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }
}

/// Whether a schema's document says that it describes the properties of a track call.
pub(crate) fn is_track(document: &Value) -> bool {
    document.get(TRACK) == Some(&Value::Bool(true))
}

/// What is wrong with these annotations in an expanded schema: pointer and reason. Those of Headgate's own are refused,
/// as they mean nothing to anybody else.
pub(crate) fn problems(expanded: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    look(expanded, "", &mut found);
    found
}

fn look(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(keywords) => {
            own(value, keywords, at, found);
            for (keyword, value) in keywords {
                let here = below(at, keyword);
                match value {
                    Value::Object(named) if is_map(keyword) => {
                        let each = named.iter();
                        each.for_each(|(name, value)| look(value, &below(&here, name), found));
                    }
                    _ if is_data(keyword) => {}
                    _ => look(value, &here, found),
                }
            }
        }
        Value::Array(values) => {
            let each = values.iter().enumerate();
            each.for_each(|(index, value)| look(value, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// What is wrong with the annotations of one schema.
fn own(schema: &Value, keywords: &Map<String, Value>, at: &str, found: &mut Vec<(String, String)>) {
    let mut problem = |name: &str, reason: String| found.push((below(at, name), reason));
    if let Some(said) = keywords.get(TRACK) {
        if !said.is_boolean() {
            problem(TRACK, format!("{said} is not allowed: true or false"));
        } else if !at.is_empty() {
            problem(
                TRACK,
                "it is allowed at an event schema's root alone".to_owned(),
            );
        }
    }
    match keywords.get(INLINE) {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) if at.is_empty() => {
            let reason = "it is allowed at a property: the data itself has no name to leave out";
            problem(INLINE, reason.to_owned());
        }
        Some(Value::Bool(true)) if !has_members(schema) => {
            let reason = "it is allowed at an object with declared `properties`: there are none";
            problem(INLINE, reason.to_owned());
        }
        Some(Value::Bool(true)) => {}
        Some(said) => problem(INLINE, format!("{said} is not allowed: true or false")),
    }
    if keywords.contains_key(BUILT_IN) {
        let reason = "this annotation is for Headgate's own schemas: leave it out";
        problem(BUILT_IN, reason.to_owned());
    }
}

fn has_members(schema: &Value) -> bool {
    let shape = Shape::of(schema);
    matches!(&shape.kind, ShapeKind::Object { properties, .. } if !properties.is_empty())
}

fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_wrong_annotation_is_told_with_its_place_and_what_is_allowed() {
        let members = json!({ "a": {} });
        let found = problems(&json!({
            "type": "object",
            "x-track": "yes",
            "x-inline": true,
            "properties": {
                "fine": { "type": "object", "x-inline": true, "properties": members },
                "also/fine": { "x-inline": false },
                "wrong": { "type": "object", "x-inline": 1, "properties": members },
                "empty": { "type": "object", "x-inline": true },
                "deep": { "items": { "x-track": true } },
                "ours": { "x-headgate": { "column": "c" } },
                "data": { "const": { "x-inline": 7 }, "x-other": { "x-track": 1 } },
            },
        }));
        let told: Vec<(&str, &str)> = found.iter().map(|(at, why)| (&**at, &**why)).collect();
        let expected = [
            ("/x-track", "\"yes\" is not allowed: true or false"),
            ("/x-inline", "at a property"),
            (
                "/properties/wrong/x-inline",
                "1 is not allowed: true or false",
            ),
            ("/properties/empty/x-inline", "declared `properties`"),
            ("/properties/deep/items/x-track", "root alone"),
            ("/properties/ours/x-headgate", "Headgate's own"),
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for ((at, why), (place, part)) in told.iter().zip(expected) {
            assert!(*at == place && why.contains(part), "{at}: {why}");
        }
    }

    #[test]
    fn what_an_annotation_says_is_read_from_the_shape() {
        let shape = |annotation: Value| Shape::of(&json!({ "x-headgate": annotation }));
        let id = shape(json!({ "envelope": "id" })).implied();
        assert_eq!(id, Some(Implied::Envelope(Attribute::Id)));
        let text = shape(json!({ "text": "page" })).implied();
        assert_eq!(text, Some(Implied::Text("page".to_owned())));
        let named = shape(json!({ "column": "name" }));
        assert_eq!((named.column(), named.implied()), (Some("name"), None));
        assert!(shape(json!({ "others": true })).collects() && !named.collects());
    }
}
