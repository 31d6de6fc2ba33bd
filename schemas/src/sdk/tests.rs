use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{CALLS, SNOWPLOW_EVENT};
use crate::evolve::{self, Kind};
use crate::registry::{LoadErrors, Registry};
use crate::schema::Schema;
use crate::shape::{Property, Shape, ShapeKind};

const DEPTH_MAX: u32 = 32;

fn set(files: &[(&str, Value)]) -> Result<Registry, LoadErrors> {
    let dir = tempfile::tempdir().unwrap();
    for (file, content) in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        fs::write(path, content.to_string()).unwrap();
    }
    Registry::load(dir.path())
}

fn load(files: &[(&str, Value)]) -> Registry {
    set(files).unwrap_or_else(|errors| panic!("{errors}"))
}

#[track_caller]
fn assert_refused(files: &[(&str, Value)], file: &str, pointer: &str, reason: &str) {
    let errors = set(files).unwrap_err().errors;
    let hit = errors.iter().any(|error| {
        error.file == Path::new(file) && error.pointer == pointer && error.reason.contains(reason)
    });
    assert!(hit, "{errors:#?}");
}

fn order() -> Value {
    json!({
        "x-track": true,
        "type": "object",
        "required": ["order_id"],
        "additionalProperties": false,
        "properties": {
            "order_id": { "type": "string" },
            "total": { "type": "number", "minimum": 0 },
        },
    })
}

fn members(shape: &Shape) -> &[Property] {
    match &shape.kind {
        ShapeKind::Object { properties, .. } => properties,
        other => panic!("{other:?}"),
    }
}

/// The pointers of what is wrong with an event's data.
fn violations(schema: &Schema, data: &Value) -> Vec<String> {
    let found = schema.check(&data.to_string(), DEPTH_MAX).err();
    let found = found.unwrap_or_default().into_iter();
    found.map(|violation| violation.pointer).collect()
}

#[test]
fn every_call_has_a_schema_and_the_table_that_analysts_know() {
    let registry = Registry::empty().unwrap();
    let tables = [
        "tracks",
        "identifies",
        "pages",
        "screens",
        "groups",
        "aliases",
    ];
    for (call, table) in CALLS.into_iter().zip(tables) {
        let schema = registry.resolve(call, None).unwrap();
        assert_eq!(
            (schema.table(), schema.sdk_call(), schema.track()),
            (table, true, false)
        );
        for example in schema.document()["examples"].as_array().unwrap() {
            assert_eq!(violations(schema, example), [""; 0], "{call}");
        }
    }
}

#[test]
fn a_call_is_refused_for_being_no_object_alone() {
    let registry = Registry::empty().unwrap();
    for call in CALLS {
        let schema = registry.resolve(call, None).unwrap();
        let odd = json!({ "type": 1, "event": [], "context": 7, "timestamp": "now", "traits": "x", "properties": null });
        assert_eq!(violations(schema, &odd), [""; 0], "{call}");
        assert_eq!(violations(schema, &json!({})), [""; 0], "{call}");
        assert_eq!(violations(schema, &json!([])), [""], "{call}");
    }
}

#[test]
fn snowplows_events_land_in_events_and_none_is_refused_for_what_is_in_it() {
    let registry = Registry::empty().unwrap();
    let schema = registry.resolve(SNOWPLOW_EVENT, None).unwrap();
    assert_eq!((schema.table(), schema.sdk_call()), ("events", true));
    let example = &schema.document()["examples"][0];
    let odd =
        json!({ "event": 1, "page_url": "x".repeat(20_000), "txn_id": "many", "contexts": {} });
    for data in [example, &odd, &json!({})] {
        assert_eq!(violations(schema, data), [""; 0]);
    }
}

