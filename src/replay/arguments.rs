//! What can be asked of `headgate replay`.

use std::collections::HashSet;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use headgate_schemas::event::Reason;
use headgate_schemas::format::date_time_micros;
use headgate_sink::table::Generation;

use super::wanted::Wanted;

/// `headgate replay`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What is replayed: rejected events that are valid now, or a part of the stream into new tables
    #[arg(long, value_enum)]
    pub(crate) from: Origin,
    /// Only events of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Only events from then on: 2026-11-22T20:00:00Z, or 2026-11-22 (bad_events: by received_at; stream: by Kafka's
    /// timestamps)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) since: Option<i64>,
    /// Only events before then
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) until: Option<i64>,
    /// bad_events: only those rejected for this reason; may be repeated
    #[arg(long = "reason", value_name = "REASON", value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::as_str)))]
    pub(crate) reasons: Vec<String>,
    /// bad_events: only those from this source; may be repeated
    #[arg(long = "source", value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// bad_events: exits with 3 when some are still invalid
    #[arg(long)]
    pub(crate) strict: bool,
    /// stream: the generation whose tables are filled: <table>__GENERATION
    #[arg(long, value_name = "GENERATION", value_parser = Generation::new)]
    pub(crate) into: Option<Generation>,
    /// stream: a part of a partition, such as events-0:100..200 (up to before 200); may be repeated
    #[arg(long, value_name = "TOPIC-PARTITION:START..END", value_parser = Wanted::parse, conflicts_with_all = ["since", "until", "topics"])]
    pub(crate) offsets: Vec<Wanted>,
    /// stream: a topic; may be repeated [default: stream.topic, if it is no template]
    #[arg(long = "topic", value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    /// stream: replays what is there when retention has removed, or may have removed, a part of what is asked for
    #[arg(long)]
    pub(crate) allow_missing: bool,
    /// Reports in JSON, one object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Origin {
    /// Rejected events that are valid by the schemas now in force
    #[value(name = "bad_events")]
    BadEvents,
    /// A part of the stream, into tables of a generation
    Stream,
}

impl Arguments {
    /// What does not go together.
    pub(crate) fn problem(&self) -> Option<String> {
        let (of_bad_events, of_stream) = (
            [
                ("--reason", !self.reasons.is_empty()),
                ("--source", !self.sources.is_empty()),
                ("--strict", self.strict),
            ],
            [
                ("--into", self.into.is_some()),
                ("--offsets", !self.offsets.is_empty()),
                ("--topic", !self.topics.is_empty()),
                ("--allow-missing", self.allow_missing),
            ],
        );
        let (foreign, from, other) = match self.from {
            Origin::BadEvents => (&of_stream[..], "bad_events", "stream"),
            Origin::Stream => (&of_bad_events[..], "stream", "bad_events"),
        };
        if let Some((flag, _)) = foreign.iter().find(|(_, given)| *given) {
            return Some(format!(
                "{flag} goes with --from {other}, not with --from {from}"
            ));
        }
        if self.from == Origin::Stream && self.into.is_none() {
            return Some("--from stream needs --into, the generation to be filled".to_owned());
        }
        let mut places = HashSet::new();
        let mut offsets = self.offsets.iter();
        if let Some(Wanted {
            topic, partition, ..
        }) = offsets.find(|wanted| !places.insert((&wanted.topic, wanted.partition)))
        {
            return Some(format!(
                "--offsets names {topic}-{partition} twice: one range a partition"
            ));
        }
        let bounds = (self.since, self.until);
        matches!(bounds, (Some(since), Some(until)) if since >= until)
            .then(|| "--since must be before --until".to_owned())
    }
}

/// Microseconds since the epoch.
///
/// # Errors
/// The text is neither a time nor a day.
pub(crate) fn instant(text: &str) -> Result<i64, String> {
    date_time_micros(text)
        .or_else(|| date_time_micros(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| "must be a time such as 2026-11-22T20:00:00Z, or a day (UTC)".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Line::try_parse_from(["replay"].into_iter().chain(line.split_whitespace()))
            .map(|line| line.arguments)
    }

    #[test]
    fn a_time_is_a_date_time_or_a_day() {
        assert_eq!(instant("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(instant("1970-01-01T01:00:01+01:00"), Ok(1_000_000));
        assert!(instant("yesterday").is_err());
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        for (line, named) in [
            ("--from bad_events --into g", "--into"),
            ("--from bad_events --offsets e-0:1..2", "--offsets"),
            ("--from stream --into g --reason invalid", "--reason"),
            ("--from stream --since 2026-01-01", "--into"),
            (
                "--from stream --into g --offsets e-0:1..2 --offsets e-0:4..",
                "e-0 twice",
            ),
            (
                "--from bad_events --since 2026-01-02 --until 2026-01-01",
                "--since",
            ),
        ] {
            let problem = parse(line).expect(line).problem();
            assert!(
                problem.as_ref().is_some_and(|p| p.contains(named)),
                "{line}: {problem:?}"
            );
        }
        for line in [
            "--from bad_events --type a --type b --reason invalid --since 2026-01-01 --source s",
            "--from stream --into g --offsets e-0:1..2 --offsets e-1:1..2",
        ] {
            assert_eq!(parse(line).expect(line).problem(), None, "{line}");
        }
        for wrong in [
            "--from bad_events --reason bad",
            "--from stream --into Far",
            "--from stream --into g --offsets e-0:1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
