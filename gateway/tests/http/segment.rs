//! What the SDKs of Segment and RudderStack send, and what they hear.

use headgate_stream::log::Refusal;
use serde_json::{Value, json};

use crate::support::{Client, Running, get, start, start_with};

/// A track call whose clock is an hour behind: it says that it was sent at 12:00.
fn track(event: &str) -> Value {
    json!({
        "type": "track", "event": event, "messageId": "m-1", "userId": 42, "anonymousId": "anon",
        "properties": {"order_id": "o", "items": []}, "context": {"library": {"name": "x"}},
        "timestamp": "2026-11-22T11:59:58Z",
    })
}

fn batch(messages: &[Value]) -> String {
    json!({"batch": messages, "sentAt": "2026-11-22T12:00:00Z", "writeKey": "key-of-web"})
        .to_string()
}

/// It is 13:00.
fn one_o_clock() -> Running {
    start_with(
        |_| {},
        |parts| parts.clock = std::sync::Arc::new(|| 1_795_352_400_000_000),
    )
}

#[tokio::test]
async fn a_message_is_the_events_data_and_its_time_is_corrected_by_the_clients_clock() {
    let gateway = one_o_clock();
    let body = batch(&[track("Unheard Of")]);
    let reply = gateway.post_to("/v1/batch", "", &body).await;
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (200, r#"{"success":true}"#)
    );
    let written = &gateway.events()[0];
    assert_eq!(written["type"], "track");
    assert_eq!(written["dataschema"], "track/1");
    assert_eq!(written["id"], "m-1");
    assert_eq!(
        (&written["userid"], &written["anonymousid"]),
        (&json!("42"), &json!("anon"))
    );
    assert_eq!(written["source"], "/headgate");
    assert_eq!(written["receivedtime"], "2026-11-22T13:00:00.000000Z");
    assert_eq!(written["senttime"], "2026-11-22T12:00:00Z");
    assert_eq!(written["time"], "2026-11-22T12:59:58.000000Z");
    assert_eq!(written["data"], track("Unheard Of"));
}

#[tokio::test]
async fn an_imported_batchs_times_are_left_as_they_are() {
    let gateway = one_o_clock();
    let mut own = track("Unheard Of");
    own["sentAt"] = json!("2026-11-22T12:00:00Z");
    let together = batch(&[track("Unheard Of")]);
    let each = json!({"batch": [own]}).to_string();
    for body in [together, each] {
        assert_eq!(gateway.post_to("/v1/import", "", &body).await.status, 200);
        let written = gateway.events();
        let written = written.last().unwrap();
        assert_eq!(written["time"], "2026-11-22T11:59:58Z");
        assert_eq!(written["senttime"], "2026-11-22T12:00:00Z");
    }
}

#[tokio::test]
async fn every_call_has_a_path_and_a_letter_and_what_the_path_says_need_not_be_said_again() {
    let gateway = start(|_| {});
    for (path, kind) in [
        ("identify", "identify"),
        ("i", "identify"),
        ("page", "page"),
        ("p", "page"),
        ("screen", "screen"),
        ("s", "screen"),
        ("group", "group"),
        ("g", "group"),
        ("alias", "alias"),
        ("a", "alias"),
    ] {
        let body = r#"{"userId":"u","traits":{"a":1},"sentAt":"2026-11-22T12:00:00Z"}"#;
        let reply = gateway
            .post_to(&format!("/v1/{path}"), "content-type: text/plain\r\n", body)
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(gateway.events().last().unwrap()["type"], kind);
    }
    let body = track("Unheard Of").to_string();
    for path in ["/v1/track", "/v1/t"] {
        assert_eq!(gateway.post_to(path, "", &body).await.status, 200);
        assert_eq!(gateway.events().last().unwrap()["type"], "track");
    }
    assert!(gateway.bad_events().is_empty());
}

#[tokio::test]
async fn a_rejected_message_of_a_batch_is_kept_apart_and_the_batch_is_not_sent_again() {
    let gateway = start(|_| {});
    let body = batch(&[
        track("Fine"),
        json!({"type": "unknown"}),
        json!(3),
        json!({"type": "track"}),
        track("Fine"),
    ]);
    let reply = gateway.post_to("/v1/batch", "", &body).await;
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (200, r#"{"success":true}"#)
    );
    assert_eq!(gateway.events().len(), 2);
    let bad = gateway.bad_events();
    let pointers: Vec<&Value> = bad
        .iter()
        .map(|bad| &bad["data"]["errors"][0]["pointer"])
        .collect();
    assert_eq!(pointers, ["/type", "", "/event"]);
    for bad in &bad {
        assert_eq!(bad["data"]["payload_form"], "segment/batch");
        assert_eq!(bad["senttime"], "2026-11-22T12:00:00Z");
    }
}

