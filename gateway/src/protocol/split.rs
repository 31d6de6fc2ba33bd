//! Cuts a body into events: borrowed slices, read once. An array or object is taken whole or not at all; of lines,
//! each stands for itself.

use std::ops::Range;

use headgate_schemas::{
    event::{Data, Violation},
    walk::{Cursor, Kind, Syntax},
};

use super::{
    Error, Rules,
    draft::{self, Draft},
    media::Framing,
};

/// One event of a body.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    /// Where it stands in the body.
    pub(crate) range: Range<usize>,
    /// What it says, or why it is not JSON (only for lines).
    pub(crate) draft: Result<Draft<'a>, Violation>,
}

impl<'a> Item<'a> {
    /// Takes out the data that was made for it.
    pub(crate) fn take_made(&mut self) -> Option<String> {
        self.draft.as_mut().ok()?.made.take()
    }

    /// The same with the data that was made for it.
    pub(crate) fn with<'t>(self, made: &'t str) -> Item<'t>
    where
        'a: 't,
    {
        let mut item: Item<'t> = self;
        if let Ok(draft) = &mut item.draft {
            draft.event.data = Data::Json(made);
        }
        item
    }
}

/// The events of a body, one after another.
#[derive(Debug)]
pub(crate) struct Split<'a> {
    text: &'a str,
    state: State<'a>,
}

#[derive(Debug)]
enum State<'a> {
    Array(Cursor<'a>),
    One(Cursor<'a>),
    /// The offset of the next line.
    Lines(usize),
    Done,
}

impl<'a> Split<'a> {
    /// Nesting is not bounded here: it takes no stack, and an event nested too deeply must not spoil its batch.
    pub(crate) fn new(text: &'a str, framing: Framing) -> Result<Self, Error> {
        let mut cursor = Cursor::new(text, u32::MAX);
        cursor.space();
        let start = cursor.at();
        let first = text.as_bytes().get(start).copied();
        let state = match (framing, first) {
            (_, None) => return Err(Error::Empty),
            (Framing::Lines, _) => State::Lines(start),
            (Framing::Sniffed | Framing::Array, Some(b'[')) => {
                if cursor.array()? {
                    State::Array(cursor)
                } else {
                    cursor.end()?;
                    State::Done
                }
            }
            (Framing::Array, _) => {
                return Err(Error::NotAsSaid {
                    expected: "a JSON array",
                    at: start,
                });
            }
            (Framing::One, Some(b'[')) => {
                return Err(Error::NotAsSaid {
                    expected: "one JSON object",
                    at: start,
                });
            }
            (Framing::Sniffed, Some(b'{')) if first_line_is_whole(&text[start..]) => {
                State::Lines(start)
            }
            _ => State::One(cursor),
        };
        Ok(Self { text, state })
    }

    /// The next event; none at the end of the body.
    pub(crate) fn next(&mut self, rules: &Rules<'a>) -> Result<Option<Item<'a>>, Error> {
        match &mut self.state {
            State::Done => Ok(None),
            State::One(cursor) => {
                let item = element(cursor, rules)?;
                cursor.end()?;
                self.state = State::Done;
                Ok(Some(item))
            }
            State::Array(cursor) => {
                let item = element(cursor, rules)?;
                if !cursor.next_element()? {
                    cursor.end()?;
                    self.state = State::Done;
                }
                Ok(Some(item))
            }
            State::Lines(at) => {
                let item = line(self.text, at, rules);
                if item.is_none() {
                    self.state = State::Done;
                }
                Ok(item)
            }
        }
    }
}

fn element<'a>(cursor: &mut Cursor<'a>, rules: &Rules<'a>) -> Result<Item<'a>, Syntax> {
    cursor.space();
    let start = cursor.at();
    let draft = draft::read(cursor, rules)?;
    Ok(Item {
        range: start..cursor.at(),
        draft: Ok(draft),
    })
}

/// The next line that is not blank.
fn line<'a>(text: &'a str, at: &mut usize, rules: &Rules<'a>) -> Option<Item<'a>> {
    loop {
        let rest = text.get(*at..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        let start = *at;
        *at = start + length + 1;
        let line = rest[..length].trim_end_matches(['\r', ' ', '\t']);
        if line.trim_start_matches([' ', '\t']).is_empty() {
            continue;
        }
        let mut cursor = Cursor::new(line, u32::MAX);
        let draft = draft::read(&mut cursor, rules).and_then(|draft| {
            cursor.end()?;
            Ok(draft)
        });
        let draft = draft.map_err(|syntax| Violation {
            pointer: String::new(),
            keyword: "syntax",
            message: format!("{} at byte {} of the body", syntax.what, start + syntax.at),
        });
        return Some(Item {
            range: start..start + line.len(),
            draft,
        });
    }
}

/// Whether the first line is a JSON object by itself and something other than space follows it: then the body is
/// read as lines.
fn first_line_is_whole(text: &str) -> bool {
    let Some(length) = memchr::memchr(b'\n', text.as_bytes()) else {
        return false;
    };
    let (first, behind) = text.split_at(length);
    if behind.bytes().all(|b| b.is_ascii_whitespace()) {
        return false;
    }
    let mut cursor = Cursor::new(first, u32::MAX);
    cursor.kind() == Ok(Kind::Object) && cursor.skip().and_then(|_| cursor.end()).is_ok()
}

/// What is wrong with an event whose bytes are not UTF-8; `start` is its offset in the body.
pub(crate) fn encoding_fault(raw: &[u8], start: usize) -> Option<Violation> {
    let error = std::str::from_utf8(raw).err()?;
    Some(Violation {
        pointer: String::new(),
        keyword: "encoding",
        message: format!(
            "invalid UTF-8 at byte {} of the body",
            start + error.valid_up_to()
        ),
    })
}

#[cfg(test)]
mod tests;
