//! What stands in a request's query, or in a form.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// How deep a parameter's name leads.
pub(super) const DEPTH_MAX: usize = 8;

/// The first parameter of that name, decoded.
pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

/// All parameters as a JSON object of texts; dots in their names lead into objects.
pub(super) fn object(query: &[u8]) -> String {
    let mut object = Map::new();
    for (name, value) in form_urlencoded::parse(query) {
        let steps = name.splitn(DEPTH_MAX, '.').collect::<Vec<_>>();
        put(&mut object, &steps, value.into_owned());
    }
    Value::from(object).to_string()
}

/// All parameters as a JSON object of texts, by their names as they stand; of one that is given twice the last counts.
pub(super) fn flat(query: &[u8]) -> String {
    let pairs = form_urlencoded::parse(query);
    let object: Map<String, Value> = pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    Value::from(object).to_string()
}

/// Puts a text where the steps lead.
fn put(object: &mut Map<String, Value>, steps: &[&str], value: String) {
    match steps {
        [] => {}
        [last] => drop(object.insert((*last).to_owned(), value.into())),
        [first, rest @ ..] => {
            let inner = object.entry(*first).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}
