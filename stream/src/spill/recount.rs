//! At the start: which keys have something spilled, and what of it is doubtful, read from the journal.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{core::Core, entry::Entry, primary::Digest};
use crate::log::{Delivery, Partition, Position, ReadError, Reader, Records};

pub(super) struct Recount {
    pub(super) core: Arc<Core>,
    pub(super) reader: Box<dyn Reader>,
    pub(super) partition: Partition,
    /// What is spilled follows this.
    pub(super) from: Position,
    /// Up to here it was being sent when the process ended, since then.
    pub(super) interrupted: (Position, i64),
    /// How many records there are.
    pub(super) left: u64,
}

impl Recount {
    /// Reads them all; until then every key counts as one with something spilled. Cancelled by dropping.
    pub(super) async fn run(mut self, stop: &mut watch::Receiver<bool>) {
        let pause = Duration::from_millis(self.core.config.probe_interval_ms);
        self.reader.seek(&self.partition, &self.from);
        while self.left > 0 {
            let delivery = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                delivery = self.reader.next() => delivery,
            };
            let counted = delivery.and_then(|delivery| self.count(delivery));
            // Nothing is forwarded before all is counted.
            let stuck = counted.as_ref().err();
            self.core.set_stuck(
                stuck.map(|error| format!("what is spilled cannot be counted: {error}")),
            );
            if let Err(error) = counted {
                tracing::error!(%error, "what is spilled cannot be counted yet");
                self.reader.seek(&self.partition, &self.from);
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
        self.core.backlog.recounted();
        let (records, bytes) = (self.core.backlog.records(), self.core.backlog.bytes());
        tracing::info!(
            records,
            bytes,
            "records from before are spilled and will be forwarded"
        );
    }

    fn count(&mut self, delivery: Delivery) -> Result<(), ReadError> {
        let records: Records = match delivery {
            Delivery::Records(records) => records,
            Delivery::Gap { records, .. } => {
                self.left = self.left.saturating_sub(records.unwrap_or(0));
                return Ok(());
            }
            Delivery::Assigned(_) | Delivery::Revoked(_) | Delivery::Ended { .. } => {
                return Ok(());
            }
        };
        let interrupted = records.follows < self.interrupted.0;
        let entries: Option<Vec<Entry>> = records.values.iter().map(Entry::decode).collect();
        let entries = entries.ok_or_else(|| ReadError::Corrupt {
            partition: records.partition.clone(),
            after: records.follows.clone(),
            reason: "a record was written by another version".into(),
        })?;
        // Records that came since the start may follow in the same delivery: they are counted already.
        let from_before = usize::try_from(self.left).unwrap_or(usize::MAX);
        for entry in entries.iter().take(from_before) {
            self.core.backlog.recount(&entry.record, entry.began_ms);
            self.left -= 1;
            if entry.doubtful || interrupted {
                let began_ms = match interrupted {
                    true => entry.began_ms.min(self.interrupted.1),
                    false => entry.began_ms,
                };
                let digest = Digest::of(&entry.record.value);
                self.core
                    .doubts
                    .add(digest, &entry.record.topic, began_ms, u32::MAX);
            }
        }
        self.from = records.end;
        Ok(())
    }
}
