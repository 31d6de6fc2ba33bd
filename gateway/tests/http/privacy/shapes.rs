//! Values that stand elsewhere, or in another shape, than their annotation expects: they are hidden all the same.

use super::*;

const PERSON: &str = "iglu:com.example/person/jsonschema/1-0-0";

fn set(builtin: Value) -> Registry {
    let described = json!({
        "self": { "vendor": "com.example", "name": "person", "format": "jsonschema", "version": "1-0-0" },
        "type": "object", "properties": person(),
    });
    let loose = json!({ "type": "object" });
    let files = [
        ("_iglu/com.example/person/jsonschema/1-0-0", described),
        ("loose/1.json", loose),
        ("_privacy.json", builtin),
    ];
    let files = files.map(|(file, schema)| (file, schema.to_string()));
    let files = files
        .iter()
        .map(|(file, text)| (Path::new(*file), text.as_bytes()));
    Registry::from_files(files).unwrap()
}

fn with(builtin: Value) -> Running {
    start_with(
        |_| {},
        |parts| {
            parts.schemas = Arc::new(SharedRegistry::new(set(builtin)));
            parts.privacy = hider(privacy::Withhold::default());
        },
    )
}

/// Posts as many bodies as there are and looks at all that was written.
async fn none_is_told(gateway: &Running, path: &str, bodies: &[String], taken: usize) {
    for body in bodies {
        gateway.post_to(path, "", body).await;
        let text = written(gateway);
        assert!(!text.contains(SECRET), "{body}: {text}");
    }
    assert_eq!(gateway.events().len(), taken, "{}", written(gateway));
    assert_eq!(gateway.bad_events().len(), bodies.len() - taken);
}

const TP2: &str = "/com.snowplowanalytics.snowplow/tp2";

fn tracked(event: &str) -> String {
    format!(
        r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[{event}]}}"#
    )
}

fn entity() -> Value {
    json!({ "schema": PERSON, "data": { "email": "secret@shop.example" } })
}

fn wrap(data: Value) -> Value {
    json!({ "schema": "iglu:com.snowplowanalytics.snowplow/x/jsonschema/1-0-0", "data": data })
}

