pub(crate) mod entities;
mod sdk;

use headgate_schemas::registry::Registry;

use super::*;

/// The registry of these schemas: file below the events folder, then text.
pub(crate) fn registry(files: &[(&str, &str)]) -> Registry {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Registry::load(dir.path()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The table of `thing/1.json`, `thing/1.1.json` and so on.
pub(crate) fn table(name: &str, minors: &[&str]) -> Table {
    let named: Vec<(String, &str)> = minors
        .iter()
        .enumerate()
        .map(|(minor, text)| match minor {
            0 => ("thing/1.json".to_owned(), *text),
            _ => (format!("thing/1.{minor}.json"), *text),
        })
        .collect();
    let files: Vec<(&str, &str)> = named.iter().map(|(f, t)| (f.as_str(), *t)).collect();
    let registry = registry(&files);
    Table::of(registry.family(name).unwrap())
}

fn columns(table: &Table) -> Vec<(&str, Type)> {
    let own = &table.columns()[ENVELOPE.len()..];
    own.iter().map(|c| (c.name.as_str(), c.kind)).collect()
}

pub(crate) const EVERY_TYPE: &str = r#"{"type": "object", "properties": {
    "flag": {"type": "boolean"}, "count": {"type": "integer"}, "price": {"type": "number"},
    "title": {"type": ["string", "null"], "maxLength": 10}, "at": {"type": "string", "format": "date-time"},
    "day": {"type": "string", "format": "date"}, "tags": {"type": "array"}, "free": {"type": "object"},
    "any": {}, "either": {"type": ["string", "integer"]}}}"#;

#[test]
fn every_type_of_a_schema_has_its_column() {
    let table = table("thing_1", &[EVERY_TYPE]);
    assert_eq!(
        columns(&table),
        [
            ("flag", Type::Boolean),
            ("count", Type::Integer),
            ("price", Type::Number),
            ("title", Type::Text),
            ("at", Type::Timestamp),
            ("day", Type::Date),
            ("tags", Type::Json),
            ("free", Type::Json),
            ("any", Type::Json),
            ("either", Type::Json),
        ]
    );
}

#[test]
fn the_envelope_comes_first_with_the_rest_behind_it() {
    let table = table("thing_1", &[EVERY_TYPE]);
    let names: Vec<&str> = table.columns().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names[..11],
        [
            "event_id",
            "event_type",
            "schema_version",
            "source",
            "user_id",
            "anonymous_id",
            "event_time",
            "sent_at",
            "received_at",
            "_rest",
            "flag"
        ]
    );
    assert_eq!(names[at::REST], "_rest");
    assert_eq!(names[at::RECEIVED_AT], "received_at");
}

#[test]
fn objects_are_flattened_to_three_deep_and_deeper_ones_are_json() {
    let table = table(
        "thing_1",
        &[
            r#"{"type": "object", "properties": {"a": {"type": "object", "properties": {
            "b": {"type": "object", "properties": {"c": {"type": "object", "properties": {
                "leaf": {"type": "integer"},
                "d": {"type": "object", "properties": {"too_deep": {"type": "integer"}}}}}}}}}}}"#,
        ],
    );
    assert_eq!(
        columns(&table),
        [("a_b_c_leaf", Type::Integer), ("a_b_c_d", Type::Json)]
    );
}

#[test]
fn what_later_minors_add_comes_last_and_nothing_else_moves() {
    let first = r#"{"type": "object", "properties": {
        "page": {"type": "object", "properties": {"url": {"type": "string"}}}, "z": {"type": "integer"}}}"#;
    let second = r#"{"type": "object", "properties": {
        "a": {"type": "string"},
        "page": {"type": "object", "properties": {"url": {"type": "string"}, "title": {"type": "string"}}},
        "z": {"type": "integer"}}}"#;
    let old = table("thing_1", &[first]);
    let new = table("thing_1", &[first, second]);
    let names = |table: &Table| -> Vec<String> {
        let own = columns(table);
        own.iter().map(|(name, _)| (*name).to_owned()).collect()
    };
    assert_eq!(names(&old), ["page_url", "z"]);
    assert_eq!(names(&new), ["page_url", "z", "a", "page_title"]);
    assert_ne!(old.fingerprint(), new.fingerprint());
    assert_eq!(new.version(), "1.1");
}

