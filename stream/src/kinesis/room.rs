//! The memory of what was read and not handed over, shared by a reader's shards.
//!
//! A call reserves what its reply may bring at most, and gives back what it did not bring: so what all hold together never
//! exceeds the limit.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// No reply is larger: <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>.
pub(super) const REPLY_BYTES_MAX: u64 = 10 * MIB;

/// No shard takes more from its writers in a second.
const SHARD_BYTES_PER_S: u64 = MIB;

/// What an event costs beside its own bytes.
pub(super) fn bytes_of(value: &Bytes) -> usize {
    value.len() + size_of::<Bytes>()
}

/// All the room of a reader.
#[derive(Debug, Clone)]
pub(super) struct Rooms(Arc<Semaphore>);

impl Rooms {
    /// Room for so many bytes, at least one reply's.
    pub(super) fn new(bytes_max: u64) -> Self {
        let kib = usize::try_from(bytes_max.max(REPLY_BYTES_MAX) / KIB);
        let kib = kib
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(kib)))
    }

    /// Waits until there is room for so many bytes.
    pub(super) async fn reserve(&self, bytes: u64) -> Room {
        let kib = u32::try_from(bytes.min(REPLY_BYTES_MAX).div_ceil(KIB)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.0).acquire_many_owned(kib).await;
        // The semaphore is never closed.
        Room(permit.ok())
    }
}

/// What one reply may take.
#[derive(Debug, Default)]
pub(super) struct Room(Option<OwnedSemaphorePermit>);

impl Room {
    /// The part that a delivery of so many bytes takes with it: all that is left, if that is less.
    pub(super) fn split(&mut self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let rest = self.0.as_mut()?;
        let kib = (bytes as u64).div_ceil(KIB);
        let kib = usize::try_from(kib)
            .unwrap_or(usize::MAX)
            .min(rest.num_permits());
        rest.split(kib)
    }
}

/// What the next reply can bring at most. A shard that was read to its tip then cannot have more than what it took since.
pub(super) fn expected_bytes(caught_up: Option<Duration>) -> u64 {
    match caught_up {
        None => REPLY_BYTES_MAX,
        Some(since) => {
            let taken = SHARD_BYTES_PER_S.saturating_mul(since.as_secs() + 2);
            taken.min(REPLY_BYTES_MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_is_reserved_and_not_used_is_given_back_and_the_rest_when_it_is_handed_over() {
        let rooms = Rooms::new(0);
        let mut room = rooms.reserve(REPLY_BYTES_MAX).now_or_never().unwrap();
        assert!(rooms.reserve(1).now_or_never().is_none());
        let held = room.split(3 << 20);
        drop(room);
        assert!(rooms.reserve(8 << 20).now_or_never().is_none());
        assert!(rooms.reserve(7 << 20).now_or_never().is_some());
        drop(held);
        assert!(rooms.reserve(REPLY_BYTES_MAX).now_or_never().is_some());
    }

    #[test]
    fn an_idle_shard_reserves_what_it_can_have_taken() {
        assert_eq!(expected_bytes(None), 10 << 20);
        assert_eq!(expected_bytes(Some(Duration::from_millis(250))), 2 << 20);
        assert_eq!(expected_bytes(Some(Duration::from_secs(3))), 5 << 20);
        assert_eq!(expected_bytes(Some(Duration::from_secs(300))), 10 << 20);
    }
}
