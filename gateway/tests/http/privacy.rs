//! Values with `x-pii`: they leave the gateway neither in events nor in bad events, replies or logs.

use std::{
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
};

use headgate_gateway::{
    Config, Privacy,
    again::{Again, Rejected, Verdict},
    privacy, sources,
};
use headgate_schemas::{
    event::{BadEvent, Event},
    registry::{Registry, SharedRegistry},
};
use serde_json::{Value, json};

use crate::support::{Running, start_with};

const KEY: &str = "a key of thirty-two bytes, or more";
/// What `secret@shop.example` is with that key, by `printf | openssl dgst -sha256 -hmac`.
const HASHED: &str = "06ef1bffb802bf054906aa097f047a6871dc2714a3721457011884410493488d";
/// Nothing that the gateway says may have it.
const SECRET: &str = "secret";

fn person() -> Value {
    json!({
        "email": { "type": ["string", "null"], "format": "email", "x-pii": "hash" },
        "phone": { "type": "string", "pattern": "^[0-9a-z-]+$", "x-pii": "mask" },
        "name": { "type": "string", "maxLength": 20, "x-pii": "drop" },
        "plan": { "type": "string", "enum": ["free", "paid"] },
    })
}

fn schemas() -> Registry {
    let of = |name: &str| {
        json!({
            "type": "object", "required": ["name"],
            "properties": { name: { "$ref": "#/$defs/person" },
                            "people": { "type": "array", "items": { "$ref": "#/$defs/person" } },
                            "name": { "type": "string", "x-pii": "drop" } },
            "$defs": { "person": { "type": "object", "properties": person() } },
        })
    };
    let mut track = of("user");
    track["x-track"] = true.into();
    let described = json!({
        "self": { "vendor": "com.example", "name": "person", "format": "jsonschema", "version": "1-0-0" },
        "type": "object", "properties": person(),
    });
    let builtin = json!({
        "calls": { "/context/ip": "drop" },
        "identify": { "/traits/email": "hash", "/traits/phone": "mask" },
        "webhook": { "/buyer/email": "hash" },
        "snowplow_event": { "/page_url": "mask", "/page_urlquery": "drop", "/page_urlhost": "mask", "/page_urlpath": "mask" },
    });
    let files = [
        ("signed_up/1.json", of("user")),
        ("seat_taken/1.json", track),
        ("loose/1.json", json!({ "type": "object" })),
        ("_iglu/com.example/person/jsonschema/1-0-0", described),
        ("_privacy.json", builtin),
    ];
    let files = files.map(|(file, schema)| (file, schema.to_string()));
    let files = files
        .iter()
        .map(|(file, text)| (Path::new(*file), text.as_bytes()));
    Registry::from_files(files).unwrap()
}

fn hider(withhold: privacy::Withhold) -> Arc<Privacy> {
    let config = privacy::Config {
        hash_key: Some(privacy::Secret(KEY.to_owned())),
        withhold,
        ..privacy::Config::default()
    };
    assert_eq!(config.problems(), vec![]);
    assert!(!format!("{config:?}").contains(KEY));
    let privacy = Privacy::open(&config).unwrap();
    privacy.check(&schemas()).unwrap();
    assert!(!format!("{privacy:?}").contains(KEY));
    Arc::new(privacy)
}

fn gateway(withhold: privacy::Withhold) -> Running {
    start_with(
        |_| {},
        |parts| {
            parts.schemas = Arc::new(SharedRegistry::new(schemas()));
            parts.privacy = hider(withhold);
        },
    )
}

fn usual() -> Running {
    gateway(privacy::Withhold::default())
}

/// Whatever was written to the stream.
fn written(gateway: &Running) -> String {
    let all = gateway.events().into_iter().chain(gateway.bad_events());
    all.map(|event| event.to_string()).collect()
}

fn bad(gateway: &Running) -> BadEvent {
    let bad = gateway.bad_events();
    BadEvent::read(&bad.last().unwrap()["data"].to_string()).unwrap()
}

fn payload(bad: &BadEvent) -> Value {
    serde_json::from_slice(&bad.payload).unwrap()
}

fn user() -> Value {
    json!({ "email": "secret@shop.example", "phone": "secret-1", "name": "secret", "plan": "free" })
}

fn hidden() -> Value {
    json!({ "email": HASHED, "phone": "***", "plan": "free" })
}

