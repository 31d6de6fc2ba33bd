//! The least and the greatest value of a column in a row group: by them readers leave row groups out.

use parquet::{
    data_type::ByteArray,
    file::statistics::{Statistics, ValueStatistics},
};

use super::dictionary::Dictionary;
use crate::table::Type;

/// Longer texts are cut in the statistics: whole they would make the footer large and rule out no more.
const TEXT_BYTES_MAX: usize = 64;

/// The bounds of all values that are not texts. A text's come from its dictionary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    whole: (i64, i64),
    real: (f64, f64),
}

impl Bounds {
    pub(super) fn none() -> Self {
        Self {
            whole: (i64::MAX, i64::MIN),
            real: (f64::INFINITY, f64::NEG_INFINITY),
        }
    }

    #[inline]
    pub(super) fn whole(&mut self, value: i64) {
        self.whole = (self.whole.0.min(value), self.whole.1.max(value));
    }

    #[inline]
    pub(super) fn real(&mut self, value: f64) {
        self.real = (self.real.0.min(value), self.real.1.max(value));
    }

    /// The statistics of a column of this type, with so many nulls and not of nulls alone. `texts`: its dictionary,
    /// if all of its values are there. `None` for texts that are not: they hardly repeat, and the least and the
    /// greatest of them rule out no row group for anybody.
    pub(super) fn statistics(
        &self,
        kind: Type,
        nulls: u64,
        texts: Option<&Dictionary>,
    ) -> Option<Statistics> {
        let nulls = Some(nulls);
        let (least, most) = self.whole;
        Some(match kind {
            Type::Boolean => {
                Statistics::boolean(Some(least == 1), Some(most == 1), None, nulls, false)
            }
            Type::Integer | Type::Timestamp => {
                Statistics::int64(Some(least), Some(most), None, nulls, false)
            }
            Type::Date => Statistics::int32(
                Some(i32::try_from(least).ok()?),
                Some(i32::try_from(most).ok()?),
                None,
                nulls,
                false,
            ),
            Type::Number => {
                // Zero has two signs, and readers may take either for the smaller.
                let least = if self.real.0 == 0.0 {
                    -0.0
                } else {
                    self.real.0
                };
                let most = if self.real.1 == 0.0 { 0.0 } else { self.real.1 };
                Statistics::double(Some(least), Some(most), None, nulls, false)
            }
            Type::Text | Type::Json => text_statistics(texts?, nulls),
        })
    }
}

/// The statistics of a column that has nulls only.
pub(super) fn of_nulls(kind: Type, nulls: u64) -> Statistics {
    let nulls = Some(nulls);
    match kind {
        Type::Boolean => Statistics::boolean(None, None, None, nulls, false),
        Type::Integer | Type::Timestamp => Statistics::int64(None, None, None, nulls, false),
        Type::Date => Statistics::int32(None, None, None, nulls, false),
        Type::Number => Statistics::double(None, None, None, nulls, false),
        Type::Text | Type::Json => Statistics::byte_array(None, None, None, nulls, false),
    }
}

fn text_statistics(texts: &Dictionary, nulls: Option<u64>) -> Statistics {
    let (least, most) = (texts.values().min(), texts.values().max());
    let (least, least_cut) = least.map(cut_below).unwrap_or_default();
    let above = most.map(cut_above).unwrap_or_default();
    let known = above.is_some();
    let (most, most_cut) = above.unwrap_or_default();
    let bound = |text: Vec<u8>| known.then(|| ByteArray::from(text));
    let statistics = ValueStatistics::new(bound(least), bound(most), None, nulls, false)
        .with_min_is_exact(known && !least_cut)
        .with_max_is_exact(known && !most_cut);
    Statistics::ByteArray(statistics)
}

/// The text, or the longest start of it that is short enough, and whether it was cut.
fn cut_below(text: &[u8]) -> (Vec<u8>, bool) {
    if text.len() <= TEXT_BYTES_MAX {
        return (text.to_vec(), false);
    }
    let mut end = TEXT_BYTES_MAX;
    while text[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    (text[..end].to_vec(), true)
}

/// The text, or a short one that is greater, and whether it was cut. `None`: there is no short one.
fn cut_above(text: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (start, cut) = cut_below(text);
    if !cut {
        return Some((start, false));
    }
    let mut start = String::from_utf8(start).ok()?;
    while let Some(last) = start.pop() {
        let next = (u32::from(last) + 1..).take(0x801).find_map(char::from_u32);
        if let Some(next) = next.filter(|next| next.len_utf8() == last.len_utf8()) {
            start.push(next);
            return Some((start.into_bytes(), true));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(texts: &[&str]) -> Option<(Vec<u8>, Vec<u8>, bool)> {
        let mut dictionary = Dictionary::default();
        for text in texts {
            dictionary.text(text.as_bytes());
        }
        let found = Bounds::none().statistics(Type::Text, 0, Some(&dictionary))?;
        let exact = found.min_is_exact() && found.max_is_exact();
        Some((
            found.min_bytes_opt()?.to_vec(),
            found.max_bytes_opt()?.to_vec(),
            exact,
        ))
    }

    #[test]
    fn texts_are_bounded_by_the_least_and_the_greatest() {
        assert_eq!(
            bounds(&["b", "a", "ab"]),
            Some((b"a".into(), b"b".into(), true))
        );
    }

    #[test]
    fn long_texts_are_bounded_by_short_ones() {
        for text in [
            "é".repeat(40),
            "a".repeat(63) + "éa",
            "~".repeat(70),
            "\u{7f}".repeat(70),
        ] {
            let (least, most, exact) = match bounds(&[&text]) {
                Some(found) => found,
                None => {
                    assert!(text.starts_with('\u{7f}'), "{text}");
                    continue;
                }
            };
            assert!(!exact && least.len() <= 64 && most.len() <= 64);
            assert!(least.as_slice() <= text.as_bytes() && text.as_bytes() <= most.as_slice());
            assert!(std::str::from_utf8(&least).is_ok() && std::str::from_utf8(&most).is_ok());
        }
    }

    #[test]
    fn zero_has_both_signs() {
        let mut bounds = Bounds::none();
        bounds.real(0.0);
        let found = bounds.statistics(Type::Number, 0, None).unwrap();
        assert_eq!(found.min_bytes_opt().unwrap(), (-0.0_f64).to_le_bytes());
        assert_eq!(found.max_bytes_opt().unwrap(), 0.0_f64.to_le_bytes());
    }
}
