//! What ends a connection's waiting besides its client: its timer, and the gateway's drain.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFuture;

use super::activity::{Activity, Doing};
use crate::config::Config;

/// How long an HTTP/1 connection does nothing before it is parked. To be parked and served again costs about 4 µs of
/// CPU: a client that sends more than ten requests a second never pays it. Short all the same, so that while many
/// connections are opened hyper's buffers go round among them; after 1 s, 10,000 of them would hold them all at once.
pub(super) const PARK_AFTER: Duration = Duration::from_millis(100);

/// How long a connection may do what it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) header: Duration,
    pub(super) idle: Duration,
}

impl Patience {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            header: Duration::from_millis(config.timeouts.header_timeout_ms),
            idle: Duration::from_millis(config.timeouts.idle_timeout_ms),
        }
    }

    /// What is due next, and when.
    fn due(&self, doing: Doing, parkable: bool) -> Option<(Instant, Due)> {
        match doing {
            Doing::Answering => None,
            Doing::Receiving(since) => Some((since + self.header, Due::Close("header_timeout"))),
            Doing::Nothing(since) if parkable && PARK_AFTER < self.idle => {
                Some((since + PARK_AFTER, Due::Park))
            }
            Doing::Nothing(since) => Some((since + self.idle, Due::Close("idle"))),
        }
    }
}

/// What a connection's timer rings for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It has done nothing for long enough to give its buffers back.
    Park,
    /// It has done nothing, or been slow, for too long; the metrics' name of that.
    Close(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupt {
    Due(Due),
    /// The gateway drains: no further requests. Told once.
    Closing,
    /// The drain's deadline has passed.
    Cut,
}

/// Lives as long as its connection, so that neither timer nor drain is asked anew for each of its stages.
pub(super) struct Interrupts<'a, 'drain> {
    pub(super) patience: Patience,
    pub(super) activity: &'a Activity,
    pub(super) timer: Pin<&'a mut Sleep>,
    pub(super) closing: Option<Pin<&'a mut WaitForCancellationFuture<'drain>>>,
    pub(super) cut: Pin<&'a mut WaitForCancellationFuture<'drain>>,
}

impl Interrupts<'_, '_> {
    /// To be polled after each step of the connection, by the same task, so that it sees every change of what the
    /// connection does.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, parkable: bool) -> Poll<Interrupt> {
        let parkable = parkable && self.closing.is_some() && self.activity.all_written();
        if let Poll::Ready(due) = self.poll_timer(cx, parkable) {
            return Poll::Ready(Interrupt::Due(due));
        }
        if let Some(closing) = &mut self.closing
            && closing.as_mut().poll(cx).is_ready()
        {
            self.closing = None;
            return Poll::Ready(Interrupt::Closing);
        }
        self.cut.as_mut().poll(cx).map(|()| Interrupt::Cut)
    }

    /// The timer is only moved when it would ring too late: for a busy client it rings now and then in vain, which is
    /// less than to move it with each request.
    fn poll_timer(&mut self, cx: &mut Context<'_>, parkable: bool) -> Poll<Due> {
        let Some((deadline, due)) = self.patience.due(self.activity.doing(), parkable) else {
            return Poll::Pending;
        };
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        ready!(self.timer.as_mut().poll(cx));
        if Instant::now() >= deadline {
            return Poll::Ready(due);
        }
        self.timer.as_mut().reset(deadline);
        self.timer.as_mut().poll(cx).map(|()| due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_parked_before_it_is_idle_for_too_long_and_closed_when_it_is_slow() {
        let (header, idle) = (Duration::from_secs(10), Duration::from_secs(75));
        let patience = Patience { header, idle };
        let now = Instant::now();
        let due = |doing, parkable| patience.due(doing, parkable);
        assert_eq!(due(Doing::Answering, true), None);
        let slow = Some((now + header, Due::Close("header_timeout")));
        assert_eq!(due(Doing::Receiving(now), true), slow);
        let nothing = Doing::Nothing(now);
        assert_eq!(due(nothing, true), Some((now + PARK_AFTER, Due::Park)));
        let idle = Some((now + idle, Due::Close("idle")));
        assert_eq!(due(nothing, false), idle);
    }
}