#[tokio::test]
async fn what_is_no_batch_is_dropped_by_the_sdk_and_what_cannot_be_durable_is_sent_again() {
    let gateway = start(|_| {});
    let reply = gateway.post_to("/v1/batch", "", "{\"batch\":").await;
    assert_eq!(reply.status, 400);
    let json = reply.json();
    assert_eq!(
        (&json["success"], &json["code"]),
        (&json!(false), &json!("malformed_body"))
    );
    assert!(
        json["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty())
    );
    assert_eq!(gateway.post_to("/v1/batch", "", "").await.status, 400);
    let down = Refusal::Unavailable("down".into());
    gateway.memory.refuse(Some(down));
    let reply = gateway
        .post_to("/v1/batch", "", batch(&[track("Fine")]))
        .await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(reply.json()["code"], "stream_unavailable");
}

#[tokio::test]
async fn a_batchs_context_cannot_make_more_of_a_body_than_a_body_may_have() {
    let gateway = start(|config| config.limits.inflated_bytes_max = 100_000);
    let context = "x".repeat(10_000);
    let body = |messages: usize| {
        let message = json!({"type": "page", "userId": "u"});
        json!({"batch": vec![message; messages], "context": {"page": {"title": context}}})
            .to_string()
    };
    assert_eq!(gateway.post_to("/v1/batch", "", body(2)).await.status, 200);
    assert_eq!(gateway.events().len(), 2);
    let reply = gateway.post_to("/v1/batch", "", body(11)).await;
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (413, &json!("inflated_body_too_large"))
    );
    assert_eq!(gateway.events().len(), 2);
}

#[tokio::test]
async fn a_time_of_any_length_is_not_repeated_for_each_event() {
    let gateway = start(|_| {});
    let long = format!("2026-11-22T12:00:00.{}Z", "0".repeat(1_000));
    let body =
        json!({"batch": [{"type": "page", "timestamp": long}, {"type": "nope"}], "sentAt": long});
    assert_eq!(
        gateway
            .post_to("/v1/batch", "", body.to_string())
            .await
            .status,
        200
    );
    let (written, bad) = (&gateway.events()[0], &gateway.bad_events()[0]);
    assert_eq!(
        (&written["time"], &written["senttime"]),
        (&written["receivedtime"], &Value::Null)
    );
    assert_eq!(written["data"]["timestamp"], json!(long));
    assert_eq!(bad["senttime"], Value::Null);
}

#[tokio::test]
async fn a_pixel_is_answered_with_a_picture() {
    let gateway = start(|_| {});
    // {"event":"Mail Opened","userId":"u","properties":{"mail":"m"}}
    let data =
        "eyJldmVudCI6Ik1haWwgT3BlbmVkIiwidXNlcklkIjoidSIsInByb3BlcnRpZXMiOnsibWFpbCI6Im0ifX0";
    for query in [
        format!("data={data}"),
        "event=Mail+Opened&userId=u&properties.mail=m".to_owned(),
    ] {
        let reply = get(gateway.addr, &format!("/v1/pixel/track?{query}")).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("image/gif"))
        );
        let written = gateway.events();
        let written = written.last().unwrap();
        assert_eq!(
            (&written["type"], &written["userid"]),
            (&json!("track"), &json!("u"))
        );
        assert_eq!(written["data"]["properties"], json!({"mail": "m"}));
    }
}

#[tokio::test]
async fn browsers_sdks_find_their_settings_here() {
    let gateway = start(|_| {});
    let settings = get(gateway.addr, "/v1/projects/the-key/settings").await;
    let json = settings.json();
    let segment = &json["integrations"]["Segment.io"];
    assert_eq!(
        (&segment["apiKey"], &segment["apiHost"]),
        (&json!("the-key"), &json!("x/v1"))
    );
    let config = get(gateway.addr, "/sourceConfig/?writeKey=the-key&v=3").await;
    assert_eq!(config.json()["source"]["writeKey"], "the-key");
    let mut client = Client::connect(gateway.addr).await;
    client
        .write(b"POST /sourceConfig HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.status, 405);
}
