//! What can be asked of `headgate audit`.

use std::ops::Range;

use clap::Args;

use crate::replay;

const HOUR_MICROS: i64 = 3_600_000_000;

/// `headgate audit`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Events received from then on, whole hours (UTC): 2026-11-22T20:00:00Z, or 2026-11-22 [default: an hour before --to]
    #[arg(long, value_name = "TIME", value_parser = replay::instant)]
    pub(crate) from: Option<i64>,
    /// Events received before then [default: the begin of this hour]
    #[arg(long, value_name = "TIME", value_parser = replay::instant)]
    pub(crate) to: Option<i64>,
    /// Only this table; the streams are looked at as a whole
    #[arg(long)]
    pub(crate) table: Option<String>,
    /// Counts the events in the landed files of every hour that has duplicates, rather than believing the ledger
    #[arg(long)]
    pub(crate) exact: bool,
    /// Reports in JSON, one object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Arguments {
    /// The hours that are asked for, since the epoch: begun ones are taken whole.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn hours(&self, now_micros: i64) -> Result<Range<i64>, String> {
        let end = self
            .to
            .unwrap_or(now_micros.div_euclid(HOUR_MICROS) * HOUR_MICROS);
        let end = end.saturating_add(HOUR_MICROS - 1).div_euclid(HOUR_MICROS);
        let start = self.from.map(|from| from.div_euclid(HOUR_MICROS));
        let hours = start.unwrap_or(end - 1)..end;
        match hours.is_empty() {
            true => Err("--from must be before --to".to_owned()),
            false => Ok(hours),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: Option<i64>, to: Option<i64>) -> Result<Range<i64>, String> {
        let arguments = Arguments {
            from,
            to,
            table: None,
            exact: false,
            json: false,
        };
        arguments.hours(10 * HOUR_MICROS + 5)
    }

    #[test]
    fn the_last_hour_that_has_ended_is_the_default_and_hours_are_whole() {
        assert_eq!(hours(None, None), Ok(9..10));
        assert_eq!(hours(Some(HOUR_MICROS + 1), None), Ok(1..10));
        assert_eq!(hours(None, Some(4 * HOUR_MICROS + 1)), Ok(4..5));
        assert!(hours(Some(5 * HOUR_MICROS), Some(5 * HOUR_MICROS)).is_err());
    }
}
