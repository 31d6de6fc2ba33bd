//! The spill as a whole, in front of the log in memory and of one that does as a test says.

mod conforms;
mod down;
mod faults;
mod scripted;
mod storm;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prometheus::Registry;
use tempfile::TempDir;

use self::scripted::Scripted;
use super::{Config, Error, Parts, Primary, Spill};
use crate::{
    journal,
    log::{Health, Outcome, Record, Refusal, Topic, Writer},
    testing::memory::Memory,
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
    let opened = site.open_with(site.parts(scripted.handle())).await;
    opened.drained().await;
    scripted.answer(Some(Refusal::NoTopic("events".into())));
    let outcomes = opened.append(numbered("k", 0..1)).await;
    assert_eq!(outcomes, [Err(Refusal::NoTopic("events".into()))]);
    assert_eq!((opened.left(), opened.spill.degraded()), (0, None));
}
