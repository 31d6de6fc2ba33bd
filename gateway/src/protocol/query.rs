//! What stands in a request's query, or in a form.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::Error;

/// How deep a parameter's name leads.
pub(super) const DEPTH_MAX: usize = 8;

/// How many parameters a query or a form may have: each takes many times its own bytes while they are put in order.
const PARAMETERS_MAX: usize = 1_000;

/// The first parameter of that name, decoded.
pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

/// All parameters as a JSON object of texts; dots in their names lead into objects.
///
/// # Errors
/// There are too many.
pub(super) fn object(query: &[u8]) -> Result<String, Error> {
    bounded(query)?;
    let mut object = Map::new();
    for (name, value) in form_urlencoded::parse(query) {
        let steps = name.splitn(DEPTH_MAX, '.').collect::<Vec<_>>();
        put(&mut object, &steps, value.into_owned());
    }
    Ok(Value::from(object).to_string())
}

/// All parameters as a JSON object of texts, by their names as they stand; of one that is given twice the last counts.
///
/// # Errors
/// There are too many.
pub(super) fn flat(query: &[u8]) -> Result<String, Error> {
    bounded(query)?;
    let pairs = form_urlencoded::parse(query);
    let object: Map<String, Value> = pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    Ok(Value::from(object).to_string())
}

fn bounded(query: &[u8]) -> Result<(), Error> {
    match form_urlencoded::parse(query).nth(PARAMETERS_MAX) {
        None => Ok(()),
        Some(_) => Err(Error::Unfit {
            what: "more than 1000 parameters",
            at: 0,
        }),
    }
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
