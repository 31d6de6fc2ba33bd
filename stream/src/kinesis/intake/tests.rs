use aws_sdk_kinesis::primitives::{Blob, DateTime};
use futures_util::FutureExt;
use prometheus::Registry;
use prost::Message;

use super::{
    super::kpl::{self, AggregatedRecord, MAGIC},
    *,
};
use crate::log::{Delivery, ReadError};

const SHARD: &str = "shardId-000000000000";

struct World {
    deliveries: Arc<Deliveries>,
    intake: Intake,
}

impl World {
    /// A reader that was given the shard and sought it there.
    fn at(position: &str) -> Self {
        let deliveries = Arc::new(Deliveries::default());
        let shard = Partition::new(SHARD);
        deliveries.assigned(vec![shard.clone()]);
        deliveries.next().now_or_never().unwrap().unwrap();
        let position = Position::new(position);
        deliveries.seek(&shard, &position);
        let wanted = deliveries.wanted().now_or_never().unwrap();
        let whose = Whose {
            stream: "events".to_owned(),
            generation: wanted.seeks[&shard].0,
            keys: None,
            shard,
        };
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let intake = Intake::new(whose, position, Arc::clone(&deliveries), metrics).unwrap();
        Self { deliveries, intake }
    }

    fn take(&mut self, records: Vec<Record>) {
        self.intake
            .take(records, Duration::ZERO, &mut Room::default());
    }

    fn next(&self) -> Option<Result<Delivery, ReadError>> {
        self.deliveries.next().now_or_never()
    }

    /// The values of the next delivery, and the range that it covers.
    fn records(&self) -> (Vec<Bytes>, String, String) {
        match self.next() {
            Some(Ok(Delivery::Records(r))) => {
                (r.values, r.follows.as_str().into(), r.end.as_str().into())
            }
            other => panic!("{other:?}"),
        }
    }

