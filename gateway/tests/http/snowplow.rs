//! What Snowplow's trackers send, and what they hear.

use headgate_gateway::{SharedSources, sources};
use headgate_schemas::registry::{Registry, SharedRegistry};
use headgate_stream::log::Refusal;
use serde_json::{Value, json};

use crate::support::{Client, Reply, Running, get, start, start_with};

const TP2: &str = "/com.snowplowanalytics.snowplow/tp2";

/// A self-describing event as Snowplow's documentation has it, with entities; the clock is two seconds late when it is
/// sent. <https://docs.snowplow.io/docs/events/http-requests/>
fn self_describing() -> Value {
    json!({
        "e": "ue",
        "ue_px": "eyJzY2hlbWEiOiJpZ2x1OmNvbS5zbm93cGxvd2FuYWx5dGljcy5zbm93cGxvdy91bnN0cnVjdF9ldmVudC9qc29uc2NoZW1hLzEtMC0wIiwiZGF0YSI6eyJzY2hlbWEiOiJpZ2x1OmNvbS5teV9jb21wYW55L3ZpZXdlZF9wcm9kdWN0L2pzb25zY2hlbWEvMS0wLTAiLCJkYXRhIjp7InByb2R1Y3RfaWQiOiJBU08wMTA0MyIsInByaWNlIjo0OS45NX19fQ==",
        "eid": "5a305bf5-32fc-40d9-b0e8-66052f0f2c95",
        "tv": "js-3.5.0", "tna": "biz1", "aid": "website", "p": "web", "cookie": "1", "cs": "UTF-8",
        "lang": "en-GB", "res": "3440x1440", "cd": "30", "tz": "Europe/London", "dtm": "1795352398000",
        "vp": "693x1302", "ds": "678x9015", "vid": "29", "sid": "be9520e7-16a5-4d4e-afa1-8e269f99a1cf",
        "duid": "85094061-f702-4b62-a46d-20f7226b4741", "url": "https://snowplow.io/", "stm": "1795352399000",
        "cx": "ewogICJzY2hlbWEiOiAiaWdsdTpjb20uc25vd3Bsb3dhbmFseXRpY3Muc25vd3Bsb3cvY29udGV4dHMvanNvbnNjaGVtYS8xLTAtMCIsCiAgImRhdGEiOiBbCiAgICB7CiAgICAgICJzY2hlbWEiOiAiaWdsdTpjb20ubXlfY29tcGFueS91c2VyL2pzb25zY2hlbWEvMS0wLTAiLAogICAgICAiZGF0YSI6IHsKICAgICAgICAibXlfY29tcGFueV91c2VyX2lkIjogIjk5OTl4eXoiCiAgICAgIH0KICAgIH0KICBdCn0=",
    })
}

fn page_view() -> Value {
    json!({
        "e": "pv", "url": "https://shop.example:8443/prícing?a=1&b=%20#top", "page": "Título",
        "refr": "http://search.example/?q=x", "eid": "e-1", "uid": "u-1", "tv": "js-4.10.1", "aid": "website", "p": "web",
    })
}

fn payload(events: &[Value]) -> String {
    json!({"schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": events}).to_string()
}

/// It is 13:00.
fn one_o_clock() -> Running {
    start_with(
        |_| {},
        |parts| parts.clock = std::sync::Arc::new(|| 1_795_352_400_000_000),
    )
}

async fn post(gateway: &Running, headers: &str, events: &[Value]) -> Reply {
    gateway.post_to(TP2, headers, payload(events)).await
}

async fn ask(gateway: &Running, head: &str) -> Reply {
    let mut client = Client::connect(gateway.addr).await;
    client
        .write(format!("{head}\r\nhost: x\r\n\r\n").as_bytes())
        .await;
    client.reply().await
}

/// The data of the only event that was taken.
fn the_data(gateway: &Running) -> Value {
    let events = gateway.events();
    assert_eq!((events.len(), gateway.bad_events()), (1, vec![]));
    events[0]["data"].clone()
}

