//! The thread that polls Kafka for one reader.
//!
//! Fetching a partition means giving it to librdkafka with the offset to start at; not fetching, taking it away again.
//! That one pair of operations serves seeks, gaps, checks and a reader that is full, and is independent of the group,
//! which librdkafka keeps account of by itself.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use super::{
    context::{Events, list_of},
    deliveries::Deliveries,
    partitions::Place,
};
use crate::log::{Partition, Position};

/// Messages, and their bytes, taken in one go before anything else is looked at.
const BURST_RECORDS: usize = 1_000;
const BURST_BYTES: usize = 1 << 20;

/// How long the thread sleeps at most; also how late anything with a time is noticed.
const TICK: Duration = Duration::from_millis(100);

/// How long a full reader keeps Kafka's events waiting before it stops fetching, so as to go on with them alone.
const FULL_MAX: Duration = Duration::from_secs(2);

/// How long one question about a partition's extent may take.
const ASK: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    consumer: BaseConsumer<Events>,
    events: Arc<Events>,
    deliveries: Arc<Deliveries>,
    commit_interval: Duration,
    committed: Instant,
    ticked: Instant,
    /// Since when there is no room.
    full: Option<Instant>,
    /// Nothing is fetched, because nothing was taken for long.
    stalled: bool,
    /// librdkafka said that some partition does not have the offset that was asked for.
    out_of_range: bool,
    /// How often partitions were asked for their extent.
    asked: usize,
    /// Partitions that have failed and were not sought since.
    failed: usize,
    /// Reads ranges outside of any group: ends with them, and tells Kafka nothing.
    ranges: bool,
}

/// Kafka has ended this reader.
struct Ended;

impl Worker {
    pub(super) fn new(consumer: BaseConsumer<Events>, commit_interval: Duration) -> Self {
        let events = Arc::clone(consumer.context());
        let now = Instant::now();
        Self {
            deliveries: Arc::clone(&events.deliveries),
            events,
            consumer,
            commit_interval,
            committed: now,
            ticked: now,
            full: None,
            stalled: false,
            out_of_range: false,
            asked: 0,
            failed: 0,
            ranges: false,
        }
    }

    /// A worker for partitions that were assigned within bounds.
    pub(super) fn of_ranges(consumer: BaseConsumer<Events>, commit_interval: Duration) -> Self {
        Self {
            ranges: true,
            ..Self::new(consumer, commit_interval)
        }
    }

    /// Until the reader is dropped, or Kafka ends it.
    pub(super) fn run(mut self) {
        while let Ok(busy) = self.turn(Instant::now()) {
            if !busy {
                self.deliveries.bell().wait(TICK);
            }
        }
        // Leaves the group; the callbacks find the reader closed and wait for nobody.
        drop(self.consumer);
        self.deliveries.end();
    }

    /// Whether there is more to do at once.
    fn turn(&mut self, now: Instant) -> Result<bool, Ended> {
        let commit = now >= self.committed + self.commit_interval;
        let wanted = self.deliveries.wanted(commit);
        if commit {
            self.committed = now;
            self.commit(&wanted.passed);
        }
        if wanted.close {
            self.commit(&self.deliveries.wanted(true).passed);
            return Err(Ended);
        }
        self.seek(&wanted.seeks);
        self.make_room(now);
        let busy = (self.full.is_none() || self.stalled) && self.poll()?;
        self.compare_suspects();
        if self.out_of_range {
            self.out_of_range = false;
            self.events.partitions().doubt(now);
        }
        if now >= self.ticked + TICK {
            self.ticked = now;
            self.ask(now);
            self.note_failed();
            self.end_ranges()?;
        }
        self.start(now);
        Ok(busy)
    }

    fn seek(&mut self, seeks: &BTreeMap<Partition, (u64, Position)>) {
        if seeks.is_empty() {
            return;
        }
        let mut partitions = self.events.partitions();
        for (name, (generation, position)) in seeks {
            if let Some(place) = partitions.place(name) {
                partitions.seek(&place, *generation, position, &self.deliveries);
            }
        }
        let stopping = partitions.stop_where(|_, slot| seeks.contains_key(&slot.name));
        drop(partitions);
        self.stop(stopping);
    }

    fn make_room(&mut self, now: Instant) {
        if self.deliveries.has_room(self.stalled) {
            (self.full, self.stalled) = (None, false);
            return;
        }
        let since = *self.full.get_or_insert(now);
        if !self.stalled && now - since > FULL_MAX {
            self.stalled = true;
            self.events.metrics.count_stall(&self.events.stream);
            let mut partitions = self.events.partitions();
            partitions.flush(&self.deliveries);
            let stopping = partitions.stop_where(|_, _| true);
            drop(partitions);
            self.stop(stopping);
        }
    }

