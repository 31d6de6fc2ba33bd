//! What the warehouse has of some hours, and what its ledger says of them, for an audit.
//!
//! A table's rows and its rows in the ledger come from one statement, as of one moment. What was committed is looked at
//! after that, so that a load in between shows as rows that wait, and never as rows that are missing.

mod question;

use std::{collections::BTreeMap, ops::Range};

use self::question::{Question, about, hour};
use super::{
    Error, Loader,
    lanes::Lanes,
    ledger::{self, EVERY_TABLE, Position, SetAside},
    names,
    session::Rows,
};
use crate::commit::{
    File,
    account::{HOUR_MS, LogAccount, TableHour},
    follow,
};

/// So many tables are asked for in one statement: the Data API takes 100 KB.
const TABLES_AT_ONCE: usize = 40;

/// So many commits are read at once.
const COMMITS_AT_ONCE: u64 = 1_024;

/// What the warehouse says of some hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// The tables that the ledger or a schema knows.
    pub tables: BTreeMap<String, TableBooks>,
    /// How far the ledger says that everything is loaded.
    positions: Vec<Position>,
    /// What was set aside, of all times.
    set_aside: Vec<SetAside>,
}

/// What the warehouse says of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableBooks {
    /// Its rows, by hour.
    pub rows: BTreeMap<i64, u64>,
    /// Values that fitted no column, by the hour of their row.
    pub discarded: BTreeMap<i64, u64>,
    /// Loads that touch the hours.
    pub loads: Vec<LoadBooks>,
    /// Hours that were loaded again since: the ledger does not tell what is there of them.
    pub reloaded: Vec<Range<i64>>,
    /// Rows of earlier hours are or were removed, for their age.
    pub kept_from: Option<i64>,
}

/// Loads of the same hours, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadBooks {
    /// The hours that rows in their files are of; between the first and the last there may be none.
    pub hours: Range<i64>,
    /// Rows that were left out, as their events were there already.
    pub duplicates: u64,
}

/// Committed rows that are not in the warehouse, of one table and hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Away {
    /// That wait to be loaded.
    pub waiting: u64,
    /// That the warehouse refused.
    pub set_aside: u64,
}

impl Loader {
    /// Whether the table is loaded at all.
    pub fn follows(&self, table: &str) -> bool {
        self.worker.config.loads(table)
    }

    /// Reads the books of these hours. A ledger that is not there yet is empty.
    ///
    /// # Errors
    /// The warehouse cannot be read.
    pub async fn books(&self, hours: &Range<i64>) -> Result<Books, Error> {
        let worker = &self.worker;
        worker.look_all().await?;
        let mut books = Books::default();
        if worker.held(names::LOADS).is_none() {
            return Ok(books);
        }
        let asked = ledger::ask_positions(&worker.names);
        let known = ledger::positions(worker.session.statement(&asked).await?);
        let known = known.into_iter().map(|position| position.table);
        let declared = worker.layouts.tables();
        let declared = declared.iter().map(|table| table.name().to_owned());
        let mut tables: Vec<String> = known.chain(declared).collect();
        tables.retain(|name| self.follows(name) && name != EVERY_TABLE);
        tables.sort();
        tables.dedup();
        for tables in tables.chunks(TABLES_AT_ONCE) {
            let there = |name: &&String| worker.held(name).is_some();
            let there: Vec<&String> = tables.iter().filter(there).collect();
            let asked = Question::new(&worker.names, tables, hours).sql(&there);
            let rows = worker.session.statement(&asked).await?;
            for name in tables {
                let kept_from = worker.oldest_kept_ms(name);
                let table = books.tables.entry(name.clone()).or_default();
                table.kept_from = kept_from.map(|ms| ms.div_euclid(HOUR_MS) + 1);
            }
            books.take(rows);
        }
        Ok(books)
    }

    /// The rows that the logs named up to there, and that the books do not have, of all hours.
    ///
    /// # Errors
    /// The logs cannot be read.
    pub async fn away(
        &self,
        books: &Books,
        logs: &[LogAccount],
    ) -> Result<BTreeMap<TableHour, Away>, Error> {
        let (store, config) = (&*self.worker.store, &self.worker.config);
        let mut away: BTreeMap<TableHour, Away> = BTreeMap::new();
        let mut lanes = Lanes::new(config, books.positions.clone());
        for LogAccount { log, newest, .. } in logs {
            while lanes.read(log) < *newest {
                let after = lanes.read(log);
                let most = COMMITS_AT_ONCE.min(newest - after);
                let commits = follow::behind(store, log, after, most).await?;
                if commits.is_empty() {
                    break;
                }
                for commit in commits {
                    lanes.add(log, commit, |table| config.loads(table));
                }
            }
        }
        for (table, file) in lanes.waiting_files() {
            away.entry(place(table, file)).or_default().waiting += file.rows;
        }
        for load in &books.set_aside {
            let commits = load.ends.saturating_sub(load.follows);
            let commits = follow::behind(store, &load.log, load.follows, commits).await?;
            let files = commits.iter().flat_map(|commit| &commit.files);
            for file in files.filter(|file| file.table == load.table) {
                away.entry(place(&load.table, file)).or_default().set_aside += file.rows;
            }
        }
        Ok(away)
    }
}