#[tokio::test]
async fn a_self_describing_event_becomes_a_canonical_one() {
    let gateway = one_o_clock();
    let reply = post(
        &gateway,
        "user-agent: Tracker/1\r\ncookie: sp=known\r\n",
        &[self_describing()],
    )
    .await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    let written = &gateway.events()[0];
    for (attribute, value) in [
        ("type", "snowplow_event"),
        ("dataschema", "snowplow_event/1"),
        ("source", "/headgate"),
        ("id", "5a305bf5-32fc-40d9-b0e8-66052f0f2c95"),
        ("anonymousid", "85094061-f702-4b62-a46d-20f7226b4741"),
        ("senttime", "2026-11-22T12:59:59.000000Z"),
        ("time", "2026-11-22T12:59:59.000000Z"),
    ] {
        assert_eq!(written[attribute], value, "{attribute}");
    }
    let expected = json!({
        "event": "unstruct", "event_id": "5a305bf5-32fc-40d9-b0e8-66052f0f2c95",
        "v_tracker": "js-3.5.0", "name_tracker": "biz1", "app_id": "website", "platform": "web",
        "br_cookies": true, "doc_charset": "UTF-8", "br_lang": "en-GB",
        "dvce_screenwidth": 3440, "dvce_screenheight": 1440, "br_colordepth": "30",
        "os_timezone": "Europe/London", "dvce_created_tstamp": "2026-11-22T12:59:58.000000Z",
        "br_viewwidth": 693, "br_viewheight": 1302, "doc_width": 678, "doc_height": 9015,
        "domain_sessionidx": 29, "domain_sessionid": "be9520e7-16a5-4d4e-afa1-8e269f99a1cf",
        "domain_userid": "85094061-f702-4b62-a46d-20f7226b4741",
        "page_url": "https://snowplow.io/", "page_urlscheme": "https", "page_urlport": 443,
        "page_urlhost": "snowplow.io", "page_urlpath": "/",
        "dvce_sent_tstamp": "2026-11-22T12:59:59.000000Z",
        "event_vendor": "com.my_company", "event_name": "viewed_product", "event_format": "jsonschema",
        "event_version": "1-0-0", "network_userid": "known", "useragent": "Tracker/1",
        "unstruct_event": {"schema": "iglu:com.my_company/viewed_product/jsonschema/1-0-0",
                           "data": {"product_id": "ASO01043", "price": 49.95}},
        "contexts": [{"schema": "iglu:com.my_company/user/jsonschema/1-0-0", "data": {"my_company_user_id": "9999xyz"}}],
    });
    assert_eq!(written["data"], expected);
}

#[tokio::test]
async fn a_page_view_has_its_addresses_in_parts_and_a_time_that_is_sure_is_not_corrected() {
    let gateway = one_o_clock();
    let mut event = page_view();
    event["dtm"] = "1".into();
    event["stm"] = "1795352399000".into();
    event["ttm"] = "1795352390000".into();
    assert_eq!(post(&gateway, "", &[event]).await.status, 200);
    let written = &gateway.events()[0];
    assert_eq!(
        (&written["id"], &written["userid"], &written["time"]),
        (
            &json!("e-1"),
            &json!("u-1"),
            &json!("2026-11-22T12:59:50.000000Z")
        )
    );
    let data = &written["data"];
    for (field, value) in [
        ("event", json!("page_view")),
        ("event_vendor", json!("com.snowplowanalytics.snowplow")),
        ("event_name", json!("page_view")),
        ("page_title", json!("Título")),
        ("page_urlhost", json!("shop.example")),
        ("page_urlport", json!(8443)),
        ("page_urlpath", json!("/prícing")),
        ("page_urlquery", json!("a=1&b=%20")),
        ("page_urlfragment", json!("top")),
        ("page_referrer", json!("http://search.example/?q=x")),
        ("refr_urlhost", json!("search.example")),
        ("refr_urlport", json!(80)),
        ("refr_urlquery", json!("q=x")),
        ("true_tstamp", json!("2026-11-22T12:59:50.000000Z")),
        ("user_id", json!("u-1")),
    ] {
        assert_eq!(data[field], value, "{field}");
    }
}

