//! What each event is told.

use std::sync::Arc;

use headgate_gateway::Template;
use headgate_stream::log::{Refusal, Topic};
use serde_json::{Value, json};

use crate::support::{start, start_with};

const GOOD: &str = r#"{"type":"order_completed","id":"a","data":{"order_id":"o","items":[]}}"#;
const BAD: &str =
    r#"{"type":"order_completed","id":"b","data":{"order_id":"o","items":[{"price":-1}]}}"#;

#[tokio::test]
async fn a_valid_event_is_accepted_and_written_with_its_data_byte_for_byte() {
    let gateway = start(|_| {});
    let data = r#"{"order_id" : "o\u0041",  "items":[], "extra":1.50}"#;
    let reply = gateway
        .post("", format!(r#"{{"type":"order_completed","data":{data}}}"#))
        .await;
    assert_eq!(reply.status, 200);
    let json = reply.json();
    let id = json["results"][0]["id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(
        json,
        json!({"accepted":1,"rejected":0,"results":[{"index":0,"id":id,"status":"accepted"}]})
    );
    let written = &gateway.events()[0];
    assert_eq!(written["id"], id);
    assert_eq!(written["source"], "/headgate");
    assert_eq!(written["dataschema"], "order_completed/1");
    assert!(written["receivedtime"].as_str().unwrap().ends_with('Z'));
    let topic = headgate_stream::log::Topic::new("events");
    let raw = String::from_utf8(gateway.memory.values(&topic)[0].to_vec()).unwrap();
    assert!(raw.ends_with(&format!(r#""data":{data}}}"#)), "{raw}");
}

#[tokio::test]
async fn attributes_are_passed_on() {
    let gateway = start(|_| {});
    let event = json!({
        "specversion": "1.0", "type": "loose", "id": "i\"1", "source": "/app", "subject": "s",
        "time": "2026-11-22T20:07:54.123Z", "senttime": "2026-11-22T20:07:55+01:00",
        "userid": "u", "anonymousid": "n", "sdk": "js/1", "dataschema": "loose/1",
        "datacontenttype": "application/json", "traceparent": "00-x", "priority": 5, "sampled": true,
        "data": {"x": 1}
    });
    let reply = gateway
        .post("content-type: application/json\r\n", event.to_string())
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["results"][0]["id"], "i\"1");
    let written = &gateway.events()[0];
    for name in [
        "id",
        "source",
        "subject",
        "time",
        "senttime",
        "userid",
        "anonymousid",
        "sdk",
        "traceparent",
        "priority",
        "sampled",
        "data",
    ] {
        assert_eq!(written[name], event[name], "{name}");
    }
}

#[tokio::test]
async fn data_is_judged_alike_wherever_it_stands_among_the_attributes() {
    let gateway = start(|_| {});
    let good: Value = serde_json::from_str(GOOD).unwrap();
    let bad: Value = serde_json::from_str(BAD).unwrap();
    for (data, accepted) in [(&good["data"], 1), (&bad["data"], 0)] {
        for event in [
            format!(
                r#"{{"type":"order_completed","dataschema":"order_completed/1","data":{data}}}"#
            ),
            format!(
                r#"{{"type":"order_completed","data": {data} ,"dataschema":"order_completed/1"}}"#
            ),
            format!(r#"{{"data":{data},"type":"order_completed"}}"#),
        ] {
            let reply = gateway.post("", &event).await.json();
            assert_eq!(reply["accepted"], accepted, "{event}: {reply}");
        }
    }
    // What one schema takes is not taken for another that is only named behind the data.
    let event = format!(
        r#"{{"type":"loose","data":{},"dataschema":"loose/9"}}"#,
        good["data"]
    );
    let reply = gateway.post("", &event).await.json();
    assert_eq!(
        reply["results"][0]["errors"][0]["keyword"], "dataschema",
        "{reply}"
    );
}

#[tokio::test]
async fn one_bad_event_does_not_spoil_its_batch() {
    let gateway = start(|_| {});
    let reply = gateway.post("", format!("[{GOOD},{BAD},{GOOD}]")).await;
    assert_eq!(reply.status, 207);
    let json = reply.json();
    assert_eq!(
        (&json["accepted"], &json["rejected"]),
        (&json!(2), &json!(1))
    );
    let rejected = &json["results"][1];
    assert_eq!(rejected["index"], 1);
    assert_eq!(rejected["id"], "b");
    assert_eq!(rejected["status"], "rejected");
    assert_eq!(rejected["errors"][0]["pointer"], "/items/0/price");
    assert_eq!(rejected["errors"][0]["keyword"], "minimum");
    assert_eq!(gateway.events().len(), 2);
    let bad = &gateway.bad_events()[0];
    assert_eq!(bad["type"], "bad_events");
    assert_eq!(bad["data"]["rejected_type"], "order_completed");
    assert_eq!(bad["data"]["rejected_id"], "b");
    assert_eq!(bad["data"]["payload"], BAD);
    assert_eq!(bad["data"]["errors"][0]["pointer"], "/items/0/price");
}

#[tokio::test]
async fn none_accepted_is_400_and_errors_only_leaves_accepted_ones_out() {
    let gateway = start(|_| {});
    assert_eq!(gateway.post("", BAD).await.status, 400);
    let reply = gateway
        .post_to(
            "/v1/events?a=b&results=errors",
            "",
            format!("[{GOOD},{BAD}]"),
        )
        .await;
    assert_eq!(reply.status, 207);
    let json = reply.json();
    assert_eq!(json["accepted"], 1);
    assert_eq!(json["results"].as_array().unwrap().len(), 1);
    assert_eq!(json["results"][0]["index"], 1);
}

#[tokio::test]
async fn an_empty_array_is_accepted_and_an_empty_body_is_malformed() {
    let gateway = start(|_| {});
    let reply = gateway.post("", " [ ] ").await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"accepted":0,"rejected":0,"results":[]}))
    );
    let reply = gateway.post("", " \n").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "malformed_body")
    );
}

