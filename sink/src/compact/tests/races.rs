//! Compaction while others land, read, compact and die.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::{sink::tests::GROUP, testing::memory::Faults};

#[tokio::test(start_paused = true)]
async fn killed_at_any_operation_on_the_store_every_row_stays_there_once() {
    for operations in 1.. {
        let world = World::new();
        land(&world, 0, 150).await;
        world.store.die_after(Some(operations));
        let compactor = compactor(&world.store, Filter::default());
        let shutdown = CancellationToken::new();
        let store = world.store.clone();
        let ended = tokio::select! {
            round = compactor.once(&shutdown, |_| {}) => Some(round.unwrap()),
            () = until(|| async { store.is_dead() }) => None,
        };
        world.store.die_after(None);
        world.assert_landed_once(150).await;
        once(&world.store).await;
        world.assert_landed_once(150).await;
        assert_eq!(files(&world.store).await.len(), 4);
        // What it left behind is swept, and what counts is not.
        sweep(&world.store, cuts(i64::MAX, i64::MAX)).await.unwrap();
        assert_eq!(data_files(&world.store).len(), 4, "{operations}");
        world.assert_landed_once(150).await;
        if ended.is_some() {
            assert!(operations > 25, "only {operations} operations were tried");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_compactors_at_once_one_is_beaten_and_every_row_stays_there_once() {
    let mut beaten = 0;
    for seed in 0..20 {
        let world = World::new();
        land(&world, 0, 200).await;
        world.store.fail(Faults {
            seed,
            refused: 30,
            reply_lost: 60,
        });
        world
            .store
            .delay(Duration::from_millis(1), Duration::from_millis(40));
        let (a, b) = tokio::join!(once(&world.store), once(&world.store));
        world.store.fail(Faults::default());
        world.store.delay(Duration::ZERO, Duration::ZERO);
        beaten += a.0.beaten + b.0.beaten;
        assert_eq!(a.0.failed + b.0.failed, 0);
        world.assert_landed_once(200).await;
        once(&world.store).await;
        world.assert_landed_once(200).await;
        assert_eq!(files(&world.store).await.len(), 4, "{seed}");
    }
    assert!(beaten > 10, "{beaten}: they hardly ever met");
}

/// A commit for one table reads what others did to all: that must not make an old plan for another table look new.
#[tokio::test(start_paused = true)]
async fn a_plan_is_worth_nothing_once_another_compactor_was_at_its_table() {
    let world = World::new();
    land(&world, 0, 200).await;
    let slow = compactor(&world.store, Filter::default());
    let plan = slow.plan().await.unwrap();
    let only = Filter {
        table: Some("thing_1".to_owned()),
        ..Filter::default()
    };
    let shutdown = CancellationToken::new();
    let quick = compactor(&world.store, only).once(&shutdown, |_| {}).await;
    assert_eq!(quick.unwrap().files_after, 2);
    let mut told = Vec::new();
    let mut tell = |step: &Step| told.push((step.table.clone(), step.result == StepResult::Beaten));
    let round = slow.work(plan, &shutdown, &mut tell).await.unwrap();
    assert_eq!((round.files_after, round.beaten), (2, 1));
    let expected = [("other_1", false), ("other_1", false), ("thing_1", true)];
    assert_eq!(
        told,
        expected.map(|(table, beaten)| (table.to_owned(), beaten))
    );
    world.assert_landed_once(200).await;
    sweep(&world.store, cuts(i64::MAX, i64::MAX)).await.unwrap();
    assert_eq!(data_files(&world.store).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_while_sinks_land_and_compactors_run_sees_every_row_once() {
    let world = World::new();
    world
        .store
        .delay(Duration::from_millis(1), Duration::from_millis(20));
    let (landing, rows) = (AtomicBool::new(true), 900);
    let sink = |config| {
        let reader = world.stream.reader(&world.topic, GROUP);
        world.sink(config).run(reader, CancellationToken::new())
    };
    let feed = async {
        for n in 0..9 {
            world.append_events(n * 100, n * 100 + 100).await;
            sleep(Duration::from_secs(1)).await;
        }
        until(|| async { world.landed_rows().await == rows }).await;
        landing.store(false, Ordering::Relaxed);
    };
    let compact = || async {
        let mut replaced = 0;
        while landing.load(Ordering::Relaxed) {
            replaced += once(&world.store).await.0.files_before;
        }
        replaced
    };
    let read = async {
        let (mut seen, mut reads) = (0, 0);
        while landing.load(Ordering::Relaxed) {
            // Over the network, others come in between its requests.
            let snapshot = Snapshot::read(&world.store).await.unwrap();
            let landed = world.rows_of(&snapshot);
            assert!(landed.values().all(|times| *times == 1), "{landed:?}");
            assert!(landed.len() >= seen, "{} rows after {seen}", landed.len());
            (seen, reads) = (landed.len(), reads + 1);
        }
        reads
    };
    let work = async { tokio::join!(feed, compact(), compact(), read) };
    let other = crate::Config {
        batch_rows_max: 55,
        ..config()
    };
    let (_, a, b, reads) = tokio::select! {
        ended = sink(config()) => panic!("{ended:?}"),
        ended = sink(other) => panic!("{ended:?}"),
        done = work => done,
    };
    assert!(
        a + b > 50 && reads > 20,
        "{a} and {b} files replaced, {reads} reads"
    );
    world.assert_landed_once(900).await;
}

#[tokio::test(start_paused = true)]
async fn the_order_to_stop_ends_it_between_two_operations_and_nothing_is_lost() {
    for steps in [0, 1, 2] {
        let world = World::new();
        land(&world, 0, 200).await;
        let compactor = compactor(&world.store, Filter::default());
        let shutdown = CancellationToken::new();
        if steps == 0 {
            shutdown.cancel();
        }
        let mut told = 0;
        let round = compactor.once(&shutdown, |_| {
            told += 1;
            if told == steps {
                shutdown.cancel();
            }
        });
        assert_eq!(round.await.unwrap().files_after, steps);
        world.assert_landed_once(200).await;
    }
}
