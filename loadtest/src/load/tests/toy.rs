//! A small gateway: answers as the real one documents, keeps what it accepted in memory, and misbehaves on demand.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use headgate_schemas::registry::Registry;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::ledger::BAD_EVENTS;

/// How often it misbehaves, in requests or events; zero is never.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Behaviour {
    /// Every so many requests the connection breaks before anything is done.
    pub(super) break_before_every: u64,
    /// Every so many requests the connection breaks although the events landed.
    pub(super) break_after_every: u64,
    /// Every so many requests all events are to be sent again.
    pub(super) refuse_every: u64,
    /// Every so many events one is answered and does not land.
    pub(super) lose_every: u64,
    /// Every so many events one lands twice.
    pub(super) double_every: u64,
}

struct State {
    schemas: Arc<Registry>,
    behaviour: Behaviour,
    requests: AtomicU64,
    events: AtomicU64,
    rows: Mutex<Vec<(String, String)>>,
    held: watch::Sender<bool>,
}

pub(super) struct Toy {
    address: SocketAddr,
    state: Arc<State>,
    server: tokio::sync::Mutex<JoinHandle<()>>,
}

fn every(count: u64, number: u64) -> bool {
    count > 0 && number % count == count - 1
}

impl Toy {
    pub(super) async fn start(schemas: Arc<Registry>, behaviour: Behaviour) -> Toy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            schemas,
            behaviour,
            requests: AtomicU64::new(0),
            events: AtomicU64::new(0),
            rows: Mutex::default(),
            held: watch::Sender::new(false),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Toy {
            address,
            state,
            server: tokio::sync::Mutex::new(server),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn rows(&self) -> Vec<(String, String)> {
        self.state
            .rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Breaks all connections and stops listening.
    pub(super) async fn kill(&self) {
        let mut server = self.server.lock().await;
        server.abort();
        drop((&mut *server).await);
    }

    pub(super) async fn revive(&self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let server = tokio::spawn(serve(socket.listen(64).unwrap(), Arc::clone(&self.state)));
        *self.server.lock().await = server;
    }

    /// Keeps all replies back until [`Toy::release`].
    pub(super) fn hold(&self) {
        self.state.held.send_replace(true);
    }

    pub(super) fn release(&self) {
        self.state.held.send_replace(false);
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let state = Arc::clone(&state);
        let service =
            hyper::service::service_fn(move |request| answer(Arc::clone(&state), request));
        connections.spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            drop(
                builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let broken = || Err(std::io::Error::other("told to break"));
    let gzip = request
        .headers()
        .contains_key(http::header::CONTENT_ENCODING);
    let Ok(body) = request.into_body().collect().await else {
        return broken();
    };
    let body = inflated(body.to_bytes(), gzip);
    drop(state.held.subscribe().wait_for(|held| !held).await);
    let number = state.requests.fetch_add(1, Ordering::Relaxed);
    if every(state.behaviour.break_before_every, number) {
        return broken();
    }
    if every(state.behaviour.refuse_every, number) {
        return Ok(reply(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({"error": "busy"}),
        ));
    }
    let events: Value = serde_json::from_slice(&body).unwrap();
    let events = match events {
        Value::Array(events) => events,
        event => vec![event],
    };
    let results: Vec<Value> = events
        .iter()
        .enumerate()
        .map(|(index, event)| state.land(index, event))
        .collect();
    if every(state.behaviour.break_after_every, number) {
        return broken();
    }
    let rejected = results
        .iter()
        .filter(|result| result["status"] == "rejected")
        .count();
    let status = match rejected {
        0 => StatusCode::OK,
        all if all == results.len() => StatusCode::BAD_REQUEST,
        _ => StatusCode::MULTI_STATUS,
    };
    let accepted = results.len() - rejected;
    let body = json!({"accepted": accepted, "rejected": rejected, "results": results});
    Ok(reply(status, &body))
}

impl State {
    fn land(&self, index: usize, event: &Value) -> Value {
        let id = event["id"].as_str().unwrap();
        let data = event["data"].to_string();
        let kind = event["type"].as_str().unwrap();
        let schema = self
            .schemas
            .resolve(kind, event["dataschema"].as_str())
            .ok();
        let valid = schema.filter(|schema| schema.check(&data, 64).is_ok());
        let table = valid.map_or(BAD_EVENTS, |schema| schema.table());
        let number = self.events.fetch_add(1, Ordering::Relaxed);
        let times = if every(self.behaviour.lose_every, number) {
            0
        } else if every(self.behaviour.double_every, number) {
            2
        } else {
            1
        };
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.extend((0..times).map(|_| (table.to_owned(), id.to_owned())));
        let status = if valid.is_some() {
            "accepted"
        } else {
            "rejected"
        };
        json!({"index": index, "id": id, "status": status})
    }
}

fn inflated(body: Bytes, gzip: bool) -> Vec<u8> {
    if !gzip {
        return body.to_vec();
    }
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_end(&mut inflated)
        .unwrap();
    inflated
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
}
