//! Messages of SDKs in their tables.

use headgate_schemas::registry::Registry;

use super::*;

const TRACK: &str = r#"{"type": "object", "x-track": true, "properties": {
    "total": {"type": "number"}, "item": {"type": "object", "properties": {"sku": {"type": "string"}}}}}"#;

const ATTRIBUTES: &str = r#","senttime":"2026-11-22T20:00:00Z","userid":"7","anonymousid":"a""#;

/// A message's row in a table; `second`: it has one in another table, too.
fn row(table: &str, message: &str, second: bool) -> Finished {
    let registry = registry(&[("thing/1.json", TRACK)]);
    let (table, config) = (
        Table::of(registry.family(table).unwrap()),
        Config::default(),
    );
    let mut encoder = Encoder::new(&config, &table, 1).unwrap();
    let mut rows = Rows::new(&table, 20);
    let record = record(ATTRIBUTES, message);
    let appended = match second {
        true => rows.append_second(&record, 5_000, encoder.group()),
        false => rows.append(&record, 5_000, encoder.group()),
    };
    encoder.appended(appended.unwrap(), record.len()).unwrap();
    let files = encoder.finish().unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(files[0].bytes.clone()).unwrap();
    Finished {
        batch: reader.build().unwrap().next().unwrap().unwrap(),
        received_ms: files[0].received_ms,
        rest_values: rows.rest_values(),
    }
}

/// The texts of these columns.
#[track_caller]
fn assert_row(finished: &Finished, expected: &[(&str, Option<&str>)]) {
    for (column, value) in expected {
        assert_eq!(text(finished, column).as_deref(), *value, "{column}");
    }
}

#[test]
fn what_the_envelope_says_already_is_nowhere_else() {
    for message in [
        r#"{"type": "track", "messageId": "e1", "userId": "7", "anonymousId": "a", "sentAt": "2026-11-22T20:00:00Z"}"#,
        r#"{"type": null, "userId": 7, "sentAt": "2026-11-22T21:00:00.000+01:00", "timestamp": null}"#,
    ] {
        assert_row(&row("tracks", message, false), &[("_rest", None)]);
    }
}

#[test]
fn what_the_envelope_says_otherwise_is_kept() {
    let message =
        r#"{"type":"page","messageId":"e2","userId":8,"anonymousId":{"a":1},"sentAt":"now"}"#;
    let rest =
        r#"{"/type":"page","/messageId":"e2","/userId":8,"/anonymousId":{"a":1},"/sentAt":"now"}"#;
    assert_row(&row("tracks", message, false), &[("_rest", Some(rest))]);
}

#[test]
fn an_id_that_is_empty_is_none() {
    let registry = Registry::empty().unwrap();
    let table = Table::of(registry.family("tracks").unwrap());
    let event = Event::default();
    let mut cursor = Cursor::new("\"\"", 4);
    let Node::Object(members) = table.root() else {
        panic!()
    };
    let user = members
        .members
        .iter()
        .find(|member| member.name == "userId")
        .unwrap();
    let Node::Implied(implied) = &user.node else {
        panic!()
    };
    assert_eq!(apart::unexpected(implied, &event, &mut cursor), Ok(None));
}

