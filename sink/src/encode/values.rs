//! The values on the page that grows, of one column: as indices into its dictionary, or plainly.
//!
//! Rows come one by one, but dictionaries and bloom filters are looked at by [`Values::settle`], column by column for
//! many rows at once: they are what misses the processor's caches, and so one column's are warm and misses overlap.

use arrow::array::BooleanBufferBuilder;
use memchr::memchr;
use parquet::{basic::Encoding, bloom_filter::Sbbf};

use super::{
    bounds::Bounds,
    dictionary::{BYTES_MAX, Dictionary},
    hybrid,
    sample::{Sample, is_worth},
};
use crate::{commit::TEXT_WITH_NUL, table::Type};

/// The values of a column, page by page.
pub(crate) struct Values {
    kind: Type,
    /// Values go into the dictionary. If there is one and they do not, it is full, and what follows is plain.
    indexed: bool,
    dictionary: Option<Dictionary>,
    indices: Vec<u32>,
    /// Values that are still to be looked up in the dictionary, and where each ends.
    staged: Vec<u8>,
    staged_ends: Vec<u32>,
    plain: Vec<u8>,
    /// Where the last plain value begins.
    last: usize,
    /// How much of the plain values is in the bloom filter.
    bloomed: usize,
    bits: BooleanBufferBuilder,
    bounds: Bounds,
    /// No text that came is longer, in bytes.
    text_bytes_max: usize,
    /// A text has a NUL character, as far as they were looked at.
    nul: bool,
    bloom: Option<Sbbf>,
}

impl Values {
    pub(super) fn new(kind: Type, dictionary: bool, bloom: Option<Sbbf>) -> Self {
        // Two values need no dictionary.
        let indexed = dictionary && kind != Type::Boolean;
        Self {
            kind,
            indexed,
            dictionary: indexed.then(Dictionary::default),
            indices: Vec::new(),
            staged: Vec::new(),
            staged_ends: Vec::new(),
            plain: Vec::new(),
            last: 0,
            bloomed: 0,
            bits: BooleanBufferBuilder::new(0),
            bounds: Bounds::none(),
            text_bytes_max: 0,
            nul: false,
            bloom,
        }
    }

    #[inline]
    pub(crate) fn kind(&self) -> Type {
        self.kind
    }

    /// Appends a text; only columns of texts are asked to, and likewise below.
    #[inline]
    pub(crate) fn text(&mut self, text: &str) {
        self.text_bytes_max = self.text_bytes_max.max(text.len());
        if self.indexed {
            self.stage(text.as_bytes());
        } else {
            self.last = self.plain.len();
            self.nul |= memchr(0, text.as_bytes()).is_some();
            self.plain
                .extend_from_slice(&(text.len() as u32).to_le_bytes());
            self.plain.extend_from_slice(text.as_bytes());
        }
    }

    #[inline]
    pub(crate) fn whole(&mut self, value: i64) {
        self.bounds.whole(value);
        self.fixed(&value.to_le_bytes());
    }

    #[inline]
    pub(crate) fn real(&mut self, value: f64) {
        self.bounds.real(value);
        self.fixed(&value.to_le_bytes());
    }

    #[inline]
    pub(crate) fn day(&mut self, days: i32) {
        self.bounds.whole(days.into());
        self.fixed(&days.to_le_bytes());
    }

    #[inline]
    pub(crate) fn truth(&mut self, truth: bool) {
        self.bounds.whole(truth.into());
        self.bits.append(truth);
    }

    #[inline]
    fn fixed(&mut self, value: &[u8]) {
        if self.indexed {
            self.stage(value);
        } else {
            self.last = self.plain.len();
            self.plain.extend_from_slice(value);
        }
    }

    #[inline]
    fn stage(&mut self, value: &[u8]) {
        self.staged.extend_from_slice(value);
        self.staged_ends.push(self.staged.len() as u32);
    }

    /// Takes the last value back; only its bounds stay, which may be wider than the values'.
    pub(crate) fn undo(&mut self) {
        if self.kind == Type::Boolean {
            self.bits.truncate(self.bits.len() - 1);
        } else if self.indexed {
            self.staged_ends.pop();
            let end = self.staged_ends.last().copied().unwrap_or(0);
            self.staged.truncate(end as usize);
        } else {
            self.plain.truncate(self.last);
        }
    }

