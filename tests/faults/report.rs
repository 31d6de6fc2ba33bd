//! The summary: what each kind of fault met, over all seeds that it was in.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::kind::{Kind, Stream};
use crate::run::Outcome;
use crate::schedule::Schedule;
use crate::warehouse::Loaded;

const END: &str = "<!-- end -->\n";

/// The seeds over a stream that passed, and what they came to.
pub(crate) struct Report {
    stream: Stream,
    seeds: Vec<(Schedule, Outcome)>,
    failed: Vec<u64>,
    took: Duration,
}

impl Report {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            seeds: Vec::new(),
            failed: Vec::new(),
            took: Duration::ZERO,
        }
    }

    pub(crate) fn passed(&mut self, schedule: &Schedule, outcome: Outcome, took: Duration) {
        self.seeds.push((schedule.clone(), outcome));
        self.took += took;
    }

    pub(crate) fn failed(&mut self, seed: u64, took: Duration) {
        self.failed.push(seed);
        self.took += took;
    }

    pub(crate) fn failures(&self) -> &[u64] {
        &self.failed
    }

    /// The summary in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let (again, rule) = match self.stream {
            Stream::Kafka => ("", ""),
            Stream::Kinesis => (" written again |", "---:|"),
        };
        let mut text = format!(
            "| fault | seeds | times | accepted | rejected | retry or unknown | lost | doubled |{again} longest recovery, s |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|{rule}---:|\n",
        );
        let met = |kind: &Kind| {
            let mut faults = self.seeds.iter().flat_map(|(schedule, _)| &schedule.faults);
            faults.any(|fault| fault.kind == *kind)
        };
        let kinds = Kind::summed(self.stream).into_iter();
        for kind in kinds.filter(met) {
            let with = |(schedule, _): &&(Schedule, Outcome)| {
                schedule.faults.iter().any(|fault| fault.kind == kind)
            };
            self.line(&mut text, &kind.to_string(), Some(kind), with);
        }
        self.line(&mut text, "**all seeds**", None, |_| true);
        let seeds = self.seeds.len() + self.failed.len();
        let commits: u64 = self.seeds.iter().map(|(_, outcome)| outcome.commits).sum();
        let swept: u64 = self.seeds.iter().map(|(_, outcome)| outcome.swept).sum();
        let each = self.took.as_secs_f64() / (seeds as f64).max(1.0);
        text.push_str(&format!(
            "\n{} of {seeds} seeds passed, {each:.0} s each. Their logs have {commits} commits without a gap; {swept} files \
             that no commit named were swept, and none is left.\n",
            self.seeds.len()
        ));
        let loaded = self.seeds.iter().filter_map(|(_, outcome)| outcome.loaded);
        let loaded: Vec<Loaded> = loaded.collect();
        if !loaded.is_empty() {
            let rows: u64 = loaded.iter().map(|loaded| loaded.rows).sum();
            let loads: u64 = loaded.iter().map(|loaded| loaded.loads).sum();
            text.push_str(&format!(
                "{} seeds have a warehouse: its tables have the {rows} events that landed, each once, by {loads} loads, and none was \
                 set aside.\n",
                loaded.len()
            ));
        }
        if !self.failed.is_empty() {
            text.push_str(&format!("\n**Failed seeds**: {:?}\n", self.failed));
        }
        text
    }

    fn line(
        &self,
        text: &mut String,
        name: &str,
        kind: Option<Kind>,
        with: impl Fn(&&(Schedule, Outcome)) -> bool,
    ) {
        let seeds: Vec<&(Schedule, Outcome)> = self.seeds.iter().filter(with).collect();
        let struck: u64 = seeds
            .iter()
            .flat_map(|(schedule, outcome)| schedule.faults.iter().zip(&outcome.struck))
            .filter(|(fault, _)| kind.is_none_or(|kind| fault.kind == kind))
            .map(|(_, struck)| struck)
            .sum();
        let sum = |of: &dyn Fn(&Outcome) -> u64| -> u64 { seeds.iter().map(|(_, o)| of(o)).sum() };
        let events = |name: &str| sum(&|outcome| outcome.events.get(name).copied().unwrap_or(0));
        let recovery = seeds.iter().map(|(_, outcome)| outcome.recovery).max();
        let again = match self.stream {
            Stream::Kafka => String::new(),
            Stream::Kinesis => format!(" {} |", sum(&|outcome| outcome.again)),
        };
        text.push_str(&format!(
            "| {name} | {} | {struck} | {} | {} | {} | {} | {} |{again} {:.1} |\n",
            seeds.len(),
            events("accepted"),
            events("rejected"),
            events("retry") + events("unknown"),
            sum(&|outcome| outcome.missing),
            sum(&|outcome| outcome.double),
            recovery.unwrap_or_default().as_secs_f64()
        ));
    }

    /// Puts the summary between its markers.
    pub(crate) fn write(&self, page: &Path) -> Result<()> {
        let begin = match self.stream {
            Stream::Kafka => "<!-- measured: faults -->\n",
            Stream::Kinesis => "<!-- measured: faults over Kinesis -->\n",
        };
        let old = fs::read_to_string(page).with_context(|| format!("no {}", page.display()))?;
        let parts = old.split_once(begin).and_then(|(head, rest)| {
            let (_, tail) = rest.split_once(END)?;
            Some((head, tail))
        });
        let (head, tail) =
            parts.with_context(|| format!("no {} in {}", begin.trim(), page.display()))?;
        let new = format!("{head}{begin}{}{END}{tail}", self.markdown());
        fs::write(page, new).with_context(|| format!("cannot write {}", page.display()))
    }
}
