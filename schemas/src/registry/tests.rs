use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Registry, SharedRegistry, Unknown};
use crate::evolve::{self, Event};
use crate::sdk::SCHEMAS;

fn object(properties: Value) -> Value {
    json!({ "type": "object", "properties": properties })
}

fn put(dir: &Path, file: &str, content: impl ToString) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content.to_string()).unwrap();
}

fn set(files: &[(&str, Value)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, content) in files {
        put(dir.path(), file, content);
    }
    dir
}

fn load(files: &[(&str, Value)]) -> Registry {
    Registry::load(set(files).path()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// File, pointer and reason of every problem.
fn problems(dir: &Path) -> Vec<(String, String, String)> {
    let errors = Registry::load(dir).unwrap_err().errors;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    errors
        .into_iter()
        .map(|error| (text(&error.file), error.pointer, error.reason))
        .collect()
}

#[track_caller]
fn assert_problem(files: &[(&str, Value)], file: &str, pointer: &str, reason: &str) {
    let found = problems(set(files).path());
    let hit = found
        .iter()
        .any(|(f, p, r)| f == file && p == pointer && r.contains(reason));
    assert!(hit, "{found:#?}");
}

#[test]
fn the_built_in_schemas_are_always_there() {
    let registry = Registry::empty().unwrap();
    for (name, dataschema) in [
        ("bad_events", "bad_events/1"),
        ("replayed_events", "replayed_events/1"),
    ] {
        let schema = registry.resolve(name, None).unwrap();
        assert_eq!((schema.table(), schema.dataschema()), (name, dataschema));
    }
    // With those of SDKs' calls.
    assert_eq!(registry.families().count(), 2 + SCHEMAS.len());
}

#[test]
fn versions_are_chosen_as_asked() {
    let a = object(json!({ "a": {} }));
    let b = object(json!({ "a": {}, "b": {} }));
    let files = [("e/1.json", a.clone()), ("e/1.1.json", b), ("e/3.json", a)];
    let registry = load(&files);
    for (dataschema, expected) in [
        (None, "e/3"),
        (Some("e/1"), "e/1.1"),
        (Some("e/1.0"), "e/1"),
        (Some("e/1.1"), "e/1.1"),
        (Some("e/1.7"), "e/1.1"),
        (Some("https://schemas.example/events/e/1.1.json"), "e/1.1"),
    ] {
        let schema = registry.resolve("e", dataschema).unwrap();
        assert_eq!(schema.dataschema(), expected, "{dataschema:?}");
    }
    let unknown = |dataschema| registry.resolve("e", Some(dataschema)).unwrap_err();
    let major = Unknown::Major {
        event: "e".into(),
        major: 2,
        known: vec![1, 3],
    };
    assert_eq!(unknown("e/2"), major);
    assert_eq!(
        major.to_string(),
        "event `e` has no major version 2; known: 1, 3"
    );
    for malformed in [
        "", "e", "1", "e/", "e/0", "e/01", "e/1.", "e/1.2.3", "e/v1", "/1",
    ] {
        assert!(
            matches!(unknown(malformed), Unknown::Dataschema { .. }),
            "{malformed}"
        );
    }
    assert!(matches!(unknown("f/1"), Unknown::Mismatch { .. }));
}

#[test]
fn an_unknown_event_is_told_what_was_probably_meant() {
    let registry = load(&[("order_completed/1.json", object(json!({})))]);
    let error = registry.resolve("order_complete", None).unwrap_err();
    assert_eq!(error.attribute(), "type");
    let message = error.to_string();
    assert_eq!(
        message,
        "no schema for event `order_complete`; near it: order_completed"
    );
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let dir = set(&[
        ("good/1.json", object(json!({}))),
        ("list/1.json", json!({ "type": "array" })),
        ("gap/1.json", object(json!({}))),
        ("gap/1.2.json", object(json!({}))),
        ("1st/1.json", object(json!({}))),
        ("named/one.json", object(json!({}))),
        ("zero/01.json", object(json!({}))),
        ("loose.json", object(json!({}))),
        (
            "tabled/1.json",
            json!({ "type": "object", "x-table": "_commits" }),
        ),
    ]);
    put(
        dir.path(),
        "broken/1.json",
        "{\n  \"type\": \"object\",\n  oops\n}",
    );
    put(dir.path(), "README.md", "passed over");
    put(dir.path(), "good/.swp", "passed over");
    fs::create_dir(dir.path().join("empty")).unwrap();
    let found = problems(dir.path());
    let files: Vec<&str> = found.iter().map(|(file, ..)| file.as_str()).collect();
    let expected = [
        "1st",
        "broken/1.json",
        "empty",
        "gap/1.2.json",
        "list/1.json",
        "loose.json",
        "named/one.json",
        "tabled/1.json",
        "zero/01.json",
    ];
    assert_eq!(files, expected, "{found:#?}");
    assert!(found[1].2.contains("line 3 column 3"), "{}", found[1].2);
    assert!(found[3].2.contains("gap/1.1 is missing"), "{}", found[3].2);
    assert_eq!(found[7].1, "/x-table");
}

#[test]
fn what_is_wrong_with_the_keys_of_redshift_is_told_beside_other_problems() {
    let mut schema = object(json!({}));
    schema["x-table"] = json!("_e");
    schema["x-redshift"] = json!({ "diststyle": "key", "sortkey": [1] });
    let found = problems(set(&[("e/1.json", schema)]).path());
    let pointers: Vec<&str> = found
        .iter()
        .map(|(_, pointer, _)| pointer.as_str())
        .collect();
    let expected = ["/x-redshift/diststyle", "/x-redshift/sortkey/0", "/x-table"];
    assert_eq!(pointers, expected, "{found:?}");
}

#[test]
fn keys_of_redshift_may_change_between_minors() {
    let keyed = |column: &str| {
        let mut schema = object(json!({}));
        schema["x-redshift"] = json!({ "distkey": column });
        schema
    };
    let registry = load(&[
        ("e/1.json", keyed("user_id")),
        ("e/1.1.json", keyed("event_id")),
    ]);
    let family = registry.family("e_1").unwrap();
    let keys = family.iter().filter_map(|schema| schema.redshift());
    let keys: Vec<_> = keys.map(|keys| keys.distkey.as_deref()).collect();
    assert_eq!(keys, [Some("user_id"), Some("event_id")]);
}

#[test]
fn a_member_that_occurs_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"{"type":"object","properties":{"a/b":{"type":"string"},"c":[{}],"a\/b":{}}}"#;
    put(dir.path(), "e/1.json", text);
    let found = problems(dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].1, "/properties/a~1b");
}

