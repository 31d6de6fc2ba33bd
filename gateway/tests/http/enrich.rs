//! What a gateway finds out about events beyond what they say, source by source.

use std::{path::Path, sync::Arc};

use headgate_gateway::{
    Config, SharedSources,
    again::{Again, Rejected, Verdict},
    sources,
};
use headgate_schemas::{
    event::BadEvent,
    registry::{Registry, SharedRegistry},
};
use serde_json::{Value, json};

use crate::support::{Client, Running, start_with};

const GEO: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/GeoIP2-City-Test.mmdb"
);
const TP2: &str = "/com.snowplowanalytics.snowplow/tp2";
/// Its place is known to the test database: Boxford.
const FORWARDED: &str = "x-forwarded-for: 6.6.6.6, 2.125.160.216\r\n";
const EDGE: &str = "user-agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0\r\n";
const PAGE: &str = "https://shop.example/?utm_source=mail&gclid=g-1";

fn config(enrich: &Value) -> sources::Config {
    let config = json!({ "web": { "keys": ["key-of-web"], "enrich": enrich }, "plain": { "keys": ["key-of-plain"] } });
    serde_json::from_value(config).unwrap()
}

fn all(client_ip: &str) -> Value {
    json!({ "client_ip": client_ip, "campaign": true, "user_agent": true, "geo_file": GEO })
}

/// The values of strict events that are seen by nobody: none of them says so of what is added.
fn schemas() -> Registry {
    let strict = json!({
        "type": "object", "x-track": true, "additionalProperties": false, "required": ["total"],
        "properties": { "total": { "type": "number" } },
    });
    let own = json!({
        "type": "object", "x-table": "events", "additionalProperties": false,
        "properties": { "event": {}, "event_vendor": {}, "event_name": {}, "event_format": {}, "event_version": {},
                        "useragent": {}, "network_userid": {}, "page_url": {}, "page_urlscheme": {}, "page_urlhost": {},
                        "page_urlport": {}, "page_urlpath": {}, "page_urlquery": {} },
    });
    let files = [
        ("order_completed/1.json", strict),
        ("snowplow_event/1.json", own),
    ];
    registry(&files)
}

fn registry(files: &[(&str, Value)]) -> Registry {
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(file, schema)| (*file, schema.to_string()))
        .collect();
    let files = files
        .iter()
        .map(|(file, text)| (Path::new(*file), text.as_bytes()));
    Registry::from_files(files).unwrap()
}

fn gateway(enrich: &Value, schemas: Option<Registry>) -> Running {
    let sources = config(enrich);
    assert_eq!(sources::config::problems(&sources), vec![]);
    start_with(
        |config| config.trusted_proxies = vec!["127.0.0.0/8".into()],
        |parts| {
            parts.sources = SharedSources::new(&sources, "/headgate").unwrap().into();
            if let Some(schemas) = schemas {
                parts.schemas = Arc::new(SharedRegistry::new(schemas));
            }
        },
    )
}

