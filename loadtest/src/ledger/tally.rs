//! Counts landed rows against the ledger, one byte an event, and waits until they have all arrived.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::balance::{Balance, FaultKind};
use super::{BAD_EVENTS, Entry, Ledger, Outcome};

const COUNT: u8 = 0b11;
const BAD_SHIFT: u8 = 2;
const ELSEWHERE: u8 = 0b1_0000;

/// Where an event's rows were seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Rows in the event's own table; 2 stands for more, too.
    pub(super) own: u8,
    /// Rows in `bad_events`; 2 stands for more, too.
    pub(super) bad: u8,
    /// At least one row in any other table.
    pub(super) elsewhere: bool,
}

impl Seen {
    fn of(bits: u8) -> Seen {
        Seen {
            own: bits & COUNT,
            bad: (bits >> BAD_SHIFT) & COUNT,
            elsewhere: bits & ELSEWHERE != 0,
        }
    }

    /// Whether the event has any row.
    pub(super) fn landed(self) -> bool {
        self.own > 0 || self.bad > 0 || self.elsewhere
    }

    /// What is wrong with where the event landed, when something is.
    pub(super) fn fault(self, entry: Entry) -> Option<FaultKind> {
        let in_own_table = (self.own, self.bad);
        let in_bad_events = (self.bad, self.own);
        let ((home, away), promised) = match entry.outcome {
            Outcome::Unsent if self.landed() => return Some(FaultKind::Unpromised),
            Outcome::Unsent => return None,
            Outcome::Accepted => (in_own_table, true),
            Outcome::Rejected => (in_bad_events, true),
            Outcome::Retry | Outcome::Unknown if entry.valid => (in_own_table, false),
            Outcome::Retry | Outcome::Unknown => (in_bad_events, false),
        };
        match home {
            _ if self.elsewhere || away > 0 => Some(FaultKind::Misplaced),
            0 if promised => Some(FaultKind::Missing),
            0 | 1 => None,
            _ => Some(FaultKind::Double),
        }
    }
}

/// The rows seen so far in one reading of the landed tables.
#[derive(Debug)]
pub struct Tally<'a> {
    ledger: &'a Ledger,
    runs: HashMap<&'a str, usize>,
    seen: Vec<Vec<u8>>,
    pub(super) names_max: usize,
    /// The first rows whose id has a run's name but a number that the run never gave.
    pub(super) foreign: Vec<(String, String)>,
    pub(super) foreign_rows: u64,
    /// The first rows seen in a table that is neither the event's own nor `bad_events`.
    pub(super) elsewhere: HashMap<(usize, u64), String>,
    pub(super) other_rows: u64,
    pub(super) rows_by_table: BTreeMap<String, u64>,
}

impl<'a> Tally<'a> {
    /// A tally that has seen no rows. At most `names_max` offending ids are kept by name; all are counted.
    pub fn new(ledger: &'a Ledger, names_max: usize) -> Tally<'a> {
        let runs = ledger
            .runs
            .iter()
            .enumerate()
            .map(|(at, run)| (run.id(), at))
            .collect();
        let seen = ledger
            .runs
            .iter()
            .map(|run| vec![0; run.entries.len()])
            .collect();
        Tally {
            ledger,
            runs,
            seen,
            names_max,
            foreign: Vec::new(),
            foreign_rows: 0,
            elsewhere: HashMap::new(),
            other_rows: 0,
            rows_by_table: BTreeMap::new(),
        }
    }

    /// Counts one landed row. For a row of `bad_events`, `event_id` is the id of the event that was
    /// rejected. Rows whose id belongs to none of the ledger's runs are counted and otherwise ignored.
    pub fn row(&mut self, table: &str, event_id: &str) {
        let run = event_id
            .split_once('-')
            .and_then(|(id, _)| self.runs.get(id).copied());
        let Some(at) = run else {
            self.other_rows += 1;
            return;
        };
        self.count_in(table);
        let run = &self.ledger.runs[at];
        let number = run
            .number_of(event_id)
            .filter(|number| *number < run.events());
        let entry = number.and_then(|number| Some((number, run.entry(number)?)));
        let Some((number, entry)) = entry else {
            self.foreign_rows += 1;
            if self.foreign.len() < self.names_max {
                self.foreign.push((table.to_owned(), event_id.to_owned()));
            }
            return;
        };
        let own = run.table_name(entry) == Some(table);
        let Some(bits) = usize::try_from(number)
            .ok()
            .and_then(|n| self.seen[at].get_mut(n))
        else {
            return;
        };
        let seen = Seen::of(*bits);
        if table == BAD_EVENTS {
            *bits = (*bits & !(COUNT << BAD_SHIFT)) | ((seen.bad + 1).min(2) << BAD_SHIFT);
        } else if own {
            *bits = (*bits & !COUNT) | (seen.own + 1).min(2);
        } else {
            *bits |= ELSEWHERE;
            if self.elsewhere.len() < self.names_max {
                self.elsewhere.insert((at, number), table.to_owned());
            }
        }
    }

    fn count_in(&mut self, table: &str) {
        match self.rows_by_table.get_mut(table) {
            Some(rows) => *rows += 1,
            None => {
                self.rows_by_table.insert(table.to_owned(), 1);
            }
        }
    }

    /// Whether every accepted and every rejected event has arrived where it belongs.
    pub fn complete(&self) -> bool {
        self.events()
            .all(|(_, _, entry, seen)| seen.fault(entry) != Some(FaultKind::Missing))
    }

    /// The verdict on the rows seen so far, taken as all there are.
    pub fn balance(&self) -> Balance {
        Balance::of(self)
    }

    /// Every event: its run's place, its number, its entry and where it was seen.
    pub(super) fn events(&self) -> impl Iterator<Item = (usize, u64, Entry, Seen)> + '_ {
        let runs = self.ledger.runs.iter().zip(&self.seen).enumerate();
        runs.flat_map(|(at, (run, seen))| {
            let events = run.entries().zip(seen).zip(0..);
            events.map(move |((entry, bits), number)| (at, number, entry, Seen::of(*bits)))
        })
    }

    pub(super) fn ledger(&self) -> &'a Ledger {
        self.ledger
    }
}

/// How long to wait for events to land.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Past this, what is missing is missing.
    pub deadline: Duration,
    /// Between two readings of the landed tables.
    pub poll: Duration,
    /// After the first complete reading one more is made this much later, so that late doubles are seen.
    pub settle: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            deadline: Duration::from_secs(60),
            poll: Duration::from_millis(500),
            settle: Duration::from_secs(2),
        }
    }
}

/// Has `read` feed all landed rows to a fresh tally, again and again until all that was promised is
/// there or the deadline has passed, and returns the last reading's verdict.
///
/// # Errors
/// The first error of `read`.
pub async fn wait_for_landing<E>(
    ledger: &Ledger,
    patience: Patience,
    names_max: usize,
    mut read: impl AsyncFnMut(&mut Tally<'_>) -> Result<(), E>,
) -> Result<Balance, E> {
    let deadline = Instant::now() + patience.deadline;
    let mut settling = false;
    loop {
        let mut tally = Tally::new(ledger, names_max);
        read(&mut tally).await?;
        let complete = tally.complete();
        if (settling && complete) || Instant::now() >= deadline {
            return Ok(tally.balance());
        }
        settling = complete;
        let pause = if complete {
            patience.settle
        } else {
            patience.poll
        };
        tokio::time::sleep(pause).await;
    }
}
