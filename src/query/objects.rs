//! The landed files as DataFusion's object store: it only ever reads parts of files that the commit log named.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, coalesce_ranges,
};
use futures_util::StreamExt;
use futures_util::future::try_join;
use futures_util::stream::{self, BoxStream};
use headgate_sink::store::{self, Object, Store};

/// What is named in errors.
const STORE: &str = "Headgate's store";

/// A [`Store`] that DataFusion reads.
#[derive(Debug)]
pub(crate) struct Objects(pub(crate) Arc<dyn Store>);

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

impl Objects {
    async fn read(&self, location: &Path, range: Range<u64>) -> Result<Bytes> {
        let path = location.as_ref();
        self.0.read_range(path, range).await.map_err(failed)
    }
}

fn failed(error: store::Error) -> Error {
    match &error {
        store::Error::NotFound { path } => Error::NotFound {
            path: path.clone(),
            source: error.into(),
        },
        _ => Error::Generic {
            store: STORE,
            source: error.into(),
        },
    }
}

fn meta(location: &Path, object: &Object) -> ObjectMeta {
    let since = Duration::from_millis(u64::try_from(object.written_ms).unwrap_or(0));
    ObjectMeta {
        location: location.clone(),
        last_modified: (UNIX_EPOCH + since).into(),
        size: object.bytes,
        e_tag: None,
        version: None,
    }
}

fn unused(operation: &str) -> Error {
    Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = async { self.0.head(location.as_ref()).await.map_err(failed) };
        let (object, range, bytes) = match options.range.clone() {
            // What a footer has told can be read while its file's size is looked up.
            Some(GetRange::Bounded(range)) if !options.head => {
                let (object, bytes) = try_join(head, self.read(location, range.clone())).await?;
                (object, range, bytes)
            }
            range => {
                let object = head.await?;
                let range = match range {
                    None => 0..object.bytes,
                    Some(GetRange::Bounded(range)) => range,
                    Some(GetRange::Offset(from)) => from..object.bytes,
                    Some(GetRange::Suffix(last)) => object.bytes.saturating_sub(last)..object.bytes,
                };
                let bytes = match options.head {
                    true => Bytes::new(),
                    false => self.read(location, range.clone()).await?,
                };
                (object, range, bytes)
            }
        };
        let meta = meta(location, &object);
        options.check_preconditions(&meta)?;
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed()),
            meta,
            range,
            attributes: Attributes::default(),
        })
    }

    /// Without asking for the file's size first: the footer has told where everything is.
    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let read = |range| self.read(location, range);
        coalesce_ranges(ranges, read, OBJECT_STORE_COALESCE_DEFAULT).await
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(unused("put"))
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(unused("put_multipart"))
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::iter([Err(unused("delete"))]).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::iter([Err(unused("list"))]).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(unused("list"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(unused("copy"))
    }
}
