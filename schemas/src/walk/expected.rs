//! Keys that are likely to come next: compared without reading a string.

use super::Cursor;

/// Bytes that are compared in one step.
const HEAD_BYTES: usize = 16;

/// For each length up to that of a head, the bits that count.
static MASKS: [u128; HEAD_BYTES + 1] = {
    let mut masks = [u128::MAX; HEAD_BYTES + 1];
    let mut len = 0;
    while len < HEAD_BYTES {
        masks[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    masks
};

/// A key that is expected next, ready to be compared in one step.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The key as JSON text with quotes and colon: `"price":`.
    text: Box<[u8]>,
    /// The first bytes of the text, the lowest first.
    head: u128,
}

impl Expected {
    /// Expects a key without escapes, or with those that `serde_json` would write.
    pub fn new(key: &str) -> Self {
        let text = format!("{}:", serde_json::Value::from(key)).into_bytes();
        let mut head = [0; HEAD_BYTES];
        let len = text.len().min(HEAD_BYTES);
        head[..len].copy_from_slice(&text[..len]);
        Self {
            text: text.into_boxed_slice(),
            head: u128::from_le_bytes(head),
        }
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn head(&self) -> u128 {
        self.head
    }
}

impl Cursor<'_> {
    /// Reads a member's key and its colon if they are the expected ones, without white space around them.
    #[inline]
    pub fn take(&mut self, expected: &Expected) -> bool {
        self.take_text(expected.head, expected.text.len(), || &expected.text)
    }

    /// Reads a text of this length if it is next. `head` is its first bytes, padded with zeros; the whole of it is
    /// asked for only when it is longer than that.
    #[inline]
    pub(crate) fn take_text<'t>(
        &mut self,
        head: u128,
        len: usize,
        text: impl FnOnce() -> &'t [u8],
    ) -> bool {
        let rest = &self.bytes()[self.at..];
        let found = match rest.first_chunk::<HEAD_BYTES>() {
            Some(first) if len <= HEAD_BYTES => {
                (u128::from_le_bytes(*first) ^ head) & MASKS[len] == 0
            }
            Some(first) => u128::from_le_bytes(*first) == head && rest.starts_with(text()),
            None => {
                len <= HEAD_BYTES
                    && head
                        .to_le_bytes()
                        .get(..len)
                        .is_some_and(|head| rest.starts_with(head))
            }
        };
        self.at += if found { len } else { 0 };
        found
    }
}
