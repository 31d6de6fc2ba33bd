//! Where a log ends, found without listing it.
//!
//! A log has no gaps, so whether a sequence number is taken answers whether the log reaches that far. Asking for
//! some numbers at once narrows it down in few round trips, with requests that read nothing.
//!
//! One wrong "not there" would cut a log short. Who commits finds out, as its place turns out to be taken. Who reads what
//! has landed would take the rest for files that nobody names, so it has the store's listing confirm the end.

use futures_util::future::{FutureExt, join_all};

use super::{Error, broken, checkpoint::sequence_of, record_path};
use crate::store::{self, Store};

/// How many numbers are asked for at once: more would save few round trips and cost many requests.
const ASKED_AT_ONCE: u64 = 4;

/// How many objects are listed behind what was found to be the newest record: more than are committed meanwhile.
const LISTED_BEHIND: usize = 100;

/// How often the end is looked for when the listing goes far beyond what was found.
const SEARCHES_MAX: usize = 3;

/// The newest record's sequence; 0: none. Others may have added records since.
///
/// Records that the store lists behind what was found were added since, or the answers about them were wrong: they count
/// either way, as they are there.
///
/// # Errors
/// The store fails, or lists far more than it says is there when asked; the log has a gap.
pub(crate) async fn newest(store: &dyn Store, log: &str) -> Result<u64, Error> {
    let mut known = 0;
    for _ in 0..SEARCHES_MAX {
        let (found, _) = near(store, log, (known, 0), 1).await?;
        let behind = listed_behind(store, log, found).await?;
        known = found + behind.len() as u64;
        if let Some((n, _)) = (found + 1..).zip(&behind).find(|(n, listed)| n != *listed) {
            return Err(missing(log, n));
        }
        if behind.len() < LISTED_BEHIND {
            return Ok(known);
        }
    }
    let differs = "it lists many records that it does not find";
    Err(store::Error::failed("find the end of", log, differs).into())
}

/// The sequences of the log's own records behind that one, in order, as the store lists them: at most `LISTED_BEHIND`.
async fn listed_behind(store: &dyn Store, log: &str, found: u64) -> Result<Vec<u64>, Error> {
    let after = record_path(log, found);
    let listed = store.list(log, &after, LISTED_BEHIND).await?;
    let own = listed.iter().filter_map(|object| {
        let sequence = sequence_of(&object.path)?;
        (record_path(log, sequence) == object.path).then_some(sequence)
    });
    Ok(own.collect())
}

fn missing(log: &str, sequence: u64) -> Error {
    broken(
        &record_path(log, sequence),
        "it is missing, though one behind it is there",
    )
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

/// Asks for these numbers, which lie in between in order, and moves both ends as far as the answers tell. One that failed
/// tells nothing; it is an error only when all did.
async fn narrow(
    store: &dyn Store,
    log: &str,
    asked: &[u64],
    (mut there, mut beyond): (u64, u64),
) -> Result<(u64, u64), Error> {
    let answers = asked.iter().map(|n| exists(store, log, *n).boxed());
    let (mut absent, mut failed) = (Vec::new(), Vec::new());
    for (n, answer) in asked.iter().zip(join_all(answers).await) {
        match answer {
            // The answers are of different moments, and a record that is there stays: the highest counts.
            Ok(true) => there = there.max(*n),
            Ok(false) => absent.push(*n),
            Err(error) => failed.push(error),
        }
    }
    if failed.len() == asked.len()
        && let Some(error) = failed.pop()
    {
        return Err(error);
    }
    for n in absent {
        if n > there {
            beyond = beyond.min(n);
        } else if let Ok(false) = exists(store, log, n).await {
            // One behind it was there before this answer, so it is not for want of time.
            return Err(missing(log, n));
        }
    }
    Ok((there, beyond))
}

async fn exists(store: &dyn Store, log: &str, sequence: u64) -> Result<bool, Error> {
    match store.head(&record_path(log, sequence)).await {
        Ok(_) => Ok(true),
        Err(store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
