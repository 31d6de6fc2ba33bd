mod races;

use std::collections::BTreeSet;

use headgate_schemas::registry::SharedRegistry;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;
use crate::{
    commit::{DataFile, Snapshot},
    sink::tests::{NOW_MICROS, SCHEMA, World, config, until},
    sweep::{Cuts, sweep},
    table::tests::registry,
    testing::memory::Memory,
};

/// Three hours after everything was received.
const LATER_MICROS: i64 = NOW_MICROS + 3 * 3_600_000_000;

fn compactor(store: &Memory, filter: Filter) -> Compactor {
    let parts = Parts {
        store: Arc::new(store.clone()),
        metrics: prometheus::Registry::new(),
        clock: Arc::new(|| LATER_MICROS),
    };
    Compactor::open(config(), filter, parts).unwrap()
}

async fn once(store: &Memory) -> (Round, Vec<Step>) {
    let mut steps = Vec::new();
    let compactor = compactor(store, Filter::default());
    let told = |step: &Step| steps.push(step.clone());
    let round = compactor.once(&CancellationToken::new(), told).await;
    (round.unwrap(), steps)
}

/// Lands events e<from> to e<to - 1> in several commits.
async fn land(world: &World, from: u32, to: u32) {
    let rows = world.landed_rows().await + u64::from(to - from);
    world.append_events(from, to).await;
    world
        .run_until(config(), || async { world.landed_rows().await == rows })
        .await;
}

async fn files(store: &Memory) -> Vec<DataFile> {
    let snapshot = Snapshot::read(&store.steady()).await.unwrap();
    let files = snapshot.tables().flat_map(|(_, files)| files);
    files.cloned().collect()
}

/// What is written is as old as the first says, whoever wrote it.
fn cuts(written_ms: i64, replaced_ms: i64) -> Cuts {
    Cuts {
        landed_ms: written_ms,
        compacted_ms: written_ms,
        replaced_ms,
    }
}

fn data_files(store: &Memory) -> BTreeSet<String> {
    let paths = store.paths().into_iter();
    paths.filter(|path| path.ends_with(".parquet")).collect()
}

/// Columns, codec, bloom filters and metadata: what a reader may see of how a file was made.
fn described(store: &Memory, file: &DataFile) -> String {
    let bytes = store.bytes(&file.path).unwrap();
    let read = SerializedFileReader::new(bytes).unwrap();
    let footer = read.metadata().file_metadata();
    let columns = read.metadata().row_group(0).columns().iter();
    let columns: Vec<_> = columns
        .map(|column| (column.compression(), column.bloom_filter_offset().is_some()))
        .collect();
    format!(
        "{:?} {columns:?} {:?} {:?}",
        footer.schema_descr().root_schema(),
        footer.created_by(),
        footer.key_value_metadata()
    )
}

#[tokio::test(start_paused = true)]
async fn the_small_files_of_an_hour_become_one_that_readers_cannot_tell_from_a_sinks() {
    let world = World::new();
    land(&world, 0, 250).await;
    let before = files(&world.store).await;
    assert!(before.len() >= 12, "{}", before.len());
    let (round, steps) = once(&world.store).await;
    let after = files(&world.store).await;
    // Two tables, two hours.
    assert_eq!(after.len(), 4, "{steps:?}");
    assert_eq!(
        (round.files_before, round.files_after),
        (before.len() as u64, 4)
    );
    assert_eq!(steps.len(), 4, "{steps:?}");
    world.assert_landed_once(250).await;
    for file in &after {
        let folder = file.path.rsplit_once("/compact-").unwrap().0;
        let same: Vec<_> = before
            .iter()
            .filter(|old| old.path.starts_with(folder))
            .collect();
        assert_eq!(
            described(&world.store, file),
            described(&world.store, same[0])
        );
        assert_eq!(file.fingerprint, same[0].fingerprint);
        assert_eq!(file.rows, same.iter().map(|old| old.rows).sum::<u64>());
        let oldest = same.iter().map(|old| old.received_min_ms).min().unwrap();
        let newest = same.iter().map(|old| old.received_max_ms).max().unwrap();
        assert_eq!(
            (file.received_min_ms, file.received_max_ms),
            (oldest, newest)
        );
    }
    let (round, _) = once(&world.store).await;
    assert_eq!(round, Round::default());
}

