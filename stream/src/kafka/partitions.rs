//! What a reader's partitions are at: pure bookkeeping, told of messages and facts by the thread that polls Kafka.
//!
//! Reading after a position begins at the record that the position names. Only when that record is found unchanged is
//! what follows it handed over.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::message::Message;

use super::{
    building::Building,
    deliveries::Deliveries,
    position::{self, Mark},
};
use crate::log::{Partition, Position, Records};

/// How long the record that a position names may stay away before it is asked whether it is there at all.
const CHECK_PATIENCE: Duration = Duration::from_millis(300);
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Kafka's name for a partition.
pub(super) type Place = (String, i32);

/// One partition that is assigned to this reader.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: Partition,
    generation: u64,
    /// The part of the partition that is read; all of it, unless a range was asked for.
    bounds: Bounds,
    /// What the next delivery follows.
    follows: Position,
    /// The next offset to hand over: anything below was.
    next: i64,
    /// The last record read, or the one that the sought position names; none at the start and after a gap.
    last: Option<Mark>,
    state: State,
    /// librdkafka may have stopped fetching it without saying for which partition: when to ask for its extent.
    doubted: Option<Instant>,
    /// Whether librdkafka fetches it.
    pub(super) fetching: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unsought,
    /// The record `last` has yet to be found; when to ask whether it is there.
    Checking(Instant),
    Reading,
    /// An error was handed over; only a seek goes on.
    Failed,
    /// All of the range was handed over.
    Ended,
}

/// Offsets from `start` to before `end`, if it ends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) start: i64,
    pub(super) end: Option<i64>,
}

/// All partitions of one reader.
#[derive(Debug)]
pub(super) struct Partitions {
    slots: BTreeMap<String, BTreeMap<i32, Slot>>,
    building: Option<Building>,
    recreated: BTreeMap<String, u32>,
}

impl Slot {
    /// The offset at which fetching starts.
    fn begin(&mut self, now: Instant) -> i64 {
        match self.last {
            Some(mark) => {
                self.state = State::Checking(now + CHECK_PATIENCE);
                mark.offset
            }
            None => self.next,
        }
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self.state, State::Checking(_) | State::Reading)
    }

    fn fail(&mut self, deliveries: &Deliveries, reason: String) {
        self.state = State::Failed;
        deliveries.corrupt(&self.name, self.generation, self.follows.clone(), reason);
    }
}

impl Partitions {
    pub(super) fn new(recreated: BTreeMap<String, u32>) -> Self {
        Self {
            slots: BTreeMap::new(),
            building: None,
            recreated,
        }
    }

    pub(super) fn assign(&mut self, place: Place) -> Partition {
        self.assign_within(place, Bounds::default())
    }

    pub(super) fn assign_within(&mut self, (topic, index): Place, bounds: Bounds) -> Partition {
        let times = self.recreated.get(&topic).copied().unwrap_or(0);
        let name = position::partition(&topic, times, index);
        let slot = Slot {
            name: name.clone(),
            generation: 0,
            bounds,
            follows: Position::start(),
            next: bounds.start,
            last: None,
            state: State::Unsought,
            doubted: None,
            fetching: false,
        };
        self.slots.entry(topic).or_default().insert(index, slot);
        name
    }

    /// The slot that is no more.
    pub(super) fn revoke(&mut self, (topic, index): &Place) -> Option<Slot> {
        self.building
            .take_if(|building| building.is_of(topic, *index));
        self.slots.get_mut(topic)?.remove(index)
    }

    pub(super) fn place(&self, name: &Partition) -> Option<Place> {
        let mut all = self.iter();
        all.find(|(_, slot)| slot.name == *name)
            .map(|(place, _)| place)
    }

    fn iter(&self) -> impl Iterator<Item = (Place, &Slot)> {
        self.slots.iter().flat_map(|(topic, slots)| {
            slots
                .iter()
                .map(move |(index, slot)| ((topic.clone(), *index), slot))
        })
    }

    fn slot(&mut self, (topic, index): &Place) -> Option<&mut Slot> {
        self.slots.get_mut(topic)?.get_mut(index)
    }

