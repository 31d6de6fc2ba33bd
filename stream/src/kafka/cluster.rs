//! Questions to the cluster: whether a topic is there, how large its records may be; and making one. All of it blocks,
//! and each question is bounded by `request_deadline_ms`.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode,
};

use super::{
    client::{self, Quiet},
    config::{Config, RECORD_OVERHEAD_BYTES},
    error::Error,
    metrics::Metrics,
};

/// How often a topic that was just made is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The admin client of `rdkafka` never asks for a token, so that brokers would refuse it.
const NO_ADMIN: &str = "with kafka.msk_iam topics are not made: make it first, in the console of MSK or by its CreateTopic";

/// What a topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// A record's key and value together, in bytes.
    pub(super) record_bytes_max: u64,
    /// A batch, in bytes.
    pub(super) batch_bytes_max: u64,
}

/// Connections for questions. Short-lived: librdkafka queues its log for a reader that this client does not have.
pub(super) struct Cluster<'a> {
    config: &'a Config,
    metrics: &'a Metrics,
    inquirer: BaseConsumer<Quiet>,
    deadline: Instant,
}

impl<'a> Cluster<'a> {
    pub(super) fn open(config: &'a Config, metrics: &'a Metrics) -> Result<Self, Error> {
        let deadline = Instant::now() + Duration::from_millis(config.request_deadline_ms);
        let inquirer = client::inquirer(config).create_with_context(Quiet::new(config));
        let inquirer = inquirer.map_err(Error::client("make a client"))?;
        let token = client::await_token(
            &inquirer,
            deadline.saturating_duration_since(Instant::now()),
        );
        token.map_err(|reason| Error::Unreachable {
            servers: config.bootstrap_servers.join(","),
            reason: format!("no token: {reason}"),
        })?;
        Ok(Self {
            config,
            metrics,
            inquirer,
            deadline,
        })
    }

    /// Makes sure that the topic is there, and says what it takes.
    pub(super) fn ensure(&self, topic: &str) -> Result<Limits, Error> {
        check_name(topic)?;
        if !self.exists(topic)? {
            if !self.config.topics.create_missing {
                return Err(Error::MissingTopic(topic.to_owned()));
            }
            self.create(topic)?;
            self.await_visible(topic)?;
        }
        Ok(self.limits(topic))
    }

    /// The cluster's own name for itself.
    pub(super) fn id(&self) -> Result<String, Error> {
        let id = self.inquirer.client().fetch_cluster_id(self.rest());
        id.ok_or_else(|| self.unreachable("no answer"))
    }

    pub(super) fn inquirer(&self) -> &BaseConsumer<Quiet> {
        &self.inquirer
    }

    fn exists(&self, topic: &str) -> Result<bool, Error> {
        let metadata = self.inquirer.fetch_metadata(Some(topic), self.rest());
        let metadata = metadata.map_err(|error| self.unreachable(&error.to_string()))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let Some(found) = found else {
            return Ok(false);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => Ok(!found.partitions().is_empty()),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(false),
            // It is being made, or waits for a broker.
            Some(RDKafkaErrorCode::LeaderNotAvailable) => Ok(true),
            Some(code) => Err(Error::Topic {
                topic: topic.to_owned(),
                reason: code.to_string(),
            }),
        }
    }

    fn create(&self, topic: &str) -> Result<(), Error> {
        let wanted = &self.config.topics;
        let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let replicas = TopicReplication::Fixed(count(wanted.replication_factor));
        let insync = wanted.min_insync_replicas.to_string();
        let mut new = NewTopic::new(topic, count(wanted.partitions), replicas)
            .set("min.insync.replicas", &insync);
        for (name, value) in &wanted.properties {
            new = new.set(name, value);
        }
        let failed = |reason: String| Error::CreateTopic {
            topic: topic.to_owned(),
            partitions: wanted.partitions,
            replication_factor: wanted.replication_factor,
            reason,
        };
        if self.config.msk_iam.is_some() {
            return Err(failed(NO_ADMIN.to_owned()));
        }
        let admin = self.admin()?;
        let made = wait(admin.create_topics([&new], &self.options()));
        let made = made.map_err(|error| failed(error.to_string()))?;
        match made.into_iter().next() {
            // Another process was quicker: as good.
            Some(Ok(_)) => {
                tracing::info!(topic, "made the topic, which was missing");
                self.metrics.count_topic_made();
                Ok(())
            }
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(failed(code.to_string())),
            None => Err(failed("Kafka did not say whether it was made".to_owned())),
        }
    }

