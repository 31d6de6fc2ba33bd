//! A proxy between a client of S3 or Kinesis and its server that breaks what it is told to: what a network and a busy
//! service do.
//!
//! It speaks just enough HTTP/1.1: a request at a time on each connection, with a length, and closes the connection
//! after the reply.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

/// The longest head of a request or reply, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 64 << 20;

/// How many connections there are at once.
const CONNECTIONS_MAX: usize = 1_024;

/// How long a connection that says nothing is kept, in s.
const IDLE_S: u64 = 60;

/// A request, as a test decides by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// What Kinesis is asked to do, as `PutRecords`; empty for S3.
    pub operation: String,
    /// The body.
    pub body: Bytes,
    /// How many requests there were before it.
    pub number: u64,
}

/// What becomes of the body of a reply.
pub type EditReply = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// Another body that is passed on, and what becomes of the body of the reply to it.
#[derive(Clone)]
pub struct Edit {
    /// What the server gets.
    pub body: Bytes,
    /// What the client gets, of what the server answers.
    pub reply: EditReply,
}

impl std::fmt::Debug for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Edit")
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing: it is passed on, and so is the reply.
    None,
    /// It is answered with this status and error code, and the server never sees it.
    Answer(u16, &'static str),
    /// It is passed on after this long.
    Delay(Duration),
    /// The connection is cut, and the server never sees it.
    CutBefore,
    /// The server carries it out, and the connection is cut instead of a reply.
    CutAfter,
    /// The server carries it out, and is said to have answered this.
    AnswerAfter(u16, &'static str),
    /// The reply ends after this many bytes.
    Truncate(usize),
    /// It is passed on when no other such request is under way.
    Queue,
    /// Something else is passed on.
    Edit(Edit),
}

/// Decides what happens to each request.
type Plan = Box<dyn FnMut(&Request) -> Fault + Send>;

struct State {
    plan: Plan,
    requests: u64,
    queue: Arc<tokio::sync::Mutex<()>>,
}

/// A proxy on a port of its own. It ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _accepting: JoinSet<()>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Starts a proxy in front of the server at `http://host:port`. It breaks nothing yet.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(endpoint: &str) -> io::Result<Self> {
        let server = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            plan: Box::new(|_| Fault::None),
            requests: 0,
            queue: Arc::default(),
        }));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, server, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            _accepting: accepting,
        })
    }

    /// Where clients connect to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on the plan decides what happens to each request.
    pub fn plan(&self, plan: impl FnMut(&Request) -> Fault + Send + 'static) {
        lock(&self.state).plan = Box::new(plan);
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        lock(&self.state).requests
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, server: String, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        let (server, state) = (server.clone(), Arc::clone(&state));
        connections.spawn(async move {
            let served = serve(client, &server, &state);
            match timeout(Duration::from_secs(IDLE_S), served).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "connection through the proxy ended"),
                Err(_) => tracing::debug!("connection through the proxy was idle"),
            }
        });
    }
}

/// One request and its reply.
async fn serve(mut client: TcpStream, server: &str, state: &Mutex<State>) -> io::Result<()> {
    let Some((head, mut body)) = request(&mut client).await? else {
        return Ok(());
    };
    let operation = header(&head, "x-amz-target").unwrap_or_default();
    let operation = operation.rsplit('.').next().unwrap_or_default().to_owned();
    let kinesis = !operation.is_empty();
    let (fault, queue) = {
        let mut state = lock(state);
        let number = state.requests;
        state.requests += 1;
        let mut words = head.split(' ').map(str::to_owned);
        let request = Request {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            operation,
            body: body.clone(),
            number,
        };
        ((state.plan)(&request), Arc::clone(&state.queue))
    };
    match fault {
        Fault::Answer(status, code) => return answer(&mut client, status, code, kinesis).await,
        Fault::CutBefore => return Ok(()),
        Fault::Delay(delay) => sleep(delay).await,
        _ => {}
    }
    let alone = match fault {
        Fault::Queue => Some(queue.lock().await),
        _ => None,
    };
    if let Fault::Edit(edit) = &fault {
        body = edit.body.clone();
    }
    let reply = pass_on(server, &head, &body).await?;
    drop(alone);
    match fault {
        Fault::CutAfter => Ok(()),
        Fault::AnswerAfter(status, code) => answer(&mut client, status, code, kinesis).await,
        Fault::Edit(edit) => client.write_all(&edited(&reply, &edit)?).await,
        Fault::Truncate(bytes) => client.write_all(&reply[..bytes.min(reply.len())]).await,
        _ => client.write_all(&reply).await,
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim().to_owned())
}

/// Reads a request, whole; `None` when the client closed the connection instead.
async fn request(client: &mut TcpStream) -> io::Result<Option<(String, Bytes)>> {
    let mut read = BytesMut::new();
    let head_bytes = loop {
        if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if read.len() > HEAD_BYTES_MAX {
            return Err(io::Error::other("the request's head is too long"));
        }
        if client.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&read.split_to(head_bytes)).into_owned();
    let length: usize = header(&head, "content-length")
        .map_or(Ok(0), |n| n.parse())
        .map_err(io::Error::other)?;
    if header(&head, "transfer-encoding").is_some() || length > BODY_BYTES_MAX {
        return Err(io::Error::other(
            "the request's body is too large or has no length",
        ));
    }
    if header(&head, "expect").is_some() && read.len() < length {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    while read.len() < length {
        if client.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some((head, read.freeze())))
}

/// The server's reply, up to the end of the connection.
async fn pass_on(server: &str, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(server).await?;
    let kept = head.trim_end().lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !["connection", "content-length", "expect"]
            .iter()
            .any(|dropped| name.eq_ignore_ascii_case(dropped))
    });
    let mut head: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    let length = body.len();
    head.push_str(&format!(
        "Content-Length: {length}\r\nConnection: close\r\n\r\n"
    ));
    upstream.write_all(head.as_bytes()).await?;
    upstream.write_all(body).await?;
    let mut reply = Vec::new();
    upstream.read_to_end(&mut reply).await?;
    Ok(reply)
}

/// The reply with another body.
fn edited(reply: &[u8], edit: &Edit) -> io::Result<Vec<u8>> {
    let head_bytes = reply.windows(4).position(|window| window == b"\r\n\r\n");
    let head_bytes = head_bytes.ok_or_else(|| io::Error::other("the reply has no head"))? + 4;
    let head = String::from_utf8_lossy(&reply[..head_bytes]);
    if header(&head, "transfer-encoding").is_some() {
        return Err(io::Error::other("the reply's body has no length"));
    }
    let body = (edit.reply)(&reply[head_bytes..]);
    let status = head.lines().next().unwrap_or_default();
    let mut edited = format!(
        "{status}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    edited.extend_from_slice(&body);
    Ok(edited)
}

async fn answer(client: &mut TcpStream, status: u16, code: &str, kinesis: bool) -> io::Result<()> {
    let (kind, body) = match kinesis {
        true => (
            "application/x-amz-json-1.1",
            format!("{{\"__type\":\"{code}\",\"message\":\"said by the proxy\"}}"),
        ),
        false => (
            "application/xml",
            format!(
                "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>said by the proxy</Message></Error>"
            ),
        ),
    };
    let reply = format!(
        "HTTP/1.1 {status} Fault\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    client.write_all(reply.as_bytes()).await
}
