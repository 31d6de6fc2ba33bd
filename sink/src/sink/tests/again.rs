//! Events that come again.

use super::*;
use crate::{
    commit::account::{self, Landed},
    seen,
    sweep::{Cuts, sweep},
};

/// How many events have been counted as duplicates by the commits.
async fn duplicates(world: &World) -> u64 {
    let hour = NOW_MICROS / 3_600_000_000;
    let (store, hours) = (world.store.steady(), hour - 1..hour + 1);
    let account = account::read(&store, &hours, |_| false).await.unwrap();
    let of_hours: u64 = account.hours.values().map(|of| of.duplicates).sum();
    let of_logs: u64 = account.logs.iter().map(|log| log.duplicates).sum();
    assert_eq!(of_hours, of_logs);
    of_logs
}

fn small() -> Config {
    Config {
        batch_rows_max: 7,
        batch_age_max_ms: 10,
        ..config()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_lands_once_and_is_counted() {
    let world = World::new();
    world.append_events(0, 100).await;
    world.append_events(0, 100).await;
    world
        .run_until(small(), || async { duplicates(&world).await == 100 })
        .await;
    world.assert_landed_once(100).await;
    let hour = NOW_MICROS / 3_600_000_000;
    let hours = hour..hour + 1;
    let account = account::read(&world.store, &hours, |_| false)
        .await
        .unwrap();
    let landed = account.hours[&("thing_1".to_owned(), hour)];
    let expected = Landed {
        streamed: 33,
        second_rows: 0,
        duplicates: 33,
        replayed: 0,
        committed: 33,
    };
    assert_eq!(landed, expected);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_started_again_knows_what_landed_before_it() {
    let world = World::new();
    for round in 1..=5 {
        world.append_events(0, 100 * round).await;
        let all = u64::from(100 * round);
        let again = u64::from((1..round).map(|round| 100 * round).sum::<u32>());
        world
            .run_until(small(), || async {
                world.landed_rows().await == all && duplicates(&world).await == again
            })
            .await;
    }
    world.assert_landed_once(500).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_now_and_then_lets_no_event_land_twice() {
    let world = World::new();
    world.store.fail(Faults {
        seed: 7,
        refused: 100,
        reply_lost: 100,
    });
    for _ in 0..3 {
        world.append_events(0, 200).await;
    }
    world
        .run_until(small(), || async {
            world.landed_rows().await == 200 && duplicates(&world).await == 400
        })
        .await;
    world.assert_landed_once(200).await;
}

#[tokio::test(start_paused = true)]
async fn ids_that_no_window_needs_are_swept_and_the_others_stay() {
    let world = World::new();
    let ids = || {
        let paths = world.store.paths();
        let kept = paths.iter().filter(|path| path.starts_with(seen::SEEN));
        kept.count()
    };
    // They are young: sinks sweep none of them by themselves.
    world.store.set_time(NOW_MICROS / 1_000);
    for tenth in 0..70 {
        world.append_events(tenth * 10, tenth * 10 + 10).await;
        let all = u64::from(tenth * 10 + 10);
        world
            .run_until(small(), || async { world.landed_rows().await == all })
            .await;
    }
    let before = ids();
    let now = Cuts {
        landed_ms: i64::MAX,
        compacted_ms: i64::MAX,
        replaced_ms: i64::MAX,
    };
    sweep(&world.store.steady(), now).await.unwrap();
    assert!(ids() < before / 2, "{} of {before}", ids());
    // By tens, as before: an event's partition is by its place among them.
    for tenth in 0..70 {
        world.append_events(tenth * 10, tenth * 10 + 10).await;
    }
    world
        .run_until(small(), || async { duplicates(&world).await == 700 })
        .await;
    world.assert_landed_once(700).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_no_row_may_come_again_as_one() {
    let world = World::new();
    let text = String::from_utf8(event(1)).unwrap();
    let broken = text.replace(r#""n": 1"#, r#""n": ?"#).into_bytes();
    for (value, rows, again) in [(broken, 1, 0), (event(1), 2, 0), (event(1), 2, 1)] {
        world.append(vec![value]).await;
        world
            .run_until(small(), || async {
                world.landed_rows().await == rows && duplicates(&world).await == again
            })
            .await;
    }
    let landed = world.landed().await;
    assert_eq!(landed[&("thing_1".to_owned(), "e1".to_owned())], 1);
    let bad = landed.keys().filter(|(table, _)| table == "bad_events");
    assert_eq!(bad.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_window_all_copies_land() {
    let world = World::new();
    world.append_events(0, 10).await;
    world.append_events(0, 10).await;
    let config = Config {
        dedup_window_ms: 0,
        ..small()
    };
    world
        .run_until(config, || async { world.landed_rows().await == 20 })
        .await;
    let paths = world.store.paths();
    assert!(!paths.iter().any(|path| path.starts_with(seen::SEEN)));
}
