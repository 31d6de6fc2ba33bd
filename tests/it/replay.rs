//! Rejected events once more, after a schema's repair.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{Site, Up, stderr, stdout, wait_for};

const STRICT: &str = r#"{"type":"object","required":["page"],"properties":{"page":{"type":"string"},"n":{"type":"integer","maximum":0}}}"#;
pub(crate) const REPAIRED: &str = r#"{"type":"object","required":["page"],"properties":{"page":{"type":"string"},"n":{"type":"integer"}}}"#;

pub(crate) fn write(schemas: &Path, text: &str) {
    let dir = schemas.join("visit");
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("1.json"), text).expect("a file");
}

/// `headgate replay` with these arguments.
fn replay(site: &Site, arguments: &[&str]) -> Output {
    let output = site.command().arg("replay").args(arguments).output();
    output.expect("it runs")
}

#[track_caller]
pub(crate) fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_str(stdout(output).trim()).expect("one JSON object")
}

/// Posts `count` events of one batch, numbered from `from`, which the strict schema refuses.
fn post_refused(up: &Up, from: u32, count: u32) {
    let event =
        |n: u32| format!(r#"{{"type":"visit","id":"v-{n}","data":{{"page":"p","n":{n}}}}}"#);
    let batch: Vec<String> = (from..from + count).map(event).collect();
    let reply = up.post_json(&format!("[{}]", batch.join(",")));
    assert_eq!(reply.status, 400, "{reply:?}");
}

#[test]
fn rejected_events_land_once_after_the_schema_was_repaired() {
    let schemas = tempfile::tempdir().expect("a directory");
    write(schemas.path(), STRICT);
    let site = Site::with_schemas(schemas.path().to_owned());
    let up = site.up();
    post_refused(&up, 1, 20);
    let no_id = up.post_json(r#"{"type":"visit","userid":"u","data":{"page":"p","n":5}}"#);
    let given = no_id.json()["results"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(
        up.post_json(r#"{"type":"visit","id":"bad","data":{"n":1}}"#)
            .status,
        400
    );
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-type", "visit"),
        ("ce-id", "ce-1"),
        ("ce-source", "/a"),
    ];
    let mut headers = binary.to_vec();
    headers.push(("content-type", "application/json"));
    assert_eq!(up.post(&headers, br#"{"page":"p","n":1}"#).status, 400);
    site.wait_for_rows("bad_events", 23);

    let before = report(&replay(&site, &["--from", "bad_events", "--json"]));
    assert_eq!(
        (&before["replayed"], &before["looked_at"]),
        (&0.into(), &23.into()),
        "{before}"
    );

    write(schemas.path(), REPAIRED);
    let foreign = report(&replay(
        &site,
        &["--from", "bad_events", "--type", "other", "--json"],
    ));
    assert_eq!(foreign["looked_at"], 0, "{foreign}");
    let done = report(&replay(
        &site,
        &["--from", "bad_events", "--reason", "invalid", "--json"],
    ));
    assert_eq!(done["replayed"], 21, "{done}");
    let left = serde_json::json!({"invalid": 1, "partial": 1});
    assert_eq!(done["still_invalid"], left, "{done}");

    let again = replay(&site, &["--from", "bad_events", "--json", "--strict"]);
    assert_eq!(again.status.code(), Some(3), "{}", stderr(&again));
    let told: Value = serde_json::from_str(stdout(&again).trim()).expect("JSON");
    assert_eq!(
        (&told["replayed"], &told["replayed_before"]),
        (&0.into(), &21.into()),
        "{told}"
    );

    let landed = site.query("select count(*) n, count(distinct event_id) ids from visit_1");
    assert_eq!(
        (&landed[0]["n"], &landed[0]["ids"]),
        (&21.into(), &21.into())
    );
    // The id that the client was told, the time at which it was told so, and what it had sent.
    let kept = site.query(&format!(
        "select v.n, v.user_id, v.received_at = b.received_at same, r.replayed_table \
         from visit_1 v join replayed_events r on r.replayed_id = v.event_id \
         join bad_events b on b.event_id = r.event_id where v.event_id = '{given}'"
    ));
    let expected =
        serde_json::json!([{"n": 5, "user_id": "u", "same": true, "replayed_table": "visit_1"}]);
    assert_eq!(Value::from(kept), expected);
    assert!(up.stop().success());
}

#[test]
fn a_replay_that_is_killed_is_finished_by_running_it_again() {
    let schemas = tempfile::tempdir().expect("a directory");
    write(schemas.path(), STRICT);
    let site = Site::with_schemas(schemas.path().to_owned());
    let up = site.up();
    // A file of bad events each, for replays to be between two of them.
    for file in 0..30 {
        post_refused(&up, 1 + file * 100, 100);
        site.wait_for_rows("bad_events", u64::from(file + 1) * 100);
    }
    write(schemas.path(), REPAIRED);
    let command = || {
        let mut command = site.command();
        command
            .args(["replay", "--from", "bad_events", "--json"])
            .env("HEADGATE__SINK__BATCH_ROWS_MAX", "1");
        command
    };
    let log = site.data_dir().join("lake/_commits/replay.bad_events/1");
    for commits in [1, 4, 12] {
        let mut child = command().stdout(Stdio::null()).spawn().expect("it runs");
        wait_for("some commits", || {
            let found = std::fs::read_dir(&log).map_or(0, Iterator::count);
            let ended = child.try_wait().expect("a child").is_some();
            (found >= commits || ended).then_some(())
        });
        child.kill().expect("a child");
        child.wait().expect("a child");
    }
    let done = report(&command().output().expect("it runs"));
    let (now, before) = (done["replayed"].as_u64(), done["replayed_before"].as_u64());
    assert_eq!(
        now.zip(before).map(|(now, before)| now + before),
        Some(3_000),
        "{done}"
    );
    assert!(
        before >= Some(400),
        "it was not killed in the middle: {done}"
    );
    for table in ["visit_1", "replayed_events"] {
        let rows = site.query(&format!(
            "select count(*) n, count(distinct event_id) ids from {table}"
        ));
        assert_eq!(
            (&rows[0]["n"], &rows[0]["ids"]),
            (&3_000.into(), &3_000.into()),
            "{table}"
        );
    }
    assert!(up.stop().success());
}

#[test]
fn the_load_tests_proof_knows_replayed_events() {
    let schemas = tempfile::tempdir().expect("a directory");
    write(schemas.path(), STRICT);
    let site = Site::with_schemas(schemas.path().to_owned());
    let up = site.up();
    let ledger = site.file("ledger");
    let mut load = site.command();
    load.args([
        "loadtest",
        "--rate",
        "500",
        "--seconds",
        "2",
        "--invalid-share",
        "0.3",
        "--ledger",
    ])
    .arg(&ledger);
    let loaded = load.output().expect("it runs");
    assert!(
        loaded.status.success(),
        "{}{}",
        stdout(&loaded),
        stderr(&loaded)
    );
    // Nearly everything is allowed now: a part of what was refused lands.
    write(
        schemas.path(),
        r#"{"type":"object","properties":{"page":{},"n":{}}}"#,
    );
    let done = report(&replay(&site, &["--from", "bad_events", "--json"]));
    assert!(done["replayed"].as_u64() > Some(0), "{done}");
    let mut verify = site.command();
    verify.args(["loadtest", "--verify"]).arg(&ledger);
    let verified = verify.output().expect("it runs");
    assert!(
        verified.status.success(),
        "{}{}",
        stdout(&verified),
        stderr(&verified)
    );
    assert!(up.stop().success());
}

#[test]
fn what_cannot_be_replayed_is_refused_with_the_reason() {
    let site = Site::new();
    std::fs::create_dir_all(site.data_dir()).expect("a directory");
    for (arguments, code, said) in [
        (&["--from", "bad_events"][..], 1, "nothing has landed"),
        (
            &["--from", "stream", "--into", "g"],
            1,
            "stream.kind = \"kafka\"",
        ),
        (&["--from", "stream"], 64, "--into"),
        (&["--from", "bad_events", "--into", "g"], 64, "--into"),
        (
            &["--from", "stream", "--into", "Far"],
            64,
            "generation `Far`",
        ),
        (
            &["--from", "stream", "--into", "g", "--offsets", "events-0:1"],
            64,
            "TOPIC-PARTITION:START..END",
        ),
        (
            &["--from", "bad_events", "--since", "today"],
            64,
            "2026-11-22",
        ),
    ] {
        let output = replay(&site, arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(said),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}
