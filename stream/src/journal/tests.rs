//! The journal as a whole: conformance, restarts, retention, full and failing disks.

mod disk;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prometheus::Registry;

use super::{Config, Error, Journal, faults::Fault};
use crate::{
    log::{
        Delivery, Health, Outcome, Position, ReadError, Reader, Record, Records, Refusal, Topic,
        Writer,
    },
    testing::conformance,
};

fn topic() -> Topic {
    Topic::new("events")
}

fn config(dir: &Path) -> Config {
    Config {
        dir: dir.to_owned(),
        upkeep_interval_ms: 5,
        probe_interval_ms: 5,
        ..Config::default()
    }
}

fn open(config: &Config) -> Result<Journal, Error> {
    Journal::open(
        config.clone(),
        &[topic(), Topic::new("bad_events")],
        &Registry::new(),
    )
}

fn record(key: &str, value: impl Into<Bytes>) -> Record {
    Record {
        topic: topic(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.into(),
    }
}

async fn append(journal: &Journal, value: impl Into<Bytes>) -> Outcome {
    journal
        .writer()
        .append(vec![record("k", value)])
        .await
        .remove(0)
}

async fn reader(journal: &Journal) -> Box<dyn Reader> {
    let mut reader = journal.reader(&topic(), "sink").unwrap();
    let Delivery::Assigned(partitions) = reader.next().await.unwrap() else {
        panic!()
    };
    partitions
        .iter()
        .for_each(|partition| reader.seek(partition, &Position::start()));
    reader
}

async fn records(reader: &mut dyn Reader) -> Records {
    match reader.next().await.unwrap() {
        Delivery::Records(records) => records,
        other => panic!("{other:?}"),
    }
}

/// The values of the topic's first `count` records.
async fn read(journal: &Journal, count: usize) -> Vec<Bytes> {
    let mut reader = reader(journal).await;
    let mut values = Vec::new();
    while values.len() < count {
        values.extend(records(reader.as_mut()).await.values);
    }
    values
}

/// Waits until the condition holds; the suite's own deadline ends what never does.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(30), waited)
            .await
            .is_ok(),
        "never: {what}"
    );
}

struct Backend {
    journal: Journal,
    _dir: tempfile::TempDir,
}

impl conformance::Backend for Backend {
    fn topic(&self) -> Topic {
        topic()
    }

    fn writer(&self) -> Arc<dyn Writer> {
        self.journal.writer()
    }

    fn reader(&self, group: &str) -> BoxFuture<'_, Box<dyn Reader>> {
        let reader = self.journal.reader(&topic(), group);
        Box::pin(async move { reader.unwrap() })
    }

    fn record_bytes_max(&self) -> Option<usize> {
        Some(200_000)
    }
}

async fn conforms(change: fn(&mut Config)) {
    conformance::run(|| async move {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        config.record_bytes_max = 200_000;
        change(&mut config);
        let journal = open(&config).unwrap();
        Box::new(Backend { journal, _dir: dir }) as Box<dyn conformance::Backend>
    })
    .await;
}

#[tokio::test]
async fn the_journal_conforms_with_one_partition() {
    conforms(|_| ()).await;
}

#[tokio::test]
async fn the_journal_conforms_with_three_partitions() {
    conforms(|config| config.partitions = 3).await;
}

#[tokio::test]
async fn the_journal_conforms_with_tiny_segments_groups_and_chunks() {
    conforms(|config| {
        (config.segment_bytes_max, config.prefetch_bytes_max) = (4096, 4096);
        (config.group_bytes_max, config.queue_bytes_max) = (512, 200_000);
    })
    .await;
}

