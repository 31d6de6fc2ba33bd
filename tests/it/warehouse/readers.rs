//! What readers of the warehouse are given.

use serde_json::{Value, json};

use super::{By, Warehouse, event};
use crate::harness::wait_for;

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn a_grantee_who_is_not_there_takes_nothing_from_others_and_is_named() {
    let warehouse = Warehouse::start(By::DataApi);
    warehouse.rows("CREATE USER alice");
    let readers = r#"{missing = {to = "ROLE missing"}, everybody = {to = "public"}, web = {to = "alice", sources = ["web"]}}"#;
    let up = warehouse.up_with(&[("HEADGATE__WAREHOUSE__READERS", readers)]);
    let mut one = event(1);
    one["source"] = "web".into();
    let events = json!([one, event(2)]);
    assert_eq!(up.post_json(&events.to_string()).status, 200);
    let may = |user: &str, what: &str| {
        let there =
            format!("SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('public.{what}')");
        let may = format!("SELECT has_table_privilege('{user}', 'public.{what}', 'SELECT')::int");
        warehouse.number(&there) == 1 && warehouse.number(&may) == 1
    };
    wait_for("the grants", || {
        (may("public", "screen_viewed_1") && may("alice", "screen_viewed_1__web")).then_some(())
    });
    assert_eq!(
        warehouse.number("SELECT COUNT(*) FROM public.screen_viewed_1__web"),
        1
    );
    wait_for("the one who is not there to be named", || {
        let log = std::fs::read_to_string(warehouse.site.file("log")).ok()?;
        log.contains(
            "the grant on `screen_viewed_1` to `ROLE missing` of warehouse.readers.missing",
        )
        .then_some(())
    });
    up.stop();
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn grants_that_take_long_keep_no_load_waiting() {
    let warehouse = Warehouse::start(By::DataApi);
    warehouse.fault(&json!({"on": "statement", "match": "^GRANT", "count": 1, "do": "pause"}));
    let up = warehouse.up_with(&[("HEADGATE__WAREHOUSE__READERS__EVERYBODY__TO", "public")]);
    warehouse.land(&up, 0, 1);
    wait_for("the grant to hang", || {
        let faults = warehouse.fake("GET", "/_fault", &Value::Null).json();
        faults["paused"]
            .as_array()
            .is_some_and(|paused| !paused.is_empty())
            .then_some(())
    });
    for rows in 1..4 {
        warehouse.land(&up, rows, 1);
        wait_for("the next load", || {
            (warehouse.count("screen_viewed_1") == Some(rows + 1)).then_some(())
        });
    }
    warehouse.no_faults();
    wait_for("the grant", || {
        let may = "SELECT has_table_privilege('public', 'public.screen_viewed_1', 'SELECT')::int";
        (warehouse.number(may) == 1).then_some(())
    });
    up.stop();
}
