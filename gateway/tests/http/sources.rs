//! Who may send, from where and how much.

use headgate_gateway::{SharedSources, sources};
use serde_json::json;

use crate::support::{Client, Reply, Running, start_with};

const EVENT: &str = r#"{"type":"loose","data":{}}"#;

fn with(config: &str) -> Running {
    let config: sources::Config = serde_json::from_str(config).unwrap();
    assert_eq!(sources::config::problems(&config), vec![]);
    start_with(
        |_| {},
        |parts| parts.sources = SharedSources::new(&config, "/headgate").unwrap().into(),
    )
}

fn shop() -> Running {
    with(
        r#"{"web": {"keys": ["key-of-web", "next-key-of-web"], "protocols": ["segment", "native"],
                    "origins": ["https://shop.example"], "policy": "strict"},
            "billing": {"keys": ["key-of-billing"], "protocols": ["webhook"], "partition_by": "event_id"}}"#,
    )
}

#[tokio::test]
async fn without_a_known_key_nothing_is_taken_and_each_protocol_says_so_in_its_own_shape() {
    let gateway = shop();
    for headers in [
        "",
        "x-write-key: wrong\r\n",
        "authorization: Bearer key-of-web2\r\n",
    ] {
        let reply = gateway.post(headers, EVENT).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "unknown_write_key")
        );
        let reply = gateway
            .post_to("/v1/batch", headers, r#"{"batch":[]}"#)
            .await;
        assert_eq!(
            (reply.status, &reply.json()["code"]),
            (401, &json!("unknown_write_key"))
        );
        assert!(!reply.text().contains("key-of"), "{reply:?}");
    }
    assert!(gateway.events().is_empty());
}

#[tokio::test]
async fn events_land_with_the_source_of_their_key_wherever_the_key_stands() {
    let gateway = shop();
    let message = r#"{"type":"identify","userId":"u"}"#;
    let basic = "authorization: Basic a2V5LW9mLXdlYjo=\r\n";
    let batch = format!(r#"{{"batch":[{message}]}}"#);
    let batch_with_key = format!(r#"{{"batch":[{message}],"writeKey":"next-key-of-web"}}"#);
    for (path, headers, body) in [
        ("/v1/events", "x-write-key: key-of-web\r\n", EVENT),
        (
            "/v1/events",
            "authorization: Bearer next-key-of-web\r\n",
            EVENT,
        ),
        ("/v1/events?writeKey=key-of-web", "", EVENT),
        ("/v1/batch", basic, &batch),
        ("/v1/batch", "", &batch_with_key),
        ("/beacon/v1/batch?writeKey=key-of-web", "", &batch),
        (
            "/v1/identify",
            "",
            r#"{"userId":"u","writeKey":"key-of-web"}"#,
        ),
    ] {
        let reply = gateway.post_to(path, headers, body).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert_eq!(gateway.events().last().unwrap()["source"], "web");
    }
    // What an event says of its source itself stays.
    let own = r#"{"type":"loose","source":"/own","data":{}}"#;
    gateway.post("x-write-key: key-of-web\r\n", own).await;
    assert_eq!(gateway.events().last().unwrap()["source"], "/own");
}

#[tokio::test]
async fn a_key_is_good_for_its_protocols_its_origins_and_its_own_webhook() {
    let gateway = shop();
    let key = "x-write-key: key-of-web\r\n";
    let billing = "x-write-key: key-of-billing\r\n";
    let denied = [
        gateway.post(billing, EVENT).await,
        gateway.post_to("/v1/webhooks/billing", key, "{}").await,
        gateway.post_to("/v1/webhooks/web", billing, "{}").await,
        gateway
            .post(&format!("{key}origin: https://other.example\r\n"), EVENT)
            .await,
    ];
    for reply in denied {
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (403, "forbidden"),
            "{reply:?}"
        );
    }
    let origin = format!("{key}origin: https://shop.example\r\n");
    assert_eq!(gateway.post(&origin, EVENT).await.status, 200);
    assert_eq!(gateway.events().len(), 1);
}

#[tokio::test]
async fn a_strict_source_has_no_track_call_without_a_schema() {
    let gateway = shop();
    let body = r#"{"batch":[{"type":"track","event":"Unheard Of","userId":"u"},{"type":"page","userId":"u"}]}"#;
    let reply = gateway
        .post_to("/v1/batch", "x-write-key: key-of-web\r\n", body)
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(gateway.events().len(), 1);
    let bad = &gateway.bad_events()[0];
    assert_eq!(bad["data"]["reason"], "unknown_schema");
    assert_eq!(bad["data"]["errors"][0]["pointer"], "/event");
    assert_eq!(
        (&bad["source"], &bad["data"]["rejected_source"]),
        (&json!("web"), &json!("web"))
    );
}

#[tokio::test]
async fn over_its_rate_or_quota_a_source_hears_when_to_come_again() {
    let gateway = with(
        r#"{"web": {"keys": ["key-of-web"], "events_per_s_max": 1}, "app": {"keys": ["key-of-app"], "events_per_day_max": 2}}"#,
    );
    let two = format!("[{EVENT},{EVENT}]");
    for key in ["key-of-web", "key-of-app"] {
        let headers = format!("x-write-key: {key}\r\n");
        assert_eq!(gateway.post(&headers, &two).await.status, 200);
        let reply = gateway.post(&headers, EVENT).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (429, "too_many_events_for_source")
        );
        let wait: u32 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=86_400).contains(&wait), "{wait}");
        assert!(
            reply.json()["error"]["message"]
                .as_str()
                .unwrap()
                .contains("events_per_")
        );
    }
    assert_eq!(gateway.events().len(), 4);
}

