//! Files that were compacted before they were loaded: what replaced them is loaded in their place.

use std::process::Command;

use serde_json::json;

use super::{By, Warehouse};
use crate::harness::{Up, stderr, stdout};

/// Puts all files of the table together.
fn compact(warehouse: &Warehouse) {
    let compacted = warehouse.output(&["sink", "compact", "--once", "--open-hours"]);
    assert!(compacted.status.success(), "{}", stderr(&compacted));
}

/// Removes what was replaced, as a sink's sweep does after the grace: by a clock that is ahead.
fn sweep(warehouse: &Warehouse, files: u64) {
    let sweep = warehouse.command(&["lake", "sweep"]);
    let mut later = Command::new("faketime");
    later
        .args(["-f", "+300s"])
        .arg(sweep.get_program())
        .args(sweep.get_args());
    for (name, value) in sweep.get_envs() {
        match value {
            Some(value) => later.env(name, value),
            None => later.env_remove(name),
        };
    }
    later
        .env("HEADGATE__SINK__COMPACT__REPLACED_GRACE_MS", "60000")
        .env("HEADGATE__SINK__COMPACT__DEADLINE_MS", "1000");
    let swept = later.output().expect("faketime is installed");
    let told = stdout(&swept);
    assert!(
        told.starts_with(&format!("removed {files} files")),
        "{told}{}",
        stderr(&swept)
    );
}

fn what_replaced_files_is_loaded(warehouse: &Warehouse, up: &Up) {
    for from in [0, 5] {
        warehouse.land(up, from, 5);
    }
    warehouse.load();
    for from in [10, 15] {
        warehouse.land(up, from, 5);
    }
    // Rows that are loaded and rows that are not, in one file.
    compact(warehouse);
    sweep(warehouse, 4);
    warehouse.load();
    warehouse.assert_whole(20);
    // What replaced a file was replaced itself.
    warehouse.land(up, 20, 5);
    compact(warehouse);
    warehouse.land(up, 25, 5);
    compact(warehouse);
    sweep(warehouse, 4);
    warehouse.land(up, 30, 5);
    warehouse.load();
    warehouse.assert_whole(35);
    assert_eq!(warehouse.set_aside(), 0);
}

/// What was set aside is there to be tried again when its files are not.
fn what_was_set_aside_is_found(warehouse: &Warehouse, up: &Up) {
    warehouse.land(up, 35, 5);
    warehouse.fault(
        &json!({"on": "statement", "match": "^COPY", "count": 1000, "do": "fail",
                                        "message": "Spectrum Scan Error: the file is broken"}),
    );
    warehouse.load();
    warehouse.no_faults();
    assert_eq!(warehouse.set_aside(), 1);
    compact(warehouse);
    sweep(warehouse, 3);
    let retried = warehouse.output(&["warehouse", "retry"]);
    assert!(
        retried.status.success(),
        "{}{}",
        stdout(&retried),
        stderr(&retried)
    );
    warehouse.assert_whole(40);
    assert_eq!(warehouse.set_aside(), 0);
}

/// Of the commits that a new warehouse begins with, no file is there any more.
fn a_new_warehouse_takes_up_what_there_is(warehouse: &Warehouse) {
    warehouse.rows("CREATE SCHEMA fresh");
    let fresh = |arguments: &[&str]| {
        let mut command = warehouse.command(arguments);
        command.env("HEADGATE__WAREHOUSE__SCHEMA", "fresh");
        command.output().expect("it runs")
    };
    let planned = fresh(&["warehouse", "plan"]);
    assert!(
        stdout(&planned).contains("1 files, 40 rows"),
        "{}",
        stdout(&planned)
    );
    let loaded = fresh(&["warehouse", "load"]);
    assert!(
        loaded.status.success(),
        "{}{}",
        stdout(&loaded),
        stderr(&loaded)
    );
    for (expected, sql) in [
        (40, "SELECT COUNT(*) FROM fresh.screen_viewed_1"),
        (
            40,
            "SELECT COUNT(DISTINCT event_id) FROM fresh.screen_viewed_1",
        ),
        (
            0,
            "SELECT COUNT(*) FROM fresh.headgate_loads WHERE kind = 'set_aside'",
        ),
        (
            1,
            "SELECT COUNT(*) FROM fresh.headgate_loads WHERE kind = 'load'",
        ),
    ] {
        assert_eq!(warehouse.number(sql), expected, "{sql}");
    }
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn rows_of_compacted_files_are_loaded_once_however_late() {
    let warehouse = Warehouse::start(By::DataApi);
    let up = warehouse.up_without_loader();
    what_replaced_files_is_loaded(&warehouse, &up);
    what_was_set_aside_is_found(&warehouse, &up);
    a_new_warehouse_takes_up_what_there_is(&warehouse);
}
