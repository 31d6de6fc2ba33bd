//! Whether a table's hours balance: committed = loaded + what waits + what was set aside + duplicates. Pure.
//!
//! How many duplicates a load removed is in the ledger, but a load may have rows of several hours. So for each hour there is
//! a least and a most of rows that may be absent from the warehouse, and hours that loads share are held against the sum
//! of these loads as well: rows that were lost show, wherever they were.

use std::collections::BTreeMap;
use std::ops::Range;

use headgate_sink::warehouse::{Away, LoadBooks};

/// A table's rows of one hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hour {
    pub(crate) committed: u64,
    pub(crate) loaded: u64,
    pub(crate) away: Away,
}

/// What a table's hours are judged by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) loads: Vec<LoadBooks>,
    /// Hours of which the ledger does not tell what is there.
    pub(crate) reloaded: Vec<Range<i64>>,
    /// Rows of earlier hours are or were removed.
    pub(crate) kept_from: Option<i64>,
    /// What counting the landed files' events came to, where they were counted.
    pub(crate) counted: BTreeMap<i64, Counted>,
}

/// The events in the landed files of one table and hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) rows: u64,
    /// Different events.
    pub(crate) events: u64,
    /// Those of them that are also in another hour, where the warehouse may have them instead.
    pub(crate) elsewhere: u64,
    /// Rows of one event within an hour are one row.
    pub(crate) once_an_hour: bool,
}

/// How many committed rows may be absent from the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    least: u64,
    most: u64,
}

/// What an hour came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Rows that were left out, as their events were there already.
    pub(crate) duplicates: u64,
    /// Rows that were removed for their age.
    pub(crate) expired: u64,
    /// Rows that nothing explains: absent, or below 0 too many.
    pub(crate) missing: i64,
}

/// Hours that do not balance together though each of them might.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Together {
    pub(crate) hours: Range<i64>,
    pub(crate) missing: i64,
}

impl Books {
    /// The hours of which only the landed files tell how many duplicates there are.
    pub(crate) fn doubtful(&self, hours: &BTreeMap<i64, Hour>) -> Vec<i64> {
        let open = |number: i64, hour: &Hour| {
            self.is_reloaded(number) && !self.is_expired(number) && absent(hour) != 0
        };
        let open = hours.iter().filter(|(number, hour)| open(**number, hour));
        open.map(|(number, _)| *number).collect()
    }

    /// The hours from which rows are absent.
    pub(crate) fn short(&self, hours: &BTreeMap<i64, Hour>) -> Vec<i64> {
        let short = |number: i64, hour: &Hour| !self.is_expired(number) && absent(hour) != 0;
        let short = hours.iter().filter(|(number, hour)| short(**number, hour));
        short.map(|(number, _)| *number).collect()
    }

    /// Judges each hour.
    pub(crate) fn judge(&self, hours: &BTreeMap<i64, Hour>) -> BTreeMap<i64, Judged> {
        let judge = |(number, hour): (&i64, &Hour)| (*number, self.judge_one(*number, hour));
        hours.iter().map(judge).collect()
    }

    fn judge_one(&self, number: i64, hour: &Hour) -> Judged {
        let absent = absent(hour);
        let away = hour.away.waiting + hour.away.set_aside;
        let beyond = |absent: i64| u64::try_from(absent).unwrap_or(0).saturating_sub(away);
        if self.is_expired(number) {
            return Judged {
                duplicates: 0,
                expired: beyond(absent),
                missing: absent.min(0),
            };
        }
        let missing = outside(absent, self.bounds(number, hour));
        Judged {
            duplicates: beyond(absent - missing.max(0)),
            expired: 0,
            missing,
        }
    }

    /// Hours that share loads, where their sum does not balance and none of them is at fault alone.
    pub(crate) fn together(&self, hours: &BTreeMap<i64, Hour>) -> Vec<Together> {
        let judged = self.judge(hours);
        let mut found = Vec::new();
        for span in self.shared() {
            let within: Vec<_> = hours.range(span.clone()).collect();
            let told = within.iter().all(|(number, _)| {
                let number = **number;
                !self.is_reloaded(number)
                    && !self.is_expired(number)
                    && judged
                        .get(&number)
                        .is_some_and(|judged| judged.missing == 0)
            });
            let (Some((first, _)), Some((last, _)), true) = (within.first(), within.last(), told)
            else {
                continue;
            };
            let span = **first..**last + 1;
            let away: u64 = within.iter().map(|(_, hour)| away(hour)).sum();
            let removed = self.removed(&span);
            let bounds = Bounds {
                least: removed.least + away,
                most: removed.most + away,
            };
            let absent = within.iter().map(|(_, hour)| absent(hour)).sum();
            let missing = outside(absent, bounds);
            if missing != 0 {
                found.push(Together {
                    hours: span,
                    missing,
                });
            }
        }
        found
    }

