//! Lanes against a simulated stream: requests that fail in part, answers that are lost, shards that are split and merged at
//! any time, by seed.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    kinesis::{
        config::Order,
        pending::{Append, Queue},
        shards::Shard,
    },
    log::{Record, Topic},
};

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// The stream as it is, and what it has, in the order in which it came.
struct Stream {
    shards: Vec<Shard>,
    made: u32,
    /// Key and number, as consumers with Amazon's libraries see them.
    seen: Vec<(String, u32)>,
}

impl Stream {
    fn new() -> Self {
        let mut stream = Self {
            shards: Vec::new(),
            made: 0,
            seen: Vec::new(),
        };
        let whole = stream.shard(0, u128::MAX);
        stream.shards = vec![whole];
        stream
    }

    fn shard(&mut self, first: u128, last: u128) -> Shard {
        self.made += 1;
        let id = format!("shardId-{:012}", self.made);
        Shard { id, first, last }
    }

    fn reshard(&mut self, chance: &mut Chance) {
        let place = chance.below(self.shards.len() as u64) as usize;
        if chance.below(2) == 0 && self.shards.len() > 1 && place + 1 < self.shards.len() {
            let merged = self.shard(self.shards[place].first, self.shards[place + 1].last);
            self.shards.splice(place..place + 2, [merged]);
        } else if self.shards.len() < 6 {
            let Shard { first, last, .. } = self.shards[place].clone();
            let middle = first + (last - first) / 2;
            let halves = [self.shard(first, middle), self.shard(middle + 1, last)];
            self.shards.splice(place..place + 1, halves);
        }
    }

    fn map(&self) -> Map {
        Map::new(self.shards.clone()).unwrap()
    }

    /// Takes a record; the shard that it is in.
    fn take(&mut self, entry: &Entry) -> String {
        let hash = match entry.aggregate {
            Some(_) => entry.hash,
            None => entry.records[0].hash,
        };
        let shard = self.shards.iter().find(|shard| shard.takes(hash)).unwrap();
        // As Amazon's client library reads it: all of it, or nothing.
        if entry.records.iter().all(|record| shard.takes(record.hash)) {
            for record in &entry.records {
                let number = std::str::from_utf8(&record.value).unwrap();
                let key = String::from_utf8(record.key.to_vec()).unwrap();
                self.seen.push((key, number.parse().unwrap()));
            }
        }
        shard.id.clone()
    }
}

fn fault(verdict: Verdict) -> Fate {
    Fate::Failed(Fault::new(verdict, "said by the test"))
}

/// What becomes of the entries of one request.
fn answer(stream: &mut Stream, chance: &mut Chance, calm: bool, entries: &[Entry]) -> Vec<Fate> {
    let whole = if calm { 9 } else { chance.below(10) };
    let one = |entry: &Entry, stream: &mut Stream, chance: &mut Chance| match whole {
        // The answer is lost.
        0 => {
            stream.take(entry);
            fault(Verdict::Unclear)
        }
        1 => fault(Verdict::Unclear),
        2 => fault(Verdict::Unsent),
        3..=6 if chance.below(2) == 0 => fault(Verdict::Throttled),
        _ => Fate::Taken(stream.take(entry)),
    };
    entries
        .iter()
        .map(|entry| one(entry, stream, chance))
        .collect()
}

fn append(lanes: &mut Lanes, queue: &Arc<Queue>, number: u64, records: &[(String, u32)]) {
    let append = Append::new(queue, number);
    for (place, (key, value)) in (0..).zip(records) {
        let record = Record {
            topic: Topic::new("events"),
            key: key.clone().into(),
            value: value.to_string().into(),
        };
        lanes.push(Pending::new(&append, place, &record).unwrap());
    }
}

