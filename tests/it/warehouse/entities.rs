//! Tables of entities, which have several rows of one event.

use serde_json::{Value, json};

use super::{By, Warehouse};
use crate::entities::{page_view, product, send, write_schemas};
use crate::harness::{Site, stderr, stdout, wait_for};

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn an_events_entities_are_all_loaded_and_each_once() {
    let schemas = tempfile::tempdir().expect("a directory");
    write_schemas(schemas.path());
    let site = Site::with_schemas(schemas.path().to_owned());
    let mut warehouse = Warehouse::with(site, By::DataApi);
    // What is sent again lands again, for the loader to know it.
    warehouse.set("HEADGATE__SINK__DEDUP_WINDOW_MS", "0");
    let up = warehouse.up();
    let sku = |sku: &str| product(&json!({ "sku": sku }));
    // Longer than a VARCHAR can be: the file is fitted before it is copied.
    let long = product(&json!({ "sku": "long", "note": "x".repeat(70_000) }));
    let first = page_view("v1", &[sku("a"), sku("a"), long, sku("b")]);
    send(&up, &[first.clone(), page_view("v2", &[sku("c")])]);
    let loaded = |rows: u64| (warehouse.count("com_acme_product_1") == Some(rows)).then_some(());
    wait_for("the entities to be loaded", || loaded(5));
    // A tracker that sends again what has been taken, beside what is new.
    send(&up, &[first, page_view("v3", &[sku("d"), sku("e")])]);
    wait_for("the new ones to be loaded", || loaded(7));
    wait_for("their events to be loaded", || {
        (warehouse.count("events") == Some(3)).then_some(())
    });
    wait_for("the duplicates in the ledger", || {
        let duplicates = "SELECT SUM(rows_copied - rows_inserted) FROM public.headgate_loads WHERE kind = 'load' AND \
                          table_name = 'com_acme_product_1'";
        (warehouse.number(duplicates) == 4).then_some(())
    });
    let found = warehouse.rows(
        "SELECT e.event_id, p.entity_index, p.sku FROM public.events e JOIN public.com_acme_product_1 p ON p.event_id = \
         e.event_id ORDER BY 1, 2",
    );
    let row = |(id, index, sku): (&str, u32, &str)| {
        vec![
            Some(id.to_owned()),
            Some(index.to_string()),
            Some(sku.to_owned()),
        ]
    };
    let expected = [
        ("v1", 1, "a"),
        ("v1", 2, "a"),
        ("v1", 3, "long"),
        ("v1", 4, "b"),
        ("v2", 1, "c"),
        ("v3", 1, "d"),
        ("v3", 2, "e"),
    ];
    assert_eq!(found, expected.map(row));
    let discarded = "SELECT COUNT(*) FROM public.headgate_discards WHERE \"table\" = 'com_acme_product_1' AND \"column\" = 'note'";
    assert_eq!(warehouse.number(discarded), 1);
    assert!(up.stop().success());

    // A reload, and an audit that counts the landed files' events, as the ledger does not tell of hours that were reloaded.
    let window = ["--from", "2020-01-01", "--to", "2100-01-01"];
    let reload = [
        &["warehouse", "reload", "--table", "com_acme_product_1"][..],
        &window,
    ]
    .concat();
    let output = warehouse.output(&reload);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(warehouse.count("com_acme_product_1"), Some(7));
    let output = warehouse.output(&[&["audit", "--json"][..], &window].concat());
    let told: Value = serde_json::from_str(stdout(&output).trim()).expect("JSON");
    assert_eq!(told["verdict"], "balanced", "{told:#}{}", stderr(&output));
}
