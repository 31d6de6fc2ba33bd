mod again;
mod entities;
mod replays;
mod sdk;
mod stream;

use std::{collections::BTreeMap, time::Duration};

use arrow::array::AsArray;
use bytes::Bytes;
use headgate_schemas::event::{Data, Event, Reason, Rejected};
use headgate_stream::{
    log::{Partition, Record, Topic},
    testing::memory::Memory as Stream,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    commit::Snapshot,
    table::tests::registry,
    testing::memory::{Faults, Memory},
};

pub(crate) const GROUP: &str = "sink";
/// 2026-11-22T20:00:00Z
pub(crate) const NOW_MICROS: i64 = 1_795_377_600_000_000;

pub(crate) const SCHEMA: &str =
    r#"{"type": "object", "properties": {"n": {"type": "integer"}, "name": {"type": "string"}}}"#;

pub(crate) struct World {
    pub(crate) stream: Stream,
    pub(crate) topic: Topic,
    pub(crate) store: Memory,
    pub(crate) schemas: Arc<SharedRegistry>,
}

impl World {
    pub(crate) fn new() -> Self {
        let schemas = registry(&[("thing/1.json", SCHEMA), ("other/1.json", SCHEMA)]);
        Self {
            stream: Stream::new(3),
            topic: Topic::new("events"),
            store: Memory::new(),
            schemas: Arc::new(SharedRegistry::new(schemas)),
        }
    }

    pub(crate) async fn append(&self, values: Vec<Vec<u8>>) {
        let record = |(index, value): (usize, Vec<u8>)| Record {
            topic: self.topic.clone(),
            key: Bytes::from(index.to_string()),
            value: value.into(),
        };
        let records = values.into_iter().enumerate().map(record).collect();
        for outcome in self.stream.writer().append(records).await {
            outcome.unwrap();
        }
    }

    /// Appends events e<from> to e<to - 1>, over two tables and two hours.
    pub(crate) async fn append_events(&self, from: u32, to: u32) {
        self.append((from..to).map(event).collect()).await;
    }

    pub(crate) fn sink(&self, config: Config) -> Sink {
        let parts = Parts {
            store: Arc::new(self.store.clone()),
            schemas: Arc::clone(&self.schemas),
            metrics: prometheus::Registry::new(),
            clock: Arc::new(|| NOW_MICROS),
        };
        Sink::open(config, parts).unwrap()
    }

    /// Runs a sink until the condition holds, then kills it where it stands.
    pub(crate) async fn run_until<F: Future<Output = bool>>(
        &self,
        config: Config,
        condition: impl Fn() -> F,
    ) {
        let reader = self.stream.reader(&self.topic, GROUP);
        let sink = self.sink(config).run(reader, CancellationToken::new());
        tokio::select! {
            ended = sink => panic!("{ended:?}"),
            () = until(condition) => {}
        }
    }

    pub(crate) async fn landed_rows(&self) -> u64 {
        let snapshot = Snapshot::read(&self.store.steady()).await.unwrap();
        let files = snapshot.tables().flat_map(|(_, files)| files);
        files.map(|file| file.rows).sum()
    }

    /// Every committed row's event id, with its table and how often it is there.
    pub(crate) async fn landed(&self) -> BTreeMap<(String, String), u32> {
        self.rows_of(&Snapshot::read(&self.store.steady()).await.unwrap())
    }

    /// The same of a snapshot.
    pub(crate) fn rows_of(&self, snapshot: &Snapshot) -> BTreeMap<(String, String), u32> {
        let mut landed = BTreeMap::new();
        for (table, files) in snapshot.tables() {
            for file in files {
                let bytes = self
                    .store
                    .bytes(&file.path)
                    .expect("a committed file is there");
                assert_eq!(bytes.len() as u64, file.bytes);
                assert_eq!(crc32c::crc32c(&bytes), file.crc32c);
                let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
                let mut rows = 0;
                for batch in reader.build().unwrap() {
                    let batch = batch.unwrap();
                    rows += batch.num_rows() as u64;
                    for id in batch.column(0).as_string::<i32>().iter().flatten() {
                        *landed.entry((table.to_owned(), id.to_owned())).or_default() += 1;
                    }
                }
                assert_eq!(rows, file.rows, "{}", file.path);
            }
        }
        landed
    }

