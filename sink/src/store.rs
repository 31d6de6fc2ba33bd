//! The seam to where tables live: a flat space of immutable objects, named by `/`-separated paths.
//!
//! Everything the sink promises rests on one operation, [`Store::create`]: it is what makes a file durable
//! and what lets exactly one writer win a place in the commit log.

pub mod local;
pub mod probe;
#[cfg(feature = "s3")]
pub mod s3;

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// What a store knows of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The object's path below the store's root.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// When it was written, by the store's clock, in ms since the epoch.
    pub written_ms: i64,
}

/// Why an operation on the store did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is an object at that path already, and it is durable.
    #[error("{path} exists already")]
    AlreadyExists {
        /// The object.
        path: String,
    },
    /// There is no object at that path.
    #[error("{path} does not exist")]
    NotFound {
        /// The object.
        path: String,
    },
    /// The operation failed, or its fate is unknown: it may have taken effect, or may yet.
    #[error("cannot {doing} {path}: {source}")]
    Failed {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// The object or folder.
        path: String,
        /// What the store said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A failure whose cause is `source`.
    pub fn failed(
        doing: &'static str,
        path: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed {
            doing,
            path: path.to_owned(),
            source: source.into().into(),
        }
    }
}

/// Where objects are kept.
///
/// # Contract
/// - Objects are immutable: a path is written once and never again with other bytes.
/// - `Ok` from `create` is durable and visible to every reader and listing at once; so is the object that
///   `AlreadyExists` speaks of.
/// - Of several creates of one path at most one succeeds, whoever makes them. Where a path does not begin with `_`,
///   a store may hold that only for creates one after another: large objects that are put together from parts cannot be
///   made exclusively everywhere. So a data file's name must be its writer's alone.
/// - A reader sees an object whole or not at all.
/// - A failed or dropped `create` leaves the object there or not: calling it again tells which.
/// - `AlreadyExists` may speak of the caller's own object: of an earlier call whose fate was unknown, or of a try
///   within this very call whose reply was lost. A store cannot tell, its callers can: a data file's name belongs to
///   one attempt of one sink, a commit record carries its attempt, and a checkpoint is the same whoever writes it.
/// - A path is made of parts between `/`; none is empty or begins with a dot, and none has a backslash. Other paths
///   fail.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Writes an object where there is none.
    fn create(&self, path: &str, bytes: Bytes) -> BoxFuture<'_, Result<(), Error>>;

    /// An object's bytes.
    fn read(&self, path: &str) -> BoxFuture<'_, Result<Bytes, Error>>;

    /// The bytes of an object that lie in `range`: fewer when it ends before that, none when it ends before the
    /// range begins. An empty range reads nothing, whether or not the object is there.
    fn read_range(&self, path: &str, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, Error>>;

    /// What is known of an object without reading it.
    fn head(&self, path: &str) -> BoxFuture<'_, Result<Object, Error>>;

    /// At most `objects_max` objects whose path starts with `folder` (empty, or ending in `/`) and comes after
    /// `after`. Fewer than `objects_max`: there are no more.
    ///
    /// They come in the order of their paths' bytes, except that a store may put `/` before every other byte
    /// (SeaweedFS does): a folder's own objects are in order everywhere, and no store mixes two folders.
    fn list(
        &self,
        folder: &str,
        after: &str,
        objects_max: usize,
    ) -> BoxFuture<'_, Result<Vec<Object>, Error>>;

    /// Removes an object; succeeds when there is none.
    fn delete(&self, path: &str) -> BoxFuture<'_, Result<(), Error>>;

    /// Removes what interrupted creates left behind before `written_ms`; returns how many pieces.
    fn sweep_partial(&self, written_ms: i64) -> BoxFuture<'_, Result<u64, Error>>;
}

/// Whether a path can name an object: see the contract.
pub(crate) fn is_path(path: &str) -> bool {
    path.split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains('\\'))
}

/// How many objects one listing asks for.
pub(crate) const PAGE_OBJECTS: usize = 1_000;

/// Visits every object below `folder` that comes after `after`, page by page.
pub(crate) async fn each(
    store: &dyn Store,
    folder: &str,
    after: &str,
    mut visit: impl FnMut(Object) + Send,
) -> Result<(), Error> {
    let mut after = after.to_owned();
    loop {
        let page = store.list(folder, &after, PAGE_OBJECTS).await?;
        let last = page.len() < PAGE_OBJECTS;
        if let Some(object) = page.last() {
            after.clone_from(&object.path);
        }
        page.into_iter().for_each(&mut visit);
        if last {
            return Ok(());
        }
    }
}
