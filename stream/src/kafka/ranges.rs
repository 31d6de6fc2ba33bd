//! Parts of topics, read from one offset to another and no further: for a replay, outside of any consumer group.

use std::{collections::BTreeMap, fmt};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    topic_partition_list::Offset,
};
use serde::{Deserialize, Serialize};

use super::{
    Kafka, client::Quiet, cluster::Cluster, error::Error, partitions::Bounds, position,
    reader::KafkaReader, worker::Worker,
};
use crate::log::{Partition, Reader, StreamId, Topic};

/// A part of one partition: the records from offset `start` to before offset `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The topic.
    pub topic: String,
    /// The partition's number in the topic.
    pub partition: i32,
    /// The first offset.
    pub start: i64,
    /// The offset behind the last one.
    pub end: i64,
}

impl Range {
    /// Offsets in it; where transactions or compaction left holes, there are fewer records.
    pub fn offsets(&self) -> u64 {
        u64::try_from(self.end - self.start).unwrap_or(0)
    }
}

/// `events-0:100..200`
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            partition,
            start,
            end,
        } = self;
        write!(f, "{topic}-{partition}:{start}..{end}")
    }
}

impl Kafka {
    /// The stream of that name on this cluster, whose name is the incarnation. Blocks for at most
    /// `request_deadline_ms`, as all questions here.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when no broker answers.
    pub fn stream(&self, name: &str) -> Result<StreamId, Error> {
        let cluster = Cluster::open(&self.config, &self.metrics)?;
        Ok(StreamId {
            name: name.to_owned(),
            incarnation: cluster.id()?,
        })
    }

    /// The names of all topics of the cluster that this client may see.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when no broker answers.
    pub fn topics(&self) -> Result<Vec<String>, Error> {
        Cluster::open(&self.config, &self.metrics)?.topics()
    }

    /// What there is of the topics now: every partition, from its oldest offset to its end.
    ///
    /// # Errors
    /// [`Error::MissingTopic`], or [`Error::Unreachable`] when no broker answers.
    pub fn extents(&self, topics: &[Topic]) -> Result<Vec<Range>, Error> {
        let cluster = Cluster::open(&self.config, &self.metrics)?;
        let mut extents = Vec::new();
        for topic in topics {
            for partition in cluster.partitions(topic.as_str())? {
                let (start, end) = cluster.watermarks(topic.as_str(), partition)?;
                extents.push(Range {
                    topic: topic.to_string(),
                    partition,
                    start,
                    end,
                });
            }
        }
        Ok(extents)
    }

    /// For each of these partitions the first offset whose record is of that time or later, by Kafka's timestamps, in ms
    /// since the epoch; its `end` where there is none.
    ///
    /// # Errors
    /// [`Error::Client`] when the cluster does not tell.
    pub fn offsets_at(&self, extents: &[Range], time_ms: i64) -> Result<Vec<i64>, Error> {
        let cluster = Cluster::open(&self.config, &self.metrics)?;
        let found = cluster.offsets_at(extents, time_ms)?;
        let offset = |range: &Range| {
            let place = (range.topic.clone(), range.partition);
            let found = found.get(&place).copied().unwrap_or(range.end);
            found.clamp(range.start, range.end)
        };
        Ok(extents.iter().map(offset).collect())
    }

    /// The name that a reader gives to the partition of the range.
    pub fn partition(&self, range: &Range) -> Partition {
        let times = self.config.recreated.get(&range.topic).copied();
        position::partition(&range.topic, times.unwrap_or(0), range.partition)
    }

    /// A reader of these ranges, at most one for each partition. The start of a partition is the range's; when all were
    /// delivered to their ends, the stream is closed. It is in no group, and Kafka is not told how far it came. Must be
    /// read inside a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::Client`] when librdkafka refuses.
    pub fn range_reader(
        &self,
        stream: StreamId,
        ranges: &[Range],
    ) -> Result<Box<dyn Reader>, Error> {
        let (consumer, deliveries) = self.consumer(&stream)?;
        let mut partitions = consumer.context().partitions();
        let assign = |range: &Range| {
            let bounds = Bounds {
                start: range.start,
                end: Some(range.end),
            };
            partitions.assign_within((range.topic.clone(), range.partition), bounds)
        };
        let names = ranges.iter().map(assign).collect();
        drop(partitions);
        deliveries.assigned(names);
        self.run(Worker::of_ranges(consumer, self.commit_interval()))?;
        Ok(Box::new(KafkaReader::new(stream, deliveries)))
    }
}

impl Cluster<'_> {
    /// The numbers of a topic's partitions.
    fn partitions(&self, topic: &str) -> Result<Vec<i32>, Error> {
        super::cluster::check_name(topic)?;
        let metadata = self.inquirer().fetch_metadata(Some(topic), self.rest());
        let metadata = metadata.map_err(|error| self.unreachable(&error.to_string()))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let numbers = found.map(|found| found.partitions().iter().map(|p| p.id()).collect());
        numbers
            .filter(|numbers: &Vec<i32>| !numbers.is_empty())
            .ok_or_else(|| Error::NoTopic(topic.to_owned()))
    }

    fn topics(&self) -> Result<Vec<String>, Error> {
        let metadata = self.inquirer().fetch_metadata(None, self.rest());
        let metadata = metadata.map_err(|error| self.unreachable(&error.to_string()))?;
        let names = metadata
            .topics()
            .iter()
            .map(|topic| topic.name().to_owned());
        Ok(names.collect())
    }

    fn watermarks(&self, topic: &str, partition: i32) -> Result<(i64, i64), Error> {
        let asked = self
            .inquirer()
            .fetch_watermarks(topic, partition, self.rest());
        asked.map_err(Error::client("ask for a partition's extent"))
    }

    /// Partitions that have no record so late are left out.
    fn offsets_at(
        &self,
        ranges: &[Range],
        time_ms: i64,
    ) -> Result<BTreeMap<(String, i32), i64>, Error> {
        let cannot = "look a time up";
        let mut asked = TopicPartitionList::new();
        for range in ranges {
            let time = Offset::Offset(time_ms.max(0));
            asked
                .add_partition_offset(&range.topic, range.partition, time)
                .map_err(Error::client(cannot))?;
        }
        let told: Result<TopicPartitionList, _> =
            BaseConsumer::<Quiet>::offsets_for_times(self.inquirer(), asked, self.rest());
        let told = told.map_err(Error::client(cannot))?;
        let mut found = BTreeMap::new();
        for element in told.elements() {
            element.error().map_err(Error::client(cannot))?;
            if let Offset::Offset(offset) = element.offset() {
                found.insert((element.topic().to_owned(), element.partition()), offset);
            }
        }
        Ok(found)
    }
}