#[test]
fn one_time_under_two_names_is_one_value_and_another_is_kept() {
    let same =
        r#"{"timestamp": "2026-11-22T20:00:00Z", "originalTimestamp" :"2026-11-22T20:00:00Z"}"#;
    let other =
        r#"{"originalTimestamp":"2026-11-22T20:00:01Z","timestamp":"2026-11-22T20:00:00Z"}"#;
    let micros = |finished: &Finished| {
        let column = finished.batch.column_by_name("original_timestamp").unwrap();
        column.as_primitive::<TimestampMicrosecondType>().value(0)
    };
    let (same, other) = (row("tracks", same, false), row("tracks", other, false));
    assert_row(&same, &[("_rest", None)]);
    assert_row(
        &other,
        &[("_rest", Some(r#"{"/timestamp":"2026-11-22T20:00:00Z"}"#))],
    );
    assert_eq!(micros(&other) - micros(&same), 1_000_000);
}

#[test]
fn traits_have_their_columns_wherever_an_sdk_puts_them() {
    let own = r#"{"traits": {"email": "ann@x.example", "plan": "pro", "age": "old", "logins": 5, "address": {"city": "Ulm", "no": 1}}}"#;
    let finished = row("identifies", own, false);
    let expected = [
        ("email", Some("ann@x.example")),
        ("address_city", Some("Ulm")),
        ("traits", Some(r#"{"plan":"pro","logins":5}"#)),
        ("context_traits", None),
        // What fits no column is told by its place.
        (
            "_rest",
            Some(r#"{"/traits/age":"old","/traits/address/no":1}"#),
        ),
    ];
    assert_row(&finished, &expected);

    let in_context = r#"{"context": {"traits": {"first_name": "Ann", "plan": "pro"}, "locale": "de"},
        "traits": {"firstName": "Ann"}}"#;
    let finished = row("identifies", in_context, false);
    let expected = [
        ("first_name", Some("Ann")),
        ("context_traits", Some(r#"{"plan":"pro"}"#)),
        ("traits", None),
        ("context_locale", Some("de")),
        ("_rest", None),
    ];
    assert_row(&finished, &expected);
}

#[test]
fn a_page_has_its_name_once_though_sdks_send_it_twice() {
    let message =
        r#"{"name": "Home", "properties": {"name": "Home", "path": "/", "theme": "dark"}}"#;
    let expected = [
        ("name", Some("Home")),
        ("path", Some("/")),
        ("properties", Some(r#"{"theme":"dark"}"#)),
        ("_rest", None),
    ];
    assert_row(&row("pages", message, false), &expected);
}

#[test]
fn a_track_call_has_its_properties_in_its_own_table_and_not_in_that_of_all() {
    let message = r#"{"event": "Thing", "properties": {"total": 2.5, "item": {"sku": "s"}, "new": [1]}, "context": {"locale": "de"}, "odd": 1}"#;
    let own = row("thing", message, false);
    let total = own.batch.column_by_name("total").unwrap();
    assert_eq!(total.as_primitive::<Float64Type>().value(0), 2.5);
    let rest = r#"{"/properties/new":[1],"/odd":1}"#;
    let both = [("event", Some("Thing")), ("context_locale", Some("de"))];
    assert_row(&own, &both);
    assert_row(&own, &[("item_sku", Some("s")), ("_rest", Some(rest))]);

    let second = row("tracks", message, true);
    assert_row(&second, &both);
    assert_row(
        &second,
        &[("properties", None), ("_rest", Some(r#"{"/odd":1}"#))],
    );

    // A call that no schema describes has them there.
    let properties = r#"{"total": 2.5, "item": {"sku": "s"}, "new": [1]}"#;
    assert_row(
        &row("tracks", message, false),
        &[("properties", Some(properties))],
    );
}

#[test]
fn a_row_that_is_taken_back_leaves_nothing_behind() {
    let registry = Registry::empty().unwrap();
    let (table, config) = (
        Table::of(registry.family("identifies").unwrap()),
        Config::default(),
    );
    let mut encoder = Encoder::new(&config, &table, 2).unwrap();
    let mut rows = Rows::new(&table, 20);
    let broken = record("", r#"{"traits": {"email": "x", "plan": "p"}, "odd": ?}"#);
    assert!(rows.append(&broken, 0, encoder.group()).is_err());
    let sound = record("", r#"{"traits": {"logins": 1}}"#);
    let received = rows.append(&sound, 0, encoder.group()).unwrap();
    encoder.appended(received, sound.len()).unwrap();
    let files = encoder.finish().unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(files[0].bytes.clone()).unwrap();
    let finished = Finished {
        batch: reader.build().unwrap().next().unwrap().unwrap(),
        received_ms: files[0].received_ms,
        rest_values: rows.rest_values(),
    };
    let expected = [
        ("email", None),
        ("traits", Some(r#"{"logins":1}"#)),
        ("_rest", None),
    ];
    assert_row(&finished, &expected);
}
