//! Entities of Snowplow's events in tables of their own: what they are joined by, and that the books balance. What Redshift
//! makes of them is in `warehouse`.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Site, Up, request, stderr, stdout, wait_for};

const PATH: &str = "/com.snowplowanalytics.snowplow/tp2";

/// The set's schemas of Iglu, of a product and of a purchase.
pub(crate) fn write_schemas(dir: &Path) {
    let text = json!({ "type": "string" });
    for (name, version, properties) in [
        (
            "product",
            "1-0-0",
            json!({ "sku": text, "price": { "type": "number" }, "note": text }),
        ),
        (
            "purchase",
            "1-0-0",
            json!({ "total": { "type": "number" } }),
        ),
    ] {
        let schema = json!({
            "self": { "vendor": "com.acme", "name": name, "format": "jsonschema", "version": version },
            "type": "object", "properties": properties,
        });
        let folder = dir.join(format!("_iglu/com.acme/{name}/jsonschema"));
        std::fs::create_dir_all(&folder).expect("a directory");
        std::fs::write(folder.join(version), schema.to_string()).expect("a file");
    }
}

/// What describes itself by a schema of com.acme's.
fn described(schema: &str, data: &Value) -> Value {
    json!({ "schema": format!("iglu:com.acme/{schema}"), "data": data })
}

/// Products, each with what else it says.
pub(crate) fn product(data: &Value) -> Value {
    described("product/jsonschema/1-0-0", data)
}

/// An element as a tracker sends it: a page view with these entities.
pub(crate) fn page_view(id: &str, entities: &[Value]) -> Value {
    let outer = json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0", "data": entities,
    });
    json!({ "e": "pv", "eid": id, "p": "web", "uid": "ann", "co": outer.to_string() })
}

fn purchase(id: &str, total: f64, entities: &[Value]) -> Value {
    let event = described("purchase/jsonschema/1-0-0", &json!({ "total": total }));
    let outer = json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0", "data": event,
    });
    let mut element = page_view(id, entities);
    element["e"] = "ue".into();
    element["ue_pr"] = outer.to_string().into();
    element
}

/// Posts elements as a tracker does.
#[track_caller]
pub(crate) fn send(up: &Up, elements: &[Value]) {
    let body = json!({
        "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": elements,
    });
    let headers = [("content-type", "application/json")];
    let reply = request(
        up.gateway,
        "POST",
        PATH,
        &headers,
        body.to_string().as_bytes(),
    );
    let reply = reply.expect("a reply");
    assert_eq!(reply.status, 200, "{}", reply.body);
}

fn site() -> (tempfile::TempDir, Site) {
    let schemas = tempfile::tempdir().expect("a directory");
    write_schemas(schemas.path());
    let site = Site::with_schemas(schemas.path().to_owned());
    (schemas, site)
}

fn land(site: &Site, up: &Up) {
    send(
        up,
        &[
            page_view(
                "v1",
                &[
                    product(&json!({ "sku": "a", "price": 1.5 })),
                    described("unheard_of/jsonschema/1-0-0", &json!({ "x": 1 })),
                    product(&json!({ "sku": "b", "new": [1] })),
                ],
            ),
            page_view("v2", &[]),
            purchase("p1", 9.5, &[product(&json!({ "sku": "a" }))]),
            // It breaks its schema.
            page_view("bad", &[product(&json!({ "sku": 7 }))]),
        ],
    );
    site.wait_for_rows("events", 3);
    site.wait_for_rows("bad_events", 1);
    // A commit names the tables of all its rows.
    assert_eq!(
        (
            site.count("com_acme_product_1"),
            site.count("com_acme_purchase_1")
        ),
        (3, 1)
    );
}

const JOINED: &str = "select e.event_id, e.event, p.entity_index, p.schema_version, p.sku, p.price, p._rest rest from events e \
     join com_acme_product_1 p on p.event_id = e.event_id order by 1, 3";

