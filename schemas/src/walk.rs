//! One pass over an event's bytes: a strict RFC 8259 pull scanner that never builds a tree.
//!
//! Everything that looks inside an event (validation, the envelope, the sink's columns, the splitting of
//! request bodies) reads through this one [`Cursor`], so that all of them agree on what JSON is.
//! The input is a `&str`: UTF-8 is checked once, before, over the whole buffer.

mod bits;
mod text;

use std::borrow::Cow;

use bits::BitStack;
use text::{digits, escape_end, plain_run, unescape};

/// Why the text is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Syntax {
    /// Byte offset into the text that the cursor was made over.
    pub at: usize,
    /// What was found or missing there.
    pub what: Fault,
}

/// The ways in which a text fails to be JSON that Headgate accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The text ended inside a value.
    #[error("unexpected end of input")]
    End,
    /// A character that cannot start or continue a value here.
    #[error("unexpected character")]
    Unexpected,
    /// Something after the value.
    #[error("trailing characters")]
    Trailing,
    /// A backslash sequence that JSON does not have.
    #[error("invalid escape")]
    Escape,
    /// A `\u` escape of one half of a surrogate pair: no UTF-8 exists for it.
    #[error("lone surrogate")]
    Surrogate,
    /// An unescaped control character inside a string.
    #[error("control character in string")]
    Control,
    /// A number that breaks JSON's grammar.
    #[error("invalid number")]
    Number,
    /// Arrays and objects nested deeper than the limit.
    #[error("nested too deeply")]
    Depth,
}

/// The kind of the value that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// `-` or a digit
    Number,
    /// `t` or `f`
    Bool,
    /// `n`
    Null,
}

/// A string as it stands between its quotes: escapes are checked but not yet decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Str<'a> {
    /// The text between the quotes, escapes included.
    pub raw: &'a str,
    /// Whether `raw` has at least one backslash.
    pub escaped: bool,
}

impl<'a> Str<'a> {
    /// The string's value; borrows unless there are escapes.
    pub fn decode(&self) -> Cow<'a, str> {
        if self.escaped {
            Cow::Owned(unescape(self.raw))
        } else {
            Cow::Borrowed(self.raw)
        }
    }

    /// Whether the string's value equals `other`.
    pub fn is(&self, other: &str) -> bool {
        if self.escaped {
            unescape(self.raw) == other
        } else {
            self.raw == other
        }
    }
}

/// A number as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Num<'a> {
    /// The number's text.
    pub raw: &'a str,
    /// Neither a fraction nor an exponent is written.
    pub integer: bool,
    /// An exponent is written.
    pub exponent: bool,
}

impl Num<'_> {
    /// The value, when it is written as an integer and fits.
    pub fn as_i64(&self) -> Option<i64> {
        if self.integer {
            self.raw.parse().ok()
        } else {
            None
        }
    }

    /// The value, when it is written as a non-negative integer and fits.
    pub fn as_u64(&self) -> Option<u64> {
        if self.integer {
            self.raw.parse().ok()
        } else {
            None
        }
    }

    /// The nearest double; infinite when the number is beyond the range of f64.
    pub fn as_f64(&self) -> f64 {
        self.raw.parse().unwrap_or(f64::NAN)
    }
}

