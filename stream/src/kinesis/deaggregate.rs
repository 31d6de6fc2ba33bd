//! What is in a record of Kinesis: one event, or many that a producer has put together.

use bytes::Bytes;
use prost::Message;

use super::kpl::{AggregatedRecord, DIGEST_BYTES, MAGIC, digest};

/// The events of a record, in order, as slices of it.
///
/// What begins like an aggregate and does not bear its own digest, or is none within, is one event, as Amazon's libraries
/// have it. Unlike those, nothing is left out for its key: they drop what does not belong to the shard that the aggregate
/// is in, which is where an aggregate can be that was put together just before a shard was split. It is in one shard only, so
/// all of it is read once.
pub(super) fn deaggregate(data: Bytes) -> Vec<Bytes> {
    match aggregate(&data) {
        Some(aggregate) => {
            let records = aggregate.records.into_iter();
            records.map(|record| record.data).collect()
        }
        None => vec![data],
    }
}

fn aggregate(data: &Bytes) -> Option<AggregatedRecord> {
    let body = data.strip_prefix(&MAGIC)?;
    let end = body.len().checked_sub(DIGEST_BYTES)?;
    if digest(&body[..end]) != body[end..] {
        return None;
    }
    let begin = MAGIC.len();
    AggregatedRecord::decode(data.slice(begin..begin + end)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::kpl::Record, *};

    fn aggregated(values: &[Bytes]) -> Vec<u8> {
        let record = |data: &Bytes| Record {
            partition_key_index: 0,
            explicit_hash_key_index: None,
            data: data.clone(),
            tags: Vec::new(),
        };
        let aggregate = AggregatedRecord {
            partition_key_table: vec!["k".to_owned()],
            explicit_hash_key_table: Vec::new(),
            records: values.iter().map(record).collect(),
        };
        let body = aggregate.encode_to_vec();
        [&MAGIC[..], &body, &digest(&body)].concat()
    }

    #[test]
    fn the_events_of_an_aggregate_come_in_order_without_a_copy() {
        let values = ["a", "", "ccc"].map(Bytes::from);
        let data = Bytes::from(aggregated(&values));
        let within = data.as_ptr_range();
        let events = deaggregate(data.clone());
        assert_eq!(events, values);
        assert!(within.contains(&events[2].as_ptr()));
    }

    #[test]
    fn what_only_looks_like_an_aggregate_is_one_event() {
        let whole = aggregated(&[Bytes::from_static(b"a")]);
        let mut damaged = whole.clone();
        damaged[7] ^= 1;
        let body = b"no message of Protocol Buffers";
        let unread = [&MAGIC[..], body, &digest(body)].concat();
        for data in [
            MAGIC.to_vec(),
            whole[..whole.len() - 1].to_vec(),
            damaged,
            unread,
            Vec::new(),
            b"{}".to_vec(),
        ] {
            assert_eq!(deaggregate(data.clone().into()), [Bytes::from(data)]);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_no_reason_to_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let signed = [&MAGIC[..], &data, &digest(&data)].concat();
            deaggregate(data.into());
            deaggregate(signed.into());
        }
    }
}