#[test]
fn a_track_schema_checks_the_properties_of_a_message_and_nothing_else() {
    let registry = load(&[("order_completed/1.json", order())]);
    let schema = registry.resolve("order_completed", None).unwrap();
    assert!(schema.track() && !schema.sdk_call());
    let message = |properties: Value| json!({ "type": "track", "event": 7, "context": "any", "properties": properties });
    let good = json!({ "order_id": "o-1", "total": 1 });
    assert_eq!(violations(schema, &message(good)), [""; 0]);
    let bad = json!({ "order_id": "o-1", "total": -1, "extra": true });
    let found = violations(schema, &message(bad));
    assert_eq!(found, ["/properties/total", "/properties/extra"]);
    assert_eq!(violations(schema, &message(json!({}))), ["/properties"]);
    assert_eq!(
        violations(schema, &json!({ "event": "x" })),
        [""],
        "properties are needed"
    );
}

#[test]
fn properties_may_be_left_out_where_none_of_them_is_needed() {
    let schema =
        json!({ "x-track": true, "type": "object", "properties": { "how": { "type": "string" } } });
    let registry = load(&[("signed_out/1.json", schema)]);
    let schema = registry.resolve("signed_out", None).unwrap();
    assert_eq!(
        violations(schema, &json!({ "event": "Signed Out" })),
        [""; 0]
    );
    let wrong = json!({ "properties": { "how": 1 } });
    assert_eq!(violations(schema, &wrong), ["/properties/how"]);
}

#[test]
fn the_shape_of_a_track_schema_is_a_message_whose_properties_come_last_and_inline() {
    let registry = load(&[("order_completed/1.json", order())]);
    let schema = registry.resolve("order_completed", None).unwrap();
    let all = members(schema.shape());
    let base = registry.resolve("track", None).unwrap();
    let names = |members: &[Property]| members.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(all), names(members(base.shape())));
    let last = all.last().unwrap();
    assert!(last.name == "properties" && last.shape.inline());
    assert_eq!(names(members(&last.shape)), ["order_id", "total"]);
    assert_eq!(schema.document(), &order());
}

#[test]
fn a_track_schemas_table_is_the_event_until_a_second_major() {
    let mut named = order();
    named["x-table"] = json!("orders_refunded");
    let registry = load(&[
        ("OrderCompleted/1.json", order()),
        ("OrderCompleted/2.json", order()),
        ("order_refunded/1.json", named),
    ]);
    let table = |dataschema: &str| {
        let event = dataschema.split('/').next().unwrap();
        let schema = registry.resolve(event, Some(dataschema)).unwrap();
        schema.table().to_owned()
    };
    assert_eq!(table("OrderCompleted/1"), "order_completed");
    assert_eq!(table("OrderCompleted/2"), "order_completed_2");
    assert_eq!(table("order_refunded/1"), "orders_refunded");
}

#[test]
fn a_table_that_a_call_has_is_refused_to_others() {
    assert_refused(
        &[("pages/1.json", order())],
        "pages/1.json",
        "",
        "already that of page/1",
    );
    // Also where the other comes first by its name.
    let file = "identifies/1.json";
    assert_refused(&[(file, order())], file, "", "already that of identify/1");
}

#[test]
fn a_call_gives_way_to_a_schema_of_that_name() {
    let page = json!({ "type": "object", "required": ["url"], "properties": { "url": {} } });
    let registry = load(&[
        ("page/1.json", page),
        ("track/1.json", order()),
        ("order/1.json", order()),
    ]);
    let schema = registry.resolve("page", None).unwrap();
    assert_eq!((schema.table(), schema.sdk_call()), ("page_1", false));
    assert!(!violations(schema, &json!({})).is_empty());
    assert!(registry.family("pages").is_none() && registry.family("tracks").is_none());
    // Messages are what they are all the same.
    let order = registry.resolve("order", None).unwrap();
    assert!(
        members(order.shape())
            .iter()
            .any(|member| member.name == "context")
    );
}

