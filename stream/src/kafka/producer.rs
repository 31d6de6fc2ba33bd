//! librdkafka's producer and the one thread that polls it: outcomes, health, and making it anew when it cannot go on.

use std::{
    error::Error as StdError,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message, Statistics,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::{DeliveryResult, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
    util::Timeout,
};
use tokio::{sync::watch, time::timeout};

use super::{
    client,
    config::Config,
    error::Error,
    health::Health,
    metrics::Metrics,
    overdue::Overdue,
    tokens::Tokens,
    topics::{Ready, Topics},
};
use crate::{
    log::{Record, Refusal},
    outcomes::Batch,
};

/// How long a client may take to end once nothing is waited for any more.
const END: Duration = Duration::from_secs(5);

/// Why a client was made anew that had kept a record for longer than the deadline.
const OVERDUE: &str = "overdue";

/// How long one poll waits for events: how late a wish to close or to rebuild is noticed.
const POLL: Duration = Duration::from_millis(100);

/// How long a broker may take to answer when all of them were down.
const PROBE: Duration = Duration::from_secs(1);

/// What the writer and the polling thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Arc<Config>,
    pub(super) metrics: Metrics,
    pub(super) health: Arc<Health>,
    pub(super) topics: Arc<Topics>,
    /// None once the writer was closed.
    current: RwLock<Option<Arc<Client>>>,
    /// The batches that the current client makes at most, in bytes.
    batch_bytes_max: AtomicU64,
    /// What the current client has under way.
    overdue: Overdue,
    stopping: AtomicBool,
    ended: watch::Sender<bool>,
}

