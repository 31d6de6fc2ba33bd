//! One connection: which protocols it speaks, and how long it may do nothing.
//!
//! Timeouts are kept here and not by hyper, because hyper knows neither of the sniffing of the protocol before the
//! first request nor of a difference between waiting for a request and being sent one slowly.

use std::{
    convert::Infallible,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

use crate::{collect::Collector, config::Config, drain::Drain, reply};

/// A connection that was told to close gets this long to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// How connections are spoken to: made once, shared by all.
pub(crate) struct Protocols {
    builder: auto::Builder<TokioExecutor>,
    header_timeout: Duration,
    idle_timeout: Duration,
}

impl Protocols {
    pub(crate) fn new(config: &Config) -> Self {
        let limits = &config.limits;
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(limits.header_bytes_max as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.http2_streams_max)
            .max_header_list_size(limits.header_bytes_max)
            .initial_stream_window_size(limits.http2_window_bytes)
            .initial_connection_window_size(limits.http2_window_bytes);
        Self {
            builder,
            header_timeout: Duration::from_millis(config.timeouts.header_timeout_ms),
            idle_timeout: Duration::from_millis(config.timeouts.idle_timeout_ms),
        }
    }
}

/// Tells a connection that is one too many so, if that can be done without waiting.
pub(crate) fn turn_away(socket: &TcpStream) {
    if let Err(error) = socket.try_write(reply::TOO_MANY_CONNECTIONS) {
        tracing::trace!(%error, "connection turned away unheard");
    }
}

/// Serves a connection until it ends, is idle or slow for too long, or the gateway has drained.
pub(crate) async fn serve(
    socket: TcpStream,
    protocols: Arc<Protocols>,
    collector: Arc<Collector>,
    drain: Drain,
) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "connection died before it was served");
        return;
    }
    let metrics = Arc::clone(collector.metrics());
    metrics.connection_opened();
    let activity = Arc::new(Activity::new(&protocols));
    let io = TokioIo::new(Watched {
        socket,
        activity: Arc::clone(&activity),
    });
    let service = service_fn(|request: Request<Incoming>| {
        // Boxed, so that a connection without a request does not keep room for the answering of one.
        Box::pin(answer(
            Arc::clone(&collector),
            Arc::clone(&activity),
            request,
        ))
    });
    let mut connection = pin!(protocols.builder.serve_connection(io, service));
    let mut timer = pin!(tokio::time::sleep(protocols.idle_timeout));
    let mut closing = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "connection failed");
                }
                break;
            }
            late = activity.late(timer.as_mut()) => {
                metrics.connection_closed(late);
                connection.as_mut().graceful_shutdown();
                // A client too slow to be told so is cut all the same.
                drop(tokio::time::timeout(GOODBYE, connection).await);
                break;
            }
            () = drain.closing(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = drain.cut() => {
                metrics.connection_closed("drain_deadline");
                break;
            }
        }
    }
    metrics.connection_ended();
}

async fn answer(
    collector: Arc<Collector>,
    activity: Arc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let _working = activity.request_began(request.version() == Version::HTTP_2);
    Ok(collector.respond(request).await)
}

/// What a connection last did. Written by its reads and requests, read by its timer.
struct Activity {
    opened: Instant,
    header_timeout: Duration,
    idle_timeout: Duration,
    /// Requests being answered.
    working: AtomicU32,
    /// When the connection last had nothing to do, in ms since it opened.
    quiet_ms: AtomicU64,
    /// When the first byte of a request came whose headers are not complete, in ms since opening, plus one; 0: none.
    begun_ms: AtomicU64,
    /// HTTP/2 clients send frames between requests: after the first, only idleness is told.
    http2: std::sync::atomic::AtomicBool,
}

impl Activity {
    fn new(protocols: &Protocols) -> Self {
        Self {
            opened: Instant::now(),
            header_timeout: protocols.header_timeout,
            idle_timeout: protocols.idle_timeout,
            working: AtomicU32::new(0),
            quiet_ms: AtomicU64::new(0),
            begun_ms: AtomicU64::new(0),
            http2: false.into(),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn bytes_came(&self) {
        let between = self.working.load(Relaxed) == 0 && !self.http2.load(Relaxed);
        if between && self.begun_ms.load(Relaxed) == 0 {
            self.begun_ms.store(self.now_ms() + 1, Relaxed);
        }
    }

    fn request_began(self: &Arc<Self>, http2: bool) -> Working {
        self.working.fetch_add(1, Relaxed);
        self.begun_ms.store(0, Relaxed);
        if http2 {
            self.http2.store(true, Relaxed);
        }
        Working(Arc::clone(self))
    }

    /// When this connection will have done nothing for too long, and how that is called.
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        if self.working.load(Relaxed) > 0 {
            return None;
        }
        Some(match self.begun_ms.load(Relaxed) {
            0 => {
                let quiet = Duration::from_millis(self.quiet_ms.load(Relaxed));
                (self.opened + quiet + self.idle_timeout, "idle")
            }
            begun => {
                let begun = Duration::from_millis(begun - 1);
                (self.opened + begun + self.header_timeout, "header_timeout")
            }
        })
    }

    /// Resolves when the deadline has passed. It is polled after each step of the connection, by the same task,
    /// so it sees every change of the deadline; the timer itself is only moved when it would ring too late.
    async fn late(&self, mut timer: Pin<&mut Sleep>) -> &'static str {
        std::future::poll_fn(|cx| {
            let Some((deadline, reason)) = self.deadline() else {
                return Poll::Pending;
            };
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(reason);
            }
            timer.as_mut().reset(deadline);
            timer.as_mut().poll(cx).map(|()| reason)
        })
        .await
    }
}

/// A request being answered.
struct Working(Arc<Activity>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.quiet_ms.store(self.0.now_ms(), Relaxed);
        self.0.working.fetch_sub(1, Relaxed);
    }
}

/// A socket that reports its reads.
struct Watched {
    socket: TcpStream,
    activity: Arc<Activity>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
