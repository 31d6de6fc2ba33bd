//! The end of a process, and what must not run beside it.

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Site, stderr};

#[test]
fn what_was_accepted_before_sigterm_has_landed_after_it() {
    let site = Site::new();
    // Nothing lands by age within this test: only the drain can do it.
    let up = site.up_with(&[("HEADGATE__SINK__BATCH_AGE_MAX_MS", "600000")]);
    let mut accepted = 0;
    for request in 0..20 {
        let event = |n: i32| json!({ "id": format!("{request}-{n}"), "type": "signed_up", "data": { "method": "google" } });
        let reply = up.post_json(&json!((0..25).map(event).collect::<Vec<_>>()).to_string());
        assert_eq!(reply.status, 200, "{reply:?}");
        accepted += 25;
    }
    assert!(up.stop().success());
    assert!(!site.data_dir().join("run/addresses.json").exists());
    // What the sink had not read when the drain began lands after the next start.
    let up = site.up();
    site.wait_for_rows("signed_up_1", accepted);
    let ids = site.query("select count(distinct event_id) n from signed_up_1");
    assert_eq!(ids, [json!({ "n": accepted })]);
    assert!(up.stop().success());
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let site = Site::new();
    let up = site.up();
    let second = site
        .up_command()
        .stderr(std::process::Stdio::piped())
        .output()
        .expect("it runs");
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains("in use by another process"),
        "{}",
        stderr(&second)
    );
    assert_eq!(
        up.post_json(r#"{"type":"signed_up","data":{"method":"google"}}"#)
            .status,
        200
    );
    assert!(
        site.data_dir().join("run/addresses.json").exists(),
        "the first one's addresses are gone"
    );
    site.wait_for_rows("signed_up_1", 1);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let site = Site::new();
    // A drain that would take minutes.
    let mut up = site.up_with(&[
        ("HEADGATE__GATEWAY__TIMEOUTS__DRAIN_UNREADY_MS", "300000"),
        ("HEADGATE__SHUTDOWN__DEADLINE_MS", "400000"),
    ]);
    up.signal(Signal::TERM);
    crate::harness::wait_for("the drain to begin", || {
        (up.admin("/ready").status == 503).then_some(())
    });
    up.signal(Signal::TERM);
    assert_eq!(up.ended().code(), Some(1));
}

#[test]
fn schemas_that_are_not_there_end_the_start() {
    let site = Site::with_schemas("/nonexistent/schemas".into());
    let output = site
        .up_command()
        .stderr(std::process::Stdio::piped())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("/nonexistent/schemas"),
        "{}",
        stderr(&output)
    );
    assert!(!site.data_dir().exists(), "the data directory was made");
}

#[test]
fn a_port_that_is_taken_is_named_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = Site::new()
        .command()
        .args(["up", "--listen", &address, "--admin-listen", "127.0.0.1:0"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("gateway.listen"),
        "{}",
        stderr(&output)
    );
}