    /// Where the partition is to be read from.
    pub(super) fn seek(
        &mut self,
        place: &Place,
        generation: u64,
        position: &Position,
        deliveries: &Deliveries,
    ) {
        self.flush(deliveries);
        let Some(slot) = self.slot(place) else {
            return;
        };
        slot.generation = generation;
        slot.follows = position.clone();
        match position::mark(position) {
            Ok(mark) => {
                slot.last = mark;
                slot.next = mark.map_or(slot.bounds.start, |mark| mark.offset + 1);
                // Nothing is left of a range that was read before: what became of its records since is all the same.
                slot.state = match slot.bounds.end.is_some_and(|end| slot.next >= end) {
                    true => State::Ended,
                    false => State::Reading,
                };
            }
            Err(reason) => slot.fail(deliveries, reason),
        }
    }

    /// Partitions to fetch that are not fetched, and from which offset; they count as fetched from now on.
    pub(super) fn start_due(&mut self, now: Instant) -> Vec<(Place, i64)> {
        let mut starting = Vec::new();
        for (topic, slots) in &mut self.slots {
            for (index, slot) in slots
                .iter_mut()
                .filter(|(_, slot)| slot.runs() && !slot.fetching)
            {
                slot.fetching = true;
                starting.push(((topic.clone(), *index), slot.begin(now)));
            }
        }
        starting
    }

    /// Partitions that are fetched and satisfy the condition; they count as not fetched from now on.
    pub(super) fn stop_where(&mut self, which: impl Fn(&Place, &Slot) -> bool) -> Vec<Place> {
        let mut stopping = Vec::new();
        for (topic, slots) in &mut self.slots {
            for (index, slot) in slots.iter_mut().filter(|(_, slot)| slot.fetching) {
                let place = (topic.clone(), *index);
                if which(&place, slot) {
                    slot.fetching = false;
                    stopping.push(place);
                }
            }
        }
        stopping
    }

    /// What to do with a message, in the order they come.
    pub(super) fn read(&mut self, message: &impl Message, deliveries: &Deliveries) {
        let (topic, index) = (message.topic(), message.partition());
        let slot = self
            .slots
            .get_mut(topic)
            .and_then(|slots| slots.get_mut(&index));
        let Some(slot) = slot.filter(|slot| slot.fetching) else {
            return;
        };
        match (slot.state, slot.last) {
            (State::Checking(_), Some(mark)) => {
                if Mark::of(message) == mark {
                    slot.state = State::Reading;
                    return;
                }
                let found = Mark::of(message).position();
                slot.fail(
                    deliveries,
                    changed(
                        topic,
                        &format!(
                            "where record {} was read, there is {found}",
                            mark.position()
                        ),
                    ),
                );
            }
            (State::Reading, _) if message.offset() >= slot.next => {
                slot.next = message.offset() + 1;
                if slot.bounds.end.is_none_or(|end| message.offset() < end) {
                    self.build(message, deliveries);
                }
            }
            _ => {}
        }
    }

    fn build(&mut self, message: &impl Message, deliveries: &Deliveries) {
        let fits = |building: &Building| {
            building.is_of(message.topic(), message.partition())
                && building.has_room(message.payload().map_or(0, <[u8]>::len))
        };
        if !self.building.as_ref().is_some_and(fits) {
            self.flush(deliveries);
        }
        let building = self.building.get_or_insert_with(|| Building::new(message));
        building.push(message);
    }

    /// Queues what was built.
    pub(super) fn flush(&mut self, deliveries: &Deliveries) {
        let Some(building) = self.building.take() else {
            return;
        };
        let (topic, index) = &building.place;
        let slot = self
            .slots
            .get_mut(topic)
            .and_then(|slots| slots.get_mut(index));
        let Some(slot) = slot else {
            return;
        };
        let built = building.build();
        slot.last = Some(built.mark);
        let end = built.mark.position();
        let follows = std::mem::replace(&mut slot.follows, end.clone());
        let records = Records {
            partition: slot.name.clone(),
            follows,
            end,
            values: built.values,
            appended_ms: built.mark.timestamp_ms,
        };
        deliveries.records(slot.generation, records, built.mark.offset, built.first_ms);
    }

    /// librdkafka does not say which partition it lost its place in, only that it fetches that one no more: until each
    /// has answered where it begins and ends, any of them may be it.
    pub(super) fn doubt(&mut self, now: Instant) {
        let slots = self.slots.values_mut().flat_map(BTreeMap::values_mut);
        for slot in slots.filter(|slot| slot.fetching && slot.runs()) {
            slot.doubted = Some(now);
        }
    }

