//! What was published in some hours, by the stream itself, and how far it has landed by the commit logs.
//!
//! A position is opaque to whoever lands. Here offsets are counted, as each backend tells them: each record becomes one row,
//! of its table or of the bad events, or is counted as a duplicate, so offsets that a log covers are as many as rows in the
//! files that it names and duplicates.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::Result;
use headgate_sink::commit::Gap;
use headgate_sink::commit::account::{HOUR_MS, LogAccount};
use headgate_stream::journal;
use headgate_stream::kafka::{self, Kafka};
use headgate_stream::log::{Partition, Position, Topic};

use crate::config::{Config, StreamKind};
use crate::process::stream::{BAD_EVENTS, EVENTS, topics};

/// Records of the journal have no times. What is behind a log whose newest commit was made so long after the hours cannot
/// be of them: a sink lands all partitions in turn.
const JOURNAL_GRACE_MS: i64 = 60_000;

/// A partition of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// `<stream>/<incarnation>`: its commit log.
    pub(crate) log: String,
    /// Its name in the commit log.
    pub(crate) partition: Partition,
    /// Offsets of the hours, by the stream's times; in the journal all there are.
    pub(crate) offsets: Range<u64>,
    /// Retention has removed records that may have been of the hours.
    pub(crate) cut: bool,
    /// The stream tells which records are of the hours.
    pub(crate) timed: bool,
}

/// What the stream said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) parts: Vec<Part>,
    /// What it could not say.
    pub(crate) unknown: Vec<String>,
}

/// How a partition has landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Landing<'a> {
    pub(crate) part: &'a Part,
    /// Records of the hours; `None`: the stream tells no times.
    pub(crate) published: Option<u64>,
    /// Records of the hours that have not landed.
    pub(crate) lacking: u64,
}

/// Asks the stream. Blocks.
///
/// # Errors
/// It cannot be asked.
pub(crate) fn ask(config: &Config, hours: &Range<i64>) -> Result<Asked> {
    match config.stream.kind {
        StreamKind::Kafka => Ok(Asked {
            parts: of_kafka(config, hours)?,
            unknown: Vec::new(),
        }),
        StreamKind::Journal => of_journal(config),
        StreamKind::Kinesis => Ok(Asked {
            parts: Vec::new(),
            unknown: vec![
                "how many records of Kinesis have not landed: its positions cannot be counted; headgate_sink_lag_seconds tells how \
                 old the oldest of them is"
                    .to_owned(),
            ],
        }),
    }
}

fn of_kafka(config: &Config, hours: &Range<i64>) -> Result<Vec<Part>> {
    let kafka = Kafka::new(config.kafka.clone(), &prometheus::Registry::new())?;
    let wanted = topics(config)?;
    let mut events = vec![wanted.events];
    if let Some(template) = &wanted.template {
        let all = kafka.topics()?.into_iter();
        let made = all.filter(|name| template.matches(name) && *name != events[0].as_str());
        let made: Vec<Topic> = made.map(|name| Topic::new(&name)).collect();
        events.extend(made);
    }
    let mut parts = Vec::new();
    for (name, topics) in [(EVENTS, events), (BAD_EVENTS, vec![wanted.bad_events])] {
        let stream = kafka.stream(name)?;
        let extents = kafka.extents(&topics)?;
        let at = |hour: i64| kafka.offsets_at(&extents, hour.saturating_mul(HOUR_MS));
        let (starts, ends) = (at(hours.start)?, at(hours.end)?);
        let offset = |offset: i64| u64::try_from(offset).unwrap_or(0);
        for ((there, start), end) in extents.iter().zip(starts).zip(ends) {
            parts.push(Part {
                log: format!("{}/{}", stream.name, stream.incarnation),
                partition: kafka.partition(there),
                offsets: offset(start)..offset(end.max(start)),
                cut: there.start > 0 && start == there.start,
                timed: true,
            });
        }
    }
    Ok(parts)
}

fn of_journal(config: &Config) -> Result<Asked> {
    let wanted = topics(config)?;
    let mut asked = Asked::default();
    for topic in [wanted.events, wanted.bad_events] {
        let Some(ends) = journal::ends(&config.journal_dir(), &topic)? else {
            continue;
        };
        for (partition, end) in ends.partitions {
            if end.is_none() {
                asked.unknown.push(format!(
                    "where partition {partition} of the journal's {topic} ends: its mark is not there or not whole"
                ));
            }
            asked.parts.push(Part {
                log: format!("{}/{}", ends.stream.name, ends.stream.incarnation),
                partition,
                offsets: 0..end.unwrap_or(0),
                cut: false,
                timed: false,
            });
        }
    }
    Ok(asked)
}

