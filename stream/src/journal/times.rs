//! Roughly when each record was appended, in bounded memory: what a lag in seconds is told from.

use std::collections::VecDeque;

/// Samples kept at most; past it every other one goes.
const SAMPLES_MAX: usize = 1024;

/// Offsets and when they were appended, ascending.
#[derive(Debug, Default)]
pub(super) struct Times {
    samples: VecDeque<(u64, i64)>,
    stride: u64,
}

impl Times {
    /// Records of a frame that begins at `base` were appended at `appended_ms`.
    pub(super) fn push(&mut self, base: u64, appended_ms: i64) {
        let due = self
            .samples
            .back()
            .is_none_or(|(last, _)| base >= last + self.stride.max(1));
        if !due {
            return;
        }
        if self.samples.len() >= SAMPLES_MAX {
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride = (self.stride.max(1)) * 2;
        }
        self.samples.push_back((base, appended_ms));
    }

    /// Forgets what is only about records before the offset.
    pub(super) fn forget_before(&mut self, first: u64) {
        while self.samples.get(1).is_some_and(|(base, _)| *base <= first) {
            self.samples.pop_front();
        }
    }

    /// When the record at the offset was appended: exact, or somewhat earlier.
    pub(super) fn appended_ms(&self, offset: u64) -> Option<i64> {
        let after = self.samples.partition_point(|(base, _)| *base <= offset);
        self.samples
            .get(after.saturating_sub(1))
            .map(|(_, appended_ms)| *appended_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_never_later_than_the_truth_and_memory_is_bounded() {
        let mut times = Times::default();
        for base in 0..100_000 {
            times.push(base, base as i64 * 10);
        }
        assert!(times.samples.len() <= SAMPLES_MAX);
        for offset in (0..100_000).step_by(997) {
            let told = times.appended_ms(offset).unwrap();
            let truth = offset as i64 * 10;
            assert!(told <= truth && truth - told <= 10_000, "{offset}: {told}");
        }
        times.forget_before(50_000);
        assert!(
            times
                .appended_ms(50_000)
                .is_some_and(|told| told <= 500_000)
        );
    }
}
