//! How a run went, for people and for machines.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::ledger::{Ledger, Outcome};

/// How a run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Since the start.
    pub elapsed: Duration,
    /// Events in the whole schedule.
    pub scheduled: u64,
    /// Events answered or given up.
    pub done: u64,
    /// Events answered a second, since the start.
    pub rate_per_s: f64,
    /// The 99th percentile of the latency so far, in milliseconds.
    pub p99_ms: f64,
    /// Events by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
}

impl Snapshot {
    /// Events with this outcome so far.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }
}

/// Percentiles of the time from when a request was due to its reply, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// The median.
    pub p50_ms: f64,
    /// The 90th percentile.
    pub p90_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The 99.9th percentile.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The first part of every event id of the run.
    pub run_id: String,
    /// Events a second that were asked for.
    pub rate_asked_per_s: u64,
    /// Events a second that were answered.
    pub rate_achieved_per_s: f64,
    /// From the start to the last reply, in seconds.
    pub elapsed_s: f64,
    /// Requests sent or tried.
    pub requests: u64,
    /// Events by outcome.
    pub events: BTreeMap<Outcome, u64>,
    /// Of the unsent events, those whose connection was refused: nobody listened.
    pub refused_events: u64,
    /// From when a request was due to its reply; requests without a reply are not in it.
    pub latency: Latency,
    /// Event JSON answered, in megabytes (10^6 bytes) a second.
    pub json_megabytes_per_s: f64,
    /// Request bodies answered, compressed where they were, in megabytes a second.
    pub body_megabytes_per_s: f64,
    /// The share of requests that started later than `late_after_ms` after they were due.
    pub late_share: f64,
    /// The longest that a request started after it was due, in milliseconds.
    pub late_max_ms: f64,
    /// From when on a start counts as late, in milliseconds.
    pub late_after_ms: u64,
    /// What went wrong with requests, and how often.
    pub errors: BTreeMap<String, u64>,
    /// Each event's outcome.
    #[serde(skip)]
    pub ledger: Ledger,
}

impl Report {
    /// Events with this outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.events.get(&outcome).copied().unwrap_or(0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency {
            p50_ms,
            p90_ms,
            p99_ms,
            p999_ms,
            max_ms,
        } = self.latency;
        writeln!(f, "run       {}", self.run_id)?;
        writeln!(
            f,
            "rate      {:.0} events/s of {} asked, for {:.1} s in {} requests",
            self.rate_achieved_per_s, self.rate_asked_per_s, self.elapsed_s, self.requests
        )?;
        write!(f, "events   ")?;
        for outcome in Outcome::ALL {
            write!(f, " {} {}", outcome.name(), self.count(outcome))?;
        }
        if self.refused_events > 0 {
            write!(f, " (refused a connection: {})", self.refused_events)?;
        }
        writeln!(
            f,
            "\nlatency   p50 {p50_ms:.2}  p90 {p90_ms:.2}  p99 {p99_ms:.2}  p99.9 {p999_ms:.2}  max {max_ms:.2} ms, \
             from when each request was due"
        )?;
        writeln!(
            f,
            "traffic   {:.2} MB/s of events, {:.2} MB/s of request bodies",
            self.json_megabytes_per_s, self.body_megabytes_per_s
        )?;
        writeln!(
            f,
            "late      {:.2}% of requests started more than {} ms after they were due, at most {:.1} ms",
            self.late_share * 100.0,
            self.late_after_ms,
            self.late_max_ms
        )?;
        for (error, count) in &self.errors {
            writeln!(f, "error     {count} x {error}")?;
        }
        Ok(())
    }
}
