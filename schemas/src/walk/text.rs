//! Inside strings and numbers: runs that need no attention, escapes, digits.

use super::{Fault, Syntax};

/// The end of the run of bytes from `at` that need no attention inside a string.
#[inline]
pub(super) fn plain_run(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, _) = bytes.get(at..).unwrap_or_default().as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        // Exact for the lowest set flag, which is the one that is used.
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = word ^ (ONES * u64::from(b'"'));
        let slash = word ^ (ONES * u64::from(b'\\'));
        let stop =
            (control | (quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash))
                & HIGH;
        if stop != 0 {
            return at + (stop.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes
        .get(at)
        .is_some_and(|b| *b >= 0x20 && *b != b'"' && *b != b'\\')
    {
        at += 1;
    }
    at
}

#[inline]
pub(super) fn digits(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

/// The offset behind the escape sequence whose backslash is at `at`.
pub(super) fn escape_end(bytes: &[u8], at: usize) -> Result<usize, Syntax> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match hex4(bytes, at + 2)? {
            0xD800..=0xDBFF => {
                let paired = bytes.get(at + 6) == Some(&b'\\') && bytes.get(at + 7) == Some(&b'u');
                if paired && matches!(hex4(bytes, at + 8)?, 0xDC00..=0xDFFF) {
                    Ok(at + 12)
                } else {
                    Err(Syntax {
                        at,
                        what: Fault::Surrogate,
                    })
                }
            }
            0xDC00..=0xDFFF => Err(Syntax {
                at,
                what: Fault::Surrogate,
            }),
            _ => Ok(at + 6),
        },
        Some(_) => Err(Syntax {
            at,
            what: Fault::Escape,
        }),
        None => Err(Syntax {
            at: bytes.len(),
            what: Fault::End,
        }),
    }
}

pub(super) fn hex4(bytes: &[u8], at: usize) -> Result<u32, Syntax> {
    let Some(text) = bytes.get(at..at + 4) else {
        return Err(Syntax {
            at: bytes.len(),
            what: Fault::End,
        });
    };
    text.iter()
        .try_fold(0, |code, byte| match char::from(*byte).to_digit(16) {
            Some(digit) => Ok(code * 16 + digit),
            None => Err(Syntax {
                at,
                what: Fault::Escape,
            }),
        })
}

/// Decodes the escapes of a string that [`Cursor::string`] has checked.
pub(super) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(slash) = rest.find('\\') {
        out.push_str(&rest[..slash]);
        let bytes = rest.as_bytes();
        let mut behind = slash + 2;
        match bytes.get(slash + 1) {
            Some(b'b') => out.push('\u{8}'),
            Some(b'f') => out.push('\u{c}'),
            Some(b'n') => out.push('\n'),
            Some(b'r') => out.push('\r'),
            Some(b't') => out.push('\t'),
            Some(b'u') => {
                let mut code = hex4(bytes, slash + 2).unwrap_or(0xFFFD);
                behind = slash + 6;
                if (0xD800..0xDC00).contains(&code) {
                    let low = hex4(bytes, slash + 8).unwrap_or(0xDC00);
                    code = 0x10000 + ((code - 0xD800) << 10) + (low & 0x3FF);
                    behind = slash + 12;
                }
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(byte) => out.push(char::from(*byte)),
            None => {}
        }
        rest = rest.get(behind..).unwrap_or("");
    }
    out.push_str(rest);
    out
}
