//! What is in a record of Kinesis: one event, or many that a producer has put together.

use std::ops::RangeInclusive;

use bytes::Bytes;
use prost::Message;

use super::kpl::{AggregatedRecord, DIGEST_BYTES, MAGIC, digest, hash_of};

/// The hashes of the keys that belong to a shard.
pub(super) type Keys = RangeInclusive<u128>;

/// What was in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Events {
    /// The events in order, as slices of the record, each with its place among all that are there.
    pub(super) values: Vec<(u64, Bytes)>,
    /// How many were left out since their keys do not belong to the shard.
    pub(super) strays: u64,
}

/// The events of a record that was read from the shard of these keys.
///
/// What begins like an aggregate and does not bear its own digest, or is none within, is one event, as Amazon's libraries
/// have it.
///
/// An aggregate of which any key does not belong to the shard is left out as a whole, as Amazon's client library has it. An
/// aggregate goes to one shard; just after a split that can be the wrong one for some of its events. Its writer, ours as
/// Amazon's, sees by the answer where it went, sends its events again to their own shards, and only then calls them written:
/// there they are read. Without `keys`, as where Kinesis tells none, all are kept.
pub(super) fn deaggregate(data: Bytes, keys: Option<&Keys>) -> Events {
    let Some(aggregate) = aggregate(&data) else {
        let values = vec![(0, data)];
        return Events { values, strays: 0 };
    };
    let belongs = |hash: u128| keys.is_none_or(|keys| keys.contains(&hash));
    // What names no key, or none that is a number, belongs anywhere.
    let of_keys = aggregate.partition_key_table.iter();
    let of_keys: Vec<bool> = of_keys.map(|key| belongs(hash_of(key))).collect();
    let explicit = aggregate.explicit_hash_key_table.iter();
    let explicit: Vec<bool> = explicit
        .map(|hash| hash.parse().map_or(true, belongs))
        .collect();
    let at = |of: &[bool], index: u64| {
        let index = usize::try_from(index).ok();
        index
            .and_then(|index| of.get(index))
            .copied()
            .unwrap_or(true)
    };
    let stays = |record: &super::kpl::Record| match record.explicit_hash_key_index {
        Some(index) => at(&explicit, index),
        None => at(&of_keys, record.partition_key_index),
    };
    if !aggregate.records.iter().all(stays) {
        return Events {
            values: Vec::new(),
            strays: aggregate.records.len() as u64,
        };
    }
    let records = (0..).zip(aggregate.records);
    Events {
        values: records
            .map(|(place, record)| (place, record.data))
            .collect(),
        strays: 0,
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

    /// Each value under its key, and under its explicit hash key if that is not empty.
    fn aggregated(records: &[(&str, &str, &'static str)]) -> Vec<u8> {
        let mut aggregate = AggregatedRecord::default();
        for (index, (key, explicit, value)) in (0..).zip(records) {
            aggregate.partition_key_table.push((*key).to_owned());
            aggregate
                .explicit_hash_key_table
                .push((*explicit).to_owned());
            aggregate.records.push(Record {
                partition_key_index: index,
                explicit_hash_key_index: (!explicit.is_empty()).then_some(index),
                data: Bytes::from(*value),
                tags: Vec::new(),
            });
        }
        let body = aggregate.encode_to_vec();
        [&MAGIC[..], &body, &digest(&body)].concat()
    }

    fn values(events: &Events) -> Vec<(u64, &str)> {
        let all = events.values.iter();
        all.map(|(place, value)| (*place, std::str::from_utf8(value).unwrap()))
            .collect()
    }

    #[test]
    fn the_events_of_an_aggregate_come_in_order_without_a_copy() {
        let records = [("k", "", "a"), ("k", "", ""), ("l", "", "ccc")];
        let data = Bytes::from(aggregated(&records));
        let within = data.as_ptr_range();
        let events = deaggregate(data.clone(), None);
        assert_eq!(values(&events), [(0, "a"), (1, ""), (2, "ccc")]);
        assert!(within.contains(&events.values[2].1.as_ptr()));
    }

    #[test]
    fn an_aggregate_with_a_key_of_another_shard_is_left_out_whole() {
        let half = u128::MAX / 2;
        // hash_of("abc") is in the upper half, by its test.
        let low = "77";
        let records = [("abc", "", "high"), ("abc", low, "low"), ("abc", "", "too")];
        let data = Bytes::from(aggregated(&records));
        for keys in [half + 1..=u128::MAX, 0..=half] {
            let events = deaggregate(data.clone(), Some(&keys));
            assert_eq!((values(&events), events.strays), (vec![], 3));
        }
        assert_eq!(deaggregate(data, Some(&(0..=u128::MAX))).strays, 0);
        let high = aggregated(&[records[0], records[2]]);
        let events = deaggregate(high.into(), Some(&(half + 1..=u128::MAX)));
        assert_eq!(values(&events), [(0, "high"), (1, "too")]);
        // Not a number, and an index that is none: kept.
        let odd = aggregated(&[("abc", "x", "odd")]);
        assert_eq!(deaggregate(odd.into(), Some(&(0..=half))).strays, 0);
    }

    #[test]
    fn what_only_looks_like_an_aggregate_is_one_event_in_any_shard() {
        let whole = aggregated(&[("k", "", "a")]);
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
            let events = deaggregate(data.clone().into(), Some(&(7..=7)));
            assert_eq!(events.values, [(0, Bytes::from(data))]);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_no_reason_to_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let signed = [&MAGIC[..], &data, &digest(&data)].concat();
            deaggregate(data.into(), None);
            deaggregate(signed.into(), Some(&(0..=7)));
        }
    }
}
