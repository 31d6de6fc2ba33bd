//! A body as text.

use std::borrow::Cow;

use bytes::Bytes;

/// A body, and its text: where bytes are not UTF-8 each of them is replaced by `?`, so that every other event of the
/// body stands at its place, whole.
#[derive(Debug)]
pub(crate) struct Text {
    bytes: Bytes,
    /// Only where the bytes are not UTF-8 themselves.
    repaired: Option<String>,
}

impl Text {
    pub(crate) fn new(bytes: Bytes) -> Self {
        let repaired = match as_text(&bytes) {
            Cow::Borrowed(_) => None,
            Cow::Owned(repaired) => Some(repaired),
        };
        Self { bytes, repaired }
    }

    /// What is read.
    pub(crate) fn text(&self) -> &str {
        // Checked when it was made; a second look costs less than a copy of every body that is no text.
        self.repaired
            .as_deref()
            .unwrap_or_else(|| simdutf8::basic::from_utf8(&self.bytes).unwrap_or_default())
    }

    /// The body's own bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the bytes are UTF-8.
    pub(crate) fn is_utf8(&self) -> bool {
        self.repaired.is_none()
    }

    /// Bytes of memory that it has beyond the body's own.
    pub(crate) fn repaired_bytes(&self) -> usize {
        self.repaired.as_ref().map_or(0, String::len)
    }
}

fn as_text(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = simdutf8::basic::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_leave_the_others_at_their_places() {
        let text = Text::new(Bytes::from_static(b"a\xFFb\xC3"));
        assert_eq!(text.text(), "a?b?");
        assert!(!text.is_utf8());
        assert_eq!(text.repaired_bytes(), 4);
        let text = Text::new(Bytes::from_static("ä".as_bytes()));
        assert_eq!((text.text(), text.is_utf8()), ("ä", true));
    }
}
