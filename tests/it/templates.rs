//! Topics whose names are made from events.

use crate::harness::{request, stderr, stdout, wait_for};
use crate::spill::Rig;

#[test]
#[ignore = "needs Kafka: ./headgate.sh test"]
fn each_type_has_its_topic_and_a_sink_lands_all_of_them_a_new_one_too() {
    let mut rig = Rig::start();
    rig.set("HEADGATE__STREAM__TOPIC", "events.{type}");
    let mut gateway = rig.gateway("127.0.0.1:0");
    let address = gateway.address("gateway");
    let post = |events: &str| {
        let json = [("content-type", "application/json")];
        request(address, "POST", "/v1/events", &json, events.as_bytes()).expect("a reply")
    };
    let viewed = r#"{"type":"screen_viewed","data":{"name":"home"}}"#;
    let signed = r#"{"type":"signed_up","userid":"u1","data":{"method":"password"}}"#;
    let added = r#"{"type":"no_such_type","data":{}}"#;
    let reply = post(&format!("[{viewed},{viewed},{added}]"));
    assert_eq!(reply.json()["accepted"], 2, "{}", reply.body);
    assert_eq!(rig.records("events.screen_viewed").len(), 2);
    assert_eq!(rig.records("bad_events").len(), 1);

    let mut sink = rig.sink();
    sink.address("admin");
    let landed = |table: &str, rows: u64| {
        wait_for(&format!("{rows} rows in {table}"), || {
            let counted = rig.query(&format!("select count(*) n from {table}"));
            assert!(counted.status.success(), "{}", stderr(&counted));
            stdout(&counted)
                .contains(&format!("\"n\":{rows}"))
                .then_some(())
        });
    };
    landed("screen_viewed_1", 2);
    landed("bad_events", 1);
    let reply = post(signed);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(rig.records("events.signed_up").len(), 1);
    landed("signed_up_1", 1);
    gateway.stop();
    sink.stop();
}