async fn preflight(gateway: &Running, origin: &str) -> Reply {
    let mut client = Client::connect(gateway.addr).await;
    let head = format!(
        "OPTIONS /v1/batch HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\
         access-control-request-headers: authorization,content-type\r\n\
         access-control-request-private-network: true\r\n\r\n"
    );
    client.write(head.as_bytes()).await;
    client.reply().await
}

#[tokio::test]
async fn pages_of_allowed_origins_may_send_with_cookies_and_see_errors_too() {
    let gateway = with(r#"{"web": {"keys": ["key-of-web"], "origins": ["https://shop.example"]}}"#);
    let reply = preflight(&gateway, "https://shop.example").await;
    assert_eq!(reply.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://shop.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-headers", "authorization,content-type"),
        ("access-control-allow-private-network", "true"),
        ("access-control-max-age", "7200"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let reply = preflight(&gateway, "https://other.example").await;
    assert_eq!(reply.header("access-control-allow-origin"), None);
    // No key, and a body that is none: the page sees both.
    for headers in ["", "x-write-key: key-of-web\r\n"] {
        let headers = format!("{headers}origin: https://shop.example\r\n");
        let reply = gateway.post_to("/v1/batch", &headers, "{").await;
        assert!(reply.status >= 400);
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some("https://shop.example")
        );
        assert_eq!(
            reply.header("access-control-expose-headers"),
            Some("retry-after")
        );
        assert!(reply.header("vary").unwrap().contains("origin"));
    }
}

#[tokio::test]
async fn a_webhooks_body_is_the_data_whatever_it_is_called() {
    let gateway = shop();
    let key = "x-write-key: key-of-billing\r\n";
    let path = "/v1/webhooks/billing";
    let object = r#"{"type":"invoice.paid","amount": 1.50}"#;
    let delivered = format!("{key}x-github-delivery: d-1\r\n");
    let form = format!("{key}content-type: application/x-www-form-urlencoded\r\n");
    for (headers, body, expected) in [
        (
            &delivered,
            object,
            json!({"type": "invoice.paid", "amount": 1.50}),
        ),
        (
            &form,
            "From=%2B49&Body=Hi+there",
            json!({"From": "+49", "Body": "Hi there"}),
        ),
        (
            &form,
            object,
            json!({"type": "invoice.paid", "amount": 1.50}),
        ),
    ] {
        let reply = gateway.post_to(path, headers, body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let written = gateway.events();
        let written = written.last().unwrap();
        assert_eq!(
            (&written["type"], &written["source"]),
            (&json!("webhook"), &json!("billing"))
        );
        assert_eq!(written["data"], expected);
    }
    assert_eq!(gateway.events()[0]["id"], "d-1");
    let reply = gateway
        .post_to(path, &delivered, r#"[{"a":1}, {"a":2}, 3]"#)
        .await;
    assert_eq!(reply.status, 200);
    let ids: Vec<_> = gateway.events()[3..]
        .iter()
        .map(|event| event["id"].clone())
        .collect();
    assert_eq!(ids, ["d-1.0", "d-1.1"]);
    assert_eq!(gateway.bad_events()[0]["data"]["payload"], "3");
    let long = format!("{key}webhook-id: {}\r\n", "x".repeat(1_100));
    assert_eq!(gateway.post_to(path, &long, object).await.status, 200);
    let bad = &gateway.bad_events()[1]["data"]["errors"][0];
    assert_eq!(
        (&bad["pointer"], &bad["keyword"]),
        (&json!("/id"), &json!("maxLength"))
    );
    let fields = (0..1_001)
        .map(|n| format!("f{n}="))
        .collect::<Vec<_>>()
        .join("&");
    assert_eq!(gateway.post_to(path, &form, fields).await.status, 400);
    for none in [
        "/v1/webhooks/",
        "/v1/webhooks/a/b",
        "/v1/webhooks/No%20Name",
    ] {
        assert_eq!(
            gateway.post_to(none, key, object).await.status,
            404,
            "{none}"
        );
    }
}
