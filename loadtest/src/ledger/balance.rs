//! The balance sheet: what was promised against what landed, for people and for machines.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::tally::{Seen, Tally};
use super::{BAD_EVENTS, Entry, Outcome};

/// One way in which an event breaks the balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Accepted or rejected, but not where it must have landed.
    Missing,
    /// Landed more than once.
    Double,
    /// Landed in a table where it does not belong.
    Misplaced,
    /// Landed although it was never sent.
    Unpromised,
    /// A landed id that has the run's name but was never given to an event.
    Foreign,
    /// The gateway accepted an event that its schema does not allow.
    AcceptedInvalid,
    /// The gateway rejected an event that its schema allows.
    RejectedValid,
}

impl FaultKind {
    /// What the kind means, for the report.
    pub fn meaning(self) -> &'static str {
        match self {
            FaultKind::Missing => "missing",
            FaultKind::Double => "landed more than once",
            FaultKind::Misplaced => "in a table where it does not belong",
            FaultKind::Unpromised => "landed though never sent",
            FaultKind::Foreign => "an id that the run never gave",
            FaultKind::AcceptedInvalid => "accepted though invalid",
            FaultKind::RejectedValid => "rejected though valid",
        }
    }
}

/// One event that breaks the balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The event's id.
    pub event_id: String,
    /// What the gateway answered; none for a foreign id.
    pub outcome: Option<Outcome>,
    /// The table that the fault is about: where the event is missing or doubled, or where it should not be.
    pub table: Option<String>,
}

/// The events of one outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Events with this outcome.
    pub events: u64,
    /// Events with at least one landed row.
    pub landed: u64,
    /// Events that must have landed and did not.
    pub missing: u64,
    /// Events that landed more than once.
    pub double: u64,
    /// Events that landed where they must not.
    pub misplaced: u64,
}

/// One table's side of the balance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableCount {
    /// Events that must be in the table.
    pub promised: u64,
    /// Rows of the ledger's runs that are in the table.
    pub rows: u64,
}

/// The verdict on a ledger and the rows that landed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Whether everything landed exactly as promised: no fault of any kind.
    pub balanced: bool,
    /// The ids of the runs that were proved.
    pub runs: Vec<String>,
    /// Events in the ledger.
    pub events: u64,
    /// Events by outcome.
    pub outcomes: BTreeMap<Outcome, Count>,
    /// Promised and landed rows by table.
    pub tables: BTreeMap<String, TableCount>,
    /// Rows of other origin, which are none of the ledger's business.
    pub other_rows: u64,
    /// Faults by kind: all of them.
    pub fault_counts: BTreeMap<FaultKind, u64>,
    /// The first faults, by name.
    pub faults: Vec<Fault>,
}

impl Balance {
    pub(super) fn of(tally: &Tally<'_>) -> Balance {
        let mut balance = Balance {
            balanced: false,
            runs: tally
                .ledger()
                .runs()
                .iter()
                .map(|run| run.id().to_owned())
                .collect(),
            events: tally.ledger().runs().iter().map(super::Run::events).sum(),
            outcomes: BTreeMap::new(),
            tables: BTreeMap::new(),
            other_rows: tally.other_rows,
            fault_counts: BTreeMap::new(),
            faults: Vec::new(),
        };
        for (run, number, entry, seen) in tally.events() {
            let fault = seen.fault(entry);
            balance.count(entry, seen, fault);
            balance.promise(tally, run, entry);
            for kind in [fault, disagreement(entry)].into_iter().flatten() {
                balance.fault(tally, kind, || {
                    name(tally, (run, number), entry, seen, kind)
                });
            }
        }
        for (table, rows) in &tally.rows_by_table {
            balance.tables.entry(table.clone()).or_default().rows = *rows;
        }
        if tally.foreign_rows > 0 {
            balance
                .fault_counts
                .insert(FaultKind::Foreign, tally.foreign_rows);
        }
        let room = tally.names_max.saturating_sub(balance.faults.len());
        balance.faults.extend(
            tally
                .foreign
                .iter()
                .take(room)
                .map(|(table, event_id)| Fault {
                    kind: FaultKind::Foreign,
                    event_id: event_id.clone(),
                    outcome: None,
                    table: Some(table.clone()),
                }),
        );
        balance.balanced = balance.fault_counts.is_empty();
        balance
    }