#[tokio::test]
async fn the_same_event_is_made_of_a_post_of_a_query_and_of_json_that_is_not_coded() {
    let gateway = one_o_clock();
    let inner = json!({"schema": "iglu:com.example/a/jsonschema/2-0-1", "data": {"n": 1.5}});
    let wrap =
        |data: Value| json!({"schema": "iglu:x/y/jsonschema/1-0-0", "data": data}).to_string();
    let (event, entities) = (wrap(inner.clone()), wrap(json!([inner])));
    let sent = json!({"e": "ue", "eid": "e-1", "se_va": "2.50", "ue_pr": event, "co": entities, "tnuid": "n"});
    assert_eq!(post(&gateway, "", &[sent]).await.status, 200);
    let encode = |text: &str| form_urlencoded(text);
    let query = format!(
        "e=ue&eid=e-1&se_va=2.50&ue_pr={}&co={}&tnuid=n",
        encode(&event),
        encode(&entities)
    );
    for path in ["/i", "/ice.png"] {
        let reply = get(gateway.addr, &format!("{path}?{query}")).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("image/gif"))
        );
        let form = "content-type: application/x-www-form-urlencoded\r\n";
        let reply = gateway.post_to(path, form, &query).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    }
    let events = gateway.events();
    assert_eq!(events.len(), 5);
    for event in &events {
        assert_eq!(event["data"], events[0]["data"]);
    }
    let data = &events[0]["data"];
    assert_eq!(
        (&data["unstruct_event"], &data["contexts"]),
        (&inner, &json!([inner]))
    );
    assert_eq!(
        (&data["event_version"], &data["se_value"]),
        (&json!("2-0-1"), &json!(2.5))
    );
}

fn form_urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// What the trackers' own releases sent for the same four calls: `post` in one request, and `get`, without Base64, in four.
const RECORDED: [&str; 2] = [
    include_str!("snowplow/node-tracker-4.8.0.json"),
    include_str!("snowplow/snowplow-tracker-python-1.1.0.json"),
];

#[tokio::test]
async fn what_trackers_send_is_taken_whole_coded_or_not() {
    for recorded in RECORDED {
        let gateway = start(|_| {});
        let recorded: Value = serde_json::from_str(recorded).unwrap();
        let body = recorded["post"].as_str().unwrap();
        assert_eq!(gateway.post_to(TP2, "", body).await.status, 200);
        for path in recorded["get"].as_array().unwrap() {
            let reply = get(gateway.addr, path.as_str().unwrap()).await;
            assert_eq!(reply.status, 200);
        }
        assert_eq!(gateway.bad_events(), Vec::<Value>::new());
        let events = gateway.events();
        assert_eq!(events.len(), 8);
        let (posted, got) = events.split_at(4);
        for (posted, got) in posted.iter().zip(got) {
            assert_eq!(posted["data"]["other"], Value::Null);
            for field in [
                "event",
                "event_name",
                "page_url",
                "page_title",
                "page_urlpath",
                "se_label",
                "se_value",
                "true_tstamp",
                "unstruct_event",
                "contexts",
                "user_id",
            ] {
                assert_eq!(posted["data"][field], got["data"][field], "{field}");
            }
        }
        let order = &posted[2]["data"];
        assert_eq!(order["event_name"], "order_completed");
        let data = &order["unstruct_event"]["data"];
        assert_eq!(data["unicode"], "日本語 עברית e\u{301} 👩‍👩‍👧 ~~~???>>>");
        assert_eq!(data["large"], json!(1.7976931348623157e308));
        assert_eq!(
            order["contexts"][1]["data"]["items"],
            json!([{"id": "p-77"}])
        );
        assert_eq!(posted[0]["data"]["page_title"], "Título 🦀 \"quoted\"");
        assert_eq!(posted[0]["time"], "2026-11-22T20:07:01.123000Z");
    }
}

