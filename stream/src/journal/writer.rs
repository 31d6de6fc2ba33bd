//! The writing half: sorts an append's records by partition, queues each share as one item, and waits for the
//! committers. Nothing is allocated or awaited for a single record.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{
    queue::{Item, framed_bytes},
    state::{Core, PartitionLog, TopicLog},
};
use crate::{
    log::{Health, Outcome, Record, Refusal, Topic, Writer},
    spread::partition_of,
};

#[derive(Debug)]
pub(super) struct JournalWriter {
    core: Arc<Core>,
    /// Counts appends, so that records without a key go round the partitions.
    appends: AtomicU32,
}

/// The share of an append that goes to one partition in one frame.
struct Share<'a> {
    log: &'a PartitionLog,
    records: Vec<Record>,
    /// Where the records' outcomes belong.
    places: Vec<u32>,
    bytes: u64,
}

impl JournalWriter {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            appends: AtomicU32::new(0),
        }
    }

    async fn append_all(&self, records: Vec<Record>) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(records.len());
        outcomes.resize_with(records.len(), || Ok(()));
        let shares = self.shares(records, &mut outcomes);
        let mut waiting = Vec::with_capacity(shares.len());
        for share in shares {
            let Share {
                log,
                records,
                places,
                bytes,
            } = share;
            match self.enqueue(log, records, bytes).await {
                Ok(answer) => waiting.push((places, answer)),
                Err(refusal) => settle(&mut outcomes, &places, &Err(refusal)),
            }
        }
        for (places, answer) in waiting {
            // A committer that dies drops its answers unsent.
            let outcome = answer.await.unwrap_or(Err(Refusal::Closed));
            settle(&mut outcomes, &places, &outcome);
        }
        outcomes
    }

    /// The shares in the order of their first records; records that cannot be taken are refused in `outcomes`.
    fn shares(&self, records: Vec<Record>, outcomes: &mut [Outcome]) -> Vec<Share<'_>> {
        let sticky = self.appends.fetch_add(1, Ordering::Relaxed);
        let (share_bytes_max, bytes_max) = (
            self.core.config.group_bytes_max,
            self.core.config.record_bytes_max,
        );
        let count = records.len();
        let mut shares: Vec<Share<'_>> = Vec::new();
        let mut known: Option<(Topic, &TopicLog)> = None;
        for (place, record) in records.into_iter().enumerate() {
            let bytes = (record.key.len() + record.value.len()) as u64;
            if bytes > bytes_max {
                outcomes[place] = Err(Refusal::TooLarge { bytes, bytes_max });
                continue;
            }
            if known
                .as_ref()
                .is_none_or(|(topic, _)| *topic != record.topic)
            {
                let found = self.core.topics.get(&record.topic);
                known = found.map(|log| (record.topic.clone(), log.as_ref()));
            }
            let Some((_, topic)) = &known else {
                let reason = format!("the journal has no topic {}", record.topic);
                outcomes[place] = Err(Refusal::Unavailable(reason.into()));
                continue;
            };
            let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
            let log: &PartitionLog =
                &topic.partitions[partition_of(&record.key, partitions, sticky) as usize];
            let bytes = framed_bytes(&record);
            let open = |share: &&mut Share<'_>| std::ptr::eq(share.log, log);
            let open = shares.iter_mut().rev().find(open);
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            match open.filter(|share| share.bytes + bytes <= share_bytes_max) {
                Some(share) => {
                    share.records.push(record);
                    share.places.push(place);
                    share.bytes += bytes;
                }
                None => {
                    let mut records = Vec::with_capacity(count - place as usize);
                    let mut places = Vec::with_capacity(count - place as usize);
                    records.push(record);
                    places.push(place);
                    shares.push(Share {
                        log,
                        records,
                        places,
                        bytes,
                    });
                }
            }
        }
        shares
    }

    async fn enqueue(
        &self,
        log: &PartitionLog,
        records: Vec<Record>,
        bytes: u64,
    ) -> Result<oneshot::Receiver<Outcome>, Refusal> {
        let permits = bytes.min(self.core.config.queue_bytes_max);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.core.room)
            .acquire_many_owned(permits)
            .await;
        let room = room.map_err(|_| Refusal::Closed)?;
        let (done, answer) = oneshot::channel();
        let put = log.queue.put(Item {
            records,
            bytes,
            done,
            room,
        });
        put.map(|()| answer).map_err(|_| Refusal::Closed)
    }

    fn count(&self, outcomes: &[Outcome]) {
        for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            self.core.metrics.count_refused(refusal, 1);
        }
    }
}

fn settle(outcomes: &mut [Outcome], places: &[u32], outcome: &Outcome) {
    if outcome.is_err() {
        places
            .iter()
            .for_each(|place| outcomes[*place as usize] = outcome.clone());
    }
}

impl Writer for JournalWriter {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let began = Instant::now();
            let outcomes = self.append_all(records).await;
            self.core.metrics.observe_append(began.elapsed());
            self.count(&outcomes);
            outcomes
        })
    }

    fn health(&self) -> Health {
        if self.core.sealed.load(Ordering::Acquire) {
            return Health::Refusing(Refusal::Closed.to_string());
        }
        let space = &self.core.space;
        if space.is_full() {
            let (used_bytes, bytes_max) = (space.used_bytes(), space.bytes_max());
            return Health::Refusing(
                Refusal::Full {
                    used_bytes,
                    bytes_max,
                }
                .to_string(),
            );
        }
        let trouble = self.core.partitions().find_map(|(_, log)| log.trouble());
        trouble.map_or(Health::Ready, |reason| Health::Refusing(reason.to_string()))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.core.seal();
            let mut running = self.core.committers.subscribe();
            // The sender lives as long as this writer.
            running.wait_for(|running| *running == 0).await.ok();
        })
    }
}
