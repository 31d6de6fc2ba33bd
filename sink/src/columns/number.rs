//! Numbers' values. Most are short, and those are computed here: `std` checks again what the scanner has checked.

use headgate_schemas::walk::Num;

/// Integers up to here are exact as doubles.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// So many digits are less than 2^63.
const WHOLE_DIGITS_MAX: usize = 18;
/// So many digits are less than 2^53, and a power of ten of so many zeroes is exact as a double.
const DECIMAL_DIGITS_MAX: usize = 15;

const POWERS: [f64; DECIMAL_DIGITS_MAX + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// An integer as JSON Schema has it: `1.0` and `1e3` are integers too.
#[inline]
pub(super) fn integer(number: Num<'_>) -> Option<i64> {
    let (negative, digits) = sign(number.raw);
    if number.integer && digits.len() <= WHOLE_DIGITS_MAX {
        let value = digits.iter().fold(0, |sum, digit| sum * 10 + value(*digit));
        return Some(if negative { -value } else { value });
    }
    number.as_i64().or_else(|| {
        let double = number.as_f64();
        let exact = !number.integer && double.fract() == 0.0 && double.abs() <= EXACT_MAX;
        exact.then_some(double as i64)
    })
}

/// The nearest double; `None` beyond their range.
#[inline]
pub(super) fn number(number: Num<'_>) -> Option<f64> {
    let (negative, digits) = sign(number.raw);
    if !number.exponent && digits.len() <= DECIMAL_DIGITS_MAX {
        let (mut whole, mut places) = (0, None);
        for byte in digits {
            if *byte == b'.' {
                places = Some(0);
            } else {
                whole = whole * 10 + value(*byte);
                places = places.map(|count| count + 1);
            }
        }
        // Both sides are exact, so that the quotient is the nearest double to the decimal.
        let double = whole as f64 / POWERS[places.unwrap_or(0)];
        return Some(if negative { -double } else { double });
    }
    Some(number.as_f64()).filter(|double| double.is_finite())
}

#[inline]
fn sign(raw: &str) -> (bool, &[u8]) {
    match raw.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    }
}

#[inline]
fn value(digit: u8) -> i64 {
    i64::from(digit - b'0')
}

#[cfg(test)]
mod tests {
    use headgate_schemas::walk::Cursor;

    use super::*;

    fn read(text: &str) -> Num<'_> {
        Cursor::new(text, 1).number().unwrap()
    }

    #[test]
    fn numbers_are_those_of_std() {
        for text in [
            "0",
            "-0",
            "0.0",
            "-0.0",
            "1.5",
            "0.1",
            "-0.3",
            "123.45",
            "499.99",
            "99999999999999",
            "0.00000000000001",
            "99999999999999.9",
            "123456789012345",
            "0.1234567890123456",
            "1e5",
            "1.5e-7",
            "9007199254740993",
        ] {
            let expected: f64 = text.parse().unwrap();
            assert_eq!(
                number(read(text)).map(f64::to_bits),
                Some(expected.to_bits()),
                "{text}"
            );
        }
        assert_eq!(number(read("1e999")), None);
    }

    #[test]
    fn every_price_is_that_of_std() {
        for cents in 0..1_000_000 {
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            assert_eq!(number(read(&text)), text.parse().ok());
        }
    }

    #[test]
    fn integers_are_read_whole_or_not_at_all() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("-17", Some(-17)),
            ("999999999999999999", Some(999_999_999_999_999_999)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("7.0", Some(7)),
            ("1e3", Some(1_000)),
            ("7.5", None),
            ("1e300", None),
        ] {
            assert_eq!(integer(read(text)), expected, "{text}");
        }
    }
}
