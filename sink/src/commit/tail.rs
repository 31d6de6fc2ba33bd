//! Where a log ends, found without listing it.
//!
//! A log has no gaps, so whether a sequence number is taken answers whether the log reaches that far. Asking for
//! several numbers at once narrows it down in few round trips: a year of commits every five seconds, 6.3 million
//! records, takes about nine, and some hundred requests that read nothing.

use futures_util::future::{FutureExt, join_all};

use super::{Error, record_path};
use crate::store::{self, Store};

/// How many numbers are asked for at once.
const ASKED_AT_ONCE: u64 = 16;

/// The newest record's sequence; 0: none. Others may have added records since.
pub(crate) async fn newest(store: &dyn Store, log: &str) -> Result<u64, Error> {
    let (mut there, mut beyond) = gallop(store, log).await?;
    while beyond - there > 1 {
        let asked = (beyond - there - 1).min(ASKED_AT_ONCE);
        let step = (beyond - there) / (asked + 1);
        let asked: Vec<u64> = (1..=asked).map(|n| there + step * n).collect();
        (there, beyond) = narrow(store, log, &asked, (there, beyond)).await?;
    }
    Ok(there)
}

/// A power of four that the log reaches, or 0, and the next one, which it does not.
async fn gallop(store: &dyn Store, log: &str) -> Result<(u64, u64), Error> {
    let powers: Vec<u64> = (0..32).map(|power| 1 << (2 * power)).collect();
    let mut between = (0, u64::MAX);
    for asked in powers.chunks(ASKED_AT_ONCE as usize / 2) {
        between = narrow(store, log, asked, between).await?;
        if between.1 < u64::MAX {
            break;
        }
    }
    Ok(between)
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
