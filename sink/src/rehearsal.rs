//! A commit log of any length, written as sinks write theirs: for timing a start over it, which
//! `headgate bench restart` does.

use std::sync::Arc;

use headgate_stream::log::{Partition, Position, StreamId};

use crate::{
    commit::{self, File, Log, Outcome, Proposal, Range},
    config::Config,
    store::Store,
};

/// As many as a stream has by default.
const PARTITIONS: usize = 12;

/// Appends so many commits to the stream's log, each over all of twelve partitions that the stream does not have, and
/// each naming a file that is not there: a lake with such a log is for nothing but timing.
///
/// # Errors
/// The store fails, the log is broken, or another writer is at work on it.
pub async fn commits(
    store: Arc<dyn Store>,
    stream: StreamId,
    commits: u64,
) -> Result<(), commit::Error> {
    let mut log = Log::open(store, stream, Config::default().checkpoint_commits).await?;
    for commit in 1..=commits {
        let outcome = log.put(&proposal(&log, commit), || {}).await?;
        if !matches!(outcome, Outcome::Committed(_)) {
            return Err(commit::Error::Broken {
                path: "_commits/".to_owned(),
                reason: "another sink writes to the log that is being rehearsed".to_owned(),
            });
        }
        log.checkpoint().await?;
    }
    Ok(())
}

fn proposal(log: &Log, commit: u64) -> Proposal {
    let range = |at: usize| {
        let partition = Partition::new(&format!("rehearsal-{at}"));
        Range {
            follows: log.tail(&partition),
            ends: Position::new(&format!("{commit:020}")),
            partition,
        }
    };
    let attempt = uuid::Uuid::now_v7().simple().to_string();
    let file = File {
        table: "rehearsal_1".to_owned(),
        path: format!("rehearsal_1/dt=2026-01-01/hr=00/{attempt}.parquet"),
        bytes: 1 << 20,
        rows: 1_000,
        crc32c: 0,
        fingerprint: "0123456789abcdef".to_owned(),
        received_min_ms: 0,
        received_max_ms: 0,
        text_bytes_max: None,
        second_rows: 0,
    };
    Proposal {
        attempt,
        committed_ms: 0,
        ranges: (0..PARTITIONS).map(range).collect(),
        files: vec![file],
        gaps: Vec::new(),
        duplicates: Vec::new(),
        seen: Vec::new(),
        replaces: Vec::new(),
    }
}
