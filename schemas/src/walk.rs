//! One pass over an event's bytes: a strict RFC 8259 pull scanner that never builds a tree.
//!
//! Everything that looks inside an event (validation, the envelope, the sink's columns, the splitting of
//! request bodies) reads through this one [`Cursor`], so that all of them agree on what JSON is.
//! The input is a `&str`: UTF-8 is checked once, before, over the whole buffer.

mod bits;
mod expected;
mod fault;
mod number;
mod skip;
mod string;
mod text;

pub use expected::Expected;
pub use fault::{Fault, Syntax};
pub use number::Num;
pub use string::Str;

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
            Kind::String => self.pass_string()?,
            Kind::Number => drop(self.number()?),
            Kind::Bool => drop(self.boolean()?),
            Kind::Null => self.null()?,
            Kind::Object | Kind::Array => self.skip_nested()?,
        }
        Ok(&self.text[start..self.at])
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

#[cfg(test)]
mod tests;
