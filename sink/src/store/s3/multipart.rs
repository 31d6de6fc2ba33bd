//! Large objects: uploaded in parts, some at once, and created by the request that puts them together, under the
//! same condition as any other create. An upload that is not put together is aborted.

use std::{ops::Range, sync::Arc};

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::{runtime::Handle, time::Instant};

use super::{
    Bucket,
    fault::{Fault, Verdict},
    request::millis,
    requests::Kind,
};

/// S3 takes no more parts.
const PARTS_MAX: u64 = 10_000;

/// An upload in parts. Dropped before it is put together, it is aborted, best effort: what stays is swept later.
struct Upload {
    bucket: Arc<Bucket>,
    key: String,
    id: String,
    open: bool,
}

/// Creates an object in parts, where there is none.
pub(super) async fn create(
    bucket: &Arc<Bucket>,
    key: &str,
    bytes: Bytes,
    deadline: Instant,
) -> Result<(), Fault> {
    // Saves an upload that would be refused at its end, and helps with servers that ignore the condition there.
    match bucket.head(key, deadline).await {
        Ok(_) => return Err(Fault::exists()),
        Err(fault) if fault.verdict == Verdict::Missing => {}
        Err(fault) => return Err(fault),
    }
    let mut upload = begin(bucket, key, deadline).await?;
    let parts = parts(bytes.len() as u64, bucket.config.part_bytes);
    let sent = (1_i32..).zip(parts).map(|(number, range)| {
        let part = slice(&bytes, range);
        Box::pin(upload.part(number, part, deadline))
    });
    let mut sent: Vec<CompletedPart> = stream::iter(sent)
        .buffer_unordered(bucket.config.parts_at_once_max)
        .try_collect()
        .await?;
    sent.sort_by_key(CompletedPart::part_number);
    match upload.put_together(sent, deadline).await {
        Ok(()) => {
            upload.open = false;
            Ok(())
        }
        // An earlier try of ours may have done it, or a sweep may have aborted it.
        Err(fault) if fault.verdict == Verdict::NoUpload => {
            upload.open = false;
            match bucket.head(key, deadline).await {
                Ok(_) => Err(Fault::exists()),
                Err(missing) if missing.verdict == Verdict::Missing => Err(fault),
                Err(unclear) => Err(unclear),
            }
        }
        Err(fault) => Err(fault),
    }
}

async fn begin(bucket: &Arc<Bucket>, key: &str, deadline: Instant) -> Result<Upload, Fault> {
    let begin = || {
        let request = bucket
            .client
            .create_multipart_upload()
            .bucket(&bucket.config.bucket)
            .key(key)
            .set_checksum_algorithm(bucket.checksum())
            .set_server_side_encryption(bucket.encryption())
            .set_ssekms_key_id(bucket.config.kms_key_id.clone())
            .set_storage_class(bucket.storage_class());
        Box::pin(async move { request.send().await.map_err(|error| Fault::of(&error)) })
    };
    let begun = bucket.attempts.send(Kind::Put, deadline, begin).await?;
    match begun.upload_id {
        Some(id) => Ok(Upload {
            bucket: Arc::clone(bucket),
            key: key.to_owned(),
            id,
            open: true,
        }),
        None => Err(Fault::never("the store began an upload without an id")),
    }
}

/// Begins an upload and leaves it there.
#[cfg(any(test, feature = "testing"))]
pub(super) async fn leave(bucket: &Arc<Bucket>, key: &str, deadline: Instant) -> Result<(), Fault> {
    begin(bucket, key, deadline).await?.open = false;
    Ok(())
}

/// How many uploads are under way or were left, up to a page of them.
#[cfg(any(test, feature = "testing"))]
pub(super) async fn left(bucket: &Bucket) -> Result<usize, Fault> {
    let list = || {
        let request = bucket
            .client
            .list_multipart_uploads()
            .bucket(&bucket.config.bucket)
            .prefix(&bucket.prefix);
        Box::pin(async move { request.send().await.map_err(|error| Fault::of(&error)) })
    };
    let deadline = Instant::now() + bucket.config.operation_deadline();
    Ok(bucket
        .attempts
        .send(Kind::List, deadline, list)
        .await?
        .uploads()
        .len())
}

