//! What people and programs are told of a replay: while it runs, and at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use headgate_sink::table::Generation;
use serde::Serialize;

use super::tracker::Counts;

/// What is being replayed, and how much of it there is.
#[derive(Debug, Clone)]
pub(crate) struct Show {
    generation: Option<String>,
    total: u64,
}

/// How it ended.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub(crate) enum Report {
    /// Of bad events.
    BadEvents {
        /// Rows that the filters took.
        looked_at: u64,
        /// Landed by this run.
        replayed: u64,
        /// Landed by a run before.
        replayed_before: u64,
        /// Not valid now, by reason; `partial`: their bytes are not the whole event.
        still_invalid: BTreeMap<&'static str, u64>,
    },
    /// Of the stream.
    Stream {
        /// The tables' generation.
        generation: String,
        /// Offsets in the plan.
        offsets: u64,
        /// Records that this run read.
        read: u64,
        /// Those of other types.
        left_out: u64,
        /// Records that this run landed.
        landed: u64,
        /// Offsets that retention had removed.
        missing: u64,
    },
}

impl Show {
    /// So many rows of bad events.
    pub(crate) fn bad_events(rows: u64) -> Self {
        Self {
            generation: None,
            total: rows,
        }
    }

    /// So many offsets, into that generation.
    pub(crate) fn generation(generation: &Generation, offsets: u64) -> Self {
        Self {
            generation: Some(generation.to_string()),
            total: offsets,
        }
    }

    /// One line, on a terminal only.
    pub(crate) fn progress(&self, counts: &Counts, json: bool) {
        if shown(json) {
            let report = self.report(counts.clone());
            let of = match self.generation {
                Some(_) => "offsets",
                None => "rows",
            };
            eprint!("\r\x1b[K{report}, of {} {of}", self.total);
            // Nothing is lost with it.
            drop(io::stderr().flush());
        }
    }

    /// The line goes.
    pub(crate) fn end_progress(&self, json: bool) {
        if shown(json) {
            eprint!("\r\x1b[K");
        }
    }

    /// What the counts mean.
    pub(crate) fn report(&self, counts: Counts) -> Report {
        match &self.generation {
            Some(generation) => Report::Stream {
                generation: generation.clone(),
                offsets: self.total,
                read: counts.seen,
                left_out: counts.passed_over,
                landed: counts.landed,
                missing: counts.missing,
            },
            None => Report::BadEvents {
                looked_at: counts.seen,
                replayed: counts.landed,
                replayed_before: counts.passed_over,
                still_invalid: counts.left,
            },
        }
    }
}

fn shown(json: bool) -> bool {
    !json && io::stderr().is_terminal()
}

impl Report {
    /// Bad events that are still invalid.
    pub(crate) fn left(&self) -> u64 {
        match self {
            Self::BadEvents { still_invalid, .. } => still_invalid.values().sum(),
            Self::Stream { .. } => 0,
        }
    }

    /// Writes it to standard output.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        let mut out = io::stdout().lock();
        match json {
            true => writeln!(out, "{}", serde_json::to_string(self)?)?,
            false => writeln!(out, "{self}")?,
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadEvents {
                looked_at,
                replayed,
                replayed_before,
                still_invalid,
            } => {
                write!(
                    f,
                    "{looked_at} bad events looked at: {replayed} replayed, {replayed_before} replayed before, {} still invalid",
                    self.left()
                )?;
                for (index, (reason, events)) in still_invalid.iter().enumerate() {
                    let before = if index == 0 { " (" } else { ", " };
                    write!(f, "{before}{reason} {events}")?;
                }
                f.write_str(if still_invalid.is_empty() { "" } else { ")" })
            }
            Self::Stream {
                generation,
                read,
                left_out,
                landed,
                missing,
                ..
            } => write!(
                f,
                "generation {generation}: {read} records read, {landed} landed, {left_out} of other types left out, \
                 {missing} offsets missing"
            ),
        }
    }
}