#[test]
fn names_are_snake_case_and_taken_ones_are_numbered_in_order() {
    let table = table(
        "thing_1",
        &[r#"{"type": "object", "properties": {
            "anonymousId": {"type": "string"}, "userID": {"type": "string"}, "user_id": {"type": "string"},
            "2fa": {"type": "boolean"}, "OID": {"type": "string"}, "select": {"type": "string"}, "häß-lich": {"type": "string"},
            "a": {"type": "object", "properties": {"b_c": {"type": "string"}}},
            "a_b": {"type": "object", "properties": {"c": {"type": "string"}}}}}"#],
    );
    let own = columns(&table);
    let names: Vec<&str> = own.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "anonymous_id_2",
            "user_id_2",
            "user_id_3",
            "_2fa",
            "_oid",
            "select",
            "h_lich",
            "a_b_c",
            "a_b_c_2"
        ]
    );
}

#[test]
fn a_long_name_is_cut_and_stays_unique() {
    let long = "x".repeat(200);
    let text = format!(
        r#"{{"type": "object", "properties": {{"{long}1": {{"type": "string"}}, "{long}2": {{"type": "string"}}}}}}"#
    );
    let table = table("thing_1", &[&text]);
    let own = columns(&table);
    assert_eq!(own[0].0.len(), 127);
    assert_eq!(own[1].0.len(), 127);
    assert!(own[1].0.ends_with("_2"));
}

#[test]
fn a_schema_that_declares_no_members_has_one_column_for_its_data() {
    let table = table("thing_1", &[r#"{"type": "object"}"#]);
    assert_eq!(columns(&table), [("data", Type::Json)]);
}

#[test]
fn arrow_fields_have_utc_microseconds_and_only_the_envelope_is_required() {
    let schema = table("thing_1", &[EVERY_TYPE]).arrow_schema();
    let at = schema.field_with_name("at").unwrap();
    assert_eq!(
        at.data_type(),
        &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    );
    let required: Vec<&str> = schema
        .fields()
        .iter()
        .filter(|field| !field.is_nullable())
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(
        required,
        [
            "event_id",
            "event_type",
            "schema_version",
            "source",
            "received_at"
        ]
    );
}

/// What each minor says of the property `a`; the longest text that its column then has room for.
fn length_max(minors: &[&str]) -> Option<u64> {
    let schema = |a: &&str| format!(r#"{{"type": "object", "properties": {{"a": {a}}}}}"#);
    let schemas: Vec<String> = minors.iter().map(schema).collect();
    let schemas: Vec<&str> = schemas.iter().map(String::as_str).collect();
    let table = table("thing_1", &schemas);
    assert_eq!(columns(&table), [("a", Type::Text)]);
    table.columns()[ENVELOPE.len()].length_max
}

#[test]
fn a_text_has_room_for_the_longest_that_any_minor_allows() {
    let short = r#"{"type": "string", "maxLength": 10}"#;
    let long = r#"{"type": "string", "maxLength": 30}"#;
    let open = r#"{"type": "string"}"#;
    assert_eq!(length_max(&[short]), Some(10));
    assert_eq!(length_max(&[short, long]), Some(30));
    assert_eq!(length_max(&[short, open]), None);
    assert_eq!(length_max(&[short, long, open]), None);
    assert_eq!(length_max(&[open, open]), None);
    let few = r#"{"enum": ["a", "bb"]}"#;
    let more = r#"{"enum": ["a", "bb", "cccc"]}"#;
    assert_eq!(length_max(&[few, more]), Some(4));
}

#[test]
fn room_for_longer_texts_leaves_the_fingerprint_as_it_is() {
    let schema = |length: &str| {
        format!(
            r#"{{"type": "object", "properties": {{"a": {{"type": "string", "maxLength": {length}}}}}}}"#
        )
    };
    let (short, long) = (schema("10"), schema("30"));
    let old = table("thing_1", &[&short]);
    let new = table("thing_1", &[&short, &long]);
    assert_eq!(old.fingerprint(), new.fingerprint());
}

#[test]
fn the_built_in_bad_events_have_a_table() {
    let registry = Registry::empty().unwrap();
    let table = Table::of(registry.family("bad_events").unwrap());
    assert_eq!(table.name(), "bad_events");
    let own = columns(&table);
    assert!(own.contains(&("reason", Type::Text)), "{own:?}");
    assert!(own.contains(&("payload", Type::Text)), "{own:?}");
}
