//! The stream of a process: the journal in it, or a Kafka cluster that it shares with others.

use std::sync::Arc;

use anyhow::{Result, ensure};
use headgate_gateway::Topics;
use headgate_stream::journal::{self, Journal};
use headgate_stream::kafka::{Kafka, Subscription};
use headgate_stream::log::{Reader, Topic, Writer};
use prometheus::Registry;

use super::Role;
use crate::config::{Config, StreamKind};

/// The name under which the journal keeps how far the sinks have landed.
const JOURNAL_READERS: &str = "sink";

/// What Kafka's records are called in the commit log and in metrics. One reader has all topics, so that a batch of
/// them shares its files and its commit.
const KAFKA_STREAM: &str = "events";

/// Where a process's events go and come from.
pub(crate) struct Stream {
    backend: Backend,
    topics: [Topic; 2],
    /// Kafka's writers are closed one by one; the journal closes its own.
    writers: Vec<Arc<dyn Writer>>,
}

enum Backend {
    Journal(Journal),
    Kafka(Kafka),
}

impl Stream {
    /// Opens the journal, or sets Kafka's client up without asking the cluster anything yet.
    ///
    /// # Errors
    /// The journal cannot be opened, or a role needs a stream between processes and there is none.
    pub(crate) fn open(
        config: &Config,
        role: Role,
        topics: &Topics,
        registry: &Registry,
    ) -> Result<Self> {
        let topics = [topics.events.clone(), topics.bad_events.clone()];
        let backend = match config.stream.kind {
            StreamKind::Journal => {
                ensure!(
                    role.is_whole(),
                    "`headgate {role}` shares its stream with other processes: set stream.kind = \"kafka\", or run \
                     `headgate up`, which has gateway, journal and sink in one process"
                );
                let settings = journal::Config {
                    dir: config.journal_dir(),
                    ..config.journal.clone()
                };
                Backend::Journal(Journal::open(settings, &topics, registry)?)
            }
            StreamKind::Kafka => Backend::Kafka(Kafka::new(config.kafka.clone(), registry)?),
        };
        Ok(Self {
            backend,
            topics,
            writers: Vec::new(),
        })
    }

    /// A writer for the gateway. Blocks until Kafka's topics are known to be there.
    ///
    /// # Errors
    /// Kafka cannot be reached, or a topic is missing and may not be made.
    pub(crate) fn writer(&mut self) -> Result<Arc<dyn Writer>> {
        let writer = match &self.backend {
            Backend::Journal(journal) => return Ok(journal.writer()),
            Backend::Kafka(kafka) => kafka.writer(&self.topics)?,
        };
        self.writers.push(Arc::clone(&writer));
        Ok(writer)
    }

    /// The readers that the sink lands. Blocks until Kafka's topics are known to be there.
    ///
    /// # Errors
    /// As [`Stream::writer`].
    pub(crate) fn readers(&self) -> Result<Vec<Box<dyn Reader>>> {
        match &self.backend {
            Backend::Journal(journal) => {
                let reader = |topic| Ok(journal.reader(topic, JOURNAL_READERS)?);
                self.topics.iter().map(reader).collect()
            }
            Backend::Kafka(kafka) => {
                let subscription = Subscription::Topics(self.topics.to_vec());
                Ok(vec![kafka.reader(KAFKA_STREAM, &subscription)?])
            }
        }
    }

    /// Writes what is queued and gives everything back: the journal's lock, or the place in Kafka's group.
    pub(crate) async fn close(&self) {
        for writer in &self.writers {
            writer.close().await;
        }
        match &self.backend {
            Backend::Journal(journal) => journal.close().await,
            Backend::Kafka(kafka) => kafka.close().await,
        }
    }
}