#[tokio::test]
async fn a_reopened_journal_continues_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let journal = open(&config).unwrap();
    append(&journal, "a").await.unwrap();
    let mut sink = reader(&journal).await;
    let stream = sink.stream().clone();
    let first = records(sink.as_mut()).await;
    sink.passed(&first.partition, &first.end);
    append(&journal, "b").await.unwrap();
    journal.close().await;
    assert!(matches!(sink.next().await, Err(ReadError::Closed)));
    assert_eq!(append(&journal, "late").await, Err(Refusal::Closed));

    let journal = open(&config).unwrap();
    append(&journal, "c").await.unwrap();
    assert_eq!(read(&journal, 3).await, ["a", "b", "c"]);
    let sink = reader(&journal).await;
    assert_eq!((sink.stream(), sink.lag()[0].records), (&stream, Some(2)));
}

#[tokio::test]
async fn a_copy_taken_while_it_runs_holds_everything_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&config(dir.path())).unwrap();
    for n in 0..20 {
        append(&journal, format!("v{n}")).await.unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(dir.path())
        .arg(copy.path())
        .status();
    assert!(copied.unwrap().success());
    let name = dir.path().file_name().unwrap();
    let after = open(&config(&copy.path().join(name))).unwrap();
    let expected: Vec<String> = (0..20).map(|n| format!("v{n}")).collect();
    assert_eq!(read(&after, 20).await, expected);
}

#[tokio::test]
async fn a_second_journal_on_the_directory_is_refused_until_the_first_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let first = open(&config).unwrap();
    let Err(Error::InUse { path }) = open(&config) else {
        panic!()
    };
    assert_eq!(path, dir.path().join("lock"));
    first.close().await;
    open(&config).unwrap();
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), b"").unwrap();
    let error = open(&config(&dir.path().join("file/journal"))).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("/file"), "{error}");
}

#[tokio::test]
async fn appends_at_once_share_groups_and_keep_each_keys_order() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        partitions: 3,
        segment_bytes_max: 4096,
        ..config(dir.path())
    };
    let journal = Arc::new(open(&config).unwrap());
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..16 {
        let writer = journal.writer();
        callers.spawn(async move {
            for n in 0..40 {
                let value = format!("{caller}:{n}");
                writer
                    .append(vec![record(&format!("user{caller}"), value)])
                    .await
                    .remove(0)
                    .unwrap();
            }
        });
    }
    callers.join_all().await;
    let mut next = [0; 16];
    for value in read(&journal, 16 * 40).await {
        let text = String::from_utf8(value.to_vec()).unwrap();
        let (caller, n) = text.split_once(':').unwrap();
        let caller: usize = caller.parse().unwrap();
        assert_eq!(n.parse::<usize>().unwrap(), next[caller], "caller {caller}");
        next[caller] += 1;
    }
}

fn small(dir: &Path) -> Config {
    let sizes = Config {
        segment_bytes_max: 4096,
        bytes_max: 16_384,
        retain_bytes: 0,
        ..config(dir)
    };
    Config {
        group_bytes_max: 1024,
        ..sizes
    }
}

#[tokio::test]
async fn a_full_journal_refuses_and_takes_records_again_once_readers_passed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&small(dir.path())).unwrap();
    let writer = journal.writer();
    let mut taken = 0;
    let refusal = loop {
        match append(&journal, vec![b'x'; 1000]).await {
            Ok(()) => taken += 1,
            Err(refusal) => break refusal,
        }
    };
    assert!(
        matches!(refusal, Refusal::Full { used_bytes, bytes_max: 16_384 } if used_bytes <= 16_384)
    );
    assert!((12..=16).contains(&taken), "{taken}");
    assert!(matches!(writer.health(), Health::Refusing(reason) if reason.contains("full")));
    let mut sink = reader(&journal).await;
    let mut read = 0;
    while read < taken {
        let records = records(sink.as_mut()).await;
        read += records.values.len();
        sink.passed(&records.partition, &records.end);
    }
    until("ready again", || writer.health() == Health::Ready).await;
    append(&journal, vec![b'y'; 1000]).await.unwrap();
    assert_eq!(records(sink.as_mut()).await.values, [vec![b'y'; 1000]]);
}

