//! Replays of a small lake in a directory, ended at every step, and two at once.

use std::collections::BTreeMap;
use std::future::pending;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::AsArray;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use headgate_schemas::event::{Reason, Rejected, Violation};
use headgate_schemas::format::write_date_time;
use headgate_schemas::registry::SharedRegistry;
use headgate_sink::store::local::Local;
use headgate_sink::store::{self, Object};
use headgate_sink::{Parts, Sink};
use headgate_stream::log::{Delivery, Lag, ReadError};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::super::guard::{ANOTHER, Guard};
use super::super::tracker::Counts;
use super::*;
use crate::lake::LandedFile;

/// 2026-11-22T20:00:00Z
const NOW_MICROS: i64 = 1_795_377_600_000_000;
const HOUR_MICROS: i64 = 3_600_000_000;

/// Bad events in each file; every third one stays invalid.
const EVENTS: u32 = 9;
const FILES: u32 = 3;

/// A store in whose n-th create the process dies: before it or behind it.
#[derive(Debug)]
struct Dying {
    inner: Local,
    creates: AtomicUsize,
    at: usize,
    behind: bool,
    dead: Arc<Notify>,
}

impl Store for Dying {
    fn create(&self, path: &str, bytes: Bytes) -> BoxFuture<'_, Result<(), store::Error>> {
        let path = path.to_owned();
        async move {
            let dies = self.creates.fetch_add(1, Ordering::Relaxed) == self.at;
            if !dies || self.behind {
                self.inner.create(&path, bytes).await?;
            }
            if dies {
                self.dead.notify_one();
                pending::<()>().await;
            }
            Ok(())
        }
        .boxed()
    }

    fn read(&self, path: &str) -> BoxFuture<'_, Result<Bytes, store::Error>> {
        self.inner.read(path)
    }

    fn read_range(
        &self,
        path: &str,
        range: Range<u64>,
    ) -> BoxFuture<'_, Result<Bytes, store::Error>> {
        self.inner.read_range(path, range)
    }

    fn head(&self, path: &str) -> BoxFuture<'_, Result<Object, store::Error>> {
        self.inner.head(path)
    }

    fn list(
        &self,
        folder: &str,
        after: &str,
        objects_max: usize,
    ) -> BoxFuture<'_, Result<Vec<Object>, store::Error>> {
        self.inner.list(folder, after, objects_max)
    }

    fn delete(&self, path: &str) -> BoxFuture<'_, Result<(), store::Error>> {
        self.inner.delete(path)
    }

    fn sweep_partial(&self, written_ms: i64) -> BoxFuture<'_, Result<u64, store::Error>> {
        self.inner.sweep_partial(written_ms)
    }
}

/// A stream of one delivery.
struct Once(StreamId, u32, Option<Vec<Bytes>>);

impl Reader for Once {
    fn stream(&self) -> &StreamId {
        &self.0
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, ReadError>> {
        async move {
            if std::mem::take(&mut self.1) > 0 {
                return Ok(Delivery::Assigned(vec![Partition::new("0")]));
            }
            let values = self.2.take().ok_or(ReadError::Closed)?;
            Ok(Delivery::Records(Records {
                partition: Partition::new("0"),
                follows: Position::start(),
                end: Position::from_number(1),
                values,
                appended_ms: NOW_MICROS / 1_000,
            }))
        }
        .boxed()
    }

    fn seek(&mut self, _: &Partition, _: &Position) {}

    fn passed(&mut self, _: &Partition, _: &Position) {}

    fn lag(&self) -> Vec<Lag> {
        Vec::new()
    }
}

/// A lake of bad events of the type `thing`.
struct World {
    dir: TempDir,
}

impl World {
    async fn new() -> Self {
        let world = Self {
            dir: TempDir::new().expect("a directory"),
        };
        for file in 0..FILES {
            let events = (0..EVENTS).map(|n| world.rejected(file, n)).collect();
            let stream = StreamId {
                name: format!("events-{file}"),
                incarnation: "i".to_owned(),
            };
            let reader = Box::new(Once(stream, 1, Some(events)));
            let landed = sink(world.store()).land(reader, CancellationToken::new());
            landed.await.expect("bad events land");
        }
        world
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Local::open(self.dir.path()).expect("a store"))
    }