#[tokio::test]
async fn a_taken_event_has_hashes_and_masks_and_nothing_of_what_was_there() {
    let gateway = usual();
    let data = json!({ "name": "secret", "user": user(), "people": [user(), {}, { "email": null }], "x": 1 });
    let body = json!({ "type": "signed_up", "data": data }).to_string();
    let reply = gateway.post("", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let expected = json!({ "user": hidden(), "people": [hidden(), {}, { "email": null }], "x": 1 });
    assert_eq!(gateway.events()[0]["data"], expected);
    let headers = "content-type: application/json\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-type: signed_up\r\nce-source: /s\r\n";
    let reply = gateway.post(headers, data.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(gateway.events()[1]["data"], expected);
    assert!(!written(&gateway).contains(SECRET), "{}", written(&gateway));
}

#[tokio::test]
async fn what_is_not_annotated_stays_byte_for_byte() {
    let gateway = usual();
    let data = r#"{ "email" : "secret@shop.example","n":1.50 }"#;
    let body = format!(r#"{{"type":"loose","data":{data}}}"#);
    assert_eq!(gateway.post("", &body).await.status, 200);
    let values = gateway
        .memory
        .values(&headgate_gateway::Topics::default().events);
    assert!(
        String::from_utf8(values[0].to_vec())
            .unwrap()
            .contains(data)
    );
}

#[tokio::test]
async fn a_rejected_event_is_kept_without_them_and_no_reply_repeats_them() {
    let gateway = usual();
    let of = |data: Value| json!({ "type": "signed_up", "data": data });
    let wrong = json!({ "email": "secret", "phone": "secret!", "name": "secret".repeat(5), "plan": "none" });
    let twice =
        r#"{"type":"signed_up","data":{"name":"secret"},"data":{"user":{"phone":"secret"}}}"#;
    for body in [
        of(json!({ "name": "secret", "user": wrong })).to_string(),
        of(json!({ "user": user() })).to_string(),
        of(json!({ "name": ["secret"], "people": { "email": "secret" } })).to_string(),
        of(json!("{\"name\":\"secret\"}")).to_string(),
        json!({ "type": "signed_up", "name": "secret", "data": {} }).to_string(),
        json!({ "type": "signed_up", "data_base64": "c2VjcmV0", "userid": 7 }).to_string(),
        json!({ "type": "signed_up", "dataschema": "signed_up/9", "data": { "name": "secret" } })
            .to_string(),
        twice.to_owned(),
    ] {
        let before = gateway.bad_events().len();
        let reply = gateway.post("", &body).await;
        assert_eq!(
            (reply.status, gateway.bad_events().len()),
            (400, before + 1),
            "{body}"
        );
        assert!(!reply.text().contains(SECRET), "{body}: {}", reply.text());
        assert!(
            !written(&gateway).contains(SECRET),
            "{body}: {}",
            written(&gateway)
        );
        assert!(!bad(&gateway).payload_protected.is_empty(), "{body}");
    }
    assert!(!written(&gateway).contains("c2VjcmV0"));
    let bad = gateway.bad_events();
    let first = BadEvent::read(&bad[0]["data"].to_string()).unwrap();
    assert_eq!(payload(&first)["data"]["user"]["plan"], "none");
    assert_eq!(
        first.payload_protected.len(),
        7,
        "{:?}",
        first.payload_protected
    );
}

#[tokio::test]
async fn what_nobody_can_read_is_withheld_unless_the_settings_keep_it() {
    use privacy::Withhold::{Nothing, Unknown, Unreadable};
    let lines = "content-type: application/x-ndjson\r\n";
    let broken: &[u8] =
        b"{\"type\":\"signed_up\",\"data\":{\"name\":\"secret\n{\"type\":\"loose\"}\n";
    let not_utf8: &[u8] =
        b"{\"type\":\"signed_up\",\"data\":{\"name\":\"secret\xff\"}}\n{\"type\":\"loose\"}\n";
    let typed_twice: &[u8] =
        b"{\"type\":\"loose\",\"type\":\"signed_up\",\"data\":{\"name\":\"secret\"}}\n";
    let unknown: &[u8] = b"{\"type\":\"sing_up\",\"data\":{\"name\":\"secret\"}}\n";
    let untyped: &[u8] = b"{\"data\":{\"name\":\"secret\"}}\n";
    for (body, kept) in [
        (broken, vec![Nothing]),
        (not_utf8, vec![Nothing]),
        (typed_twice, vec![Nothing]),
        (unknown, vec![Nothing, Unreadable]),
        (untyped, vec![Nothing, Unreadable]),
    ] {
        for withhold in [Nothing, Unreadable, Unknown] {
            let gateway = gateway(withhold);
            gateway.post(lines, body).await;
            let bad = bad(&gateway);
            let text = String::from_utf8_lossy(body);
            assert_eq!(
                !bad.payload.is_empty(),
                kept.contains(&withhold),
                "{withhold:?} {text}"
            );
            let withheld = vec!["*".to_owned()];
            assert_eq!(
                bad.payload_protected == withheld,
                !kept.contains(&withhold),
                "{text}"
            );
            let told = String::from_utf8_lossy(&bad.payload).contains(SECRET);
            assert_eq!(told, kept.contains(&withhold), "{text}");
            let told = written(&gateway).contains(SECRET);
            assert!(!told || kept.contains(&withhold), "{text}");
        }
    }
}

#[tokio::test]
async fn messages_of_sdks_are_hidden_in_the_described_properties_and_around_them() {
    let gateway = usual();
    let context = json!({ "ip": "secret", "locale": "de" });
    let track = |event: &str, name: Value| {
        json!({ "type": "track", "event": event, "userId": "u", "messageId": event, "context": context,
                "properties": { "name": name, "user": user() } })
    };
    let identify = json!({ "type": "identify", "userId": "u", "messageId": "i", "context": context,
                           "traits": { "email": "secret@shop.example", "phone": "secret", "age": 7 } });
    let mut untyped = track("Seat Taken", json!("secret"));
    untyped.as_object_mut().unwrap().remove("type");
    untyped["properties"] = json!({});
    let batch = json!({ "batch": [
        track("Seat Taken", json!("secret")), identify, track("Seat Taken", json!(["secret"])), untyped,
    ]});
    let reply = gateway.post_to("/v1/batch", "", batch.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(!written(&gateway).contains(SECRET), "{}", written(&gateway));
    let events = gateway.events();
    assert_eq!(events[0]["type"], "seat_taken");
    assert_eq!(events[0]["data"]["properties"], json!({ "user": hidden() }));
    assert_eq!(events[0]["data"]["context"], json!({ "locale": "de" }));
    let traits = json!({ "email": HASHED, "phone": "***", "age": 7 });
    assert_eq!(
        (&events[1]["type"], &events[1]["data"]["traits"]),
        (&json!("identify"), &traits)
    );
    let bad = gateway.bad_events();
    assert_eq!(bad.len(), 2);
    // Of no type, it was to be any call.
    let looked_for = json!(["/context/ip", "/traits/email", "/traits/phone"]);
    assert_eq!(bad[1]["data"]["payload_protected"], looked_for);
}

#[tokio::test]
async fn other_services_webhooks_are_hidden_as_the_sets_file_says() {
    let gateway = usual();
    let body = json!([{ "buyer": { "email": "secret@shop.example", "n": 1 } }]).to_string();
    let reply = gateway.post_to("/v1/webhooks/shop", "", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        gateway.events()[0]["data"],
        json!({ "buyer": { "email": HASHED, "n": 1 } })
    );
}

fn base64(json: &Value) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
}

/// A self-describing event with an entity, both persons.
fn snowplow(person: Value, page: &str) -> Value {
    let one = json!({ "data": person, "schema": "iglu:com.example/person/jsonschema/1-0-0" });
    let other = json!({ "schema": "iglu:com.example/other/jsonschema/1-0-0", "data": { "x": 1 } });
    let wrap = |data: Value| json!({ "schema": "iglu:com.snowplowanalytics.snowplow/x/jsonschema/1-0-0", "data": data });
    json!({ "e": "ue", "eid": "e-1", "p": "web", "url": page,
            "ue_px": base64(&wrap(one.clone())), "co": wrap(json!([other, one])).to_string() })
}

async fn post_snowplow(gateway: &Running, event: Value) {
    let body = json!({ "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": [event] });
    let reply = gateway
        .post_to("/com.snowplowanalytics.snowplow/tp2", "", body.to_string())
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn self_describing_events_and_entities_are_hidden_as_their_schemas_say() {
    let gateway = usual();
    post_snowplow(
        &gateway,
        snowplow(user(), "https://secret.example/secret?secret=1"),
    )
    .await;
    let data = &gateway.events()[0]["data"];
    assert_eq!(data["unstruct_event"]["data"], hidden());
    assert_eq!(data["contexts"][1]["data"], hidden());
    assert_eq!(data["contexts"][0]["data"], json!({ "x": 1 }));
    assert_eq!(
        (&data["page_url"], data.get("page_urlquery")),
        (&json!("***"), None)
    );
    assert!(!written(&gateway).contains(SECRET), "{}", written(&gateway));
}

#[tokio::test]
async fn a_trackers_rejected_event_is_hidden_within_its_base64() {
    let gateway = usual();
    let mut wrong = user();
    wrong["phone"] = json!("SECRET of another kind");
    post_snowplow(&gateway, snowplow(wrong, "https://secret.example/")).await;
    let kept = payload(&bad(&gateway));
    let decoded = {
        use base64::Engine as _;
        let coded = kept["ue_px"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(coded)
            .unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    assert_eq!(decoded["data"]["data"], hidden());
    assert_eq!(kept.get("url"), None, "its query is to be dropped");
    assert!(
        !written(&gateway).to_lowercase().contains(SECRET),
        "{}",
        written(&gateway)
    );
    // What is no Base64 may have anything in it.
    let mut broken = snowplow(user(), "https://x.example/");
    broken["ue_px"] = json!("{secret}");
    post_snowplow(&gateway, broken).await;
    assert_eq!(payload(&bad(&gateway))["ue_px"], "***");
    assert!(
        !written(&gateway).to_lowercase().contains(SECRET),
        "{}",
        written(&gateway)
    );
}

#[tokio::test]
async fn an_attribute_that_was_meant_for_the_data_is_masked() {
    let gateway = usual();
    let body = json!({ "type": "signed_up", "people": "secret", "other": "told", "data": { "name": "x" } });
    assert_eq!(gateway.post("", body.to_string()).await.status, 200);
    let event = &gateway.events()[0];
    assert_eq!(
        (&event["people"], &event["other"]),
        (&json!("***"), &json!("told"))
    );
}

#[tokio::test]
async fn a_taken_event_that_a_sink_could_not_land_is_not_hidden_twice() {
    let gateway = usual();
    let body =
        json!({ "type": "signed_up", "id": "e", "data": { "name": "secret", "user": user() } });
    assert_eq!(gateway.post("", body.to_string()).await.status, 200);
    post_snowplow(&gateway, snowplow(user(), "https://x.example/")).await;
    let schemas = schemas();
    let again = Again::new(
        &Config::default(),
        &sources::Config::new(),
        hider(privacy::Withhold::default()),
    )
    .unwrap();
    let event = gateway.events().remove(0);
    let record = event.to_string();
    let envelope = Event::read(&record, 64).unwrap();
    let done = privacy::hidden(&schemas, &envelope);
    assert_eq!(done.len(), 7, "{done:?}");
    let verdict = again.judge(
        &schemas,
        &Rejected {
            payload: record.as_bytes(),
            kind: Some("signed_up"),
            id: Some("e"),
            source_default: "/s",
            receivedtime: "2026-11-22T20:07:55Z",
            senttime: None,
            protected: &done,
            form: None,
        },
    );
    assert_eq!(data_of(verdict), event["data"]);
    let record = gateway.events().remove(1).to_string();
    let done = privacy::hidden(&schemas, &Event::read(&record, 64).unwrap());
    let described = "iglu:com.example/person/jsonschema/1-0-0#/email".to_owned();
    assert!(
        done.contains(&described) && done.contains(&"/page_url".to_owned()),
        "{done:?}"
    );
}

/// Judges the last bad event once more.
fn again(gateway: &Running, schemas: &Registry) -> Verdict {
    let bad = bad(gateway);
    let again = Again::new(
        &Config::default(),
        &sources::Config::new(),
        hider(privacy::Withhold::default()),
    )
    .unwrap();
    again.judge(
        schemas,
        &Rejected {
            payload: &bad.payload,
            kind: bad.rejected_type.as_deref(),
            id: bad.rejected_id.as_deref(),
            source_default: "/s",
            receivedtime: "2026-11-22T20:07:55Z",
            senttime: None,
            protected: &bad.payload_protected,
            form: bad.payload_form.as_deref(),
        },
    )
}

/// The set where `plan` may be anything.
fn repaired() -> Registry {
    let mut files = Vec::new();
    for schema in schemas()
        .schemas()
        .filter(|schema| !schema.document()["x-table"].is_string())
    {
        let text = schema.document().to_string();
        let text = text.replace(r#","enum":["free","paid"]"#, "");
        files.push((format!("{}.json", schema.dataschema()), text));
    }
    let person = json!({
        "self": { "vendor": "com.example", "name": "person", "format": "jsonschema", "version": "1-0-0" },
        "type": "object", "properties": person(),
    });
    let person = person.to_string().replace(r#","enum":["free","paid"]"#, "");
    files.push((
        "_iglu/com.example/person/jsonschema/1-0-0".to_owned(),
        person,
    ));
    let files = files
        .iter()
        .map(|(file, text)| (Path::new(file), text.as_bytes()));
    Registry::from_files(files).unwrap()
}

fn data_of(verdict: Verdict) -> Value {
    match verdict {
        Verdict::Valid(valid) => {
            serde_json::from_slice::<Value>(&valid.record).unwrap()["data"].take()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_rejected_event_that_is_judged_again_is_not_hidden_twice() {
    let gateway = usual();
    let mut wrong = user();
    wrong["plan"] = json!("other");
    let mut expected = hidden();
    expected["plan"] = json!("other");
    let data = json!({ "name": "secret", "user": wrong });
    let body = json!({ "type": "signed_up", "data": data }).to_string();
    assert_eq!(gateway.post("", &body).await.status, 400);
    assert!(matches!(
        again(&gateway, &schemas()),
        Verdict::Invalid { .. }
    ));
    assert_eq!(
        data_of(again(&gateway, &repaired())),
        json!({ "user": expected })
    );

    let track =
        json!({ "type": "track", "event": "Seat Taken", "messageId": "m", "properties": data });
    gateway.post_to("/v1/track", "", track.to_string()).await;
    let found = data_of(again(&gateway, &repaired()));
    assert_eq!(found["properties"], json!({ "user": expected }));

    post_snowplow(&gateway, snowplow(wrong, "https://x.example/")).await;
    let found = data_of(again(&gateway, &repaired()));
    assert_eq!(found["unstruct_event"]["data"], expected);
    assert_eq!(found["contexts"][1]["data"], expected);
}

#[tokio::test]
async fn an_event_kept_before_its_schema_was_known_is_hidden_when_it_is_judged_again() {
    let gateway = usual();
    let schemas = schemas();
    let body =
        json!({ "type": "joined", "data": { "name": "secret", "user": user() } }).to_string();
    assert_eq!(gateway.post("", &body).await.status, 400);
    let known = schemas
        .resolve("signed_up", None)
        .unwrap()
        .document()
        .to_string();
    let files = [(Path::new("joined/1.json"), known.as_bytes())];
    let later = Registry::from_files(files.into_iter()).unwrap();
    assert_eq!(
        data_of(again(&gateway, &later)),
        json!({ "user": hidden() })
    );
}

#[tokio::test]
async fn a_withheld_event_is_left_in_place() {
    let gateway = usual();
    gateway
        .post(
            "content-type: application/x-ndjson\r\n",
            "{\"type\":\"signed_up\n",
        )
        .await;
    assert_eq!(again(&gateway, &schemas()), Verdict::Withheld);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "current_thread")]
async fn logs_do_not_have_them() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let gateway = usual();
    let body = json!({ "type": "signed_up", "data": { "name": "secret", "user": { "phone": "secret!" } } });
    assert_eq!(gateway.post("", body.to_string()).await.status, 400);
    assert_eq!(
        gateway
            .post("", "{\"type\":\"signed_up\",\"data\":{\"name\":\"secret")
            .await
            .status,
        400
    );
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("request refused"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
}

#[test]
fn schemas_that_hash_are_refused_without_a_key_and_short_keys_are_too() {
    let error = Privacy::open(&privacy::Config::default())
        .unwrap()
        .check(&schemas());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("signed_up/1") && error.contains("privacy.hash_key"),
        "{error}"
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let open = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let config = privacy::Config {
            hash_key_file: Some(file.clone()),
            ..privacy::Config::default()
        };
        Privacy::open(&config).map(drop)
    };
    assert!(open(&format!("{KEY}\n")).is_ok());
    let error = open("short but secret\n\n").unwrap_err().to_string();
    assert!(
        error.contains("16 bytes") && !error.contains(SECRET),
        "{error}"
    );
    let short = privacy::Config {
        hash_key: Some(privacy::Secret("secret".to_owned())),
        hash_key_file: Some(file.clone()),
        ..privacy::Config::default()
    };
    let problems = short.problems();
    let keys: Vec<_> = problems.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["hash_key", "hash_key_file"]);
    assert!(!format!("{problems:?}").contains(SECRET));
}

mod shapes;
