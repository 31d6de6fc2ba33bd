//! Inline objects, and the tables of SDKs' calls.

use super::*;

fn names(table: &Table) -> Vec<&str> {
    columns(table).into_iter().map(|(name, _)| name).collect()
}

/// The table of an SDK's call.
fn call(name: &str) -> Table {
    let registry = Registry::empty().unwrap();
    Table::of(registry.family(name).unwrap())
}

#[test]
fn the_columns_of_an_inline_object_do_not_have_its_name() {
    let text = r#"{"type": "object", "properties": {
        "name": {"type": "string"},
        "buyer": {"type": "object", "x-inline": true, "properties": {
            "name": {"type": "string"}, "user_id": {"type": "string"},
            "address": {"type": "object", "properties": {"city": {"type": "string"},
                "geo": {"type": "object", "properties": {"lat": {"type": "number"},
                    "of": {"type": "object", "properties": {"what": {"type": "string"}}}}}}}}}}}"#;
    let table = table("thing_1", &[text]);
    assert_eq!(
        columns(&table),
        [
            ("name", Type::Text),
            ("name_2", Type::Text),
            ("user_id_2", Type::Text),
            ("address_city", Type::Text),
            ("address_geo_lat", Type::Number),
            // It is as deep as it would be without the inline object.
            ("address_geo_of_what", Type::Text),
        ]
    );
    let city = table
        .columns()
        .iter()
        .find(|column| column.name == "address_city");
    assert_eq!(
        city.unwrap().pointer.as_deref(),
        Some("/buyer/address/city")
    );
}

#[test]
fn what_a_minor_adds_to_an_inline_object_comes_last() {
    let schema = |members: &str| {
        format!(
            r#"{{"type": "object", "properties": {{"buyer": {{"type": "object", "x-inline": true,
                "properties": {{{members}}}}}, "z": {{"type": "integer"}}}}}}"#
        )
    };
    let first = schema(r#""a": {"type": "string"}"#);
    let second = schema(r#""b": {"type": "string"}, "a": {"type": "string"}"#);
    let table = table("thing_1", &[&first, &second]);
    assert_eq!(names(&table), ["a", "z", "b"]);
}

#[test]
fn calls_have_the_columns_that_analysts_know() {
    let tracks = call("tracks");
    let found = names(&tracks);
    assert_eq!(found[..3], ["event", "original_timestamp", "channel"]);
    assert_eq!(found.last(), Some(&"properties"));
    for name in [
        "context_app_version",
        "context_campaign_source",
        "context_device_advertising_id",
        "context_ip",
        "context_library_name",
        "context_locale",
        "context_network_wifi",
        "context_os_name",
        "context_page_url",
        "context_screen_density",
        "context_session_id",
        "context_timezone",
        "context_traits",
        "context_user_agent",
        "integrations",
    ] {
        assert!(found.contains(&name), "{name}: {found:?}");
    }
    for (table, expected) in [
        (
            "identifies",
            vec![
                "email",
                "first_name",
                "address_city",
                "company_name",
                "traits",
                "context_traits",
            ],
        ),
        (
            "pages",
            vec!["name", "category", "path", "url", "title", "properties"],
        ),
        ("screens", vec!["name", "category", "properties"]),
        (
            "groups",
            vec![
                "group_id",
                "industry",
                "employees",
                "address_country",
                "traits",
            ],
        ),
        ("aliases", vec!["previous_id", "traits"]),
    ] {
        let table = call(table);
        let found = names(&table);
        for name in expected {
            assert!(found.contains(&name), "{name}: {found:?}");
        }
    }
}

#[test]
fn no_call_has_a_column_twice_or_one_that_repeats_the_envelope() {
    for table in [
        "tracks",
        "identifies",
        "pages",
        "screens",
        "groups",
        "aliases",
    ] {
        let table = call(table);
        let odd = |name: &&str| {
            name.ends_with("_2") || ["message_id", "type", "timestamp", "sent_at"].contains(name)
        };
        let odd: Vec<&str> = names(&table).into_iter().filter(odd).collect();
        assert_eq!(odd, [""; 0], "{}", table.name());
    }
}

#[test]
fn the_table_of_a_track_call_has_the_messages_columns_then_its_properties() {
    let first = r#"{"type": "object", "x-track": true, "properties": {
        "total": {"type": "number"}, "event": {"type": "string"}}}"#;
    let second = r#"{"type": "object", "x-track": true, "properties": {
        "coupon": {"type": "string"}, "total": {"type": "number"}, "event": {"type": "string"}}}"#;
    let table = table("thing", &[first, second]);
    let tracks = call("tracks");
    let mut expected = names(&tracks);
    assert_eq!(expected.pop(), Some("properties"));
    expected.extend(["total", "event_2", "coupon"]);
    assert_eq!(names(&table), expected);
    assert!(table.is_track() && !table.takes_second_rows());
    assert!(tracks.takes_second_rows() && !tracks.is_track());
}

#[test]
fn a_track_call_that_declares_no_properties_has_them_in_one_column() {
    let table = table("thing", &[r#"{"type": "object", "x-track": true}"#]);
    assert_eq!(columns(&table).last(), Some(&("properties", Type::Json)));
}
