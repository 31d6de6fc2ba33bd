//! A stream's lanes, one for each open shard: which records go next, and where those go that come back. Nothing here waits
//! or asks; `pump` does.
//!
//! With `order = "by_key"` a lane has one request under way at most, in which no two records of Kinesis have a key of
//! ours in common; what failed goes back to the front. So a record is never overtaken by one of its key: Kinesis promises
//! no order within a request of which a part fails.
//!
//! Shards change: records are moved to other lanes only when nothing is under way. What landed elsewhere than it was sent
//! to (`misplaced`) is looked at then, for consumers that use Amazon's libraries drop an aggregate in which any key is not of
//! the shard that they find it in: all of it is sent again, to where it belongs, before what came after it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    config::Config,
    error::{Fault, Verdict},
    lane::{Entry, Lane, Rules},
    pending::Pending,
    rate::Rate,
    shards::Map,
};
use crate::log::{Outcome, Refusal};

/// A request has no more records than this.
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>
pub(super) const REQUEST_RECORDS_MAX: usize = 500;

/// A request has no more bytes than this, partition keys included, unless one record alone is larger.
pub(super) const REQUEST_BYTES_MAX: usize = 5 << 20;

/// Records whose fate is known.
pub(super) type Settled = Vec<(Pending, Outcome)>;

/// What became of an entry.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// It is in the shard of that name.
    Taken(String),
    /// It is not, or nobody knows.
    Failed(Fault),
}

/// What is to be done next.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// A request to be sent; empty when there is none.
    pub(super) entries: Vec<Entry>,
    /// Records that are given up.
    pub(super) settled: Settled,
    /// When to look again, if nothing happens before.
    pub(super) wake: Option<Instant>,
}

/// What came of a request, counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Returned {
    /// Entries that Kinesis refused as too much at once.
    pub(super) throttled: u64,
    /// Records that are sent again because their entry failed.
    pub(super) again: u64,
    /// The stream is not there.
    pub(super) missing: bool,
}

#[derive(Debug)]
pub(super) struct Lanes {
    config: Arc<Config>,
    rules: Rules,
    map: Map,
    lanes: Vec<Lane>,
    /// Entries that are in requests.
    under_way: usize,
    /// Where the next request begins, so that no lane is always the last.
    turn: usize,
    /// The shards from now on, once nothing is under way.
    next: Option<Map>,
    /// Records that are in another shard than the one they were sent to.
    misplaced: Vec<(String, Vec<Pending>)>,
    /// The shards have changed.
    outdated: bool,
    /// When `step` is called again, if nothing happens before.
    planned: Option<Instant>,
    closing: bool,
    /// Nothing is sent any more.
    ended: bool,
}

impl Lanes {
    pub(super) fn new(config: Arc<Config>, map: Map, record_bytes_max: u64) -> Self {
        let rules = Rules::new(&config, record_bytes_max);
        let rate = Rate::new(&config, Instant::now());
        let lane = |shard: &_| Lane::new(Clone::clone(shard), rate.clone(), &config);
        let lanes = map.shards().iter().map(lane).collect();
        Self {
            config,
            rules,
            map,
            lanes,
            under_way: 0,
            turn: 0,
            next: None,
            misplaced: Vec::new(),
            outdated: false,
            planned: None,
            closing: false,
            ended: false,
        }
    }

    /// Whether it may have to go before whoever calls `step` planned to look again. After the end it is refused.
    pub(super) fn push(&mut self, record: Pending) -> bool {
        if self.ended {
            record.settle(Err(Refusal::Closed));
            return false;
        }
        let due = record.since() + self.rules.linger;
        let place = self.map.place_of(record.hash);
        let whole = self.lanes[place].push(record, &self.rules);
        whole || self.closing || self.planned.is_none_or(|planned| planned > due)
    }