#[test]
fn wrong_annotations_are_refused_with_their_places() {
    let mut schema = order();
    schema["x-track"] = json!("yes");
    schema["properties"]["total"]["x-inline"] = json!(true);
    schema["properties"]["order_id"]["x-headgate"] = json!({ "column": "id" });
    let files = [("order/1.json", schema)];
    assert_refused(&files, "order/1.json", "/x-track", "true or false");
    assert_refused(
        &files,
        "order/1.json",
        "/properties/total/x-inline",
        "declared `properties`",
    );
    let ours = "/properties/order_id/x-headgate";
    assert_refused(&files, "order/1.json", ours, "Headgate's own");
    let list = json!({ "x-track": true, "type": "array" });
    assert_refused(
        &[("a/1.json", list)],
        "a/1.json",
        "/type",
        "the properties of a track call",
    );
}

#[test]
fn what_is_wrong_with_the_properties_schema_is_told_once() {
    let broken = json!({ "x-track": true, "type": "object", "minimun": 3 });
    let errors = set(&[("a/1.json", broken)]).unwrap_err().errors;
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0].pointer, "/minimun");
}

#[test]
fn a_draft_7_schema_with_an_id_may_describe_a_track_call() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://schemas.example/order",
        "x-track": true,
        "type": "object",
        "definitions": { "id": { "type": "string" } },
        "properties": { "id": { "$ref": "#/definitions/id", "minLength": 9 } },
    });
    assert_refused(
        &[("a/1.json", schema.clone())],
        "a/1.json",
        "/properties/id/minLength",
        "draft-07",
    );
    let mut fine = schema;
    fine["properties"]["id"] = json!({ "$ref": "#/definitions/id" });
    let registry = load(&[("a/1.json", fine)]);
    let schema = registry.resolve("a", None).unwrap();
    let wrong = json!({ "properties": { "id": 1 } });
    assert_eq!(violations(schema, &wrong), ["/properties/id"]);
}

#[test]
fn within_a_major_a_schema_neither_becomes_a_track_calls_nor_inline() {
    let mut data = order();
    data["x-table"] = json!("order");
    data.as_object_mut().unwrap().remove("x-track");
    let files = [("order/1.json", data), ("order/1.1.json", order())];
    assert_refused(
        &files,
        "order/1.1.json",
        "/x-track",
        "not compatible with order/1",
    );

    let nested = |inline: Value| {
        json!({ "type": "object", "properties": {
            "buyer": { "type": "object", "x-inline": inline, "properties": { "name": {} } } } })
    };
    let pointer = "/properties/buyer/x-inline";
    let files = [
        ("order/1.json", nested(json!(false))),
        ("order/1.1.json", nested(json!(true))),
    ];
    assert_refused(&files, "order/1.1.json", pointer, "columns change");
}

#[test]
fn an_edit_of_a_track_schema_is_told_as_that_of_any_other() {
    let mut wider = order();
    wider["properties"]["coupon"] = json!({ "type": "string" });
    let (old, new) = (load(&[("a/1.json", order())]), load(&[("a/1.json", wider)]));
    let changes = evolve::compare_registries(&old, &new);
    assert_eq!(changes.len(), 1);
    assert!(!changes[0].breaking);
    let change = &changes[0].changes[0];
    assert_eq!(
        (change.pointer.as_str(), change.kind),
        ("/properties/coupon", Kind::Added)
    );
}

#[test]
fn tables_of_calls_are_expected_where_a_schema_describes_a_track_call() {
    let expected = |registry: &Registry| -> Vec<String> {
        registry
            .expected()
            .map(|(table, _)| table.to_owned())
            .collect()
    };
    let native = load(&[("a/1.json", json!({ "type": "object" }))]);
    assert_eq!(expected(&native), ["a_1", "bad_events", "replayed_events"]);
    let sdks = load(&[("a/1.json", order())]);
    assert_eq!(expected(&sdks).len(), sdks.families().count());
}
