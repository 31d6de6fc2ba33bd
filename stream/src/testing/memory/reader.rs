//! The reading half: every reader follows all partitions of its topic, and the moves that tests make.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{
    Log, Move, Shared, TopicState, end_of, index, now_ms, offset_after, partition, position_before,
};
use crate::log::{Delivery, Lag, Partition, Position, ReadError, Reader, Records, StreamId, Topic};

/// Records a delivery holds at most: small, so that tests see several.
const DELIVERY_RECORDS_MAX: usize = 100;

#[derive(Debug)]
pub(super) struct MemoryReader {
    shared: Arc<Shared>,
    topic: Topic,
    group: String,
    stream: StreamId,
    changed: watch::Receiver<()>,
    /// How many of the topic's moves this reader has told.
    moves_told: usize,
    told_all: bool,
    /// The partitions that are this reader's, and what each delivers next once it was sought.
    assigned: BTreeMap<usize, Option<Cursor>>,
    /// The partition that delivered last: others go first.
    last: usize,
}

#[derive(Debug, Clone)]
struct Cursor {
    next: u64,
    follows: Position,
    /// The partition's end was told, or sought.
    ended: bool,
}

impl MemoryReader {
    pub(super) fn new(shared: Arc<Shared>, topic: &Topic, group: &str) -> Self {
        let moves_told = {
            let mut state = shared.state();
            let known = shared.topic(&mut state, topic);
            known.passed.entry(group.to_owned()).or_default();
            known.moves.len()
        };
        Self {
            stream: shared.stream(topic),
            changed: shared.changed.subscribe(),
            topic: topic.clone(),
            group: group.to_owned(),
            moves_told,
            told_all: false,
            assigned: BTreeMap::new(),
            last: 0,
            shared,
        }
    }

    fn poll(&mut self) -> Result<Option<Delivery>, ReadError> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if state.closed {
            return Err(ReadError::Closed);
        }
        if let Some(error) = &state.faults.read_error {
            return Err(error.clone());
        }
        let topic = shared.topic(&mut state, &self.topic);
        if let Some(told) = self.told(topic) {
            return Ok(Some(told));
        }
        let after = self.last + 1;
        let order = self
            .assigned
            .range(after..)
            .chain(self.assigned.range(..after));
        let order: Vec<usize> = order.map(|(index, _)| *index).collect();
        for index in order {
            let Some(Some(cursor)) = self.assigned.get_mut(&index) else {
                continue;
            };
            if let Some(delivery) = cursor.deliver(index, &topic.logs[index])? {
                self.last = index;
                return Ok(Some(delivery));
            }
        }
        Ok(None)
    }

    fn told(&mut self, topic: &TopicState) -> Option<Delivery> {
        if !self.told_all {
            self.told_all = true;
            self.assigned = (0..topic.logs.len()).map(|index| (index, None)).collect();
            return Some(Delivery::Assigned(
                self.assigned.keys().map(|i| partition(*i)).collect(),
            ));
        }
        while let Some(moved) = topic.moves.get(self.moves_told) {
            self.moves_told += 1;
            match *moved {
                Move::Assigned(index) if !self.assigned.contains_key(&index) => {
                    self.assigned.insert(index, None);
                    return Some(Delivery::Assigned(vec![partition(index)]));
                }
                Move::Revoked(index) if self.assigned.remove(&index).is_some() => {
                    return Some(Delivery::Revoked(vec![partition(index)]));
                }
                _ => {}
            }
        }
        None
    }
}

impl Cursor {
    fn deliver(&mut self, index: usize, log: &Log) -> Result<Option<Delivery>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let end = log.records.len() as u64;
        if self.next > end {
            return Err(ReadError::Corrupt {
                partition: partition(index),
                after: self.follows.clone(),
                reason: format!("the log ends before this position, at {end} records").into(),
            });
        }
        if self.next < log.first {
            let records = Some(log.first - self.next);
            self.next = log.first;
            let after = self.follows.clone();
            return Ok(Some(Delivery::Gap {
                partition: partition(index),
                after,
                records,
            }));
        }
        let stored = log
            .records
            .iter()
            .skip(self.next as usize)
            .take(DELIVERY_RECORDS_MAX);
        let values: Vec<_> = stored.clone().map(|stored| stored.value.clone()).collect();
        let Some(newest) = stored.last() else {
            return Ok(log.ended.then(|| self.end(index, end)));
        };
        self.next += values.len() as u64;
        let end = position_before(self.next);
        let follows = std::mem::replace(&mut self.follows, end.clone());
        Ok(Some(Delivery::Records(Records {
            partition: partition(index),
            follows,
            end,
            values,
            appended_ms: newest.appended_ms,
        })))
    }

    fn end(&mut self, index: usize, records: u64) -> Delivery {
        self.ended = true;
        let end = end_of(records);
        let follows = std::mem::replace(&mut self.follows, end.clone());
        Delivery::Ended {
            partition: partition(index),
            follows,
            end,
        }
    }
}

impl Reader for MemoryReader {
    fn stream(&self) -> &StreamId {
        &self.stream
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, ReadError>> {
        Box::pin(async move {
            loop {
                self.changed.borrow_and_update();
                if let Some(delivery) = self.poll()? {
                    return Ok(delivery);
                }
                if self.changed.changed().await.is_err() {
                    return Err(ReadError::Closed);
                }
            }
        })
    }

    fn seek(&mut self, partition: &Partition, position: &Position) {
        let cursor = Cursor {
            next: offset_after(position),
            follows: position.clone(),
            ended: position.as_str().contains('.'),
        };
        if let Some(slot) = index(partition).and_then(|index| self.assigned.get_mut(&index)) {
            *slot = Some(cursor);
        }
    }

    fn passed(&mut self, partition: &Partition, position: &Position) {
        let mut state = self.shared.state();
        let topic = self.shared.topic(&mut state, &self.topic);
        let Some(index) = index(partition) else {
            return;
        };
        let Some(end) = topic.logs.get(index).map(|log| log.records.len() as u64) else {
            return;
        };
        let group = topic.passed.entry(self.group.clone()).or_default();
        let next = group.entry(index).or_insert(0);
        *next = (*next).max(offset_after(position).min(end));
    }

    fn lag(&self) -> Vec<Lag> {
        let mut state = self.shared.state();
        let topic = self.shared.topic(&mut state, &self.topic);
        let lag = |index: &usize| {
            let passed = topic
                .passed
                .get(&self.group)
                .and_then(|group| group.get(index));
            let log = &topic.logs[*index];
            let next = passed.copied().unwrap_or(0).max(log.first);
            let oldest = log.records.get(next as usize);
            let age_ms = oldest.map_or(0, |stored| now_ms().saturating_sub(stored.appended_ms));
            Lag {
                partition: partition(*index),
                records: Some(log.records.len() as u64 - next),
                age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
            }
        };
        self.assigned.keys().map(lag).collect()
    }
}
