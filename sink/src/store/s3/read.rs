//! Reading: small objects and ranges in one request, large ones in several at once.

use std::ops::Range;

use aws_sdk_s3::operation::get_object::{GetObjectOutput, builders::GetObjectFluentBuilder};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::{
    Bucket,
    fault::{Fault, Verdict, chain},
    requests::Kind,
};

/// What one request got.
enum Got {
    Bytes(Bytes),
    /// The object has that many bytes: too many for one request's time.
    Large(u64),
}

/// An object's bytes.
pub(super) async fn whole(bucket: &Bucket, key: &str, deadline: Instant) -> Result<Bytes, Fault> {
    let most = bucket.config.multipart_threshold_bytes;
    let get = || {
        let request = get(bucket, key);
        Box::pin(async move {
            let found = request.send().await.map_err(|error| Fault::of(&error))?;
            let bytes = length(&found)?;
            if bytes > most {
                return Ok(Got::Large(bytes));
            }
            collect(found, bytes).await.map(Got::Bytes)
        })
    };
    match bucket.attempts.send(Kind::Get, deadline, get).await? {
        Got::Bytes(bytes) => Ok(bytes),
        Got::Large(bytes) => {
            let read = range(bucket, key, 0..bytes, deadline).await?;
            if read.len() as u64 == bytes {
                Ok(read)
            } else {
                Err(Fault::again("the object was cut short while it was read"))
            }
        }
    }
}

/// The bytes of an object that lie in the range.
pub(super) async fn range(
    bucket: &Bucket,
    key: &str,
    range: Range<u64>,
    deadline: Instant,
) -> Result<Bytes, Fault> {
    let part_bytes = bucket.config.part_bytes;
    let mut range = range;
    if range.end.saturating_sub(range.start) > part_bytes {
        // No request is sent for what lies behind the object's end.
        range.end = range.end.min(bucket.head(key, deadline).await?.bytes);
    }
    let range = range;
    let parts = (range.start..range.end).step_by(usize::try_from(part_bytes).unwrap_or(usize::MAX));
    let part = |start: u64| {
        let end = start.saturating_add(part_bytes).min(range.end);
        Box::pin(part(bucket, key, start..end, deadline))
    };
    let mut read: Vec<Bytes> = stream::iter(parts.map(part))
        .buffered(bucket.config.parts_at_once_max)
        .try_collect()
        .await?;
    if read.len() == 1 {
        return Ok(read.swap_remove(0));
    }
    let mut bytes = BytesMut::with_capacity(read.iter().map(Bytes::len).sum());
    read.iter().for_each(|part| bytes.extend_from_slice(part));
    Ok(bytes.freeze())
}

async fn part(
    bucket: &Bucket,
    key: &str,
    range: Range<u64>,
    deadline: Instant,
) -> Result<Bytes, Fault> {
    let asked = range.end - range.start;
    let get = || {
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let request = get(bucket, key).range(header);
        Box::pin(async move {
            let found = request.send().await.map_err(|error| Fault::of(&error))?;
            let bytes = length(&found)?;
            if bytes > asked {
                return Err(Fault::never(
                    "the store answered more than the range that was asked for",
                ));
            }
            collect(found, bytes).await
        })
    };
    match bucket.attempts.send(Kind::Get, deadline, get).await {
        Err(fault) if fault.verdict == Verdict::NoRange => Ok(Bytes::new()),
        read => read,
    }
}

fn get(bucket: &Bucket, key: &str) -> GetObjectFluentBuilder {
    bucket
        .client
        .get_object()
        .bucket(&bucket.config.bucket)
        .key(key)
}

fn length(found: &GetObjectOutput) -> Result<u64, Fault> {
    let length = found.content_length().map(u64::try_from);
    match length {
        Some(Ok(bytes)) => Ok(bytes),
        _ => Err(Fault::again("the store did not say how long the object is")),
    }
}

/// The body, whole and, where the store sent one, with the right checksum.
async fn collect(found: GetObjectOutput, bytes: u64) -> Result<Bytes, Fault> {
    let body = found.body.collect().await;
    let body = body
        .map_err(|error| Fault::again(chain(&error)))?
        .into_bytes();
    if body.len() as u64 == bytes {
        Ok(body)
    } else {
        Err(Fault::again(format!(
            "the store sent {} of {bytes} bytes",
            body.len()
        )))
    }
}
