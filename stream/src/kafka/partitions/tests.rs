//! Facts of the bookkeeping, told messages that no broker sent.

use rdkafka::{Timestamp, message::OwnedMessage};

use super::*;
use crate::{
    kafka::building::DELIVERY_BYTES_MAX,
    log::{Delivery, ReadError},
};

fn message(offset: i64, value: &str) -> OwnedMessage {
    let (payload, key) = (Some(value.as_bytes().to_vec()), Some(b"k".to_vec()));
    let appended = Timestamp::CreateTime(1_000 + offset);
    OwnedMessage::new(payload, key, "events".to_owned(), appended, 0, offset, None)
}

fn place() -> Place {
    ("events".to_owned(), 0)
}

/// One partition that was sought and is fetched from there on.
struct Desk {
    partitions: Partitions,
    deliveries: std::sync::Arc<Deliveries>,
    name: Partition,
}

impl Desk {
    async fn sought(position: &Position) -> Self {
        Self::sought_within(Bounds::default(), position).await
    }

    async fn sought_within(bounds: Bounds, position: &Position) -> Self {
        let deliveries = Deliveries::new(1 << 20);
        let mut partitions = Partitions::new(BTreeMap::new());
        let name = partitions.assign_within(place(), bounds);
        deliveries.assigned(vec![name.clone()]);
        assert!(matches!(deliveries.next().await, Ok(Delivery::Assigned(_))));
        let mut desk = Self {
            partitions,
            deliveries,
            name,
        };
        desk.seek(position);
        desk
    }

    fn seek(&mut self, position: &Position) {
        self.deliveries.seek(&self.name, position);
        let (generation, position) = self
            .deliveries
            .wanted(false)
            .seeks
            .remove(&self.name)
            .unwrap();
        self.partitions
            .seek(&place(), generation, &position, &self.deliveries);
        self.partitions.stop_where(|_, _| true);
    }

    fn start(&mut self) -> i64 {
        self.partitions.start_due(Instant::now())[0].1
    }

    fn read(&mut self, messages: &[OwnedMessage]) {
        messages
            .iter()
            .for_each(|message| self.partitions.read(message, &self.deliveries));
        self.partitions.flush(&self.deliveries);
    }

    fn extent(&mut self, low: i64, high: i64) -> Option<u64> {
        self.partitions
            .extent(&place(), low, high, &self.deliveries)
    }

    /// What was queued, if anything was.
    fn next(&self) -> Option<Result<Delivery, ReadError>> {
        futures_util::FutureExt::now_or_never(self.deliveries.next())
    }

    fn corrupt(&self) -> bool {
        matches!(self.next(), Some(Err(ReadError::Corrupt { .. })))
    }
}

#[tokio::test]
async fn reading_after_a_position_hands_over_what_follows_its_record() {
    let end = Mark::of(&message(7, "seven")).position();
    let mut desk = Desk::sought(&end).await;
    assert_eq!(desk.start(), 7);
    desk.read(&[message(7, "seven"), message(9, "nine"), message(10, "ten")]);
    let Some(Ok(Delivery::Records(records))) = desk.next() else {
        panic!()
    };
    assert_eq!((records.follows, records.values.len()), (end, 2));
    assert_eq!(records.end, Mark::of(&message(10, "ten")).position());
    // Fetched anew, it starts at the record that was read last, and drops what it had.
    desk.partitions.stop_where(|_, _| true);
    assert_eq!(desk.start(), 10);
    desk.read(&[message(10, "ten"), message(11, "eleven")]);
    let Some(Ok(Delivery::Records(records))) = desk.next() else {
        panic!()
    };
    assert_eq!(records.values, ["eleven"]);
}

#[tokio::test]
async fn another_record_at_the_position_is_an_error_until_the_next_seek() {
    for found in [message(7, "other"), message(8, "seven")] {
        let mut desk = Desk::sought(&Mark::of(&message(7, "seven")).position()).await;
        desk.start();
        desk.read(&[found, message(9, "nine")]);
        assert!(desk.corrupt() && desk.next().is_none());
        desk.seek(&Position::start());
        assert_eq!(desk.start(), 0);
        desk.read(&[message(0, "zero")]);
        assert!(matches!(desk.next(), Some(Ok(Delivery::Records(_)))));
    }
}

#[tokio::test]
async fn a_partition_that_ends_before_the_position_is_an_error() {
    for high in [0, 3, 7] {
        let mut desk = Desk::sought(&Mark::of(&message(7, "seven")).position()).await;
        desk.start();
        assert_eq!(desk.extent(0, high), None);
        assert!(desk.corrupt());
    }
    let mut desk = Desk::sought(&Mark::of(&message(7, "seven")).position()).await;
    desk.start();
    // The record is there: it only takes its time.
    assert_eq!(desk.extent(0, 8), None);
    assert!(desk.next().is_none());
}

