//! The bad events that were replayed already: a set of their ids, bounded, and small where ids are UUIDs.

use std::collections::HashSet;

/// Ids of bad events.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Headgate's own ids are UUIDs.
    uuids: HashSet<u128>,
    others: HashSet<Box<str>>,
}

impl Known {
    /// Notes an id; whether it is new.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        match uuid(id) {
            Some(uuid) => self.uuids.insert(uuid),
            None => self.others.insert(id.into()),
        }
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        match uuid(id) {
            Some(uuid) => self.uuids.contains(&uuid),
            None => self.others.contains(id),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        (self.uuids.len() + self.others.len()) as u64
    }
}

/// The number that the text stands for, if it is a UUID as Headgate writes them: no two texts give the same number.
fn uuid(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match (at, byte) {
            (8 | 13 | 18 | 23, b'-') => {}
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => number = number << 4 | u128::from(byte - b'0'),
            (_, b'a'..=b'f') => number = number << 4 | u128::from(byte - b'a' + 10),
            _ => return None,
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_known_by_its_very_text() {
        let mut known = Known::default();
        let ids = [
            "01a20545-9515-75f9-b5bd-64e6be48f16c",
            "01A20545-9515-75F9-B5BD-64E6BE48F16C",
            "01a2054-59515-75f9-b5bd-64e6be48f16c",
            "01a20545951575f9b5bd64e6be48f16c",
            "b-1",
            "",
        ];
        for id in ids {
            assert!(
                !known.contains(id) && known.insert(id) && known.contains(id),
                "{id}"
            );
            assert!(!known.insert(id), "{id}");
        }
        assert_eq!(known.len(), ids.len() as u64);
    }
}
