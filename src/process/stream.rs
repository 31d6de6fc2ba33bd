//! The stream of a process: the journal in it, or a Kafka cluster or Kinesis that it shares with others.

use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use headgate_gateway::Topics;
use headgate_gateway::admin::Check;
use headgate_sink::StoreBoard;
use headgate_sink::store::Store;
use headgate_stream::journal::{self, Journal};
use headgate_stream::kafka::{self, Kafka, Subscription};
use headgate_stream::kinesis::{self, Kinesis, Readers};
use headgate_stream::log::{Reader, Topic, Writer};
use headgate_stream::spill::{self, Primary, Spill};
use prometheus::Registry;
use tokio::task::block_in_place;

use super::Role;
use crate::config::{Config, OnUnavailable, StreamKind};

/// The name under which the journal keeps how far the sinks have landed.
const JOURNAL_READERS: &str = "sink";

/// What events of Kafka and Kinesis are called in the commit log and in metrics, whatever their topics are.
pub(crate) const EVENTS: &str = "events";

/// The same of rejected events.
pub(crate) const BAD_EVENTS: &str = "bad_events";

/// Where a process's events go and come from.
pub(crate) struct Stream {
    backend: Backend,
    topics: Topics,
    spilling: Spilling,
    /// Writers of Kafka and Kinesis are closed one by one; the journal closes its own.
    writers: Vec<Arc<dyn Writer>>,
    notes: Vec<Check>,
}

enum Backend {
    Journal(Journal),
    Kafka(Kafka),
    Kinesis(Box<OnKinesis>),
}

/// Kinesis, and those who read it.
struct OnKinesis {
    kinesis: Kinesis,
    metrics: Registry,
    readers: Option<Readers>,
}

/// What is spilled, and whether anything is.
struct Spilling {
    config: spill::Config,
    takes: bool,
}

/// The topics that are configured.
///
/// # Errors
/// The template is wrong, which a configuration's validation tells before.
pub(crate) fn topics(config: &Config) -> Result<Topics> {
    let topics_max = config.kafka.topics.count_max;
    let template = config.stream.template(topics_max);
    let template = template.map_err(|reason| anyhow!("stream.topic {reason}"))?;
    Ok(Topics {
        events: match &template {
            Some(template) => template.fallback(),
            None => Topic::new(&config.stream.topic),
        },
        template: template.map(Arc::new),
        bad_events: Topic::new(&config.stream.bad_events_topic),
    })
}

