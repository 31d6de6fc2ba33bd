//! Which columns have their value of the current row.

/// A set of columns, one bit each.
#[derive(Debug)]
pub(super) struct Filled {
    words: Vec<u64>,
    columns: usize,
}

impl Filled {
    pub(super) fn new(columns: usize) -> Self {
        Self {
            words: vec![0; columns.div_ceil(64)],
            columns,
        }
    }

    #[inline]
    pub(super) fn has(&self, column: usize) -> bool {
        self.words[column / 64] & (1 << (column % 64)) != 0
    }

    #[inline]
    pub(super) fn set(&mut self, column: usize) {
        self.words[column / 64] |= 1 << (column % 64);
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    /// The columns that are not in the set, which is empty afterwards.
    #[inline]
    pub(super) fn take_absent(&mut self) -> impl Iterator<Item = usize> {
        let columns = self.columns;
        let words = self.words.iter_mut().enumerate();
        words.flat_map(move |(index, word)| {
            let here = (columns - index * 64).min(64);
            let mut absent = !std::mem::take(word) & (u64::MAX >> (64 - here));
            std::iter::from_fn(move || {
                let bit = absent.trailing_zeros();
                absent &= absent.wrapping_sub(1);
                (bit < 64).then_some(index * 64 + bit as usize)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_absent_once() {
        for columns in [1, 63, 64, 65, 130] {
            let mut filled = Filled::new(columns);
            (0..columns)
                .step_by(3)
                .for_each(|column| filled.set(column));
            assert!(filled.has(0) && (columns == 1 || !filled.has(1)));
            let absent: Vec<usize> = filled.take_absent().collect();
            let others: Vec<usize> = (0..columns).filter(|column| column % 3 != 0).collect();
            assert_eq!(absent, others);
            assert_eq!(filled.take_absent().count(), columns);
        }
    }
}
