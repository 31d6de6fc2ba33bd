use std::path::Path;

use headgate_schemas::event::Data;

use super::*;

const SCHEMA: &str = r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#;

fn registry() -> Registry {
    let files = [(Path::new("thing/1.json"), SCHEMA.as_bytes())];
    Registry::from_files(files.into_iter()).unwrap()
}

fn rejected(payload: &[u8]) -> Rejected<'_> {
    Rejected {
        payload,
        kind: Some("thing"),
        id: Some("given"),
        source_default: "gateway-7",
        receivedtime: "2026-11-22T20:07:55.000001Z",
        senttime: None,
        form: None,
        protected: &[],
    }
}

fn judge(rejected: &Rejected<'_>) -> Verdict {
    Again::new(&Config::default(), &sources::Config::new(), Arc::default())
        .unwrap()
        .judge(&registry(), rejected)
}

fn valid_now(rejected: &Rejected<'_>) -> Valid {
    match judge(rejected) {
        Verdict::Valid(valid) => valid,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_client_was_told_stays_and_the_bytes_say_the_rest() {
    let payload = br#"{"type":"thing","subject":"s","userid":"u","x":true,"data":{"n": 1 }}"#;
    let valid = valid_now(&rejected(payload));
    assert_eq!((&*valid.id, &*valid.table), ("given", "thing_1"));
    let record = String::from_utf8(valid.record).unwrap();
    let event = Event::read(&record, 8).unwrap();
    assert_eq!((&*event.id, &*event.source), ("given", "gateway-7"));
    assert_eq!(
        event.receivedtime.as_deref(),
        Some("2026-11-22T20:07:55.000001Z")
    );
    assert_eq!(event.dataschema.as_deref(), Some("thing/1"));
    assert_eq!(
        (event.userid.as_deref(), event.subject.as_deref()),
        (Some("u"), Some("s"))
    );
    assert_eq!(event.extensions, [("x".into(), "true")]);
    assert_eq!(event.data, Data::Json(r#"{"n": 1 }"#));
}

#[test]
fn an_own_id_and_source_are_kept() {
    let payload = br#"{"type":"thing","id":"own","source":"/app","data":{}}"#;
    let told = Rejected {
        id: Some("own"),
        ..rejected(payload)
    };
    let record = String::from_utf8(valid_now(&told).record).unwrap();
    let event = Event::read(&record, 8).unwrap();
    assert_eq!((&*event.id, &*event.source), ("own", "/app"));
}

#[test]
fn what_is_still_wrong_is_told_with_its_reason() {
    for (payload, reason) in [
        (
            &br#"{"type":"thing","data":{"n":"x"}}"#[..],
            Reason::Invalid,
        ),
        (
            br#"{"type":"thing","dataschema":"thing/9","data":{}}"#,
            Reason::UnknownSchema,
        ),
        (
            br#"{"type":"thing","userId":"u","data":{}}"#,
            Reason::Envelope,
        ),
    ] {
        let verdict = judge(&rejected(payload));
        assert!(
            matches!(verdict, Verdict::Invalid { reason: found, .. } if found == reason),
            "{verdict:?}"
        );
    }
}

#[test]
fn what_is_no_json_object_never_becomes_valid() {
    for payload in [
        &b"{\"type\":\"thing\""[..],
        b"",
        b"[1]",
        b"[{\"type\":\"thing\",\"data\":{}}]",
        b"{\"type\":\"thing\",\"data\":{\"a\":\"\xff\"}}",
        b"{\"type\":\"thing\",\"data\":{}} x",
    ] {
        let unread = Rejected {
            kind: None,
            ..rejected(payload)
        };
        let verdict = judge(&unread);
        assert!(
            matches!(
                verdict,
                Verdict::Invalid {
                    reason: Reason::Malformed,
                    ..
                }
            ),
            "{verdict:?}"
        );
    }
}

#[test]
fn an_event_whose_attributes_stood_in_headers_is_left_alone() {
    // The data has a `type` of its own, or none; the header's was read then, or was missing.
    for (payload, kind) in [
        (&br#"{"n":1}"#[..], Some("thing")),
        (br#"{"type":"thing","data":{}}"#, Some("other")),
        (br#"{"type":"thing","data":{}}"#, None),
        (br#"{"type":"thing","id":"else","data":{}}"#, Some("thing")),
    ] {
        let binary = Rejected {
            kind,
            ..rejected(payload)
        };
        assert_eq!(judge(&binary), Verdict::Partial, "{kind:?}");
    }
}

#[test]
fn types_that_are_headgates_own_are_not_taken() {
    for kind in ["bad_events", "replayed_events"] {
        let payload = format!(r#"{{"type":"{kind}","data":{{}}}}"#);
        let own = Rejected {
            kind: Some(kind),
            ..rejected(payload.as_bytes())
        };
        let verdict = judge(&own);
        assert!(
            matches!(
                verdict,
                Verdict::Invalid {
                    reason: Reason::Envelope,
                    ..
                }
            ),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_message_of_an_sdk_is_read_again_by_its_protocol_and_its_clock_corrected_as_then() {
    let payload = br#"{"type":"track","event":"Thing","messageId":"given","userId":"u","properties":{"n":1},"timestamp":"2026-11-22T19:07:54Z"}"#;
    let schemas = |text: &str| {
        let files = [(Path::new("thing/1.json"), text.as_bytes())];
        Registry::from_files(files.into_iter()).unwrap()
    };
    let strict = r#"{"web": {"keys": ["key-of-web"], "policy": "strict"}}"#;
    let again = Again::new(
        &Config::default(),
        &serde_json::from_str(strict).unwrap(),
        Arc::default(),
    )
    .unwrap();
    let rejected = Rejected {
        source_default: "web",
        senttime: Some("2026-11-22T19:07:55.000001Z"),
        form: Some("segment/batch"),
        ..rejected(payload)
    };
    let verdict = again.judge(&registry(), &rejected);
    let unknown = matches!(
        &verdict,
        Verdict::Invalid {
            reason: Reason::UnknownSchema,
            ..
        }
    );
    assert!(unknown, "{verdict:?}");
    let described = r#"{"x-track":true,"type":"object","properties":{"n":{"type":"integer"}}}"#;
    let verdict = again.judge(&schemas(described), &rejected);
    let Verdict::Valid(valid) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!((&*valid.kind, &*valid.table), ("thing", "thing"));
    let record = String::from_utf8(valid.record).unwrap();
    let event = Event::read(&record, 8).unwrap();
    assert_eq!((&*event.id, &*event.source), ("given", "web"));
    // Sent an hour before it was received: the client's clock was an hour behind.
    assert_eq!(event.time.as_deref(), Some("2026-11-22T20:07:54.000000Z"));
    let imported = Rejected {
        form: Some("segment/import"),
        ..rejected
    };
    let Verdict::Valid(valid) = again.judge(&schemas(described), &imported) else {
        panic!("an import is not valid");
    };
    let record = String::from_utf8(valid.record).unwrap();
    let event = Event::read(&record, 8).unwrap();
    assert_eq!(event.time.as_deref(), Some("2026-11-22T19:07:54Z"));
    let wrong = again.judge(&schemas(&described.replace("integer", "string")), &rejected);
    assert!(
        matches!(wrong, Verdict::Invalid { reason: Reason::Invalid, ref errors } if errors[0].pointer == "/properties/n"),
        "{wrong:?}"
    );
    let unknown = Rejected {
        form: Some("smoke/signal"),
        ..rejected
    };
    assert!(matches!(
        again.judge(&registry(), &unknown),
        Verdict::Invalid {
            reason: Reason::Malformed,
            ..
        }
    ));
}

#[test]
fn an_event_of_a_tracker_is_made_again_of_what_it_sent_and_stays_anonymous() {
    let payload =
        br#"{"e":"pv","uid":"u","ip":"1.2.3.4","dtm":"1795374474000","stm":"1795374475000"}"#;
    let rejected = |form| Rejected {
        kind: Some("snowplow_event"),
        form: Some(form),
        ..rejected(payload)
    };
    let valid = valid_now(&rejected("snowplow/anonymous"));
    assert_eq!((&*valid.id, &*valid.table), ("given", "events"));
    let record = String::from_utf8(valid.record).unwrap();
    assert!(!record.contains("1.2.3.4"), "{record}");
    let event = Event::read(&record, 8).unwrap();
    assert_eq!(event.userid.as_deref(), Some("u"));
    // A second before it was sent, and sent when it was received.
    assert_eq!(event.time.as_deref(), Some("2026-11-22T20:07:54.000001Z"));
    let known = valid_now(&rejected("snowplow/event")).record;
    assert!(
        String::from_utf8(known)
            .unwrap()
            .contains(r#""user_ipaddress":"1.2.3.4""#)
    );
}