#[tokio::test]
async fn passed_segments_go_and_a_reader_that_wanted_them_is_told_of_the_gap() {
    let dir = tempfile::tempdir().unwrap();
    let config = small(dir.path());
    let journal = open(&config).unwrap();
    let segments = || {
        std::fs::read_dir(dir.path().join("events/0"))
            .unwrap()
            .count()
            - 1
    };
    let mut sink = reader(&journal).await;
    for n in 0..12 {
        append(&journal, vec![n; 1000]).await.unwrap();
    }
    assert_eq!(segments(), 3);
    let mut last = Position::start();
    while last < Position::from_number(11) {
        let records = records(sink.as_mut()).await;
        last = records.end.clone();
        sink.passed(&records.partition, &records.end);
    }
    until("one segment is left", || segments() == 1).await;
    sink.seek(&crate::log::Partition::new("0"), &Position::from_number(1));
    let Delivery::Gap {
        after,
        records: gone,
        ..
    } = sink.next().await.unwrap()
    else {
        panic!()
    };
    let first = 2 + gone.unwrap();
    assert_eq!(after, Position::from_number(1));
    let rest = records(sink.as_mut()).await;
    assert_eq!((rest.follows, rest.values[0][0]), (after, first as u8));
}

#[tokio::test]
async fn retained_segments_stay_although_passed() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        retain_bytes: 5000,
        bytes_max: 1 << 20,
        ..small(dir.path())
    };
    let journal = open(&config).unwrap();
    for n in 0..30 {
        append(&journal, vec![n; 1000]).await.unwrap();
    }
    let mut sink = reader(&journal).await;
    sink.passed(&crate::log::Partition::new("0"), &Position::from_number(29));
    let segments = || {
        std::fs::read_dir(dir.path().join("events/0"))
            .unwrap()
            .count()
            - 1
    };
    until("only what is retained is left", || segments() == 2).await;
    super::upkeep::round(&journal.core);
    assert_eq!(segments(), 2);
}

async fn survives(fault: Fault) {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let journal = open(&config).unwrap();
    let writer = journal.writer();
    append(&journal, "before").await.unwrap();
    let faults = &journal.core.topics[&topic()].partitions[0].faults;
    faults.set(Some(fault));
    let refusal = append(&journal, "refused").await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Unavailable(reason) if reason.contains("events/0")));
    assert!(matches!(writer.health(), Health::Refusing(_)));
    faults.set(None);
    until("ready again", || writer.health() == Health::Ready).await;
    append(&journal, "after").await.unwrap();
    assert_eq!(read(&journal, 2).await, ["before", "after"]);
    journal.close().await;
    let journal = open(&config).unwrap();
    assert_eq!(read(&journal, 2).await, ["before", "after"]);
}

#[tokio::test]
async fn a_failed_fsync_refuses_and_leaves_nothing_behind() {
    survives(Fault::Sync).await;
}

#[tokio::test]
async fn half_a_frame_on_a_full_disk_is_rolled_back() {
    survives(Fault::NoSpace).await;
}

#[tokio::test]
async fn damage_in_an_older_segment_is_told_with_file_and_byte() {
    let dir = tempfile::tempdir().unwrap();
    let config = small(dir.path());
    let journal = open(&config).unwrap();
    for n in 0..8 {
        append(&journal, vec![n; 1000]).await.unwrap();
    }
    journal.close().await;
    let path = dir.path().join("events/0/00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let journal = open(&config).unwrap();
    let mut sink = reader(&journal).await;
    let error = loop {
        match sink.next().await {
            Ok(Delivery::Records(records)) => assert!(records.values.iter().all(|v| v[0] == 0)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    let ReadError::Corrupt { after, reason, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(after, Position::from_number(0));
    assert!(
        reason.contains("00000000000000000000.log at byte 1044"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_position_beyond_the_end_is_an_error_not_silence() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&config(dir.path())).unwrap();
    append(&journal, "a").await.unwrap();
    let mut sink = reader(&journal).await;
    sink.seek(&crate::log::Partition::new("0"), &Position::from_number(7));
    assert!(matches!(sink.next().await, Err(ReadError::Corrupt { .. })));
}