    /// Takes what librdkafka has, up to a bound; whether there may be more.
    fn poll(&mut self) -> Result<bool, Ended> {
        let mut said = self.events.said();
        let (mut records, mut bytes, mut more) = (0, 0, true);
        let mut errors = Vec::new();
        while more && records + errors.len() < BURST_RECORDS && bytes < BURST_BYTES {
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    (records, bytes) = (records + 1, bytes + message.payload_len());
                    self.events.partitions().read(&message, &self.deliveries);
                }
                Some(Err(error)) => errors.push(error),
                // Nothing, or something that is no message and was told to the callbacks.
                None => {
                    more = self.events.said() != said;
                    said = self.events.said();
                }
            }
        }
        self.events.partitions().flush(&self.deliveries);
        if records > 0 {
            self.events
                .metrics
                .count_read(&self.events.stream, records, bytes);
        }
        errors.iter().try_for_each(|error| self.failed(error))?;
        Ok(more)
    }

    fn failed(&mut self, error: &KafkaError) -> Result<(), Ended> {
        let stream = &self.events.stream;
        match error {
            KafkaError::MessageConsumptionFatal(code) => {
                tracing::error!(stream, %code, reason = self.events.reason(), "Kafka ended this reader");
                return Err(Ended);
            }
            KafkaError::MessageConsumption(Code::AutoOffsetReset) => self.out_of_range = true,
            // librdkafka goes on by itself, and says so when no broker is left.
            KafkaError::MessageConsumption(
                Code::BrokerTransportFailure
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::PollExceeded,
            ) => tracing::debug!(stream, %error, "reading goes on"),
            error => {
                let reason = format!("{error}: {}", self.events.reason());
                self.deliveries.unavailable(&reason);
            }
        }
        Ok(())
    }

    /// Reads again the last record of each partition whose topic has another id than before.
    fn compare_suspects(&mut self) {
        let suspects = self.events.suspects();
        if suspects.is_empty() {
            return;
        }
        let mut partitions = self.events.partitions();
        for topic in &suspects {
            partitions.suspect(topic, &self.deliveries);
        }
        let stopping = partitions.stop_where(|place, _| suspects.contains(&place.0));
        drop(partitions);
        self.stop(stopping);
    }

    /// Asks for the extent of partitions that do not deliver what they should.
    fn ask(&mut self, now: Instant) {
        let mut asking = self.events.partitions().ask_due(now);
        if !asking.is_empty() {
            // Each gets its turn, also behind one whose leader does not answer.
            self.asked += 1;
            let first = self.asked % asking.len();
            asking.rotate_left(first);
        }
        let mut restarting = Vec::new();
        for place in asking {
            let (low, high) = match self.consumer.fetch_watermarks(&place.0, place.1, ASK) {
                Ok(extent) => extent,
                Err(error) => {
                    self.deliveries.unavailable(&error.to_string());
                    break;
                }
            };
            let gone = self
                .events
                .partitions()
                .extent(&place, low, high, &self.deliveries);
            if let Some(gone) = gone {
                restarting.push(place);
                if gone > 0 {
                    self.events.metrics.count_gap(&self.events.stream, gone);
                }
            }
        }
        let stopping = self
            .events
            .partitions()
            .stop_where(|place, _| restarting.contains(place));
        self.stop(stopping);
    }

    fn note_failed(&mut self) {
        let mut partitions = self.events.partitions();
        let failed = partitions.failed();
        let stopping = partitions.stop_where(|_, slot| !slot.runs());
        drop(partitions);
        (self.failed..failed).for_each(|_| self.events.metrics.count_changed(&self.events.stream));
        self.failed = failed;
        self.stop(stopping);
    }

    /// Ends the reader when all ranges were read.
    fn end_ranges(&mut self) -> Result<(), Ended> {
        if !self.ranges {
            return Ok(());
        }
        // librdkafka's position moves on over what is no record: markers of transactions, holes of a compaction.
        let reached = self.consumer.position().map(|list| {
            let elements = list.elements();
            let places = elements.iter().filter_map(|element| {
                let place = (element.topic().to_owned(), element.partition());
                Some((place, element.offset().to_raw()?))
            });
            places.collect::<Vec<_>>()
        });
        let mut partitions = self.events.partitions();
        for (place, offset) in reached.unwrap_or_default() {
            partitions.reached(&place, offset);
        }
        match partitions.end_ranges(&self.deliveries) {
            true => Err(Ended),
            false => Ok(()),
        }
    }

    fn start(&mut self, now: Instant) {
        if self.stalled {
            return;
        }
        let starting = self.events.partitions().start_due(now);
        if starting.is_empty() {
            return;
        }
        if let Err(error) = self.consumer.incremental_assign(&list_of(&starting)) {
            self.deliveries.unavailable(&error.to_string());
            // They are not fetched after all; tried again in the next turn.
            let among = |place: &Place, _: &_| starting.iter().any(|(other, _)| other == place);
            self.events.partitions().stop_where(among);
        }
    }

    fn stop(&self, places: Vec<Place>) {
        if places.is_empty() {
            return;
        }
        let places: Vec<_> = places.into_iter().map(|place| (place, 0)).collect();
        if let Err(error) = self.consumer.incremental_unassign(&list_of(&places)) {
            tracing::warn!(stream = self.events.stream, %error, "cannot stop fetching");
        }
    }

    /// Tells Kafka how far was read: what others see of it, and what this reader never goes by.
    fn commit(&self, passed: &BTreeMap<Partition, i64>) {
        if self.ranges {
            return;
        }
        let partitions = self.events.partitions();
        let place = |(name, last): (&Partition, &i64)| Some((partitions.place(name)?, last + 1));
        let offsets: Vec<_> = passed.iter().filter_map(place).collect();
        drop(partitions);
        if offsets.is_empty() {
            return;
        }
        if let Err(error) = self.consumer.commit(&list_of(&offsets), CommitMode::Async) {
            tracing::debug!(stream = self.events.stream, %error, "Kafka was not told how far was read");
        }
    }
}
