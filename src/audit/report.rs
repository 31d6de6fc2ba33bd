//! What `headgate audit` prints.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::{Value, json};

use super::balance::{Balance, Looked, Row};
use super::finding::instant;
use super::stream::{self, Landing};
use crate::cli::exit;
use crate::query::output;

/// Findings that are named one by one to people.
const FINDINGS_MAX: usize = 50;

/// What all of it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every event is where it should be.
    Balanced,
    /// Some are on their way.
    Waits,
    /// Something could not be looked at.
    Unknown,
    /// Something is lost, or there twice.
    Unbalanced,
}

impl Verdict {
    /// Whether `failed` holds anything, what has been found counts.
    pub(crate) fn of(balance: &Balance, failed: &[String]) -> Self {
        match (balance.broken(), failed.is_empty()) {
            (true, _) => Self::Unbalanced,
            (false, false) => Self::Unknown,
            (false, true) if balance.findings.is_empty() => Self::Balanced,
            (false, true) => Self::Waits,
        }
    }

    pub(crate) fn exit(self) -> u8 {
        match self {
            Self::Balanced => 0,
            Self::Waits => exit::NOT_YET,
            Self::Unknown => exit::FAILURE,
            Self::Unbalanced => exit::UNBALANCED,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Waits => "waits",
            Self::Unknown => "unknown",
            Self::Unbalanced => "unbalanced",
        }
    }
}

/// All that is told.
pub(crate) struct Report<'a> {
    pub(crate) looked: &'a Looked,
    pub(crate) balance: &'a Balance,
    /// What could not be looked at, though it should have been.
    pub(crate) failed: &'a [String],
    /// What nobody can say here, and why.
    pub(crate) notes: &'a [String],
    pub(crate) verdict: Verdict,
}

impl Report<'_> {
    /// For programs: one object.
    pub(crate) fn machine(&self) -> Value {
        let looked = self.looked;
        let findings = self.balance.findings.iter().map(|finding| {
            json!({
                "what": finding.what.as_str(), "waits": finding.what.waits(), "table": finding.table,
                "from": finding.hours.as_ref().map(|hours| instant(hours.start)),
                "to": finding.hours.as_ref().map(|hours| instant(hours.end)),
                "partition": finding.partition, "count": finding.count, "text": finding.text,
            })
        });
        let rejected = looked.rejected.as_ref().map(|rejected| {
            let one = |(table, one): &(Option<String>, super::count::Rejected)| {
                json!({
                    "hour": instant(one.hour), "table": table, "type": one.kind, "source": one.source,
                    "reason": one.reason, "by": if one.by_sink { "sink" } else { "gateway" }, "events": one.events,
                })
            };
            rejected.iter().map(one).collect::<Vec<_>>()
        });
        json!({
            "from": instant(looked.hours.start),
            "to": instant(looked.hours.end),
            "verdict": self.verdict.as_str(),
            "hours": self.balance.rows.iter().map(row).collect::<Vec<_>>(),
            "partitions": self.landings().iter().map(partition).collect::<Vec<_>>(),
            "rejected": rejected,
            "findings": findings.collect::<Vec<_>>(),
            "failed": self.failed,
            "not_known": self.notes,
        })
    }

    fn landings(&self) -> Vec<Landing<'_>> {
        let parts = self.looked.parts.as_deref().unwrap_or_default();
        stream::landings(parts, &self.looked.account.logs, &self.looked.hours)
    }

    /// For people: a table, the streams, and one line for each finding.
    pub(crate) fn people(&self, out: &mut impl Write) -> Result<()> {
        let hours = &self.looked.hours;
        writeln!(
            out,
            "received {} to {}",
            instant(hours.start),
            instant(hours.end)
        )?;
        output::write_batch(&table(&self.balance.rows)?, output::Format::Table, out)?;
        self.streams(out)?;
        for finding in self.balance.findings.iter().take(FINDINGS_MAX) {
            let word = match finding.what.waits() {
                true => "WAITS",
                false => "UNBALANCED",
            };
            writeln!(out, "{word}: {}", finding.text)?;
        }
        let more = self.balance.findings.len().saturating_sub(FINDINGS_MAX);
        if more > 0 {
            writeln!(out, "and {more} more: --json tells all")?;
        }
        for failed in self.failed {
            writeln!(out, "FAILED: {failed}")?;
        }
        for note in self.notes {
            writeln!(out, "not known: {note}")?;
        }
        Ok(writeln!(out, "{}", self.verdict.as_str())?)
    }

    /// One line a stream.
    fn streams(&self, out: &mut impl Write) -> io::Result<()> {
        let landings = self.landings();
        let mut names: Vec<&str> = landings.iter().map(|one| one.part.log.as_str()).collect();
        names.dedup();
        for log in names {
            let of_log = landings.iter().filter(|one| one.part.log == log);
            let (mut published, mut lacking, mut cut, mut partitions) = (Some(0), 0, false, 0);
            for landing in of_log {
                published = published.zip(landing.published).map(|(a, b)| a + b);
                lacking += landing.lacking;
                cut |= landing.part.cut;
                partitions += 1;
            }
            let stream = log.split('/').next().unwrap_or(log);
            write!(out, "stream {stream}: {partitions} partitions, ")?;
            if let Some(published) = published {
                let least = if cut { "at least " } else { "" };
                write!(out, "{least}{published} records by the stream's times, ")?;
            }
            writeln!(out, "{lacking} not landed")?;
        }
        Ok(())
    }
}