fn joined() -> Value {
    let row = |id: &str, event: &str, index: u32, sku: &str, price: Value, rest: Value| {
        json!({ "event_id": id, "event": event, "entity_index": index, "schema_version": "1-0-0", "sku": sku,
                "price": price, "rest": rest })
    };
    json!([
        row("p1", "unstruct", 1, "a", Value::Null, Value::Null),
        row("v1", "page_view", 1, "a", json!(1.5), Value::Null),
        row(
            "v1",
            "page_view",
            3,
            "b",
            Value::Null,
            json!("{\"/new\":[1]}")
        ),
    ])
}

#[test]
fn each_entity_is_a_row_that_is_joined_by_the_events_id() {
    let (_schemas, site) = site();
    let up = site.up();
    land(&site, &up);
    assert_eq!(Value::from(site.query(JOINED)), joined());
    let sql = "select event_id, user_id, event_type, source, entity_index, total from com_acme_purchase_1";
    let found = json!([{ "event_id": "p1", "user_id": "ann", "event_type": "snowplow_event",
                         "source": site.query("select source from events")[0]["source"], "entity_index": 0, "total": 9.5 }]);
    assert_eq!(Value::from(site.query(sql)), found);
    // The event's own row is as it was: what has no table is nowhere else.
    let contexts = &site.query("select contexts from events where event_id = 'v1'")[0]["contexts"];
    let contexts: Value = serde_json::from_str(contexts.as_str().expect("JSON")).expect("JSON");
    assert_eq!(contexts.as_array().expect("an array").len(), 3);
    assert_eq!(
        contexts[1]["schema"],
        "iglu:com.acme/unheard_of/jsonschema/1-0-0"
    );
    up.stop();
}

#[test]
fn the_books_balance_before_and_after_the_files_were_compacted() {
    let (_schemas, site) = site();
    let up = site.up();
    land(&site, &up);
    send(&up, &[page_view("v3", &[product(&json!({ "sku": "c" }))])]);
    site.wait_for_rows("com_acme_product_1", 4);
    assert!(up.stop().success());
    let balances = || {
        let window = [
            "audit",
            "--json",
            "--from",
            "2020-01-01",
            "--to",
            "2100-01-01",
        ];
        let output = site.command().args(window).output().expect("it runs");
        let told: Value = serde_json::from_str(stdout(&output).trim()).expect("JSON");
        assert_eq!(told["verdict"], "balanced", "{told:#}");
        let hours = told["hours"].as_array().expect("hours").clone();
        let sum = |table: &str, column: &str| -> i64 {
            let of_table = hours.iter().filter(|hour| hour["table"] == table);
            of_table.filter_map(|hour| hour[column].as_i64()).sum()
        };
        // An event is accepted once, however many rows it has.
        assert_eq!(
            (sum("events", "accepted"), sum("events", "committed")),
            (4, 4)
        );
        let products = (
            sum("com_acme_product_1", "accepted"),
            sum("com_acme_product_1", "committed"),
        );
        assert_eq!(products, (0, 4));
    };
    balances();
    let compact = ["sink", "compact", "--once", "--open-hours"];
    let output = site.command().args(compact).output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    balances();
    assert_eq!(site.count("com_acme_product_1"), 4);
    let first = format!("select * from ({JOINED}) where event_id <> 'v3' order by 1, 3");
    assert_eq!(Value::from(site.query(&first)), joined());
}

#[test]
fn tables_of_entities_are_among_those_that_are_declared() {
    let (_schemas, site) = site();
    let output = site
        .command()
        .args(["schemas", "ddl"])
        .output()
        .expect("it runs");
    let ddl = stdout(&output);
    assert!(
        ddl.contains("\"public\".\"com_acme_product_1\" (")
            && ddl.contains("\"entity_index\" BIGINT NOT NULL"),
        "{ddl}"
    );
    let up = site.up();
    wait_for("a query", || {
        site.query("select sku from com_acme_product_1")
            .is_empty()
            .then_some(())
    });
    up.stop();
}
