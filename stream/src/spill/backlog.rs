//! How much is spilled and not forwarded yet, and of which keys: a record of such a key must queue up behind it.
//!
//! Keys are not kept: their hashes fall into slots that count. Two keys of one slot only make each other wait.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::log::{Record, Refusal};

/// Slots that keys fall into; four bytes each.
const SLOTS: usize = 1 << 16;

/// Where a record goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// To the primary.
    Direct,
    /// Into the spill; it is counted already.
    Behind,
    /// Nowhere.
    Refused(Refusal),
}

#[derive(Debug)]
pub(super) struct Backlog {
    table: Mutex<Table>,
    records: AtomicU64,
    bytes: AtomicU64,
    /// What was there at the start is not counted by key yet: every key may have something.
    uncounted: AtomicBool,
}

#[derive(Debug)]
struct Table {
    slots: Vec<u32>,
    /// When the oldest record came, roughly.
    oldest_ms: Option<i64>,
}

impl Backlog {
    /// With so many records from before, of keys that are not known yet.
    pub(super) fn new(records: u64) -> Self {
        Self {
            table: Mutex::new(Table {
                slots: vec![0; SLOTS],
                oldest_ms: None,
            }),
            records: AtomicU64::new(records),
            bytes: AtomicU64::new(0),
            uncounted: AtomicBool::new(records > 0),
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.records.load(Ordering::Acquire)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.table().oldest_ms
    }

    /// Where each record of an append goes, decided at one moment: records of one key go one way.
    pub(super) fn sort(
        &self,
        records: &[Record],
        all: bool,
        now_ms: i64,
        check: impl Fn(&Record) -> Result<(), Refusal>,
    ) -> Vec<Way> {
        let mut table = self.table();
        let all = all || self.uncounted.load(Ordering::Acquire);
        let way = |record: &Record| {
            let waits = slot(record).is_some_and(|slot| table.slots[slot] > 0);
            if !all && !waits {
                return Way::Direct;
            }
            if let Err(refusal) = check(record) {
                return Way::Refused(refusal);
            }
            self.count(&mut table, record, now_ms);
            Way::Behind
        };
        records.iter().map(way).collect()
    }

    /// Whether one of the records would have to queue up.
    pub(super) fn waits(&self, records: &[Record]) -> bool {
        let table = self.table();
        let waits = |record| slot(record).is_some_and(|slot| table.slots[slot] > 0);
        self.uncounted.load(Ordering::Acquire) || records.iter().any(waits)
    }

    /// A record that the primary did not take goes into the spill.
    pub(super) fn add(&self, record: &Record, began_ms: i64) {
        self.count(&mut self.table(), record, began_ms);
    }

    /// A record from before the start, which is counted already, but neither its key nor its bytes.
    pub(super) fn recount(&self, record: &Record, began_ms: i64) {
        let mut table = self.table();
        self.records.fetch_sub(1, Ordering::AcqRel);
        self.count(&mut table, record, began_ms);
    }

    /// Every record from before the start was recounted.
    pub(super) fn recounted(&self) {
        self.uncounted.store(false, Ordering::Release);
    }

    /// The records are in the primary, or not in the spill.
    pub(super) fn remove<'a>(&self, records: impl IntoIterator<Item = &'a Record>) {
        let mut table = self.table();
        for record in records {
            if let Some(slot) = slot(record) {
                table.slots[slot] = table.slots[slot].saturating_sub(1);
            }
            self.bytes.fetch_sub(bytes(record), Ordering::AcqRel);
            if self.records.fetch_sub(1, Ordering::AcqRel) == 1 {
                table.oldest_ms = None;
            }
        }
    }

    /// The oldest record that is left came then.
    pub(super) fn set_oldest(&self, began_ms: i64) {
        let mut table = self.table();
        if self.records() > 0 {
            table.oldest_ms = Some(began_ms);
        }
    }

    fn count(&self, table: &mut Table, record: &Record, began_ms: i64) {
        if let Some(slot) = slot(record) {
            table.slots[slot] = table.slots[slot].saturating_add(1);
        }
        table.oldest_ms.get_or_insert(began_ms);
        self.bytes.fetch_add(bytes(record), Ordering::AcqRel);
        self.records.fetch_add(1, Ordering::AcqRel);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(record: &Record) -> u64 {
    (record.key.len() + record.value.len()) as u64
}

/// None without a key: such a record waits for nothing.
fn slot(record: &Record) -> Option<usize> {
    if record.key.is_empty() {
        return None;
    }
    let topic = crc32c::crc32c(record.topic.as_str().as_bytes());
    Some(crc32c::crc32c_append(topic, &record.key) as usize % SLOTS)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::log::Topic;

    fn record(key: &str) -> Record {
        Record {
            topic: Topic::new("t"),
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: Bytes::from_static(b"v"),
        }
    }

    #[test]
    fn only_keys_with_something_spilled_wait() {
        let backlog = Backlog::new(0);
        let both = [record("ada"), record(""), record("grace")];
        let sort = |all| backlog.sort(&both, all, 5, |_| Ok(()));
        assert_eq!(sort(false), [Way::Direct, Way::Direct, Way::Direct]);
        backlog.add(&both[0], 3);
        assert_eq!(sort(false), [Way::Behind, Way::Direct, Way::Direct]);
        assert_eq!((backlog.records(), backlog.oldest_ms()), (2, Some(3)));
        backlog.remove([&both[0]]);
        assert_eq!(sort(false)[0], Way::Behind);
        backlog.remove([&both[0], &both[0]]);
        assert_eq!(sort(false)[0], Way::Direct);
        assert_eq!((backlog.bytes(), backlog.oldest_ms()), (0, None));
        assert_eq!(sort(true), [Way::Behind, Way::Behind, Way::Behind]);
    }

    #[test]
    fn every_key_waits_until_what_was_there_is_counted() {
        let backlog = Backlog::new(1);
        let ada = [record("ada")];
        assert_eq!(backlog.sort(&ada, false, 5, |_| Ok(())), [Way::Behind]);
        backlog.recount(&record("grace"), 1);
        backlog.recounted();
        backlog.remove(&ada);
        assert_eq!(backlog.sort(&ada, false, 5, |_| Ok(())), [Way::Direct]);
        assert_eq!(backlog.records(), 1);
    }
}
