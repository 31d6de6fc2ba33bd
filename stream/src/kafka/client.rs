//! The configurations that librdkafka's clients are made with, and where their logs go.

use std::{
    error::Error,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    config::{Config, RECORD_OVERHEAD_BYTES},
    tokens::Tokens,
};

/// Reconnecting is tried at least this often, in ms: librdkafka's own default lets a writer sleep for 10 s after the
/// brokers are back.
const RECONNECT_MS_MAX: u64 = 1_000;

/// How long librdkafka leaves a partition alone whose records it has enough of, in ms: its default of a second is far
/// longer than what is queued lasts, and a reader that catches up would wait most of the time.
const QUEUE_BACKOFF_MS: &str = "10";

/// How long the members of a group have at least to join it anew, beside what a revocation may wait, in ms.
const JOIN_MS_MIN: u64 = 5_000;

/// How long one poll waits for librdkafka to ask for a token.
const TOKEN_POLL: Duration = Duration::from_millis(50);

/// What every client has in common. Ours come last: they win over properties.
pub(super) fn common(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("client.id", "headgate");
    client.set("reconnect.backoff.max.ms", RECONNECT_MS_MAX.to_string());
    if config.msk_iam.is_some() {
        client.set("security.protocol", "SASL_SSL");
        client.set("sasl.mechanism", "OAUTHBEARER");
    }
    for (name, value) in &config.properties {
        client.set(name, value);
    }
    client.set("bootstrap.servers", config.bootstrap_servers.join(","));
    client.set(
        "topic.metadata.refresh.interval.ms",
        config.metadata_interval_ms.to_string(),
    );
    client.set_log_level(RDKafkaLogLevel::Info);
    client
}

/// A producer whose success means durable, and whose retries neither double nor reorder.
pub(super) fn producer(config: &Config, batch_bytes_max: u64) -> ClientConfig {
    let largest = batch_bytes_max.max(config.record_bytes_max + RECORD_OVERHEAD_BYTES);
    let mut client = common(config);
    for (name, value) in [
        ("acks", "all".to_owned()),
        ("enable.idempotence", "true".to_owned()),
        ("partitioner", "murmur2_random".to_owned()),
        ("compression.codec", config.compression.name().to_owned()),
        ("linger.ms", config.linger_ms.to_string()),
        ("batch.size", batch_bytes_max.to_string()),
        // librdkafka bounds whole requests by it.
        ("message.max.bytes", (2 * largest).to_string()),
        // Never: see `overdue`.
        ("message.timeout.ms", "0".to_owned()),
        (
            "queue.buffering.max.kbytes",
            (config.queue_bytes_max / 1024).to_string(),
        ),
        (
            "queue.buffering.max.messages",
            config.queue_records_max.to_string(),
        ),
        (
            "statistics.interval.ms",
            config.statistics_interval_ms.to_string(),
        ),
    ] {
        client.set(name, value);
    }
    client
}

/// How often a member of the group shows that it lives.
const HEARTBEAT: &str = "heartbeat.interval.ms";

/// The longest time between two heartbeats, in ms: a rebalance is heard of by them.
const HEARTBEAT_MS_MAX: u64 = 3_000;

/// A member of the group that reads only what was committed, from where it is told.
pub(super) fn consumer(config: &Config) -> ClientConfig {
    // A quarter waits in librdkafka, a quarter in the reader; one fetch may bring a quarter over.
    let share = config.prefetch_bytes_max / 4;
    let mut client = common(config);
    for (name, value) in [
        ("group.id", config.group.clone()),
        ("group.protocol", "classic".to_owned()),
        (
            "partition.assignment.strategy",
            "cooperative-sticky".to_owned(),
        ),
        ("session.timeout.ms", config.session_timeout_ms.to_string()),
        ("enable.auto.commit", "false".to_owned()),
        ("enable.auto.offset.store", "false".to_owned()),
        ("auto.offset.reset", "error".to_owned()),
        ("isolation.level", "read_committed".to_owned()),
        ("check.crcs", "true".to_owned()),
        ("allow.auto.create.topics", "false".to_owned()),
        ("queued.max.messages.kbytes", (share / 1024).to_string()),
        ("fetch.message.max.bytes", share.min(1 << 20).to_string()),
        ("fetch.max.bytes", share.to_string()),
        (
            "statistics.interval.ms",
            config.statistics_interval_ms.to_string(),
        ),
    ] {
        client.set(name, value);
    }
    // librdkafka's own is 3 s whatever the session: with a short one the member would be thrown out again and again.
    if !config.properties.contains_key(HEARTBEAT) {
        let heartbeat_ms = (config.session_timeout_ms / 4).min(HEARTBEAT_MS_MAX);
        client.set(HEARTBEAT, heartbeat_ms.to_string());
    }
    // As long does librdkafka wait for the group's answer to a member that joins, also on a connection that is dead
    // without saying so; its own is five minutes. The reader's thread polls all the time, whatever its user does.
    let poll_ms = config
        .session_timeout_ms
        .max(config.revoke_wait_ms_max + JOIN_MS_MIN);
    if !config.properties.contains_key("max.poll.interval.ms") {
        client.set("max.poll.interval.ms", poll_ms.to_string());
    }
    if !config.properties.contains_key("fetch.queue.backoff.ms") {
        client.set("fetch.queue.backoff.ms", QUEUE_BACKOFF_MS);
    }
    // The one place where librdkafka says that a topic's id has changed: see `suspects` in the reader's context.
    let debug = config.properties.get("debug").map(String::as_str);
    client.set(
        "debug",
        debug.map_or("metadata".to_owned(), |more| format!("metadata,{more}")),
    );
    client.set_log_level(RDKafkaLogLevel::Debug);
    client
}