    /// Brokers learn of a new topic one after another.
    fn await_visible(&self, topic: &str) -> Result<(), Error> {
        while !self.exists(topic)? {
            if Instant::now() >= self.deadline {
                let reason = "it was made, but no broker shows it yet".to_owned();
                return Err(Error::Topic {
                    topic: topic.to_owned(),
                    reason,
                });
            }
            thread::sleep(LOOK_INTERVAL);
        }
        Ok(())
    }

    /// What the topic takes, as far as the cluster tells; what is configured bounds it in any case.
    fn limits(&self, topic: &str) -> Limits {
        let told = self.describe(topic).unwrap_or_else(|error| {
            tracing::debug!(topic, %error, "the topic's limits cannot be asked for");
            None
        });
        if told.is_none() {
            let (record_bytes_max, batch_bytes_max) =
                (self.config.record_bytes_max, self.config.batch_bytes_max);
            tracing::warn!(
                topic,
                record_bytes_max,
                batch_bytes_max,
                "the cluster does not tell the topic's max.message.bytes: keep these settings below it"
            );
        }
        let told = told.unwrap_or(u64::MAX);
        Limits {
            record_bytes_max: self
                .config
                .record_bytes_max
                .min(told.saturating_sub(RECORD_OVERHEAD_BYTES)),
            batch_bytes_max: self.config.batch_bytes_max.min(told),
        }
    }

    fn describe(&self, topic: &str) -> Result<Option<u64>, Error> {
        if self.config.msk_iam.is_some() {
            return Ok(None);
        }
        let admin = self.admin()?;
        let asked = [ResourceSpecifier::Topic(topic)];
        let told = wait(admin.describe_configs(&asked, &self.options()));
        let told = told.map_err(Error::client("describe a topic"))?;
        let Some(Ok(resource)) = told.into_iter().next() else {
            return Ok(None);
        };
        let number = |name| {
            let entry = resource.get(name)?;
            entry.value.as_ref()?.parse::<u64>().ok()
        };
        let replicas = self.config.topics.min_insync_replicas;
        if number("min.insync.replicas").is_some_and(|number| number < replicas.into()) {
            tracing::warn!(
                topic,
                "min.insync.replicas is below topics.min_insync_replicas: fewer replicas than wished acknowledge a record"
            );
        }
        Ok(number("max.message.bytes"))
    }

    fn admin(&self) -> Result<AdminClient<Quiet>, Error> {
        let admin = client::common(self.config).create_with_context(Quiet::new(self.config));
        admin.map_err(Error::client("make a client"))
    }

    fn options(&self) -> AdminOptions {
        let rest = self.rest();
        AdminOptions::new()
            .request_timeout(Some(rest))
            .operation_timeout(Some(rest))
    }

    /// What is left of the deadline; a little in any case, so that the answer that is there is seen.
    pub(super) fn rest(&self) -> Duration {
        self.deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(10))
    }

    pub(super) fn unreachable(&self, reason: &str) -> Error {
        Error::Unreachable {
            servers: self.config.bootstrap_servers.join(","),
            reason: match client::reason(&self.inquirer) {
                Some(said) => format!("{reason}: {said}"),
                None => reason.to_owned(),
            },
        }
    }
}

/// Kafka's own rule for names; a wrong name would come back as a riddle.
pub(super) fn check_name(topic: &str) -> Result<(), Error> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let fits = (1..=249).contains(&topic.len()) && topic.bytes().all(legal);
    if fits && topic != "." && topic != ".." {
        return Ok(());
    }
    Err(Error::Name(topic.to_owned()))
}

/// Waits for a future that another thread completes, as librdkafka's answers are.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_kafka_does() {
        for name in ["events", "events.page_view-1", "A"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