#[tokio::test]
async fn trackers_parameters_that_are_kept_as_others_are_hidden_by_their_fields() {
    let gateway = with(json!({ "snowplow_event": {
        "/page_url": "mask", "/page_urlquery": "mask", "/user_ipaddress": "drop", "/network_userid": "drop", "/other/own": "drop"
    } }));
    let (coded, plain) = (base64(&wrap(json!([]))), wrap(json!([entity()])));
    let of = |event: Value| tracked(&event.to_string());
    let bodies = [
        tracked(r#"{"e":"pv","url":"https://a.example","url":"https://x.example/?mail=secret"}"#),
        of(json!({ "e": "pv", "cx": coded, "co": plain.to_string() })),
        of(json!({ "e": "pv", "cx": coded, "co": plain })),
        of(json!({ "e": "pv", "co": json!(wrap(json!([]))), "cx": base64(&plain) })),
        of(json!({ "e": "pv", "ue_px": wrap(entity()) })),
        of(json!({ "e": "pv", "ip": ["secret"] })),
        of(
            json!({ "e": "pv", "tnuid": "secret-1", "nuid": "secret-2", "own": "secret", "mine": "kept" }),
        ),
    ];
    none_is_told(&gateway, TP2, &bodies, 7).await;
    let around = gateway.events()[3]["data"]["other"]["cx"].to_string();
    let decoded = {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(around.trim_matches('"'))
    };
    let decoded = String::from_utf8(decoded.unwrap()).unwrap();
    assert!(decoded.contains(HASHED) && !decoded.contains(SECRET));
    assert_eq!(
        gateway.events()[6]["data"]["other"],
        json!({ "mine": "kept" })
    );
}

#[tokio::test]
async fn calls_and_webhooks_in_another_shape_are_masked() {
    let gateway = with(json!({
        "calls": { "/context/ip": "drop" }, "identify": { "/traits/email": "hash" }, "webhook": { "/buyer/email": "hash" },
    }));
    let traits = json!({ "userId": "u", "traits": [{ "email": "secret" }], "context": "{\"ip\":\"secret\"}" });
    none_is_told(&gateway, "/v1/identify", &[traits.to_string()], 1).await;
    let data = &gateway.events()[0]["data"];
    assert_eq!(
        (&data["traits"], &data["context"]),
        (&json!("***"), &json!("***"))
    );
    let gateway = with(json!({ "webhook": { "/buyer/email": "hash" } }));
    let buyers = json!([{ "buyer": [{ "email": "secret" }] }]).to_string();
    none_is_told(&gateway, "/v1/webhooks/shop", &[buyers], 1).await;
}

#[tokio::test]
async fn a_native_event_of_snowplows_is_hidden_as_iglus_schemas_say_taken_or_not() {
    let gateway = with(json!({}));
    let of = |data: Value| json!({ "type": "snowplow_event", "data": data });
    let contexts = json!([entity()]);
    let mut bodies = vec![
        of(json!({ "contexts": contexts.to_string() })),
        of(json!({ "contexts": [[entity()], contexts.to_string()] })),
        of(json!({ "contexts": entity(), "unstruct_event": contexts })),
        of(json!({ "contexts": [{ "schema": PERSON, "data": "{\"email\":\"secret\"}" }] })),
        of(json!({ "unstruct_event": { "data": { "email": "secret" } } })),
    ];
    let rejected: Vec<Value> = bodies
        .iter()
        .chain([&of(json!({ "contexts": contexts }))])
        .map(|body| {
            let mut body = body.clone();
            body["userid"] = json!(7);
            body
        })
        .collect();
    let taken = bodies.len();
    bodies.extend(rejected);
    let bodies: Vec<String> = bodies.iter().map(Value::to_string).collect();
    none_is_told(&gateway, "/v1/events", &bodies, taken).await;
}

#[tokio::test]
async fn what_stands_in_the_way_in_a_rejected_event_is_masked() {
    let gateway = with(json!({
        "calls": { "/context/ip": "drop" }, "snowplow_event": { "/user_ipaddress": "drop" },
    }));
    let message = json!({ "type": "identify", "context": { "ip": "secret" } });
    let batch = json!({ "batch": [message.to_string(), [message]] }).to_string();
    gateway.post_to("/v1/batch", "", batch).await;
    assert_eq!(gateway.bad_events().len(), 2);
    assert!(!written(&gateway).contains(SECRET), "{}", written(&gateway));

    // Without an `e` none of them is taken.
    let of = |event: Value| tracked(&event.to_string());
    let bodies = [
        of(json!([{ "e": "pv", "ip": "secret" }])),
        of(json!({ "co": [entity()] })),
        of(json!({ "co": entity() })),
        of(json!({ "co": entity().to_string() })),
        of(json!({ "ue_px": wrap(entity()) })),
        of(json!({ "ue_pr": json!([entity()]).to_string() })),
        of(json!({ "ue_pr": wrap(json!(entity().to_string())).to_string() })),
        of(json!({ "co": wrap(json!([[entity()]])).to_string() })),
    ];
    let gateway = with(json!({ "snowplow_event": { "/user_ipaddress": "drop" } }));
    none_is_told(&gateway, TP2, &bodies, 0).await;
}

#[tokio::test]
async fn a_message_that_is_no_known_call_is_hidden_as_all_calls_are() {
    let gateway = start_with(
        |_| {},
        |parts| {
            parts.schemas = Arc::new(SharedRegistry::new(schemas()));
            parts.privacy = hider(privacy::Withhold::default());
            let sources = r#"{"web": {"keys": ["key"], "policy": "strict"}}"#;
            let sources: sources::Config = serde_json::from_str(sources).unwrap();
            parts.sources = Arc::new(headgate_gateway::SharedSources::new(&sources, "/s").unwrap());
        },
    );
    let context = json!({ "ip": "secret" });
    let of = |event: &str| json!({ "event": event, "userId": "u", "context": context }).to_string();
    let bodies = [of("Webhook"), of("Loose"), of("Signed Up"), of("Zzz")];
    none_is_told(&gateway, "/v1/track?writeKey=key", &bodies, 0).await;
    let other = json!({ "type": "Identify", "userId": "u", "context": context, "traits": { "email": "secret" } });
    let twice = r#"{"type":"track","event":"Seat Taken","event":"Zzz","userId":"u","properties":{"name":"secret"}}"#;
    let batch = format!(r#"{{"batch":[{other},{twice}]}}"#);
    let before = gateway.bad_events().len();
    gateway.post_to("/v1/batch?writeKey=key", "", batch).await;
    assert_eq!(gateway.bad_events().len(), before + 2);
    assert!(!written(&gateway).contains(SECRET), "{}", written(&gateway));
}
