//! Looks into topics without a group: whether everyone who holds a part of them answers, and whether values are there.
//! All of it blocks.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    topic_partition_list::Offset,
};

use super::{
    client::{self, Quiet},
    config::Config,
};
use crate::{
    log::Topic,
    spill::{Digest, Found, Search},
};

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);

/// Why a topic cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("topic {topic:?} cannot be looked into: {source}")]
    Topic { topic: String, source: KafkaError },
    #[error("topic {topic:?} was not read to its end: nothing came for request_deadline_ms")]
    Stalled { topic: String },
    #[error("a client cannot be made: {0}")]
    Client(KafkaError),
    #[error("no token for Kafka: {0}")]
    Token(String),
}

/// Asks the leader of every partition of the topics for its end.
pub(super) fn reach(config: &Config, topics: &[Topic]) -> Result<(), Error> {
    let looker = Looker::open(config)?;
    for topic in topics {
        looker.ends(topic.as_str())?;
    }
    Ok(())
}

/// Reads the topics from the search's time to where they end now.
pub(super) fn find(config: &Config, search: &Search) -> Result<Found, Error> {
    let looker = Looker::open(config)?;
    let mut found = Found::new();
    for topic in &search.topics {
        looker.read(topic.as_str(), search.since_ms, |value| {
            let digest = Digest::of(value);
            if search.wanted.contains(&digest) {
                *found.entry(digest).or_default() += 1;
            }
        })?;
    }
    Ok(found)
}

struct Looker {
    consumer: BaseConsumer<Quiet>,
    deadline: Duration,
}

impl Looker {
    fn open(config: &Config) -> Result<Self, Error> {
        let mut client = client::inquirer(config);
        for (name, value) in [
            // Assigning partitions by hand needs a name, and joins nothing.
            ("group.id", "headgate-spill"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            ("enable.partition.eof", "true"),
            ("check.crcs", "true"),
            // Ours are in no transaction, and must not be hidden behind one that is open.
            ("isolation.level", "read_uncommitted"),
            ("queued.max.messages.kbytes", "16384"),
            // From leaders alone: another replica may say that it ends before what its leader has.
            ("client.rack", ""),
        ] {
            client.set(name, value);
        }
        let deadline = Duration::from_millis(config.request_deadline_ms);
        let consumer = client.create_with_context(Quiet::new(config));
        let consumer = consumer.map_err(Error::Client)?;
        client::await_token(&consumer, deadline).map_err(Error::Token)?;
        Ok(Self { consumer, deadline })
    }

    /// Each partition's end, as its leader tells it.
    fn ends(&self, topic: &str) -> Result<BTreeMap<i32, i64>, Error> {
        let failed = of(topic);
        let metadata = self.consumer.fetch_metadata(Some(topic), self.deadline);
        let metadata = metadata.map_err(&failed)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let partitions = found.map(|found| found.partitions()).unwrap_or_default();
        let mut ends = BTreeMap::new();
        for partition in partitions {
            let marks = self
                .consumer
                .fetch_watermarks(topic, partition.id(), self.deadline);
            ends.insert(partition.id(), marks.map_err(&failed)?.1);
        }
        Ok(ends)
    }

    /// Where each partition's first record of that time or later is; none where there is no such record.
    fn starts(
        &self,
        topic: &str,
        since_ms: i64,
        ends: &BTreeMap<i32, i64>,
    ) -> Result<BTreeMap<i32, i64>, Error> {
        let failed = of(topic);
        let mut asked = TopicPartitionList::with_capacity(ends.len());
        for partition in ends.keys() {
            asked
                .add_partition_offset(topic, *partition, Offset::Offset(since_ms.max(0)))
                .map_err(&failed)?;
        }
        let told = self.consumer.offsets_for_times(asked, self.deadline);
        let told = told.map_err(&failed)?;
        let mut starts = BTreeMap::new();
        for element in told.elements() {
            element.error().map_err(&failed)?;
            if let Offset::Offset(offset) = element.offset() {
                starts.insert(element.partition(), offset);
            }
        }
        Ok(starts)
    }

    fn read(&self, topic: &str, since_ms: i64, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
        let failed = of(topic);
        let ends = self.ends(topic)?;
        let starts = self.starts(topic, since_ms, &ends)?;
        // What is still to be read: the partition, and where it ends.
        let mut left = ends;
        left.retain(|partition, end| starts.get(partition).is_some_and(|start| start < end));
        let mut assigned = TopicPartitionList::with_capacity(left.len());
        for partition in left.keys() {
            let start = starts.get(partition).copied().unwrap_or(0);
            assigned
                .add_partition_offset(topic, *partition, Offset::Offset(start))
                .map_err(&failed)?;
        }
        self.consumer.assign(&assigned).map_err(&failed)?;
        let mut heard = Instant::now();
        while !left.is_empty() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let end = left.get(&message.partition()).copied();
                    if end.is_some_and(|end| message.offset() < end) {
                        take(message.payload().unwrap_or_default());
                    }
                    if end.is_some_and(|end| message.offset() + 1 >= end) {
                        left.remove(&message.partition());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard = Instant::now();
                    left.remove(&partition);
                }
                // Errors of connections pass, or nothing comes.
                Some(Err(error)) => tracing::debug!(%error, topic, "looking into a topic"),
                None => {}
            }
            if heard.elapsed() > self.deadline {
                return Err(Error::Stalled {
                    topic: topic.to_owned(),
                });
            }
        }
        let none = self.consumer.assign(&TopicPartitionList::new());
        none.map_err(&failed)
    }
}

fn of(topic: &str) -> impl Fn(KafkaError) -> Error {
    let topic = topic.to_owned();
    move |source| Error::Topic {
        topic: topic.clone(),
        source,
    }
}
