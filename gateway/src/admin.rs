//! The admin port, apart from the events' port: probes and metrics. Any of Headgate's processes can serve it.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Registry, TextEncoder};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    reply,
    server::{Error, accept, listen},
};

/// Tells why the process is not ready, or nothing when it is. Cheap: called by every probe.
pub type Check = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// A probe's connection that sends no whole request in this time is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the admin port serves.
#[derive(Clone)]
pub struct AdminState {
    /// `/metrics` in Prometheus' text format.
    pub registry: Registry,
    /// `/ready` is 200 when none of these has a reason, else 503 with the reasons.
    pub checks: Vec<Check>,
    /// What an operator should know though the process is ready: shown by `/ready` as `degraded`.
    pub notes: Vec<Check>,
    /// `/version`.
    pub version: &'static str,
    /// Connections at once; more are closed at once.
    pub connections_max: u32,
}

/// Binds the port, for a process that has an admin port and no gateway.
///
/// # Errors
/// The address cannot be listened on.
pub fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    listen("admin.listen", address)
}

/// Serves until `stop` is cancelled. Answers to requests in work are not waited for.
pub async fn serve(listener: TcpListener, state: AdminState, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(state.connections_max as usize));
    let state = Arc::new(state);
    while let Some(socket) = stop.run_until_cancelled(accept(&listener)).await {
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            continue;
        };
        let (state, stop) = (Arc::clone(&state), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&state, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(16 << 10)
                .serve_connection(TokioIo::new(socket), service);
            if let Some(Err(error)) = stop.run_until_cancelled(connection).await {
                tracing::debug!(%error, "admin connection failed");
            }
            drop(slot);
        });
    }
}

fn answer(state: &AdminState, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let known = matches!(
        request.uri().path(),
        "/live" | "/ready" | "/metrics" | "/version"
    );
    if !known {
        return reply::not_found("/live, /ready, /metrics and /version");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return reply::method_not_allowed("GET, HEAD");
    }
    match request.uri().path() {
        "/live" => reply::json(StatusCode::OK, br#"{"live":true}"#.to_vec()),
        "/ready" => ready(state),
        "/version" => {
            let body = serde_json::json!({"name": "headgate", "version": state.version});
            reply::json(StatusCode::OK, body.to_string().into_bytes())
        }
        _ => metrics(state),
    }
}

fn ready(state: &AdminState) -> Response<Full<Bytes>> {
    let told =
        |checks: &[Check]| -> Vec<String> { checks.iter().filter_map(|check| check()).collect() };
    let (reasons, notes) = (told(&state.checks), told(&state.notes));
    let (status, mut body) = if reasons.is_empty() {
        (StatusCode::OK, serde_json::json!({"ready": true}))
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            serde_json::json!({"ready": false, "reasons": reasons}),
        )
    };
    if !notes.is_empty() {
        body["degraded"] = notes.into();
    }
    reply::json(status, body.to_string().into_bytes())
}

fn metrics(state: &AdminState) -> Response<Full<Bytes>> {
    match TextEncoder::new().encode_to_string(&state.registry.gather()) {
        Ok(text) => {
            let mut response = Response::new(Full::from(text));
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                http::HeaderValue::from_static(prometheus::TEXT_FORMAT),
            );
            response
        }
        Err(error) => reply::internal(&format!("metrics cannot be written: {error}")),
    }
}

/// A check that fails while the process's resident memory is over `bytes_max`.
pub fn memory_check(bytes_max: u64) -> Check {
    Arc::new(move || {
        let bytes = resident_bytes()?;
        (bytes > bytes_max)
            .then(|| format!("memory: {bytes} bytes resident, over the mark of {bytes_max}"))
    })
}

/// The process's resident memory, where the system tells it.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
