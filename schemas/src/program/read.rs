//! Reading the values of keywords: what a keyword may hold, and what is said when it holds something else.

use std::collections::HashSet;

use serde_json::Value;

use super::node::Kinds;
use super::number::Number;

/// A count or length.
pub(super) fn size(value: &Value) -> Result<usize, String> {
    let whole = value.as_u64().or_else(|| match value.as_f64() {
        Some(float) if float >= 0.0 && float.fract() == 0.0 =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and not negative; a cast saturates, and no event is that long"
            )]
            Some(float as u64)
        }
        _ => None,
    });
    whole
        .map(|size| usize::try_from(size).unwrap_or(usize::MAX))
        .ok_or_else(|| expected("a non-negative integer", value))
}

pub(super) fn number(value: &Value) -> Result<Number, String> {
    match value {
        Value::Number(number) => {
            Number::of_json(number).ok_or_else(|| "beyond the range of a double".to_owned())
        }
        other => Err(expected("a number", other)),
    }
}

pub(super) fn divisor(value: &Value) -> Result<Number, String> {
    let divisor = number(value)?;
    if divisor.compare(Number::Whole(0)).is_gt() {
        Ok(divisor.canonical())
    } else {
        Err(expected("a number above 0", value))
    }
}

pub(super) fn flag(value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| expected("true or false", value))
}

pub(super) fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| expected("a string", value))
}

pub(super) fn list(value: &Value) -> Result<&[Value], String> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| expected("an array", value))
}

pub(super) fn map(value: &Value) -> Result<&serde_json::Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| expected("an object", value))
}

pub(super) fn names(value: &Value) -> Result<Vec<&str>, String> {
    let names = list(value)?
        .iter()
        .map(text)
        .collect::<Result<Vec<_>, _>>()?;
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(**name)) {
        Some(twice) => Err(format!("{twice:?} is listed twice")),
        None => Ok(names),
    }
}

pub(super) fn kinds(value: &Value) -> Result<Kinds, String> {
    let one;
    let names = match value {
        Value::String(name) => {
            one = [Value::String(name.clone())];
            &one[..]
        }
        Value::Array(names) if !names.is_empty() => names.as_slice(),
        other => return Err(expected("a type or a list of types", other)),
    };
    let mut kinds = Kinds::NONE;
    for name in names {
        kinds = kinds.with(match text(name)? {
            "null" => Kinds::NULL,
            "boolean" => Kinds::BOOLEAN,
            "object" => Kinds::OBJECT,
            "array" => Kinds::ARRAY,
            "string" => Kinds::STRING,
            "integer" => Kinds::INTEGER,
            "number" => Kinds::INTEGER.with(Kinds::FRACTION),
            other => return Err(format!("{other:?} is not a type")),
        });
    }
    Ok(kinds)
}

/// `expected a number, found "x"`, with long values cut.
pub(super) fn expected(what: &str, found: &Value) -> String {
    let mut shown = found.to_string();
    if let Some((end, _)) = shown.char_indices().nth(60) {
        shown.truncate(end);
        shown.push('…');
    }
    format!("expected {what}, found {shown}")
}