impl Upload {
    async fn part(
        &self,
        number: i32,
        bytes: Bytes,
        deadline: Instant,
    ) -> Result<CompletedPart, Fault> {
        let bucket = &*self.bucket;
        let send = || {
            let request = bucket
                .client
                .upload_part()
                .bucket(&bucket.config.bucket)
                .key(&self.key)
                .upload_id(&self.id)
                .part_number(number)
                .set_checksum_algorithm(bucket.checksum())
                .body(ByteStream::from(bytes.clone()));
            Box::pin(async move {
                let mut request = request.customize();
                if bucket.encrypted_transport() {
                    request = request.disable_payload_signing();
                }
                request.send().await.map_err(|error| Fault::of(&error))
            })
        };
        let sent = bucket.attempts.send(Kind::Put, deadline, send).await?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32_c(sent.checksum_crc32_c)
            .build())
    }

    async fn put_together(
        &self,
        parts: Vec<CompletedPart>,
        deadline: Instant,
    ) -> Result<(), Fault> {
        let bucket = &*self.bucket;
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let complete = || {
            let request = bucket
                .client
                .complete_multipart_upload()
                .bucket(&bucket.config.bucket)
                .key(&self.key)
                .upload_id(&self.id)
                .if_none_match("*")
                .multipart_upload(parts.clone());
            Box::pin(async move {
                let sent = request.send().await;
                sent.map(drop).map_err(|error| Fault::of(&error))
            })
        };
        bucket.attempts.send(Kind::Put, deadline, complete).await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        // Dropped with the runtime, or outside of one, it is left to the sweep.
        if let Ok(runtime) = Handle::try_current() {
            let bucket = Arc::clone(&self.bucket);
            let (key, id) = (std::mem::take(&mut self.key), std::mem::take(&mut self.id));
            runtime.spawn(async move {
                if let Err(fault) = abort(&bucket, &key, &id).await {
                    tracing::warn!(key, %fault, "cannot abort an upload; it will be swept");
                }
            });
        }
    }
}

async fn abort(bucket: &Bucket, key: &str, id: &str) -> Result<(), Fault> {
    let abort = || {
        let request = bucket
            .client
            .abort_multipart_upload()
            .bucket(&bucket.config.bucket)
            .key(key)
            .upload_id(id);
        Box::pin(async move {
            let sent = request.send().await;
            sent.map(drop).map_err(|error| Fault::of(&error))
        })
    };
    let deadline = Instant::now() + bucket.config.operation_deadline();
    match bucket.attempts.send(Kind::Delete, deadline, abort).await {
        Err(fault) if matches!(fault.verdict, Verdict::NoUpload | Verdict::Missing) => Ok(()),
        aborted => aborted,
    }
}

/// Aborts the uploads below the prefix that were begun before then; returns how many.
pub(super) async fn sweep(bucket: &Bucket, begun_ms: i64) -> Result<u64, Fault> {
    let mut aborted = 0;
    let (mut after_key, mut after_id) = (None, None);
    loop {
        let list = || {
            let request = bucket
                .client
                .list_multipart_uploads()
                .bucket(&bucket.config.bucket)
                .prefix(&bucket.prefix)
                .set_key_marker(after_key.clone())
                .set_upload_id_marker(after_id.clone());
            Box::pin(async move { request.send().await.map_err(|error| Fault::of(&error)) })
        };
        let deadline = Instant::now() + bucket.config.operation_deadline();
        let page = bucket.attempts.send(Kind::List, deadline, list).await?;
        for upload in page.uploads() {
            let old = upload.initiated().is_some_and(|at| millis(at) < begun_ms);
            if let (true, Some(key), Some(id)) = (old, upload.key(), upload.upload_id()) {
                abort(bucket, key, id).await?;
                aborted += 1;
            }
        }
        let next = (page.next_key_marker, page.next_upload_id_marker);
        if !page.is_truncated.unwrap_or(false) || next == (after_key.clone(), after_id.clone()) {
            return Ok(aborted);
        }
        (after_key, after_id) = next;
    }
}

/// Where the parts of an object of so many bytes begin and end.
fn parts(bytes: u64, part_bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let part_bytes = part_bytes.max(bytes.div_ceil(PARTS_MAX)).max(1);
    (0..bytes.div_ceil(part_bytes))
        .map(move |part| part * part_bytes..((part + 1) * part_bytes).min(bytes))
}

fn slice(bytes: &Bytes, range: Range<u64>) -> Bytes {
    let within = |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
    bytes.slice(within(range.start)..within(range.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_an_object_and_are_never_too_many() {
        let all: Vec<_> = parts(21, 8).collect();
        assert_eq!(all, [0..8, 8..16, 16..21]);
        assert_eq!(parts(16, 8).count(), 2);
        assert_eq!(parts(5 << 40, 8 << 20).count() as u64, PARTS_MAX);
    }
}
