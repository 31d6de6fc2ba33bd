//! Strings, numbers, and the constants that a value may have to equal.

use super::report::shown;
use super::{Checker, Verdict};
use crate::program::node::{Bound, Kinds, Numbers, Strings};
use crate::program::number::Number;
use crate::program::packed::{Constants, Node};
use crate::walk::{Num, Str};

impl<'a> Checker<'a> {
    #[inline]
    pub(super) fn string<const REPORT: bool>(&mut self, node: &'a Node, found: Str<'a>) -> Verdict {
        let quoted = || shown(&format!("\"{}\"", found.raw));
        if !node.kinds.has(Kinds::STRING) {
            return self.kind::<REPORT>(node, Kinds::STRING, || format!("string {}", quoted()));
        }
        if node.free.has(Kinds::STRING) {
            return Ok(());
        }
        let (rules, value) = (self.rules, found.decode());
        if let Some(rules) = rules.strings(node) {
            self.string_rules::<REPORT>(rules, &value)?;
        }
        let is_one = |constants: &Constants| rules.is_among(constants, &value);
        self.constants::<REPORT>(node, is_one, quoted)
    }

    #[inline]
    fn string_rules<const REPORT: bool>(&mut self, rules: &'a Strings, value: &str) -> Verdict {
        // A code point takes one to four bytes: most strings need not be counted.
        if value.len() > rules.length_max || value.len() < rules.length_min.saturating_mul(4) {
            let length = code_points(value);
            if length > rules.length_max {
                let max = rules.length_max;
                self.fail::<REPORT>("maxLength", || {
                    format!("{length} characters are more than the maximum of {max}")
                })?;
            }
            if length < rules.length_min {
                let min = rules.length_min;
                self.fail::<REPORT>("minLength", || {
                    format!("{length} characters are fewer than the minimum of {min}")
                })?;
            }
        }
        if let Some(pattern) = rules.pattern
            && let pattern = self.rules.pattern(pattern)
            && !pattern.matches(value)
        {
            self.fail::<REPORT>("pattern", || {
                format!(
                    "{} does not match {}",
                    shown(&format!("{value:?}")),
                    pattern.source()
                )
            })?;
        }
        if let Some(format) = rules.format
            && !format.matches(value)
        {
            self.fail::<REPORT>("format", || {
                format!(
                    "{} is not a valid {}",
                    shown(&format!("{value:?}")),
                    format.name()
                )
            })?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn number<const REPORT: bool>(&mut self, node: &'a Node, found: Num<'a>) -> Verdict {
        if may_overflow(found) && Number::parse(found.raw).is_none() {
            let message = || format!("{} is beyond the range of a double", shown(found.raw));
            return self.fail::<REPORT>("numberRange", message);
        }
        let kinds = node.kinds;
        let fits = kinds.has(kind_of(found)) || kinds.has(Kinds::INTEGER) && is_whole(found);
        if !fits {
            // A fraction where integers are allowed is told so.
            return self.kind::<REPORT>(node, Kinds::FRACTION, || {
                format!("number {}", shown(found.raw))
            });
        }
        if let Some(rules) = self.rules.numbers(node)
            && !is_quick(found, rules)
            && let Some(value) = Number::parse(found.raw)
        {
            self.number_rules::<REPORT>(rules, found.raw, value)?;
        }
        if !node.has_constants() {
            return Ok(());
        }
        let value = Number::parse(found.raw);
        let is_one = |constants: &Constants| {
            constants
                .detail
                .numbers
                .iter()
                .any(|one| value.is_some_and(|v| v.compare(*one).is_eq()))
        };
        self.constants::<REPORT>(node, is_one, || shown(found.raw))
    }

    fn number_rules<const REPORT: bool>(
        &mut self,
        rules: &'a Numbers,
        raw: &str,
        value: Number,
    ) -> Verdict {
        for Bound { limit, exclusive } in &rules.lower {
            let (keyword, says, fails) = if *exclusive {
                (
                    "exclusiveMinimum",
                    "not above the exclusive",
                    value.compare(*limit).is_le(),
                )
            } else {
                ("minimum", "less than the", value.compare(*limit).is_lt())
            };
            if fails {
                let message = || format!("{} is {says} minimum of {limit}", shown(raw));
                self.fail::<REPORT>(keyword, message)?;
            }
        }
        for Bound { limit, exclusive } in &rules.upper {
            let (keyword, says, fails) = if *exclusive {
                (
                    "exclusiveMaximum",
                    "not below the exclusive",
                    value.compare(*limit).is_ge(),
                )
            } else {
                ("maximum", "greater than the", value.compare(*limit).is_gt())
            };
            if fails {
                let message = || format!("{} is {says} maximum of {limit}", shown(raw));
                self.fail::<REPORT>(keyword, message)?;
            }
        }
        if let Some(divisor) = rules.multiple_of
            && !value.is_multiple_of(divisor)
        {
            let message = || format!("{} is not a multiple of {divisor}", shown(raw));
            self.fail::<REPORT>("multipleOf", message)?;
        }
        Ok(())
    }

    /// Fails for each `enum` and `const` that the value is not one of.
    #[inline]
    pub(super) fn constants<const REPORT: bool>(
        &mut self,
        node: &'a Node,
        is_one: impl Fn(&Constants) -> bool,
        found: impl Fn() -> String,
    ) -> Verdict {
        for constants in self.rules.constants(node) {
            if !is_one(constants) {
                let detail = &*constants.detail;
                let wanted = if detail.keyword == "const" {
                    ""
                } else {
                    "one of "
                };
                self.fail::<REPORT>(detail.keyword, || {
                    format!("{} is not {wanted}{}", found(), shown(&detail.shown))
                })?;
            }
        }
        Ok(())
    }
}

/// The number of Unicode code points.
fn code_points(text: &str) -> usize {
    text.bytes().filter(|byte| (*byte as i8) >= -0x40).count()
}

/// The type of a number as it is written.
#[inline]
pub(super) fn kind_of(number: Num<'_>) -> Kinds {
    if number.integer {
        Kinds::INTEGER
    } else {
        Kinds::FRACTION
    }
}

/// Whether the number could be beyond the range of f64: it has an exponent or very many digits.
#[inline]
pub(super) fn may_overflow(number: Num<'_>) -> bool {
    number.exponent || number.raw.len() > 300
}

/// Whether a number with a fraction or an exponent is a whole one (`1.0`, `1e3`).
fn is_whole(number: Num<'_>) -> bool {
    Number::parse(number.raw).is_some_and(Number::is_integer)
}

/// Whether the digits before the point alone show that the number is within all bounds.
#[inline]
fn is_quick(number: Num<'_>, rules: &Numbers) -> bool {
    let (from, to) = rules.quick;
    if number.exponent || from > to {
        return false;
    }
    let (negative, digits) = match number.raw.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let fraction = !number.integer;
    let mut whole = 0_i64;
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' if at < 18 => whole = whole * 10 + i64::from(byte - b'0'),
            b'.' => break,
            _ => return false,
        }
    }
    let whole = if negative { -whole } else { whole };
    let (least, most) = match (fraction, negative) {
        (false, _) => (whole, whole),
        (true, false) => (whole, whole + 1),
        (true, true) => (whole - 1, whole),
    };
    from <= least && most <= to
}
