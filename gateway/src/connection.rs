//! The life of one connection: its protocol is told from its first bytes, its requests are served, and between them
//! it is parked.
//!
//! hyper keeps buffers and state for as long as it has a connection, about 20 KiB. So it has one only while there is
//! something to do: a connection without a request is its socket, its timer and what it waits for.
//!
//! Timeouts are kept here and not by hyper, because hyper knows neither of the sniffing of the protocol before the
//! first request nor of a difference between waiting for a request and being sent one slowly.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};

use self::{
    activity::Activity,
    interrupts::{Due, Interrupt, Interrupts, Patience},
    serving::Parked,
    sniff::{Protocol, Sniff},
};
use crate::{collect::Collector, config::Config, drain::Drain, reply};

mod activity;
mod interrupts;
mod serving;
mod sniff;
mod watched;

/// What all connections share: how they are spoken to, who answers, and when they end.
pub(crate) struct Shared {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    patience: Patience,
    collector: Arc<Collector>,
    drain: Drain,
}

impl Shared {
    pub(crate) fn new(config: &Config, collector: Arc<Collector>, drain: Drain) -> Self {
        let limits = &config.limits;
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(limits.header_bytes_max as usize);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.http2_streams_max)
            .max_header_list_size(limits.header_bytes_max)
            .initial_stream_window_size(limits.http2_window_bytes)
            .initial_connection_window_size(limits.http2_window_bytes);
        Self {
            http1,
            http2,
            patience: Patience::new(config),
            collector,
            drain,
        }
    }
}

/// Tells a connection that is one too many so, if that can be done without waiting.
pub(crate) fn turn_away(socket: &TcpStream, shared: &Shared) {
    shared.collector.metrics().refused("connections");
    if let Err(error) = socket.try_write(reply::TOO_MANY_CONNECTIONS) {
        tracing::trace!(%error, "connection turned away unheard");
    }
}

/// Has a connection served; the drain waits for it.
pub(crate) fn spawn(socket: TcpStream, shared: Arc<Shared>, slot: OwnedSemaphorePermit) {
    let drain = shared.drain.clone();
    drain.spawn(serve(socket, shared, slot));
}

/// Serves a connection until it ends, is idle or slow for too long, or the gateway has drained. The slot is kept as
/// long.
async fn serve(socket: TcpStream, shared: Arc<Shared>, slot: OwnedSemaphorePermit) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "connection died before it was served");
        return;
    }
    shared.collector.metrics().connection_opened();
    live(socket, &shared).await;
    shared.collector.metrics().connection_ended();
    drop(slot);
}

async fn live(mut socket: TcpStream, shared: &Arc<Shared>) {
    let peer = socket.peer_addr().ok().map(|address| address.ip());
    let activity = Arc::new(Activity::new());
    let timer = pin!(tokio::time::sleep(shared.patience.idle));
    let closing = pin!(shared.drain.closing());
    let cut = pin!(shared.drain.cut());
    let mut interrupts = Interrupts {
        patience: shared.patience,
        activity: &activity,
        timer,
        closing: Some(closing),
        cut,
    };
    let mut sniff = Sniff::default();
    let sniffed = wait(shared, &mut interrupts, |cx| {
        sniff.poll(cx, &mut socket, &activity)
    });
    let Some(Ok(protocol)) = sniffed.await else {
        return;
    };
    let unread = sniff.into_bytes();
    let mut parked = Parked {
        socket,
        unread,
        peer,
    };
    // Serving is boxed, so that a parked connection does not keep room for hyper's.
    if protocol == Protocol::Http2 {
        return Box::pin(serving::http2(parked, shared, &activity, &mut interrupts)).await;
    }
    loop {
        let served = Box::pin(serving::http1(parked, shared, &activity, &mut interrupts)).await;
        let Some(quiet) = served else { return };
        parked = quiet;
        let heard = wait(shared, &mut interrupts, |cx| parked.poll_heard(cx));
        if heard.await.is_none() {
            return;
        }
    }
}

/// Waits for the client while hyper has no part in the connection; `None` when the connection is to end first.
async fn wait<T>(
    shared: &Shared,
    interrupts: &mut Interrupts<'_, '_>,
    mut client: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    let metrics = shared.collector.metrics();
    metrics.connection_parked();
    let waited = poll_fn(|cx| match client(cx) {
        Poll::Ready(heard) => Poll::Ready(Ok(heard)),
        Poll::Pending => interrupts.poll(cx, false).map(Err),
    });
    let waited = waited.await;
    metrics.connection_unparked();
    if let Err(Interrupt::Due(Due::Close(reason))) = waited {
        metrics.connection_closed(reason);
    }
    waited.ok()
}

#[cfg(test)]
mod tests {
    use headgate_schemas::registry::{Registry, SharedRegistry};
    use headgate_stream::testing::memory::Memory;
    use tokio::{net::TcpListener, sync::Semaphore};

    use super::*;
    use crate::{Parts, Topics, clock};

    /// What a parked connection keeps is its task, and what its socket is to the runtime.
    #[tokio::test]
    async fn the_task_of_a_connection_has_no_room_for_hypers_state() {
        let parts = Parts {
            writer: Memory::new(1).writer(),
            schemas: Arc::new(SharedRegistry::new(Registry::empty().unwrap())),
            sources: crate::SharedSources::new(&crate::sources::Config::new(), "/headgate")
                .unwrap()
                .into(),
            privacy: Default::default(),
            topics: Topics::default(),
            registry: prometheus::Registry::new(),
            checks: Vec::new(),
            notes: Vec::new(),
            clock: clock::system(),
        };
        let config = Config::default();
        let collector = Arc::new(Collector::new(&config, parts).unwrap());
        let shared = Arc::new(Shared::new(&config, collector, Drain::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = TcpStream::connect(address).await.unwrap();
        let slot = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let task = serve(socket, shared, slot);
        let bytes = std::mem::size_of_val(&task);
        assert!(bytes <= 1024, "{bytes}");
    }
}
