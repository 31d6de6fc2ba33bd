//! Sinks that do nothing but commit, on any store: what the commit log is measured and broken with.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use headgate_stream::log::{Partition, Position, StreamId};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    commit::{File, Log, Outcome, Proposal, Range},
    store::Store,
};

/// What it took the sinks to commit.
#[derive(Debug, Clone)]
pub struct Crowd {
    /// From the first start to the last commit.
    pub elapsed: Duration,
    /// How many places in the log were tried and found taken, over all commits.
    pub taken: u64,
    /// How many puts had to be called again.
    pub failed: u64,
    /// The longest that one commit took.
    pub slowest: Duration,
}

/// So many sinks, each on a partition of its own, commit so many times, and try again whatever fails: all of them at
/// once, or each `every` so long with their times spread over it. The files that they name are not there.
///
/// # Panics
/// A sink loses its own partition to another, or the log is found broken.
pub async fn commit(
    store: &Arc<dyn Store>,
    stream: &str,
    sinks: u32,
    commits: u32,
    every: Duration,
) -> Crowd {
    let id = StreamId {
        name: stream.to_owned(),
        incarnation: "i1".to_owned(),
    };
    let begun = Instant::now();
    let all = (0..sinks).map(|sink| {
        let (store, id) = (Arc::clone(store), id.clone());
        let begin = begun + every * sink / sinks;
        let due = (1..=commits).map(move |n| begin + every * (n - 1));
        tokio::spawn(one(store, id, sink, due))
    });
    let mut crowd = Crowd {
        elapsed: Duration::ZERO,
        taken: 0,
        failed: 0,
        slowest: Duration::ZERO,
    };
    for done in join_all(all).await {
        match done {
            Ok(one) => {
                crowd.taken += one.taken;
                crowd.failed += one.failed;
                crowd.slowest = crowd.slowest.max(one.slowest);
            }
            Err(error) => panic!("{error}"),
        }
    }
    crowd.elapsed = begun.elapsed();
    crowd
}

async fn one(
    store: Arc<dyn Store>,
    id: StreamId,
    sink: u32,
    due: impl Iterator<Item = Instant> + Send,
) -> Crowd {
    let mut crowd = Crowd {
        elapsed: Duration::ZERO,
        taken: 0,
        failed: 0,
        slowest: Duration::ZERO,
    };
    let mut log = loop {
        match Log::open(Arc::clone(&store), id.clone(), 64).await {
            Ok(log) => break log,
            Err(error) => failed(&mut crowd, &error).await,
        }
    };
    for (n, due) in (1..).zip(due) {
        sleep_until(due).await;
        let begun = Instant::now();
        let proposal = proposal(&log, sink, n);
        let outcome = loop {
            let taken = &mut crowd.taken;
            match log.put(&proposal, || *taken += 1).await {
                Ok(outcome) => break outcome,
                Err(error) => failed(&mut crowd, &error).await,
            }
        };
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
        crowd.slowest = crowd.slowest.max(begun.elapsed());
        if let Err(error) = log.checkpoint().await {
            panic!("{error}");
        }
    }
    crowd
}

async fn failed(crowd: &mut Crowd, error: &crate::commit::Error) {
    assert!(error.transient(), "{error}");
    crowd.failed += 1;
    sleep(Duration::from_millis(20)).await;
}

fn proposal(log: &Log, sink: u32, n: u64) -> Proposal {
    let partition = Partition::new(&sink.to_string());
    Proposal {
        attempt: format!("{sink}-{n}"),
        committed_ms: 0,
        ranges: vec![Range {
            follows: log.tail(&partition),
            ends: Position::from_number(n),
            partition,
        }],
        files: vec![File {
            table: "thing_1".to_owned(),
            path: format!("thing_1/dt=2026-11-22/hr=20/{sink}-{n}.parquet"),
            bytes: 1,
            rows: 1,
            crc32c: 0,
            fingerprint: "f".to_owned(),
            received_min_ms: 0,
            received_max_ms: 0,
            text_bytes_max: None,
            second_rows: 0,
        }],
        gaps: Vec::new(),
        duplicates: Vec::new(),
        seen: Vec::new(),
        replaces: Vec::new(),
    }
}
