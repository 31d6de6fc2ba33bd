//! What landed of some hours, for an audit: the rows that commits named when they landed, the rows that count of them now,
//! and what each log covers meanwhile.
//!
//! A file is of one table and one hour of received time. What sinks named is counted from the commits since shortly before
//! the first hour, whatever became of their files; what counts now from all logs, compactors' included. A compaction that
//! lost or doubled rows shows as a difference of the two.

use std::{collections::BTreeMap, ops::Range};

use headgate_stream::log::{Partition, Position};

use super::{
    COMMITS, Error, Gap, Record,
    checkpoint::Commit,
    snapshot::{Named, each_named},
    spans,
};
use crate::store::Store;

/// Files are of one hour each.
pub const HOUR_MS: i64 = 3_600_000;

/// Commits are looked at from so long before the first hour: by so much may the clock of a sink be behind a gateway's.
const CLOCKS_MS: i64 = HOUR_MS;

/// A table's rows of one hour, by number: hours since the epoch, UTC.
pub type TableHour = (String, i64);

/// Some hours of all tables, as of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Hours in which something was received.
    pub hours: BTreeMap<TableHour, Landed>,
    /// Every log that has a commit.
    pub logs: Vec<LogAccount>,
}

/// Rows of one table and hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Landed {
    /// That sinks landed from streams.
    pub streamed: u64,
    /// Those of them that are second rows of their records.
    pub second_rows: u64,
    /// Events that did not land, as they had before.
    pub duplicates: u64,
    /// That replays landed.
    pub replayed: u64,
    /// In the files that count now.
    pub committed: u64,
}

/// A log from shortly before the first hour to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogAccount {
    /// `<stream>/<incarnation>`.
    pub log: String,
    /// The commits behind this one were looked at; 0: all.
    pub after: u64,
    /// Up to this one.
    pub newest: u64,
    /// When that one was proposed, by its writer's clock, in ms since the epoch.
    pub newest_ms: i64,
    /// Rows in the files that they name: each of another record.
    pub rows: u64,
    /// Records that did not land, as their events had before.
    pub duplicates: u64,
    /// What they say to be missing.
    pub gaps: Vec<Gap>,
    /// Each partition's tail before them.
    pub before: BTreeMap<Partition, Position>,
    /// Each partition's tail now.
    pub tails: BTreeMap<Partition, Position>,
}

/// Reads what there is of these hours. `replays`: whether a log, by its name, is one of replays.
///
/// # Errors
/// The store fails, or a log is broken.
pub async fn read(
    store: &dyn Store,
    hours: &Range<i64>,
    replays: impl Fn(&str) -> bool,
) -> Result<Account, Error> {
    let mut account = Account::default();
    let mut newest = Vec::new();
    each_named(store, &mut |named| match named {
        Named::Counts { table, file } => {
            let hour = file.received_min_ms.div_euclid(HOUR_MS);
            if hours.contains(&hour) {
                account.at(table, hour).committed += file.rows;
            }
        }
        Named::Log { log, newest: last } if last > 0 => newest.push((log.to_owned(), last)),
        _ => {}
    })
    .await?;
    let since_ms = (hours.start * HOUR_MS).saturating_sub(CLOCKS_MS);
    for (folder, newest) in newest {
        let name = folder.strip_prefix(COMMITS).unwrap_or(&folder);
        let name = name.trim_end_matches('/');
        let replayed = replays(name);
        let mut log = begin(store, &folder, newest, since_ms).await?;
        log.log = name.to_owned();
        let mut each = |commit: Commit| {
            log.gaps.extend(commit.gaps);
            for again in &commit.duplicates {
                log.duplicates += again.events;
                if hours.contains(&again.hour) && !replayed {
                    account.at(&again.table, again.hour).duplicates += again.events;
                }
            }
            for file in commit.files {
                log.rows += file.rows.saturating_sub(file.second_rows);
                let hour = file.received_min_ms.div_euclid(HOUR_MS);
                if hours.contains(&hour) {
                    let landed = account.at(&file.table, hour);
                    match replayed {
                        true => landed.replayed += file.rows,
                        false => {
                            landed.streamed += file.rows;
                            landed.second_rows += file.second_rows;
                        }
                    }
                }
            }
        };
        spans::below_epochs(store, &folder, log.after + 1..=newest, &mut each).await?;
        account.logs.push(log);
    }
    Ok(account)
}

impl Account {
    fn at(&mut self, table: &str, hour: i64) -> &mut Landed {
        self.hours.entry((table.to_owned(), hour)).or_default()
    }
}

