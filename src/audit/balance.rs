//! Everything that was looked at, laid together: a row for each table and hour, and what is wrong or not there yet. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use headgate_sink::commit::account::{Account, TableHour};
use headgate_sink::warehouse::{self, Away};

use super::count::Rejected;
use super::finding::Finding;
use super::hours::{Books, Counted, Hour, Judged};
use super::stream::{self, Part};

/// What there is of some hours.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    pub(crate) hours: Range<i64>,
    pub(crate) account: Account,
    /// `None`: the stream could not be asked.
    pub(crate) parts: Option<Vec<Part>>,
    /// Rejected events with the table that their type has, if it has one. `None`: they could not be read.
    pub(crate) rejected: Option<Vec<(Option<String>, Rejected)>>,
    /// `None`: there is no warehouse, or it could not be asked.
    pub(crate) warehouse: Option<InWarehouse>,
}

/// What the warehouse has of them.
#[derive(Debug, Default)]
pub(crate) struct InWarehouse {
    pub(crate) books: warehouse::Books,
    pub(crate) away: BTreeMap<TableHour, Away>,
    /// Tables that are loaded; the others stay in the store.
    pub(crate) follows: BTreeSet<String>,
    /// What counting the events in the landed files came to, by table.
    pub(crate) counted: BTreeMap<String, BTreeMap<i64, Counted>>,
}

/// A table's hour; what is `None` is not known, or does not apply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) table: String,
    pub(crate) hour: i64,
    /// Events that clients were told to be accepted, as far as the stream has them; each counts in its own table alone.
    pub(crate) accepted: Option<u64>,
    pub(crate) rejected: Option<u64>,
    /// Records of the stream.
    pub(crate) published: u64,
    /// Those of them that did not land, as their events had before.
    pub(crate) again: u64,
    pub(crate) replayed: u64,
    /// Rows in files that count.
    pub(crate) committed: u64,
    pub(crate) in_warehouse: Option<LoadedRow>,
}

/// The warehouse's part of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LoadedRow {
    pub(crate) away: Away,
    pub(crate) loaded: u64,
    pub(crate) judged: Judged,
    pub(crate) discarded: u64,
}

/// The balance.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    /// By table, then hour.
    pub(crate) rows: Vec<Row>,
    pub(crate) findings: Vec<Finding>,
}

impl InWarehouse {
    /// The tables' hours, and what they are judged by.
    pub(crate) fn tables(
        &self,
        account: &Account,
        hours: &Range<i64>,
    ) -> BTreeMap<String, (BTreeMap<i64, Hour>, Books)> {
        let mut tables: BTreeMap<String, (BTreeMap<i64, Hour>, Books)> = BTreeMap::new();
        for ((table, hour), landed) in &account.hours {
            if self.follows.contains(table) {
                let (of_table, _) = tables.entry(table.clone()).or_default();
                of_table.entry(*hour).or_default().committed = landed.committed;
            }
        }
        for (table, found) in &self.books.tables {
            if found.rows.is_empty() && !tables.contains_key(table) {
                continue;
            }
            let (of_table, books) = tables.entry(table.clone()).or_default();
            for (hour, rows) in found.rows.range(hours.clone()) {
                of_table.entry(*hour).or_default().loaded = *rows;
            }
            books.loads.clone_from(&found.loads);
            books.reloaded.clone_from(&found.reloaded);
            books.kept_from = found.kept_from;
            books.counted = self.counted.get(table).cloned().unwrap_or_default();
        }
        for ((table, hour), away) in &self.away {
            if let Some((of_table, _)) = tables.get_mut(table).filter(|_| hours.contains(hour)) {
                of_table.entry(*hour).or_default().away = *away;
            }
        }
        tables
    }
}

impl Looked {
    /// Lays all of it together; of one table only, if one is named.
    pub(crate) fn balance(&self, only: Option<&str>) -> Balance {
        let mut rows = self.landed();
        self.add_rejected(&mut rows);
        let mut findings = Vec::new();
        self.streams(&mut findings);
        self.replaced(&mut findings);
        self.loaded(&mut rows, &mut findings);
        let wanted = |table: Option<&str>| only.is_none() || table.is_none() || table == only;
        findings.retain(|finding| wanted(finding.table.as_deref()));
        let rows = rows.into_values().filter(|row| wanted(Some(&row.table)));
        Balance {
            rows: rows.collect(),
            findings,
        }
    }

