//! The requests that fit into one: create, look, list, delete.

use aws_sdk_s3::{
    primitives::{ByteStream, DateTime},
    types::{ChecksumAlgorithm, Object as Listed, ServerSideEncryption, StorageClass},
};
use bytes::Bytes;
use tokio::time::Instant;

use super::{Bucket, Checksums, Encryption, Fault, requests::Kind};
use crate::store::Object;

/// How many objects S3 lists at once.
const PAGE_OBJECTS_MAX: usize = 1_000;

impl Bucket {
    /// Creates an object in one request, where there is none.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        record: bool,
        deadline: Instant,
    ) -> Result<(), Fault> {
        let storage_class = self.storage_class().filter(|_| !record);
        let put = || {
            let request = self
                .client
                .put_object()
                .bucket(&self.config.bucket)
                .key(key)
                .if_none_match("*")
                .set_checksum_algorithm(self.checksum())
                .set_server_side_encryption(self.encryption())
                .set_ssekms_key_id(self.config.kms_key_id.clone())
                .set_storage_class(storage_class.clone())
                .body(ByteStream::from(bytes.clone()));
            Box::pin(async move {
                let mut request = request.customize();
                if self.encrypted_transport() {
                    request = request.disable_payload_signing();
                }
                let sent = request.send().await;
                sent.map(drop).map_err(|error| Fault::of(&error))
            })
        };
        self.attempts.send(Kind::Put, deadline, put).await
    }

    pub(super) async fn head(&self, key: &str, deadline: Instant) -> Result<Object, Fault> {
        let head = || {
            let request = self
                .client
                .head_object()
                .bucket(&self.config.bucket)
                .key(key);
            Box::pin(async move { request.send().await.map_err(|error| Fault::of(&error)) })
        };
        let found = self.attempts.send(Kind::Head, deadline, head).await?;
        Ok(self.object(key, found.content_length(), found.last_modified()))
    }

    pub(super) async fn delete(&self, key: &str, deadline: Instant) -> Result<(), Fault> {
        let delete = || {
            let request = self
                .client
                .delete_object()
                .bucket(&self.config.bucket)
                .key(key);
            Box::pin(async move {
                let sent = request.send().await;
                sent.map(drop).map_err(|error| Fault::of(&error))
            })
        };
        self.attempts.send(Kind::Delete, deadline, delete).await
    }

    /// At most `objects_max` objects, page by page; each page has the operation's deadline.
    pub(super) async fn list(
        &self,
        folder: &str,
        after: &str,
        objects_max: usize,
    ) -> Result<Vec<Object>, Fault> {
        let mut found = Vec::new();
        let mut continuation: Option<String> = None;
        while found.len() < objects_max {
            let page = (objects_max - found.len()).min(PAGE_OBJECTS_MAX);
            let start_after = format!("{}{after}", self.prefix);
            let list = || {
                let request = self
                    .client
                    .list_objects_v2()
                    .bucket(&self.config.bucket)
                    .prefix(format!("{}{folder}", self.prefix))
                    .set_start_after(Some(start_after.clone()).filter(|_| !after.is_empty()))
                    .set_continuation_token(continuation.clone())
                    .max_keys(i32::try_from(page).unwrap_or(i32::MAX));
                Box::pin(async move { request.send().await.map_err(|error| Fault::of(&error)) })
            };
            let deadline = Instant::now() + self.config.operation_deadline();
            let page = self.attempts.send(Kind::List, deadline, list).await?;
            found.extend(
                page.contents()
                    .iter()
                    .filter_map(|listed| self.listed(listed)),
            );
            continuation = page.next_continuation_token().map(str::to_owned);
            if !page.is_truncated().unwrap_or(false) {
                return Ok(found);
            }
            if continuation.is_none() {
                return Err(Fault::never(
                    "the store broke a listing off and did not say where",
                ));
            }
        }
        Ok(found)
    }

    /// `None` for what others have made and no store of ours would: a console's folder markers.
    fn listed(&self, listed: &Listed) -> Option<Object> {
        let object = self.object(listed.key()?, listed.size(), listed.last_modified());
        Some(object).filter(|object| crate::store::is_path(&object.path))
    }

    fn object(&self, key: &str, bytes: Option<i64>, written: Option<&DateTime>) -> Object {
        Object {
            path: key.strip_prefix(&self.prefix).unwrap_or(key).to_owned(),
            bytes: u64::try_from(bytes.unwrap_or(0)).unwrap_or(0),
            written_ms: written.map_or(0, millis),
        }
    }

    pub(super) fn checksum(&self) -> Option<ChecksumAlgorithm> {
        match self.config.checksums {
            Checksums::WhenSupported => Some(ChecksumAlgorithm::Crc32C),
            Checksums::WhenRequired => None,
        }
    }

    pub(super) fn encryption(&self) -> Option<ServerSideEncryption> {
        match self.config.server_side_encryption {
            Encryption::None => None,
            Encryption::SseS3 => Some(ServerSideEncryption::Aes256),
            Encryption::SseKms => Some(ServerSideEncryption::AwsKms),
        }
    }

    pub(super) fn storage_class(&self) -> Option<StorageClass> {
        self.config.storage_class.as_deref().map(StorageClass::from)
    }

    /// Under TLS the body need not be hashed once more for the signature: nobody can change it on its way.
    pub(super) fn encrypted_transport(&self) -> bool {
        let endpoint = self.config.endpoint.as_deref();
        endpoint.is_none_or(|url| url.starts_with("https://"))
    }
}

pub(super) fn millis(at: &DateTime) -> i64 {
    at.to_millis().unwrap_or(0)
}
