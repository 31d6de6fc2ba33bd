//! Schemas change while the process runs.

use rustix::process::Signal;
use serde_json::json;
use std::path::Path;

use crate::harness::{Site, wait_for};

fn write(schemas: &Path, version: &str, text: &str) {
    let dir = schemas.join("visit");
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join(version), text).expect("a file");
}

const FIRST: &str = r#"{"type":"object","properties":{"page":{"type":"string"}}}"#;
const SECOND: &str = r#"{"type":"object","properties":{"page":{"type":"integer"}}}"#;

#[test]
fn a_changed_file_is_loaded_without_a_signal() {
    let schemas = tempfile::tempdir().expect("a directory");
    write(schemas.path(), "1.json", FIRST);
    let site = Site::with_schemas(schemas.path().to_owned());
    let up = site.up();
    assert_eq!(
        up.post_json(r#"{"type":"visit","data":{"page":7}}"#).status,
        400
    );
    write(schemas.path(), "2.json", SECOND);
    wait_for("the new major to be in force", || {
        (up.post_json(r#"{"type":"visit","data":{"page":7}}"#).status == 200).then_some(())
    });
    let old = up.post_json(r#"{"type":"visit","dataschema":"visit/1","data":{"page":"a"}}"#);
    assert_eq!(old.status, 200, "the old major is still there: {old:?}");
}

#[test]
fn sighup_loads_the_schemas_when_files_are_not_watched() {
    let schemas = tempfile::tempdir().expect("a directory");
    write(schemas.path(), "1.json", FIRST);
    let site = Site::with_schemas(schemas.path().to_owned());
    let up = site.up_with(&[("HEADGATE__SCHEMAS__WATCH", "false")]);
    write(schemas.path(), "2.json", SECOND);
    assert_eq!(
        up.post_json(r#"{"type":"visit","data":{"page":7}}"#).status,
        400
    );
    up.signal(Signal::HUP);
    wait_for("the new major to be in force", || {
        (up.post_json(r#"{"type":"visit","data":{"page":7}}"#).status == 200).then_some(())
    });
}

#[test]
fn a_broken_set_is_refused_whole_and_the_old_one_stays() {
    let schemas = tempfile::tempdir().expect("a directory");
    write(schemas.path(), "1.json", FIRST);
    let site = Site::with_schemas(schemas.path().to_owned());
    let up = site.up();
    // One good new schema and one with a keyword that does not exist: neither is taken.
    write(schemas.path(), "2.json", SECOND);
    write(schemas.path(), "3.json", r#"{"type":"object","minimun":1}"#);
    wait_for("the refusal", || {
        up.metric("headgate_schemas_reloads_total{outcome=\"refused\"}")
            .filter(|count| *count > 0.0)
    });
    write(schemas.path(), "3.json", r#"{"type":"object","minimun":2}"#);
    let reply = up.post_json(r#"{"type":"visit","data":{"page":"a"}}"#);
    assert_eq!(reply.status, 200, "the old schema is in force: {reply:?}");
    std::fs::remove_file(schemas.path().join("visit/3.json")).expect("it was there");
    wait_for("the repaired set", || {
        (up.post_json(&json!({ "type": "visit", "data": { "page": 7 } }).to_string())
            .status
            == 200)
            .then_some(())
    });
}
