//! Connections that wait for a request give their buffers back: nobody but the operator notices.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::JoinSet,
};

use crate::support::{Client, PATIENCE, Running, start};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const PARKED: &str = "headgate_gateway_connections_parked";
const OPEN: &str = "headgate_gateway_connections";

/// A connection that has had a reply and is parked.
async fn parked(gateway: &Running) -> Client {
    let mut client = Client::connect(gateway.addr).await;
    answered(&mut client, GET).await;
    gateway.metric_reaches(PARKED, 1.0).await;
    client
}

async fn answered(client: &mut Client, request: &[u8]) {
    client.write(request).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (404, None));
}

#[tokio::test]
async fn a_parked_connection_answers_its_next_request_and_is_counted_once() {
    let gateway = start(|_| {});
    let mut client = parked(&gateway).await;
    for _ in 0..3 {
        answered(&mut client, GET).await;
        gateway.metric_reaches(PARKED, 1.0).await;
    }
    assert_eq!(gateway.metric(OPEN).await, 1.0);
    let total = "headgate_gateway_connections_total";
    assert_eq!(gateway.metric(total).await, 1.0);
    drop(client);
    gateway.metric_reaches(OPEN, 0.0).await;
    assert_eq!(gateway.metric(PARKED).await, 0.0);
}

#[tokio::test]
async fn a_connection_that_has_sent_nothing_is_parked() {
    let gateway = start(|_| {});
    let mut client = Client::connect(gateway.addr).await;
    gateway.metric_reaches(PARKED, 1.0).await;
    answered(&mut client, GET).await;
}

#[tokio::test]
async fn a_request_in_single_bytes_is_understood_after_parking() {
    let gateway = start(|_| {});
    let mut client = parked(&gateway).await;
    for byte in GET {
        client.write(&[*byte]).await;
        // The gateway's turn: it is in the same thread.
        tokio::task::yield_now().await;
    }
    assert_eq!(client.reply().await.status, 404);
}

#[tokio::test]
async fn pipelined_requests_are_answered_and_the_start_of_one_more_is_kept_while_parked() {
    let gateway = start(|_| {});
    let mut client = parked(&gateway).await;
    let (start, rest) = GET.split_at(10);
    client.write(&[GET, GET, GET, start].concat()).await;
    for _ in 0..3 {
        assert_eq!(client.reply().await.status, 404);
    }
    gateway.metric_reaches(PARKED, 1.0).await;
    answered(&mut client, rest).await;
}

#[tokio::test]
async fn the_idle_timeout_runs_on_while_parked() {
    let gateway = start(|config| config.timeouts.idle_timeout_ms = 500);
    let mut client = parked(&gateway).await;
    assert!(client.is_closed().await);
    let idle = r#"headgate_gateway_connections_closed_total{reason="idle"}"#;
    gateway.metric_reaches(idle, 1.0).await;
    gateway.metric_reaches(OPEN, 0.0).await;
}

#[tokio::test]
async fn a_drain_closes_parked_connections() {
    let gateway = start(|_| {});
    let mut client = parked(&gateway).await;
    gateway.shutdown.cancel();
    assert!(client.is_closed().await);
    tokio::time::timeout(PATIENCE, gateway.ended)
        .await
        .unwrap()
        .unwrap();
}

/// Pauses all around the time after which a connection is parked: whichever comes first, the reply comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_at_the_moment_of_parking_is_answered() {
    let gateway = start(|_| {});
    let mut clients = JoinSet::new();
    for pause_us in (90_000..110_000).step_by(100) {
        let mut client = Client::connect(gateway.addr).await;
        clients.spawn(async move {
            for _ in 0..5 {
                answered(&mut client, GET).await;
                tokio::time::sleep(Duration::from_micros(pause_us)).await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

#[tokio::test]
async fn a_connection_with_replies_to_read_is_not_parked() {
    let gateway = start(|config| config.limits.batch_events_max = 100_000);
    let events = vec![r#"{"type":"loose"}"#; 100_000].join(",");
    let body = format!("[{events}]");
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut client = Client::connect(gateway.addr).await;
    client.write(head.as_bytes()).await;
    client.write(body.as_bytes()).await;
    let answered = r#"headgate_gateway_requests_total{route="native",status="2xx"}"#;
    gateway.metric_reaches(answered, 1.0).await;
    // Long enough to be parked, were it not for the reply.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gateway.metric(PARKED).await, 0.0);
    let reply = client.reply().await;
    assert!(reply.text().len() > 5_000_000, "the kernel may have it all");
    assert_eq!(reply.json()["accepted"], 100_000);
    gateway.metric_reaches(PARKED, 1.0).await;
}

#[tokio::test]
async fn a_preface_that_stalls_is_closed_by_the_header_timeout() {
    let gateway = start(|config| config.timeouts.header_timeout_ms = 200);
    let mut client = Client::connect(gateway.addr).await;
    client.write(b"PRI").await;
    assert!(client.is_closed().await);
    let late = r#"headgate_gateway_connections_closed_total{reason="header_timeout"}"#;
    gateway.metric_reaches(late, 1.0).await;
}

/// A socket that sends no two bytes together.
struct ByteByByte(TcpStream);

impl AsyncRead for ByteByByte {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ByteByByte {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &buf[..buf.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_told_from_a_preface_that_comes_byte_by_byte() {
    let gateway = start(|_| {});
    let socket = TcpStream::connect(gateway.addr).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let io = TokioIo::new(ByteByByte(socket));
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let request = http::Request::get(format!("http://{}/", gateway.addr))
            .body(Full::<Bytes>::default())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.version()),
            (404, http::Version::HTTP_2)
        );
    }
}
