//! Values with `x-pii` from outside: what lands, what is replayed, and which schemas are refused.

use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Site, stderr, stdout, wait_for};

const KEY: (&str, &str) = (
    "HEADGATE__PRIVACY__HASH_KEY",
    "a key of thirty-two bytes, or more",
);

/// `joined/1.json`, whose `plan` is one of these.
fn write(schemas: &Path, plans: &[&str]) {
    let schema = json!({
        "type": "object", "required": ["name"],
        "properties": {
            "email": { "type": "string", "format": "email", "x-pii": "hash" },
            "age": { "type": "integer", "x-pii": "hash" },
            "born": { "type": "string", "format": "date", "x-pii": "mask" },
            "name": { "type": "string", "x-pii": "drop" },
            "plan": { "enum": plans },
        },
    });
    std::fs::create_dir_all(schemas.join("joined")).expect("a directory");
    std::fs::write(schemas.join("joined/1.json"), schema.to_string()).expect("a file");
}

fn joined(id: &str, plan: &str) -> String {
    let data = json!({ "email": "secret@shop.example", "age": 7777, "born": "1999-12-31", "name": "secret", "plan": plan });
    json!({ "type": "joined", "id": id, "data": data }).to_string()
}

#[test]
fn what_lands_and_what_is_replayed_is_the_same_and_the_raw_values_are_in_no_file() {
    let schemas = tempfile::tempdir().expect("a directory");
    write(schemas.path(), &["free"]);
    let site = Site::with_schemas(schemas.path().to_owned());
    let up = site.up_with(&[KEY]);
    assert_eq!(up.post_json(&joined("a", "free")).status, 200);
    assert_eq!(up.post_json(&joined("b", "paid")).status, 400);
    site.wait_for_rows("joined_1", 1);
    site.wait_for_rows("bad_events", 1);
    assert!(up.stop().success());
    write(schemas.path(), &["free", "paid"]);
    let replay = |key: bool| {
        let mut command = site.command();
        command.args(["replay", "--from", "bad_events"]);
        if key {
            command.env(KEY.0, KEY.1);
        }
        command.output().expect("it runs")
    };
    let refused = replay(false);
    assert!(
        stderr(&refused).contains("privacy.hash_key"),
        "{}",
        stderr(&refused)
    );
    let replayed = replay(true);
    assert!(replayed.status.success(), "{}", stderr(&replayed));
    let rows = site.query("select email, age, born, name, plan from joined_1 order by event_id");
    assert_eq!(rows.len(), 2, "{rows:?}");
    let without_plan = |row: &Value| {
        let mut row = row.clone();
        row.as_object_mut().expect("a row").remove("plan");
        row
    };
    assert_eq!(without_plan(&rows[0]), without_plan(&rows[1]));
    let row = &rows[1];
    assert_eq!(
        (&row["born"], &row["name"], &row["plan"]),
        (&json!("***"), &Value::Null, &json!("paid"))
    );
    assert!(
        row["email"].as_str().is_some_and(|hash| hash.len() == 64),
        "{row}"
    );
    assert!(
        row["age"].as_str().is_some_and(|hash| hash.len() == 64),
        "{row}"
    );
    let kept = site.query("select payload, errors, payload_protected from bad_events");
    assert!(!format!("{kept:?}").contains("secret"), "{kept:?}");
    assert_eq!(
        kept[0]["payload_protected"],
        r#"["/age","/born","/email","/name"]"#
    );
    // The journal is not compressed.
    let mut open = vec![site.data_dir()];
    let mut files = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .expect("a directory")
                    .map(|e| e.expect("an entry").path()),
            );
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        files += 1;
        assert!(
            !String::from_utf8_lossy(&bytes).contains("secret"),
            "{}",
            path.display()
        );
    }
    assert!(files > 2, "{files}");
}

#[test]
fn schemas_that_hash_without_a_key_are_refused_at_the_start_and_later() {
    let schemas = tempfile::tempdir().expect("a directory");
    write(schemas.path(), &["free"]);
    let site = Site::with_schemas(schemas.path().to_owned());
    let mut command = site.up_command();
    let output = command.stderr(Stdio::piped()).output().expect("it ends");
    assert!(!output.status.success());
    let told = format!("{}{}", stderr(&output), stdout(&output));
    assert!(
        told.contains("joined/1") && told.contains("privacy.hash_key"),
        "{told}"
    );
    let check = site
        .command()
        .args(["schemas", "check"])
        .output()
        .expect("it runs");
    assert!(
        check.status.success() && stdout(&check).contains("privacy.hash_key"),
        "{}",
        stdout(&check)
    );

    std::fs::write(schemas.path().join("joined/1.json"), r#"{"type":"object"}"#).expect("a file");
    let up = site.up_with(&[("HEADGATE__SCHEMAS__WATCH", "false")]);
    write(schemas.path(), &["free"]);
    up.signal(Signal::HUP);
    wait_for("the refusal", || {
        up.metric("headgate_schemas_reloads_total{outcome=\"refused\"}")
            .filter(|count| *count > 0.0)
    });
    let reply = up.post_json(r#"{"type":"joined","data":{"plan":1}}"#);
    assert_eq!(reply.status, 200, "the old schema is in force: {reply:?}");
}