    fn gap_after(&self) -> String {
        match self.next() {
            Some(Ok(Delivery::Gap { after, records, .. })) => {
                assert_eq!(records, None);
                after.as_str().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn record(sequence: &str, data: impl Into<Vec<u8>>) -> Record {
    let record = Record::builder().sequence_number(sequence);
    let record = record.partition_key("k").data(Blob::new(data));
    let at = DateTime::from_millis(1_700_000_000_000);
    record.approximate_arrival_timestamp(at).build().unwrap()
}

fn aggregate(sequence: &str, values: &[&[u8]]) -> Record {
    let inner = |data: &&[u8]| kpl::Record {
        partition_key_index: 0,
        explicit_hash_key_index: None,
        data: Bytes::copy_from_slice(data),
        tags: Vec::new(),
    };
    let body = AggregatedRecord {
        partition_key_table: vec!["k".to_owned()],
        explicit_hash_key_table: Vec::new(),
        records: values.iter().map(inner).collect(),
    }
    .encode_to_vec();
    record(sequence, [&MAGIC[..], &body, &kpl::digest(&body)].concat())
}

#[test]
fn plain_and_aggregated_records_are_delivered_together_in_order() {
    let mut world = World::at("");
    assert_eq!(world.intake.begin_at(), Begin::Oldest);
    world.take(vec![
        record("5", "a"),
        aggregate("9", &[b"b", b"c"]),
        record("10", "d"),
    ]);
    let (values, follows, end) = world.records();
    assert_eq!(values, ["a", "b", "c", "d"]);
    assert_eq!((follows.as_str(), end.as_str()), ("", "10.0"));
    assert_eq!(world.intake.begin_at(), Begin::At("10".to_owned()));
    assert!(world.next().is_none());
}

#[test]
fn reading_resumes_inside_an_aggregate() {
    for (position, expected) in [
        ("9.0", &["b", "c", "d"][..]),
        ("9.1", &["c", "d"]),
        ("9.2", &["d"]),
    ] {
        let mut world = World::at(position);
        assert_eq!(world.intake.begin_at(), Begin::At("9".to_owned()));
        world.take(vec![aggregate("9", &[b"a", b"b", b"c"]), record("11", "d")]);
        let (values, follows, end) = world.records();
        assert_eq!((values, follows.as_str()), (to_bytes(expected), position));
        assert_eq!(end, "11.0");
        assert!(!world.intake.resumes());
    }
}

fn to_bytes(values: &[&'static str]) -> Vec<Bytes> {
    values.iter().map(|value| Bytes::from(*value)).collect()
}

#[test]
fn a_large_aggregate_is_handed_over_in_parts_that_follow_one_another() {
    let half = vec![b'x'; DELIVERY_BYTES / 2];
    let values: Vec<&[u8]> = vec![&half; 5];
    let mut world = World::at("");
    world.take(vec![aggregate("7", &values)]);
    let parts: Vec<_> = (0..3).map(|_| world.records()).collect();
    let ranges = parts
        .iter()
        .map(|(values, from, to)| (values.len(), from.as_str(), to.as_str()));
    let expected = [(2, "", "7.1"), (2, "7.1", "7.3"), (1, "7.3", "7.4")];
    assert_eq!(ranges.collect::<Vec<_>>(), expected);
}

#[test]
fn a_gap_is_told_when_the_record_that_was_read_last_is_gone() {
    let mut world = World::at("9.0");
    world.take(vec![record("20", "late")]);
    assert_eq!(world.gap_after(), "9.0");
    let (values, follows, end) = world.records();
    assert_eq!(
        (values.len(), follows.as_str(), end.as_str()),
        (1, "9.0", "20.0")
    );
}

#[test]
fn replies_without_records_change_nothing() {
    let mut world = World::at("9.0");
    world.take(Vec::new());
    assert!(world.intake.resumes() && world.next().is_none());
    world.take(vec![record("9", "read before")]);
    assert!(world.next().is_none() && !world.intake.resumes());
    // An aggregate of nothing moves no position.
    world.take(vec![aggregate("10", &[])]);
    assert!(world.next().is_none());
    world.take(vec![record("11", "new")]);
    assert_eq!(world.records().1, "9.0");
}

#[test]
fn the_end_of_a_shard_comes_behind_its_last_record() {
    let mut world = World::at("");
    world.take(vec![record("9", "a")]);
    world.intake.end();
    world.records();
    match world.next() {
        Some(Ok(Delivery::Ended { follows, end, .. })) => {
            assert_eq!((follows.as_str(), end.as_str()), ("9.0", "9.0.1"));
        }
        other => panic!("{other:?}"),
    }
    // One whose last record was removed meanwhile says that too.
    let mut world = World::at("9.0");
    world.intake.end();
    assert_eq!(world.gap_after(), "9.0");
    assert!(matches!(world.next(), Some(Ok(Delivery::Ended { .. }))));
}

#[test]
fn a_position_behind_all_that_is_left_is_told_from_one_that_retention_overtook() {
    let world = World::at("9.0");
    assert!(world.intake.is_beyond("5") && world.intake.is_beyond("9"));
    assert!(!world.intake.is_beyond("10"));
}

#[test]
fn positions_that_are_none_are_told_and_ends_are_not_read() {
    let deliveries = Arc::new(Deliveries::default());
    let shard = Partition::new(SHARD);
    deliveries.assigned(vec![shard.clone()]);
    deliveries.next().now_or_never().unwrap().unwrap();
    deliveries.seek(&shard, &Position::new("7"));
    let wanted = deliveries.wanted().now_or_never().unwrap();
    let whose = Whose {
        stream: "events".to_owned(),
        generation: wanted.seeks[&shard].0,
        keys: None,
        shard,
    };
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let open = |position| {
        let deliveries = Arc::clone(&deliveries);
        Intake::new(
            whose.clone(),
            Position::new(position),
            deliveries,
            metrics.clone(),
        )
    };
    assert!(open("9.0.1").is_none());
    assert!(deliveries.next().now_or_never().is_none());
    assert!(open("7").is_none());
    let told = deliveries.next().now_or_never().unwrap();
    assert!(matches!(told, Err(ReadError::Corrupt { .. })), "{told:?}");
}
