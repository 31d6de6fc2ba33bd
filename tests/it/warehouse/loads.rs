//! What lands is loaded, once, and can be told from outside.

use serde_json::{Value, json};

use super::{By, Warehouse, event};
use crate::harness::{stdout, wait_for};

fn lands_and_loads(by: By) {
    let mut warehouse = Warehouse::start(by);
    // A client that sends again what it has sent, and a sink that lands both: one is loaded.
    warehouse.set("HEADGATE__SINK__DEDUP_WINDOW_MS", "0");
    let up = warehouse.up();
    warehouse.land(&up, 0, 30);
    let again: Vec<Value> = (20..40).map(event).collect();
    assert_eq!(up.post_json(&Value::Array(again).to_string()).status, 200);
    wait_for("40 rows in the warehouse", || {
        (warehouse.count("screen_viewed_1") == Some(40)).then_some(())
    });
    warehouse.assert_whole(40);
    let duplicates =
        "SELECT SUM(rows_copied - rows_inserted) FROM public.headgate_loads WHERE kind = 'load'";
    wait_for("the duplicates in the ledger", || {
        (warehouse.number(duplicates) == 10).then_some(())
    });
    let one =
        "SELECT event_type, user_id, name, _rest FROM public.screen_viewed_1 WHERE event_id = 'e7'";
    let text = |text: &str| Some(text.to_owned());
    let row = warehouse.rows(one);
    assert_eq!(
        row,
        [vec![
            text("screen_viewed"),
            text("u7"),
            text("screen_7"),
            None
        ]]
    );
    // The ledger tells before the process does.
    wait_for("the load in the metrics", || {
        let loads = up
            .metric("headgate_warehouse_loads_total{result=\"loaded\",table=\"screen_viewed_1\"}");
        (loads >= Some(1.0)).then_some(())
    });
    assert_eq!(warehouse.count("bad_events"), None, "it is not loaded");
    let status = warehouse.output(&["warehouse", "status", "--until", "2100-01-01", "--json"]);
    let told: Value = serde_json::from_str(stdout(&status).trim()).expect("JSON");
    assert_eq!(
        (status.status.code(), &told["loaded"]),
        (Some(0), &json!(true)),
        "{told:#}"
    );
    up.stop();
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn what_lands_is_loaded_once_by_the_data_api() {
    lands_and_loads(By::DataApi);
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn what_lands_is_loaded_once_by_postgresqls_protocol() {
    lands_and_loads(By::Postgres);
}

/// A load that takes longer than it takes more to land.
#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn loading_once_ends_though_more_lands_all_the_time() {
    let warehouse = Warehouse::start(By::DataApi);
    let up = warehouse.up_without_loader();
    warehouse.land(&up, 0, 1);
    warehouse.fault(
        &json!({"on": "statement", "match": "^COPY", "count": null, "do": "delay_ms", "ms": 1_000}),
    );
    let mut loading = warehouse.loader();
    let mut posted = 1;
    let ended = wait_for("the end of the load", || {
        let event = event(posted).to_string();
        assert_eq!(up.post_json(&event).status, 200);
        posted += 1;
        loading.0.try_wait().expect("a child")
    });
    assert!(ended.success(), "{ended}");
    warehouse.no_faults();
    warehouse.wait_for_landed(posted);
    warehouse.load();
    warehouse.assert_whole(posted);
    up.stop();
}
