//! The disk that all segments of the journal use together, and whether there is room for more.

use std::sync::atomic::{AtomicU64, Ordering};

/// The account of bytes on disk.
#[derive(Debug)]
pub(super) struct Space {
    used_bytes: AtomicU64,
    bytes_max: u64,
    /// What the last refused write needed; zero while there is room.
    wanted_bytes: AtomicU64,
}

impl Space {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            used_bytes: AtomicU64::new(0),
            bytes_max,
            wanted_bytes: AtomicU64::new(0),
        }
    }

    /// Counts bytes that are on disk already.
    pub(super) fn found(&self, bytes: u64) {
        self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes the bytes if there is room for them.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let room = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        self.used_bytes
            .try_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok()
    }

    /// Gives bytes back.
    pub(super) fn release(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Notes that a write of that many bytes was refused.
    pub(super) fn refused(&self, bytes: u64) {
        self.wanted_bytes.store(bytes.max(1), Ordering::Relaxed);
    }

    /// Whether the last refused write would be refused again.
    pub(super) fn is_full(&self) -> bool {
        let wanted = self.wanted_bytes.load(Ordering::Relaxed);
        wanted > 0 && self.used_bytes().saturating_add(wanted) > self.bytes_max
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::Space;

    #[test]
    fn full_until_the_refused_write_would_fit() {
        let space = Space::new(10);
        assert!(space.reserve(8) && !space.reserve(3) && !space.is_full());
        space.refused(3);
        assert!(space.is_full());
        space.release(1);
        assert!(!space.is_full() && space.reserve(3) && !space.reserve(u64::MAX));
    }
}
