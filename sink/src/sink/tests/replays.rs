//! What replays ask of a sink: tables of a generation, and a stream that ends.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_generation_has_tables_of_its_own_bad_events_included() {
    let world = World::new();
    world.append_events(0, 4).await;
    world.append(vec![b"{}".to_vec()]).await;
    let reader = world.stream.reader(&world.topic, GROUP);
    let generation = Generation::new("g").unwrap();
    let sink = world.sink(Config::default()).into_generation(generation);
    tokio::select! {
        ended = sink.run(reader, CancellationToken::new()) => panic!("{ended:?}"),
        () = until(|| async { world.landed_rows().await == 5 }) => {}
    }
    let snapshot = Snapshot::read(&world.store).await.unwrap();
    let tables: Vec<&str> = snapshot.tables().map(|(table, _)| table).collect();
    assert_eq!(tables, ["bad_events__g", "other_1__g", "thing_1__g"]);
    for (table, files) in snapshot.tables() {
        let folder = format!("{table}/");
        assert!(
            files.iter().all(|file| file.path.starts_with(&folder)),
            "{files:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_lands_to_its_end_however_long_that_takes() {
    let world = World::new();
    world.append_events(0, 30).await;
    let slow = Duration::from_secs(3);
    world.store.delay(slow, slow);
    let reader = world.stream.reader(&world.topic, GROUP);
    let config = Config {
        batch_age_max_ms: 3_600_000,
        drain_deadline_ms: 0,
        ..Config::default()
    };
    let sink = world.sink(config);
    let read = sink.metrics.clone();
    let end = async {
        let all: usize = (0..30).map(|n| event(n).len() + size_of::<Bytes>()).sum();
        until(|| async { read.filling_bytes() == all as i64 }).await;
        world.stream.writer().close().await;
    };
    let (ended, ()) = tokio::join!(sink.land(reader, CancellationToken::new()), end);
    ended.unwrap();
    world.assert_landed_once(30).await;
}