/// A client that only asks questions: a consumer without a group never makes topics by asking for them.
pub(super) fn inquirer(config: &Config) -> ClientConfig {
    let mut client = common(config);
    client.set("allow.auto.create.topics", "false");
    client.set("isolation.level", "read_committed");
    client
}

/// Polls a client that is not polled otherwise until it has its token, if it needs one from us.
///
/// # Errors
/// Why there is no token.
pub(super) fn await_token(client: &BaseConsumer<Quiet>, at_most: Duration) -> Result<(), String> {
    let deadline = Instant::now() + at_most;
    let tokens = &client.context().tokens;
    loop {
        // Looked at before the time is: most clients need none.
        if let Some(issued) = tokens.issued() {
            return issued;
        }
        if Instant::now() >= deadline {
            return Err("Kafka's client did not ask for one within request_deadline_ms".to_owned());
        }
        // Nothing is subscribed to: there are no messages to lose.
        client.poll(TOKEN_POLL);
    }
}

/// A line of librdkafka's log, into ours.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    use RDKafkaLogLevel as Level;
    match level {
        // Properties are given to every client, also to those that do not know them.
        _ if facility == "CONFWARN" => tracing::debug!(target: "librdkafka", facility, "{line}"),
        // What librdkafka calls an error, it goes on from: it is told again where it has a consequence.
        Level::Emerg | Level::Alert | Level::Critical | Level::Error | Level::Warning => {
            tracing::warn!(target: "librdkafka", facility, "{line}");
        }
        Level::Notice | Level::Info => tracing::info!(target: "librdkafka", facility, "{line}"),
        Level::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// The context of clients that only ask questions.
#[derive(Debug)]
pub(super) struct Quiet {
    tokens: Tokens,
    /// The latest error in librdkafka's words.
    reason: Mutex<Option<String>>,
}

impl Quiet {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            tokens: Tokens::of(config),
            reason: Mutex::default(),
        }
    }

    fn put_reason(&self, reason: &str) {
        let mut kept = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(reason.to_owned());
    }
}

/// What librdkafka says of why a client that is not polled otherwise gets no answer; none when it says nothing.
pub(super) fn reason(client: &BaseConsumer<Quiet>) -> Option<String> {
    // Errors come among what is no message: a bounded number of polls sees them all, or enough.
    for _ in 0..100 {
        client.poll(Duration::ZERO);
    }
    let context = client.context();
    let mut kept = context
        .reason
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    kept.take()
}

impl ClientContext for Quiet {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, told: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.tokens.issue(told)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        // That all brokers are down says less than what came before it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.put_reason(reason);
        }
    }
}

impl ConsumerContext for Quiet {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_several_heartbeats_unless_told_otherwise() {
        let mut config = Config::default();
        for (session_ms, heartbeat_ms) in [(45_000, "3000"), (12_000, "3000"), (3_000, "750")] {
            config.session_timeout_ms = session_ms;
            assert_eq!(consumer(&config).get(HEARTBEAT), Some(heartbeat_ms));
        }
        let told = (HEARTBEAT.to_owned(), "500".to_owned());
        config.properties.extend([told]);
        assert_eq!(consumer(&config).get(HEARTBEAT), Some("500"));
    }
}
