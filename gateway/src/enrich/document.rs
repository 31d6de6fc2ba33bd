//! An event's data as far as enrichment goes into it: where the fields stand that it reads or fills, and the text with what
//! was filled in. Everything else is copied as it stands.
//!
//! What is found out has the same names for all protocols here; a [`Layout`] says where each has them.

use std::{borrow::Cow, ops::Range};

use headgate_schemas::{
    event::write_string,
    walk::{Cursor, Kind, Syntax},
};

pub(super) use super::layout::{Field, Layout};

/// A value of the text.
#[derive(Debug, Clone)]
struct Value {
    range: Range<usize>,
    kind: Kind,
}

/// An object of the layout in the text.
#[derive(Debug, Clone, Default)]
enum Object {
    #[default]
    Absent,
    /// Where its members begin, and whether there are any.
    There {
        at: usize,
        empty: bool,
    },
    Null(Range<usize>),
    /// Something else stands in its place, and stays.
    Other,
}

/// An event's data.
pub(super) struct Document<'a> {
    text: &'a str,
    layout: &'static Layout,
    /// Places that were hidden before: nothing is put there again.
    done: &'a [String],
    objects: Vec<Object>,
    fields: [Option<Value>; Field::COUNT],
    /// All values where the client's address may stand.
    addresses: Vec<(Range<usize>, bool)>,
    /// Replacements, in no order.
    edits: Vec<(Range<usize>, Vec<u8>)>,
    /// Members that are to be added to each object.
    added: Vec<Vec<u8>>,
}

impl<'a> Document<'a> {
    /// Reads the text once. `None`: it is no JSON object.
    pub(super) fn read(text: &'a str, layout: &'static Layout, done: &'a [String]) -> Option<Self> {
        let mut document = Self {
            text,
            layout,
            done,
            objects: vec![Object::Absent; layout.objects.len()],
            fields: [const { None }; Field::COUNT],
            addresses: Vec::new(),
            edits: Vec::new(),
            added: vec![Vec::new(); layout.objects.len()],
        };
        let mut cursor = Cursor::new(text, u32::MAX);
        document.object(0, &mut cursor).ok()?;
        matches!(document.objects[0], Object::There { .. }).then_some(document)
    }

    /// Reads the value where an object of the layout is expected.
    fn object(&mut self, object: usize, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        let kind = cursor.kind()?;
        let start = cursor.at();
        let first = matches!(self.objects[object], Object::Absent);
        if kind != Kind::Object {
            cursor.skip()?;
            if first {
                self.objects[object] = match kind {
                    Kind::Null => Object::Null(start..cursor.at()),
                    _ => Object::Other,
                };
            }
            return Ok(());
        }
        let mut more = cursor.object()?;
        if first {
            self.objects[object] = Object::There {
                at: start + 1,
                empty: !more,
            };
        }
        while more {
            let name = cursor.key()?.decode();
            match self.layout.within(object, &name) {
                Some(inner) => self.object(inner, cursor)?,
                None => self.value(object, &name, cursor)?,
            }
            more = cursor.next_member()?;
        }
        Ok(())
    }

    fn value(&mut self, object: usize, name: &str, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        let kind = cursor.kind()?;
        let start = cursor.at();
        cursor.skip()?;
        let range = start..cursor.at();
        if let Some(hidden) = self.layout.address(object, name) {
            let hidden = self.is_done(&[hidden]);
            self.addresses.push((range.clone(), hidden));
        }
        if let Some(field) = self.layout.field(object, name) {
            self.fields[field as usize].get_or_insert(Value { range, kind });
        }
        Ok(())
    }

