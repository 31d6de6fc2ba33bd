//! What happens to the stream below a running sink: retention, and more partitions.

use std::sync::Mutex;

use headgate_stream::log::Position;
use tracing::{
    Event as Logged, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::*;
use crate::{
    TableConfig,
    commit::{Gap, account},
};

/// Keeps what is logged as errors.
#[derive(Debug, Clone, Default)]
struct Errors(Arc<Mutex<Vec<String>>>);

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn event(&self, event: &Logged<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[derive(Debug, Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

fn gaps(metrics: &prometheus::Registry) -> f64 {
    let families = metrics.gather();
    let gap = families
        .iter()
        .find(|family| family.name() == "headgate_sink_gap_events_total");
    let counted = gap.map(|gap| {
        gap.get_metric()
            .iter()
            .map(|m| m.get_counter().get_value())
            .sum()
    });
    counted.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn what_retention_removed_before_it_landed_is_counted_logged_as_an_error_and_passed() {
    let world = World {
        stream: Stream::new(1),
        ..World::new()
    };
    world.append_events(0, 30).await;
    let landed = || async { world.landed_rows().await == 30 };
    world.run_until(Config::default(), landed).await;
    world.append_events(30, 60).await;
    // The sink is away while retention takes 30 to 49.
    let (partition, removed) = (Partition::new("0"), Position::from_number(49));
    world.stream.forget(&world.topic, &partition, &removed);
    let errors = Errors::default();
    let logging = tracing::subscriber::set_default(errors.clone());
    let sink = world.sink(Config::default());
    let metrics = sink.parts.metrics.clone();
    let reader = world.stream.reader(&world.topic, GROUP);
    tokio::select! {
        ended = sink.run(reader, CancellationToken::new()) => panic!("{ended:?}"),
        () = until(|| async { world.landed_rows().await == 40 }) => {}
    }
    drop(logging);
    assert_eq!(gaps(&metrics), 20.0);
    let errors = errors.0.lock().unwrap().clone();
    let told = errors
        .iter()
        .find(|line| line.contains("retention removed records"));
    let told = told.expect("an error is logged");
    assert!(
        told.contains("partition=0") && told.contains("Some(20)"),
        "{told}"
    );
    // The log names it for good.
    let log = |_: &str| false;
    let account = account::read(&world.store, &(0..1), log).await.unwrap();
    let gap = Gap {
        partition,
        after: Position::from_number(29),
        records: Some(20),
    };
    assert_eq!(account.logs[0].gaps, [gap]);
    let landed = world.landed().await;
    let expected = (0..30)
        .chain(50..60)
        .map(|n| ((table_of(n), format!("e{n}")), 1));
    assert_eq!(landed, expected.collect());
}

#[tokio::test(start_paused = true)]
async fn a_partition_added_while_it_runs_is_read_from_its_start_and_lands() {
    let world = World::new();
    world.append_events(0, 60).await;
    let more = async {
        until(|| async { world.landed_rows().await == 60 }).await;
        let added = world.stream.add_partition(&world.topic);
        world.append_events(60, 200).await;
        until(|| async { world.landed_rows().await == 200 }).await;
        assert_ne!(
            world.stream.passed(&world.topic, GROUP, &added),
            Position::start()
        );
    };
    let reader = world.stream.reader(&world.topic, GROUP);
    tokio::select! {
        ended = world.sink(config()).run(reader, CancellationToken::new()) => panic!("{ended:?}"),
        () = more => {}
    }
    world.assert_landed_once(200).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_partition_lands_though_nothing_else_does_and_is_not_read_again() {
    let world = World {
        stream: Stream::new(1),
        ..World::new()
    };
    world.append_events(0, 30).await;
    let partition = Partition::new("0");
    let landed = || async { world.landed_rows().await == 30 };
    world.run_until(config(), landed).await;
    world.stream.end_partition(&world.topic, &partition);
    let reader = world.stream.reader(&world.topic, GROUP);
    let stream = reader.stream().clone();
    let store: Arc<dyn crate::store::Store> = Arc::new(world.store.steady());
    let tail = || crate::commit::landed(Arc::clone(&store), stream.clone(), &partition);
    assert_eq!(tail().await.unwrap(), Position::new("29"));
    let end = Position::new("29.1");
    let ended = || async { tail().await.unwrap() == end };
    tokio::select! {
        ended = world.sink(config()).run(reader, CancellationToken::new()) => panic!("{ended:?}"),
        () = until(ended) => {}
    }
    // Who starts from there on is told nothing, and commits nothing.
    let commits = || {
        world
            .store
            .paths()
            .iter()
            .filter(|p| p.starts_with("_commits/"))
            .count()
    };
    let before = commits();
    let minute = Instant::now() + Duration::from_secs(60);
    world
        .run_until(config(), || async { Instant::now() > minute })
        .await;
    assert_eq!(commits(), before);
    world.assert_landed_once(30).await;
}

#[tokio::test(start_paused = true)]
async fn a_table_with_an_age_of_its_own_cuts_the_batch_and_the_others_land_with_it() {
    let world = World::new();
    let own = |name: &str, age_max_ms| Config {
        tables: [(name.to_owned(), TableConfig { age_max_ms })].into(),
        batch_age_max_ms: 60_000,
        ..Config::default()
    };
    // e1 and e2 are of thing_1, e3 of other_1.
    for (config, from, to, seconds) in [
        (own("other_*", 2_000), 1, 3, 60),
        (own("other_*", 2_000), 3, 5, 2),
        (own("*", 90_000), 5, 7, 90),
    ] {
        let before = world.landed_rows().await;
        world.append_events(from, to).await;
        let rows = before + u64::from(to - from);
        let begun = Instant::now();
        world
            .run_until(config, || async { world.landed_rows().await == rows })
            .await;
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_says_why_it_cannot_work_and_that_it_can_again() {
    let world = World::new();
    let sink = world.sink(config());
    let health = sink.health();
    let all = Faults {
        seed: 0,
        refused: 1_000,
        reply_lost: 0,
    };
    let says = |what: &'static str| {
        let health = &health;
        until(move || async move { health.problem().is_some_and(|why| why.contains(what)) })
    };
    let well = || until(|| async { health.problem().is_none() });
    let faults = async {
        world.append_events(0, 100).await;
        until(|| async { world.landed_rows().await == 100 }).await;
        world.store.fail(all);
        world.append_events(100, 200).await;
        says("the store fails").await;
        world.store.fail(Faults::default());
        well().await;
        // It hangs instead of failing.
        let day = Duration::from_secs(86_400);
        world.store.delay(day, day);
        world.append_events(200, 300).await;
        says("a batch of the stream `events` has been landing").await;
        world.store.delay(Duration::ZERO, Duration::ZERO);
        well().await;
        let unavailable = headgate_stream::log::ReadError::Unavailable("test".into());
        world.stream.fail_reads(Some(unavailable));
        says("the stream `events` cannot be read").await;
        world.stream.fail_reads(None);
        well().await;
    };
    let reader = world.stream.reader(&world.topic, GROUP);
    tokio::select! {
        ended = sink.run(reader, CancellationToken::new()) => panic!("{ended:?}"),
        () = faults => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_of_another_size_under_this_sinks_name_ends_the_sink_with_its_path() {
    let world = World::new();
    world.append_events(0, 5).await;
    world.store.forge(true);
    let reader = world.stream.reader(&world.topic, GROUP);
    let ended = world.sink(config()).run(reader, CancellationToken::new());
    let message = ended.await.unwrap_err().to_string();
    assert!(message.contains(".parquet has 1 bytes where"), "{message}");
    assert_eq!(world.landed_rows().await, 0);
}
