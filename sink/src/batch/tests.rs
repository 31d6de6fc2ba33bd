use std::time::Duration;

use super::*;

const LIMITS: Limits = Limits {
    bytes_max: 1_000,
    rows_max: 4,
};
const AGE: Duration = Duration::from_secs(5);

fn records(partition: &str, from: u64, values: &[usize]) -> Records {
    Records {
        partition: Partition::new(partition),
        follows: Position::from_number(from),
        end: Position::from_number(from + values.len() as u64),
        values: values
            .iter()
            .map(|bytes| Bytes::from(vec![b'x'; *bytes]))
            .collect(),
        appended_ms: 0,
    }
}

#[test]
fn an_old_batch_is_due_though_nothing_new_arrives() {
    let start = Instant::now();
    let mut batch = Batch::default();
    batch.push(records("0", 0, &[10]), start + AGE);
    assert_eq!(batch.deadline(), Some(start + AGE));
    assert_eq!(
        batch.due(&LIMITS, start + Duration::from_millis(4_999)),
        None
    );
    assert_eq!(
        batch.due(&LIMITS, start + Duration::from_secs(5)),
        Some(Cause::Age)
    );
}

#[test]
fn age_counts_from_the_oldest_record() {
    let start = Instant::now();
    let mut batch = Batch::default();
    batch.push(records("0", 0, &[10]), start + AGE);
    batch.push(records("0", 1, &[10]), start + Duration::from_secs(4) + AGE);
    assert_eq!(
        batch.due(&LIMITS, start + Duration::from_secs(5)),
        Some(Cause::Age)
    );
}

#[test]
fn a_batch_is_due_at_its_rows_and_at_its_bytes() {
    let start = Instant::now();
    let mut rows = Batch::default();
    rows.push(records("0", 0, &[1, 1, 1, 1]), start + AGE);
    assert_eq!(rows.due(&LIMITS, start), Some(Cause::Rows));
    assert!(rows.full(&LIMITS));
    let mut bytes = Batch::default();
    bytes.push(records("0", 0, &[1_000]), start + AGE);
    assert_eq!(bytes.due(&LIMITS, start), Some(Cause::Bytes));
}

#[test]
fn small_records_count_with_what_holding_them_costs() {
    let mut batch = Batch::default();
    batch.push(records("0", 0, &[0, 0]), Instant::now());
    assert_eq!(batch.bytes(), 2 * size_of::<Bytes>() as u64);
}

#[test]
fn an_empty_delivery_moves_the_range_but_makes_no_batch_due() {
    let start = Instant::now();
    let mut batch = Batch::default();
    batch.push(
        Records {
            end: Position::from_number(9),
            ..records("0", 3, &[])
        },
        start,
    );
    assert!(batch.is_empty());
    assert_eq!(batch.due(&LIMITS, start + Duration::from_secs(60)), None);
    assert_eq!(batch.ranges()[0].ends, Position::from_number(9));
}

#[test]
fn ranges_join_what_one_partition_delivered() {
    let start = Instant::now();
    let mut batch = Batch::default();
    batch.push(records("0", 3, &[1, 1]), start + AGE);
    batch.push(records("1", 7, &[1]), start + AGE);
    batch.push(records("0", 5, &[1]), start + AGE);
    let ranges = batch.ranges();
    assert_eq!(ranges.len(), 2);
    assert_eq!(ranges[0].follows, Position::from_number(3));
    assert_eq!(ranges[0].ends, Position::from_number(6));
}

#[test]
fn a_partition_that_was_taken_away_leaves_nothing_behind() {
    let start = Instant::now();
    let mut batch = Batch::default();
    batch.push(records("0", 0, &[100, 100]), start + AGE);
    batch.push(records("1", 0, &[10]), start + AGE);
    batch.drop_partitions(&[Partition::new("0")]);
    assert_eq!(batch.rows(), 1);
    assert_eq!(batch.bytes(), 10 + size_of::<Bytes>() as u64);
    assert_eq!(batch.ranges().len(), 1);
    batch.drop_partitions(&[Partition::new("1")]);
    assert_eq!(batch.due(&LIMITS, start + Duration::from_secs(60)), None);
}

#[test]
fn the_delivery_that_may_wait_least_decides_until_it_is_taken_away() {
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let mut batch = Batch::default();
    batch.push(records("0", 0, &[1]), start + AGE);
    batch.push(records("1", 0, &[1]), start + second);
    batch.push(records("0", 1, &[1]), start + AGE * 2);
    assert_eq!(batch.deadline(), Some(start + second));
    assert_eq!(batch.due(&LIMITS, start + second), Some(Cause::Age));
    batch.drop_partitions(&[Partition::new("1")]);
    assert_eq!(batch.deadline(), Some(start + AGE));
}

#[test]
fn what_a_batch_lacks_goes_with_its_partition() {
    let start = Instant::now();
    let mut batch = Batch::default();
    for partition in ["0", "1"] {
        batch.push(records(partition, 5, &[1]), start + AGE);
        batch.lacks(Gap {
            partition: Partition::new(partition),
            after: Position::from_number(5),
            records: Some(3),
        });
    }
    batch.drop_partitions(&[Partition::new("0")]);
    let [gap] = batch.gaps() else {
        panic!("{:?}", batch.gaps())
    };
    assert_eq!(gap.partition, Partition::new("1"));
}

#[test]
fn the_end_of_a_partition_is_cut_without_records_and_goes_with_the_partition() {
    let start = Instant::now();
    let (partition, at) = (Partition::new("0"), Position::new);
    let mut batch = Batch::default();
    batch.push(records("0", 1, &[10]), start + AGE);
    batch.push_end(partition.clone(), &at("2"), &at("2.0.1"), start);
    assert_eq!(batch.due(&LIMITS, start), Some(Cause::Age));
    let range = &batch.ranges()[0];
    assert_eq!((&range.follows, &range.ends), (&at("1"), &at("2.0.1")));
    batch.drop_partitions(std::slice::from_ref(&partition));
    assert!(batch.is_empty() && batch.deadline().is_none());
    batch.push_end(partition, &at("2"), &at("2.0.1"), start + AGE);
    assert!(!batch.is_empty());
    assert_eq!(batch.due(&LIMITS, start), None);
    assert_eq!(batch.due(&LIMITS, start + AGE), Some(Cause::Age));
}
