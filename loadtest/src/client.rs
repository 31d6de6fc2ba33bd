//! One HTTP connection at a time to the gateway: kept alive, made again when it broke, HTTP/1.1 or HTTP/2.
//!
//! A failure says whether the request may have reached the server, because only then is its outcome unknown.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

const REPLY_BYTES_MAX: usize = 64 << 20;

/// Why the target cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an `http://host:port/path`.
    #[error("url {url:?}: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The target is not on this machine, and that was not allowed.
    #[error(
        "{address} is not a loopback address; loading another machine must be allowed expressly"
    )]
    Remote {
        /// Where the URL's host leads.
        address: SocketAddr,
    },
}

/// Where requests go.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    uri: Uri,
}

impl Target {
    pub(crate) async fn resolve(url: &str, allow_remote: bool) -> Result<Target, Error> {
        let wrong = |reason: String| Error::Url {
            url: url.to_owned(),
            reason,
        };
        let uri: Uri = url
            .parse()
            .map_err(|e: http::uri::InvalidUri| wrong(e.to_string()))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("must start with http://".to_owned()));
        }
        let host = uri.host().ok_or_else(|| wrong("has no host".to_owned()))?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = uri.port_u16().unwrap_or(80);
        let found = tokio::net::lookup_host((host.as_str(), port)).await;
        let mut found = found.map_err(|error| wrong(error.to_string()))?;
        let address = found
            .next()
            .ok_or_else(|| wrong("its host has no address".to_owned()))?;
        if !allow_remote && !address.ip().is_loopback() {
            return Err(Error::Remote { address });
        }
        Ok(Target { address, uri })
    }
}

/// How a request was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Why a request was not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody listened: no byte of it reached the server.
    Refused(String),
    /// No byte of it reached the server.
    NotSent(String),
    /// The server may have got it and even have acted on it.
    Broken(String),
}

/// What all connections of a run have in common.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) target: Target,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) gzip: bool,
}

type Body = Full<Bytes>;

/// Ends the task that drives a connection when the connection is dropped.
#[derive(Debug)]
pub(crate) struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An HTTP/2 connection that several clients share.
pub(crate) type Shared = Arc<Mutex<Option<(http2::SendRequest<Body>, Arc<Driver>)>>>;

enum Link {
    Http1(Option<(http1::SendRequest<Body>, Driver)>),
    Http2(Shared),
}

/// Sends one request at a time.
pub(crate) struct Client {
    settings: Arc<Settings>,
    link: Link,
}

impl Client {
    /// A client with an HTTP/1.1 connection of its own, made when first needed.
    pub(crate) fn http1(settings: Arc<Settings>) -> Client {
        Client {
            settings,
            link: Link::Http1(None),
        }
    }

    /// A client that sends over an HTTP/2 connection which others share.
    pub(crate) fn http2(settings: Arc<Settings>, shared: Shared) -> Client {
        Client {
            settings,
            link: Link::Http2(shared),
        }
    }

    /// Posts `body` and reads the reply whole.
    pub(crate) async fn post(&mut self, body: Bytes) -> Result<Reply, Failure> {
        let deadline = Instant::now() + self.settings.request_timeout;
        let settings = Arc::clone(&self.settings);
        let answered = match &mut self.link {
            Link::Http1(link) => post_http1(&settings, link, body, deadline).await,
            Link::Http2(shared) => post_http2(&settings, shared, body, deadline).await,
        };
        if answered.is_err()
            && let Link::Http1(link) = &mut self.link
        {
            *link = None;
        }
        answered
    }
}