    fn landed(&self) -> BTreeMap<TableHour, Row> {
        let row = |((table, hour), landed): (&TableHour, _)| {
            let landed: &headgate_sink::commit::account::Landed = landed;
            let row = Row {
                accepted: accepted(table).then_some(
                    (landed.streamed + landed.duplicates).saturating_sub(landed.second_rows),
                ),
                published: landed.streamed + landed.duplicates,
                again: landed.duplicates,
                replayed: landed.replayed,
                committed: landed.committed,
                ..empty(table, *hour)
            };
            ((table.clone(), *hour), row)
        };
        self.account.hours.iter().map(row).collect()
    }

    fn add_rejected(&self, rows: &mut BTreeMap<TableHour, Row>) {
        let Some(rejected) = &self.rejected else {
            return;
        };
        for row in rows.values_mut().filter(|row| accepted(&row.table)) {
            row.rejected = Some(0);
        }
        for (table, rejected) in rejected {
            let Some(table) = table.as_ref().filter(|_| !rejected.by_sink) else {
                continue;
            };
            let place = (table.clone(), rejected.hour);
            let row = rows.entry(place).or_insert_with(|| Row {
                accepted: Some(0),
                rejected: Some(0),
                ..empty(table, rejected.hour)
            });
            *row.rejected.get_or_insert(0) += rejected.events;
        }
    }

    /// What the stream has and the logs do not, what retention removed, and records that became no row.
    fn streams(&self, findings: &mut Vec<Finding>) {
        let parts = self.parts.as_deref().unwrap_or_default();
        for landing in stream::landings(parts, &self.account.logs, &self.hours) {
            if landing.lacking > 0 {
                findings.push(Finding::not_landed(&landing));
            }
        }
        for log in &self.account.logs {
            let gaps = stream::gaps(log, parts).into_iter();
            findings.extend(gaps.map(|gap| Finding::gap(log, gap)));
            match stream::unaccounted(log) {
                Some(0) | None => {}
                Some(_) if super::is_replay(&log.log) => {}
                Some(records) => findings.push(Finding::unaccounted(log, records)),
            }
        }
    }

    /// What counts now has to be what has landed, whatever compactors made of it.
    fn replaced(&self, findings: &mut Vec<Finding>) {
        for ((table, hour), landed) in &self.account.hours {
            let named = landed.streamed + landed.replayed;
            if named != landed.committed {
                findings.push(Finding::replaced(table, *hour, named, landed.committed));
            }
        }
    }

    fn loaded(&self, rows: &mut BTreeMap<TableHour, Row>, findings: &mut Vec<Finding>) {
        let Some(warehouse) = &self.warehouse else {
            return;
        };
        for (table, (hours, books)) in warehouse.tables(&self.account, &self.hours) {
            let known = warehouse.books.tables.get(&table);
            for (number, judged) in books.judge(&hours) {
                let hour = hours.get(&number).copied().unwrap_or_default();
                let place = (table.clone(), number);
                let row = rows.entry(place).or_insert_with(|| empty(&table, number));
                let discarded = known.and_then(|known| known.discarded.get(&number));
                row.in_warehouse = Some(LoadedRow {
                    away: hour.away,
                    loaded: hour.loaded,
                    judged,
                    discarded: discarded.copied().unwrap_or(0),
                });
                findings.extend(Finding::of_hour(&table, number, &hour, &judged));
                let counted = books.counted.get(&number).map(|counted| counted.rows);
                if let Some(rows) = counted.filter(|rows| *rows < hour.committed) {
                    findings.push(Finding::files_differ(&table, number, hour.committed, rows));
                }
            }
            let together = books.together(&hours).into_iter();
            findings.extend(together.map(|of| Finding::missing(&table, of.hours, of.missing)));
        }
    }
}

impl Balance {
    /// Whether anything is wrong, rather than not there yet.
    pub(crate) fn broken(&self) -> bool {
        self.findings.iter().any(|finding| !finding.what.waits())
    }

    /// The kinds of what was found.
    #[cfg(test)]
    pub(crate) fn whats(&self) -> Vec<super::finding::What> {
        self.findings.iter().map(|finding| finding.what).collect()
    }
}

/// Whether the table's rows are events that a gateway accepted.
fn accepted(table: &str) -> bool {
    !headgate_schemas::event::reserved(table)
}

fn empty(table: &str, hour: i64) -> Row {
    Row {
        table: table.to_owned(),
        hour,
        ..Row::default()
    }
}

#[cfg(test)]
mod tests;
