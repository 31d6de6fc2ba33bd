//! kill -9 under load at random moments: after every restart each accepted event has landed exactly once.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Site, stderr, stdout};

/// Kills of one process and its successors within one run of load.
const KILLS: u64 = 3;

/// Events a second and seconds of load.
const RATE: &str = "1500";
const SECONDS: u64 = 4;

/// The moments between kills come from this: a failing seed can be run again.
fn random(seed: u64, step: u64) -> u64 {
    let mut state = (seed << 32 | step).wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

fn load(site: &Site, address: &str, seed: u64, ledger: &Path) -> Child {
    site.command()
        .args([
            "loadtest",
            "--url",
            &format!("http://{address}/v1/events"),
            "--rate",
            RATE,
        ])
        .args([
            "--seconds",
            &SECONDS.to_string(),
            "--invalid-share",
            "0.05",
            "--seed",
            &seed.to_string(),
        ])
        .args(["--connections", "16", "--no-verify", "--ledger"])
        .arg(ledger)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

fn ledger_balances(seed: u64) {
    let site = Site::new();
    let ledger = site.file("run.ledger");
    let mut up = site.up();
    let address = up.gateway.to_string();
    let mut running = load(&site, &address, seed, &ledger);
    for step in 0..KILLS {
        // A moment, not a condition: that is what is being tested.
        std::thread::sleep(Duration::from_millis(
            100 + random(seed, step) % (SECONDS * 1_000 / KILLS),
        ));
        up.kill();
        up = site.up_at(&address);
    }
    let ended = running.wait().expect("a child");
    assert!(ended.success(), "seed {seed}: the load ended with {ended}");
    let verdict = site
        .command()
        .args(["loadtest", "--json", "--wait", "60", "--verify"])
        .arg(&ledger)
        .output()
        .expect("it runs");
    let balance: Value = serde_json::from_str(stdout(&verdict).trim())
        .unwrap_or_else(|error| panic!("seed {seed}: {error}: {}", stderr(&verdict)));
    assert_eq!(balance["balanced"], true, "seed {seed}: {balance:#}");
    let accepted = balance["outcomes"]["accepted"]["events"]
        .as_u64()
        .unwrap_or(0);
    assert!(
        accepted > 500,
        "seed {seed}: hardly anything was accepted: {balance:#}"
    );
    drop(up);
}

#[test]
fn killed_under_load_the_ledger_balances() {
    ledger_balances(0);
}

#[test]
#[ignore = "slow: 20 runs of several seconds"]
fn killed_under_load_at_random_moments_the_ledger_balances_for_20_seeds() {
    for seed in 1..=20 {
        ledger_balances(seed);
    }
}
