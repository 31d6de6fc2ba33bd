//! The events of one partition that landed lately: what comes again is known by them. Pure: time is passed in.
//!
//! Ids stand in the order in which they came; a table finds them. What is oldest goes first, so the window is a queue,
//! and a batch that does not land after all is taken off its end again. `docs/adr/0019-duplicates.md`.

use std::{collections::VecDeque, hash::BuildHasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// An event's name, hashed: its source, type and id.
pub(crate) type Id = u128;

/// In the place of an id that was taken back.
const NONE: Id = 0;

/// Objects of fewer ids than this are small: some of them are put together.
const SMALL_IDS: usize = 1 << 16;

/// So many small objects are put together into one with the next batch.
const SMALL_MAX: usize = 32;

/// A window has about so many slices: what a slice holds is forgotten together.
const SLICES: i64 = 256;

/// Ids that came about the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    /// None of them came later, in ms since the epoch.
    pub(crate) newest_ms: i64,
    /// How many they are.
    pub(crate) ids: usize,
}

/// An object of the store that has some of the window's ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Its name.
    pub(crate) name: String,
    /// How many of the window's ids are in it.
    pub(crate) ids: usize,
}

/// What the next object has to hold of a partition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) ids: Vec<Id>,
    pub(crate) slices: Vec<Slice>,
    /// The objects that have the ids before them, oldest first.
    pub(crate) older: Vec<Kept>,
}

/// One partition's window.
#[derive(Debug, Default)]
pub(crate) struct Window {
    ids: VecDeque<Id>,
    /// The number of the first id; numbers go round.
    first: u32,
    numbers: HashTable<u32>,
    /// Of the table: whoever chooses events' ids must not choose their places in it.
    hasher: RandomState,
    slices: VecDeque<Slice>,
    objects: VecDeque<Kept>,
    /// The last ids, which came with the batch that is landing.
    batch: Slice,
}

impl Default for Slice {
    fn default() -> Self {
        Self {
            newest_ms: i64::MIN,
            ids: 0,
        }
    }
}

impl Window {
    /// Takes an event of the batch that is landing; false: it is there already.
    pub(crate) fn take(&mut self, id: Id, received_ms: i64) -> bool {
        let id = named(id);
        self.batch.newest_ms = self.batch.newest_ms.max(received_ms);
        if !self.add(id) {
            return false;
        }
        self.batch.ids += 1;
        true
    }

    /// Takes one event of the batch back: it did not become a row.
    pub(crate) fn take_back(&mut self, id: Id) {
        let id = named(id);
        if let Some(number) = self.forget(id) {
            let at = number.wrapping_sub(self.first) as usize;
            if let Some(slot) = self.ids.get_mut(at) {
                *slot = NONE;
            }
        }
    }

    /// Takes the whole batch back: it did not land.
    pub(crate) fn undo(&mut self) {
        for _ in 0..self.batch.ids {
            if let Some(id) = self.ids.back().copied() {
                self.forget(id);
                self.ids.pop_back();
            }
        }
        self.batch = Slice::default();
    }

    /// Whether the batch that is landing brought anything.
    pub(crate) fn grows(&self) -> bool {
        self.batch.ids > 0
    }

    /// What an object of this batch holds: its ids, and those of small objects when there are too many of these.
    pub(crate) fn part(&self) -> Part {
        let (together, ids) = self.together();
        let from = self.ids.len() - ids;
        let mut slices = Vec::new();
        let mut lacking = ids - self.batch.ids;
        for slice in self.slices.iter().rev() {
            let ids = slice.ids.min(lacking);
            lacking -= ids;
            match ids {
                0 => break,
                ids => slices.push(Slice { ids, ..*slice }),
            }
        }
        slices.reverse();
        slices.push(self.batch);
        let older = self.objects.len() - together;
        Part {
            ids: self.ids.range(from..).copied().collect(),
            slices,
            older: self.objects.range(..older).cloned().collect(),
        }
    }

    /// The batch has landed, and the object of that name holds what [`Self::part`] told.
    pub(crate) fn landed(&mut self, name: &str, now_ms: i64, window_ms: u64) {
        let (together, ids) = self.together();
        self.objects.truncate(self.objects.len() - together);
        self.objects.push_back(Kept {
            name: name.to_owned(),
            ids,
        });
        let batch = std::mem::take(&mut self.batch);
        self.push_slice(
            Slice {
                // A clock that is ahead of this sink's must not make others old.
                newest_ms: batch.newest_ms.min(now_ms),
                ids: batch.ids,
            },
            window_ms,
        );
        self.expire(window_ms);
    }

    /// Adds what an object has, behind all that is there.
    pub(crate) fn load(
        &mut self,
        kept: Kept,
        ids: impl Iterator<Item = Id>,
        slices: &[Slice],
        window_ms: u64,
    ) {
        let before = self.ids.len();
        for id in ids {
            // Taken back, or there already: its place is kept, for the slices count it.
            if id == NONE || !self.add(id) {
                self.ids.push_back(NONE);
            }
        }
        let ids = self.ids.len() - before;
        self.objects.push_back(Kept { ids, ..kept });
        for slice in slices {
            self.push_slice(*slice, window_ms);
        }
    }

