//! One byte string a JSON value: equal values, whatever their order of keys, escapes and way of writing numbers,
//! have equal bytes.

use serde_json::Value;

use crate::program::number::Number;
use crate::walk::{Cursor, Kind, Syntax};

/// Appends the canonical form of the next value and leaves the cursor behind it.
pub(super) fn of_next(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Syntax> {
    match cursor.kind()? {
        Kind::Null => {
            cursor.null()?;
            out.push(b'n');
        }
        Kind::Bool => out.push(if cursor.boolean()? { b't' } else { b'f' }),
        Kind::Number => push_number(Number::parse(cursor.number()?.raw), out),
        Kind::String => push_text(&cursor.string()?.decode(), out),
        Kind::Array => {
            let mut more = cursor.array()?;
            out.push(b'[');
            while more {
                of_next(cursor, out)?;
                more = cursor.next_element()?;
            }
            out.push(b']');
        }
        Kind::Object => {
            let mut members = Vec::new();
            let mut more = cursor.object()?;
            while more {
                let mut member = Vec::new();
                push_text(&cursor.key()?.decode(), &mut member);
                of_next(cursor, &mut member)?;
                members.push(member);
                more = cursor.next_member()?;
            }
            push_members(members, out);
        }
    }
    Ok(())
}

/// The canonical form of a value from a schema.
pub(crate) fn of_value(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    push_value(value, &mut out);
    out
}

fn push_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(value) => out.push(if *value { b't' } else { b'f' }),
        Value::Number(number) => push_number(Number::of_json(number), out),
        Value::String(text) => push_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            items.iter().for_each(|item| push_value(item, out));
            out.push(b']');
        }
        Value::Object(map) => {
            let each = map.iter().map(|(key, value)| {
                let mut member = Vec::new();
                push_text(key, &mut member);
                push_value(value, &mut member);
                member
            });
            push_members(each.collect(), out);
        }
    }
}

fn push_members(mut members: Vec<Vec<u8>>, out: &mut Vec<u8>) {
    members.sort_unstable();
    out.push(b'{');
    members
        .iter()
        .for_each(|member| out.extend_from_slice(member));
    out.push(b'}');
}

fn push_number(number: Option<Number>, out: &mut Vec<u8>) {
    match number.map(Number::canonical) {
        Some(Number::Whole(whole)) => {
            out.push(b'i');
            out.extend_from_slice(&whole.to_be_bytes());
        }
        Some(Number::Float(float)) => {
            out.push(b'd');
            out.extend_from_slice(&float.to_bits().to_be_bytes());
        }
        // Beyond the range of f64, which is a violation in itself.
        None => out.push(b'?'),
    }
}

/// The length first, so that no text can pass for the start of another value.
fn push_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(&(text.len() as u64).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
