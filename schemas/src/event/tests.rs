use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::Value;

use super::read::Error;
use super::rejected::{BAD_EVENTS, BAD_EVENTS_DATASCHEMA, BadEvent, Reason, Rejected};
use super::{Data, Event, Violation, attribute_name, close};
use crate::walk::{Fault, Syntax};

fn minimal() -> Event<'static> {
    Event {
        id: "e-1".into(),
        source: "/web".into(),
        kind: "app_opened".into(),
        ..Event::default()
    }
}

fn written(event: &Event<'_>) -> String {
    let mut out = Vec::new();
    event.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn attributes_stand_in_a_fixed_order_with_data_last_and_verbatim() {
    let event = Event {
        time: Some("2026-11-22T20:07:54Z".into()),
        dataschema: Some("app_opened/1".into()),
        subject: Some("s".into()),
        receivedtime: Some("2026-11-22T20:07:55Z".into()),
        senttime: Some("2026-11-22T20:07:54.5Z".into()),
        userid: Some("u \"1\"\n".into()),
        anonymousid: Some("a".into()),
        sdk: Some("web/1".into()),
        datacontenttype: Some("application/json".into()),
        extensions: vec![
            ("traceparent".into(), r#""00-ab""#),
            ("retries".into(), "2"),
        ],
        data: Data::Json("{ \"cold_start\" :true , \"n\":1.50}"),
        ..minimal()
    };
    assert_eq!(
        written(&event),
        concat!(
            r#"{"specversion":"1.0","id":"e-1","source":"/web","type":"app_opened","time":"2026-11-22T20:07:54Z","#,
            r#""dataschema":"app_opened/1","subject":"s","receivedtime":"2026-11-22T20:07:55Z","#,
            r#""senttime":"2026-11-22T20:07:54.5Z","userid":"u \"1\"\n","anonymousid":"a","sdk":"web/1","#,
            r#""datacontenttype":"application/json","traceparent":"00-ab","retries":2,"#,
            r#""data":{ "cold_start" :true , "n":1.50}}"#
        )
    );
}

#[test]
fn what_is_read_borrows_from_the_record_unless_it_has_escapes() {
    let record = r#"{"specversion":"1.0","id":"e-1","source":"\/web","type":"t","data":1}"#;
    let event = Event::read(record, 8).unwrap();
    assert!(matches!(event.id, Cow::Borrowed("e-1")));
    assert!(matches!(event.source, Cow::Owned(ref source) if source == "/web"));
    assert_eq!(event.data, Data::Json("1"));
}

#[test]
fn attributes_may_come_in_any_order_and_null_means_absent() {
    let record = r#" { "data" : [1, 2] , "type":"t","time":null,"x9":null,"source":"s","id":"i","specversion":"1.0"} "#;
    let event = Event::read(record, 8).unwrap();
    assert_eq!((event.time, event.extensions.len()), (None, 0));
    assert_eq!(event.data, Data::Json("[1, 2]"));
}

#[test]
fn what_breaks_the_rules_is_refused_with_its_reason() {
    let with = |members: &str| {
        let record =
            format!(r#"{{"specversion":"1.0","id":"i","source":"s","type":"t"{members}}}"#);
        Event::read(&record, 4).map(drop).unwrap_err()
    };
    let value = |name: &str, allowed| Error::Value {
        name: name.to_owned(),
        allowed,
    };
    assert_eq!(with(r#","id":"j""#), Error::Duplicate("id".into()));
    assert_eq!(with(r#","x":1,"x":1"#), Error::Duplicate("x".into()));
    assert_eq!(with(r#","userId":"u""#), Error::Name("userId".into()));
    assert_eq!(with(r#","a\u0062":"u""#), Error::Name("ab".into()));
    assert_eq!(with(r#","":1"#), Error::Name(String::new()));
    assert_eq!(with(r#","time":7"#), value("time", "a string"));
    assert_eq!(
        with(r#","x":{}"#),
        value("x", "a string, a number or a boolean")
    );
    assert_eq!(
        with(r#","data":1,"data_base64":"aGk=""#),
        Error::TwoPayloads
    );
    assert_eq!(
        with(r#","data_base64":"aGk=","data":1"#),
        Error::TwoPayloads
    );
    assert_eq!(
        with(r#","data":1,"data":1"#),
        Error::Duplicate("data".into())
    );
    let escapes = "a base64 string without escapes";
    assert_eq!(
        with(r#","data_base64":"a\/k=""#),
        value("data_base64", escapes)
    );
    assert!(matches!(with(r#","data":[1"#), Error::Syntax(_)));

    let whole = |record: &str| Event::read(record, 4).map(drop).unwrap_err();
    assert_eq!(whole("[]"), Error::NotAnObject);
    assert_eq!(whole("{}"), Error::Missing("specversion"));
    assert_eq!(
        whole(r#"{"specversion":"1.0","source":"s","type":"t"}"#),
        Error::Missing("id")
    );
    assert_eq!(
        whole(r#"{"specversion":"1.0","id":"i","source":"","type":"t"}"#),
        Error::Missing("source")
    );
    assert_eq!(
        whole(r#"{"specversion":"0.3"}"#),
        Error::SpecVersion("0.3".into())
    );
    let trailing = r#"{"specversion":"1.0","id":"i","source":"s","type":"t"} {}"#;
    assert!(matches!(
        whole(trailing),
        Error::Syntax(Syntax {
            at: 55,
            what: Fault::Trailing
        })
    ));
}

#[test]
fn the_depth_limit_counts_levels_within_the_data() {
    let record = |data: &'static str| {
        written(&Event {
            data: Data::Json(data),
            ..minimal()
        })
    };
    assert!(Event::read(&record("[[1]]"), 2).is_ok());
    assert!(matches!(
        Event::read(&record("[[[1]]]"), 2),
        Err(Error::Syntax(Syntax {
            what: Fault::Depth,
            ..
        }))
    ));
}

#[test]
fn a_reader_goes_from_the_attributes_into_the_data_in_one_pass() {
    let record = written(&Event {
        data: Data::Json(r#"{"a":1}"#),
        ..minimal()
    });
    let (event, cursor) = Event::read_to_data(&record, 8).unwrap();
    let mut cursor = cursor.unwrap();
    assert_eq!(
        (event.kind.as_ref(), event.data),
        ("app_opened", Data::None)
    );
    assert_eq!(cursor.skip().unwrap(), r#"{"a":1}"#);
    assert!(close(&mut cursor).unwrap());
}

#[test]
fn attributes_behind_the_data_are_noticed() {
    let record = r#"{"specversion":"1.0","id":"i","source":"s","type":"t","data":1,"userid":"u"}"#;
    let (_, cursor) = Event::read_to_data(record, 8).unwrap();
    let mut cursor = cursor.unwrap();
    cursor.skip().unwrap();
    assert!(!close(&mut cursor).unwrap());

    // Required ones behind the data: the event is read whole at once.
    let record = r#"{"specversion":"1.0","id":"i","source":"s","data":1,"type":"t"}"#;
    let (event, cursor) = Event::read_to_data(record, 8).unwrap();
    assert!(cursor.is_none());
    assert_eq!(event, Event::read(record, 8).unwrap());
}

#[test]
fn the_identity_is_the_user_else_the_anonymous_user_else_the_subject_else_the_event() {
    let mut event = minimal();
    assert_eq!(event.identity(), "e-1");
    event.subject = Some("order-7".into());
    assert_eq!(event.identity(), "order-7");
    event.anonymousid = Some("anon".into());
    assert_eq!(event.identity(), "anon");
    event.userid = Some("".into());
    assert_eq!(event.identity(), "anon");
    event.userid = Some("user".into());
    assert_eq!(event.identity(), "user");
}

fn rejected<'a>(payload: &'a [u8], errors: &'a [Violation]) -> Rejected<'a> {
    Rejected {
        id: "b-1",
        source: "gateway",
        receivedtime: "2026-11-22T20:07:55Z",
        reason: Reason::Invalid,
        errors,
        rejected_type: Some("order_completed"),
        rejected_id: None,
        rejected_source: Some("/shop"),
        senttime: Some("2026-11-22T20:07:54Z"),
        form: Some("segment/batch"),
        payload,
        protected: &[],
    }
}

#[test]
fn a_bad_event_keeps_its_bytes_whether_text_or_not() {
    let errors = [Violation {
        pointer: "/items/0/price".to_owned(),
        keyword: "minimum",
        message: "-1 is less than 0".to_owned(),
    }];
    for payload in [b"{\"a\":\"\\u00e9\n\0\"".as_slice(), b"\xff\xfe{", b""] {
        let mut out = Vec::new();
        rejected(payload, &errors).write(&mut out);
        let record = String::from_utf8(out).unwrap();
        let event = Event::read(&record, 8).unwrap();
        assert_eq!(event.kind, BAD_EVENTS);
        assert_eq!(event.dataschema.as_deref(), Some(BAD_EVENTS_DATASCHEMA));
        let Data::Json(data) = event.data else {
            panic!("no data in {record}")
        };
        let bad = BadEvent::read(data).unwrap();
        assert_eq!(event.senttime.as_deref(), Some("2026-11-22T20:07:54Z"));
        assert_eq!(bad.payload_form.as_deref(), Some("segment/batch"));
        assert_eq!(bad.payload, payload);
        assert_eq!((bad.reason.as_str(), bad.rejected_id), ("invalid", None));
        assert_eq!(bad.rejected_type.as_deref(), Some("order_completed"));
        assert_eq!(bad.errors.len(), 1);
        assert_eq!(bad.errors[0].pointer, "/items/0/price");
    }
}

#[test]
fn data_that_is_no_bad_event_is_refused() {
    assert!(BadEvent::read("{").is_err());
    assert!(BadEvent::read(r#"{"reason":"x"}"#).is_err());
    assert!(BadEvent::read(r#"{"reason":"x","payload_base64":"*"}"#).is_err());
}

#[test]
fn attribute_names_are_lower_case_letters_and_digits() {
    assert!(attribute_name("x9"));
    assert!(!attribute_name("") && !attribute_name("userId") && !attribute_name("a_b"));
}

prop_compose! {
    fn any_event()(
        id in ".{1,12}", source in ".{1,12}", kind in "[a-z_.]{1,12}",
        optional in prop::array::uniform9(prop::option::of(any::<String>())),
        text in any::<String>(), number in any::<i64>(), payload in 0..3,
    ) -> (Vec<String>, [Option<String>; 9], String, String, i32) {
        let text = serde_json::to_string(&text).unwrap();
        (vec![id, source, kind], optional, text, number.to_string(), payload)
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_by_us_and_by_serde(
        (required, optional, text, number, payload) in any_event()
    ) {
        let [time, dataschema, subject, receivedtime, senttime, userid, anonymousid, sdk, datacontenttype] =
            optional.map(|value| value.map(Cow::Owned));
        let event = Event {
            id: required[0].as_str().into(),
            source: required[1].as_str().into(),
            kind: required[2].as_str().into(),
            time, dataschema, subject, receivedtime, senttime, userid, anonymousid, sdk, datacontenttype,
            extensions: vec![("a1".into(), &text), ("b".into(), &number), ("c".into(), "true")],
            data: match payload {
                0 => Data::None,
                1 => Data::Base64("aGk="),
                _ => Data::Json(&text),
            },
        };
        let record = written(&event);
        prop_assert_eq!(&Event::read(&record, 1).unwrap(), &event);
        let value: Value = serde_json::from_str(&record).unwrap();
        prop_assert_eq!(value["id"].as_str(), Some(event.id.as_ref()));
        prop_assert_eq!(value["userid"].as_str(), event.userid.as_deref());
        prop_assert_eq!(value["a1"].to_string(), serde_json::from_str::<Value>(&text).unwrap().to_string());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in r#"(\{|\}|"[a-z]{0,3}"|:|,|\[|1|null|"specversion":"1.0"|"id":"i"|"data":){0,24}"#) {
        let whole = Event::read(&text, 4);
        if let Ok((event, cursor)) = Event::read_to_data(&text, 4) {
            // Reading in part never gives other attributes than reading whole.
            if let (Ok(whole), None) = (&whole, cursor) {
                prop_assert_eq!(whole, &event);
            }
        } else {
            prop_assert!(whole.is_err());
        }
    }
}
