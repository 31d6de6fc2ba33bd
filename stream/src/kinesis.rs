//! The stream on Amazon Kinesis Data Streams, or a server that speaks its protocol. `docs/adr/0013-kinesis.md` says why
//! this way.
//!
//! - A [`Writer`]'s records go to the stream of the topic that each names. Each shard has a lane of its own; what waits
//!   there is put into few, large records and sent at the pace that the shard takes.
//!
//! - A [`Reader`](crate::log::Reader) takes its share of a stream's shards, beside others on the same
//!   [board](crate::share). Where reading starts is its user's to say.
//!
//! Only this module and those below it know the SDK.

mod aggregate;
mod ask;
mod balance;
mod behind;
mod body;
mod client;
mod config;
mod deaggregate;
mod deliveries;
mod digests;
mod error;
mod fan_out;
mod health;
mod intake;
mod known;
mod kpl;
mod lane;
mod lanes;
mod lineage;
mod metrics;
mod pending;
mod poll;
mod position;
mod pulse;
mod put;
mod rate;
mod read_config;
mod read_metrics;
mod reader;
mod room;
mod search;
mod shards;
mod source;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod writer;

use std::{fmt, sync::Arc, time::Duration};

use aws_sdk_kinesis::{Client, config::Credentials};
use prometheus::Registry;

pub use self::{
    config::{Config, Mode, Order, Streams},
    error::{Error, Fault},
    metrics::CATALOG,
    read_config::Read,
    read_metrics::READ_CATALOG,
    reader::Readers,
};
use self::{health::Health, metrics::Metrics, stream::Shared, writer::KinesisWriter};
use crate::{
    log::{Topic, Writer},
    spill::Primary,
};

/// An account's streams in a region. Nothing is asked before a writer or a reader is opened.
#[derive(Clone)]
pub struct Kinesis {
    config: Arc<Config>,
    client: Client,
    metrics: Metrics,
}

impl fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kinesis")
            .field("endpoint", &self.config.endpoint)
            .finish_non_exhaustive()
    }
}

impl Kinesis {
    /// Checks the settings, sets the client up and registers the metrics; credentials are looked for with the first
    /// request.
    ///
    /// # Errors
    /// [`Error::Config`] with the first wrong key, [`Error::Region`], or [`Error::Metrics`] when the registry has them
    /// already.
    pub async fn open(config: Config, registry: &Registry) -> Result<Self, Error> {
        Self::open_as(config, None, registry).await
    }

    /// The same, with these keys: tests have servers of their own and no environment to change.
    ///
    /// # Errors
    /// As [`Kinesis::open`].
    #[cfg(any(test, feature = "testing"))]
    pub async fn open_with_keys(
        config: Config,
        access_key_id: &str,
        secret_access_key: &str,
        registry: &Registry,
    ) -> Result<Self, Error> {
        let keys = Credentials::builder()
            .access_key_id(access_key_id)
            .secret_access_key(secret_access_key)
            .provider_name("test")
            .build();
        Self::open_as(config, Some(keys), registry).await
    }

    async fn open_as(
        config: Config,
        keys: Option<Credentials>,
        registry: &Registry,
    ) -> Result<Self, Error> {
        if let Some((key, reason)) = config.problems().into_iter().next() {
            return Err(Error::Config { key, reason });
        }
        let client = client::client(&config, keys).await?;
        Ok(Self {
            config: Arc::new(config),
            client,
            metrics: Metrics::register(registry)?,
        })
    }

    /// A writer, with these topics' streams made sure of; others follow when their first record comes. Inside a Tokio
    /// runtime.
    ///
    /// # Errors
    /// [`Error::Missing`] and others that name the stream; [`Error::Unreachable`] when Kinesis does not answer: a writer
    /// without topics can be opened even then.
    pub async fn writer(&self, topics: &[Topic]) -> Result<Arc<dyn Writer>, Error> {
        Ok(Arc::new(self.open_writer(topics).await?))
    }

    /// The same as something that can be spilled for.
    ///
    /// # Errors
    /// As [`Kinesis::writer`].
    pub async fn primary(&self, topics: &[Topic]) -> Result<Arc<dyn Primary>, Error> {
        Ok(Arc::new(self.open_writer(topics).await?))
    }

    async fn open_writer(&self, topics: &[Topic]) -> Result<KinesisWriter, Error> {
        let failure_counts = Duration::from_millis(self.config.probe_interval_ms);
        let shared = Arc::new(Shared {
            config: Arc::clone(&self.config),
            client: self.client.clone(),
            metrics: self.metrics.clone(),
            health: Health::new(failure_counts),
        });
        KinesisWriter::open(shared, topics).await
    }
}