#[tokio::test]
async fn a_body_broken_in_the_middle_is_refused_whole_with_the_byte_offset() {
    let gateway = start(|_| {});
    let body = format!("[{GOOD},{GOOD}x]");
    let reply = gateway.post("", &body).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (400, "malformed_body")
    );
    assert_eq!(reply.json()["error"]["offset"], body.find('x').unwrap());
    assert_eq!(gateway.events(), Vec::<Value>::new());
    assert_eq!(gateway.bad_events(), Vec::<Value>::new());
}

#[tokio::test]
async fn wrong_attributes_are_named() {
    let gateway = start(|_| {});
    for (event, pointer, keyword) in [
        (r#"{"data":{}}"#, "/type", "type"),
        (r#"{"type":""}"#, "/type", "type"),
        (r#"{"type":7}"#, "/type", "type"),
        (r#"{"type":"nope"}"#, "/type", "type"),
        (r#"{"type":"bad_events"}"#, "/type", "type"),
        (
            r#"{"type":"loose","dataschema":"loose/9"}"#,
            "/dataschema",
            "dataschema",
        ),
        (r#"{"type":"loose","id":""}"#, "/id", "id"),
        (r#"{"type":"loose","id":5}"#, "/id", "id"),
        (
            r#"{"type":"loose","specversion":"0.3"}"#,
            "/specversion",
            "specversion",
        ),
        (r#"{"type":"loose","time":"yesterday"}"#, "/time", "time"),
        (r#"{"type":"loose","userId":"x"}"#, "/userId", "attribute"),
        (r#"{"type":"loose","a/b":"x"}"#, "/a~1b", "attribute"),
        (r#"{"type":"loose","context":{}}"#, "/context", "attribute"),
        (
            r#"{"type":"loose","type":"loose"}"#,
            "/type",
            "duplicateKey",
        ),
        (
            r#"{"type":"loose","data":{},"data":{}}"#,
            "/data",
            "duplicateKey",
        ),
        (
            r#"{"type":"loose","data_base64":"e30="}"#,
            "/data_base64",
            "data_base64",
        ),
        (
            r#"{"type":"loose","datacontenttype":"text/xml"}"#,
            "/datacontenttype",
            "datacontenttype",
        ),
        ("7", "", "event"),
    ] {
        let reply = gateway.post("", event).await;
        assert_eq!(reply.status, 400, "{event}");
        let error = &reply.json()["results"][0]["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["keyword"]),
            (&json!(pointer), &json!(keyword)),
            "{event}"
        );
        let bad = gateway.bad_events();
        assert_eq!(bad.last().unwrap()["data"]["payload"], event);
    }
    let userid = &gateway
        .post("", r#"{"type":"loose","userId":"x"}"#)
        .await
        .json();
    let message = userid["results"][0]["errors"][0]["message"]
        .as_str()
        .unwrap();
    assert!(message.contains("userid"), "{message}");
}

#[tokio::test]
async fn null_attributes_and_missing_data_are_as_if_not_given() {
    let gateway = start(|_| {});
    let reply = gateway
        .post("", r#"{"type":"loose","id":null,"ext":null}"#)
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let written = &gateway.events()[0];
    assert_eq!(written["data"], json!({}));
    assert_eq!(written.get("ext"), None);
}

#[tokio::test]
async fn invalid_utf8_rejects_only_its_own_event() {
    let gateway = start(|_| {});
    let mut body = format!("[{GOOD},").into_bytes();
    let broken = b"{\"type\":\"loose\",\"id\":\"\xFF\"}";
    let at = body.len();
    body.extend_from_slice(broken);
    body.extend_from_slice(format!(",{GOOD}]").as_bytes());
    let reply = gateway.post("", &body).await;
    assert_eq!(reply.status, 207, "{reply:?}");
    let error = &reply.json()["results"][1]["errors"][0];
    assert_eq!(error["keyword"], "encoding");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains(&format!("byte {}", at + 22)),
        "{error}"
    );
    assert_eq!(gateway.events().len(), 2);
    assert!(gateway.bad_events()[0]["data"]["payload_base64"].is_string());
}

#[tokio::test]
async fn events_nested_ten_thousand_deep_are_rejected_alone() {
    let gateway = start(|_| {});
    let deep = format!(
        r#"{{"type":"loose","id":"d","data":{{"x":{}{}}}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let reply = gateway.post("", format!("[{deep},{GOOD}]")).await;
    assert_eq!(reply.status, 207);
    assert_eq!(reply.json()["results"][0]["errors"][0]["keyword"], "depth");
    assert_eq!(gateway.events().len(), 1);
}

#[tokio::test]
async fn a_stream_that_refuses_makes_503_with_retry_after() {
    let gateway = start(|_| {});
    gateway
        .memory
        .refuse(Some(Refusal::Unavailable("disk".into())));
    let reply = gateway.post("", format!("[{GOOD},{BAD}]")).await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("retry-after"), Some("1"));
    gateway.memory.refuse(None);
    assert_eq!(gateway.post("", GOOD).await.status, 200);
    assert_eq!(gateway.events().len(), 1);
}

#[tokio::test]
async fn an_event_over_the_streams_limit_is_rejected_by_that_name() {
    let gateway = start(|_| {});
    gateway.memory.bound_record(Some(600));
    let large = format!(r#"{{"type":"loose","data":{{"x":"{}"}}}}"#, "x".repeat(600));
    let reply = gateway.post("", format!("[{large},{GOOD}]")).await;
    assert_eq!(reply.status, 207, "{reply:?}");
    let rejected = &reply.json()["results"][0];
    assert_eq!(rejected["errors"][0]["keyword"], "size");
    assert!(
        rejected["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("600")
    );
    let unkept = r#"headgate_gateway_events_total{outcome="rejected_unkept"}"#;
    assert_eq!(gateway.metric(unkept).await, 1.0);
}

#[tokio::test]
async fn a_stream_that_does_not_answer_in_time_makes_events_retry_under_their_ids() {
    let gateway = start(|config| config.timeouts.append_timeout_ms = 50);
    gateway.memory.hold(true);
    let reply = gateway.post("", GOOD).await;
    assert_eq!(reply.status, 503);
    let json = reply.json();
    assert_eq!(json["retry"], 1);
    assert_eq!(json["results"][0]["status"], "retry");
    assert_eq!(json["results"][0]["id"], "a");
}

#[tokio::test]
async fn a_template_names_the_topic_of_each_event_and_past_the_bound_they_share_one() {
    let gateway = start_with(
        |_| {},
        |parts| {
            let template = Template::parse("by.{source}", 1).unwrap().unwrap();
            parts.topics.events = template.fallback();
            parts.topics.template = Some(Arc::new(template));
        },
    );
    let event = |source: &str| format!(r#"{{"type":"loose","source":"{source}","data":{{}}}}"#);
    let body = format!(
        "[{},{},{},{{}}]",
        event("first"),
        event("/b"),
        event("first")
    );
    let reply = gateway.post("", body).await;
    assert_eq!(reply.json()["accepted"], 3, "{}", reply.json());
    let count = |topic: &str| gateway.memory.values(&Topic::new(topic)).len();
    assert_eq!((count("by.first"), count("by.other")), (2, 1));
    assert_eq!(gateway.bad_events().len(), 1);
    assert_eq!(
        gateway
            .metric("headgate_gateway_unrouted_events_total")
            .await,
        1.0
    );
}
