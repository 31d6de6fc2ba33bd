//! The proof that over Kinesis nothing is there twice but what may be: a writer whose answer is lost writes once more, for
//! nothing else tells whether the record is there.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};

use crate::kind::{Kind, Pair, Role, Stream};
use crate::landed;
use crate::schedule::{KINESIS_PRODUCE_MS, Planned, Schedule};
use crate::site::Site;
use crate::streams::{self, Copies};

/// How long the sinks have to land what the streams have, after all that was promised has landed.
const LANDING: Duration = Duration::from_secs(60);

/// Between two looks at what has landed.
const POLL: Duration = Duration::from_secs(1);

/// An answer that a fault takes away may be of a request that arrived so long before it, and one that is held up may arrive so
/// long after it.
const AROUND_MS: i64 = 1_500;

/// What a writer sends again it sends within `produce_deadline_ms`; the rest is for the request to arrive. What the spill
/// sends it has looked for before, which takes longer.
const APART_MS_MAX: i64 = KINESIS_PRODUCE_MS as i64 + 1_000;

/// So many offenders are named.
const NAMES_MAX: usize = 5;

/// From when to when a fault really lasted, in ms of the machine's clock.
pub(crate) type Lasted = (i64, i64);

/// Now, in ms.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Proves that every event has one row for each shard that has copies of it, and that there is a reason for each copy but
/// one. Returns how many events have several.
pub(crate) async fn proof(site: &Site<'_>, schedule: &Schedule, lasted: &[Lasted]) -> Result<u64> {
    let copies = landed_as_written(site).await?;
    let faults: Vec<(&Planned, Lasted)> =
        schedule.faults.iter().zip(lasted.iter().copied()).collect();
    let open: Vec<Lasted> = faults
        .iter()
        .filter(|(fault, _)| fault.kind.loses_replies())
        .map(|(_, (from, to))| (from - AROUND_MS, to + AROUND_MS))
        .collect();
    let bounded = !faults.iter().any(|(fault, _)| unbounded(fault.kind));
    let several = copies
        .iter()
        .map(|(id, copies)| (id, copies.arrived.as_slice()))
        .filter(|(_, arrived)| arrived.len() > 1);
    let without_reason: Vec<_> = several
        .clone()
        .filter(|(_, arrived)| !schedule.busy && !has_reason(arrived, &open))
        .take(NAMES_MAX)
        .collect();
    ensure!(
        without_reason.is_empty(),
        "events were written again though no answer was lost: {without_reason:?}; answers may be lost in {open:?}"
    );
    let late: Vec<_> = several
        .clone()
        .filter(|(_, arrived)| !schedule.busy && bounded && span_ms(arrived) > APART_MS_MAX)
        .take(NAMES_MAX)
        .collect();
    ensure!(
        late.is_empty(),
        "events were written again by a spill that must have found them: {late:?}"
    );
    Ok(several.count() as u64)
}

/// Waits until every event has landed once for each shard that has it; returns the copies.
async fn landed_as_written(site: &Site<'_>) -> Result<BTreeMap<String, Copies>> {
    let deadline = Instant::now() + LANDING;
    loop {
        let copies = streams::copies(site.servers, &site.run()?).await?;
        let tables = landed::tables(site).await?;
        let rows = landed::events(site, &tables).await?;
        let written = copies
            .iter()
            .map(|(id, copies)| (id, copies.shards.len() as u64));
        let differ: Vec<String> = written
            .clone()
            .filter(|(id, count)| rows.get(*id).copied().unwrap_or(0) != *count)
            .map(|(id, count)| format!("{id}: in {count} shards, {:?} rows", rows.get(id)))
            .chain(rows.keys().filter(|id| !copies.contains_key(*id)).cloned())
            .collect();
        if differ.is_empty() {
            return Ok(copies);
        }
        let named = &differ[..differ.len().min(NAMES_MAX)];
        ensure!(
            Instant::now() < deadline,
            "{} events have landed otherwise than they were written: {named:?}",
            differ.len()
        );
        sleep(POLL).await;
    }
}

/// Whether every copy but the last arrived when its answer may have been lost.
fn has_reason(arrived: &[i64], open: &[Lasted]) -> bool {
    let earlier = arrived.split_last().map_or(&[][..], |(_, earlier)| earlier);
    earlier
        .iter()
        .all(|at| open.iter().any(|(from, to)| from <= at && at <= to))
}

fn span_ms(arrived: &[i64]) -> i64 {
    match arrived {
        [first, .., last] => last - first,
        _ => 0,
    }
}

/// Whether a fault takes away what bounds the time between two copies: requests that arrive at any time, or a clock by which
/// the spill looks at the wrong time.
fn unbounded(kind: Kind) -> bool {
    kind == Kind::Delay(Pair::GatewayStream(Stream::Kinesis)) || kind == Kind::Clock(Role::Gateway)
}
