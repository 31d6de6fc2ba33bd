//! A part of Kafka's stream, read once more into tables of their own.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use anyhow::{Context, Error, Result, ensure};
use headgate_schemas::event::Event;
use headgate_schemas::registry::Registry;
use headgate_sink::store::Store;
use headgate_sink::table::Generation;
use headgate_stream::kafka::{Kafka, Range};
use headgate_stream::log::{Reader, StreamId, Topic};
use tokio::task::block_in_place;

use super::arguments::Arguments;
use super::guard::{Guard, Keep};
use super::plan::{Asked, Plan};
use super::tracker::Tracker;
use super::wanted::{Wanted, present};
use crate::config::{Config, StreamKind};

/// A generation that is to be filled.
pub(crate) struct Filling {
    pub(crate) generation: Generation,
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) tracker: Arc<Tracker>,
    /// The offsets in the plan.
    pub(crate) offsets: u64,
}

/// The generation, and Kafka, before anything is asked of it.
///
/// # Errors
/// The stream is not Kafka, or a table of the generation could not have its name.
pub(crate) fn open(
    arguments: &Arguments,
    config: &Config,
    schemas: &Registry,
) -> Result<(Generation, Kafka)> {
    ensure!(
        config.stream.kind == StreamKind::Kafka,
        "--from stream needs stream.kind = \"kafka\": the journal forgets what has landed, and Kinesis is not replayed"
    );
    let generation = arguments.into.clone();
    let generation = generation.context("--from stream needs --into")?;
    let tables: Vec<&str> = schemas.families().map(|(table, _)| table).collect();
    generation.check(&tables)?;
    let kafka = Kafka::new(config.kafka.clone(), &prometheus::Registry::new())?;
    Ok((generation, kafka))
}

impl Filling {
    /// Finds the generation's plan, or makes it, and opens its reader.
    ///
    /// # Errors
    /// What is asked for is not there, or the generation was begun otherwise.
    pub(crate) async fn begin(
        (generation, kafka): (Generation, Kafka),
        (arguments, config): (&Arguments, &Config),
        store: &dyn Store,
        schemas: &Registry,
        now_ms: i64,
    ) -> Result<Self> {
        let asked = asked(arguments, config)?;
        let stream = block_in_place(|| kafka.stream(&format!("generation.{generation}")))?;
        let StreamId {
            incarnation: cluster,
            ..
        } = &stream;
        let fingerprint = schemas.fingerprint();
        let plan = match Plan::read(store, &generation).await? {
            Some(plan) => plan,
            None => {
                let ranges = block_in_place(|| ranges(&kafka, &asked, arguments))?;
                let plan = Plan::new(cluster.clone(), fingerprint, asked.clone(), ranges, now_ms);
                plan.fix(store, &generation).await?
            }
        };
        plan.check(&generation, cluster, fingerprint, &asked)?;
        let inner = block_in_place(|| kafka.range_reader(stream, &plan.ranges))?;
        let tracker = Arc::<Tracker>::default();
        let guard = Guard::filtering(
            inner,
            Arc::clone(&tracker),
            keep(&arguments.types),
            arguments.allow_missing,
        );
        Ok(Self {
            generation,
            reader: Box::new(guard),
            tracker,
            offsets: plan.ranges.iter().map(Range::offsets).sum(),
        })
    }
}

fn asked(arguments: &Arguments, config: &Config) -> Result<Asked> {
    let topics = match arguments.topics.is_empty() && arguments.offsets.is_empty() {
        true => vec![default_topic(config)?],
        false => each_once(&arguments.topics),
    };
    Ok(Asked {
        topics,
        types: each_once(&arguments.types),
        offsets: arguments.offsets.iter().map(Wanted::to_string).collect(),
        since_micros: arguments.since,
        until_micros: arguments.until,
    })
}

/// In an order of its own, so that neither a repetition nor the order on the command line makes another plan. A topic
/// named twice would have each partition in the plan twice, and that plan holds for good.
fn each_once(names: &[String]) -> Vec<String> {
    let names: BTreeSet<String> = names.iter().cloned().collect();
    names.into_iter().collect()
}

/// The one topic of valid events.
fn default_topic(config: &Config) -> Result<String> {
    let count_max = config.kafka.topics.count_max;
    let template = config.stream.template(count_max).map_err(Error::msg)?;
    ensure!(
        template.is_none(),
        "stream.topic is the template {}: name the topics to replay with --topic",
        config.stream.topic
    );
    Ok(config.stream.topic.clone())
}