async fn post_http1(
    settings: &Settings,
    link: &mut Option<(http1::SendRequest<Body>, Driver)>,
    mut body: Bytes,
    deadline: Instant,
) -> Result<Reply, Failure> {
    loop {
        let fresh = link.is_none();
        if fresh {
            let io = connect(settings).await?;
            let (sender, connection) = http1::handshake(io).await.map_err(not_sent)?;
            *link = Some((sender, Driver(tokio::spawn(connection).abort_handle())));
        }
        let Some((sender, _)) = link.as_mut() else {
            continue;
        };
        let error = match timeout_at(deadline, sender.ready()).await {
            Ok(Ok(())) => {
                let sent = sender.try_send_request(settings.request(body.clone(), false));
                match answer(sent, deadline).await? {
                    Ok(reply) => return Ok(reply),
                    Err((unsent, error)) => {
                        body = unsent;
                        error
                    }
                }
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => return Err(Failure::NotSent("the connection stayed busy".to_owned())),
        };
        // A kept-alive connection may have been closed meanwhile; on a new one that is a failure.
        *link = None;
        if fresh {
            return Err(Failure::NotSent(error));
        }
    }
}

async fn post_http2(
    settings: &Settings,
    shared: &Shared,
    mut body: Bytes,
    deadline: Instant,
) -> Result<Reply, Failure> {
    loop {
        let (mut sender, driver, fresh) = {
            let mut link = shared.lock().await;
            match link.as_ref().filter(|(sender, _)| !sender.is_closed()) {
                Some((sender, driver)) => (sender.clone(), Arc::clone(driver), false),
                None => {
                    let io = connect(settings).await?;
                    let shaken = http2::handshake(TokioExecutor::new(), io).await;
                    let (sender, connection) = shaken.map_err(not_sent)?;
                    let driver = Arc::new(Driver(tokio::spawn(connection).abort_handle()));
                    *link = Some((sender.clone(), Arc::clone(&driver)));
                    (sender, driver, true)
                }
            }
        };
        let sent = sender.try_send_request(settings.request(body.clone(), true));
        let answered = answer(sent, deadline).await?;
        drop(driver);
        match answered {
            Ok(reply) => return Ok(reply),
            Err((_, error)) if fresh => return Err(Failure::NotSent(error)),
            Err((unsent, _)) => body = unsent,
        }
    }
}

async fn connect(settings: &Settings) -> Result<TokioIo<TcpStream>, Failure> {
    let stream = timeout(
        settings.connect_timeout,
        TcpStream::connect(settings.target.address),
    );
    let stream = match stream.await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            return Err(Failure::Refused(error.to_string()));
        }
        Ok(stream) => stream.map_err(not_sent)?,
        Err(_) => return Err(Failure::NotSent("connecting timed out".to_owned())),
    };
    stream.set_nodelay(true).map_err(not_sent)?;
    Ok(TokioIo::new(stream))
}

fn not_sent(error: impl std::error::Error) -> Failure {
    let source = error
        .source()
        .map_or_else(String::new, |source| format!(": {source}"));
    Failure::NotSent(format!("{error}{source}"))
}

/// The reply; or the request's body back, when it was never sent.
async fn answer(
    sent: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>>,
    deadline: Instant,
) -> Result<Result<Reply, (Bytes, String)>, Failure> {
    let timed_out = || Failure::Broken("timed out".to_owned());
    let response = match timeout_at(deadline, sent).await.map_err(|_| timed_out())? {
        Ok(response) => response,
        Err(mut error) => {
            let text = error.error().to_string();
            let Some(request) = error.take_message() else {
                return Err(Failure::Broken(text));
            };
            let collected = request.into_body().collect().await;
            return Ok(Err((collected.map_err(|e| match e {})?.to_bytes(), text)));
        }
    };
    let status = response.status();
    let collected = Limited::new(response.into_body(), REPLY_BYTES_MAX).collect();
    match timeout_at(deadline, collected)
        .await
        .map_err(|_| timed_out())?
    {
        Ok(body) => Ok(Ok(Reply {
            status,
            body: body.to_bytes(),
        })),
        Err(error) => Err(Failure::Broken(error.to_string())),
    }
}

impl Settings {
    fn request(&self, body: Bytes, http2: bool) -> Request<Body> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        let path = || {
            self.target
                .uri
                .path_and_query()
                .map(|path| Uri::from(path.clone()))
        };
        *request.uri_mut() = if http2 {
            self.target.uri.clone()
        } else {
            path().unwrap_or_default()
        };
        let headers = request.headers_mut();
        let json = header::HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        if self.gzip {
            let gzip = header::HeaderValue::from_static("gzip");
            headers.insert(header::CONTENT_ENCODING, gzip);
        }
        let authority = self
            .target
            .uri
            .authority()
            .map(http::uri::Authority::as_str);
        let host = authority.and_then(|host| header::HeaderValue::from_str(host).ok());
        if let Some(host) = host.filter(|_| !http2) {
            headers.insert(header::HOST, host);
        }
        request
    }
}
