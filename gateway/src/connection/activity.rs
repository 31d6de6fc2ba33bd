//! What a connection last did. Written by its reads, writes and requests, read by its timer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Requests are being answered.
    Answering,
    /// The first byte of a request came then, and its headers are not complete.
    Receiving(Instant),
    /// Since then nothing, though the client may not have read its replies.
    Nothing(Instant),
}

pub(super) struct Activity {
    opened: Instant,
    /// Requests being answered.
    working: AtomicU32,
    /// When the connection last had nothing to do, in ms since it opened.
    quiet_ms: AtomicU64,
    /// When the first byte of a request came whose headers are not complete, in ms since opening, plus one; 0: none.
    begun_ms: AtomicU64,
    /// HTTP/2 clients send frames between requests: after the first, only idleness is told.
    http2: AtomicBool,
    /// The client does not read: something is left to be written.
    unwritten: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            working: AtomicU32::new(0),
            quiet_ms: AtomicU64::new(0),
            begun_ms: AtomicU64::new(0),
            http2: AtomicBool::new(false),
            unwritten: AtomicBool::new(false),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    pub(super) fn bytes_came(&self) {
        let between = self.working.load(Relaxed) == 0 && !self.http2.load(Relaxed);
        if between && self.begun_ms.load(Relaxed) == 0 {
            self.begun_ms.store(self.now_ms() + 1, Relaxed);
        }
    }

    /// A write was tried.
    pub(super) fn wrote(&self, blocked: bool) {
        self.unwritten.store(blocked, Relaxed);
    }

    /// Whether the socket took all that it was given.
    pub(super) fn all_written(&self) -> bool {
        !self.unwritten.load(Relaxed)
    }

    pub(super) fn request_began(self: &Arc<Self>, http2: bool) -> Working {
        self.working.fetch_add(1, Relaxed);
        self.begun_ms.store(0, Relaxed);
        if http2 {
            self.http2.store(true, Relaxed);
        }
        Working(Arc::clone(self))
    }

    pub(super) fn doing(&self) -> Doing {
        if self.working.load(Relaxed) > 0 {
            return Doing::Answering;
        }
        match self.begun_ms.load(Relaxed) {
            0 => Doing::Nothing(self.at(self.quiet_ms.load(Relaxed))),
            begun => Doing::Receiving(self.at(begun - 1)),
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.opened + Duration::from_millis(ms)
    }
}

/// A request being answered.
pub(super) struct Working(Arc<Activity>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.quiet_ms.store(self.0.now_ms(), Relaxed);
        self.0.working.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_does_nothing_receives_and_answers() {
        let activity = Arc::new(Activity::new());
        let opened = Instant::now();
        let later = Duration::from_millis(7);
        assert_eq!(activity.doing(), Doing::Nothing(opened));
        tokio::time::advance(later).await;
        activity.bytes_came();
        tokio::time::advance(later).await;
        activity.bytes_came();
        assert_eq!(activity.doing(), Doing::Receiving(opened + later));
        let request = activity.request_began(false);
        assert_eq!(activity.doing(), Doing::Answering);
        activity.bytes_came();
        tokio::time::advance(later).await;
        drop(request);
        assert_eq!(activity.doing(), Doing::Nothing(opened + 3 * later));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_between_http2_requests_are_no_request() {
        let activity = Arc::new(Activity::new());
        drop(activity.request_began(true));
        activity.bytes_came();
        assert_eq!(activity.doing(), Doing::Nothing(Instant::now()));
    }
}