#[tokio::test]
async fn what_fits_no_field_is_kept_and_an_event_without_id_gets_one() {
    let gateway = start(|_| {});
    let sent = json!({
        "e": "pp", "pp_mix": 3, "pp_max": "many", "res": "NaNxNaN", "dtm": "yesterday", "mac": "12:34", "tid": null,
        "cx": "", "made_up": {"a": [1.50]}, "nuid": "second", "tnuid": "first", "aid": "a", "cookie": true,
    });
    assert_eq!(post(&gateway, "", &[sent]).await.status, 200);
    let data = the_data(&gateway);
    assert_eq!(
        data["other"],
        json!({"pp_max": "many", "res": "NaNxNaN", "dtm": "yesterday", "mac": "12:34", "made_up": {"a": [1.50]}, "nuid": "second"})
    );
    for (field, value) in [
        ("pp_xoffset_min", json!(3)),
        ("network_userid", json!("first")),
        ("br_cookies", json!(true)),
        ("txn_id", Value::Null),
        ("contexts", Value::Null),
    ] {
        assert_eq!(data[field], value, "{field}");
    }
    assert_eq!(gateway.events()[0]["id"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn a_wrong_event_is_kept_as_it_was_sent_and_the_others_are_taken() {
    let gateway = start(|_| {});
    let mut long = page_view();
    long["duid"] = "x".repeat(2000).into();
    let not_described = "eyJhIjoxfQ";
    let wrong = [
        (json!({"e": "ue", "ue_px": "%%%"}), "/ue_px"),
        (json!({"e": "ue", "ue_px": not_described}), "/ue_px"),
        (json!({"e": "ue", "ue_pr": "{"}), "/ue_pr"),
        (json!({"e": "ue"}), "/ue_px"),
        (json!({"e": "pv", "cx": not_described}), "/cx"),
        (json!({"e": "xx", "eid": "e-9"}), "/e"),
        (json!({"eid": "e-8"}), "/e"),
        (json!(7), ""),
        (long, "/duid"),
    ];
    let mut events: Vec<Value> = wrong.iter().map(|(event, _)| event.clone()).collect();
    events.insert(3, page_view());
    let reply = post(&gateway, "", &events).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    assert_eq!(gateway.events().len(), 1);
    let bad = gateway.bad_events();
    assert_eq!(bad.len(), wrong.len());
    for (bad, (event, pointer)) in bad.iter().zip(&wrong) {
        let data = &bad["data"];
        assert_eq!(data["errors"][0]["pointer"], *pointer, "{data}");
        assert_eq!(data["payload_form"], "snowplow/event");
        let payload: Value = serde_json::from_str(data["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload, *event);
    }
}

#[tokio::test]
async fn a_browser_is_known_again_by_its_cookie_unless_it_wants_to_be_nobody() {
    let gateway = start(|_| {});
    let mut sent = page_view();
    sent["ip"] = "1.2.3.4".into();
    let reply = post(
        &gateway,
        "origin: https://shop.example\r\n",
        &[sent.clone()],
    )
    .await;
    let cookie = reply.header("set-cookie").unwrap();
    let (id, attributes) = cookie.split_once("; ").unwrap();
    let id = id.strip_prefix("sp=").unwrap().to_owned();
    assert_eq!(
        attributes,
        "max-age=31536000; path=/; secure; httponly; samesite=none; partitioned"
    );
    assert_eq!(
        reply.header("access-control-allow-credentials"),
        Some("true")
    );
    let known = format!("cookie: other=1; sp={id}\r\n");
    let again = post(&gateway, &known, &[sent.clone()]).await;
    assert!(
        again
            .header("set-cookie")
            .unwrap()
            .starts_with(&format!("sp={id};"))
    );
    for event in gateway.events() {
        assert_eq!(event["data"]["network_userid"], *id);
        assert_eq!(event["data"]["user_ipaddress"], "1.2.3.4");
    }
    sent["tnuid"] = "n".into();
    let nobody = post(&gateway, &format!("{known}sp-anonymous: *\r\n"), &[sent]).await;
    assert_eq!((nobody.status, nobody.header("set-cookie")), (200, None));
    let data = gateway.events()[2]["data"].to_string();
    for absent in ["network_userid", "user_ipaddress", "1.2.3.4", &id, "tnuid"] {
        assert!(!data.contains(absent), "{absent}: {data}");
    }
}

#[tokio::test]
async fn the_id_service_and_what_flash_asks_for_are_there_and_redirects_are_not() {
    let gateway = start(|_| {});
    let id = ask(&gateway, "GET /v1/snowplow/id HTTP/1.1\r\ncookie: sp=known").await;
    assert_eq!(
        (id.status, id.header("cache-control")),
        (200, Some("no-store"))
    );
    assert!(id.header("set-cookie").unwrap().starts_with("sp=known;"));
    let policy = get(gateway.addr, "/crossdomain.xml").await;
    assert!(
        policy
            .text()
            .contains("permitted-cross-domain-policies=\"none\"")
    );
    let away = get(gateway.addr, "/r/tp2?u=https%3A%2F%2Fother.example").await;
    assert_eq!((away.status, away.header("location")), (404, None));
    let look = get(gateway.addr, "/i").await;
    assert_eq!((look.status, gateway.bad_events().len()), (200, 0));
}

#[tokio::test]
async fn a_path_of_ones_own_is_served_where_settings_name_it() {
    let gateway = start(|config| config.snowplow.post_paths = vec!["/com.example/track".into()]);
    for (path, status) in [("/com.example/track", 200), ("/com.example/other", 404)] {
        let reply = gateway.post_to(path, "", payload(&[page_view()])).await;
        assert_eq!(reply.status, status, "{path}");
    }
    assert_eq!(gateway.events().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_taken_is_dropped_by_the_tracker_and_what_may_be_later_is_not() {
    let gateway = start(|config| {
        config.limits.body_bytes_max = 1000;
        config.limits.batch_events_max = 2;
    });
    let many = vec![json!({"e": "pv"}); 3];
    for (body, headers, code) in [
        (payload(&many), "", "too_many_events"),
        (payload(&vec![page_view(); 20]), "", "body_too_large"),
        ("{\"data\":".to_owned(), "", "malformed_body"),
        ("[]".to_owned(), "", "malformed_body"),
        (
            payload(&[]),
            "content-encoding: unheard-of\r\n",
            "unsupported_encoding",
        ),
    ] {
        let reply = gateway.post_to(TP2, headers, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code));
    }
    assert_eq!(post(&gateway, "", &[]).await.status, 200);
    gateway
        .memory
        .refuse(Some(Refusal::Unavailable("down".into())));
    for reply in [
        post(&gateway, "", &[page_view()]).await,
        get(gateway.addr, "/i?e=pv").await,
    ] {
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, Some("1"))
        );
        assert_eq!(reply.code(), "stream_unavailable");
    }
}

#[tokio::test]
async fn the_application_of_the_first_event_is_the_key_unless_the_request_shows_one() {
    let config = r#"{"web": {"keys": ["website-of-shop"]}, "app": {"keys": ["key-of-app"], "events_per_s_max": 1}}"#;
    let config: sources::Config = serde_json::from_str(config).unwrap();
    let gateway = start_with(
        |_| {},
        |parts| parts.sources = SharedSources::new(&config, "/headgate").unwrap().into(),
    );
    let mut known = page_view();
    known["aid"] = "website-of-shop".into();
    assert_eq!(post(&gateway, "", &[known]).await.status, 200);
    let reply = get(gateway.addr, "/i?e=pv&aid=website-of-shop").await;
    assert_eq!(reply.status, 200);
    for reply in [
        post(&gateway, "", &[page_view()]).await,
        post(&gateway, "", &[]).await,
    ] {
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "unknown_write_key")
        );
    }
    let shown = "x-write-key: key-of-app\r\n";
    assert_eq!(post(&gateway, shown, &[page_view()]).await.status, 200);
    let sources: Vec<Value> = gateway
        .events()
        .iter()
        .map(|event| event["source"].clone())
        .collect();
    assert_eq!(sources, ["web", "web", "app"]);
    // More than a burst passes once, and is paid off by what comes after it.
    let many = vec![page_view(); 5];
    assert_eq!(post(&gateway, shown, &many).await.status, 200);
    let reply = post(&gateway, shown, &many).await;
    assert_eq!(reply.status, 429);
    assert!(reply.header("retry-after").is_some());
}

/// A gateway that has a schema for the product that is viewed, and none for the user.
fn with_iglu(policy: &str) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir
        .path()
        .join("_iglu/com.my_company/viewed_product/jsonschema");
    std::fs::create_dir_all(&folder).unwrap();
    let schema = json!({
        "$schema": "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#",
        "self": {"vendor": "com.my_company", "name": "viewed_product", "format": "jsonschema", "version": "1-0-0"},
        "type": "object",
        "properties": {"price": {"type": "number", "minimum": 0, "exclusiveMinimum": true}},
    });
    std::fs::write(folder.join("1-0-0"), schema.to_string()).unwrap();
    let registry = Registry::load(dir.path()).unwrap();
    let sources = format!(r#"{{"web": {{"keys": ["website-of-shop"], "policy": "{policy}"}}}}"#);
    let sources: sources::Config = serde_json::from_str(&sources).unwrap();
    start_with(
        |_| {},
        |parts| {
            parts.schemas = SharedRegistry::new(registry).into();
            parts.sources = SharedSources::new(&sources, "/headgate").unwrap().into();
        },
    )
}

fn viewed(price: f64, contexts: &Value) -> Value {
    let described = |schema: &str, data: &Value| json!({"schema": format!("iglu:{schema}/jsonschema/1-0-0"), "data": data});
    let product = described("com.my_company/viewed_product", &json!({ "price": price }));
    let event = described("com.snowplowanalytics.snowplow/unstruct_event", &product);
    let around = described("com.snowplowanalytics.snowplow/contexts", contexts);
    json!({"e": "ue", "aid": "website-of-shop", "ue_pr": event.to_string(), "co": around.to_string()})
}

#[tokio::test]
async fn what_describes_itself_is_held_against_its_schema_of_iglu() {
    let user = json!({"schema": "iglu:com.my_company/user/jsonschema/1-0-0", "data": {}});
    let product = |price: f64| json!({"schema": "iglu:com.my_company/viewed_product/jsonschema/1-0-0", "data": {"price": price}});
    let events = [
        viewed(1.0, &json!([user, product(2.0)])),
        viewed(0.0, &json!([])),
        viewed(1.0, &json!([product(1.0), product(-1.0)])),
    ];
    let gateway = with_iglu("capture");
    assert_eq!(post(&gateway, "", &events).await.status, 200);
    assert_eq!(gateway.events().len(), 1);
    let found = |gateway: &Running| -> Vec<(Value, Value)> {
        let bad = gateway.bad_events().into_iter();
        bad.map(|bad| {
            let data = &bad["data"];
            (data["reason"].clone(), data["errors"][0]["pointer"].clone())
        })
        .collect()
    };
    let invalid = |pointer: &str| (json!("invalid"), json!(pointer));
    let expected = [
        invalid("/unstruct_event/data/price"),
        invalid("/contexts/1/data/price"),
    ];
    assert_eq!(found(&gateway), expected);
    // A strict source has nothing that no schema describes.
    let gateway = with_iglu("strict");
    assert_eq!(post(&gateway, "", &events[..1]).await.status, 200);
    let unknown = (json!("unknown_schema"), json!("/contexts/0/schema"));
    assert_eq!(found(&gateway), [unknown]);
}
