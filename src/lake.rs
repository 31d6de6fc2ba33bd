//! Where the landed tables are: a directory or a bucket. Sinks, compactors, queries and the load test's proof all open
//! it here.

pub(crate) mod upkeep;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use headgate_sink::commit::{DataFile, Snapshot};
use headgate_sink::store::Store;
use headgate_sink::store::local::Local;
use headgate_sink::store::probe::Probe;
use headgate_sink::store::s3::S3;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use prometheus::Registry;

use crate::config::{Config, StoreKind};

/// A footer is mostly in the last so many bytes of its file: one request instead of two.
const FOOTER_BYTES: usize = 64 << 10;

/// The store as a sink needs it: there, and proven fit for the commit log, which took so long.
///
/// # Errors
/// The directory cannot be made, the bucket cannot be reached, or its server cannot create exclusively.
pub(crate) async fn open_for_sink(
    config: &Config,
    now_ms: i64,
    registry: &Registry,
) -> Result<(Arc<dyn Store>, Duration)> {
    // A file system's links are exclusive; what servers promise is tried out.
    if config.store.kind == StoreKind::Local {
        return Ok((open(config).await?, Duration::ZERO));
    }
    let store = open_s3(config).await?;
    store.register(registry)?;
    let begun = Instant::now();
    let tried = Probe::default().run(&store, now_ms).await;
    tried.with_context(|| format!("cannot land in {}", name(config)))?;
    let took = begun.elapsed();
    let took_ms = took.as_millis();
    tracing::info!(
        store = name(config),
        took_ms,
        "the store creates exclusively"
    );
    Ok((Arc::new(store), took))
}

/// The store as readers need it; nothing where no event was ever landed in the directory.
///
/// # Errors
/// It cannot be opened.
pub(crate) async fn open_to_read(config: &Config) -> Result<Option<Arc<dyn Store>>> {
    if config.store.kind == StoreKind::Local && !config.lake_dir().exists() {
        return Ok(None);
    }
    open(config).await.map(Some)
}

async fn open(config: &Config) -> Result<Arc<dyn Store>> {
    Ok(match config.store.kind {
        StoreKind::Local => Arc::new(
            Local::open(&config.lake_dir())
                .with_context(|| format!("cannot open {}", name(config)))?,
        ),
        StoreKind::S3 => Arc::new(open_s3(config).await?),
    })
}

async fn open_s3(config: &Config) -> Result<S3> {
    let opened = S3::open(config.s3.clone()).await;
    opened.with_context(|| format!("cannot open {}", name(config)))
}

/// What has landed by now.
///
/// # Errors
/// The commit log cannot be read.
pub(crate) async fn snapshot(store: &dyn Store, config: &Config) -> Result<Snapshot> {
    let read = Snapshot::read(store).await;
    read.with_context(|| format!("cannot read the commit log in {}", name(config)))
}

/// What people call the place.
pub(crate) fn name(config: &Config) -> String {
    match config.store.kind {
        StoreKind::Local => config.lake_dir().display().to_string(),
        StoreKind::S3 => {
            let prefix = config.s3.prefix.trim_end_matches('/');
            format!("s3://{}/{prefix}", config.s3.bucket)
        }
    }
}

/// The address of the bucket's tables, as a warehouse knows it; it ends in a slash.
pub(crate) fn root(config: &Config) -> String {
    let prefix = config.s3.prefix.trim_matches('/');
    match prefix.is_empty() {
        true => format!("s3://{}/", config.s3.bucket),
        false => format!("s3://{}/{prefix}/", config.s3.bucket),
    }
}

/// One data file as parquet-rs reads it: by ranges, so that a column costs its own bytes and no others.
pub(crate) struct LandedFile {
    store: Arc<dyn Store>,
    path: String,
    bytes: u64,
}

impl LandedFile {
    /// The file that a commit names.
    pub(crate) fn new(store: &Arc<dyn Store>, file: &DataFile) -> Self {
        Self {
            store: Arc::clone(store),
            path: file.path.clone(),
            bytes: file.bytes,
        }
    }
}

impl AsyncFileReader for LandedFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let length = range.end.saturating_sub(range.start);
        async move {
            let read = self.store.read_range(&self.path, range).await;
            let bytes = read.map_err(|error| ParquetError::External(Box::new(error)))?;
            // A shorter file than its commit says would else be decoded from the wrong place.
            if bytes.len() as u64 != length {
                return Err(ParquetError::EOF(format!("{} is cut short", self.path)));
            }
            Ok(bytes)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let bytes = self.bytes;
            let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}