#[test]
fn a_directory_that_cannot_be_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nowhere");
    assert!(
        Registry::load(&missing)
            .unwrap_err()
            .to_string()
            .contains("nowhere")
    );
}

#[test]
fn two_majors_never_share_a_table() {
    let schema = object(json!({}));
    let mut tabled = schema.clone();
    tabled["x-table"] = json!("e_1");
    assert_problem(
        &[("e/1.json", schema.clone()), ("e/2.json", tabled)],
        "e/2.json",
        "",
        "table `e_1` is already that of e/1",
    );
    assert_problem(
        &[
            ("a.b/1.json", schema.clone()),
            ("a_b/1.json", schema.clone()),
        ],
        "a_b/1.json",
        "",
        "already that of a.b/1",
    );
    assert_problem(
        &[("bad_events/1.json", schema)],
        "builtin/bad_events/1.json",
        "",
        "is also in",
    );
}

#[test]
fn a_minor_that_breaks_its_major_is_refused_with_the_place() {
    let one = object(json!({ "n": { "type": "integer" } }));
    let two = object(json!({ "n": { "type": "number" } }));
    assert_problem(
        &[("e/1.json", one), ("e/1.1.json", two)],
        "e/1.1.json",
        "/properties/n/type",
        "not compatible with e/1",
    );
}

#[test]
fn an_edit_of_a_shared_document_changes_the_schemas_that_refer_to_it() {
    let schema = object(json!({ "n": { "$ref": "../_shared/n.json" } }));
    let shared = |maximum: u32| json!({ "type": "integer", "maximum": maximum });
    let old = load(&[("e/1.json", schema.clone()), ("_shared/n.json", shared(5))]);
    let new = load(&[("e/1.json", schema), ("_shared/n.json", shared(4))]);
    let changes = evolve::compare_registries(&old, &new);
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].event.as_str(), changes[0].kind),
        ("e", Event::Edited)
    );
    assert!(changes[0].breaking);
    assert_eq!(changes[0].changes[0].pointer, "/properties/n/$ref/maximum");
}

#[test]
fn two_sets_are_compared_schema_by_schema() {
    let a = object(json!({ "a": { "type": "string" } }));
    let b = object(json!({ "a": { "type": "string" }, "b": {} }));
    let old = load(&[
        ("edited/1.json", a.clone()),
        ("grown/1.json", a.clone()),
        ("gone/1.json", a.clone()),
    ]);
    let new = load(&[
        ("edited/1.json", b.clone()),
        ("grown/1.json", a.clone()),
        ("grown/1.1.json", b),
        ("grown/2.json", object(json!({}))),
        ("new/1.json", a),
    ]);
    let changes = evolve::compare_registries(&old, &new);
    let seen: Vec<_> = changes
        .iter()
        .map(|change| {
            (
                change.event.as_str(),
                change.version.to_string(),
                change.kind,
                change.breaking,
            )
        })
        .collect();
    let expected = [
        ("edited", "1".to_owned(), Event::Edited, false),
        ("gone", "1".to_owned(), Event::Removed, true),
        ("grown", "1.1".to_owned(), Event::NewMinor, false),
        ("grown", "2".to_owned(), Event::NewMajor, false),
        ("new", "1".to_owned(), Event::NewEvent, false),
    ];
    assert_eq!(seen, expected);
    assert!(evolve::compare_registries(&new, &new).is_empty());
}

#[test]
fn a_reload_is_atomic_and_tells_what_changed() {
    let dir = set(&[("e/1.json", object(json!({})))]);
    let shared = SharedRegistry::new(Registry::load(dir.path()).unwrap());
    let before = shared.load();
    let replace = || shared.replace(Registry::load(dir.path()).unwrap());
    assert!(replace().unchanged());
    assert!(std::sync::Arc::ptr_eq(&before, &shared.load()));

    put(dir.path(), "f/1.json", object(json!({})));
    let summary = replace();
    assert_eq!(
        (summary.added.as_slice(), summary.schemas),
        (["f/1".to_owned()].as_slice(), 4 + SCHEMAS.len())
    );
    assert_ne!(summary.fingerprint, before.fingerprint());
    assert!(before.resolve("f", None).is_err() && shared.load().resolve("f", None).is_ok());
}

#[test]
fn an_id_that_two_files_claim_is_refused_where_it_is_claimed_again() {
    let mut claims = object(json!({}));
    claims["$id"] = json!("https://x.example/thing");
    let files = [("a/1.json", claims.clone()), ("b/1.json", claims)];
    assert_problem(&files, "b/1.json", "/$id", "names two schemas");
}