fn place(table: &str, file: &File) -> TableHour {
    (table.to_owned(), file.received_min_ms.div_euclid(HOUR_MS))
}

impl Books {
    /// Books that say this of their tables, and that everything is loaded.
    pub fn of(tables: BTreeMap<String, TableBooks>) -> Self {
        Self {
            tables,
            ..Self::default()
        }
    }

    /// Takes in what the warehouse answers to [`Question`].
    fn take(&mut self, rows: Rows) {
        for row in rows {
            if let Ok([Some(what), Some(table), one, two, first, second]) =
                <[Option<String>; 6]>::try_from(row)
            {
                let number = |text: Option<String>| text?.parse::<u64>().ok();
                let numbers = (number(first).unwrap_or(0), number(second).unwrap_or(0));
                self.take_one(&what, table, (one.as_deref(), two.as_deref()), numbers);
            }
        }
    }

    fn take_one(
        &mut self,
        what: &str,
        table: String,
        texts: (Option<&str>, Option<&str>),
        numbers: (u64, u64),
    ) {
        let hours = (texts.0.and_then(hour), texts.1.and_then(hour));
        let known = self.tables.get_mut(&table);
        match (what, known, hours) {
            (about::ROWS, Some(books), (Some(hour), _)) => {
                *books.rows.entry(hour).or_default() += numbers.0;
            }
            (about::DISCARDS, Some(books), (Some(hour), _)) => {
                *books.discarded.entry(hour).or_default() += numbers.0;
            }
            (about::LOADS, Some(books), (Some(least), Some(most))) => books.loads.push(LoadBooks {
                hours: least..most + 1,
                duplicates: numbers.0,
            }),
            (about::RELOAD, Some(books), (Some(done), _)) => {
                books.reloaded.push(reloaded(numbers, done));
            }
            // Of several answers the first one: by a later watermark, what waited at the first would be passed over.
            (about::POSITION, ..)
                if table == EVERY_TABLE
                    && self.positions.iter().any(|known| {
                        known.table == table && texts.0 == Some(known.log.as_str())
                    }) => {}
            (about::POSITION, ..) => self.positions.extend(texts.0.map(|log| Position {
                table,
                log: log.to_owned(),
                ends: numbers.0,
            })),
            (about::SET_ASIDE, ..) => self.set_aside.extend(texts.0.map(|log| SetAside {
                id: texts.1.unwrap_or_default().to_owned(),
                table,
                log: log.to_owned(),
                follows: numbers.0,
                ends: numbers.1,
                files: 0,
                received_min: String::new(),
                error: String::new(),
            })),
            _ => {}
        }
    }
}

/// The hours of a window in ms since the epoch that was loaded again in that hour; of the whole table, where there is no
/// window. What was received later came by loads of its own.
fn reloaded((from_ms, to_ms): (u64, u64), done: i64) -> Range<i64> {
    let hour_of = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX).div_euclid(HOUR_MS);
    let begin = hour_of(from_ms);
    let end = match to_ms {
        0 => i64::MAX,
        to_ms => hour_of(to_ms.saturating_sub(1)).saturating_add(1),
    };
    begin..end.min(done.saturating_add(1)).max(begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: [&str; 6]) -> Vec<Option<String>> {
        let value = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        values.map(value).to_vec()
    }

    #[test]
    fn the_answer_is_read_into_books() {
        let mut books = Books::default();
        books.tables.insert("t".to_owned(), TableBooks::default());
        let at = hour("2026-11-22 20").unwrap();
        assert_eq!(at * HOUR_MS, 1_795_377_600_000);
        let window = ["0", &(at * HOUR_MS).to_string()].map(str::to_owned);
        books.take(vec![
            row(["rows", "t", "2026-11-22 20", "", "7", "0"]),
            row(["rows", "u", "2026-11-22 20", "", "7", "0"]),
            row(["discards", "t", "2026-11-22 20", "", "2", "0"]),
            row(["loads", "t", "2026-11-22 20", "2026-11-22 21", "3", "0"]),
            row(["reload", "t", "2026-11-22 22", "", "0", "0"]),
            row(["reload", "t", "2026-11-22 22", "", &window[0], &window[1]]),
            row(["position", "*", "events/1", "", "4", "0"]),
            row(["set_aside", "t", "events/1", "id", "4", "5"]),
            row(["nonsense", "t", "", "", "", ""]),
        ]);
        let table = &books.tables["t"];
        assert_eq!(table.rows, BTreeMap::from([(at, 7)]));
        assert_eq!(table.discarded, BTreeMap::from([(at, 2)]));
        let load = LoadBooks {
            hours: at..at + 2,
            duplicates: 3,
        };
        assert_eq!(table.loads, [load]);
        assert_eq!(table.reloaded, [0..at + 3, 0..at]);
        assert_eq!((books.positions[0].ends, books.set_aside[0].ends), (4, 5));
        assert_eq!(books.tables.len(), 1);
    }
}
