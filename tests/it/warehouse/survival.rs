//! Loads survive what happens to them: a kill at every statement, lost replies, other loaders, refused files.

use serde_json::{Value, json};

use super::{By, Loading, Warehouse};
use crate::harness::{Up, stderr, stdout, wait_for};

/// Kills a loader before each statement of its transaction in turn, and has another one go on.
fn survives_a_kill_at_every_statement(warehouse: &Warehouse, up: &Up, mut rows: u64) -> u64 {
    let mut boundary = 0;
    loop {
        warehouse.land(up, rows, 5);
        rows += 5;
        warehouse.fault(
            &json!({"on": "statement", "match": "headgate_(lock|staged|picked|lost|loads|discards)|COMMIT",
                                "skip": boundary, "count": 1, "do": "pause"}),
        );
        let mut loading = warehouse.loader();
        let paused = wait_for("a pause or the end", || {
            if loading.0.try_wait().expect("a child").is_some() {
                return Some(false);
            }
            let faults = warehouse.fake("GET", "/_fault", &Value::Null).json();
            let paused = faults["paused"]
                .as_array()
                .is_some_and(|paused| !paused.is_empty());
            paused.then_some(true)
        });
        if paused {
            loading.kill();
        }
        warehouse.no_faults();
        // What the killed one left running may go on meanwhile: then this one has nothing to do.
        wait_for("the next load", || {
            let output = warehouse.output(&["warehouse", "load"]);
            output.status.success().then_some(())
        });
        warehouse.assert_whole(rows);
        if !paused {
            assert!(boundary >= 10, "only {boundary} boundaries");
            return rows;
        }
        boundary += 1;
    }
}

fn survives_a_lost_reply(warehouse: &Warehouse, up: &Up, rows: u64, fault: &Value) -> u64 {
    warehouse.land(up, rows, 5);
    warehouse.fault(fault);
    warehouse.load();
    warehouse.no_faults();
    warehouse.assert_whole(rows + 5);
    rows + 5
}

fn one_of_loaders_that_run_at_once_wins(warehouse: &Warehouse, up: &Up, rows: u64) -> u64 {
    for round in 1..=4 {
        warehouse.land(up, rows + (round - 1) * 10, 10);
        let mut loaders: Vec<Loading> = (0..3).map(|_| warehouse.loader()).collect();
        for loader in &mut loaders {
            wait_for("the end of a loader", || {
                loader.0.try_wait().expect("a child")
            });
        }
        warehouse.load();
        warehouse.assert_whole(rows + round * 10);
    }
    rows + 40
}

/// What the warehouse refuses is set aside, keeps nothing waiting, and can be tried again.
fn sets_aside_what_is_refused(warehouse: &Warehouse, up: &Up, rows: u64) -> u64 {
    warehouse.land(up, rows, 5);
    warehouse.fault(
        &json!({"on": "statement", "match": "^COPY", "count": 1000, "do": "fail",
                            "message": "Spectrum Scan Error: the file is broken"}),
    );
    warehouse.load();
    let aside = "SELECT COUNT(*) FROM public.headgate_loads WHERE kind = 'set_aside'";
    assert_eq!(warehouse.number(aside), 1);
    warehouse.no_faults();
    warehouse.land(up, rows + 5, 5);
    warehouse.load();
    assert_eq!(warehouse.count("screen_viewed_1"), Some(rows + 5));
    let status = warehouse.output(&["warehouse", "status"]);
    assert!(
        stdout(&status).contains("the file is broken"),
        "{}",
        stdout(&status)
    );
    let retried = warehouse.output(&["warehouse", "retry", "--json"]);
    assert!(
        retried.status.success(),
        "{}{}",
        stdout(&retried),
        stderr(&retried)
    );
    warehouse.assert_whole(rows + 10);
    rows + 10
}

/// The statements of a load do not depend on the number of its files.
fn sends_as_many_statements_for_one_file_as_for_six(warehouse: &Warehouse, up: &Up, mut rows: u64) {
    let statements = || {
        let ran = warehouse
            .log()
            .into_iter()
            .filter(|entry| entry["sql"].is_string());
        let sql = |entry: &Value| {
            entry["sql"]
                .as_str()
                .is_some_and(|sql| !sql.contains("watermark"))
        };
        ran.filter(sql).count()
    };
    let mut counts = Vec::new();
    for files in [1, 6] {
        for _ in 0..files {
            warehouse.land(up, rows, 1);
            rows += 1;
        }
        warehouse.fake("DELETE", "/_log", &Value::Null);
        warehouse.load();
        counts.push(statements());
    }
    assert_eq!(counts[0], counts[1], "{counts:?}");
    assert!(counts[0] > 5, "{counts:?}");
}

fn plans_in_sql_and_changes_nothing(warehouse: &Warehouse) {
    let planned = warehouse.output(&["warehouse", "plan"]);
    let sql = stdout(&planned);
    assert!(planned.status.success(), "{}", stderr(&planned));
    for part in [
        "CREATE TABLE IF NOT EXISTS \"public\".\"screen_viewed_1\"",
        "SORTKEY",
        "BEGIN;",
        "LOCK \"public\".\"headgate_lock__screen_viewed_1\";",
        "FORMAT AS PARQUET MANIFEST",
        "COMMIT;",
    ] {
        assert!(sql.contains(part), "no {part} in:\n{sql}");
    }
    assert_eq!(warehouse.count("screen_viewed_1"), None);
    assert_eq!(warehouse.count("headgate_loads"), None);
    let status = warehouse.output(&["warehouse", "status", "--until", "2100-01-01"]);
    assert_eq!(status.status.code(), Some(4), "{}", stdout(&status));
    let unknown = warehouse.output(&["warehouse", "status", "--table", "screen_vewed_1"]);
    assert!(
        stderr(&unknown).contains("no table `screen_vewed_1`"),
        "{}",
        stderr(&unknown)
    );
}

// One process is started for some facts: SeaweedFS lets the probe of a start wait for many seconds.
#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn loads_by_the_data_api_survive_what_happens_to_them() {
    let warehouse = Warehouse::start(By::DataApi);
    let up = warehouse.up_without_loader();
    warehouse.land(&up, 0, 5);
    plans_in_sql_and_changes_nothing(&warehouse);
    warehouse.load();
    warehouse.assert_whole(5);
    let rows = survives_a_kill_at_every_statement(&warehouse, &up, 5);
    let lost =
        json!({"on": "api", "match": "BatchExecuteStatement", "count": 1, "do": "drop_reply"});
    let rows = survives_a_lost_reply(&warehouse, &up, rows, &lost);
    let rows = one_of_loaders_that_run_at_once_wins(&warehouse, &up, rows);
    let rows = sets_aside_what_is_refused(&warehouse, &up, rows);
    sends_as_many_statements_for_one_file_as_for_six(&warehouse, &up, rows);
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn loads_by_postgresqls_protocol_survive_what_happens_to_them() {
    let warehouse = Warehouse::start(By::Postgres);
    let up = warehouse.up_without_loader();
    warehouse.land(&up, 0, 5);
    warehouse.load();
    let rows = survives_a_kill_at_every_statement(&warehouse, &up, 5);
    let lost = json!({"on": "statement", "match": "COMMIT", "count": 1, "do": "kill_session_after_commit"});
    survives_a_lost_reply(&warehouse, &up, rows, &lost);
}
