//! The writing half: appends under one lock, after the faults had their say.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Shared, State, Stored, now_ms};
use crate::{
    log::{Health, Outcome, Record, Refusal, Topic, Writer},
    spill::{Digest, Found, Primary, Search},
    spread::partition_of,
};

#[derive(Debug)]
pub(super) struct MemoryWriter {
    shared: Arc<Shared>,
}

impl MemoryWriter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn store(&self, state: &mut State, record: Record) -> Outcome {
        let bytes = (record.key.len() + record.value.len()) as u64;
        if let Some(bytes_max) = state.faults.record_bytes_max.filter(|max| bytes > *max) {
            return Err(Refusal::TooLarge { bytes, bytes_max });
        }
        let (bytes_max, sticky) = (state.faults.bytes_max, state.calls);
        let topic = self.shared.topic(state, &record.topic);
        if let Some(bytes_max) = bytes_max {
            let used_bytes = topic.held_bytes();
            if used_bytes + record.value.len() as u64 > bytes_max {
                return Err(Refusal::Full {
                    used_bytes,
                    bytes_max,
                });
            }
        }
        let partitions = topic.logs.len();
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
        let index = partition_of(&record.key, partitions, sticky);
        let stored = Stored {
            value: record.value,
            appended_ms: now_ms(),
        };
        topic.logs[index as usize].records.push(stored);
        Ok(())
    }

    /// The outcomes, or the records again while appends are held.
    fn try_append(&self, records: Vec<Record>) -> Result<Vec<Outcome>, Vec<Record>> {
        let mut state = self.shared.state();
        let refused = match state.closed {
            true => Some(Refusal::Closed),
            false => state.faults.refuse.clone(),
        };
        if let Some(refusal) = refused {
            return Ok(records.iter().map(|_| Err(refusal.clone())).collect());
        }
        if state.faults.held {
            return Err(records);
        }
        state.calls = state.calls.wrapping_add(1);
        let other = state.faults.calls_refused.clone();
        if let Some(refusal) = other.filter(|_| state.calls.is_multiple_of(2)) {
            return Ok(records.iter().map(|_| Err(refusal.clone())).collect());
        }
        let lost = state.faults.replies_lost;
        let reply = |outcome: Outcome| match lost {
            true => outcome.and(Err(Refusal::Unavailable("the reply was lost".into()))),
            false => outcome,
        };
        Ok(records
            .into_iter()
            .map(|record| reply(self.store(&mut state, record)))
            .collect())
    }
}

impl Writer for MemoryWriter {
    fn append(&self, mut records: Vec<Record>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let mut changed = self.shared.changed.subscribe();
            loop {
                match self.try_append(records) {
                    Ok(outcomes) => {
                        self.shared.changed.send_replace(());
                        return outcomes;
                    }
                    Err(held) => records = held,
                }
                if changed.changed().await.is_err() {
                    return records.iter().map(|_| Err(Refusal::Closed)).collect();
                }
            }
        })
    }

    fn health(&self) -> Health {
        let state = self.shared.state();
        match (state.closed, &state.faults.refuse) {
            (true, _) => Health::Refusing(Refusal::Closed.to_string()),
            (false, Some(refusal)) => Health::Refusing(refusal.to_string()),
            (false, None) => Health::Ready,
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.shared.state().closed = true;
            self.shared.changed.send_replace(());
        })
    }
}

impl Primary for MemoryWriter {
    fn send<'a>(&'a self, records: &'a [Record]) -> BoxFuture<'a, Vec<Outcome>> {
        self.append(records.to_vec())
    }

    fn check(&self, record: &Record) -> Result<(), Refusal> {
        let bytes = (record.key.len() + record.value.len()) as u64;
        let bytes_max = self.shared.state().faults.record_bytes_max;
        match bytes_max.filter(|bytes_max| bytes > *bytes_max) {
            Some(bytes_max) => Err(Refusal::TooLarge { bytes, bytes_max }),
            None => Ok(()),
        }
    }

    fn reach(&self, _: Vec<Topic>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            match self.health() {
                Health::Refusing(reason) => Err(reason),
                Health::Ready => Ok(()),
            }
        })
    }

    fn find(&self, search: Search) -> BoxFuture<'_, Result<Found, String>> {
        Box::pin(async move {
            let mut found = Found::new();
            let mut state = self.shared.state();
            for topic in &search.topics {
                let logs = &self.shared.topic(&mut state, topic).logs;
                let stored = logs.iter().flat_map(|log| &log.records);
                for stored in stored.filter(|stored| stored.appended_ms >= search.since_ms) {
                    let digest = Digest::of(&stored.value);
                    if search.wanted.contains(&digest) {
                        *found.entry(digest).or_default() += 1;
                    }
                }
            }
            Ok(found)
        })
    }
}