    fn count(&mut self, entry: Entry, seen: Seen, fault: Option<FaultKind>) {
        let count = self.outcomes.entry(entry.outcome).or_default();
        count.events += 1;
        count.landed += u64::from(seen.landed());
        count.missing += u64::from(fault == Some(FaultKind::Missing));
        count.double += u64::from(fault == Some(FaultKind::Double));
        count.misplaced += u64::from(matches!(
            fault,
            Some(FaultKind::Misplaced | FaultKind::Unpromised)
        ));
    }

    fn promise(&mut self, tally: &Tally<'_>, run: usize, entry: Entry) {
        let table = match entry.outcome {
            Outcome::Accepted => tally.ledger().runs()[run].table_name(entry),
            Outcome::Rejected => Some(BAD_EVENTS),
            _ => None,
        };
        let Some(table) = table else { return };
        match self.tables.get_mut(table) {
            Some(count) => count.promised += 1,
            None => {
                self.tables.insert(
                    table.to_owned(),
                    TableCount {
                        promised: 1,
                        rows: 0,
                    },
                );
            }
        }
    }

    fn fault(&mut self, tally: &Tally<'_>, kind: FaultKind, name: impl FnOnce() -> Fault) {
        *self.fault_counts.entry(kind).or_default() += 1;
        if self.faults.len() < tally.names_max {
            self.faults.push(name());
        }
    }
}

/// The gateway's verdict against the one that the load test made with the same schemas.
fn disagreement(entry: Entry) -> Option<FaultKind> {
    match (entry.outcome, entry.valid) {
        (Outcome::Accepted, false) => Some(FaultKind::AcceptedInvalid),
        (Outcome::Rejected, true) => Some(FaultKind::RejectedValid),
        _ => None,
    }
}

fn name(
    tally: &Tally<'_>,
    (run, number): (usize, u64),
    entry: Entry,
    seen: Seen,
    kind: FaultKind,
) -> Fault {
    let own = tally.ledger().runs()[run].table_name(entry);
    let astray = tally.elsewhere.get(&(run, number)).map(String::as_str);
    let table = match kind {
        FaultKind::Misplaced | FaultKind::Unpromised if seen.elsewhere => astray,
        FaultKind::Misplaced if entry.outcome == Outcome::Rejected => own,
        FaultKind::Misplaced if entry.valid || entry.outcome == Outcome::Accepted => {
            Some(BAD_EVENTS)
        }
        FaultKind::Unpromised if seen.bad > 0 => Some(BAD_EVENTS),
        FaultKind::Missing | FaultKind::Double if entry.outcome == Outcome::Rejected => {
            Some(BAD_EVENTS)
        }
        FaultKind::Double if !entry.valid && entry.outcome != Outcome::Accepted => Some(BAD_EVENTS),
        _ => own,
    };
    Fault {
        kind,
        event_id: tally.ledger().runs()[run].event_id(number),
        outcome: Some(entry.outcome),
        table: table.map(str::to_owned),
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "outcome",
            "events",
            "landed",
            "missing",
            "double",
            "misplaced",
        ];
        let [outcome, rest @ ..] = head;
        write!(f, "{outcome:<12}")?;
        rest.iter().try_for_each(|name| write!(f, "{name:>12}"))?;
        writeln!(f)?;
        for outcome in Outcome::ALL {
            let Some(count) = self.outcomes.get(&outcome) else {
                continue;
            };
            write!(f, "{:<12}", outcome.name())?;
            let Count {
                events,
                landed,
                missing,
                double,
                misplaced,
            } = count;
            for number in [events, landed, missing, double, misplaced] {
                write!(f, "{number:>12}")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\n{:<36}{:>12}{:>12}", "table", "promised", "rows")?;
        for (table, TableCount { promised, rows }) in &self.tables {
            writeln!(f, "{table:<36}{promised:>12}{rows:>12}")?;
        }
        if self.balanced {
            return writeln!(
                f,
                "\nbalanced: every event is exactly where it was promised to be"
            );
        }
        writeln!(f, "\nNOT BALANCED")?;
        for (kind, count) in &self.fault_counts {
            writeln!(f, "{count:>12}  {}", kind.meaning())?;
        }
        for fault in &self.faults {
            let table = fault.table.as_deref().unwrap_or("no table");
            let outcome = fault.outcome.map_or("foreign", Outcome::name);
            writeln!(
                f,
                "  {} ({outcome}, {table}): {}",
                fault.event_id,
                fault.kind.meaning()
            )?;
        }
        let named = self.faults.len() as u64;
        match self
            .fault_counts
            .values()
            .sum::<u64>()
            .saturating_sub(named)
        {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