/// The log with its tails, from the last commit before that time on.
async fn begin(
    store: &dyn Store,
    folder: &str,
    newest: u64,
    since_ms: i64,
) -> Result<LogAccount, Error> {
    let last = spans::record(store, folder, newest).await?;
    let mut log = LogAccount {
        newest,
        newest_ms: last.committed_ms,
        tails: tails(last),
        ..LogAccount::default()
    };
    // Clocks of several sinks differ by less than is looked at before the hour: that their commits are not in the order of
    // their times moves the begin by that, and no more.
    let (mut before, mut beyond) = (0, newest + 1);
    while beyond - before > 1 {
        let middle = before + (beyond - before) / 2;
        match spans::record(store, folder, middle).await?.committed_ms < since_ms {
            true => before = middle,
            false => beyond = middle,
        }
    }
    log.after = before;
    if before > 0 {
        log.before = tails(spans::record(store, folder, before).await?);
    }
    Ok(log)
}

fn tails(record: Record) -> BTreeMap<Partition, Position> {
    let tails = record.tails.into_iter();
    tails.map(|tail| (tail.partition, tail.ends)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headgate_stream::log::StreamId;

    use super::*;
    use crate::{
        commit::{
            COMPACT_INCARNATION, COMPACT_STREAM, File, Log, Outcome, Proposal, Range as Part,
        },
        testing::memory::Memory,
    };

    fn file(path: &str, hour: i64, rows: u64) -> File {
        File {
            table: "t_1".to_owned(),
            path: path.to_owned(),
            bytes: 1,
            rows,
            crc32c: 0,
            fingerprint: "f".to_owned(),
            received_min_ms: hour * HOUR_MS,
            received_max_ms: hour * HOUR_MS + 1,
            text_bytes_max: None,
            second_rows: 0,
        }
    }

    /// Commits a partition's records up to `ends`.
    async fn commit(
        log: &mut Log,
        partition: &str,
        ends: u64,
        committed_ms: i64,
        (files, replaces, gaps): (Vec<File>, Vec<String>, Vec<Gap>),
    ) {
        let partition = Partition::new(partition);
        let proposal = Proposal {
            attempt: format!("{partition}-{ends}"),
            committed_ms,
            ranges: vec![Part {
                follows: log.tail(&partition),
                partition,
                ends: Position::from_number(ends),
            }],
            files,
            gaps,
            duplicates: Vec::new(),
            seen: Vec::new(),
            replaces,
        };
        let put = log.put(&proposal, || {}).await.unwrap();
        assert!(matches!(put, Outcome::Committed(_)));
    }

    async fn log(store: &Memory, name: &str, incarnation: &str) -> Log {
        let id = StreamId {
            name: name.to_owned(),
            incarnation: incarnation.to_owned(),
        };
        Log::open(Arc::new(store.clone()), id, 4).await.unwrap()
    }

    #[tokio::test]
    async fn rows_are_counted_as_they_landed_and_as_they_count_now() {
        let store = Memory::new();
        let mut events = log(&store, "events", "i").await;
        let gap = Gap {
            partition: Partition::new("0"),
            after: Position::from_number(29),
            records: Some(5),
        };
        for n in 1..=20_u64 {
            let hour = (n / 2) as i64;
            let files = vec![file(&format!("a{n}"), hour, n)];
            let gaps = Vec::from_iter((n == 16).then(|| gap.clone()));
            let at_ms = hour * HOUR_MS + 9;
            commit(&mut events, "0", n * 10, at_ms, (files, vec![], gaps)).await;
        }
        let mut replay = log(&store, "replay.bad_events", "1").await;
        commit(
            &mut replay,
            "0",
            1,
            9 * HOUR_MS,
            (vec![file("r", 8, 100)], vec![], vec![]),
        )
        .await;
        let mut compact = log(&store, COMPACT_STREAM, COMPACT_INCARNATION).await;
        // One row is lost.
        let replaced = vec!["a16".to_owned(), "a17".to_owned()];
        let files = vec![file("c", 8, 32)];
        commit(
            &mut compact,
            "t_1",
            1,
            11 * HOUR_MS,
            (files, replaced, vec![]),
        )
        .await;
        let account = read(&store, &(8..10), |log| log.starts_with("replay."))
            .await
            .unwrap();
        let hour = |hour| account.hours[&("t_1".to_owned(), hour)];
        let landed = |streamed, replayed, committed| Landed {
            streamed,
            second_rows: 0,
            duplicates: 0,
            replayed,
            committed,
        };
        assert_eq!(hour(8), landed(33, 100, 132));
        assert_eq!(hour(9), landed(37, 0, 37));
        assert_eq!(account.hours.len(), 2);
        let [events, replay] = account.logs.as_slice() else {
            panic!("{:?}", account.logs)
        };
        // From an hour before on: 14 is the first commit of hour 7.
        assert_eq!((events.after, events.newest), (13, 20));
        assert_eq!(events.rows, (14..=20).sum::<u64>());
        assert_eq!(events.gaps, [gap]);
        let at = |tails: &BTreeMap<Partition, Position>| tails[&Partition::new("0")].clone();
        assert_eq!(at(&events.before), Position::from_number(130));
        assert_eq!(at(&events.tails), Position::from_number(200));
        assert_eq!((replay.after, replay.rows), (0, 100));
    }
}
