//! What a run has measured so far.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::ledger::{Entry, Ledger, Outcome, Run};
use crate::options::Options;
use crate::pool::Pool;
use crate::report::{Latency, Report, Snapshot};

const LATENCY_US_MAX: u64 = 3_600_000_000;
const LATENCY_DIGITS: u8 = 3;
/// Different error texts that are kept.
const ERRORS_MAX: usize = 32;

/// One request, as far as it is measured.
pub(super) struct Request {
    pub(super) numbers: Range<u64>,
    /// Time between when it was due and when it started.
    pub(super) start_delay: Duration,
    pub(super) late: bool,
    pub(super) json_bytes: usize,
    pub(super) body_bytes: usize,
    /// From when it was due to its reply; none without a reply.
    pub(super) latency: Option<Duration>,
    /// Nobody listened.
    pub(super) refused: bool,
}

pub(super) struct Record {
    run: Run,
    latency: Option<Histogram<u64>>,
    requests: u64,
    refused_events: u64,
    events: BTreeMap<Outcome, u64>,
    late_requests: u64,
    start_delay_max: Duration,
    json_bytes: u64,
    body_bytes: u64,
    errors: BTreeMap<String, u64>,
}

impl Record {
    pub(super) fn new(run_id: &str, tables: &[String]) -> Record {
        Record {
            run: Run::new(run_id, tables.to_vec()),
            latency: Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS).ok(),
            requests: 0,
            refused_events: 0,
            events: BTreeMap::new(),
            late_requests: 0,
            start_delay_max: Duration::ZERO,
            json_bytes: 0,
            body_bytes: 0,
            errors: BTreeMap::new(),
        }
    }

    /// A request is about to be sent.
    pub(super) fn begin(&mut self, pool: &Pool, numbers: &Range<u64>) {
        for number in numbers.clone() {
            self.write(pool, number, Outcome::Unknown);
        }
    }

    /// A request was answered or given up.
    pub(super) fn end(
        &mut self,
        pool: &Pool,
        request: &Request,
        outcomes: Result<Vec<Outcome>, (Outcome, String)>,
    ) {
        self.requests += 1;
        self.late_requests += u64::from(request.late);
        if request.refused {
            self.refused_events += request.numbers.end - request.numbers.start;
        }
        self.start_delay_max = self.start_delay_max.max(request.start_delay);
        let (outcomes, all) = match outcomes {
            Ok(outcomes) => (outcomes, Outcome::Unknown),
            Err((outcome, error)) => {
                if self.errors.len() < ERRORS_MAX || self.errors.contains_key(&error) {
                    *self.errors.entry(error).or_default() += 1;
                }
                (Vec::new(), outcome)
            }
        };
        for (at, number) in request.numbers.clone().enumerate() {
            let outcome = outcomes.get(at).copied().unwrap_or(all);
            self.write(pool, number, outcome);
            *self.events.entry(outcome).or_default() += 1;
        }
        if let (Some(latency), Some(histogram)) = (request.latency, &mut self.latency) {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            histogram.saturating_record(micros);
            self.json_bytes += request.json_bytes as u64;
            self.body_bytes += request.body_bytes as u64;
        }
    }

    fn write(&mut self, pool: &Pool, number: u64, outcome: Outcome) {
        if let Some(payload) = pool.payload(number) {
            self.run.record(
                number,
                Entry {
                    table: payload.table,
                    valid: payload.valid,
                    outcome,
                },
            );
        }
    }

    fn answered(&self) -> u64 {
        let answers = [Outcome::Accepted, Outcome::Rejected, Outcome::Retry];
        answers
            .iter()
            .filter_map(|outcome| self.events.get(outcome))
            .sum()
    }

    fn latency(&self) -> Latency {
        let at = |quantile: f64| {
            let micros = self
                .latency
                .as_ref()
                .map(|latency| latency.value_at_quantile(quantile));
            micros.unwrap_or_default() as f64 / 1_000.0
        };
        Latency {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
        }
    }

    pub(super) fn snapshot(&self, elapsed: Duration, events: u64) -> Snapshot {
        Snapshot {
            elapsed,
            scheduled: events,
            done: self.events.values().sum(),
            rate_per_s: per_second(self.answered() as f64, elapsed),
            p99_ms: self.latency().p99_ms,
            outcomes: self.events.clone(),
        }
    }

    /// The whole run's report. Scheduled events that no worker came to are in it as unsent.
    pub(super) fn report(mut self, options: &Options, elapsed: Duration) -> Report {
        let scheduled = options.schedule().events();
        let done: u64 = self.events.values().sum();
        let left = scheduled.saturating_sub(done);
        if left > 0 {
            *self.events.entry(Outcome::Unsent).or_default() += left;
        }
        Report {
            run_id: self.run.id().to_owned(),
            rate_asked_per_s: options.rate_per_s,
            rate_achieved_per_s: per_second(self.answered() as f64, elapsed),
            elapsed_s: elapsed.as_secs_f64(),
            requests: self.requests,
            refused_events: self.refused_events,
            latency: self.latency(),
            json_megabytes_per_s: per_second(self.json_bytes as f64 / 1e6, elapsed),
            body_megabytes_per_s: per_second(self.body_bytes as f64 / 1e6, elapsed),
            late_share: self.late_requests as f64 / (self.requests as f64).max(1.0),
            late_max_ms: self.start_delay_max.as_secs_f64() * 1e3,
            late_after_ms: options.late_after_ms,
            events: self.events,
            errors: self.errors,
            ledger: Ledger::of(self.run),
        }
    }
}

fn per_second(count: f64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { count / seconds } else { 0.0 }
}
