//! What became of a forwarded record, and why forwarding cannot go on.

use std::io;

use bytes::Bytes;

use super::{SET_ASIDE, batch::Item, core::Core, primary::Digest};
use crate::log::{Outcome, ReadError, Record, Refusal, Topic};

/// Why a step was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Primary(String),
    #[error("the spill cannot be read: {0}")]
    Read(#[from] ReadError),
    #[error("how far was forwarded cannot be written down: {0}")]
    Cursor(#[from] io::Error),
    #[error("a spilled record cannot be set aside: {0}")]
    SetAside(Refusal),
    #[error("a spilled record was written by another version")]
    Version,
    #[error("the spill is being closed")]
    Stopped,
}

/// Takes note of what became of a record that was sent.
pub(super) async fn settle(
    core: &Core,
    item: &mut Item,
    outcome: Outcome,
    began_ms: i64,
) -> Result<(), Trouble> {
    match outcome {
        Ok(()) => {
            item.done = true;
            core.metrics.count_forwarded(1);
            Ok(())
        }
        Err(refusal @ Refusal::TooLarge { .. }) => {
            set_aside(core, item, &refusal).await?;
            item.done = true;
            Ok(())
        }
        Err(Refusal::Closed) => Err(Trouble::Stopped),
        Err(refusal @ Refusal::Unavailable(_)) => {
            if item.digest.is_none() {
                let digest = Digest::of(&item.entry.record.value);
                let topic = &item.entry.record.topic;
                core.doubts.add(digest, topic, began_ms, u32::MAX);
                item.digest = Some(digest);
            }
            Err(Trouble::Primary(refusal.to_string()))
        }
        Err(refusal) => Err(Trouble::Primary(refusal.to_string())),
    }
}

/// Keeps a record that the primary will never take where an operator finds it.
async fn set_aside(core: &Core, item: &Item, refusal: &Refusal) -> Result<(), Trouble> {
    let topic = &item.entry.record.topic;
    tracing::error!(%topic, %refusal, "a spilled record is set aside: the stream will never take it");
    let record = Record {
        topic: Topic::new(SET_ASIDE),
        key: Bytes::new(),
        value: item.entry.encode(),
    };
    let outcomes = core.written.append(vec![record]).await;
    outcomes
        .into_iter()
        .collect::<Result<(), _>>()
        .map_err(Trouble::SetAside)?;
    core.metrics.count_set_aside();
    Ok(())
}
