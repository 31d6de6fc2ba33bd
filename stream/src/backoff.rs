//! Pauses between tries: doubling, with full jitter, so that those who failed together do not try together again.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The pauses of one operation that is tried again and again.
#[derive(Debug, Clone)]
pub struct Backoff {
    ceiling: Duration,
    most: Duration,
}

impl Backoff {
    /// The first pause is at most `least`, no pause is longer than `most`.
    pub fn new(least: Duration, most: Duration) -> Self {
        Self {
            ceiling: least.min(most),
            most,
        }
    }

    /// The next pause: anything between nothing and twice the ceiling of the one before.
    #[expect(clippy::should_implement_trait, reason = "the pauses never end")]
    pub fn next(&mut self) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = (ceiling * 2).min(self.most);
        ceiling.mul_f64(random())
    }
}

/// A number from 0 to 1. The standard library's hasher keys are random and differ with every call: good enough to
/// spread pauses, and no dependency.
fn random() -> f64 {
    let drawn = RandomState::new().hash_one(0_u8) >> 11;
    // 53 bits are what a double holds exactly.
    drawn as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread_below_a_ceiling_that_doubles_up_to_the_longest() {
        let mut sums = [0.0; 6];
        for _ in 0..400 {
            let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(80));
            for (sum, ceiling) in sums.iter_mut().zip([10.0, 20.0, 40.0, 80.0, 80.0, 80.0]) {
                let pause = backoff.next().as_secs_f64() * 1_000.0;
                assert!(pause <= ceiling, "{pause} of {ceiling}");
                *sum += pause / ceiling;
            }
        }
        for sum in sums {
            assert!((0.4..0.6).contains(&(sum / 400.0)), "{sums:?}");
        }
    }
}
