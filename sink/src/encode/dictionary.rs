//! A dictionary growing: each different value once, in the order of first sight.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Past this a dictionary is given up: its indices grow, and a reader holds all of it for any value.
pub(super) const BYTES_MAX: usize = 1 << 20;

/// The different values so far.
#[derive(Default)]
pub(super) struct Dictionary {
    /// Seeded for each file: nobody can choose values that collide.
    hasher: RandomState,
    slots: HashTable<Slot>,
    /// The values as they stand in the dictionary's page.
    page: Vec<u8>,
    /// Where each value lies in the page, without its length before it.
    places: Vec<(u32, u32)>,
}

/// A value's place, with all that a look-up needs: one slot and the value itself are read, no more.
struct Slot {
    hash: u64,
    index: u32,
    from: u32,
}

impl Dictionary {
    /// The index of a text or any other value that is written with its length before it.
    #[inline]
    pub(super) fn text(&mut self, text: &[u8]) -> u32 {
        self.index::<true>(text)
    }

    /// The index of a value of fixed length.
    #[inline]
    pub(super) fn fixed(&mut self, value: &[u8]) -> u32 {
        self.index::<false>(value)
    }

    #[inline]
    fn index<const LENGTH: bool>(&mut self, value: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(value);
        let hash = hasher.finish();
        // Equal hashes of 64 bits are equal values but for once in many files, so that the comparison is all but a
        // formality; the values' own lengths are part of it.
        let is_it = |slot: &Slot| {
            slot.hash == hash && {
                let (from, to) = (slot.from as usize, slot.from as usize + value.len());
                let length =
                    !LENGTH || self.page[from - 4..from] == (value.len() as u32).to_le_bytes();
                length
                    && self
                        .page
                        .get(from..to)
                        .is_some_and(|known| same(known, value))
            }
        };
        match self.slots.find(hash, is_it) {
            Some(slot) => slot.index,
            None => self.add::<LENGTH>(hash, value),
        }
    }

    #[cold]
    fn add<const LENGTH: bool>(&mut self, hash: u64, value: &[u8]) -> u32 {
        if LENGTH {
            self.page
                .extend_from_slice(&(value.len() as u32).to_le_bytes());
        }
        let (index, from) = (self.places.len() as u32, self.page.len() as u32);
        self.page.extend_from_slice(value);
        self.places.push((from, self.page.len() as u32));
        let slot = Slot { hash, index, from };
        self.slots.insert_unique(hash, slot, |slot| slot.hash);
        index
    }

    /// How many different values there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The dictionary's page.
    pub(super) fn page(&self) -> &[u8] {
        &self.page
    }

    /// A value as it stands in the page.
    pub(super) fn entry(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let from = index
            .checked_sub(1)
            .map_or(0, |before| self.places[before].1);
        &self.page[from as usize..self.places[index].1 as usize]
    }

    /// The values, in the order of their indices.
    pub(super) fn values(&self) -> impl Iterator<Item = &[u8]> {
        let value = |(from, to): &(u32, u32)| &self.page[*from as usize..*to as usize];
        self.places.iter().map(value)
    }
}

/// Whether both are equal; they have one length. Most values are short: comparing them here is quicker than a call.
#[inline]
fn same(known: &[u8], value: &[u8]) -> bool {
    let (known_words, known_rest) = known.as_chunks::<8>();
    let (words, rest) = value.as_chunks::<8>();
    let tail = match (known.last_chunk::<8>(), value.last_chunk::<8>()) {
        (Some(known), Some(value)) => known == value,
        _ => known_rest.iter().zip(rest).all(|(a, b)| a == b),
    };
    tail && known_words.iter().zip(words).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_index_and_stands_in_the_page_once() {
        let mut dictionary = Dictionary::default();
        let texts = ["b", "", "a", "b", "ab", ""];
        let indices: Vec<u32> = texts.map(|text| dictionary.text(text.as_bytes())).to_vec();
        assert_eq!(indices, [0, 1, 2, 0, 3, 1]);
        assert_eq!(dictionary.len(), 4);
        assert_eq!(
            dictionary.page(),
            b"\x01\0\0\0b\0\0\0\0\x01\0\0\0a\x02\0\0\0ab"
        );
        let values: Vec<&[u8]> = dictionary.values().collect();
        assert_eq!(values, [&b"b"[..], b"", b"a", b"ab"]);
    }

    #[test]
    fn values_of_fixed_length_stand_without_a_length() {
        let mut dictionary = Dictionary::default();
        for number in [7_i64, 9, 7] {
            dictionary.fixed(&number.to_le_bytes());
        }
        assert_eq!(
            dictionary.page(),
            [7_i64.to_le_bytes(), 9_i64.to_le_bytes()].concat()
        );
    }
}
