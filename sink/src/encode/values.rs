//! The values on the page that grows, of one column: as indices into its dictionary, or plainly.

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanBufferBuilder},
    buffer::NullBuffer,
    datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use parquet::{basic::Encoding, bloom_filter::Sbbf};

use super::{
    bounds::Bounds,
    dictionary::{BYTES_MAX, Dictionary},
    hybrid,
};
use crate::table::Type;

/// The values of a column, page by page.
pub(super) struct Values {
    kind: Type,
    dictionary: Option<Dictionary>,
    /// The dictionary has grown too large: it stands, and what follows is plain.
    dictionary_full: bool,
    indices: Vec<u32>,
    plain: Vec<u8>,
    bits: BooleanBufferBuilder,
    bounds: Bounds,
    bloom: Option<Sbbf>,
}

impl Values {
    pub(super) fn new(kind: Type, dictionary: bool, bloom: Option<Sbbf>) -> Self {
        Self {
            kind,
            // Two values need none.
            dictionary: (dictionary && kind != Type::Boolean).then(Dictionary::default),
            dictionary_full: false,
            indices: Vec::new(),
            plain: Vec::new(),
            bits: BooleanBufferBuilder::new(0),
            bounds: Bounds::none(),
            bloom,
        }
    }

    /// Appends the values that are not null.
    pub(super) fn append(&mut self, array: &ArrayRef) {
        let nulls = array.nulls();
        let rows = array.len();
        match self.kind {
            Type::Text | Type::Json => {
                let texts = array.as_string::<i32>();
                each_valid(nulls, rows, |row| self.text(texts.value(row).as_bytes()));
            }
            Type::Integer => {
                let numbers = array.as_primitive::<Int64Type>().values();
                each_valid(nulls, rows, |row| self.whole(numbers[row]));
            }
            Type::Timestamp => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().values();
                each_valid(nulls, rows, |row| self.whole(micros[row]));
            }
            Type::Date => {
                let days = array.as_primitive::<Date32Type>().values();
                each_valid(nulls, rows, |row| {
                    self.bounds.whole(days[row].into());
                    self.fixed(&days[row].to_le_bytes());
                });
            }
            Type::Number => {
                let numbers = array.as_primitive::<Float64Type>().values();
                each_valid(nulls, rows, |row| {
                    self.bounds.real(numbers[row]);
                    self.fixed(&numbers[row].to_le_bytes());
                });
            }
            Type::Boolean => {
                let truths = array.as_boolean().values();
                each_valid(nulls, rows, |row| {
                    self.bounds.whole(truths.value(row).into());
                    self.bits.append(truths.value(row));
                });
            }
        }
    }

    #[inline]
    fn text(&mut self, text: &[u8]) {
        if let Some(bloom) = &mut self.bloom {
            bloom.insert(text);
        }
        match self.dictionary.as_mut().filter(|_| !self.dictionary_full) {
            Some(dictionary) => self.indices.push(dictionary.text(text)),
            None => {
                self.plain
                    .extend_from_slice(&(text.len() as u32).to_le_bytes());
                self.plain.extend_from_slice(text);
            }
        }
    }

    #[inline]
    fn whole(&mut self, value: i64) {
        self.bounds.whole(value);
        self.fixed(&value.to_le_bytes());
    }

    #[inline]
    fn fixed(&mut self, value: &[u8]) {
        match self.dictionary.as_mut().filter(|_| !self.dictionary_full) {
            Some(dictionary) => self.indices.push(dictionary.fixed(value)),
            None => self.plain.extend_from_slice(value),
        }
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
        !self.dictionary_full
            && self
                .dictionary()
                .is_some_and(|d| d.page().len() >= BYTES_MAX)
    }

    /// Gives the dictionary up for what follows. The page must have been taken.
    pub(super) fn end_dictionary(&mut self) {
        self.dictionary_full = true;
    }

    /// Appends the page's values to `out` and begins the next page; how they are encoded.
    pub(super) fn take_page(&mut self, out: &mut Vec<u8>) -> Encoding {
        if self.dictionary.is_some() && !self.dictionary_full {
            let width = hybrid::width(self.dictionary_len());
            out.push(width as u8);
            hybrid::write_indices(&self.indices, width, out);
            self.indices.clear();
            return Encoding::RLE_DICTIONARY;
        }
        out.extend_from_slice(&self.plain);
        self.plain.clear();
        out.extend_from_slice(self.bits.as_slice());
        self.bits.truncate(0);
        Encoding::PLAIN
    }

    pub(super) fn dictionary(&self) -> Option<&Dictionary> {
        self.dictionary.as_ref()
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The dictionary, if all values are there.
    pub(super) fn all_values(&self) -> Option<&Dictionary> {
        self.dictionary().filter(|_| !self.dictionary_full)
    }

    pub(super) fn take_bloom(&mut self) -> Option<Sbbf> {
        self.bloom.take()
    }
}

#[inline]
fn each_valid(nulls: Option<&NullBuffer>, rows: usize, each: impl FnMut(usize)) {
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => nulls.valid_indices().for_each(each),
        None => (0..rows).for_each(each),
    }
}
