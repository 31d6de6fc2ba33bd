//! Spilled records that are forwarded together, and what became of each.

use super::{entry::Entry, primary::Digest};
use crate::log::{Position, Record, Records, Topic};

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    pub(super) end: Position,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) entry: Entry,
    /// Of a doubtful record's value.
    pub(super) digest: Option<Digest>,
    /// Whether the primary has it.
    pub(super) done: bool,
}

impl Batch {
    /// None when a record was written by another version. All are doubtful when they were `interrupted`.
    pub(super) fn new(records: Records, interrupted: bool) -> Option<Self> {
        let item = |value| {
            let entry = Entry::decode(value)?;
            let doubtful = entry.doubtful || interrupted;
            Some(Item {
                digest: doubtful.then(|| Digest::of(&entry.record.value)),
                entry,
                done: false,
            })
        };
        Some(Self {
            items: records.values.iter().map(item).collect::<Option<_>>()?,
            end: records.end,
        })
    }

    pub(super) fn is_done(&self) -> bool {
        self.items.iter().all(|item| item.done)
    }

    /// When the oldest of them came.
    pub(super) fn began_ms(&self) -> i64 {
        self.items.first().map_or(0, |item| item.entry.began_ms)
    }

    /// Their topics; some more than once.
    pub(super) fn topics(&self) -> impl Iterator<Item = Topic> {
        let mut last = None;
        self.items.iter().filter_map(move |item| {
            let topic = &item.entry.record.topic;
            (last.replace(topic) != Some(topic)).then(|| topic.clone())
        })
    }

    /// The first records that are not done, at most so many, and their places.
    pub(super) fn next(&self, records_max: usize) -> Option<(Vec<usize>, Vec<Record>)> {
        let open = self.items.iter().enumerate().filter(|(_, item)| !item.done);
        let next = open
            .take(records_max)
            .map(|(place, item)| (place, item.entry.record.clone()));
        let (places, records): (Vec<_>, Vec<_>) = next.unzip();
        (!places.is_empty()).then_some((places, records))
    }
}
