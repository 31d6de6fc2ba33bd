//! The least that an HTTP server can do with a batch of events: read the body and answer. What the gateway costs
//! is measured against it.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const REPLY: &str = r#"{"accepted":1,"rejected":0,"results":[]}"#;
/// More are not accepted until others have ended.
const CONNECTIONS_MAX: usize = 1_024;

/// Serves until the listener fails, or until the future is dropped.
///
/// # Errors
/// When the listener can accept no more connections.
pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    serve_with(listener, answer).await
}

/// The same for any answer.
///
/// # Errors
/// When the listener can accept no more connections.
pub(super) async fn serve_with<A, R>(listener: TcpListener, answer: A) -> std::io::Result<()>
where
    A: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
{
    let room = std::sync::Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = std::sync::Arc::clone(&room).acquire_owned().await else {
            return Ok(());
        };
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let connection = http1::Builder::new();
            let served = connection.serve_connection(TokioIo::new(stream), service_fn(answer));
            // The client going away is how every connection ends here.
            drop(served.await);
            drop(permit);
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // An unreadable body ends the connection, which the client counts as a failure.
    drop(request.into_body().collect().await);
    let mut response = Response::new(Full::new(Bytes::from_static(REPLY.as_bytes())));
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}
