//! A time or a whole table is loaded again while loads go on.

use serde_json::Value;

use super::{By, Warehouse, event};
use crate::harness::{stderr, stdout, wait_for};

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn what_was_broken_is_loaded_again_while_loads_go_on() {
    let warehouse = Warehouse::start(By::DataApi);
    let up = warehouse.up();
    let count = |rows: u64| {
        wait_for(&format!("{rows} rows"), || {
            (warehouse.count("screen_viewed_1") == Some(rows)).then_some(())
        });
        let distinct = "SELECT COUNT(DISTINCT event_id) FROM public.screen_viewed_1";
        assert_eq!(warehouse.number(distinct), rows);
        let broken = "SELECT COUNT(*) FROM public.screen_viewed_1 WHERE name = 'broken'";
        assert_eq!(warehouse.number(broken), 0);
    };
    warehouse.land(&up, 0, 20);
    count(20);
    warehouse.rows("UPDATE public.screen_viewed_1 SET name = 'broken' WHERE event_id < 'e5'");
    warehouse.rows("DELETE FROM public.screen_viewed_1 WHERE event_id = 'e9'");
    for round in 2..6 {
        let more: Vec<Value> = (round * 10..round * 10 + 10).map(event).collect();
        assert_eq!(up.post_json(&Value::Array(more).to_string()).status, 200);
        let reload = [
            "warehouse",
            "reload",
            "--table",
            "screen_viewed_1",
            "--from",
            "2020-01-01",
        ];
        let mut done = warehouse.command(&reload);
        let done = done
            .args(["--to", "2100-01-01", "--json"])
            .output()
            .expect("it runs");
        assert!(done.status.success(), "{}{}", stdout(&done), stderr(&done));
    }
    count(60);
    // The whole table, anew.
    warehouse.rows("UPDATE public.screen_viewed_1 SET name = 'broken'");
    let more: Vec<Value> = (60..80).map(event).collect();
    assert_eq!(up.post_json(&Value::Array(more).to_string()).status, 200);
    let done = warehouse.output(&[
        "warehouse",
        "rebuild",
        "--table",
        "screen_viewed_1",
        "--json",
    ]);
    assert!(done.status.success(), "{}{}", stdout(&done), stderr(&done));
    count(80);
    let left = "SELECT COUNT(*) FROM pg_tables WHERE tablename LIKE 'screen_viewed_1\\_\\_%'";
    assert_eq!(
        warehouse.number(left),
        0,
        "the tables of the rebuild are gone"
    );
}