/// One client of librdkafka.
struct Client(BaseProducer<Events>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// A record's place in its append, held by librdkafka until the record's fate is known.
#[derive(Debug)]
struct Ticket {
    batch: Arc<Batch>,
    place: u32,
    topic: Arc<Ready>,
}

/// What librdkafka calls back.
struct Events {
    health: Arc<Health>,
    metrics: Metrics,
    tokens: Tokens,
}

impl Shared {
    /// Makes the client and starts its thread.
    pub(super) fn start(
        config: Arc<Config>,
        metrics: Metrics,
        topics: Arc<Topics>,
    ) -> Result<Arc<Self>, Error> {
        let failure_counts = Duration::from_millis(config.probe_interval_ms);
        let shared = Arc::new(Self {
            health: Arc::new(Health::new(failure_counts)),
            batch_bytes_max: AtomicU64::new(topics.batch_bytes_max()),
            config,
            metrics,
            topics,
            current: RwLock::new(None),
            overdue: Overdue::default(),
            stopping: AtomicBool::new(false),
            ended: watch::Sender::new(false),
        });
        let client = shared.make()?;
        shared.swap(&client);
        let polled = Arc::clone(&shared);
        let named = thread::Builder::new().name("kafka-writer".to_owned());
        named.spawn(move || polled.run(client))?;
        Ok(shared)
    }

    /// Hands the records to librdkafka. Their outcomes go to the batch, now or later. Once its queue is full the rest
    /// is refused too: else a record could overtake one of its key that found no room.
    pub(super) fn send(
        &self,
        records: &[Record],
        to: impl Fn(&Record) -> Result<Arc<Ready>, Refusal>,
        batch: &Arc<Batch>,
    ) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let mut full = None;
        for (place, record) in (0..).zip(records) {
            let ready = to(record).and_then(|ready| check_size(record, &ready).map(|()| ready));
            match (&*current, ready) {
                (Some(_), Ok(_)) if full.is_some() => {
                    full.iter()
                        .for_each(|refusal: &Refusal| batch.refuse(place, refusal.clone()));
                }
                (Some(client), Ok(topic)) => {
                    batch.open();
                    let ticket = Ticket {
                        batch: Arc::clone(batch),
                        place,
                        topic,
                    };
                    full = self.send_one(client, record, ticket);
                }
                (None, _) => batch.refuse(place, Refusal::Closed),
                (_, Err(refusal)) => batch.refuse(place, refusal),
            }
        }
        // Before another client can take this one's place.
        self.overdue.sent(batch);
    }

    /// The refusal when librdkafka's queue is full.
    fn send_one(&self, client: &Client, record: &Record, ticket: Ticket) -> Option<Refusal> {
        let headers = OwnedHeaders::new_with_capacity(1).insert(rdkafka::message::Header {
            key: "content-type",
            value: Some("application/cloudevents+json"),
        });
        let mut message = BaseRecord::with_opaque_to(record.topic.as_str(), Box::new(ticket))
            .payload(&record.value[..])
            .headers(headers);
        if !record.key.is_empty() {
            message = message.key(&record.key[..]);
        }
        let Err((error, message)) = client.0.send(message) else {
            return None;
        };
        let ticket = message.delivery_opaque;
        let bytes = record.key.len() + record.value.len();
        let refusal = refused(&error, bytes, &ticket.topic, &self.health);
        let full = error.rdkafka_error_code() == Some(Code::QueueFull);
        let full = full.then(|| refusal.clone());
        ticket.batch.settle(ticket.place, Err(refusal));
        full
    }

    /// Refuses further records; what is queued is written within `close_deadline_ms`, then `ended`.
    pub(super) fn stop(&self) {
        self.health.close();
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        self.stopping.store(true, Ordering::Release);
        *current = None;
    }

    pub(super) fn stopped(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(super) async fn ended(&self) {
        let deadline = Duration::from_millis(self.config.close_deadline_ms) + END;
        let mut ended = self.ended.subscribe();
        // librdkafka's threads sleep by the wall clock: one that was set back can hold its end up for as long.
        if timeout(deadline, ended.wait_for(|ended| *ended))
            .await
            .is_err()
        {
            tracing::warn!(
                "the writer's client does not end; it is left to the end of the process"
            );
        }
    }

    fn make(&self) -> Result<Arc<Client>, Error> {
        let limit = self.topics.batch_bytes_max();
        self.batch_bytes_max.store(limit, Ordering::Relaxed);
        let events = Events {
            health: Arc::clone(&self.health),
            metrics: self.metrics.clone(),
            tokens: Tokens::of(&self.config),
        };
        let made = client::producer(&self.config, limit).create_with_context(events);
        made.map(|client| Arc::new(Client(client)))
            .map_err(Error::client("make a producer"))
    }

    fn swap(&self, client: &Arc<Client>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // Closed stays closed.
        if !self.stopped() {
            *current = Some(Arc::clone(client));
            self.overdue.forget();
        }
    }

    fn run(&self, mut client: Arc<Client>) {
        let interval = Duration::from_millis(self.config.probe_interval_ms);
        let patience = Duration::from_millis(self.config.produce_deadline_ms);
        let mut probed = Instant::now();
        while !self.stopped() {
            let polled = Instant::now();
            client.0.poll(POLL);
            if polled.elapsed() > 2 * POLL {
                // It was held up, and acknowledgements that came meanwhile are not taken yet: they are not overdue.
                client.0.poll(POLL);
            }
            if self
                .overdue
                .oldest()
                .is_some_and(|oldest| oldest > patience)
            {
                client = self.rebuild(client, OVERDUE);
            }
            if probed.elapsed() < interval {
                continue;
            }
            probed = Instant::now();
            if let Some(why) = self.outdated(&client) {
                client = self.rebuild(client, why);
            } else if self.health.is_down() {
                // Idle connections are not tried by librdkafka until someone wants something.
                if client.0.client().fetch_metadata(None, PROBE).is_ok() {
                    self.health.up();
                }
            }
        }
        let deadline = Duration::from_millis(self.config.close_deadline_ms);
        if let Err(error) = client.0.flush(deadline) {
            tracing::warn!(%error, left = client.0.in_flight_count(), "closing before every record was acknowledged");
        }
        // Answers what is left: the last reference, so that nothing is polled any more.
        drop(client);
        self.ended.send_replace(true);
    }

    fn outdated(&self, client: &Client) -> Option<&'static str> {
        if self.health.is_fatal() || client.0.client().fatal_error().is_some() {
            return Some("fatal");
        }
        let smaller = self.topics.batch_bytes_max() < self.batch_bytes_max.load(Ordering::Relaxed);
        smaller.then_some("limit")
    }

    /// Another client in place of this one. Records of one append are all sent by one client, and an append that
    /// returned has nothing under way: no order is lost between the two.
    fn rebuild(&self, old: Arc<Client>, why: &'static str) -> Arc<Client> {
        match self.make() {
            Ok(new) => {
                tracing::warn!(why, "made the writer's client anew");
                self.metrics.count_rebuild(why);
                self.swap(&new);
                // That records are overdue tells nothing of whether brokers are there.
                if why != OVERDUE {
                    self.health.rebuilt();
                }
                self.retire(old, why);
                new
            }
            Err(error) => {
                tracing::error!(%error, "cannot make the writer's client anew; trying again");
                old
            }
        }
    }

    /// Lets a client end in its own time: what it has under way is written if it still can be, else answered.
    fn retire(&self, old: Arc<Client>, why: &'static str) {
        let patience = match why {
            "fatal" | OVERDUE => Duration::ZERO,
            _ => Duration::from_millis(self.config.produce_deadline_ms),
        };
        let retired = thread::Builder::new()
            .name("kafka-retired".to_owned())
            .spawn(move || {
                if let Err(error) = old.0.flush(Timeout::After(patience)) {
                    tracing::debug!(%error, "a retired client ends with records under way");
                }
            });
        if let Err(error) = retired {
            tracing::warn!(%error, "no thread for a retired client: its records are given up");
        }
    }
}

