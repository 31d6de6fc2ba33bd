//! Loaders at once where the database's isolation is SERIALIZABLE: loads of different tables conflict on the ledger (error
//! 1023) and are tried again.

use serde_json::{Value, json};

use super::{By, Loading, Warehouse};
use crate::harness::{Site, Up, stdout, wait_for};

/// Rounds until conflicts are seen.
const ROUNDS_MAX: u64 = 10;

/// Events of each table in a round.
const EVENTS: u64 = 5;

const TABLES: [&str; 3] = ["screen_viewed_1", "app_opened_1", "signed_up_1"];

fn data(table: &str) -> Value {
    match table {
        "screen_viewed_1" => json!({"name": "home"}),
        "app_opened_1" => json!({"cold_start": true}),
        _ => json!({"method": "github"}),
    }
}

fn post(up: &Up, round: u64) {
    for table in TABLES {
        let name = table.trim_end_matches("_1");
        let event =
            |n| json!({"id": format!("{table}-{round}-{n}"), "type": name, "data": data(table)});
        let events: Vec<Value> = (0..EVENTS).map(event).collect();
        let reply = up.post_json(&Value::Array(events).to_string());
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}

fn conflicts(warehouse: &Warehouse) -> usize {
    let log = warehouse.log();
    let conflict = |entry: &&Value| {
        entry["outcome"]
            .as_str()
            .is_some_and(|outcome| outcome.contains("1023"))
    };
    log.iter().filter(conflict).count()
}

fn all_are_tried_again(by: By) {
    let warehouse = Warehouse::with_options(Site::new(), by, "--isolation serializable");
    let up = warehouse.up_without_loader();
    let mut round = 0;
    while conflicts(&warehouse) < 3 {
        assert!(round < ROUNDS_MAX, "no conflicts in {round} rounds");
        post(&up, round);
        round += 1;
        for table in TABLES {
            wait_for("rows to land", || {
                let sql = format!("select count(*) n from {table}");
                let output = warehouse.output(&["query", "--format", "json", &sql]);
                let told: Value = serde_json::from_str(stdout(&output).trim()).ok()?;
                (told["n"].as_u64()? >= round * EVENTS).then_some(())
            });
        }
        let mut loaders: Vec<Loading> = (0..3).map(|_| warehouse.loader()).collect();
        for loader in &mut loaders {
            let ended = wait_for("the end of a loader", || {
                loader.0.try_wait().expect("a child")
            });
            assert!(ended.success(), "a loader gave up: {ended}");
        }
        for table in TABLES {
            assert_eq!(warehouse.count(table), Some(round * EVENTS), "{table}");
            let distinct = format!("SELECT COUNT(DISTINCT event_id) FROM public.{table}");
            assert_eq!(warehouse.number(&distinct), round * EVENTS, "{table}");
        }
    }
    let inserted = "SELECT SUM(rows_inserted) FROM public.headgate_loads WHERE kind = 'load'";
    assert_eq!(
        warehouse.number(inserted),
        round * EVENTS * TABLES.len() as u64
    );
    assert_eq!(warehouse.set_aside(), 0);
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn loaders_at_once_by_the_data_api_load_once_where_isolation_is_serializable() {
    all_are_tried_again(By::DataApi);
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn loaders_at_once_by_postgresqls_protocol_load_once_where_isolation_is_serializable() {
    all_are_tried_again(By::Postgres);
}
