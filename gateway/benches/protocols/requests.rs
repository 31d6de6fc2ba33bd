//! The same events as each protocol's clients send them.

use std::path::Path;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use bytes::Bytes;
use headgate_schemas::registry::Registry;
use serde_json::{Value, json};

/// A request.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) path: String,
    /// Empty: it is a GET.
    pub(crate) body: Bytes,
    pub(crate) events: usize,
}

impl Case {
    fn post(name: &'static str, path: &str, events: usize, body: String) -> Self {
        Self {
            name,
            path: path.to_owned(),
            body: body.into(),
            events,
        }
    }

    fn get(name: &'static str, path: String) -> Self {
        Self {
            name,
            path,
            body: Bytes::new(),
            events: 1,
        }
    }
}

/// The order's schema as a native event's, a track call's and a self-describing event's.
pub(crate) fn schemas() -> Registry {
    let orders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/events");
    let order = std::fs::read_to_string(orders.join("order_completed/1.json")).unwrap();
    let money = std::fs::read(orders.join("_shared/money.json")).unwrap();
    let track = order.replacen('{', "{\"x-track\": true,", 1);
    let opened = r#"{"type": "object", "properties": {"mail": {"type": "string"}}}"#;
    let opened_track = opened.replacen('{', "{\"x-track\": true,", 1);
    let files: [(&Path, &[u8]); 5] = [
        (Path::new("order_completed/1.json"), order.as_bytes()),
        (Path::new("order_tracked/1.json"), track.as_bytes()),
        (Path::new("mail_read/1.json"), opened.as_bytes()),
        (Path::new("mail_opened/1.json"), opened_track.as_bytes()),
        (Path::new("_shared/money.json"), &money),
    ];
    Registry::from_files(files.into_iter()).unwrap()
}

/// Native requests, what is held against each, and how many times as dear that may be.
pub(crate) fn cases() -> Vec<(Case, Vec<Case>, f64)> {
    let native = |events: usize| {
        let body: Vec<_> = (0..events).map(native).collect();
        Case::post("native", "/v1/events", events, json!(body).to_string())
    };
    let small = json!({
        "type": "mail_read", "id": id(1), "time": "2026-11-22T20:07:54.123Z", "userid": "user-1", "data": {"mail": "m-1"}
    });
    let small = Case::post("native, small", "/v1/events", 1, small.to_string());
    let single = vec![
        Case::post("segment /v1/track", "/v1/track", 1, track(1).to_string()),
        Case::post("webhook", "/v1/webhooks/shop", 1, order(1).to_string()),
    ];
    vec![
        (native(20), batches(), 1.5),
        (native(1), single, 1.3),
        (small, pixels(), 1.3),
    ]
}

fn batches() -> Vec<Case> {
    let tracks: Vec<_> = (0..20).map(track).collect();
    let batch = json!({"batch": tracks, "sentAt": "2026-11-22T20:07:55.000Z"});
    let snowplow = |base64: bool| {
        let events: Vec<_> = (0..20).map(|n| self_describing(n, base64)).collect();
        json!({"schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": events}).to_string()
    };
    let cloudevents: Vec<_> = (0..20).map(cloudevent).collect();
    let tp2 = "/com.snowplowanalytics.snowplow/tp2";
    vec![
        Case::post(
            "cloudevents",
            "/v1/events",
            20,
            json!(cloudevents).to_string(),
        ),
        Case::post("segment", "/v1/batch", 20, batch.to_string()),
        Case::post("snowplow", tp2, 20, snowplow(false)),
        Case::post("snowplow, base64", tp2, 20, snowplow(true)),
    ]
}

fn pixels() -> Vec<Case> {
    let message = json!({
        "event": "Mail Opened", "messageId": id(1), "userId": "user-1", "properties": {"mail": "m-1"}
    });
    let data = BASE64_URL_SAFE_NO_PAD.encode(message.to_string());
    vec![
        Case::post(
            "segment /v1/track, small",
            "/v1/track",
            1,
            message.to_string(),
        ),
        Case::get(
            "segment's pixel",
            format!("/v1/pixel/track?writeKey=k&data={data}"),
        ),
        Case::get(
            "snowplow's pixel",
            format!(
                "/i?e=se&se_ca=mail&se_ac=opened&se_la=m-1&eid={}&uid=user-1&aid=shop&p=web&tv=js-4.6.0",
                id(1)
            ),
        ),
    ]
}

fn id(number: usize) -> String {
    format!("0193f7a2-5d3c-7c4e-9a51-{number:012}")
}

/// What an order of about 1.1 KB says.
fn order(number: usize) -> Value {
    let item = |n: usize| {
        json!({
            "product_id": format!("p-{n}"), "name": "Mug, blue, 350 ml, dishwasher-safe", "price": 12.5, "quantity": 2,
            "options": {"engraving": "Ada Lovelace", "wrapping": "recycled paper"}
        })
    };
    let items: Vec<_> = (0..5).map(|n| item(number % 7 + n)).collect();
    json!({
        "order_id": format!("o-{number}"), "total": 61.4, "currency": "EUR", "items": items,
        "shipping": {"method": "express", "price": 4.9, "country": "PT", "promised_on": "2026-11-25"},
        "coupon": null, "paid_at": "2026-11-22T20:07:54.123Z", "first_order": true
    })
}

fn native(number: usize) -> Value {
    json!({
        "type": "order_completed", "id": id(number), "time": "2026-11-22T20:07:54.123Z", "userid": format!("user-{number}"),
        "data": order(number)
    })
}

fn cloudevent(number: usize) -> Value {
    json!({
        "specversion": "1.0", "source": "/shop", "type": "order_completed", "id": id(number),
        "time": "2026-11-22T20:07:54.123Z", "datacontenttype": "application/json", "data": order(number)
    })
}

/// As Segment's libraries send it, with as little around it as they do.
fn track(number: usize) -> Value {
    json!({
        "type": "track", "event": "Order Tracked", "messageId": id(number), "userId": format!("user-{number}"),
        "anonymousId": format!("anonymous-{number}"), "properties": order(number),
        "context": {"library": {"name": "@segment/analytics-node", "version": "3.1.0"}},
        "timestamp": "2026-11-22T20:07:54.123Z"
    })
}

/// As Snowplow's trackers send it.
fn self_describing(number: usize, base64: bool) -> Value {
    let described = json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
        "data": {"schema": "iglu:com.example/order/jsonschema/1-0-0", "data": order(number)}
    });
    let mut event = json!({
        "e": "ue", "eid": id(number), "tv": "node-4.6.0", "aid": "shop", "p": "srv", "uid": format!("user-{number}"),
        "dtm": "1795378074123", "stm": "1795378075000"
    });
    let (key, value) = match base64 {
        true => (
            "ue_px",
            BASE64_URL_SAFE_NO_PAD.encode(described.to_string()),
        ),
        false => ("ue_pr", described.to_string()),
    };
    event[key] = value.into();
    event
}
