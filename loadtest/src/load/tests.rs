use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use headgate_schemas::registry::Registry;

use self::toy::{Behaviour, Toy};
use super::*;
use crate::ledger::{Balance, FaultKind, Tally};

mod toy;

fn schemas() -> Arc<Registry> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/events");
    Arc::new(Registry::load(&dir).unwrap())
}

/// 2,000 events a second for a second, a fifth of them invalid.
fn options(toy: &Toy) -> Options {
    Options {
        url: format!("http://{}/v1/events", toy.address()),
        rate_per_s: 2_000,
        length_s: 1,
        batch_events: 10,
        connections: 4,
        invalid_share: 0.2,
        payloads_per_schema: 8,
        // The machine that tests run on may be busy with other things.
        drain_deadline_ms: 60_000,
        ..Options::default()
    }
}

async fn load(options: &Options, schemas: &Registry) -> Load {
    let pool = Arc::new(Pool::generate(schemas, options).unwrap());
    Load::start(options, pool).await.unwrap()
}

fn balance(report: &Report, toy: &Toy) -> Balance {
    let mut tally = Tally::new(&report.ledger, 10);
    toy.rows()
        .iter()
        .for_each(|(table, id)| tally.row(table, id));
    tally.balance()
}

async fn until(mut condition: impl FnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let reached = async {
        while !condition() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_honest_gateway_accepts_and_rejects_balances() {
    let schemas = schemas();
    let toy = Toy::start(Arc::clone(&schemas), Behaviour::default()).await;
    for (http2, gzip, batch_events) in [(false, false, 10), (false, true, 5), (true, true, 7)] {
        let options = Options {
            http2,
            gzip,
            batch_events,
            ..options(&toy)
        };
        let report = load(&options, &schemas).await.finish().await;
        assert_eq!(report.errors, BTreeMap::new());
        assert_eq!(
            report.count(Outcome::Accepted) + report.count(Outcome::Rejected),
            2_000
        );
        assert!(report.count(Outcome::Rejected) > 200);
        let balance = balance(&report, &toy);
        assert!(balance.balanced, "{balance}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_and_refusals_balance() {
    let schemas = schemas();
    let behaviour = Behaviour {
        break_before_every: 7,
        break_after_every: 11,
        refuse_every: 13,
        ..Behaviour::default()
    };
    let toy = Toy::start(Arc::clone(&schemas), behaviour).await;
    let report = load(&options(&toy), &schemas).await.finish().await;
    let balance = balance(&report, &toy);
    assert!(balance.balanced, "{balance}\n{report}");
    let unknown = &balance.outcomes[&Outcome::Unknown];
    assert!(
        unknown.landed > 0 && unknown.landed < unknown.events,
        "{balance}"
    );
    assert!(report.count(Outcome::Retry) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_loses_accepted_events_is_found_out() {
    let schemas = schemas();
    let behaviour = Behaviour {
        lose_every: 100,
        ..Behaviour::default()
    };
    let toy = Toy::start(Arc::clone(&schemas), behaviour).await;
    let report = load(&options(&toy), &schemas).await.finish().await;
    let balance = balance(&report, &toy);
    assert_eq!(balance.fault_counts[&FaultKind::Missing], 20, "{balance}");
    assert_eq!(balance.fault_counts.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_lands_events_twice_is_found_out() {
    let schemas = schemas();
    let behaviour = Behaviour {
        double_every: 100,
        ..Behaviour::default()
    };
    let toy = Toy::start(Arc::clone(&schemas), behaviour).await;
    let report = load(&options(&toy), &schemas).await.finish().await;
    assert_eq!(balance(&report, &toy).fault_counts[&FaultKind::Double], 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_outlives_the_gateway_and_balances() {
    let schemas = schemas();
    let toy = Toy::start(Arc::clone(&schemas), Behaviour::default()).await;
    let options = Options {
        length_s: 2,
        ..options(&toy)
    };
    let load = load(&options, &schemas).await;
    until(|| load.snapshot().count(Outcome::Accepted) > 500).await;
    toy.kill().await;
    until(|| load.snapshot().count(Outcome::Unsent) > 100).await;
    let before = load.snapshot().count(Outcome::Accepted);
    toy.revive().await;
    until(|| load.snapshot().count(Outcome::Accepted) > before + 100).await;
    let report = load.finish().await;
    assert_eq!(report.events.values().sum::<u64>(), 4_000);
    let balance = balance(&report, &toy);
    assert!(balance.balanced, "{balance}\n{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_slow_gateway_counts_as_latency() {
    let schemas = schemas();
    let toy = Toy::start(Arc::clone(&schemas), Behaviour::default()).await;
    toy.hold();
    let options = Options {
        connections: 1,
        batch_events: 1,
        rate_per_s: 1_000,
        events_max: Some(20),
        ..options(&toy)
    };
    let load = load(&options, &schemas).await;
    until(|| load.snapshot().elapsed >= Duration::from_millis(200)).await;
    toy.release();
    let report = load.finish().await;
    // All were due within the first 20 ms; the gateway itself was slow to answer only the first.
    assert!(report.latency.p50_ms >= 150.0, "{report}");
    assert!(report.late_share >= 0.9, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_sends_no_more() {
    let schemas = schemas();
    let toy = Toy::start(Arc::clone(&schemas), Behaviour::default()).await;
    let options = Options {
        length_s: 3_600,
        ..options(&toy)
    };
    let load = load(&options, &schemas).await;
    until(|| load.snapshot().count(Outcome::Accepted) > 100).await;
    load.stop();
    let report = load.finish().await;
    assert!(report.elapsed_s < 60.0);
    assert!(report.count(Outcome::Unsent) > 7_000_000);
    assert!(balance(&report, &toy).balanced);
}

#[tokio::test]
async fn another_machine_is_not_loaded_unasked() {
    let options = Options {
        url: "http://192.0.2.1:80/".to_owned(),
        ..Options::default()
    };
    let schemas = schemas();
    let pool = Arc::new(Pool::generate(&schemas, &options).unwrap());
    let refused = Load::start(&options, pool).await.err().unwrap();
    assert!(
        matches!(refused, Error::Target(client::Error::Remote { .. })),
        "{refused}"
    );
}