    /// The texts of a column of the bad events, which are in one file.
    async fn bad_events(&self) -> impl Fn(&str) -> Vec<Option<String>> {
        let snapshot = Snapshot::read(&self.store).await.unwrap();
        let [file] = snapshot.files("bad_events") else {
            panic!("{snapshot:?}")
        };
        let bytes = self.store.bytes(&file.path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let batch = reader.build().unwrap().next().unwrap().unwrap();
        move |name| {
            let values = batch.column_by_name(name).unwrap().as_string::<i32>();
            let owned = |value: Option<&str>| value.map(str::to_owned);
            values.iter().map(owned).collect()
        }
    }

    pub(crate) async fn assert_landed_once(&self, events: u32) {
        let landed = self.landed().await;
        let expected = (0..events).map(|n| ((table_of(n), format!("e{n}")), 1));
        assert_eq!(landed, expected.collect());
    }
}

/// Waits for a condition; time is simulated, so it takes none.
pub(crate) async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    for _ in 0..1_000_000 {
        if condition().await {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the condition never held");
}

fn table_of(n: u32) -> String {
    if n.is_multiple_of(3) {
        "other_1".to_owned()
    } else {
        "thing_1".to_owned()
    }
}

pub(crate) fn event(n: u32) -> Vec<u8> {
    let data = format!(r#"{{"n": {n}, "name": "event {n}"}}"#);
    let mut out = Vec::new();
    Event {
        id: format!("e{n}").into(),
        source: "test".into(),
        kind: if n.is_multiple_of(3) {
            "other".into()
        } else {
            "thing".into()
        },
        dataschema: Some(if n.is_multiple_of(3) {
            "other/1".into()
        } else {
            "thing/1".into()
        }),
        receivedtime: Some(if n.is_multiple_of(2) {
            "2026-11-22T19:59:59Z".into()
        } else {
            "2026-11-22T20:00:00Z".into()
        }),
        data: Data::Json(&data),
        ..Event::default()
    }
    .write(&mut out);
    out
}

pub(crate) fn config() -> Config {
    Config {
        batch_rows_max: 40,
        checkpoint_commits: 3,
        ..Config::default()
    }
}

#[tokio::test(start_paused = true)]
async fn every_record_lands_once_in_its_table_and_hour() {
    let world = World::new();
    world.append_events(0, 250).await;
    world
        .run_until(config(), || async { world.landed_rows().await == 250 })
        .await;
    world.assert_landed_once(250).await;
    let snapshot = Snapshot::read(&world.store).await.unwrap();
    for file in snapshot.files("thing_1") {
        let hour = if file.received_max_ms == NOW_MICROS / 1_000 {
            "20"
        } else {
            "19"
        };
        let folder = format!("thing_1/dt=2026-11-22/hr={hour}/");
        assert!(file.path.starts_with(&folder), "{file:?}");
        assert_eq!(file.received_min_ms, file.received_max_ms);
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_batch_lands_though_nothing_new_arrives() {
    let world = World::new();
    world.append_events(0, 3).await;
    let begun = Instant::now();
    world
        .run_until(Config::default(), || async {
            world.landed_rows().await == 3
        })
        .await;
    let waited = begun.elapsed();
    assert!(
        waited >= Duration::from_secs(5) && waited < Duration::from_secs(6),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_commit_has_one_file_for_each_table_and_hour() {
    let world = World::new();
    world.append_events(0, 30).await;
    world
        .run_until(Config::default(), || async {
            world.landed_rows().await == 30
        })
        .await;
    let snapshot = Snapshot::read(&world.store).await.unwrap();
    assert_eq!(snapshot.files("thing_1").len(), 2);
    assert_eq!(snapshot.files("other_1").len(), 2);
    let records = world.store.paths();
    assert_eq!(
        records
            .iter()
            .filter(|path| path.starts_with("_commits/"))
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn the_order_to_stop_lands_what_was_read() {
    let world = World::new();
    world.append_events(0, 30).await;
    let shutdown = CancellationToken::new();
    let reader = world.stream.reader(&world.topic, GROUP);
    let sink = world.sink(Config {
        batch_age_max_ms: 3_600_000,
        ..Config::default()
    });
    let read = sink.metrics.clone();
    let stop = async {
        let all: usize = (0..30).map(|n| event(n).len() + size_of::<Bytes>()).sum();
        until(|| async { read.filling_bytes() == all as i64 }).await;
        shutdown.cancel();
    };
    let (ended, ()) = tokio::join!(sink.run(reader, shutdown.clone()), stop);
    ended.unwrap();
    world.assert_landed_once(30).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_row_lands_among_the_bad_events_under_the_same_commit() {
    let world = World::new();
    let mut unknown = event(1);
    let text = String::from_utf8(unknown.clone()).unwrap();
    unknown = text.replace("thing", "nothing").into_bytes();
    let broken = text.replace(r#""n": 1"#, r#""n": ?"#).into_bytes();
    world
        .append(vec![
            event(0),
            unknown.clone(),
            broken.clone(),
            b"\xff\xfe".to_vec(),
            b"{}".to_vec(),
        ])
        .await;
    world
        .run_until(Config::default(), || async {
            world.landed_rows().await == 5
        })
        .await;
    let column = world.bad_events().await;
    let mut reasons = column("reason");
    reasons.sort();
    let expected = ["envelope", "malformed", "undecodable", "unknown_schema"];
    assert_eq!(reasons, expected.map(|reason| Some(reason.to_owned())));
    let payloads = column("payload");
    for payload in [unknown, broken] {
        assert!(payloads.contains(&Some(String::from_utf8(payload).unwrap())));
    }
    assert!(column("payload_base64").contains(&Some("//4=".to_owned())));
    let commits = world.store.paths();
    assert_eq!(
        commits
            .iter()
            .filter(|path| path.starts_with("_commits/"))
            .count(),
        1
    );
}

/// A table before `bad_events` has no sound row, so that there are fewer files than tables and hours.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_row_lands_beside_bad_events_of_the_same_batch_and_hour() {
    let mut world = World::new();
    world.schemas = Arc::new(SharedRegistry::new(registry(&[
        ("a/1.json", SCHEMA),
        ("thing/1.json", SCHEMA),
    ])));
    let text = String::from_utf8(event(1)).unwrap();
    let broken = text
        .replace("thing", "a")
        .replace(r#""n": 1"#, r#""n": ?"#)
        .into_bytes();
    let mut rejected = Vec::new();
    Rejected {
        id: "r",
        source: "test",
        receivedtime: "2026-11-22T20:00:00Z",
        reason: Reason::Invalid,
        errors: &[],
        rejected_type: None,
        rejected_id: None,
        rejected_source: None,
        senttime: None,
        form: None,
        payload: b"{}",
        protected: &[],
    }
    .write(&mut rejected);
    world.append(vec![broken, rejected, event(1)]).await;
    world
        .run_until(Config::default(), || async {
            world.landed_rows().await == 3
        })
        .await;
    let snapshot = Snapshot::read(&world.store).await.unwrap();
    let files = snapshot.files("bad_events");
    assert_eq!(files.len(), 2, "{files:?}");
    assert_ne!(files[0].path, files[1].path);
}

/// The route is told by the first bytes; that the rest is no text is found when the row is decoded.
#[tokio::test(start_paused = true)]
async fn an_undecodable_record_behind_a_sound_head_is_found_by_its_table_and_lands_among_the_bad_events()
 {
    let world = World::new();
    let mut record = event(1);
    let name = record.windows(7).position(|bytes| bytes == b"event 1");
    let long = "x".repeat(1_000);
    record.splice(name.unwrap()..name.unwrap(), long.bytes());
    let last = record.iter().rposition(|byte| *byte == b'x').unwrap();
    record[last] = 0xff;
    world.append(vec![event(2), record.clone(), event(4)]).await;
    world
        .run_until(Config::default(), || async {
            world.landed_rows().await == 3
        })
        .await;
    let column = world.bad_events().await;
    assert_eq!(column("reason"), [Some("undecodable".to_owned())]);
    assert_eq!(column("payload"), [None]);
    let payload = column("payload_base64")[0].clone().unwrap();
    assert_eq!(payload.len(), record.len().div_ceil(3) * 4);
    let landed = world.landed().await;
    for id in ["e2", "e4"] {
        assert_eq!(landed[&("thing_1".to_owned(), id.to_owned())], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_operation_on_the_store_it_lands_every_record_once() {
    let events = 300;
    for operations in 1.. {
        let world = World::new();
        world.append_events(0, events).await;
        world.store.die_after(Some(operations));
        let (store, rows) = (world.store.clone(), u64::from(events));
        let survived = || async { store.is_dead() || world.landed_rows().await == rows };
        world.run_until(config(), survived).await;
        let died = world.store.is_dead();
        world.store.die_after(None);
        world
            .run_until(config(), || async { world.landed_rows().await == rows })
            .await;
        world.assert_landed_once(events).await;
        if !died {
            assert!(operations > 15, "only {operations} operations were tried");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_sinks_on_the_same_partitions_and_a_failing_store_land_every_record_once() {
    for seed in 0..10 {
        let world = World::new();
        world.append_events(0, 300).await;
        world.store.fail(Faults {
            seed,
            refused: 50,
            reply_lost: 100,
        });
        let run = |config| {
            let reader = world.stream.reader(&world.topic, GROUP);
            world.sink(config).run(reader, CancellationToken::new())
        };
        let other = Config {
            batch_rows_max: 55,
            ..config()
        };
        tokio::select! {
            ended = run(config()) => panic!("{ended:?}"),
            ended = run(other) => panic!("{ended:?}"),
            () = until(|| async { world.landed_rows().await == 300 }) => {}
        }
        world.store.fail(Faults::default());
        world.assert_landed_once(300).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_taken_away_and_given_back_lands_once() {
    let world = World::new();
    let partition = Partition::new("0");
    let step = |n: u32| {
        if n.is_multiple_of(2) {
            world.stream.revoke(&world.topic, &partition);
        } else {
            world.stream.assign(&world.topic, &partition);
        }
    };
    let feed = async {
        for n in 0..10 {
            world.append_events(n * 30, n * 30 + 30).await;
            step(n);
            // Virtual time: batches of all ages are met.
            sleep(Duration::from_millis(u64::from(n) * 700)).await;
        }
    };
    let reader = world.stream.reader(&world.topic, GROUP);
    let sink = world.sink(config()).run(reader, CancellationToken::new());
    let done = async {
        feed.await;
        until(|| async { world.landed_rows().await == 300 }).await;
    };
    tokio::select! {
        ended = sink => panic!("{ended:?}"),
        () = done => {}
    }
    world.assert_landed_once(300).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_waited_out() {
    let world = World::new();
    world.append_events(0, 50).await;
    world.store.fail(Faults {
        seed: 0,
        refused: 1_000,
        reply_lost: 0,
    });
    let mend = async {
        sleep(Duration::from_secs(600)).await;
        assert_eq!(world.landed_rows().await, 0);
        world.store.fail(Faults::default());
    };
    let reader = world.stream.reader(&world.topic, GROUP);
    let sink = world.sink(config()).run(reader, CancellationToken::new());
    let done = async {
        mend.await;
        until(|| async { world.landed_rows().await == 50 }).await;
    };
    tokio::select! {
        ended = sink => panic!("{ended:?}"),
        () = done => {}
    }
    world.assert_landed_once(50).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_too_old_to_commit_is_encoded_again() {
    let world = World::new();
    world.append_events(0, 20).await;
    let config = Config {
        orphan_grace_ms: 60_000,
        store_timeout_ms: 1_000,
        batch_age_max_ms: 100,
        ..Config::default()
    };
    let mend = async {
        until(|| async { world.store.paths().len() >= 4 }).await;
        world.store.fail(Faults {
            seed: 0,
            refused: 1_000,
            reply_lost: 0,
        });
        sleep(Duration::from_secs(120)).await;
        world.store.fail(Faults::default());
    };
    let reader = world.stream.reader(&world.topic, GROUP);
    let sink = world.sink(config).run(reader, CancellationToken::new());
    let done = async {
        mend.await;
        until(|| async { world.landed_rows().await == 20 }).await;
    };
    tokio::select! {
        ended = sink => panic!("{ended:?}"),
        () = done => {}
    }
    world.assert_landed_once(20).await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_commit_log_ends_the_sink_with_its_place() {
    let world = World::new();
    let id = world.stream.reader(&world.topic, GROUP).stream().clone();
    let path = format!("_commits/{}/{}/{:020}.json", id.name, id.incarnation, 1);
    world.store.create(&path, "{}".into()).await.unwrap();
    let reader = world.stream.reader(&world.topic, GROUP);
    let ended = world
        .sink(config())
        .run(reader, CancellationToken::new())
        .await;
    let message = ended.unwrap_err().to_string();
    assert!(message.contains(&path), "{message}");
}
