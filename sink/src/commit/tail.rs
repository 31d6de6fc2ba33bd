//! Where a log ends, found without listing it.
//!
//! A log has no gaps, so whether a sequence number is taken answers whether the log reaches that far. Asking for
//! some numbers at once narrows it down in few round trips, with requests that read nothing.

use futures_util::future::{FutureExt, join_all};

use super::{Error, record_path};
use crate::store::{self, Store};

/// How many numbers are asked for at once: more would save few round trips and cost many requests.
const ASKED_AT_ONCE: u64 = 4;

/// The newest record's sequence; 0: none. Others may have added records since.
pub(crate) async fn newest(store: &dyn Store, log: &str) -> Result<u64, Error> {
    near(store, log, (0, 0), 1).await.map(|(there, _)| there)
}

/// Where a log ends that reaches `known`, by about `moved` more, if that is known (else 0): a number that it reaches,
/// and one at most `width` greater that it did not reach.
pub(crate) async fn near(
    store: &dyn Store,
    log: &str,
    (known, moved): (u64, u64),
    width: u64,
) -> Result<(u64, u64), Error> {
    let (mut there, mut beyond) = gallop(store, log, known, moved).await?;
    while beyond - there > width {
        let asked = (beyond - there - 1).min(ASKED_AT_ONCE);
        let step = (beyond - there) / (asked + 1);
        let asked: Vec<u64> = (1..=asked).map(|n| there + step * n).collect();
        (there, beyond) = narrow(store, log, &asked, (there, beyond)).await?;
    }
    Ok((there, beyond))
}

/// A number that the log reaches, and a greater one which it does not. Asks around where the end is expected first,
/// then four times as far each time.
async fn gallop(store: &dyn Store, log: &str, there: u64, moved: u64) -> Result<(u64, u64), Error> {
    let mut steps = match moved {
        0 => vec![1, 4, 16, 64],
        moved => vec![1, moved - moved / 4, moved, moved + moved / 4 + 1],
    };
    steps.dedup();
    let mut between = (there, u64::MAX);
    loop {
        let asked = steps.iter().map(|step| there.saturating_add(*step));
        between = narrow(store, log, &asked.collect::<Vec<_>>(), between).await?;
        if between.1 < u64::MAX {
            return Ok(between);
        }
        let last = steps.last().copied().unwrap_or(1);
        steps = (1..=4).map(|n| last.saturating_mul(1 << (2 * n))).collect();
    }
}

/// Asks for these numbers, which lie in between, and moves both ends as far as the answers tell. One that failed
/// tells nothing; it is an error only when all did.
async fn narrow(
    store: &dyn Store,
    log: &str,
    asked: &[u64],
    (mut there, mut beyond): (u64, u64),
) -> Result<(u64, u64), Error> {
    let answers = asked.iter().map(|n| exists(store, log, *n).boxed());
    let (mut answered, mut failed) = (false, None);
    for (n, answer) in asked.iter().zip(join_all(answers).await) {
        match answer {
            // The answers are of different moments, and a record that is there stays: the highest counts.
            Ok(true) => there = *n,
            Ok(false) => beyond = beyond.min(*n),
            Err(error) => {
                failed = Some(error);
                continue;
            }
        }
        answered = true;
    }
    match failed {
        Some(error) if !answered => Err(error),
        _ => Ok((there, beyond.max(there + 1))),
    }
}

async fn exists(store: &dyn Store, log: &str, sequence: u64) -> Result<bool, Error> {
    match store.head(&record_path(log, sequence)).await {
        Ok(_) => Ok(true),
        Err(store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
