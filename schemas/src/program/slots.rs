//! Sets of property names, by their place in a schema.

/// A set of names, by their index among the names that a schema mentions.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Slots {
    pub(crate) first: u64,
    /// Slots from 64 on. No allocation while empty.
    pub(crate) rest: Vec<u64>,
}

impl Slots {
    /// Adds a slot; false when it was in the set already.
    #[inline]
    pub(crate) fn insert(&mut self, slot: usize) -> bool {
        let bit = 1_u64 << (slot % 64);
        let word = if slot < 64 {
            &mut self.first
        } else {
            let index = slot / 64 - 1;
            if self.rest.len() <= index {
                self.rest.resize(index + 1, 0);
            }
            &mut self.rest[index]
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub(crate) fn has(&self, slot: usize) -> bool {
        let word = if slot < 64 {
            self.first
        } else {
            self.rest.get(slot / 64 - 1).copied().unwrap_or(0)
        };
        word >> (slot % 64) & 1 == 1
    }

    /// Whether every slot of `other` is in this set.
    #[inline]
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if other.first & !self.first != 0 {
            return false;
        }
        if other.rest.is_empty() {
            return true;
        }
        let mut mine = self.rest.iter().copied().chain(std::iter::repeat(0));
        other
            .rest
            .iter()
            .all(|word| word & !mine.next().unwrap_or(0) == 0)
    }
}