    /// Whether a place, or one around it, was hidden before.
    fn is_done(&self, place: &[&str]) -> bool {
        let place = place.concat();
        self.done.iter().any(|done| {
            let below = place.strip_prefix(done.as_str());
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    pub(super) fn layout(&self) -> &'static Layout {
        self.layout
    }

    /// A field's text; none if it is empty or no text.
    pub(super) fn text(&self, field: Field) -> Option<Cow<'a, str>> {
        let value = self.fields[field as usize].as_ref()?;
        if value.kind != Kind::String {
            return None;
        }
        let mut cursor = Cursor::new(&self.text[value.range.clone()], u32::MAX);
        let text = cursor.string().ok()?.decode();
        (!text.is_empty()).then_some(text)
    }

    /// Whether a field has no value: it is not there, null, or an empty text.
    pub(super) fn lacks(&self, field: Field) -> bool {
        self.fields[field as usize].as_ref().is_none_or(|value| {
            value.kind == Kind::Null || &self.text[value.range.clone()] == "\"\""
        })
    }

    /// Gives a field that has none a value: a JSON text.
    pub(super) fn fill(&mut self, field: Field, json: &[u8]) {
        let Some((object, name)) = self.layout.place(field) else {
            return;
        };
        let path = self.layout.objects[object].path;
        if !self.lacks(field) || (!self.done.is_empty() && self.is_done(&[path, "/", name])) {
            return;
        }
        match &self.fields[field as usize] {
            // It is empty.
            Some(value) => self.edits.push((value.range.clone(), json.to_vec())),
            None => member(&mut self.added[object], name, json),
        }
        // A second value for it finds it taken.
        self.fields[field as usize] = Some(Value {
            range: 0..0,
            kind: Kind::Bool,
        });
    }

    pub(super) fn fill_text(&mut self, field: Field, text: &str) {
        if self.layout.place(field).is_some() {
            let mut json = Vec::with_capacity(text.len() + 2);
            write_string(text, &mut json);
            self.fill(field, &json);
        }
    }

    /// Puts what `change` makes of them in the place of all addresses of the client in the text; `None`: it becomes null.
    pub(super) fn change_addresses(&mut self, change: impl Fn(&str) -> Option<String>) {
        for (range, hidden) in std::mem::take(&mut self.addresses) {
            let value = &self.text[range.clone()];
            if hidden || matches!(value, "null" | "\"\"") {
                continue;
            }
            let text = Cursor::new(value, u32::MAX).string().ok();
            let changed = text.and_then(|text| change(&text.decode()));
            let mut json = Vec::new();
            match changed {
                Some(changed) => write_string(&changed, &mut json),
                None => json.extend_from_slice(b"null"),
            }
            if json != value.as_bytes() {
                self.edits.push((range, json));
            }
        }
    }

    /// The text as it is now; `None`: nothing was changed.
    pub(super) fn finish(mut self) -> Option<String> {
        // Those within others come after them.
        for object in (0..self.objects.len()).rev() {
            let mut members = std::mem::take(&mut self.added[object]);
            if members.is_empty() {
                continue;
            }
            match std::mem::take(&mut self.objects[object]) {
                Object::There { at, empty } => {
                    if !empty {
                        members.push(b',');
                    }
                    self.edits.push((at..at, members));
                }
                Object::Null(range) => self.edits.push((range, braced(&members))),
                Object::Absent => {
                    let named = &self.layout.objects[object];
                    let json = braced(&members);
                    member(&mut self.added[named.within], named.name, &json);
                }
                Object::Other => {}
            }
        }
        if self.edits.is_empty() {
            return None;
        }
        self.edits.sort_by_key(|(range, _)| range.start);
        let more: usize = self.edits.iter().map(|(_, json)| json.len()).sum();
        let mut out = Vec::with_capacity(self.text.len() + more);
        let (bytes, mut copied) = (self.text.as_bytes(), 0);
        for (range, json) in &self.edits {
            out.extend_from_slice(&bytes[copied..range.start]);
            out.extend_from_slice(json);
            copied = range.end;
        }
        out.extend_from_slice(&bytes[copied..]);
        // Made of the text's parts and of texts.
        String::from_utf8(out).ok()
    }
}

fn braced(members: &[u8]) -> Vec<u8> {
    [b"{", members, b"}"].concat()
}

/// Appends a member to others.
fn member(members: &mut Vec<u8>, name: &str, json: &[u8]) {
    if !members.is_empty() {
        members.push(b',');
    }
    write_string(name, members);
    members.push(b':');
    members.extend_from_slice(json);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::layout::{SEGMENT, SNOWPLOW};
    use super::*;

    fn filled(text: &str, done: &[String]) -> Option<String> {
        let mut document = Document::read(text, &SEGMENT, done).unwrap();
        document.fill_text(Field::Ip, "1.2.3.4");
        document.fill_text(Field::OsName, "iOS");
        document.fill_text(Field::OsName, "Android");
        document.fill(Field::Latitude, b"1.5");
        document.finish()
    }

    #[test]
    fn what_is_missing_is_filled_and_all_else_stays_as_it_stands() {
        let all = r#""location":{"latitude":1.5}"#;
        for (text, expected) in [
            (
                "{}",
                format!(r#"{{"context":{{"ip":"1.2.3.4",{all},"os":{{"name":"iOS"}}}}}}"#),
            ),
            (
                r#" { "a" : 1.50, "context":null }"#,
                format!(r#" {{ "a" : 1.50, "context":{{"ip":"1.2.3.4",{all},"os":{{"name":"iOS"}}}} }}"#),
            ),
            (
                r#"{"context":{"os":{"version":"18"}},"x":"\u00e4"}"#,
                format!(
                    r#"{{"context":{{"ip":"1.2.3.4",{all},"os":{{"name":"iOS","version":"18"}}}},"x":"\u00e4"}}"#
                ),
            ),
            // As RudderStack's SDK for browsers sends it.
            (
                r#"{"context":{"ip":"","os":{"name":"","version":""},"location":{}}}"#,
                r#"{"context":{"ip":"1.2.3.4","os":{"name":"iOS","version":""},"location":{"latitude":1.5}}}"#
                    .to_owned(),
            ),
            (
                r#"{"context":{"ip":7,"os":"mine","location":[]}}"#,
                String::new(),
            ),
            (r#"{"context":"mine"}"#, String::new()),
        ] {
            let expected = Some(expected).filter(|text| !text.is_empty());
            assert_eq!(filled(text, &[]), expected, "{text}");
        }
    }

    #[test]
    fn nothing_is_put_where_something_was_hidden() {
        let done = [
            "/context/ip".to_owned(),
            "/context/os".into(),
            "/context/loc".into(),
        ];
        let found = filled("{}", &done).unwrap();
        assert_eq!(found, r#"{"context":{"location":{"latitude":1.5}}}"#);
    }

    #[test]
    fn addresses_are_changed_wherever_they_stand() {
        let cut = |text: &str| (text != "?").then(|| format!("cut {text}"));
        let changed = |text: &str, layout: &'static Layout, done: &[String]| {
            let mut document = Document::read(text, layout, done).unwrap();
            document.change_addresses(cut);
            document.finish()
        };
        let text = r#"{"context":{"ip":"a","ip":"?"},"ip":"b","context":{"ip":5}}"#;
        let expected = r#"{"context":{"ip":"cut a","ip":null},"ip":"b","context":{"ip":null}}"#;
        assert_eq!(changed(text, &SEGMENT, &[]).as_deref(), Some(expected));
        assert_eq!(changed(text, &SEGMENT, &["/context/ip".to_owned()]), None);
        // What is empty may be filled behind it.
        assert_eq!(changed(r#"{"context":{"ip":""}}"#, &SEGMENT, &[]), None);
        let text = r#"{"user_ipaddress":"a","other":{"ip":"b"},"ip":"c"}"#;
        let expected = r#"{"user_ipaddress":"cut a","other":{"ip":"cut b"},"ip":"c"}"#;
        assert_eq!(changed(text, &SNOWPLOW, &[]).as_deref(), Some(expected));
    }

    /// Objects of names that mean something here and of others, some of them twice.
    fn anything() -> impl Strategy<Value = String> {
        let names = [
            "context", "os", "name", "version", "ip", "location", "latitude", "x",
        ];
        let value = prop_oneof![
            Just("null".to_owned()),
            Just("\"\"".to_owned()),
            Just("\"1.2.3.4\"".to_owned()),
            Just("[1, 2]".to_owned()),
            Just("7".to_owned()),
        ];
        let object = value.prop_recursive(4, 32, 6, move |inner| {
            let member = (prop::sample::select(names.to_vec()), inner);
            prop::collection::vec(member, 0..6).prop_map(|members| {
                let members = members.iter();
                let members: Vec<String> = members
                    .map(|(name, value)| format!("\"{name}\": {value}"))
                    .collect();
                format!("{{ {} }}", members.join(" , "))
            })
        });
        object.prop_map(|inner| format!("{{\"a\":1,\"context\":{inner}}}"))
    }

    proptest! {
        #[test]
        fn whatever_is_filled_into_json_stays_json_and_is_full(text in anything()) {
            let fill = |text: &str| {
                let mut document = Document::read(text, &SEGMENT, &[]).unwrap();
                document.change_addresses(|_| None);
                document.fill_text(Field::OsName, "iOS");
                document.fill_text(Field::OsVersion, "18");
                document.fill_text(Field::Ip, "1.2.3.4");
                document.fill(Field::Latitude, b"1.5");
                document.finish()
            };
            let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
            if let Some(filled) = fill(&text) {
                let json: serde_json::Value = serde_json::from_str(&filled).unwrap();
                prop_assert_eq!(&json["a"], &whole["a"]);
            }
            // No place is left but where something else stands.
            let mut document = Document::read(&text, &SEGMENT, &[]).unwrap();
            document.fill_text(Field::OsName, "iOS");
            let filled = document.finish().unwrap_or(text);
            let mut again = Document::read(&filled, &SEGMENT, &[]).unwrap();
            again.fill_text(Field::OsName, "Android");
            prop_assert_eq!(again.finish(), None);
        }
    }

    #[test]
    fn what_is_no_object_is_left_alone() {
        for text in ["", "[]", "7", r#"{"a""#] {
            assert!(Document::read(text, &SEGMENT, &[]).is_none(), "{text}");
        }
    }
}
