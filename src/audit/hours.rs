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
mod tests;