    fn bounds(&self, number: i64, hour: &Hour) -> Bounds {
        let away = away(hour);
        let removed = self.removed(&(number..number + 1));
        let by_ledger = match self.is_reloaded(number) {
            // What waits may have come with the reload.
            true => Bounds {
                least: 0,
                most: u64::MAX,
            },
            false => Bounds {
                least: removed.least + away,
                most: removed.most.saturating_add(away),
            },
        };
        let Some(counted) = self.counted.get(&number) else {
            return by_ledger;
        };
        let least = match counted.once_an_hour {
            true => hour.committed.saturating_sub(counted.events),
            false => 0,
        };
        let doubled = counted.rows.saturating_sub(counted.events);
        let most = doubled + counted.elsewhere + away;
        // The files are what the warehouse is to hold: where the ledger tells otherwise, it is wrong.
        let both = Bounds {
            least: least.max(by_ledger.least),
            most: most.min(by_ledger.most),
        };
        match both.least <= both.most {
            true => both,
            false => Bounds { least, most },
        }
    }

    /// How many rows loads left out of these hours: all that loads of no other hours did, and at most what all did that
    /// touch them.
    fn removed(&self, hours: &Range<i64>) -> Bounds {
        let sum = |of: &dyn Fn(&Range<i64>) -> bool| {
            let loads = self.loads.iter().filter(|load| of(&load.hours));
            loads.map(|load| load.duplicates).sum()
        };
        Bounds {
            least: sum(&|load| hours.start <= load.start && load.end <= hours.end),
            most: sum(&|load| load.start < hours.end && hours.start < load.end),
        }
    }

    /// The hours that loads of more than one hour hold together.
    fn shared(&self) -> Vec<Range<i64>> {
        let mut spans: Vec<Range<i64>> = self.loads.iter().map(|load| load.hours.clone()).collect();
        spans.retain(|span| span.end - span.start > 1);
        spans.sort_by_key(|span| span.start);
        let mut shared: Vec<Range<i64>> = Vec::new();
        for span in spans {
            match shared.last_mut().filter(|last| span.start < last.end) {
                Some(last) => last.end = last.end.max(span.end),
                None => shared.push(span),
            }
        }
        shared
    }

    fn is_reloaded(&self, hour: i64) -> bool {
        self.reloaded.iter().any(|hours| hours.contains(&hour))
    }

    fn is_expired(&self, hour: i64) -> bool {
        self.kept_from.is_some_and(|kept| hour < kept)
    }
}

/// Committed rows that are not in the warehouse.
fn absent(hour: &Hour) -> i64 {
    let number = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
    number(hour.committed) - number(hour.loaded)
}

fn away(hour: &Hour) -> u64 {
    hour.away.waiting + hour.away.set_aside
}