impl Stream {
    /// Opens the journal, or sets a client of Kafka or Kinesis up without asking anything yet.
    ///
    /// # Errors
    /// The journal cannot be opened, or a role needs a stream between processes and there is none.
    pub(crate) async fn open(
        config: &Config,
        role: Role,
        topics: &Topics,
        registry: &Registry,
    ) -> Result<Self> {
        let backend = match config.stream.kind {
            StreamKind::Journal => {
                ensure!(
                    role.is_whole(),
                    "`headgate {role}` shares its stream with other processes: set stream.kind = \"kafka\" or \"kinesis\", or run \
                     `headgate up`, which has gateway, journal and sink in one process"
                );
                let settings = journal::Config {
                    dir: config.journal_dir(),
                    ..config.journal.clone()
                };
                Backend::Journal(Journal::open(settings, &named(topics), registry)?)
            }
            StreamKind::Kafka => Backend::Kafka(Kafka::new(config.kafka.clone(), registry)?),
            StreamKind::Kinesis => Backend::Kinesis(Box::new(OnKinesis {
                kinesis: Kinesis::open(config.kinesis.clone(), registry).await?,
                metrics: registry.clone(),
                readers: None,
            })),
        };
        let spilling = Spilling {
            config: spill::Config {
                dir: config.spill_dir(),
                ..config.spill.clone()
            },
            takes: config.stream.on_stream_unavailable == OnUnavailable::Spill,
        };
        Ok(Self {
            backend,
            topics: topics.clone(),
            spilling,
            writers: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// A writer for the gateway, once the topics are known to be there, or, where a spill stands in for the stream, once
    /// the stream is known not to answer.
    ///
    /// # Errors
    /// A topic is missing and may not be made; the spill cannot be opened; the stream cannot be reached and nothing stands
    /// in for it.
    pub(crate) async fn writer(&mut self, registry: &Registry) -> Result<Arc<dyn Writer>> {
        let topics = named(&self.topics);
        let Spilling { config, takes } = &self.spilling;
        // What was spilled before is forwarded, whatever is to be done from now on.
        if !takes && !config.dir.exists() {
            let writer = match &self.backend {
                Backend::Journal(journal) => return Ok(journal.writer()),
                Backend::Kafka(kafka) => block_in_place(|| kafka.writer(&topics))?,
                Backend::Kinesis(on) => on.kinesis.writer(&topics).await?,
            };
            self.writers.push(Arc::clone(&writer));
            return Ok(writer);
        }
        let (primary, down) = match &self.backend {
            Backend::Journal(journal) => return Ok(journal.writer()),
            Backend::Kafka(kafka) => block_in_place(|| kafka_primary(kafka, &topics, *takes))?,
            Backend::Kinesis(on) => kinesis_primary(&on.kinesis, &topics, *takes).await?,
        };
        let parts = spill::Parts {
            primary,
            topics: topics.to_vec(),
            takes: *takes,
            down,
        };
        let spill = Arc::new(Spill::open(config.clone(), parts, registry)?);
        let told = Arc::clone(&spill);
        self.notes.push(Arc::new(move || told.degraded()));
        self.writers.push(Arc::clone(&spill) as Arc<dyn Writer>);
        Ok(spill)
    }

    /// What an operator should know of the writer though it takes everything.
    pub(crate) fn notes(&self) -> Vec<Check> {
        self.notes.clone()
    }

    /// The readers that the sink lands, in that store, once the topics are known to be there.
    ///
    /// # Errors
    /// The stream cannot be reached, or a topic is missing and may not be made.
    pub(crate) async fn readers(&mut self, store: &Arc<dyn Store>) -> Result<Vec<Box<dyn Reader>>> {
        match &mut self.backend {
            Backend::Journal(journal) => {
                let reader = |topic| Ok(journal.reader(topic, JOURNAL_READERS)?);
                named(&self.topics).iter().map(reader).collect()
            }
            // Two readers: Kafka's assignment evens out how many partitions the members of a group have, and would give
            // one sink all events and another all that were rejected.
            Backend::Kafka(kafka) => {
                let events = match &self.topics.template {
                    None => Subscription::Topics(vec![self.topics.events.clone()]),
                    Some(template) => {
                        let events = self.topics.events.as_str().replace('.', "[.]");
                        Subscription::Pattern(format!("^({}|{events})$", template.pattern()))
                    }
                };
                let bad_events = Subscription::Topics(vec![self.topics.bad_events.clone()]);
                block_in_place(|| {
                    Ok(vec![
                        kafka.reader(EVENTS, &events)?,
                        kafka.reader(BAD_EVENTS, &bad_events)?,
                    ])
                })
            }
            Backend::Kinesis(on) => {
                let board = Arc::new(StoreBoard::new(Arc::clone(store)));
                let readers = on.kinesis.readers(board, &on.metrics)?;
                let readers = on.readers.insert(readers);
                let [events, bad_events] = named(&self.topics);
                Ok(vec![
                    readers.open(EVENTS, &events).await?,
                    readers.open(BAD_EVENTS, &bad_events).await?,
                ])
            }
        }
    }

    /// Writes what is queued and gives everything back: the journal's lock, or the place among other readers.
    pub(crate) async fn close(&self) {
        for writer in &self.writers {
            writer.close().await;
        }
        match &self.backend {
            Backend::Journal(journal) => journal.close().await,
            Backend::Kafka(kafka) => kafka.close().await,
            Backend::Kinesis(on) => {
                if let Some(readers) = &on.readers {
                    readers.close().await;
                }
            }
        }
    }
}

/// Where events go, and why it does not answer, where a spill stands in for it then.
fn kafka_primary(
    kafka: &Kafka,
    topics: &[Topic],
    stands_in: bool,
) -> Result<(Arc<dyn Primary>, Option<String>)> {
    match kafka.primary(topics) {
        Err(error @ kafka::Error::Unreachable { .. }) if stands_in => {
            Ok((kafka.primary(&[])?, Some(error.to_string())))
        }
        opened => Ok((opened?, None)),
    }
}

async fn kinesis_primary(
    kinesis: &Kinesis,
    topics: &[Topic],
    stands_in: bool,
) -> Result<(Arc<dyn Primary>, Option<String>)> {
    match kinesis.primary(topics).await {
        Err(error @ kinesis::Error::Unreachable { .. }) if stands_in => {
            Ok((kinesis.primary(&[]).await?, Some(error.to_string())))
        }
        opened => Ok((opened?, None)),
    }
}

/// The topics that are known by name.
fn named(topics: &Topics) -> [Topic; 2] {
    [topics.events.clone(), topics.bad_events.clone()]
}
