//! The writing half: which records go to the primary and which into the spill, and what becomes of those that the
//! primary does not take.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use futures_util::future::{BoxFuture, join};

use super::{Spill, backlog::Way, core::now_ms, entry::Entry, primary::Digest};
use crate::log::{Health, Outcome, Record, Refusal, Writer};

impl Spill {
    async fn append_all(&self, records: Vec<Record>) -> Vec<Outcome> {
        let core = &self.core;
        let _under_way = core.enter();
        if core.closed.load(Ordering::SeqCst) {
            return vec![Err(Refusal::Closed); records.len()];
        }
        if core.takes
            && !core.breaker.is_open()
            && let Health::Refusing(reason) = core.primary.health()
        {
            core.trip(&reason);
        }
        let passes_by = || core.takes && core.breaker.is_open();
        if !passes_by() && core.backlog.records() > 0 {
            core.await_end(&records).await;
        }
        let began_ms = now_ms();
        let passes_by = passes_by();
        if !passes_by && core.backlog.records() == 0 {
            let outcomes = core.primary.send(&records).await;
            return self.rescue(records, outcomes, began_ms).await;
        }
        let check = |record: &Record| core.primary.check(record);
        let ways = core.backlog.sort(&records, passes_by, began_ms, check);
        self.part(records, ways, began_ms).await
    }

    /// Sends each record where it is to go.
    async fn part(&self, records: Vec<Record>, ways: Vec<Way>, began_ms: i64) -> Vec<Outcome> {
        let mut outcomes = vec![Ok(()); records.len()];
        let (mut direct, mut direct_places) = (Vec::new(), Vec::new());
        let (mut behind, mut behind_places) = (Vec::new(), Vec::new());
        for (place, (record, way)) in records.into_iter().zip(ways).enumerate() {
            match way {
                Way::Direct => {
                    direct.push(record);
                    direct_places.push(place);
                }
                Way::Behind => {
                    behind.push(Entry {
                        record,
                        began_ms,
                        doubtful: false,
                    });
                    behind_places.push(place);
                }
                Way::Refused(refusal) => outcomes[place] = Err(refusal),
            }
        }
        let keep = async {
            match behind.is_empty() {
                true => Vec::new(),
                false => self.core.keep(behind).await,
            }
        };
        let send = async {
            if direct.is_empty() {
                return Vec::new();
            }
            let sent = self.core.primary.send(&direct).await;
            self.rescue(direct, sent, began_ms).await
        };
        let (kept, sent) = join(keep, send).await;
        for (place, outcome) in behind_places.into_iter().zip(kept) {
            outcomes[place] = outcome;
        }
        for (place, outcome) in direct_places.into_iter().zip(sent) {
            outcomes[place] = outcome;
        }
        outcomes
    }

    /// Spills what the primary did not take.
    async fn rescue(
        &self,
        records: Vec<Record>,
        mut outcomes: Vec<Outcome>,
        began_ms: i64,
    ) -> Vec<Outcome> {
        let core = &self.core;
        let reason = outcomes.iter().find_map(|outcome| match outcome {
            Err(Refusal::Unavailable(reason) | Refusal::Unsent(reason)) => Some(Arc::clone(reason)),
            _ => None,
        });
        let Some(reason) = reason.filter(|_| core.takes) else {
            return outcomes;
        };
        let (mut entries, mut places) = (Vec::new(), Vec::new());
        for (place, (record, outcome)) in records.into_iter().zip(&outcomes).enumerate() {
            let doubtful = match outcome {
                Err(Refusal::Unavailable(_)) => true,
                Err(Refusal::Unsent(_)) => false,
                _ => continue,
            };
            let records_max = core.config.doubtful_records_max;
            let known = !doubtful || {
                let digest = Digest::of(&record.value);
                core.doubts
                    .add(digest, &record.topic, began_ms, records_max)
            };
            if known {
                core.backlog.add(&record, began_ms);
                places.push(place);
                entries.push(Entry {
                    record,
                    began_ms,
                    doubtful,
                });
            }
        }
        // The doubts first, for the forwarder looks for those that there are once it learns of the failure; and the
        // failure before the records are in the journal, for whoever reads them must know of it.
        core.trip(&reason);
        for (place, outcome) in places.into_iter().zip(core.keep(entries).await) {
            outcomes[place] = outcome;
        }
        outcomes
    }

    async fn end(&self) {
        let core = &self.core;
        core.closed.store(true, Ordering::SeqCst);
        self.stop.send_replace(true);
        core.primary.close().await;
        while core.under_way.load(Ordering::SeqCst) > 0 {
            core.quiet.notified().await;
        }
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "forwarding ended with a defect");
            }
        }
        core.journal.close().await;
        let (records, bytes) = (core.backlog.records(), core.backlog.bytes());
        if records > 0 {
            tracing::warn!(records, bytes, "what is spilled stays for the next start");
        }
    }
}

impl Writer for Spill {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(self.append_all(records))
    }

    fn health(&self) -> Health {
        let core = &self.core;
        if core.closed.load(Ordering::SeqCst) {
            return Health::Refusing(Refusal::Closed.to_string());
        }
        if !core.takes {
            return core.primary.health();
        }
        if core.breaker.is_open()
            && let Health::Refusing(reason) = core.written.health()
        {
            return Health::Refusing(format!("spill: {reason}"));
        }
        Health::Ready
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.end())
    }
}