fn row(row: &Row) -> Value {
    let loaded = row.in_warehouse;
    json!({
        "table": row.table,
        "hour": instant(row.hour),
        "accepted": row.accepted,
        "rejected": row.rejected,
        "published": row.published,
        "published_again": row.again,
        "replayed": row.replayed,
        "committed": row.committed,
        "waiting": loaded.map(|of| of.away.waiting),
        "set_aside": loaded.map(|of| of.away.set_aside),
        "loaded": loaded.map(|of| of.loaded),
        "duplicates_removed": loaded.map(|of| of.judged.duplicates),
        "expired": loaded.map(|of| of.judged.expired),
        "missing": loaded.map(|of| of.judged.missing),
        "values_discarded": loaded.map(|of| of.discarded),
    })
}

fn partition(landing: &Landing<'_>) -> Value {
    json!({
        "stream": landing.part.log,
        "partition": landing.part.partition.as_str(),
        "published": landing.published,
        "at_least": landing.part.cut,
        "not_landed": landing.lacking,
    })
}

/// One row for each table and hour; a column that nothing is known of is left out.
fn table(rows: &[Row]) -> Result<RecordBatch> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let numbers = |of: &dyn Fn(&Row) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Int64Array>())
    };
    let known = |of: &dyn Fn(&Row) -> Option<u64>| numbers(&|row| of(row).map(number));
    let names: StringArray = rows.iter().map(|row| Some(row.table.as_str())).collect();
    let hours: StringArray = rows.iter().map(|row| Some(instant(row.hour))).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("table", Arc::new(names)),
        ("hour", Arc::new(hours)),
        ("accepted", known(&|row| row.accepted)),
        ("rejected", known(&|row| row.rejected)),
        ("published", known(&|row| Some(row.published))),
        ("again", known(&|row| Some(row.again))),
        ("replayed", known(&|row| Some(row.replayed))),
        ("committed", known(&|row| Some(row.committed))),
    ];
    if rows.iter().any(|row| row.in_warehouse.is_some()) {
        let of = |of: fn(&super::balance::LoadedRow) -> u64| {
            known(&|row: &Row| row.in_warehouse.as_ref().map(of))
        };
        columns.extend([
            ("waiting", of(|of| of.away.waiting)),
            ("set aside", of(|of| of.away.set_aside)),
            ("loaded", of(|of| of.loaded)),
            ("duplicates", of(|of| of.judged.duplicates)),
            ("expired", of(|of| of.judged.expired)),
            (
                "missing",
                numbers(&|row| row.in_warehouse.map(|of| of.judged.missing)),
            ),
            ("discarded", of(|of| of.discarded)),
        ]);
    }
    Ok(RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )?)
}