    /// Looks up what has come since the last time.
    pub(super) fn settle(&mut self) {
        if let Some(dictionary) = self.dictionary.as_mut().filter(|_| self.indexed) {
            let texts = matches!(self.kind, Type::Text | Type::Json);
            // All at once: of each by itself it would cost as much as the look-up of a short one.
            self.nul |= texts && memchr(0, &self.staged).is_some();
            let mut from = 0;
            for end in self.staged_ends.drain(..) {
                let value = &self.staged[from..end as usize];
                from = end as usize;
                self.indices.push(match texts {
                    true => dictionary.text(value),
                    false => dictionary.fixed(value),
                });
            }
            self.staged.clear();
        }
        if let Some(bloom) = &mut self.bloom {
            let mut texts = &self.plain[self.bloomed..];
            while let Some((length, rest)) = texts.split_first_chunk::<4>() {
                let (text, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
                bloom.insert(text);
                texts = rest;
            }
            self.bloomed = self.plain.len();
        }
    }

    /// Looks at all values so far, from the first `sampled` of at most `rows` rows, and makes them plain if they are
    /// not worth their dictionary. They must be settled, and no page taken before.
    pub(super) fn judge(&mut self, sampled: u64, rows: u64) {
        let Some(dictionary) = &self.dictionary else {
            return;
        };
        let sample = Sample {
            values: self.indices.len() as f64,
            distinct: dictionary.len() as f64,
            bytes: dictionary.page().len() as f64,
        };
        if is_worth(self.kind, &sample, sampled, rows) {
            return;
        }
        for index in self.indices.drain(..) {
            self.plain.extend_from_slice(dictionary.entry(index));
        }
        self.indexed = false;
        self.dictionary = None;
    }

    /// Whether the column has a dictionary, full or not.
    pub(super) fn has_dictionary(&self) -> bool {
        self.dictionary.is_some()
    }

    /// The size of the values on the page, about.
    pub(super) fn page_bytes(&self) -> usize {
        let bits = self.indices.len() * hybrid::width(self.dictionary_len()) as usize;
        self.plain.len() + (bits + self.bits.len()) / 8
    }

    fn dictionary_len(&self) -> usize {
        self.dictionary.as_ref().map_or(0, Dictionary::len)
    }

    /// The dictionary has just become too large: this page is its last.
    pub(super) fn dictionary_fills(&self) -> bool {
        self.indexed
            && self
                .dictionary()
                .is_some_and(|d| d.page().len() >= BYTES_MAX)
    }

    /// Gives the dictionary up for what follows. The page must have been taken.
    pub(super) fn end_dictionary(&mut self) {
        self.indexed = false;
    }

    /// Appends the page's values to `out` and begins the next page; how they are encoded.
    pub(super) fn take_page(&mut self, out: &mut Vec<u8>) -> Encoding {
        if self.indexed {
            let width = hybrid::width(self.dictionary_len());
            out.push(width as u8);
            hybrid::write_indices(&self.indices, width, out);
            self.indices.clear();
            return Encoding::RLE_DICTIONARY;
        }
        out.extend_from_slice(&self.plain);
        self.plain.clear();
        self.bloomed = 0;
        out.extend_from_slice(self.bits.as_slice());
        self.bits.truncate(0);
        Encoding::PLAIN
    }

    pub(super) fn dictionary(&self) -> Option<&Dictionary> {
        self.dictionary.as_ref()
    }

    /// No text is longer, in bytes; one that was taken back may have been. [`TEXT_WITH_NUL`] where one has a NUL character.
    /// They must be settled.
    pub(super) fn text_bytes_max(&self) -> u64 {
        match self.nul {
            true => TEXT_WITH_NUL,
            false => self.text_bytes_max as u64,
        }
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The dictionary, if all values are there.
    pub(super) fn all_values(&self) -> Option<&Dictionary> {
        self.dictionary().filter(|_| self.indexed)
    }

    pub(super) fn take_bloom(&mut self) -> Option<Sbbf> {
        self.bloom.take()
    }
}