/// How far each part has landed by the logs.
pub(crate) fn landings<'a>(
    parts: &'a [Part],
    logs: &[LogAccount],
    hours: &Range<i64>,
) -> Vec<Landing<'a>> {
    let landing = |part: &'a Part| {
        let log = logs.iter().find(|log| log.log == part.log);
        let tail = log.and_then(|log| log.tails.get(&part.partition));
        let landed = tail.and_then(offset_after).unwrap_or(0);
        let since = landed.max(part.offsets.start);
        let passed = hours
            .end
            .saturating_mul(HOUR_MS)
            .saturating_add(JOURNAL_GRACE_MS);
        let later = !part.timed && log.is_some_and(|log| log.newest_ms >= passed);
        Landing {
            part,
            published: part.timed.then(|| part.offsets.end - part.offsets.start),
            lacking: match later {
                true => 0,
                false => part.offsets.end.saturating_sub(since),
            },
        }
    };
    parts.iter().map(landing).collect()
}

/// The gaps that begin before the end of the hours.
pub(crate) fn gaps<'a>(log: &'a LogAccount, parts: &[Part]) -> Vec<&'a Gap> {
    let ends: BTreeMap<&Partition, u64> = parts
        .iter()
        .filter(|part| part.timed && part.log == log.log)
        .map(|part| (&part.partition, part.offsets.end))
        .collect();
    let within = |gap: &&Gap| {
        let begin = offset_after(&gap.after);
        let end = ends.get(&gap.partition);
        !matches!((begin, end), (Some(begin), Some(end)) if begin >= *end)
    };
    log.gaps.iter().filter(within).collect()
}

/// By how many the records that a log covers are more than the rows that it names, the duplicates that it counts and what it
/// says to be missing; below 0:
/// less. `None`: that cannot be counted.
pub(crate) fn unaccounted(log: &LogAccount) -> Option<i64> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let start = Position::start();
    let mut covered: i64 = 0;
    for (partition, tail) in &log.tails {
        let before = log.before.get(partition).unwrap_or(&start);
        covered += number(offset_after(tail)?) - number(offset_after(before)?);
    }
    let gone: Option<Vec<u64>> = log.gaps.iter().map(|gap| gap.records).collect();
    let gone: u64 = gone?.into_iter().sum();
    Some(covered - number(log.rows) - number(log.duplicates) - number(gone))
}

/// The offset of the first record behind a position of either backend.
fn offset_after(position: &Position) -> Option<u64> {
    kafka::offset_after(position).or_else(|| journal::offset_after(position))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(end: u64, timed: bool) -> Part {
        Part {
            log: "events/c".to_owned(),
            partition: Partition::new("events-0"),
            offsets: 10..end,
            cut: false,
            timed,
        }
    }

    fn log(before: &str, tail: &str, rows: u64) -> LogAccount {
        let at = |text: &str| [(Partition::new("events-0"), Position::new(text))].into();
        LogAccount {
            log: "events/c".to_owned(),
            rows,
            before: at(before),
            tails: at(tail),
            ..LogAccount::default()
        }
    }

    fn gap(after: &str, records: Option<u64>) -> Gap {
        Gap {
            partition: Partition::new("events-0"),
            after: Position::new(after),
            records,
        }
    }

    #[test]
    fn a_partition_lacks_what_is_of_the_hours_and_behind_the_logs_tail() {
        for (tail, lacking) in [("29.1.1", 20), ("49.1.1", 0), ("60.1.1", 0), ("3.1.1", 40)] {
            let (parts, logs) = ([part(50, true)], [log("", tail, 0)]);
            let found = landings(&parts, &logs, &(0..1));
            assert_eq!((found[0].published, found[0].lacking), (Some(40), lacking));
        }
        let parts = [part(50, true)];
        assert_eq!(landings(&parts, &[], &(0..1))[0].lacking, 40, "no log");
    }

    #[test]
    fn a_journal_lacks_nothing_of_hours_long_before_its_newest_commit() {
        let parts = [part(50, false)];
        for (newest_ms, lacking) in [(HOUR_MS, 20), (HOUR_MS + JOURNAL_GRACE_MS, 0)] {
            let mut log = log("", "29", 0);
            log.newest_ms = newest_ms;
            let found = landings(&parts, &[log], &(0..1));
            assert_eq!((found[0].published, found[0].lacking), (None, lacking));
        }
    }

    #[test]
    fn each_record_that_a_log_covers_is_a_row_or_was_gone() {
        assert_eq!(unaccounted(&log("9.1.1", "29.1.1", 20)), Some(0));
        assert_eq!(unaccounted(&log("9.1.1", "29.1.1", 18)), Some(2));
        assert_eq!(unaccounted(&log("9", "29", 21)), Some(-1));
        let mut begun = log("9.1.1", "29.1.1", 25);
        begun.before.clear();
        begun.gaps = vec![gap("", Some(5))];
        assert_eq!(unaccounted(&begun), Some(0));
        begun.gaps.push(gap("7.1.1", None));
        assert_eq!(unaccounted(&begun), None);
        assert_eq!(unaccounted(&log("x", "29", 20)), None);
    }

    #[test]
    fn a_gap_behind_the_hours_is_none_of_them() {
        let mut log = log("9.1.1", "90.1.1", 0);
        log.gaps = vec![gap("20.1.1", Some(5)), gap("49.1.1", Some(7))];
        let found = gaps(&log, &[part(50, true)]);
        assert_eq!(found, [&log.gaps[0]]);
        assert_eq!(gaps(&log, &[part(50, false)]).len(), 2);
    }
}