#[tokio::test]
async fn what_retention_took_is_a_gap_once_and_the_chain_goes_on() {
    let end = Mark::of(&message(7, "seven")).position();
    let mut desk = Desk::sought(&end).await;
    desk.start();
    assert_eq!(desk.extent(20, 30), Some(12));
    assert!(
        matches!(desk.next(), Some(Ok(Delivery::Gap { after, records: Some(12), .. })) if after == end)
    );
    desk.partitions.stop_where(|_, _| true);
    assert_eq!(desk.start(), 20);
    desk.read(&[message(20, "twenty")]);
    assert!(matches!(desk.next(), Some(Ok(Delivery::Records(records))) if records.follows == end));
    // Everything that was read may go: the rest follows without a gap.
    let mut desk = Desk::sought(&end).await;
    desk.start();
    assert_eq!(desk.extent(8, 8), Some(0));
    assert!(desk.next().is_none());
}

#[tokio::test]
async fn of_a_range_only_its_own_offsets_can_be_gone() {
    let range = Bounds {
        start: 5,
        end: Some(10),
    };
    let at = |offset| Mark::of(&message(offset, "landed")).position();
    let mut desk = Desk::sought_within(range, &at(6)).await;
    desk.start();
    assert_eq!(desk.extent(20, 30), Some(3));
    assert!(matches!(
        desk.next(),
        Some(Ok(Delivery::Gap {
            records: Some(3),
            ..
        }))
    ));
    assert!(desk.partitions.end_ranges(&desk.deliveries));
    // All of it was read before: whatever retention took since, there is nothing to fetch or to miss.
    let mut desk = Desk::sought_within(range, &at(9)).await;
    assert_eq!(desk.partitions.start_due(Instant::now()), []);
    assert_eq!(desk.extent(20, 30), None);
    assert!(desk.next().is_none());
    assert!(desk.partitions.end_ranges(&desk.deliveries));
}

#[tokio::test]
async fn a_changed_id_after_a_gap_is_an_error_for_there_is_nothing_to_compare() {
    let mut desk = Desk::sought(&Position::start()).await;
    desk.start();
    desk.partitions.suspect("events", &desk.deliveries);
    assert!(desk.next().is_none());
    desk.extent(5, 9);
    assert!(matches!(desk.next(), Some(Ok(Delivery::Gap { .. }))));
    desk.partitions.suspect("events", &desk.deliveries);
    assert!(desk.corrupt());
}

#[tokio::test]
async fn a_revoked_partition_hands_nothing_over_and_a_large_run_is_several_deliveries() {
    let mut desk = Desk::sought(&Position::start()).await;
    desk.start();
    let large = "x".repeat(DELIVERY_BYTES_MAX / 2);
    let messages: Vec<_> = (0..4).map(|n| message(n, &large)).collect();
    desk.read(&messages);
    for count in [2, 2] {
        assert!(matches!(desk.next(), Some(Ok(Delivery::Records(r))) if r.values.len() == count));
    }
    desk.read(&[message(4, "four")]);
    desk.deliveries.revoked(vec![desk.name.clone()]);
    assert!(matches!(desk.next(), Some(Ok(Delivery::Revoked(_)))));
    assert!(desk.next().is_none());
}

#[tokio::test]
async fn a_position_of_another_backend_is_an_error() {
    let desk = Desk::sought(&Position::from_number(7)).await;
    assert!(desk.corrupt());
}

/// librdkafka has stopped fetching some partition, and what it lost may be there again by the time of the question.
#[tokio::test]
async fn a_doubted_partition_is_asked_for_until_it_answers_and_then_compares_its_last_record() {
    let mut desk = Desk::sought(&Position::start()).await;
    desk.start();
    desk.read(&[message(0, "zero"), message(1, "one")]);
    assert!(matches!(desk.next(), Some(Ok(Delivery::Records(_)))));
    let now = Instant::now();
    assert_eq!(desk.partitions.ask_due(now), []);

    desk.partitions.doubt(now);
    assert_eq!(desk.partitions.ask_due(now), [place()]);
    assert_eq!(desk.partitions.ask_due(now), [], "not again at once");
    let later = now + CHECK_INTERVAL;
    assert_eq!(
        desk.partitions.ask_due(later),
        [place()],
        "it did not answer"
    );

    // Truncated to before record 1 and filled again: nothing in the extent tells.
    assert_eq!(desk.extent(0, 5), Some(0));
    assert_eq!(desk.partitions.ask_due(later + CHECK_INTERVAL), []);
    desk.partitions.stop_where(|_, _| true);
    assert_eq!(desk.start(), 1);
    desk.read(&[message(1, "another"), message(2, "two")]);
    assert!(desk.corrupt());
}