    /// From now on nothing lingers.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Nothing is sent any more: what waits is given up.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.lanes.iter_mut().for_each(|lane| drop(lane.drain()));
        self.misplaced.clear();
    }

    /// The stream's limit has changed.
    pub(super) fn set_record_bytes_max(&mut self, record_bytes_max: u64) {
        self.rules = Rules::new(&self.config, record_bytes_max);
    }

    /// What may be sent now, if another request may be under way, and what has waited for too long.
    pub(super) fn step(&mut self, now: Instant, may_send: bool) -> Step {
        let mut step = Step::default();
        self.expire(now, &mut step);
        if self.under_way == 0
            && let Some(map) = self.next.take()
        {
            self.apply(map, now, &mut step.settled);
        }
        // Nothing overtakes what is moved to other lanes.
        if may_send && self.next.is_none() && self.misplaced.is_empty() {
            self.cut(now, &mut step);
        }
        self.planned = step.wake;
        step
    }

    fn cut(&mut self, now: Instant, step: &mut Step) {
        let count = self.lanes.len();
        let mut bytes = 0;
        for place in (0..count).map(|n| (self.turn + n) % count) {
            let lane = &mut self.lanes[place];
            let Some(due) = lane.due(&self.rules, now, self.closing) else {
                continue;
            };
            if due > now {
                step.wake = Some(step.wake.map_or(due, |wake| wake.min(due)));
                continue;
            }
            let before = step.entries.len();
            let room = (REQUEST_BYTES_MAX.saturating_sub(bytes), REQUEST_RECORDS_MAX);
            lane.cut(place, &self.rules, now, room, &mut step.entries);
            let cut = &step.entries[before..];
            bytes += cut.iter().map(|entry| entry.bytes).sum::<usize>();
            self.under_way += cut.len();
            if cut.is_empty() || step.entries.len() >= REQUEST_RECORDS_MAX {
                // The request is full: the next one begins here.
                self.turn = place;
                step.wake = Some(now);
                break;
            }
        }
    }

    /// Refuses what was appended before `produce_deadline_ms`. All records of an append are equally old, so none is given
    /// up for its age while a later one of its key is still to be sent.
    fn expire(&mut self, now: Instant, step: &mut Step) {
        let patience = Duration::from_millis(self.config.produce_deadline_ms);
        let Some(than) = now.checked_sub(patience) else {
            return;
        };
        for lane in &mut self.lanes {
            while let Some(record) = lane.pop_older(than) {
                let why = match &lane.fault {
                    Some(fault) => format!("not written within produce_deadline_ms: {fault}"),
                    None => "its shard had no room for it within produce_deadline_ms".to_owned(),
                };
                let refusal = refusal(record.doubtful, why.into());
                step.settled.push((record, Err(refusal)));
            }
            if let Some(oldest) = lane.queue.front() {
                let due = oldest.since() + patience;
                step.wake = Some(step.wake.map_or(due, |wake| wake.min(due)));
            }
        }
        // All of a record or nothing: what is left of one could not be told to be whole any more.
        let late = |(_, records): &mut (String, Vec<Pending>)| {
            records.iter().any(|record| record.since() <= than)
        };
        for (shard, records) in self.misplaced.extract_if(.., late) {
            let why = format!(
                "it is in {shard}, where not every key of its record may belong, and the stream does not tell its shards"
            );
            let refusal = Refusal::Unavailable(why.into());
            let refused = records
                .into_iter()
                .map(|record| (record, Err(refusal.clone())));
            step.settled.extend(refused);
        }
    }

    /// A request came back.
    pub(super) fn returned(
        &mut self,
        entries: Vec<Entry>,
        fates: Vec<Fate>,
        now: Instant,
        settled: &mut Settled,
    ) -> Returned {
        let mut returned = Returned::default();
        // The last first: each goes to the front of its lane.
        for (entry, fate) in entries.into_iter().zip(fates).rev() {
            self.under_way -= 1;
            self.lanes[entry.lane].under_way -= 1;
            match fate {
                Fate::Taken(shard) => self.taken(entry, shard, now, settled),
                Fate::Failed(fault) if fault.verdict.passes() => {
                    returned.again += entry.records.len() as u64;
                    returned.throttled += u64::from(fault.verdict == Verdict::Throttled);
                    self.again(entry, &fault, now);
                }
                Fate::Failed(fault) => {
                    returned.missing |= fault.verdict == Verdict::Missing;
                    self.refuse(entry, &fault, settled);
                }
            }
        }
        returned
    }

    fn taken(&mut self, entry: Entry, shard: String, now: Instant, settled: &mut Settled) {
        let lane = &mut self.lanes[entry.lane];
        lane.succeeded(entry.bytes, now, &self.config);
        let expected = shard == lane.shard.id;
        self.outdated |= !expected;
        // A record by itself went by its own key, to where that belongs by now.
        if expected || entry.aggregate.is_none() {
            settled.extend(entry.records.into_iter().map(|record| (record, Ok(()))));
        } else {
            self.misplaced.push((shard, entry.records));
        }
    }

    fn again(&mut self, entry: Entry, fault: &Fault, now: Instant) {
        let lane = &mut self.lanes[entry.lane];
        if fault.verdict == Verdict::Throttled {
            lane.rate.exceeded(now);
        }
        lane.pause(now, &fault.to_string().into());
        for mut record in entry.records.into_iter().rev() {
            record.doubtful |= fault.verdict == Verdict::Unclear;
            lane.push_front(record);
        }
    }

    /// What will not succeed is refused, with all that waits behind it: else a record could overtake one of its key.
    fn refuse(&mut self, entry: Entry, fault: &Fault, settled: &mut Settled) {
        let reason: Arc<str> = fault.to_string().into();
        let waiting = self.lanes[entry.lane].drain();
        for record in entry.records.into_iter().chain(waiting) {
            let refusal = refusal(record.doubtful, Arc::clone(&reason));
            settled.push((record, Err(refusal)));
        }
    }

    /// Whether the shards should be asked for now.
    pub(super) fn wants_map(&self) -> bool {
        self.outdated && self.next.is_none()
    }

    /// The shards as they are now. They count once nothing is under way. Whether they differ from those known.
    pub(super) fn set_map(&mut self, map: Map) -> bool {
        let same = map == self.map;
        if !same {
            self.next = Some(map);
        } else if self.misplaced.is_empty() {
            self.outdated = false;
        }
        !same
    }

    fn apply(&mut self, map: Map, now: Instant, settled: &mut Settled) {
        let mut waiting = Vec::new();
        for (id, records) in std::mem::take(&mut self.misplaced) {
            let shard = map.find(&id);
            let takes = |shard: &super::shards::Shard| records.iter().all(|r| shard.takes(r.hash));
            let whole = shard.is_some_and(takes);
            for mut record in records {
                if whole {
                    settled.push((record, Ok(())));
                } else {
                    record.doubtful = true;
                    waiting.push(record);
                }
            }
        }
        let mut rates = HashMap::new();
        for mut lane in std::mem::take(&mut self.lanes) {
            waiting.extend(lane.drain());
            rates.insert(lane.shard.id, lane.rate);
        }
        // Two lanes may become one. Those of one append, and so those of a key in it, keep their order.
        waiting.sort_by_key(Pending::since);
        let lane = |shard: &super::shards::Shard| {
            let known = rates.remove(&shard.id);
            let rate = known.unwrap_or_else(|| Rate::new(&self.config, now));
            Lane::new(shard.clone(), rate, &self.config)
        };
        self.lanes = map.shards().iter().map(lane).collect();
        (self.map, self.turn, self.outdated) = (map, 0, false);
        for record in waiting {
            self.push(record);
        }
    }

    /// Each shard, the part of its rate that was used over so long, and the part that is allowed.
    pub(super) fn used(&mut self, over: Duration) -> Vec<(String, f64, f64)> {
        let most = self.config.shard_bytes_per_s_max as f64 * over.as_secs_f64();
        let lanes = self.lanes.iter_mut();
        lanes
            .map(|lane| {
                let used = lane.taken() as f64 / most;
                (lane.shard.id.clone(), used, lane.rate.share())
            })
            .collect()
    }
}

/// Why a record was not written: it certainly was not, or it may have been.
fn refusal(doubtful: bool, reason: Arc<str>) -> Refusal {
    match doubtful {
        true => Refusal::Unavailable(reason),
        false => Refusal::Unsent(reason),
    }
}

#[cfg(test)]
mod tests;
