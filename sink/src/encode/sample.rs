//! Which columns get a dictionary: those whose values repeat often enough, judged by the first rows.
//!
//! A writer left to itself begins a dictionary for every column and gives it up once it is full: time and bytes lost.

use crate::table::Type;

/// Of this many distinct values among a hundred a dictionary saves nothing: it only costs its look-ups.
const DISTINCT_PERCENT_MAX: f64 = 60.0;
/// Past this a dictionary is given up.
const DICTIONARY_BYTES_MAX: f64 = super::dictionary::BYTES_MAX as f64;

/// What a sample of a column holds.
#[derive(Debug, Default)]
pub(super) struct Sample {
    pub(super) values: f64,
    pub(super) distinct: f64,
    /// The size of the distinct ones in a dictionary.
    pub(super) bytes: f64,
}

/// Whether a column with this sample of its values, from `sampled` rows, is worth a dictionary in a file of `rows`.
pub(super) fn is_worth(kind: Type, sample: &Sample, sampled: u64, rows: u64) -> bool {
    if matches!(kind, Type::Boolean | Type::Date) || sample.values == 0.0 {
        return true;
    }
    let grown = rows.max(sampled) as f64 / sampled.max(1) as f64;
    let values = sample.values * grown;
    let distinct = distinct_among(sample, values);
    let bytes = distinct * sample.bytes / sample.distinct;
    distinct * 100.0 <= values * DISTINCT_PERCENT_MAX && bytes <= DICTIONARY_BYTES_MAX
}

/// How many distinct values to expect among `values`, if each is drawn evenly from as many as make a sample's repeats
/// likely. Where a few values are frequent and many rare, the rare ones are underestimated: at worst a dictionary is
/// begun that is given up when it is full.
fn distinct_among(sample: &Sample, values: f64) -> f64 {
    if sample.distinct >= sample.values {
        return values;
    }
    if values <= sample.values {
        return sample.distinct;
    }
    // Draws from a set of n values meet n * (1 - e^(-draws / n)) different ones, more as n grows: halve the range.
    let met = |n: f64, draws: f64| -n * (-draws / n).exp_m1();
    let (mut least, mut most) = (sample.distinct, sample.values * sample.values);
    for _ in 0..64 {
        let middle = f64::midpoint(least, most);
        if met(middle, sample.values) < sample.distinct {
            least = middle;
        } else {
            most = middle;
        }
    }
    met(least, values)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Draws evenly enough: a full-period generator, not chance.
    fn drawn(from: u64, count: u64) -> impl Iterator<Item = u64> {
        let mut state = 1_u64;
        (0..count).map(move |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % from
        })
    }

    fn sample(values: impl Iterator<Item = u64>) -> Sample {
        let mut seen = HashSet::new();
        let count = values.map(|value| seen.insert(value)).count();
        Sample {
            values: count as f64,
            distinct: seen.len() as f64,
            bytes: seen.len() as f64 * 15.0,
        }
    }

    #[test]
    fn a_column_of_few_values_is_worth_a_dictionary_and_one_of_unique_values_is_not() {
        let (few, unique) = (sample(drawn(9, 1_000)), sample(0..1_000));
        for (sampled, rows) in [(1_000, 1_000), (1_000, 1_000_000)] {
            assert!(is_worth(Type::Integer, &few, sampled, rows));
            assert!(!is_worth(Type::Integer, &unique, sampled, rows));
        }
    }

    #[test]
    fn values_that_rarely_repeat_at_first_may_repeat_often_in_the_end() {
        // Of 4,096 rows drawn from 40,000 users, one in twenty repeats; of 200,000, four in five do.
        let users = sample(drawn(40_000, 4_096));
        assert!(is_worth(Type::Text, &users, 4_096, 200_000));
        assert!(!is_worth(Type::Text, &users, 4_096, 8_192));
    }

    #[test]
    fn a_dictionary_too_large_to_be_kept_is_not_begun() {
        let users = sample(drawn(400_000, 4_096));
        assert!(!is_worth(Type::Text, &users, 4_096, 10_000_000));
    }

    #[test]
    fn the_estimate_is_near_the_truth() {
        for from in [1_000_u64, 10_000, 50_000] {
            let first = sample(drawn(from, 4_096));
            let truth = sample(drawn(from, 200_000)).distinct;
            let estimate = distinct_among(&first, 200_000.0);
            let off = (estimate / truth - 1.0).abs();
            assert!(off < 0.25, "{from}: {estimate:.0} for {truth}");
        }
    }
}
