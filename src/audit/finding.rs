//! What does not balance, or not yet: one fact each, with what to do about it. Pure.

use std::ops::Range;

use headgate_sink::commit::Gap;
use headgate_sink::commit::account::LogAccount;

use super::hours::{Hour, Judged};
use super::stream::Landing;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Published records that have not landed.
    NotLanded,
    /// Committed rows that wait to be loaded.
    NotLoaded,
    /// Committed rows that the warehouse refused.
    SetAside,
    /// Records that retention removed before they were read.
    Gap,
    /// Records that a log covers and that are in no file.
    RecordsWithoutRows,
    /// Rows in files of a log that covers fewer records.
    RowsWithoutRecords,
    /// The files that count have other rows than those that landed.
    Replaced,
    /// A file has fewer rows than its commit says.
    FilesDiffer,
    /// Committed rows that are not in the warehouse, for no reason that is known.
    Missing,
    /// Rows in the warehouse that are in no file, or there twice.
    TooMany,
}

impl What {
    /// Its name for programs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotLanded => "not_landed",
            Self::NotLoaded => "not_loaded",
            Self::SetAside => "set_aside",
            Self::Gap => "gap",
            Self::RecordsWithoutRows => "records_without_rows",
            Self::RowsWithoutRecords => "rows_without_records",
            Self::Replaced => "replaced",
            Self::FilesDiffer => "files_differ",
            Self::Missing => "missing",
            Self::TooMany => "too_many",
        }
    }

    /// Whether it is only not there yet.
    pub(crate) fn waits(self) -> bool {
        matches!(self, Self::NotLanded | Self::NotLoaded | Self::SetAside)
    }
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) what: What,
    pub(crate) table: Option<String>,
    /// The hours that it is of, since the epoch; `None`: all of those asked for.
    pub(crate) hours: Option<Range<i64>>,
    pub(crate) partition: Option<String>,
    /// How many records or rows; `None`: nobody knows.
    pub(crate) count: Option<u64>,
    /// In words.
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn not_landed(landing: &Landing<'_>) -> Self {
        let (partition, lacking) = (&landing.part.partition, landing.lacking);
        let stream = name(&landing.part.log);
        Self {
            what: What::NotLanded,
            table: None,
            hours: None,
            partition: Some(partition.to_string()),
            count: Some(lacking),
            text: format!(
                "not yet landed: partition {partition} of {stream} lacks {lacking} records"
            ),
        }
    }

    pub(crate) fn gap(log: &LogAccount, gap: &Gap) -> Self {
        let partition = &gap.partition;
        let records = gap.records.map_or("some".to_owned(), |n| n.to_string());
        Self {
            what: What::Gap,
            table: None,
            hours: None,
            partition: Some(partition.to_string()),
            count: gap.records,
            text: format!(
                "lost: retention removed {records} records of partition {partition} of {} behind position {} before a sink \
                 read them",
                name(&log.log),
                gap.after
            ),
        }
    }

    pub(crate) fn unaccounted(log: &LogAccount, records: i64) -> Self {
        let (what, are) = match records > 0 {
            true => (What::RecordsWithoutRows, "records more than"),
            false => (What::RowsWithoutRecords, "records fewer than"),
        };
        let count = records.unsigned_abs();
        Self {
            what,
            table: None,
            hours: None,
            partition: None,
            count: Some(count),
            text: format!(
                "commits {} to {} of {} cover {count} {are} rows are in their files",
                log.after + 1,
                log.newest,
                log.log
            ),
        }
    }

    pub(crate) fn replaced(table: &str, hour: i64, landed: u64, committed: u64) -> Self {
        Self {
            what: What::Replaced,
            table: Some(table.to_owned()),
            hours: Some(hour..hour + 1),
            partition: None,
            count: Some(landed.abs_diff(committed)),
            text: format!(
                "{table}, {}: {landed} rows landed, and the files that count have {committed}: see `headgate lake check`",
                instant(hour)
            ),
        }
    }

    pub(crate) fn files_differ(table: &str, hour: i64, committed: u64, rows: u64) -> Self {
        Self {
            what: What::FilesDiffer,
            table: Some(table.to_owned()),
            hours: Some(hour..hour + 1),
            partition: None,
            count: Some(committed.saturating_sub(rows)),
            text: format!(
                "{table}, {}: the commits tell of {committed} rows, and {rows} are in the files",
                instant(hour)
            ),
        }
    }

    /// What an hour lacks, and why.
    pub(crate) fn of_hour(table: &str, number: i64, hour: &Hour, judged: &Judged) -> Vec<Self> {
        let of = |what: What, rows: u64, is: &str| Self {
            what,
            table: Some(table.to_owned()),
            hours: Some(number..number + 1),
            partition: None,
            count: Some(rows),
            text: format!("{table}, {}: {rows} rows {is}", instant(number)),
        };
        let mut found = Vec::new();
        if hour.away.waiting > 0 {
            found.push(of(What::NotLoaded, hour.away.waiting, "wait to be loaded"));
        }
        if hour.away.set_aside > 0 {
            let is = "are set aside: see `headgate warehouse status`";
            found.push(of(What::SetAside, hour.away.set_aside, is));
        }
        if judged.missing != 0 {
            found.push(Self::missing(table, number..number + 1, judged.missing));
        }
        found
    }

    /// Rows that are missing, or below 0 too many.
    pub(crate) fn missing(table: &str, hours: Range<i64>, missing: i64) -> Self {
        let (what, are) = match missing > 0 {
            true => (What::Missing, "are missing in the warehouse"),
            false => (What::TooMany, "are too many in the warehouse"),
        };
        let rows = missing.unsigned_abs();
        let (from, to) = (instant(hours.start), instant(hours.end));
        Self {
            what,
            table: Some(table.to_owned()),
            text: format!(
                "{table}, {from} to {to}: {rows} rows {are}; `headgate warehouse reload --table {table} --from {from} --to {to}` \
                 makes it what has landed"
            ),
            hours: Some(hours),
            partition: None,
            count: Some(rows),
        }
    }
}

/// The stream's name, of its log's.
fn name(log: &str) -> &str {
    log.split('/').next().unwrap_or(log)
}

/// The begin of an hour.
pub(crate) fn instant(hour: i64) -> String {
    let begin = jiff::Timestamp::from_second(hour.saturating_mul(3_600));
    begin.unwrap_or_default().to_string()
}
