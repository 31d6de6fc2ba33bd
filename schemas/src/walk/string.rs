//! A string of the text: decoded only when it is asked for.

use std::borrow::Cow;

use super::text::{escape_end, plain_run, unescape};
use super::{Cursor, Fault, Syntax};

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

impl<'a> Cursor<'a> {
    /// Reads a string; its escapes are checked.
    // Without this the result goes through memory.
    #[inline(always)]
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

    /// Passes over a string whose value is not asked for; its escapes are checked.
    #[inline]
    pub(crate) fn pass_string(&mut self) -> Result<(), Syntax> {
        self.space();
        let bytes = self.bytes();
        if bytes.get(self.at) != Some(&b'"') {
            return self.fault(Fault::Unexpected);
        }
        let start = self.at + 1;
        let at = plain_run(bytes, start);
        if bytes.get(at) != Some(&b'"') {
            return self.string_from(start, at).map(|_| ());
        }
        self.at = at + 1;
        Ok(())
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
}
