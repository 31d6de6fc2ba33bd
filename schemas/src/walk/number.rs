//! A number of the text: read as a value only when it is asked for.

use super::text::digits;
use super::{Cursor, Fault, Syntax};

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

impl<'a> Cursor<'a> {
    /// Reads a number.
    // Without this the result goes through memory.
    #[inline(always)]
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
}
