//! The stream on Amazon Kinesis Data Streams, or a server that speaks its protocol. `docs/adr/0013-kinesis.md` says why
//! this way.
//!
//! - A [`Writer`]'s records go to the stream of the topic that each names. Each shard has a lane of its own; what waits
//!   there is put into few, large records and sent at the pace that the shard takes.
//!
//! Only this module and those below it know the SDK.

mod ask;
mod client;
mod config;
mod error;
mod kpl;
mod shards;
mod streams;

use std::{fmt, sync::Arc};

use aws_sdk_kinesis::{Client, config::Credentials};

pub use self::{
    config::{Config, Mode, Order, Streams},
    error::{Error, Fault},
};

/// An account's streams in a region. Nothing is asked before a writer or a reader is opened.
#[derive(Clone)]
pub struct Kinesis {
    config: Arc<Config>,
    client: Client,
}

impl fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kinesis")
            .field("endpoint", &self.config.endpoint)
            .finish_non_exhaustive()
    }
}

impl Kinesis {
    /// Checks the settings and sets the client up; credentials are looked for with the first request.
    ///
    /// # Errors
    /// [`Error::Config`] with the first wrong key, or [`Error::Region`].
    pub async fn open(config: Config) -> Result<Self, Error> {
        Self::open_as(config, None).await
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
    ) -> Result<Self, Error> {
        let keys = Credentials::builder()
            .access_key_id(access_key_id)
            .secret_access_key(secret_access_key)
            .provider_name("test")
            .build();
        Self::open_as(config, Some(keys)).await
    }

    async fn open_as(config: Config, keys: Option<Credentials>) -> Result<Self, Error> {
        if let Some((key, reason)) = config.problems().into_iter().next() {
            return Err(Error::Config { key, reason });
        }
        let client = client::client(&config, keys).await?;
        let config = Arc::new(config);
        Ok(Self { config, client })
    }
}