/// By how much it is more than the most, or, below 0, less than the least.
fn outside(absent: i64, bounds: Bounds) -> i64 {
    let number = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
    let (least, most) = (number(bounds.least), number(bounds.most));
    (absent - most).max(0) + (absent - least).min(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(committed: u64, loaded: u64, waiting: u64, set_aside: u64) -> Hour {
        Hour {
            committed,
            loaded,
            away: Away { waiting, set_aside },
        }
    }

    fn load(hours: Range<i64>, duplicates: u64) -> LoadBooks {
        LoadBooks { hours, duplicates }
    }

    fn books(loads: Vec<LoadBooks>) -> Books {
        Books {
            loads,
            ..Books::default()
        }
    }

    fn one(books: &Books, hour: Hour) -> Judged {
        books.judge(&BTreeMap::from([(5, hour)]))[&5]
    }

    fn judged(duplicates: u64, missing: i64) -> Judged {
        Judged {
            duplicates,
            expired: 0,
            missing,
        }
    }

    #[test]
    fn what_is_loaded_or_waits_or_was_set_aside_or_was_there_already_balances() {
        let books = books(vec![load(5..6, 3), load(5..6, 1)]);
        assert_eq!(one(&books, hour(100, 80, 10, 6)), judged(4, 0));
        assert_eq!(one(&Books::default(), hour(7, 0, 7, 0)), judged(0, 0));
    }

    #[test]
    fn a_row_that_is_gone_is_missing_and_no_duplicate() {
        let books = books(vec![load(5..6, 4)]);
        assert_eq!(one(&books, hour(100, 95, 0, 0)), judged(4, 1));
        assert_eq!(one(&Books::default(), hour(100, 0, 0, 0)), judged(0, 100));
        // What was committed and neither loaded nor waits: passed over.
        assert_eq!(one(&books, hour(100, 80, 10, 0)), judged(4, 6));
    }

    #[test]
    fn a_row_too_many_is_told() {
        assert_eq!(one(&Books::default(), hour(10, 11, 0, 0)), judged(0, -1));
        // Loaded by a hand, though the ledger says that it was left out.
        assert_eq!(
            one(&books(vec![load(5..6, 4)]), hour(10, 8, 0, 0)),
            judged(2, -2)
        );
        assert_eq!(one(&Books::default(), hour(10, 10, 3, 0)), judged(0, -3));
    }

    #[test]
    fn hours_that_share_loads_are_held_against_their_sum() {
        let books = books(vec![load(5..7, 4), load(6..8, 2), load(9..10, 9)]);
        let hours = |losses: [u64; 3]| {
            let hour = |(at, loss): (i64, u64)| (at, hour(100, 100 - loss, 0, 0));
            BTreeMap::from_iter([5, 6, 7].into_iter().zip(losses).map(hour))
        };
        assert_eq!(books.together(&hours([1, 3, 2])), []);
        let lost = books.together(&hours([4, 3, 0]));
        assert_eq!(
            lost,
            [Together {
                hours: 5..8,
                missing: 1
            }]
        );
        // Each of them might be right alone.
        let missing = books.judge(&hours([4, 3, 0])).into_values();
        assert_eq!(missing.map(|judged| judged.missing).sum::<i64>(), 0);
        // One that is at fault alone is told alone.
        assert_eq!(books.together(&hours([5, 0, 0])), []);
        assert_eq!(books.judge(&hours([5, 0, 0]))[&5].missing, 1);
    }

    #[test]
    fn a_load_that_reaches_out_of_the_window_may_have_removed_its_rows_anywhere() {
        let books = books(vec![load(4..6, 4)]);
        assert_eq!(one(&books, hour(100, 98, 0, 0)), judged(2, 0));
        assert_eq!(one(&books, hour(100, 95, 0, 0)), judged(4, 1));
    }

    #[test]
    fn hours_that_were_loaded_again_are_judged_by_the_files() {
        let mut books = books(vec![load(5..6, 4)]);
        books.reloaded = vec![5..6];
        let hours = BTreeMap::from([(5, hour(100, 90, 0, 0)), (6, hour(10, 9, 0, 0))]);
        assert_eq!(books.doubtful(&hours), [5]);
        assert_eq!(books.short(&hours), [5, 6]);
        let mut counted = Counted {
            rows: 100,
            events: 90,
            elsewhere: 0,
            once_an_hour: true,
        };
        books.counted.insert(5, counted);
        assert_eq!(one(&books, hour(100, 90, 0, 0)), judged(10, 0));
        assert_eq!(one(&books, hour(100, 89, 0, 0)), judged(10, 1));
        assert_eq!(one(&books, hour(100, 91, 0, 0)), judged(9, -1));
        counted.elsewhere = 2;
        books.counted.insert(5, counted);
        assert_eq!(one(&books, hour(100, 88, 0, 0)), judged(12, 0));
        counted.once_an_hour = false;
        books.counted.insert(5, counted);
        assert_eq!(one(&books, hour(100, 95, 0, 0)), judged(5, 0));
    }

    #[test]
    fn a_ledger_that_tells_other_than_the_files_is_not_believed() {
        let mut books = books(vec![load(5..6, 10)]);
        let counted = Counted {
            rows: 100,
            events: 98,
            elsewhere: 0,
            once_an_hour: true,
        };
        books.counted.insert(5, counted);
        assert_eq!(one(&books, hour(100, 90, 0, 0)), judged(2, 8));
    }

    #[test]
    fn rows_that_are_too_old_are_expired_and_not_missing() {
        let books = Books {
            kept_from: Some(6),
            ..Books::default()
        };
        let expired = Judged {
            expired: 93,
            ..Judged::default()
        };
        assert_eq!(one(&books, hour(100, 7, 0, 0)), expired);
        assert_eq!(one(&books, hour(100, 101, 0, 0)), judged(0, -1));
        let doubtful = books.doubtful(&BTreeMap::from([(5, hour(1, 0, 0, 0))]));
        assert!(doubtful.is_empty(), "{doubtful:?}");
    }
}