#[tokio::test(start_paused = true)]
async fn what_lands_late_is_put_together_with_what_was_compacted_before() {
    let world = World::new();
    for n in 1..=3 {
        land(&world, (n - 1) * 100, n * 100).await;
        once(&world.store).await;
        assert_eq!(files(&world.store).await.len(), 4);
        world.assert_landed_once(n * 100).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_replaced_is_there_until_its_grace_is_over_and_nothing_else_is_removed() {
    let world = World::new();
    world.store.set_time(LATER_MICROS / 1_000);
    land(&world, 0, 200).await;
    let before = data_files(&world.store);
    once(&world.store).await;
    let at_ms = LATER_MICROS / 1_000;
    assert_eq!(sweep(&world.store, cuts(at_ms, at_ms)).await.unwrap(), 0);
    assert!(data_files(&world.store).is_superset(&before));
    // Files of any age are looked at here: what is replaced is removed by when it was replaced.
    let removed = sweep(&world.store, cuts(at_ms, at_ms + 1)).await.unwrap();
    assert_eq!(removed, before.len() as u64);
    assert_eq!(data_files(&world.store).len(), 4);
    world.assert_landed_once(200).await;
    // A later round reads a log that names files which are gone.
    land(&world, 200, 300).await;
    once(&world.store).await;
    world.assert_landed_once(300).await;
}

#[tokio::test(start_paused = true)]
async fn files_of_two_sets_of_columns_are_not_mixed() {
    let mut world = World::new();
    land(&world, 0, 100).await;
    let wider = r#"{"type": "object", "properties": {"n": {"type": "integer"}, "name": {"type": "string"},
        "more": {"type": "string"}}}"#;
    world.schemas = Arc::new(SharedRegistry::new(registry(&[
        ("thing/1.json", SCHEMA),
        ("thing/1.1.json", wider),
        ("other/1.json", SCHEMA),
    ])));
    land(&world, 100, 200).await;
    once(&world.store).await;
    let after = files(&world.store).await;
    let of = |table: &str| {
        after
            .iter()
            .filter(|file| file.path.starts_with(table))
            .count()
    };
    assert_eq!((of("other_1"), of("thing_1")), (2, 4));
    world.assert_landed_once(200).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_what_was_committed_is_named_and_its_hour_left_while_others_go_on() {
    let world = World::new();
    land(&world, 0, 200).await;
    let spoilt = files(&world.store).await[0].path.clone();
    let mut bytes = world.store.bytes(&spoilt).unwrap().to_vec();
    let sound = bytes.clone();
    bytes[100] ^= 1;
    world.store.delete(&spoilt).await.unwrap();
    world.store.create(&spoilt, bytes.into()).await.unwrap();
    let (round, steps) = once(&world.store).await;
    assert_eq!(round.failed, 1);
    let left: Vec<_> = steps
        .iter()
        .filter_map(|step| match &step.result {
            StepResult::Left(why) => Some(why),
            _ => None,
        })
        .collect();
    assert!(
        left[0].contains(&spoilt) && left[0].contains("CRC-32C"),
        "{left:?}"
    );
    world.store.delete(&spoilt).await.unwrap();
    world.store.create(&spoilt, sound.into()).await.unwrap();
    world.assert_landed_once(200).await;
    assert_eq!(once(&world.store).await.0.failed, 0);
    assert_eq!(files(&world.store).await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn one_table_can_be_compacted_alone() {
    let world = World::new();
    land(&world, 0, 200).await;
    let filter = Filter {
        table: Some("other_1".to_owned()),
        ..Filter::default()
    };
    let compactor = compactor(&world.store, filter);
    let shutdown = CancellationToken::new();
    let round = compactor.once(&shutdown, |step| assert_eq!(step.table, "other_1"));
    assert_eq!(round.await.unwrap().files_after, 2);
    world.assert_landed_once(200).await;
}

#[tokio::test(start_paused = true)]
async fn rounds_that_fail_are_counted_and_told_until_one_is_good() {
    let world = World::new();
    land(&world, 0, 200).await;
    let broken = "_commits/_compact/0/00000000000000000001.json";
    world.store.create(broken, "{".into()).await.unwrap();
    let compactor = compactor(&world.store, Filter::default());
    let (health, shutdown) = (compactor.health(), CancellationToken::new());
    let watch = async {
        until(|| async { health.problem().is_some() }).await;
        let problem = health.problem().unwrap();
        assert!(problem.starts_with(ROUNDS_FAIL), "{problem}");
        let families = compactor.parts.metrics.gather();
        let mut counters = families
            .iter()
            .filter(|family| family.name() == "headgate_compact_failed_total");
        let failed = counters.next().unwrap().get_metric()[0].get_counter();
        assert!(failed.get_value() >= 1.0, "{failed:?}");
        world.store.delete(broken).await.unwrap();
        until(|| async { health.problem().is_none() }).await;
        shutdown.cancel();
    };
    tokio::join!(compactor.run(&shutdown, |_| {}), watch);
    assert_eq!(files(&world.store).await.len(), 4);
    world.assert_landed_once(200).await;
}

#[tokio::test(start_paused = true)]
async fn an_open_hour_is_left_alone() {
    let world = World::new();
    land(&world, 0, 200).await;
    let parts = Parts {
        store: Arc::new(world.store.clone()),
        metrics: prometheus::Registry::new(),
        // The later of the two hours has not ended.
        clock: Arc::new(|| NOW_MICROS + 1_800_000_000),
    };
    let compactor = Compactor::open(config(), Filter::default(), parts).unwrap();
    let told = |step: &Step| assert!(step.folder.ends_with("hr=19"), "{step:?}");
    let round = compactor.once(&CancellationToken::new(), told).await;
    assert_eq!(round.unwrap().files_after, 2);
}

#[tokio::test(start_paused = true)]
async fn the_name_of_the_compactors_log_is_no_streams() {
    let world = World::new();
    let topic = headgate_stream::log::Topic::new("_compact");
    let reader = world.stream.reader(&topic, "sink");
    let ended = world.sink(config()).run(reader, CancellationToken::new());
    let message = ended.await.unwrap_err().to_string();
    assert!(message.contains("`_compact`"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn what_would_grow_too_large_becomes_several_files_with_all_rows() {
    let world = World::new();
    land(&world, 0, 300).await;
    let of_one_hour = |file: &&DataFile| file.path.starts_with("thing_1/dt=2026-11-22/hr=20");
    let before = files(&world.store).await;
    let inputs: Vec<_> = before.iter().filter(of_one_hour).collect();
    let mut config = config();
    config.compact.file_bytes_max = 1;
    let mut rewriter = rewrite::Rewriter::new(&config, 300, 1).unwrap();
    for file in &inputs {
        rewriter
            .add(file, world.store.bytes(&file.path).unwrap())
            .unwrap();
    }
    let written = rewriter.finish().unwrap();
    let rows: Vec<_> = written.iter().map(|file| file.rows).collect();
    assert_eq!(
        rows,
        inputs.iter().map(|file| file.rows).collect::<Vec<_>>()
    );
    assert!(rows.len() > 1);
}
