//! How the readers of one stream share its partitions where the stream itself has no groups.
//!
//! Each reader posts on a [`Board`], every few seconds, that it lives, and sees who else does. All compute the same
//! assignment from that, so nobody leads and nobody has to agree. Where two differ for a while they read the
//! same partition, which costs work and never rows: the commit log fences. `docs/adr/0015-kinesis-reader.md` says why.

#[cfg(feature = "kinesis")]
pub(crate) mod assign;
#[cfg(feature = "kinesis")]
pub(crate) mod members;

use std::{collections::BTreeMap, error::Error, fmt, sync::Arc};

use futures_util::future::BoxFuture;

use crate::log::{Partition, Position, StreamId};

/// What a member has posted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Its number: a member's rise by one.
    pub number: u64,
    /// When it was posted, by the board's clock, in ms since the epoch.
    pub posted_ms: i64,
}

/// Why a board could not be used; the same call may succeed later.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {doing}: {source}")]
pub struct BoardError {
    doing: &'static str,
    source: Arc<dyn Error + Send + Sync>,
}

impl BoardError {
    /// What was attempted, as a verb, and why it failed.
    pub fn new(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            doing,
            source: source.into().into(),
        }
    }
}

/// A place that all readers of a stream reach, and where those who land it keep how far it has landed.
///
/// Nothing is promised about what two members see at one moment: only that what was posted is seen by all soon.
pub trait Board: fmt::Debug + Send + Sync + 'static {
    /// Posts that beat of the member, and takes down the one before it. Posting one again is no error.
    fn post(
        &self,
        stream: &StreamId,
        member: &str,
        beat: u64,
    ) -> BoxFuture<'_, Result<(), BoardError>>;

    /// Takes that beat of a member down; succeeds when it is not there. A member that lives shows itself with its next
    /// beat.
    fn remove(
        &self,
        stream: &StreamId,
        member: &str,
        beat: u64,
    ) -> BoxFuture<'_, Result<(), BoardError>>;

    /// The newest beat of each member that has one.
    fn members(
        &self,
        stream: &StreamId,
    ) -> BoxFuture<'_, Result<BTreeMap<String, Beat>, BoardError>>;

    /// How far each partition of the stream has landed; those that never did are left out.
    fn tails(
        &self,
        stream: &StreamId,
    ) -> BoxFuture<'_, Result<BTreeMap<Partition, Position>, BoardError>>;
}
