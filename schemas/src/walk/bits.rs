//! The kinds of the brackets that are open while a value is skipped.

/// A stack of bits that allocates only below 64 levels.
#[derive(Default)]
pub(super) struct BitStack {
    word: u64,
    len: u32,
    deeper: Vec<u64>,
}

impl BitStack {
    pub(super) fn push(&mut self, bit: bool) {
        if self.len == 64 {
            self.deeper.push(self.word);
            self.len = 0;
        }
        self.word = (self.word << 1) | u64::from(bit);
        self.len += 1;
    }

    pub(super) fn top(&self) -> Option<bool> {
        (self.len > 0).then_some(self.word & 1 == 1)
    }

    pub(super) fn pop(&mut self) {
        self.word >>= 1;
        self.len -= 1;
        if self.len == 0
            && let Some(word) = self.deeper.pop()
        {
            self.word = word;
            self.len = 64;
        }
    }
}
