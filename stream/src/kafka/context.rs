//! What librdkafka's consumer calls back, on the thread that polls it: rebalances, statistics, errors and its log.

use std::{
    error::Error,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientContext, Statistics, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    topic_partition_list::Offset,
    types::RDKafkaRespErr,
};

use super::{
    client,
    deliveries::Deliveries,
    metrics::Metrics,
    partitions::{Partitions, Place},
    tokens::Tokens,
};

/// Shared by the thread and its consumer.
pub(super) struct Events {
    pub(super) stream: String,
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) metrics: Metrics,
    pub(super) revoke_wait_max: Duration,
    pub(super) partitions: Mutex<Partitions>,
    /// Rises with everything that librdkafka says: only when it says nothing more is its queue empty.
    said: AtomicU64,
    /// Topics whose ids changed since they were last asked for.
    suspects: Mutex<Vec<String>>,
    /// The latest error in librdkafka's words.
    reason: Mutex<String>,
    tokens: Tokens,
}

impl Events {
    pub(super) fn new(
        stream: String,
        deliveries: Arc<Deliveries>,
        metrics: Metrics,
        revoke_wait_max: Duration,
        partitions: Partitions,
        tokens: Tokens,
    ) -> Self {
        Self {
            stream,
            deliveries,
            metrics,
            revoke_wait_max,
            partitions: Mutex::new(partitions),
            said: AtomicU64::new(0),
            suspects: Mutex::default(),
            reason: Mutex::default(),
            tokens,
        }
    }

    pub(super) fn partitions(&self) -> MutexGuard<'_, Partitions> {
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }

    pub(super) fn suspects(&self) -> Vec<String> {
        std::mem::take(&mut self.suspects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn reason(&self) -> String {
        self.reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn say(&self) {
        self.said.fetch_add(1, Ordering::Relaxed);
    }

    /// The partitions become this reader's, but are not fetched before they were sought: librdkafka gets them then.
    fn assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let mut partitions = self.partitions();
        let names: Vec<_> = places(list)
            .into_iter()
            .map(|place| partitions.assign(place))
            .collect();
        drop(partitions);
        tracing::debug!(stream = self.stream, partitions = ?names, "Kafka assigned");
        if !names.is_empty() {
            self.metrics.count_rebalance(&self.stream, "assigned");
            self.deliveries.assigned(names);
        }
        if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
            tracing::warn!(%error, "an assignment was not acknowledged");
        }
    }

    /// Keeps the partitions until the reader took notice, as far as Kafka lets us.
    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let mut stopping = Vec::new();
        let mut names = Vec::new();
        let mut partitions = self.partitions();
        for place in places(list) {
            let Some(slot) = partitions.revoke(&place) else {
                continue;
            };
            names.push(slot.name);
            if slot.fetching {
                stopping.push((place, 0));
            }
        }
        drop(partitions);
        let lost = consumer.assignment_lost();
        tracing::debug!(stream = self.stream, partitions = ?names, lost, "Kafka revokes");
        if !names.is_empty() {
            self.metrics
                .count_rebalance(&self.stream, if lost { "lost" } else { "revoked" });
            let number = self.deliveries.revoked(names);
            // What is lost is someone else's already.
            if !lost && !self.deliveries.await_taken(number, self.revoke_wait_max) {
                tracing::warn!(
                    stream = self.stream,
                    "partitions go elsewhere before the reader took notice"
                );
                self.metrics.count_revocation_overdue(&self.stream);
            }
        }
        if let Err(error) = consumer.incremental_unassign(&list_of(&stopping)) {
            tracing::debug!(%error, "a revocation was not acknowledged");
        }
    }
}

fn places(list: &TopicPartitionList) -> Vec<Place> {
    let elements = list.elements();
    elements
        .iter()
        .map(|element| (element.topic().to_owned(), element.partition()))
        .collect()
}

/// librdkafka's list of the partitions, each with the offset to start at.
pub(super) fn list_of(partitions: &[(Place, i64)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for ((topic, index), offset) in partitions {
        let mut element = list.add_partition(topic, *index);
        // Offsets of ours are never negative, which is what could be wrong with them.
        if let Err(error) = element.set_offset(Offset::Offset(*offset)) {
            tracing::error!(topic, index, offset, %error, "an offset is out of range");
        }
    }
    list
}

impl ClientContext for Events {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, told: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.say();
        self.tokens.issue(told)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.say();
        if let Some(topic) = changed_id(line) {
            tracing::warn!(
                stream = self.stream,
                topic,
                "the topic's id changed: comparing what was read"
            );
            self.suspects
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(topic.to_owned());
        }
        client::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.say();
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        reason.clone_into(&mut self.reason.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn stats(&self, told: Statistics) {
        self.say();
        let partitions = self.partitions();
        for (topic, told) in told.topics {
            for (index, told) in told.partitions {
                let name = partitions.name(&topic, index);
                if let Some(name) = name.filter(|_| told.ls_offset >= 0) {
                    self.deliveries.ends(name, told.ls_offset);
                }
            }
        }
    }
}

impl ConsumerContext for Events {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.say();
        match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            _ => self.revoke(consumer, list),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.say();
        if let Err(error) = result {
            // A hint was not taken: the commit log knows better anyway.
            tracing::debug!(stream = self.stream, %error, "Kafka did not note how far was read");
        }
    }
}

/// The topic, if the line says that its id changed. It also says so when it first learns one: from the id of zeros.
/// The words are those of `rd_kafka_topic_metadata_update` in librdkafka 2.12.1; a test of ours notices others.
fn changed_id(line: &str) -> Option<&str> {
    let (_, said) = line.split_once("Topic ")?;
    let (topic, ids) = said.split_once(" changed id from ")?;
    let (old, _) = ids.split_once(" to ")?;
    old.bytes()
        .any(|byte| byte.is_ascii_alphanumeric() && byte != b'A')
        .then_some(topic)
}

#[cfg(test)]
mod tests {
    use super::changed_id;

    #[test]
    fn only_a_change_of_a_known_id_counts() {
        let line = |old| {
            format!("[thrd:main]: Topic events changed id from {old} to 9JzTgQ0ZRbCMdPT2Qhv6Lw")
        };
        assert_eq!(changed_id(&line("AAAAAAAAAAAAAAAAAAAAAA")), None);
        assert_eq!(changed_id(&line("0JzTgQ0ZRbCMdPT2Qhv6Lw")), Some("events"));
        assert_eq!(
            changed_id("[thrd:main]: Topic events [0] Leader 1 Epoch 0"),
            None
        );
    }
}
