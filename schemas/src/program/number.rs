//! Numbers as schemas compare them: by mathematical value, `1` and `1.0` are one number.
//!
//! Whole numbers within i64 and u64 are exact, everything else is the double that `serde_json` reads, so that a
//! bound written in a schema and the same digits in an event are always the same number.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};

/// Whole doubles below this magnitude are exact integers: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// Doubles at or above this magnitude do not fit an i128: 2^127.
const I128_LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;

/// A JSON number's value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    /// A whole number within i64 or u64, so written.
    Whole(i128),
    /// Anything else; always finite.
    Float(f64),
}

/// Equal are numbers that are written as the same kind and value, so that what is said of one can be said of the other.
/// For the mathematical value see [`Number::compare`].
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            _ => false,
        }
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Whole(whole) => whole.hash(state),
            Self::Float(float) => float.to_bits().hash(state),
        }
    }
}

impl Number {
    pub(crate) fn of_json(number: &serde_json::Number) -> Option<Self> {
        number
            .as_i64()
            .map(i128::from)
            .or(number.as_u64().map(i128::from))
            .map(Self::Whole)
            .or(number.as_f64().filter(|f| f.is_finite()).map(Self::Float))
    }

    /// Reads a number's text; `None` when it is beyond the range of f64.
    pub(crate) fn parse(raw: &str) -> Option<Self> {
        if let Ok(whole) = raw.parse::<i64>() {
            return Some(Self::Whole(whole.into()));
        }
        if let Ok(whole) = raw.parse::<u64>() {
            return Some(Self::Whole(whole.into()));
        }
        let float: f64 = serde_json::from_str(raw).ok()?;
        float.is_finite().then_some(Self::Float(float))
    }

    pub(crate) fn is_integer(self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Float(float) => float.fract() == 0.0,
        }
    }

    /// The same value in one form only: whole doubles that fit become whole numbers.
    pub(crate) fn canonical(self) -> Self {
        match self {
            Self::Float(float) if float.fract() == 0.0 && float.abs() < I128_LIMIT =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and within i128")]
                Self::Whole(float as i128)
            }
            other => other,
        }
    }

    pub(crate) fn as_f64(self) -> f64 {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "the nearest double is what is asked for"
            )]
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }

    /// Compares by exact value.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self.canonical(), other.canonical()) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(&b),
            (Self::Whole(a), Self::Float(b)) => whole_to_float(a, b),
            (Self::Float(a), Self::Whole(b)) => whole_to_float(b, a).reverse(),
        }
    }

    /// Whether `self / divisor` is a whole number; `divisor` is above zero.
    ///
    /// Against a fraction, doubles are read as the shortest decimal that names them, so that 0.3 is a multiple of 0.1.
    pub(crate) fn is_multiple_of(self, divisor: Self) -> bool {
        match (self, divisor) {
            (Self::Whole(value), Self::Whole(divisor)) => value % divisor == 0,
            (Self::Float(value), Self::Whole(_)) => {
                value.fract() == 0.0 && value % divisor.as_f64() == 0.0
            }
            _ => Decimal::of(self)
                .zip(Decimal::of(divisor))
                .is_some_and(|(value, divisor)| value.is_multiple_of(divisor)),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => whole.fmt(f),
            Self::Float(float) if float.abs() < EXACT_MAX => float.fmt(f),
            Self::Float(float) => write!(f, "{float:e}"),
        }
    }
}

/// Compares where the double is not a whole number within i128.
fn whole_to_float(whole: i128, float: f64) -> Ordering {
    if float.abs() >= I128_LIMIT {
        return if float > 0.0 {
            Ordering::Less
        } else {
            Ordering::Greater
        };
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "truncated on purpose and within i128"
    )]
    let truncated = float.trunc() as i128;
    whole
        .cmp(&truncated)
        .then_with(|| 0.0_f64.total_cmp(&float.fract()))
}

/// `mantissa * 10^exponent`
#[derive(Clone, Copy)]
struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl Decimal {
    fn of(number: Number) -> Option<Self> {
        let float = match number {
            Number::Whole(mantissa) => {
                return Some(Self {
                    mantissa,
                    exponent: 0,
                });
            }
            Number::Float(float) => float,
        };
        let mut text = Digits::default();
        write!(text, "{float:e}").ok()?;
        let (digits, exponent) = text.as_str()?.split_once('e')?;
        let mut exponent: i32 = exponent.parse().ok()?;
        let mut mantissa = 0_i128;
        let mut fraction = false;
        for byte in digits.bytes().filter(|b| *b != b'-') {
            if byte == b'.' {
                fraction = true;
            } else {
                mantissa = mantissa * 10 + i128::from(byte - b'0');
                exponent -= i32::from(fraction);
            }
        }
        Some(Self { mantissa, exponent })
    }

    /// Exact at any magnitude: powers of ten are taken modulo the divisor's digits, 20 at most.
    fn is_multiple_of(self, divisor: Self) -> bool {
        let places = self.exponent - divisor.exponent;
        if places < 0 {
            let scaled = 10_i128
                .checked_pow(places.unsigned_abs())
                .and_then(|power| divisor.mantissa.checked_mul(power));
            // A divisor beyond 128 bits is larger than any mantissa.
            return self.mantissa == 0
                || scaled.is_some_and(|divisor| self.mantissa % divisor == 0);
        }
        let mut rest = self.mantissa % divisor.mantissa;
        for _ in 0..places {
            rest = rest * 10 % divisor.mantissa;
        }
        rest == 0
    }
}

/// Room for one double's digits without an allocation.
struct Digits {
    bytes: [u8; 40],
    len: usize,
}

impl Default for Digits {
    fn default() -> Self {
        Self {
            bytes: [0; 40],
            len: 0,
        }
    }
}

impl Digits {
    fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes[..self.len]).ok()
    }
}

impl fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn numbers_compare_by_exact_value() {
        let ordered = [
            "-1e300",
            "-9223372036854775809",
            "-1.5",
            "-1",
            "-0.5",
            "0",
            "0.5",
            "1",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551615",
            "1e39",
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(number(a).compare(number(b)), i.cmp(&j), "{a} {b}");
            }
        }
        assert!(number("-0").compare(number("0.0")).is_eq());
        assert!(number("1e2").compare(number("100")).is_eq());
        assert!(Number::parse("1e400").is_none());
        assert!(Number::parse(&"9".repeat(400)).is_none());
    }

    #[test]
    fn multiples_are_decimal() {
        for (value, divisor, expected) in [
            ("0.3", "0.1", true),
            ("4.02", "0.01", true),
            ("1070468.14", "0.01", true),
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("35", "1.5", false),
            ("4.5", "1.5", true),
            ("0", "0.01", true),
            ("-6", "3", true),
            ("7.0", "7", true),
            ("1e308", "0.5", true),
            ("1e300", "0.1", true),
            ("1e300", "0.3", false),
            ("1e-300", "0.5", false),
            ("0.5", "1e300", false),
        ] {
            let found = number(value).is_multiple_of(number(divisor));
            assert_eq!(found, expected, "{value} by {divisor}");
        }
    }
}
