//! Keys that are likely to come next: compared without reading a string.

use super::Cursor;

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

impl Cursor<'_> {
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
}