    /// Forgets what came too long before the newest.
    pub(crate) fn expire(&mut self, window_ms: u64) {
        let newest_ms = self.slices.iter().map(|slice| slice.newest_ms).max();
        let window_ms = i64::try_from(window_ms).unwrap_or(i64::MAX);
        let since_ms = newest_ms.unwrap_or(i64::MIN).saturating_sub(window_ms);
        while let Some(slice) = self.slices.front().filter(|s| s.newest_ms < since_ms) {
            self.drop_oldest(slice.ids);
        }
    }

    /// Forgets the oldest ids of the oldest slice, at most so many; returns how many they were.
    pub(crate) fn shed(&mut self, ids_max: usize) -> usize {
        let ids = self
            .slices
            .front()
            .map_or(0, |slice| slice.ids.min(ids_max));
        self.drop_oldest(ids);
        ids
    }

    /// How many events it knows, with those of the batch that is landing.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// When its oldest events came, at the latest, and its newest: in ms since the epoch.
    pub(crate) fn span_ms(&self) -> Option<(i64, i64)> {
        let newest_ms = self.slices.iter().map(|slice| slice.newest_ms).max()?;
        Some((self.slices.front()?.newest_ms, newest_ms))
    }

    /// Its memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.ids.capacity() * size_of::<Id>() + self.numbers.allocation_size()
    }

    /// How many of the last objects are put together with the batch, and the ids that makes.
    fn together(&self) -> (usize, usize) {
        let last = self.objects.iter().rev();
        let small: Vec<usize> = last
            .map(|object| object.ids)
            .take_while(|ids| *ids < SMALL_IDS)
            .collect();
        match small.len() >= SMALL_MAX {
            true => (small.len(), small.iter().sum::<usize>() + self.batch.ids),
            false => (0, self.batch.ids),
        }
    }

    fn push_slice(&mut self, slice: Slice, window_ms: u64) {
        let width_ms = (i64::try_from(window_ms).unwrap_or(i64::MAX) / SLICES).max(1);
        // By the clock, not by how long after the last one it came: where something always comes a slice would never end.
        let place = |at_ms: i64| at_ms.div_euclid(width_ms);
        match self.slices.back_mut() {
            Some(last) if place(slice.newest_ms) <= place(last.newest_ms) => {
                last.newest_ms = last.newest_ms.max(slice.newest_ms);
                last.ids += slice.ids;
            }
            _ => self.slices.push_back(slice),
        }
    }

    fn drop_oldest(&mut self, ids: usize) {
        for _ in 0..ids {
            if let Some(id) = self.ids.front().copied() {
                self.forget(id);
                self.ids.pop_front();
                self.first = self.first.wrapping_add(1);
            }
        }
        take_from(&mut self.slices, ids, |slice| &mut slice.ids);
        take_from(&mut self.objects, ids, |object| &mut object.ids);
        // What a burst needed is given back.
        if self.ids.capacity() > 4 * self.ids.len().max(1_024) {
            self.ids.shrink_to(2 * self.ids.len());
            let (ids, first, hasher) = (&self.ids, self.first, &self.hasher);
            self.numbers.shrink_to(2 * ids.len(), |number| {
                hasher.hash_one(at(ids, first, *number))
            });
        }
    }

    /// Adds it to the end, unless it is there.
    fn add(&mut self, id: Id) -> bool {
        let (ids, first, hasher) = (&self.ids, self.first, &self.hasher);
        let hash = hasher.hash_one(id);
        let same = |number: &u32| at(ids, first, *number) == id;
        if self.numbers.find(hash, same).is_some() {
            return false;
        }
        // `sink.dedup_events_max` is far below what a number tells apart.
        let number = first.wrapping_add(ids.len() as u32);
        self.ids.push_back(id);
        let ids = &self.ids;
        self.numbers.insert_unique(hash, number, |number| {
            hasher.hash_one(at(ids, first, *number))
        });
        true
    }

    /// Removes it from the table, not from its place; its number.
    fn forget(&mut self, id: Id) -> Option<u32> {
        if id == NONE {
            return None;
        }
        let (ids, first) = (&self.ids, self.first);
        let same = |number: &u32| at(ids, first, *number) == id;
        let hash = self.hasher.hash_one(id);
        let found = self.numbers.find_entry(hash, same).ok()?;
        Some(found.remove().0)
    }
}

fn take_from<T>(queue: &mut VecDeque<T>, mut ids: usize, count: impl Fn(&mut T) -> &mut usize) {
    while let Some(oldest) = queue.front_mut() {
        let of_it = count(oldest);
        let taken = ids.min(*of_it);
        *of_it -= taken;
        ids -= taken;
        if *of_it > 0 {
            break;
        }
        queue.pop_front();
    }
}

fn named(id: Id) -> Id {
    id.max(NONE + 1)
}

fn at(ids: &VecDeque<Id>, first: u32, number: u32) -> Id {
    let at = number.wrapping_sub(first) as usize;
    ids.get(at).copied().unwrap_or(NONE)
}

#[cfg(test)]
mod tests;
