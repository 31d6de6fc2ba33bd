//! Formats of plain text: durations, JSON pointers, UUIDs.

/// RFC 3339 appendix A: `P3DT4H`, `P2W`. Units come in order and leave no gap: `P1Y2D` lacks its months.
pub(super) fn is_duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('P') else {
        return false;
    };
    if let Some(weeks) = text.strip_suffix('W') {
        return is_digits(weeks);
    }
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    match time {
        None => in_order(date, b"YMD"),
        Some(time) => (date.is_empty() || in_order(date, b"YMD")) && in_order(time, b"HMS"),
    }
}

/// One or more counts, each with its unit, the units being neighbours in `units`.
fn in_order(text: &str, units: &[u8]) -> bool {
    let mut rest = text;
    let mut last: Option<usize> = None;
    while !rest.is_empty() {
        let end = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = rest
            .as_bytes()
            .get(end)
            .and_then(|unit| units.iter().position(|u| u == unit));
        let follows = match (last, unit) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(last), Some(unit)) => unit == last + 1,
        };
        if end == 0 || !follows {
            return false;
        }
        last = unit;
        rest = &rest[end + 1..];
    }
    last.is_some()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// RFC 6901
pub(super) fn is_json_pointer(text: &str) -> bool {
    let mut rest = text.bytes();
    let starts = text.is_empty() || rest.next() == Some(b'/');
    starts
        && text
            .split('~')
            .skip(1)
            .all(|behind| behind.starts_with(['0', '1']))
}

/// draft-bhutton-relative-json-pointer: how many levels up, then a pointer or `#`.
pub(super) fn is_relative_json_pointer(text: &str) -> bool {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (levels, rest) = text.split_at(end);
    is_digits(levels)
        && (levels == "0" || !levels.starts_with('0'))
        && (rest == "#" || is_json_pointer(rest))
}

/// RFC 4122, of any version, in either case.
pub(super) fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