/// What is asked for, as offsets of now.
fn ranges(kafka: &Kafka, asked: &Asked, arguments: &Arguments) -> Result<Vec<Range>> {
    let allow_missing = arguments.allow_missing;
    match arguments.offsets.is_empty() {
        true => by_time(kafka, asked, allow_missing),
        false => by_offset(kafka, &arguments.offsets, allow_missing),
    }
}

fn by_offset(kafka: &Kafka, wanted: &[Wanted], allow_missing: bool) -> Result<Vec<Range>> {
    let mut topics: Vec<&str> = wanted.iter().map(|wanted| wanted.topic.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    let topics: Vec<Topic> = topics.into_iter().map(Topic::new).collect();
    let extents = kafka.extents(&topics)?;
    let ranges: Result<Vec<Range>> = wanted.iter().map(|one| one.within(&extents)).collect();
    present(ranges?, &extents, allow_missing)
}

fn by_time(kafka: &Kafka, asked: &Asked, allow_missing: bool) -> Result<Vec<Range>> {
    let topics: Vec<Topic> = asked.topics.iter().map(|name| Topic::new(name)).collect();
    let extents = kafka.extents(&topics)?;
    let at = |micros: Option<i64>| -> Result<Option<Vec<i64>>> {
        // Kafka's timestamps are whole milliseconds: one that is not before the time is not before the next of those.
        let time_ms = |micros: i64| micros.saturating_add(999).div_euclid(1_000);
        let found = micros.map(|micros| kafka.offsets_at(&extents, time_ms(micros)));
        Ok(found.transpose()?)
    };
    let (starts, ends) = (at(asked.since_micros)?, at(asked.until_micros)?);
    let mut ranges = Vec::new();
    for (index, there) in extents.iter().enumerate() {
        let start = starts.as_ref().map_or(there.start, |starts| starts[index]);
        let end = ends.as_ref().map_or(there.end, |ends| ends[index]);
        // What came before the oldest record that is left may have been of that time too.
        ensure!(
            allow_missing || starts.is_none() || there.start == 0 || start > there.start,
            "retention may have removed a part of that time: {there} is there, all of it since then; --allow-missing \
             takes that"
        );
        ranges.push(Range {
            start,
            end: end.max(start),
            ..there.clone()
        });
    }
    Ok(ranges)
}

/// Which records are of the types; all, when none is named.
fn keep(types: &[String]) -> Keep {
    let types: HashSet<String> = types.iter().cloned().collect();
    Box::new(move |record| {
        types.is_empty() || {
            let text = std::str::from_utf8(record).unwrap_or_default();
            let event = Event::read_to_data(text, u32::MAX - 1);
            event.is_ok_and(|(event, _)| types.contains(&*event.kind))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_twice_or_in_another_order_is_asked_for_once_and_alike() {
        let arguments = |line: &str| -> Arguments {
            #[derive(clap::Parser)]
            struct Line {
                #[command(flatten)]
                arguments: Arguments,
            }
            let line = format!("replay --from stream --into g {line}");
            let line: Result<Line, _> = clap::Parser::try_parse_from(line.split_whitespace());
            line.expect("arguments").arguments
        };
        let asked = |line: &str| asked(&arguments(line), &Config::default()).expect("asked");
        let once = asked("--topic a --topic b --type x --type y");
        assert_eq!(
            asked("--topic b --topic a --topic b --type y --type x --type y"),
            once
        );
        assert_eq!(once.topics, ["a", "b"]);
        let offsets = asked("--offsets a-1:2.. --offsets a-0:..7");
        assert_eq!(offsets.offsets, ["a-1:2..", "a-0:..7"]);
        assert!(offsets.topics.is_empty());
    }

    #[test]
    fn records_are_kept_by_their_type() {
        let record = br#"{"specversion":"1.0","id":"i","source":"s","type":"a","data":{}}"#;
        assert!(keep(&[])(record) && keep(&[])(b"no event"));
        let some = keep(&["b".to_owned(), "a".to_owned()]);
        assert!(some(record) && !some(b"no event"));
        assert!(!keep(&["b".to_owned()])(record));
    }
}
