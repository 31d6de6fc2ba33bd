//! What was sent and what came back for it: three bytes an event, so that a run of many millions is held
//! in memory and can be proved later, even by another process, from a file.
//!
//! The ledger knows nothing of the sink. Whoever reads the landed tables feeds `(table, event id)` rows to a
//! [`Tally`], which says whether what landed is exactly what the gateway promised.

use serde::{Deserialize, Serialize};

pub use balance::{Balance, Count, Fault, FaultKind, TableCount};
pub use file::Error;
pub use tally::{Patience, Tally, wait_for_landing};

mod balance;
mod file;
mod tally;
#[cfg(test)]
mod tests;

/// The table in which rejected events land.
pub const BAD_EVENTS: &str = "bad_events";

/// What the gateway answered for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Never left this process: it must not land anywhere.
    Unsent,
    /// Durable, says the gateway: it must land in its table exactly once.
    Accepted,
    /// Not valid, says the gateway: it must land in `bad_events` exactly once.
    Rejected,
    /// The gateway asked to send it again (which the load test does not do): it may land once.
    Retry,
    /// The connection broke or the reply did not come in time: it may land once.
    Unknown,
}

impl Outcome {
    /// All outcomes, in the order in which reports show them.
    pub const ALL: [Outcome; 5] = [
        Outcome::Accepted,
        Outcome::Rejected,
        Outcome::Retry,
        Outcome::Unknown,
        Outcome::Unsent,
    ];

    /// The name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Unsent => "unsent",
            Outcome::Accepted => "accepted",
            Outcome::Rejected => "rejected",
            Outcome::Retry => "retry",
            Outcome::Unknown => "unknown",
        }
    }

    fn code(self) -> u8 {
        match self {
            Outcome::Unsent => 0,
            Outcome::Accepted => 1,
            Outcome::Rejected => 2,
            Outcome::Retry => 3,
            Outcome::Unknown => 4,
        }
    }

    fn of_code(code: u8) -> Option<Outcome> {
        Outcome::ALL
            .into_iter()
            .find(|outcome| outcome.code() == code)
    }
}

/// One event as the ledger holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The place of the event's table among the run's tables; none when its type is not known to the registry.
    pub table: Option<u16>,
    /// Whether the event was made to be valid.
    pub valid: bool,
    /// What the gateway answered.
    pub outcome: Outcome,
}

const NO_TABLE: u16 = u16::MAX;
const VALID: u8 = 0x80;

/// The packed form of an [`Entry`]: table, then outcome and validity in one byte.
type Packed = (u16, u8);

fn pack(entry: Entry) -> Packed {
    let valid = if entry.valid { VALID } else { 0 };
    (
        entry.table.unwrap_or(NO_TABLE),
        entry.outcome.code() | valid,
    )
}

fn unpack((table, bits): Packed) -> Entry {
    Entry {
        table: (table != NO_TABLE).then_some(table),
        valid: bits & VALID != 0,
        // Codes that no writer makes are refused when a file is read.
        outcome: Outcome::of_code(bits & !VALID).unwrap_or(Outcome::Unknown),
    }
}

/// The events of one run of the load test. An event's id is the run's id, `-` and the event's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    id: String,
    tables: Vec<String>,
    entries: Vec<Packed>,
}

impl Run {
    /// A run without events. `id` tells it from every other run; `tables` are those that its events belong to.
    pub fn new(id: impl Into<String>, tables: Vec<String>) -> Run {
        Run {
            id: id.into(),
            tables,
            entries: Vec::new(),
        }
    }

    /// The run's id: the first part of each of its events' ids.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The tables that the run's events belong to.
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    /// Events in the ledger: the highest number recorded plus one.
    pub fn events(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Records event `number`; a later record of the same number replaces the earlier one. Numbers in
    /// between that were never recorded count as unsent.
    pub fn record(&mut self, number: u64, entry: Entry) {
        let Ok(at) = usize::try_from(number) else {
            return;
        };
        if at >= self.entries.len() {
            let unsent = Entry {
                table: None,
                valid: true,
                outcome: Outcome::Unsent,
            };
            self.entries.resize(at + 1, pack(unsent));
        }
        self.entries[at] = pack(entry);
    }

    /// The entry of event `number`, when there is one.
    pub fn entry(&self, number: u64) -> Option<Entry> {
        self.entries
            .get(usize::try_from(number).ok()?)
            .copied()
            .map(unpack)
    }

    /// All entries by number.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.entries.iter().copied().map(unpack)
    }

    /// The id of event `number`.
    pub fn event_id(&self, number: u64) -> String {
        format!("{}-{number}", self.id)
    }

    /// The number in an event id of this run; none when the id is not one that this run could have given.
    pub fn number_of(&self, event_id: &str) -> Option<u64> {
        let digits = event_id.strip_prefix(self.id.as_str())?.strip_prefix('-')?;
        let canonical = digits == "0" || !digits.starts_with(['0', '+']);
        if canonical { digits.parse().ok() } else { None }
    }

    fn table_name(&self, entry: Entry) -> Option<&str> {
        self.tables
            .get(usize::from(entry.table?))
            .map(String::as_str)
    }
}

/// One run or several, to be proved together against what landed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    runs: Vec<Run>,
}

impl Ledger {
    /// A ledger of one run.
    pub fn of(run: Run) -> Ledger {
        Ledger { runs: vec![run] }
    }

    /// Adds a run.
    pub fn push(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// Adds the runs of another ledger.
    pub fn extend(&mut self, other: Ledger) {
        self.runs.extend(other.runs);
    }

    /// The runs, oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Events by outcome, over all runs.
    pub fn outcomes(&self, outcome: Outcome) -> u64 {
        let entries = self.runs.iter().flat_map(Run::entries);
        entries.filter(|entry| entry.outcome == outcome).count() as u64
    }
}
