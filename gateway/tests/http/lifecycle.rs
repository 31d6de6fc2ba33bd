//! Probes, metrics, and the end.

use std::sync::Arc;

use headgate_gateway::{
    Config, Error, Gateway, Parts, SharedSources, Topics, clock, metrics, sources,
};
use headgate_schemas::registry::{Registry, SharedRegistry};
use headgate_stream::testing::memory::Memory;

use crate::support::{Client, PATIENCE, get, start, start_with};

const EVENT: &str = r#"{"type":"loose","id":"1"}"#;

#[tokio::test]
async fn the_admin_port_answers_probes_version_and_metrics() {
    let gateway = start(|_| {});
    assert_eq!(get(gateway.admin, "/live").await.status, 200);
    assert_eq!(get(gateway.admin, "/ready").await.status, 200);
    assert_eq!(get(gateway.admin, "/nope").await.status, 404);
    let version = get(gateway.admin, "/version").await.json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    gateway.post("", EVENT).await;
    assert_eq!(
        gateway
            .metric(r#"headgate_gateway_events_total{outcome="accepted"}"#)
            .await,
        1.0
    );
    let requests = r#"headgate_gateway_requests_total{route="native",status="2xx"}"#;
    assert_eq!(gateway.metric(requests).await, 1.0);
    let text = get(gateway.admin, "/metrics").await.text();
    for (name, kind, _, _) in metrics::CATALOG {
        let line = format!("# TYPE {name} {kind}");
        let counted = !name.contains("refused") && !name.contains("closed");
        assert!(!counted || text.contains(&line), "{line}");
    }
}

#[tokio::test]
async fn ready_says_why_not_over_the_memory_mark() {
    let gateway = start(|config| config.limits.memory_bytes_max = 1);
    let reply = get(gateway.admin, "/ready").await;
    assert_eq!(reply.status, 503);
    assert!(
        reply.json()["reasons"][0]
            .as_str()
            .unwrap()
            .starts_with("memory: ")
    );
    assert_eq!(get(gateway.admin, "/live").await.status, 200);
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_key_and_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let bind = |change: &dyn Fn(&mut Config)| {
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            ..Config::default()
        };
        config.admin.listen = ([127, 0, 0, 1], 0).into();
        change(&mut config);
        let parts = Parts {
            writer: Memory::new(1).writer(),
            schemas: SharedRegistry::new(Registry::empty().unwrap()).into(),
            sources: SharedSources::new(&sources::Config::new(), "/headgate")
                .unwrap()
                .into(),
            privacy: Default::default(),
            topics: Topics::default(),
            registry: prometheus::Registry::new(),
            checks: Vec::new(),
            notes: Vec::new(),
            clock: clock::system(),
        };
        Gateway::bind(config, parts)
            .err()
            .expect("the address is in use")
    };
    let error = bind(&|config| config.listen = address);
    assert!(matches!(error, Error::Bind { key: "listen", address: a, .. } if a == address));
    let error = bind(&|config| config.admin.listen = address).to_string();
    assert!(error.starts_with(&format!("gateway.admin.listen: cannot listen on {address}")));
}

#[tokio::test]
async fn a_drain_finishes_requests_in_work_and_takes_no_more() {
    let gateway = start(|_| {});
    gateway.memory.hold(true);
    let mut working = Client::connect(gateway.addr).await;
    let mut idle = Client::connect(gateway.addr).await;
    idle.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(idle.reply().await.status, 404);
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        EVENT.len()
    );
    working.write(head.as_bytes()).await;
    working.write(EVENT.as_bytes()).await;
    while gateway.metric("headgate_gateway_in_flight_bytes").await == 0.0 {
        tokio::task::yield_now().await;
    }
    gateway.shutdown.cancel();
    assert!(idle.is_closed().await);
    let ready = get(gateway.admin, "/ready").await;
    assert_eq!(
        (ready.status, ready.json()["reasons"][0].as_str()),
        (503, Some("draining"))
    );
    assert!(tokio::net::TcpStream::connect(gateway.addr).await.is_err());
    assert!(!gateway.ended.is_finished());

    gateway.memory.hold(false);
    let reply = working.reply().await;
    assert_eq!(
        (reply.status, reply.header("connection")),
        (200, Some("close"))
    );
    assert!(working.is_closed().await);
    tokio::time::timeout(PATIENCE, gateway.ended)
        .await
        .unwrap()
        .unwrap();
    assert!(tokio::net::TcpStream::connect(gateway.admin).await.is_err());
}

#[tokio::test]
async fn while_unready_a_gateway_answers_and_closes_each_connection_by_its_reply() {
    let gateway = start(|config| config.timeouts.drain_unready_ms = 3_600_000);
    let mut kept = Client::connect(gateway.addr).await;
    kept.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(kept.reply().await.header("connection"), None);
    gateway.shutdown.cancel();
    while get(gateway.admin, "/ready").await.status == 200 {
        tokio::task::yield_now().await;
    }
    let mut fresh = Client::connect(gateway.addr).await;
    for client in [&mut kept, &mut fresh] {
        client.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let reply = client.reply().await;
        assert_eq!(
            (reply.status, reply.header("connection")),
            (404, Some("close"))
        );
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn who_has_connected_before_the_listener_closed_is_still_heard() {
    let gateway = start(|_| {});
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(Client::connect(gateway.addr).await);
    }
    // On this one thread the gateway hears of it after the requests have been written.
    gateway.shutdown.cancel();
    for client in &mut clients {
        client.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    }
    for client in &mut clients {
        assert_eq!(client.reply().await.status, 404);
    }
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline_whatever_is_in_work() {
    let gateway = start(|config| config.timeouts.drain_deadline_ms = 100);
    gateway.memory.hold(true);
    let mut working = Client::connect(gateway.addr).await;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        EVENT.len()
    );
    working.write(head.as_bytes()).await;
    working.write(EVENT.as_bytes()).await;
    while gateway.metric("headgate_gateway_in_flight_bytes").await == 0.0 {
        tokio::task::yield_now().await;
    }
    gateway.shutdown.cancel();
    tokio::time::timeout(PATIENCE, gateway.ended)
        .await
        .unwrap()
        .unwrap();
    assert!(working.is_closed().await);
}

#[tokio::test]
async fn what_is_degraded_is_told_without_making_it_unready() {
    let gateway = start_with(
        |_| {},
        |parts| parts.notes = vec![Arc::new(|| Some("spilling".to_owned())), Arc::new(|| None)],
    );
    let ready = get(gateway.admin, "/ready").await;
    let body = ready.json();
    assert_eq!(
        (ready.status, &body["ready"]),
        (200, &true.into()),
        "{body}"
    );
    assert_eq!(body["degraded"], serde_json::json!(["spilling"]));
}
