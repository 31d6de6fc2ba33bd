//! The spill as a whole, in front of the log in memory and of one that does as a test says.

mod faults;
mod scripted;
mod storm;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prometheus::Registry;
use tempfile::TempDir;

use self::scripted::Scripted;
use super::{Config, Error, Parts, Primary, Spill};
use crate::{
    journal,
    log::{Health, Outcome, Reader, Record, Refusal, Topic, Writer},
    testing::{conformance, memory::Memory},
};

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

fn topic() -> Topic {
    Topic::new("events")
}

fn record(key: &str, value: impl Into<Bytes>) -> Record {
    Record {
        topic: topic(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.into(),
    }
}

fn numbered(key: &str, numbers: std::ops::Range<u32>) -> Vec<Record> {
    let value = |n| format!("{key}-{n}");
    numbers.map(|n| record(key, value(n))).collect()
}

fn down() -> Refusal {
    Refusal::Unavailable("down".into())
}

/// A place on disk, and a log in memory that outlives what spills for it.
struct Site {
    dir: TempDir,
    memory: Memory,
    config: Config,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            dir: dir.path().join("spill"),
            probe_interval_ms: 2,
            settle_ms: 0,
            batch_bytes_max: 4_096,
            batch_records_max: 7,
            ..Config::default()
        };
        Self {
            dir,
            memory: Memory::new(3),
            config,
        }
    }

    fn parts(&self, primary: Arc<dyn Primary>) -> Parts {
        Parts {
            primary,
            topics: vec![topic()],
            takes: true,
            down: None,
        }
    }

    async fn open(&self) -> Opened {
        self.open_with(self.parts(self.memory.primary())).await
    }

    /// Opens it; one that was dropped may hold the directory for a moment.
    async fn open_with(&self, parts: Parts) -> Opened {
        let Parts {
            primary,
            topics,
            takes,
            down,
        } = parts;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let registry = Registry::new();
            let parts = Parts {
                primary: Arc::clone(&primary),
                topics: topics.clone(),
                takes,
                down: down.clone(),
            };
            match Spill::open(self.config.clone(), parts, &registry) {
                Ok(spill) => return Opened { spill, registry },
                Err(Error::Journal(journal::Error::InUse { .. })) => {
                    assert!(
                        tokio::time::Instant::now() < deadline,
                        "the lock is not let go"
                    );
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// What the log holds of a key, in its order.
    fn values(&self, key: &str) -> Vec<String> {
        let all = self.memory.values(&topic());
        let texts = all
            .iter()
            .map(|value| String::from_utf8_lossy(value).into_owned());
        texts
            .filter(|text| text.starts_with(&format!("{key}-")))
            .collect()
    }
}

struct Opened {
    spill: Spill,
    registry: Registry,
}

impl Opened {
    async fn append(&self, records: Vec<Record>) -> Vec<Outcome> {
        self.spill.append(records).await
    }

    async fn append_ok(&self, records: Vec<Record>) {
        let count = records.len();
        assert_eq!(self.append(records).await, vec![Ok(()); count]);
    }

    fn metric(&self, name: &str) -> f64 {
        self.spill.core.report();
        let families = self.registry.gather();
        let name = format!("headgate_stream_spill_{name}");
        let family = families.iter().find(|family| family.name() == name);
        let metric = &family.unwrap_or_else(|| panic!("no {name}")).get_metric()[0];
        metric.get_gauge().get_value() + metric.get_counter().get_value()
    }

    fn left(&self) -> u64 {
        self.spill.core.backlog.records()
    }

    async fn drained(&self) {
        until("everything is forwarded", || {
            self.left() == 0 && !self.spill.core.breaker.is_open()
        })
        .await;
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain until {what}");
}

fn names(key: &str, numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|n| format!("{key}-{n}")).collect()
}

/// The suite's backend: written through a spill, read from the log behind it.
struct Backend {
    site: Site,
    writer: Arc<dyn Writer>,
}

impl Backend {
    async fn new(prepare: impl FnOnce(&Memory)) -> Box<dyn conformance::Backend> {
        let site = Site::new();
        site.memory.bound_record(Some(200_000));
        prepare(&site.memory);
        let writer = Arc::new(site.open().await.spill);
        Box::new(Self { site, writer })
    }
}

impl conformance::Backend for Backend {
    fn topic(&self) -> Topic {
        topic()
    }

    fn writer(&self) -> Arc<dyn Writer> {
        Arc::clone(&self.writer)
    }

    fn reader(&self, group: &str) -> BoxFuture<'_, Box<dyn Reader>> {
        let reader = self.site.memory.reader(&topic(), group);
        Box::pin(async move { reader })
    }

    fn record_bytes_max(&self) -> Option<usize> {
        Some(200_000)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spill_in_front_of_a_stream_that_works_conforms() {
    conformance::run(|| Backend::new(|_| {})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spill_in_front_of_a_stream_that_refuses_every_other_append_conforms() {
    conformance::run(|| Backend::new(|memory| memory.refuse_every_other(Some(down())))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_refuses_is_accepted_and_forwarded_in_order_once_it_works_again() {
    let site = Site::new();
    let opened = site.open().await;
    opened.append_ok(numbered("ada", 0..3)).await;
    assert_eq!((opened.left(), opened.spill.degraded()), (0, None));
    site.memory.refuse(Some(down()));
    for n in 1..9 {
        opened.append_ok(numbered("ada", n * 3..n * 3 + 3)).await;
    }
    assert_eq!(site.values("ada"), names("ada", 0..3));
    assert_eq!((opened.left(), opened.spill.health()), (24, Health::Ready));
    let told = opened.spill.degraded().unwrap();
    assert!(
        told.contains("spilling") && told.contains("24 records") && told.contains("down"),
        "{told}"
    );
    assert_eq!(
        (opened.metric("depth_records"), opened.metric("open")),
        (24.0, 1.0)
    );
    site.memory.refuse(None);
    opened.drained().await;
    assert_eq!(site.values("ada"), names("ada", 0..27));
    assert_eq!(
        (opened.metric("records_total"), opened.spill.degraded()),
        (24.0, None)
    );
    opened.append_ok(numbered("ada", 27..28)).await;
    assert_eq!(
        (site.values("ada").len(), opened.metric("records_total")),
        (28, 24.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_stream_is_down_nothing_is_sent_and_one_alone_asks_after_it() {
    let mut site = Site::new();
    site.config.probe_interval_ms = 50;
    let scripted = Scripted::new(&site.memory);
    let opened = site.open_with(site.parts(scripted.clone())).await;
    site.memory.refuse(Some(down()));
    let began = tokio::time::Instant::now();
    let appends = (0..64).map(|n| {
        let (key, opened) = (format!("user{n}"), &opened);
        async move { opened.append_ok(numbered(&key, 0..5)).await }
    });
    futures_util::future::join_all(appends).await;
    until("it was asked for a few times", || scripted.asked() >= 4).await;
    let most = began.elapsed().as_millis() / 50 + 2;
    assert_eq!(
        scripted.sent(),
        0,
        "the log says that it is down, so nothing is sent"
    );
    assert!(
        u128::from(scripted.asked()) <= most,
        "{} of {most}",
        scripted.asked()
    );
    site.memory.refuse(None);
    opened.drained().await;
    assert_eq!(site.memory.values(&topic()).len(), 320);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_keys_that_wait_go_behind_and_all_others_straight() {
    let mut site = Site::new();
    // The first batch uses up the rate for long: the second stays.
    site.config.forward_bytes_per_s_max = 1_024;
    site.config.batch_bytes_max = 4_096;
    let opened = site.open().await;
    site.memory.refuse(Some(down()));
    opened
        .append_ok(vec![record("first", vec![b'x'; 200_000])])
        .await;
    opened.append_ok(numbered("ada", 0..2)).await;
    site.memory.refuse(None);
    until("the first is forwarded", || {
        !opened.spill.core.breaker.is_open()
    })
    .await;
    opened
        .append_ok([numbered("ada", 2..4), numbered("grace", 0..2)].concat())
        .await;
    opened.append_ok(vec![record("", "-keyless")]).await;
    assert_eq!(site.values("ada"), [] as [String; 0]);
    assert_eq!(site.values("grace"), names("grace", 0..2));
    assert_eq!((site.values("").len(), opened.left()), (1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_concerns_a_record_is_never_spilled() {
    let site = Site::new();
    let opened = site.open().await;
    site.memory.bound_record(Some(10));
    let mixed = || vec![record("k", vec![b'x'; 50]), record("k", "fits")];
    let refused = |outcomes: &[Outcome]| {
        matches!(
            outcomes,
            [
                Err(Refusal::TooLarge {
                    bytes: 51,
                    bytes_max: 10
                }),
                Ok(())
            ]
        )
    };
    assert!(refused(&opened.append(mixed()).await));
    site.memory.refuse(Some(down()));
    assert!(
        refused(&opened.append(mixed()).await),
        "also while it is down"
    );
    assert_eq!(opened.left(), 1);
    site.memory.refuse(None);
    opened.drained().await;
    let scripted = Scripted::new(&site.memory);
    drop(opened);
    let opened = site.open_with(site.parts(scripted.clone())).await;
    opened.drained().await;
    scripted.answer(Some(Refusal::NoTopic("events".into())));
    let outcomes = opened.append(numbered("k", 0..1)).await;
    assert_eq!(outcomes, [Err(Refusal::NoTopic("events".into()))]);
    assert_eq!((opened.left(), opened.spill.degraded()), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_down_at_the_start_is_spilled_for_and_asked_until_it_answers() {
    let site = Site::new();
    site.memory.refuse(Some(down()));
    let parts = Parts {
        down: Some("no broker answered".to_owned()),
        ..site.parts(site.memory.primary())
    };
    let opened = site.open_with(parts).await;
    let told = opened.spill.degraded().unwrap();
    assert!(told.contains("0 records"), "{told}");
    opened.append_ok(numbered("ada", 0..3)).await;
    site.memory.refuse(None);
    opened.drained().await;
    assert_eq!(site.values("ada"), names("ada", 0..3));
}