/// One run: what the stream has, how many records were taken, and the settings.
fn run(seed: u64, config: Config) -> (Vec<(String, u32)>, usize) {
    let config = Arc::new(Config {
        produce_deadline_ms: 3_600_000,
        shard_bytes_per_s_max: 1 << 30,
        shard_records_per_s_max: 1_000_000,
        ..config
    });
    let (mut chance, mut stream) = (Chance(seed), Stream::new());
    let queue = Arc::new(Queue::new(&config));
    let mut lanes = Lanes::new(Arc::clone(&config), stream.map(), 1 << 20);
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    let (mut requests, mut settled): (Vec<Vec<Entry>>, _) = (Vec::new(), Settled::new());
    let mut now = Instant::now();
    for round in 0..400_u64 {
        let calm = round > 200;
        now += Duration::from_millis(if calm { 5_000 } else { chance.below(100) });
        if !calm && chance.below(2) == 0 {
            let count = chance.below(5);
            let records = (0..count).map(|_| {
                let key = format!("user{}", chance.below(8));
                let number = numbers.entry(key.clone()).or_default();
                *number += 1;
                (key, *number)
            });
            append(&mut lanes, &queue, round, &records.collect::<Vec<_>>());
        }
        if !calm && chance.below(15) == 0 {
            stream.reshard(&mut chance);
        }
        // The stream tells its shards late.
        if lanes.wants_map() && chance.below(3) == 0 || chance.below(40) == 0 {
            lanes.set_map(stream.map());
        }
        let step = lanes.step(now, requests.len() < 3);
        settled.extend(step.settled);
        if !step.entries.is_empty() {
            requests.push(step.entries);
        }
        if !requests.is_empty() && (calm || chance.below(2) == 0) {
            let which = chance.below(requests.len() as u64) as usize;
            let entries = requests.swap_remove(which);
            let fates = answer(&mut stream, &mut chance, calm, &entries);
            lanes.returned(entries, fates, now, &mut settled);
        }
    }
    let appended: u32 = numbers.values().sum();
    assert_eq!(
        settled.len(),
        appended as usize,
        "seed {seed}: all are settled"
    );
    assert!(
        settled.iter().all(|(_, outcome)| outcome.is_ok()),
        "seed {seed}"
    );
    (stream.seen, settled.len())
}

#[test]
fn every_record_is_written_and_none_overtakes_one_of_its_key_whatever_happens() {
    for seed in 0..400 {
        let config = Config {
            aggregate: seed % 2 == 0,
            ..Config::default()
        };
        let (seen, count) = run(seed, config);
        let mut firsts: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for (key, number) in seen {
            if known.insert((key.clone(), number)) {
                firsts.entry(key).or_default().push(number);
            }
        }
        assert_eq!(known.len(), count, "seed {seed}");
        for (key, numbers) in firsts {
            let all = 1..=numbers.len() as u32;
            assert!(
                numbers.iter().copied().eq(all),
                "seed {seed}, {key}: {numbers:?}"
            );
        }
    }
}

#[test]
fn without_order_every_record_is_written() {
    for seed in 0..100 {
        let config = Config {
            aggregate: seed % 2 == 0,
            order: Order::None,
            ..Config::default()
        };
        let (seen, count) = run(seed, config);
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), count);
    }
}

fn lanes(config: Config) -> (Lanes, Arc<Queue>) {
    let config = Arc::new(config);
    let queue = Arc::new(Queue::new(&config));
    (Lanes::new(config, Stream::new().map(), 1 << 20), queue)
}

fn records(count: u32) -> Vec<(String, u32)> {
    (0..count).map(|n| ("k".to_owned(), n)).collect()
}

#[test]
fn what_lingers_is_sent_together_and_what_is_too_old_is_given_up_together() {
    let (mut lanes, queue) = lanes(Config::default());
    let began = Instant::now();
    append(&mut lanes, &queue, 0, &records(3));
    let step = lanes.step(began, true);
    assert!(step.entries.is_empty() && step.wake.is_some_and(|wake| wake > began));
    let step = lanes.step(began + Duration::from_millis(50), true);
    assert_eq!(step.entries[0].records.len(), 3);
    append(&mut lanes, &queue, 1, &records(2));
    let late = Instant::now() + Duration::from_secs(20);
    assert!(lanes.step(late, false).settled.len() == 2);
    // What is under way is given up when it comes back.
    let mut settled = Settled::new();
    let fates = vec![fault(Verdict::Unclear)];
    lanes.returned(step.entries, fates, late, &mut settled);
    let step = lanes.step(late, true);
    assert!(settled.is_empty() && step.entries.is_empty());
    let doubtful =
        |(_, outcome): &(Pending, Outcome)| matches!(outcome, Err(Refusal::Unavailable(_)));
    assert!(step.settled.len() == 3 && step.settled.iter().all(doubtful));
}

#[test]
fn a_request_that_cannot_succeed_refuses_what_waits_behind_it() {
    let (mut lanes, queue) = lanes(Config::default());
    append(&mut lanes, &queue, 0, &records(2));
    let now = Instant::now() + Duration::from_millis(50);
    let step = lanes.step(now, true);
    append(&mut lanes, &queue, 1, &records(3));
    let mut settled = Settled::new();
    let returned = lanes.returned(
        step.entries,
        vec![fault(Verdict::Missing)],
        now,
        &mut settled,
    );
    assert!(returned.missing);
    let unsent = |(_, outcome): &(Pending, Outcome)| matches!(outcome, Err(Refusal::Unsent(_)));
    assert!(settled.len() == 5 && settled.iter().all(unsent));
}
