//! Each limit: what a client past it is told, and that others notice nothing.

use std::time::{Duration, Instant};

use crate::support::{Client, start};

const EVENT: &str = r#"{"type":"loose","data":{"x":1}}"#;

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let gateway = start(|config| config.limits.body_bytes_max = 1000);
    let reply = gateway.post("", vec![b' '; 1001]).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "body_too_large")
    );

    let mut client = Client::connect(gateway.addr).await;
    client
        .write(b"POST /v1/events HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("3e9\r\n{}\r\n0\r\n\r\n", " ".repeat(1001));
    client.write(chunk.as_bytes()).await;
    assert_eq!(client.reply().await.status, 413);
}

#[tokio::test]
async fn a_client_that_still_sends_hears_why_it_is_refused() {
    let gateway = start(|_| {});
    let reply = gateway.post("", vec![b' '; 11 << 20]).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "body_too_large")
    );
}

#[tokio::test]
async fn expect_continue_is_refused_before_the_body_is_sent() {
    let gateway = start(|_| {});
    let mut client = Client::connect(gateway.addr).await;
    client
        .write(b"POST /v1/events HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.status, 413);
}

#[tokio::test]
async fn more_events_than_allowed_are_refused_whole() {
    let gateway = start(|config| config.limits.batch_events_max = 2);
    assert_eq!(
        gateway.post("", format!("[{EVENT},{EVENT}]")).await.status,
        200
    );
    let reply = gateway.post("", format!("[{EVENT},{EVENT},{EVENT}]")).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "too_many_events")
    );
    assert_eq!(gateway.events().len(), 2);
}

#[tokio::test]
async fn an_event_over_its_limits_is_rejected_alone() {
    let gateway = start(|config| {
        config.limits.event_bytes_max = 200;
        config.limits.attribute_bytes_max = 20;
        config.limits.extensions_max = 1;
        config.limits.depth_max = 2;
    });
    let long = "x".repeat(200);
    let events = [
        EVENT.to_owned(),
        format!(r#"{{"type":"loose","data":{{"x":"{long}"}}}}"#),
        format!(r#"{{"type":"loose","subject":"{}"}}"#, &long[..21]),
        r#"{"type":"loose","a":1,"b":2}"#.to_owned(),
        r#"{"type":"loose","data":{"x":[[]]}}"#.to_owned(),
    ];
    let reply = gateway.post("", format!("[{}]", events.join(","))).await;
    assert_eq!(reply.status, 207);
    let json = reply.json();
    let keywords: Vec<_> = json["results"].as_array().unwrap()[1..]
        .iter()
        .map(|result| result["errors"][0]["keyword"].as_str().unwrap())
        .collect();
    assert_eq!(keywords, ["size", "subject", "attribute", "depth"]);
    assert_eq!(gateway.bad_events().len(), 4);
}

#[tokio::test]
async fn long_headers_are_431() {
    let gateway = start(|config| config.limits.header_bytes_max = 8 << 10);
    let mut client = Client::connect(gateway.addr).await;
    client
        .write(
            format!(
                "GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
                "x".repeat(20_000)
            )
            .as_bytes(),
        )
        .await;
    assert_eq!(client.reply().await.status, 431);
}

#[tokio::test]
async fn bytes_in_flight_over_the_bound_are_503_until_there_is_room() {
    let gateway = start(|config| {
        config.limits.body_bytes_max = 100_000;
        config.limits.inflated_bytes_max = 100_000;
        config.limits.in_flight_bytes_max = 300_000;
        config.timeouts.admission_wait_ms = 0;
    });
    gateway.memory.hold(true);
    let big = format!(
        r#"{{"type":"loose","id":"big","data":{{"x":"{}"}}}}"#,
        "x".repeat(99_000)
    );
    let addr = gateway.addr;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        big.len()
    );
    let mut first = Client::connect(addr).await;
    first.write(head.as_bytes()).await;
    first.write(big.as_bytes()).await;
    // Once the stream holds the first request, about 200,000 bytes are in flight.
    while gateway.metric("headgate_gateway_in_flight_bytes").await < 190_000.0 {
        tokio::task::yield_now().await;
    }
    let reply = gateway.post("", &big).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "busy"));
    assert_eq!(reply.header("retry-after"), Some("1"));
    gateway.memory.hold(false);
    assert_eq!(first.reply().await.status, 200);
    assert_eq!(gateway.post("", &big).await.status, 200);
    gateway
        .metric_reaches("headgate_gateway_in_flight_bytes", 0.0)
        .await;
    assert!(
        gateway
            .metric(r#"headgate_gateway_refused_total{reason="in_flight_bytes"}"#)
            .await
            >= 1.0
    );
}

#[tokio::test]
async fn connections_over_the_bound_are_turned_away() {
    let gateway = start(|config| config.limits.connections_max = 2);
    let mut first = Client::connect(gateway.addr).await;
    let _second = Client::connect(gateway.addr).await;
    gateway
        .metric_reaches("headgate_gateway_connections", 2.0)
        .await;
    let mut third = Client::connect(gateway.addr).await;
    let reply = third.reply().await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (503, "too_many_connections")
    );
    assert!(third.is_closed().await);
    first.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(first.reply().await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_slow_clients_lose_their_connections_and_others_notice_nothing() {
    let gateway = start(|config| {
        config.timeouts.header_timeout_ms = 300;
        config.timeouts.body_stall_timeout_ms = 300;
    });
    let mut slow = Vec::new();
    for n in 0..500 {
        let mut client = Client::connect(gateway.addr).await;
        let said: &[u8] = match n % 3 {
            0 => b"P",
            1 => b"POST /v1/events HTTP/1.1\r\nhost: x\r\nx-slow: ",
            _ => b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n[",
        };
        client.write(said).await;
        slow.push(client);
    }
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(gateway.post("", EVENT).await.status, 200);
    }
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    for client in &mut slow {
        assert!(client.is_closed().await);
    }
    gateway
        .metric_reaches("headgate_gateway_connections", 0.0)
        .await;
    let late = r#"headgate_gateway_connections_closed_total{reason="header_timeout"}"#;
    assert_eq!(gateway.metric(late).await, 334.0);
}

#[tokio::test]
async fn a_slow_body_is_408_by_its_stall_and_by_its_whole_time() {
    for (stall, whole) in [(100, 60_000), (60_000, 100)] {
        let gateway = start(|config| {
            config.timeouts.body_stall_timeout_ms = stall;
            config.timeouts.body_timeout_ms = whole;
        });
        let mut client = Client::connect(gateway.addr).await;
        client
            .write(b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n[")
            .await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.code().as_str()), (408, "body_timeout"));
        assert_eq!(reply.header("connection"), Some("close"));
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn idle_connections_are_closed_and_used_ones_stay() {
    let gateway = start(|config| config.timeouts.idle_timeout_ms = 300);
    let mut silent = Client::connect(gateway.addr).await;
    let mut used = Client::connect(gateway.addr).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(900) {
        used.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(used.reply().await.status, 404);
    }
    assert!(silent.is_closed().await);
    assert!(used.is_closed().await);
    let idle = r#"headgate_gateway_connections_closed_total{reason="idle"}"#;
    gateway.metric_reaches(idle, 2.0).await;
}
