//! Events in over HTTP in every form of the native API, rows out over SQL.

use std::io::Write;

use serde_json::{Value, json};

use crate::harness::{Site, stderr, stdout};

/// A `signed_up` event as JSON.
fn signed_up(id: &str) -> Value {
    json!({ "id": id, "type": "signed_up", "data": { "method": "password", "plan": "team" } })
}

#[test]
fn a_single_event_lands_with_its_values_in_columns() {
    let site = Site::new();
    let up = site.up();
    let reply = up.post_json(&signed_up("single").to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["accepted"], 1);
    assert_eq!(reply.json()["results"][0]["id"], "single");
    site.wait_for_rows("signed_up_1", 1);
    let rows =
        site.query("select event_id, event_type, method, plan, received_at from signed_up_1");
    assert_eq!(rows[0]["event_id"], "single");
    assert_eq!(rows[0]["event_type"], "signed_up");
    assert_eq!(rows[0]["method"], "password");
    assert_eq!(rows[0]["plan"], "team");
    assert!(
        rows[0]["received_at"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z')),
        "{rows:?}"
    );
}

#[test]
fn a_bad_event_in_a_batch_lands_with_its_reason_and_spoils_nothing() {
    let site = Site::new();
    let up = site.up();
    let bad = json!({ "id": "bad", "type": "signed_up", "data": { "method": "carrier pigeon" } });
    let reply = up.post_json(&json!([signed_up("a"), bad, signed_up("b")]).to_string());
    assert_eq!(reply.status, 207, "{reply:?}");
    let verdict = reply.json();
    assert_eq!(
        (&verdict["accepted"], &verdict["rejected"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(verdict["results"][1]["errors"][0]["pointer"], "/method");
    assert_eq!(verdict["results"][1]["errors"][0]["keyword"], "enum");
    site.wait_for_rows("signed_up_1", 2);
    site.wait_for_rows("bad_events", 1);
    let rows = site.query("select reason, errors, payload from bad_events");
    assert_eq!(rows[0]["reason"], "invalid");
    let errors: Value =
        serde_json::from_str(rows[0]["errors"].as_str().expect("text")).expect("JSON");
    assert_eq!(errors[0]["pointer"], "/method");
    let payload: Value =
        serde_json::from_str(rows[0]["payload"].as_str().expect("text")).expect("JSON");
    assert_eq!(payload["data"]["method"], "carrier pigeon");
}

#[test]
fn ndjson_gzip_and_cloudevents_in_binary_mode_land_alike() {
    let site = Site::new();
    let up = site.up();
    let lines = format!("{}\n{}\n", signed_up("line 1"), signed_up("line 2"));
    let reply = up.post(
        &[("content-type", "application/x-ndjson")],
        lines.as_bytes(),
    );
    assert_eq!(reply.status, 200, "{reply:?}");

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(json!([signed_up("zipped")]).to_string().as_bytes())
        .expect("in memory");
    let zipped = gzip.finish().expect("in memory");
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    let reply = up.post(&headers, &zipped);
    assert_eq!(reply.status, 200, "{reply:?}");

    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "binary"),
        ("ce-source", "/shop"),
        ("ce-type", "signed_up"),
    ];
    let reply = up.post(&headers, br#"{"method":"google"}"#);
    assert_eq!(reply.status, 200, "{reply:?}");

    site.wait_for_rows("signed_up_1", 4);
    let rows = site.query("select event_id, source, method from signed_up_1 order by event_id");
    let ids: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["event_id"].as_str())
        .collect();
    assert_eq!(ids, ["binary", "line 1", "line 2", "zipped"]);
    assert_eq!(
        (&rows[0]["source"], &rows[0]["method"]),
        (&json!("/shop"), &json!("google"))
    );
}

#[test]
fn an_unknown_type_and_a_line_that_is_no_json_are_refused_and_kept() {
    let site = Site::new();
    let up = site.up();
    let reply = up.post_json(r#"{"type":"signd_up","data":{}}"#);
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(
        reply.body.contains("signed_up"),
        "the near miss is not named: {reply:?}"
    );
    let lines = format!("{}\n{{\"type\":\n", signed_up("whole"));
    let reply = up.post(
        &[("content-type", "application/x-ndjson")],
        lines.as_bytes(),
    );
    assert_eq!(reply.status, 207, "{reply:?}");
    site.wait_for_rows("bad_events", 2);
    assert_eq!(
        site.query("select reason from bad_events order by reason"),
        [
            json!({ "reason": "malformed" }),
            json!({ "reason": "unknown_schema" })
        ]
    );
}

#[test]
fn a_body_that_breaks_off_is_refused_whole_with_the_byte() {
    let site = Site::new();
    let up = site.up();
    let reply = up.post_json(r#"[{"type":"signed_up","data":{"method":"google"}},"#);
    assert_eq!(reply.status, 400, "{reply:?}");
    assert_eq!(reply.json()["error"]["offset"], 49, "{reply:?}");
}

#[test]
fn the_admin_port_tells_life_readiness_metrics_and_version() {
    let site = Site::new();
    let up = site.up();
    assert_eq!(up.admin("/live").status, 200);
    assert_eq!(up.admin("/ready").status, 200);
    assert!(
        up.admin("/version")
            .body
            .contains(env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(up.post_json(&signed_up("x").to_string()).status, 200);
    assert_eq!(
        up.metric("headgate_gateway_events_total{outcome=\"accepted\"}"),
        Some(1.0)
    );
    let page = up.admin("/metrics").body;
    for name in [
        "headgate_build_info",
        "headgate_schemas_loaded",
        "headgate_stream_",
        "headgate_sink_",
        "process_",
    ] {
        assert!(page.contains(name), "{name} is not in /metrics");
    }
}

#[test]
fn a_load_test_without_a_url_finds_the_gateway_that_listens_on_every_interface() {
    let site = Site::new();
    let up = site.up_at("0.0.0.0:0");
    let output = site
        .command()
        .args(["loadtest", "--json", "--rate", "200", "--seconds", "1"])
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    let balance = printed.lines().last().expect("the balance");
    let balance: Value = serde_json::from_str(balance).expect("JSON");
    assert_eq!(balance["balanced"], true, "{balance:#}");
    drop(up);
}