    /// Partitions whose extent must be asked for: their check has waited too long, or they are doubted. Each is due again
    /// after a while, unless it answers.
    pub(super) fn ask_due(&mut self, now: Instant) -> Vec<Place> {
        let mut asking = Vec::new();
        for (topic, slots) in &mut self.slots {
            for (index, slot) in slots.iter_mut().filter(|(_, slot)| slot.fetching) {
                let check = match &mut slot.state {
                    State::Checking(at) => Some(at),
                    _ => None,
                };
                let mut due = false;
                for at in check.into_iter().chain(&mut slot.doubted) {
                    if *at <= now {
                        *at = now + CHECK_INTERVAL;
                        due = true;
                    }
                }
                if due {
                    asking.push((topic.clone(), *index));
                }
            }
        }
        asking
    }

    /// What the partition's extent, from `low` to before `high`, means for its reading. Gives how many offsets are gone,
    /// of a range only those in it, if it must be fetched anew: after a gap, or because it was doubted, which compares its
    /// last record.
    pub(super) fn extent(
        &mut self,
        place: &Place,
        low: i64,
        high: i64,
        deliveries: &Deliveries,
    ) -> Option<u64> {
        self.flush(deliveries);
        let slot = self.slot(place)?;
        let doubted = slot.doubted.take().is_some();
        if !slot.runs() {
            return None;
        }
        let checking = matches!(slot.state, State::Checking(_));
        let needed = slot
            .last
            .filter(|_| checking)
            .map_or(slot.next, |mark| mark.offset);
        if needed < low {
            let wanted = slot.bounds.end.map_or(low, |end| end.min(low));
            let gone = u64::try_from(wanted - slot.next).unwrap_or(0);
            if gone > 0 {
                deliveries.gap(&slot.name, slot.generation, slot.follows.clone(), gone, low);
            }
            (slot.next, slot.last, slot.state) = (slot.next.max(low), None, State::Reading);
            return Some(gone);
        }
        if needed > high || (checking && needed >= high) {
            slot.fail(
                deliveries,
                changed(
                    &place.0,
                    &format!("the partition ends before record {needed}, at {high}"),
                ),
            );
            return None;
        }
        doubted.then_some(0)
    }

    /// Whether some partition is read only up to an offset that was not reached yet.
    pub(super) fn bounded(&self) -> bool {
        let mut all = self.iter();
        all.any(|(_, slot)| slot.bounds.end.is_some() && slot.state != State::Ended)
    }

    /// All before this offset was read, though nothing may have been there: a range can end in a hole.
    pub(super) fn reached(&mut self, place: &Place, offset: i64) {
        if let Some(slot) = self.slot(place).filter(|slot| slot.state == State::Reading)
            && slot.bounds.end.is_some_and(|end| offset >= end)
        {
            slot.next = slot.next.max(offset);
        }
    }

    /// Ends the ranges that were read; whether none is left.
    pub(super) fn end_ranges(&mut self, deliveries: &Deliveries) -> bool {
        self.flush(deliveries);
        let slots = self.slots.values_mut().flat_map(BTreeMap::values_mut);
        for slot in slots.filter(|slot| slot.state == State::Reading) {
            if slot.bounds.end.is_some_and(|end| slot.next >= end) {
                slot.state = State::Ended;
            }
        }
        !self.bounded()
    }

    /// The topic's id has changed. What was read is compared with what is there now; where nothing was read since a gap
    /// there is nothing to compare.
    pub(super) fn suspect(&mut self, topic: &str, deliveries: &Deliveries) {
        self.flush(deliveries);
        let slots = self
            .slots
            .get_mut(topic)
            .into_iter()
            .flat_map(BTreeMap::values_mut);
        for slot in slots.filter(|slot| slot.runs() && slot.last.is_none() && slot.next > 0) {
            slot.fail(
                deliveries,
                changed(topic, "the topic's id changed after a gap"),
            );
        }
    }

    /// The partition's name, if it is assigned.
    pub(super) fn name(&self, topic: &str, index: i32) -> Option<&Partition> {
        Some(&self.slots.get(topic)?.get(&index)?.name)
    }

    pub(super) fn failed(&self) -> usize {
        self.iter()
            .filter(|(_, slot)| slot.state == State::Failed)
            .count()
    }
}

/// What an operator is told, and what there is to do.
fn changed(topic: &str, found: &str) -> String {
    format!(
        "topic {topic} holds other records than were read ({found}): it was deleted and made anew, truncated or \
         compacted. To read it from its start as new partitions, raise kafka.recreated.{topic:?} by one"
    )
}

#[cfg(test)]
mod tests;