    /// Refused because `n` was a text once. Every third one is wrong in another way too.
    fn rejected(&self, file: u32, n: u32) -> Bytes {
        let data = match n % 3 {
            2 => r#"{"n":"1"}"#,
            _ => r#"{"n":1}"#,
        };
        let payload = format!(r#"{{"type":"thing","userid":"u","data":{data}}}"#);
        let mut received = Vec::new();
        let micros = NOW_MICROS - i64::from(n % 2) * HOUR_MICROS;
        write_date_time(micros, &mut received);
        let mut record = Vec::new();
        Rejected {
            id: &bad_event(file, n),
            source: "gateway",
            receivedtime: &String::from_utf8_lossy(&received),
            reason: Reason::Invalid,
            errors: &[Violation {
                pointer: "/n".to_owned(),
                keyword: "type",
                message: "text expected".to_owned(),
            }],
            rejected_type: Some("thing"),
            rejected_id: Some(&format!("e-{file}-{n}")),
            rejected_source: None,
            senttime: None,
            form: None,
            payload: payload.as_bytes(),
            protected: &[],
        }
        .write(&mut record);
        record.into()
    }

    async fn begin(&self, store: Arc<dyn Store>, filter: Filter) -> Run {
        let again = Again::new(
            &headgate_gateway::Config::default(),
            &Default::default(),
            Arc::default(),
        )
        .unwrap();
        let clock: Clock = Arc::new(|| NOW_MICROS);
        let run = Run::begin(store, registry(), again, filter, clock, 1_000);
        run.await.expect("it begins")
    }

    /// A whole replay.
    async fn replay(&self, filter: Filter) -> Counts {
        let run = self.begin(self.store(), filter).await;
        let (counts, outcome) = land(run, self.store()).await;
        assert_eq!(outcome, Ok(()));
        counts
    }

    /// How often each id is in each table.
    async fn landed(&self, table: &str, column: &str) -> BTreeMap<String, u32> {
        let store = self.store();
        let snapshot = Snapshot::read(&*store).await.expect("a snapshot");
        let mut found = BTreeMap::new();
        for file in snapshot.files(table) {
            let landed = LandedFile::new(&store, file);
            let rows = ParquetRecordBatchStreamBuilder::new(landed).await;
            let mut rows = rows.expect("a file").build().expect("rows");
            while let Some(batch) = rows.try_next().await.expect("rows") {
                let ids = batch.column_by_name(column).expect("a column");
                for id in ids.as_string::<i32>().iter().flatten() {
                    *found.entry(id.to_owned()).or_default() += 1;
                }
            }
        }
        found
    }

    async fn assert_replayed_once(&self, what: &str) {
        let valid = || {
            (0..FILES)
                .flat_map(|f| (0..EVENTS).map(move |n| (f, n)))
                .filter(|(_, n)| n % 3 != 2)
        };
        let events: BTreeMap<_, _> = valid().map(|(f, n)| (format!("e-{f}-{n}"), 1)).collect();
        let notes: BTreeMap<_, _> = valid().map(|(f, n)| (bad_event(f, n), 1)).collect();
        assert_eq!(self.landed("thing_1", "event_id").await, events, "{what}");
        let replayed = self.landed("replayed_events", "event_id").await;
        assert_eq!(replayed, notes, "{what}");
    }
}

fn bad_event(file: u32, n: u32) -> String {
    format!("00000000-0000-7000-8000-{file:06}{n:06}")
}

fn registry() -> Arc<Registry> {
    const SCHEMA: &[u8] = br#"{"type":"object","properties":{"n":{"type":"integer"}}}"#;
    let files = [(Path::new("thing/1.json"), SCHEMA)];
    Arc::new(Registry::from_files(files.into_iter()).expect("a schema"))
}

/// Cuts a batch with every delivery.
fn sink(store: Arc<dyn Store>) -> Sink {
    let registry = Arc::into_inner(registry()).expect("nobody else has it");
    let config = headgate_sink::Config {
        batch_rows_max: 1,
        ..headgate_sink::Config::default()
    };
    let parts = Parts {
        store,
        schemas: Arc::new(SharedRegistry::new(registry)),
        metrics: prometheus::Registry::new(),
        clock: Arc::new(|| NOW_MICROS),
    };
    Sink::open(config, parts).expect("a sink")
}

async fn land(run: Run, store: Arc<dyn Store>) -> (Counts, Result<(), String>) {
    let (tracker, after) = (Arc::clone(&run.tracker), run.after().clone());
    let reader = Guard::new(run.reader(), Arc::clone(&tracker), after);
    let landed = sink(store).land(Box::new(reader), CancellationToken::new());
    landed.await.expect("the sink goes on");
    (tracker.counts(), tracker.outcome())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_valid_now_lands_once_in_its_own_hour_and_the_rest_stays() {
    let world = World::new().await;
    let counts = world.replay(Filter::default()).await;
    let left = [("invalid", 9)].into();
    let expected = Counts {
        seen: 27,
        handed: 18,
        landed: 18,
        left,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
    world.assert_replayed_once("one run").await;
    let snapshot = Snapshot::read(&*world.store()).await.expect("a snapshot");
    for table in ["thing_1", "replayed_events"] {
        let hour = |hour: &str| {
            let files = snapshot.files(table).iter();
            files
                .filter(|file| file.path.contains(&format!("/dt=2026-11-22/hr={hour}/")))
                .count()
        };
        assert_eq!((hour("19"), hour("20")), (3, 3), "{table}");
    }

    let again = world.replay(Filter::default()).await;
    assert_eq!((again.passed_over, again.landed), (18, 0));
    world.assert_replayed_once("two runs").await;
    let bad = world.landed("bad_events", "event_id").await;
    assert_eq!(bad.len() as u32, FILES * EVENTS, "bad events stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_with_other_filters_share_what_was_replayed() {
    let world = World::new().await;
    let late = Filter {
        since_micros: Some(NOW_MICROS),
        ..Filter::default()
    };
    let counts = world.replay(late).await;
    assert_eq!((counts.seen, counts.landed), (15, 9), "{counts:?}");
    let other = Filter {
        types: vec!["other".to_owned()],
        ..Filter::default()
    };
    assert_eq!(world.replay(other).await, Counts::default());
    let rest = world.replay(Filter::default()).await;
    assert_eq!((rest.passed_over, rest.landed), (9, 9), "{rest:?}");
    world.assert_replayed_once("three runs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_dies_at_any_create_is_finished_by_the_next() {
    for behind in [false, true] {
        for at in 0.. {
            let world = World::new().await;
            let dead = Arc::new(Notify::new());
            let store: Arc<dyn Store> = Arc::new(Dying {
                inner: Local::open(world.dir.path()).expect("a store"),
                creates: AtomicUsize::new(0),
                at,
                behind,
                dead: Arc::clone(&dead),
            });
            let run = world.begin(Arc::clone(&store), Filter::default()).await;
            let survived = tokio::select! {
                _ = land(run, store) => true,
                () = dead.notified() => false,
            };
            world.replay(Filter::default()).await;
            world
                .assert_replayed_once(&format!("create {at}, behind: {behind}"))
                .await;
            if survived {
                assert!(at > 12, "hardly any create: {at}");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replays_begun_at_once_one_ends_and_nothing_is_double() {
    let world = World::new().await;
    let first = world.begin(world.store(), Filter::default()).await;
    let some = Filter {
        reasons: vec!["invalid".to_owned()],
        ..Filter::default()
    };
    let second = world.begin(world.store(), some).await;
    let (_, outcome) = land(first, world.store()).await;
    assert_eq!(outcome, Ok(()));
    let (counts, outcome) = land(second, world.store()).await;
    assert_eq!((counts.landed, outcome), (0, Err(ANOTHER.to_owned())));
    world.assert_replayed_once("one after the other").await;

    let world = World::new().await;
    let first = world.begin(world.store(), Filter::default()).await;
    let second = world.begin(world.store(), Filter::default()).await;
    let outcomes = tokio::join!(land(first, world.store()), land(second, world.store()));
    let ended = [outcomes.0.1, outcomes.1.1];
    assert!(
        ended.iter().any(Result::is_err),
        "both went through: {ended:?}"
    );
    world.replay(Filter::default()).await;
    world.assert_replayed_once("side by side").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_replayed_events_than_may_be_held_are_an_error_that_says_what_to_do() {
    let world = World::new().await;
    world.replay(Filter::default()).await;
    let again = Again::new(
        &headgate_gateway::Config::default(),
        &Default::default(),
        Arc::default(),
    )
    .unwrap();
    let clock: Clock = Arc::new(|| NOW_MICROS);
    let begun = Run::begin(
        world.store(),
        registry(),
        again,
        Filter::default(),
        clock,
        17,
    )
    .await;
    let error = begun.err().expect("18 are noted").to_string();
    assert!(error.contains("replay.replayed_events_max, 17"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_whose_reading_breaks_off_does_not_end_well() {
    let world = World::new().await;
    let mut run = world.begin(world.store(), Filter::default()).await;
    run.clock = Arc::new(|| panic!("a task that panics"));
    let (counts, outcome) = land(run, world.store()).await;
    assert_eq!((counts.landed, outcome.is_err()), (0, true), "{outcome:?}");

    let run = world.begin(world.store(), Filter::default()).await;
    for file in run.files.iter().skip(1) {
        world.store().delete(&file.path).await.expect("deleted");
    }
    let (_, outcome) = land(run, world.store()).await;
    let said = outcome.expect_err("two files are gone");
    assert!(said.contains("cannot read"), "{said}");
}
