//! The view of users in the warehouse.

use super::{By, Warehouse};
use crate::harness::wait_for;
use crate::users::{CALLS, LATEST, requests};

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn the_warehouse_has_each_user_as_the_call_says_that_happened_last() {
    let warehouse = Warehouse::start(By::DataApi);
    let readers = r#"{everybody = {to = "public", tables = ["users"]}}"#;
    let up = warehouse.up_with(&[("HEADGATE__WAREHOUSE__READERS", readers)]);
    for request in requests() {
        assert_eq!(up.post_json(&request.to_string()).status, 200);
    }
    wait_for("the calls to be loaded", || {
        (warehouse.count("identifies") == Some(CALLS)).then_some(())
    });
    let may = || {
        let may = "SELECT has_table_privilege('public', 'public.users', 'SELECT')::int";
        let there = "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('public.users')";
        warehouse.number(there) == 1 && warehouse.number(may) == 1
    };
    wait_for("the grant", || may().then_some(()));
    let found =
        warehouse.rows("SELECT user_id, event_id, email FROM public.users ORDER BY user_id");
    let row = |row: [&str; 3]| row.map(|value| Some(value.to_owned())).to_vec();
    assert_eq!(found, LATEST.map(row));
    up.stop();
}