fn check_size(record: &Record, topic: &Ready) -> Result<(), Refusal> {
    let bytes = (record.key.len() + record.value.len()) as u64;
    let bytes_max = topic.limits.record_bytes_max;
    if bytes > bytes_max {
        return Err(Refusal::TooLarge { bytes, bytes_max });
    }
    Ok(())
}

/// What librdkafka's error means for the record.
fn refused(error: &KafkaError, bytes: usize, topic: &Ready, health: &Health) -> Refusal {
    let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
    let reason: Arc<str> = match code {
        Code::QueueFull => "the queue to Kafka is full".into(),
        Code::PurgeQueue | Code::PurgeInflight => {
            "no acknowledgement within produce_deadline_ms, or the writer was closed".into()
        }
        Code::MessageSizeTooLarge => {
            // It is within the limit that we know, so the broker's was lowered, or only its batch was too large.
            topic.doubt();
            format!("the broker's limit for batches is below {bytes} bytes and is being looked up")
                .into()
        }
        Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition => {
            topic.doubt();
            "the topic is not there any more".into()
        }
        code => code.to_string().into(),
    };
    match code {
        Code::Fatal | Code::OutOfOrderSequenceNumber | Code::InvalidProducerEpoch => {
            health.fatal(&reason)
        }
        Code::MessageSizeTooLarge => {}
        _ => health.failed(&reason),
    }
    match code {
        Code::QueueFull => Refusal::Unsent(reason),
        _ => Refusal::Unavailable(reason),
    }
}

impl ClientContext for Events {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, told: Option<&str>) -> Result<OAuthToken, Box<dyn StdError>> {
        self.tokens.issue(told)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(Code::AllBrokersDown) => self.health.down(reason),
            Some(Code::Fatal) => self.health.fatal(reason),
            _ => {}
        }
        tracing::warn!(target: "librdkafka", %error, "{reason}");
    }

    fn stats(&self, told: Statistics) {
        self.metrics.set_queue(told.msg_cnt, told.msg_size);
        let brokers = || told.brokers.values().filter(|broker| broker.nodeid >= 0);
        for broker in brokers() {
            if let Some(rtt) = broker.rtt.as_ref().filter(|rtt| rtt.cnt > 0) {
                let mean = Duration::from_micros(u64::try_from(rtt.avg).unwrap_or(0));
                self.metrics.set_rtt(&broker.nodeid.to_string(), mean);
            }
        }
        let up = brokers().filter(|broker| broker.state == "UP").count();
        self.metrics.set_brokers_up(up);
        if up > 0 {
            self.health.up();
        }
    }
}

impl ProducerContext for Events {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, ticket: Self::DeliveryOpaque) {
        let outcome = match delivered {
            Ok(message) => {
                ticket
                    .topic
                    .metrics
                    .count_acknowledged(message.payload_len());
                self.health.succeeded();
                Ok(())
            }
            Err((error, message)) => {
                let bytes = message.key_len() + message.payload().map_or(0, <[u8]>::len);
                Err(refused(error, bytes, &ticket.topic, &self.health))
            }
        };
        ticket.batch.settle(ticket.place, outcome);
    }
}
