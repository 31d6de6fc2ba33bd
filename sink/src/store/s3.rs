//! A bucket of Amazon S3, or of a server that speaks its protocol, as a store.
//!
//! `If-None-Match: *` is what makes a create exclusive; the store's own atomicity is all that the commit log rests
//! on, so a start tries it out (`probe`). Only this module and those below it know the SDK.
//! `docs/adr/0008-s3-store.md`.

mod attempts;
mod client;
mod config;
mod fault;
mod multipart;
mod read;
mod request;
mod requests;

use std::{fmt, ops::Range, sync::Arc};

use aws_sdk_s3::{Client, config::Credentials};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use tokio::time::Instant;

use self::{
    attempts::Attempts,
    fault::{Fault, Verdict},
    requests::Requests,
};
pub use self::{
    config::{Checksums, Config, Encryption},
    requests::CATALOG,
};
use super::{Error, Object, Store, is_path};

/// Why a bucket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting is wrong.
    #[error("{key}: {reason}")]
    Config {
        /// The setting.
        key: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// Nothing says in which region the bucket is.
    #[error("no region: set `region`, AWS_REGION or the profile's region")]
    Region,
    /// The counter of requests cannot be made.
    #[error("cannot count requests: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A store in a bucket. Clones share connections and limits.
#[derive(Clone)]
pub struct S3 {
    bucket: Arc<Bucket>,
}

/// The bucket, and how it is spoken to.
struct Bucket {
    client: Client,
    config: Config,
    /// What keys begin with.
    prefix: String,
    attempts: Attempts,
    requests: Requests,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3")
            .field("bucket", &self.bucket.config.bucket)
            .field("prefix", &self.bucket.prefix)
            .field("endpoint", &self.bucket.config.endpoint)
            .finish_non_exhaustive()
    }
}

impl S3 {
    /// Sets the client up. The store is asked nothing yet, and credentials are looked for with the first request.
    ///
    /// # Errors
    /// A setting is wrong, or no region is known.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        Self::open_as(config, None).await
    }

    /// The same, with these keys: tests have servers of their own and no environment to change.
    ///
    /// # Errors
    /// As [`S3::open`].
    #[cfg(any(test, feature = "testing"))]
    pub async fn open_with_keys(
        config: Config,
        access_key_id: &str,
        secret_access_key: &str,
    ) -> Result<Self, OpenError> {
        let keys = Credentials::builder()
            .access_key_id(access_key_id)
            .secret_access_key(secret_access_key)
            .provider_name("test")
            .build();
        Self::open_as(config, Some(keys)).await
    }

    /// Begins an upload in parts and forgets it, as a process does that is killed.
    ///
    /// # Errors
    /// The store fails.
    #[cfg(any(test, feature = "testing"))]
    pub async fn begin_upload(&self, path: &str) -> Result<(), Error> {
        self.run("create", path, |bucket, key, deadline| async move {
            multipart::leave(&bucket, &key, deadline).await
        })
        .await
    }

    /// How many uploads in parts are under way or were left.
    ///
    /// # Errors
    /// The store fails.
    #[cfg(any(test, feature = "testing"))]
    pub async fn uploads_left(&self) -> Result<usize, Error> {
        let left = multipart::left(&self.bucket).await;
        left.map_err(|fault| Error::failed("list", "unfinished uploads", fault))
    }

    /// Shows how many requests were sent.
    ///
    /// # Errors
    /// The registry has the counter of another bucket already.
    pub fn register(&self, registry: &prometheus::Registry) -> Result<(), prometheus::Error> {
        self.bucket.requests.register(registry)
    }

    async fn open_as(config: Config, keys: Option<Credentials>) -> Result<Self, OpenError> {
        if let Some((key, reason)) = config.problems().into_iter().next() {
            return Err(OpenError::Config { key, reason });
        }
        let requests = Requests::new()?;
        let bucket = Bucket {
            client: client::client(&config, keys).await?,
            prefix: config.key_prefix(),
            attempts: Attempts::new(&config, requests.clone()),
            requests,
            config,
        };
        Ok(Self {
            bucket: Arc::new(bucket),
        })
    }

    /// Runs an operation on a path, bounded by the deadline.
    fn run<T, F>(
        &self,
        doing: &'static str,
        path: &str,
        work: impl FnOnce(Arc<Bucket>, String, Instant) -> F + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let (bucket, path) = (Arc::clone(&self.bucket), path.to_owned());
        async move {
            if !is_path(&path) {
                return Err(Error::failed(doing, &path, "not an object's path"));
            }
            let deadline = Instant::now() + bucket.config.operation_deadline();
            let key = format!("{}{path}", bucket.prefix);
            let done = work(bucket, key, deadline).await;
            done.map_err(|fault| match fault.verdict {
                Verdict::Exists => Error::AlreadyExists { path },
                Verdict::Missing => Error::NotFound { path },
                _ => Error::failed(doing, &path, fault),
            })
        }
        .boxed()
    }
}

impl Store for S3 {
    fn create(&self, path: &str, bytes: Bytes) -> BoxFuture<'_, Result<(), Error>> {
        // Names that begin with `_` are the sink's own records. They are never split: what the commit log rests on is
        // the one request whose condition the probe has tried.
        let record = path.starts_with('_');
        self.run("create", path, move |bucket, key, deadline| async move {
            let split = bytes.len() as u64 > bucket.config.multipart_threshold_bytes && !record;
            let created = if split {
                multipart::create(&bucket, &key, bytes, deadline).await
            } else {
                bucket.put(&key, bytes, record, deadline).await
            };
            created.map_err(|fault| match fault.verdict {
                // Where something is to be written, there is nothing to be missed.
                Verdict::Missing => Fault::never(fault.to_string()),
                _ => fault,
            })
        })
    }

    fn read(&self, path: &str) -> BoxFuture<'_, Result<Bytes, Error>> {
        self.run("read", path, |bucket, key, deadline| async move {
            read::whole(&bucket, &key, deadline).await
        })
    }

    fn read_range(&self, path: &str, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, Error>> {
        self.run("read", path, |bucket, key, deadline| async move {
            read::range(&bucket, &key, range, deadline).await
        })
    }

    fn head(&self, path: &str) -> BoxFuture<'_, Result<Object, Error>> {
        self.run("look at", path, |bucket, key, deadline| async move {
            bucket.head(&key, deadline).await
        })
    }

    fn list(
        &self,
        folder: &str,
        after: &str,
        objects_max: usize,
    ) -> BoxFuture<'_, Result<Vec<Object>, Error>> {
        let bucket = Arc::clone(&self.bucket);
        let (folder, after) = (folder.to_owned(), after.to_owned());
        async move {
            let listed = bucket.list(&folder, &after, objects_max).await;
            listed.map_err(|fault| Error::failed("list", &folder, fault))
        }
        .boxed()
    }

    fn delete(&self, path: &str) -> BoxFuture<'_, Result<(), Error>> {
        self.run("delete", path, |bucket, key, deadline| async move {
            match bucket.delete(&key, deadline).await {
                Err(fault) if fault.verdict == Verdict::Missing => Ok(()),
                deleted => deleted,
            }
        })
    }

    fn sweep_partial(&self, written_ms: i64) -> BoxFuture<'_, Result<u64, Error>> {
        let bucket = Arc::clone(&self.bucket);
        async move {
            let swept = multipart::sweep(&bucket, written_ms).await;
            swept.map_err(|fault| Error::failed("sweep", "unfinished uploads", fault))
        }
        .boxed()
    }
}
