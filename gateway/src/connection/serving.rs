//! A connection in hyper's hands: from the first byte of a request until it ends or may be parked.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, Version, header};
use http_body_util::Full;
use hyper::{body::Incoming, service::Service};
use hyper_util::{rt::TokioIo, server::graceful::GracefulConnection};
use tokio::net::TcpStream;

use super::{
    Shared,
    activity::Activity,
    interrupts::{Due, Interrupt, Interrupts},
    watched::Watched,
};

/// A connection that was told to close gets this long to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What is left of a connection that does nothing.
pub(super) struct Parked {
    pub(super) socket: TcpStream,
    /// The start of a request that came right behind the last one.
    pub(super) unread: Bytes,
    /// The address of its other end.
    pub(super) peer: Option<IpAddr>,
}

impl Parked {
    /// Resolves when the client has said something more, or gone.
    pub(super) fn poll_heard(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is hyper's to find: it reads next.
        self.socket.poll_read_ready(cx).map(drop)
    }
}

/// Speaks HTTP/1 until the connection ends, which is `None`, or has done nothing for a while.
pub(super) async fn http1(
    parked: Parked,
    shared: &Arc<Shared>,
    activity: &Arc<Activity>,
    interrupts: &mut Interrupts<'_, '_>,
) -> Option<Parked> {
    let peer = parked.peer;
    let io = Watched::new(parked.socket, parked.unread, Arc::clone(activity));
    let service = Answering::new(shared, activity, peer);
    let mut connection = shared.http1.serve_connection(TokioIo::new(io), service);
    let mut parkable = true;
    while serve(&mut connection, shared, interrupts, parkable).await == Left::Quiet {
        // hyper lets go of an idle connection at once, and without a word to the client.
        Pin::new(&mut connection).graceful_shutdown();
        match poll_fn(|cx| Poll::Ready(connection.poll_without_shutdown(cx))).await {
            Poll::Ready(Ok(())) => {
                let parts = connection.into_parts();
                let (socket, behind) = parts.io.into_inner().into_parts();
                let unread = Bytes::from([parts.read_buf, behind].concat());
                return Some(Parked {
                    socket,
                    unread,
                    peer,
                });
            }
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "connection failed");
                return None;
            }
            // Not idle to hyper: it closes the connection when it is.
            Poll::Pending => parkable = false,
        }
    }
    None
}

/// Speaks HTTP/2 until the connection ends.
pub(super) async fn http2(
    parked: Parked,
    shared: &Arc<Shared>,
    activity: &Arc<Activity>,
    interrupts: &mut Interrupts<'_, '_>,
) {
    let io = Watched::new(parked.socket, parked.unread, Arc::clone(activity));
    let service = Answering::new(shared, activity, parked.peer);
    let mut connection = shared.http2.serve_connection(TokioIo::new(io), service);
    serve(&mut connection, shared, interrupts, false).await;
}

/// How hyper's connection was left.
#[derive(PartialEq, Eq)]
enum Left {
    Ended,
    Quiet,
}

async fn serve<C>(
    connection: &mut C,
    shared: &Shared,
    interrupts: &mut Interrupts<'_, '_>,
    parkable: bool,
) -> Left
where
    C: GracefulConnection<Error = hyper::Error> + Unpin,
{
    let mut connection = Pin::new(connection);
    loop {
        let step = poll_fn(|cx| match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Err(ended)),
            Poll::Pending => interrupts.poll(cx, parkable).map(Ok),
        });
        match step.await {
            Ok(Interrupt::Due(Due::Park)) => return Left::Quiet,
            Ok(Interrupt::Due(Due::Close(reason))) => {
                shared.collector.metrics().connection_closed(reason);
                connection.as_mut().graceful_shutdown();
                // A client too slow to be told so is cut all the same.
                drop(tokio::time::timeout(GOODBYE, connection).await);
                return Left::Ended;
            }
            Ok(Interrupt::Closing) => connection.as_mut().graceful_shutdown(),
            Ok(Interrupt::Cut) => {
                let metrics = shared.collector.metrics();
                metrics.connection_closed("drain_deadline");
                return Left::Ended;
            }
            Err(ended) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection failed");
                }
                return Left::Ended;
            }
        }
    }
}

/// The gateway to one connection's requests.
struct Answering {
    shared: Arc<Shared>,
    activity: Arc<Activity>,
    peer: Option<IpAddr>,
}

impl Answering {
    fn new(shared: &Arc<Shared>, activity: &Arc<Activity>, peer: Option<IpAddr>) -> Self {
        Self {
            shared: Arc::clone(shared),
            activity: Arc::clone(activity),
            peer,
        }
    }
}

impl Service<Request<Incoming>> for Answering {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    /// Boxed, so that a connection without a request does not keep room for the answering of one.
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let working = (self.activity).request_began(request.version() == Version::HTTP_2);
        let (shared, peer) = (Arc::clone(&self.shared), self.peer);
        Box::pin(async move {
            let _working = working;
            let http1 = request.version() < Version::HTTP_2;
            let mut response = shared.collector.respond(request, peer).await;
            // The client is to go elsewhere, and is best told so by a reply: of a connection that is closed under its
            // next request it could not tell whether that was heard. HTTP/2 has a way of its own.
            if http1 && shared.drain.has_begun() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok(response)
        })
    }
}