/// A position in a JSON text. Cheap to copy: a copy taken before a value reads that value again.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth_left: u32,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `text` that allows `depth_max` nested arrays and objects.
    pub fn new(text: &'a str, depth_max: u32) -> Self {
        Self {
            text,
            at: 0,
            depth_left: depth_max,
        }
    }

    /// The byte offset of the next unread byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The text between two offsets that this cursor reported.
    pub fn slice(&self, from: usize, to: usize) -> &'a str {
        &self.text[from..to]
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn fault<T>(&self, what: Fault) -> Result<T, Syntax> {
        let what = if self.at >= self.text.len() {
            Fault::End
        } else {
            what
        };
        Err(Syntax {
            at: self.at.min(self.text.len()),
            what,
        })
    }

    /// Skips white space.
    #[inline]
    pub fn space(&mut self) {
        // Events are mostly written without any: one comparison then is all.
        if self.bytes().get(self.at).is_some_and(|byte| *byte <= b' ') {
            self.space_run();
        }
    }

    #[cold]
    fn space_run(&mut self) {
        let bytes = self.bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Skips white space and tells what the next value is, without reading it.
    #[inline]
    pub fn kind(&mut self) -> Result<Kind, Syntax> {
        self.space();
        match self.bytes().get(self.at) {
            Some(b'"') => Ok(Kind::String),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => self.fault(Fault::Unexpected),
        }
    }

    #[inline]
    fn open(&mut self, bracket: u8, close: u8) -> Result<bool, Syntax> {
        self.space();
        if self.bytes().get(self.at) != Some(&bracket) {
            return self.fault(Fault::Unexpected);
        }
        if self.depth_left == 0 {
            return self.fault(Fault::Depth);
        }
        self.at += 1;
        self.space();
        if self.bytes().get(self.at) == Some(&close) {
            self.at += 1;
            return Ok(false);
        }
        self.depth_left -= 1;
        Ok(true)
    }

    #[inline]
    fn more(&mut self, close: u8) -> Result<bool, Syntax> {
        self.space();
        match self.bytes().get(self.at) {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if *byte == close => {
                self.at += 1;
                self.depth_left += 1;
                Ok(false)
            }
            _ => self.fault(Fault::Unexpected),
        }
    }

    /// Reads `{`; true when a member follows, false when the object is empty and now behind the cursor.
    #[inline]
    pub fn object(&mut self) -> Result<bool, Syntax> {
        self.open(b'{', b'}')
    }

    /// Reads a member's key and the colon: the cursor is then before the member's value.
    #[inline]
    pub fn key(&mut self) -> Result<Str<'a>, Syntax> {
        self.space();
        let key = self.string()?;
        self.space();
        if self.bytes().get(self.at) != Some(&b':') {
            return self.fault(Fault::Unexpected);
        }
        self.at += 1;
        Ok(key)
    }

    /// After a member's value: true when another member follows, false when the object has ended.
    #[inline]
    pub fn next_member(&mut self) -> Result<bool, Syntax> {
        self.more(b'}')
    }

    /// A cursor at another offset of the same nesting: from before a value that this one has just read, or from
    /// behind the one that it is about to read.
    #[inline]
    pub(crate) fn moved(&self, at: usize) -> Self {
        Self { at, ..*self }
    }

    /// A cursor at the same place that allows `depth_max` nested arrays and objects from here.
    pub(crate) fn within(&self, depth_max: u32) -> Self {
        Self {
            depth_left: depth_max,
            ..*self
        }
    }

    /// Reads a member's key and its colon if they are the expected ones, without white space around them.
    #[inline]
    pub fn take(&mut self, expected: &Expected) -> bool {
        let rest = &self.bytes()[self.at..];
        let found = match rest.first_chunk::<16>() {
            Some(first) => {
                (u128::from_le_bytes(*first) ^ expected.word) & expected.mask == 0
                    && (expected.text.len() <= 16 || rest.starts_with(&expected.text))
            }
            None => rest.starts_with(&expected.text),
        };
        self.at += if found { expected.text.len() } else { 0 };
        found
    }

    /// Reads `[`; true when an element follows, false when the array is empty and now behind the cursor.
    #[inline]
    pub fn array(&mut self) -> Result<bool, Syntax> {
        self.open(b'[', b']')
    }

    /// After an element: true when another follows, false when the array has ended.
    #[inline]
    pub fn next_element(&mut self) -> Result<bool, Syntax> {
        self.more(b']')
    }

    /// Reads a string; its escapes are checked.
    #[inline]
    pub fn string(&mut self) -> Result<Str<'a>, Syntax> {
        self.space();
        let bytes = self.bytes();
        if bytes.get(self.at) != Some(&b'"') {
            return self.fault(Fault::Unexpected);
        }
        let start = self.at + 1;
        let at = plain_run(bytes, start);
        if bytes.get(at) != Some(&b'"') {
            return self.string_from(start, at);
        }
        self.at = at + 1;
        Ok(Str {
            raw: &self.text[start..at],
            escaped: false,
        })
    }

    /// Reads on in a string that has more than plain characters, from the first one that is not.
    #[cold]
    fn string_from(&mut self, start: usize, mut at: usize) -> Result<Str<'a>, Syntax> {
        let bytes = self.bytes();
        let mut escaped = false;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at = plain_run(bytes, escape_end(bytes, at)?);
                }
                Some(_) => {
                    return Err(Syntax {
                        at,
                        what: Fault::Control,
                    });
                }
                None => {
                    return Err(Syntax {
                        at: bytes.len(),
                        what: Fault::End,
                    });
                }
            }
        }
        self.at = at + 1;
        Ok(Str {
            raw: &self.text[start..at],
            escaped,
        })
    }

    /// Reads a number.
    #[inline]
    pub fn number(&mut self) -> Result<Num<'a>, Syntax> {
        self.space();
        let bytes = self.bytes();
        let start = self.at;
        let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
        let first = at;
        at = digits(bytes, at);
        let leading_zero = at > first + 1 && bytes[first] == b'0';
        if at == first || leading_zero {
            self.at = at;
            return self.fault(Fault::Number);
        }
        let fraction = bytes.get(at) == Some(&b'.');
        if fraction {
            at = self.required_digits(at + 1)?;
        }
        let exponent = matches!(bytes.get(at), Some(b'e' | b'E'));
        if exponent {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            at = self.required_digits(at + 1 + sign)?;
        }
        self.at = at;
        Ok(Num {
            raw: &self.text[start..at],
            integer: !fraction && !exponent,
            exponent,
        })
    }

    fn required_digits(&mut self, from: usize) -> Result<usize, Syntax> {
        let to = digits(self.bytes(), from);
        if to == from {
            self.at = from;
            return self.fault(Fault::Number);
        }
        Ok(to)
    }

    /// Reads `true` or `false`.
    #[inline]
    pub fn boolean(&mut self) -> Result<bool, Syntax> {
        self.space();
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            self.fault(Fault::Unexpected)
        }
    }

    /// Reads `null`.
    #[inline]
    pub fn null(&mut self) -> Result<(), Syntax> {
        self.space();
        if self.word("null") {
            Ok(())
        } else {
            self.fault(Fault::Unexpected)
        }
    }

    #[inline]
    fn word(&mut self, word: &str) -> bool {
        let found = self.bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Reads any value, checks its syntax, and returns its text without the white space around it.
    #[inline]
    pub fn skip(&mut self) -> Result<&'a str, Syntax> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::String => drop(self.string()?),
            Kind::Number => drop(self.number()?),
            Kind::Bool => drop(self.boolean()?),
            Kind::Null => self.null()?,
            Kind::Object | Kind::Array => self.skip_nested()?,
        }
        Ok(&self.text[start..self.at])
    }

    /// Skips an object or array without recursion: the kinds of the open brackets are kept in a bit stack,
    /// so that the depth limit, not the thread's stack, is what bounds nesting.
    fn skip_nested(&mut self) -> Result<(), Syntax> {
        let mut open = BitStack::default();
        loop {
            // Before a value.
            let entered = match self.kind()? {
                Kind::Object => Some((true, self.object()?)),
                Kind::Array => Some((false, self.array()?)),
                _ => {
                    self.skip()?;
                    None
                }
            };
            if let Some((object, true)) = entered {
                open.push(object);
                if object {
                    self.key()?;
                }
                continue;
            }
            // After a value: close what ends here.
            loop {
                let Some(object) = open.top() else {
                    return Ok(());
                };
                let more = if object {
                    self.next_member()?
                } else {
                    self.next_element()?
                };
                if more {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }

    /// Fails unless only white space remains.
    #[inline]
    pub fn end(&mut self) -> Result<(), Syntax> {
        self.space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            self.fault(Fault::Trailing)
        }
    }
}

/// A key that is expected next, ready to be compared in one step.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The key as JSON text with quotes and colon: `"price":`.
    text: Box<[u8]>,
    /// The first 16 bytes of the text, and which of their bits count.
    word: u128,
    mask: u128,
}

impl Expected {
    /// Expects a key without escapes, or with those that `serde_json` would write.
    pub fn new(key: &str) -> Self {
        let text = format!("{}:", serde_json::Value::from(key)).into_bytes();
        let (mut word, mut mask) = ([0; 16], [0; 16]);
        for (at, byte) in text.iter().take(16).enumerate() {
            word[at] = *byte;
            mask[at] = 0xFF;
        }
        Self {
            text: text.into_boxed_slice(),
            word: u128::from_le_bytes(word),
            mask: u128::from_le_bytes(mask),
        }
    }
}

#[cfg(test)]
mod tests;