async fn send(gateway: &Running, path: &str, headers: &str, body: Value) -> Value {
    let headers = format!("{headers}{FORWARDED}{EDGE}");
    let reply = gateway.post_to(path, &headers, body.to_string()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(gateway.bad_events(), Vec::<Value>::new());
    gateway.events().last().unwrap()["data"].clone()
}

const WEB: &str = "x-write-key: key-of-web\r\n";

fn page() -> Value {
    json!({ "messageId": "m-1", "anonymousId": "a", "context": { "page": { "url": PAGE } } })
}

#[tokio::test]
async fn sdks_events_get_what_their_source_asks_for_and_no_others_do() {
    let gateway = gateway(&all("truncate"), None);
    let data = send(&gateway, "/v1/page", WEB, page()).await;
    let context = &data["context"];
    assert_eq!(context["ip"], "2.125.160.0");
    assert_eq!(context["location"]["city"], "Boxford");
    assert_eq!(context["browser"]["name"], "Edge");
    assert_eq!(context["campaign"]["source"], "mail");
    let element = json!({ "data": [{ "e": "pv", "url": PAGE }] });
    let data = send(&gateway, TP2, WEB, element.clone()).await;
    for (field, value) in [
        ("user_ipaddress", "2.125.160.0"),
        ("geo_city", "Boxford"),
        ("br_family", "Edge"),
        ("mkt_source", "mail"),
    ] {
        assert_eq!(data[field], value, "{field}");
    }
    let plain = "x-write-key: key-of-plain\r\n";
    let data = send(&gateway, "/v1/page", plain, page()).await;
    assert_eq!(data, page());
    let data = send(&gateway, TP2, plain, element).await;
    let names = data.as_object().unwrap().keys();
    let added = names.filter(|name| {
        name.starts_with("mkt_") || name.starts_with("geo_") || *name == "user_ipaddress"
    });
    assert_eq!(added.count(), 0, "{data}");
    // A native client's data is its own.
    let event = json!({ "type": "loose", "data": { "context": { "page": { "url": PAGE } } } });
    let data = send(&gateway, "/v1/events", WEB, event.clone()).await;
    assert_eq!(data, event["data"]);
}

#[tokio::test]
async fn who_is_no_trusted_proxy_speaks_for_itself_alone() {
    let sources = config(&json!({ "client_ip": "keep" }));
    let gateway = start_with(
        |config| config.trusted_proxies = vec!["10.0.0.0/8".into()],
        |parts| parts.sources = SharedSources::new(&sources, "/headgate").unwrap().into(),
    );
    let data = send(&gateway, "/v1/page", WEB, page()).await;
    assert_eq!(data["context"]["ip"], "127.0.0.1");
}

#[tokio::test]
async fn each_request_of_a_connection_has_its_own_address() {
    let gateway = gateway(&json!({ "client_ip": "keep" }), None);
    let mut client = Client::connect(gateway.addr).await;
    for address in ["203.0.113.1", "203.0.113.2"] {
        let body = page().to_string();
        let length = body.len();
        let head = format!(
            "POST /v1/page HTTP/1.1\r\nhost: x\r\n{WEB}x-forwarded-for: {address}\r\ncontent-length: {length}\r\n\r\n"
        );
        client.write(head.as_bytes()).await;
        client.write(body.as_bytes()).await;
        assert_eq!(client.reply().await.status, 200);
        let event = gateway.events().pop().unwrap();
        assert_eq!(event["data"]["context"]["ip"], address);
    }
}

#[tokio::test]
async fn an_address_that_is_to_be_dropped_is_nowhere_even_if_an_sdk_sent_it() {
    let gateway = gateway(&all("drop"), None);
    let mut message = page();
    message["context"]["ip"] = "81.2.69.142".into();
    send(&gateway, "/v1/page", WEB, message).await;
    let element = json!({ "e": "pv", "url": PAGE, "ip": "81.2.69.142" });
    let data = send(&gateway, TP2, WEB, json!({ "data": [element] })).await;
    // London: it was looked up before it went.
    assert_eq!(data["geo_city"], "London");
    let written: String = gateway.events().iter().map(Value::to_string).collect();
    for address in ["81.2.69", "2.125.160", "127.0.0.1"] {
        assert!(!written.contains(address), "{address}: {written}");
    }
}

#[tokio::test]
async fn who_wants_to_be_nobody_has_no_address_and_no_place() {
    let gateway = gateway(&all("keep"), None);
    let element = json!({ "e": "pv", "url": PAGE, "ip": "81.2.69.142" });
    let headers = format!("{WEB}sp-anonymous: *\r\n");
    let data = send(&gateway, TP2, &headers, json!({ "data": [element] })).await;
    assert_eq!(data["mkt_source"], "mail");
    let names = data.as_object().unwrap().keys();
    let told = names.filter(|name| name.starts_with("geo_") || *name == "user_ipaddress");
    assert_eq!(told.count(), 0, "{data}");
}

#[tokio::test]
async fn a_strict_schema_does_not_refuse_what_was_added() {
    let gateway = gateway(&all("keep"), Some(schemas()));
    let order = json!({ "event": "Order Completed", "properties": { "total": 1 }, "context": { "page": { "url": PAGE } } });
    let data = send(&gateway, "/v1/track", WEB, order).await;
    assert_eq!(data["context"]["browser"]["name"], "Edge");
    assert_eq!(data["properties"], json!({ "total": 1 }));
    let element = json!({ "data": [{ "e": "pv", "url": PAGE }] });
    let data = send(&gateway, TP2, WEB, element).await;
    assert_eq!(data["br_family"], "Edge");
}

#[tokio::test]
async fn what_schemas_hide_is_hidden_in_what_was_added() {
    let hide = json!({
        "calls": { "/context/ip": "mask", "/context/location": "drop", "/context/campaign/clickId": "drop" },
        "snowplow_event": { "/user_ipaddress": "drop", "/geo_city": "mask" },
    });
    let schemas = registry(&[("_privacy.json", hide)]);
    let gateway = gateway(&all("keep"), Some(schemas));
    let data = send(&gateway, "/v1/page", WEB, page()).await;
    let context = &data["context"];
    assert_eq!(context["ip"], "***");
    assert_eq!(context["location"], Value::Null);
    assert_eq!(
        context["campaign"],
        json!({ "source": "mail", "network": "Google" })
    );
    let element = json!({ "data": [{ "e": "pv", "url": PAGE }] });
    let data = send(&gateway, TP2, WEB, element).await;
    assert_eq!(
        (&data["user_ipaddress"], &data["geo_city"]),
        (&Value::Null, &json!("***"))
    );
}

/// Judges the only bad event once more.
fn again(gateway: &Running, enrich: &Value, schemas: &Registry) -> Value {
    let bad = gateway.bad_events();
    assert_eq!(bad.len(), 1);
    let bad = BadEvent::read(&bad[0]["data"].to_string()).unwrap();
    let payload = String::from_utf8_lossy(&bad.payload);
    for told in ["2.125.160", "Boxford", "Edg"] {
        assert!(!payload.contains(told), "{payload}");
    }
    let again = Again::new(&Config::default(), &config(enrich), Arc::default()).unwrap();
    let rejected = Rejected {
        payload: &bad.payload,
        kind: bad.rejected_type.as_deref(),
        id: bad.rejected_id.as_deref(),
        source_default: "web",
        receivedtime: "2026-11-22T20:07:54Z",
        senttime: None,
        protected: &bad.payload_protected,
        form: bad.payload_form.as_deref(),
    };
    match again.judge(schemas, &rejected) {
        Verdict::Valid(valid) => serde_json::from_slice(&valid.record).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_event_that_is_judged_again_gets_what_it_tells_itself_and_nothing_of_who_replays_it() {
    let enrich = all("truncate");
    let hide = || {
        (
            "_privacy.json",
            json!({ "calls": { "/context/campaign/source": "drop" } }),
        )
    };
    let paid = |kind: &str| {
        let schema = json!({ "type": "object", "x-track": true, "properties": { "total": { "type": kind } } });
        registry(&[("paid/1.json", schema), hide()])
    };
    let gateway = gateway(&enrich, Some(paid("string")));
    let message = json!({
        "event": "Paid", "messageId": "m-1", "properties": { "total": 1 },
        "context": { "page": { "url": PAGE }, "campaign": { "source": "own" } },
    });
    let headers = format!("{WEB}{FORWARDED}{EDGE}");
    let reply = gateway
        .post_to("/v1/track", &headers, message.to_string())
        .await;
    assert_eq!(reply.status, 200);
    let record = again(&gateway, &enrich, &paid("number"));
    let context = &record["data"]["context"];
    // The campaign's source was hidden before, and is not found out again.
    assert_eq!(
        context,
        &json!({ "page": { "url": PAGE }, "campaign": { "clickId": "g-1", "network": "Google" } })
    );
}

#[tokio::test]
async fn sources_whose_file_is_broken_do_not_replace_the_old_ones() {
    let sources = config(&json!({ "client_ip": "keep" }));
    let shared = SharedSources::new(&sources, "/headgate").unwrap();
    let broken = config(&json!({ "client_ip": "drop", "geo_file": "/no/such.mmdb" }));
    let told = shared.replace(&broken).unwrap_err().to_string();
    assert!(told.contains("sources.web.enrich.geo_file"), "{told}");
    let shared = Arc::new(shared);
    let gateway = start_with(|_| {}, |parts| parts.sources = Arc::clone(&shared));
    let data = send(&gateway, "/v1/page", WEB, page()).await;
    assert_eq!(data["context"]["ip"], "127.0.0.1");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("places.mmdb");
    std::fs::copy(GEO, &file).unwrap();
    let place = config(&json!({ "geo_file": file }));
    shared.replace(&place).unwrap();
    let mut message = page();
    message["context"]["ip"] = "2.125.160.216".into();
    let data = send(&gateway, "/v1/page", WEB, message).await;
    assert_eq!(data["context"]["location"]["city"], "Boxford");
}
