//! A request's body: read within its limits and times, inflated under a cap, one piece of memory at the end.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use crate::{
    admission::{Busy, Held},
    config::Config,
    metrics::Metrics,
};

pub(crate) mod inflate;

/// Why a body could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("body is over the limit of {bytes_max} bytes")]
    TooLong { bytes_max: u64 },
    #[error("body inflates to more than the limit of {bytes_max} bytes")]
    InflatesTooFar { bytes_max: u64 },
    #[error("content encoding {0:?} is not supported")]
    Encoding(String),
    #[error("body is not valid {encoding}: {reason}")]
    Corrupt {
        encoding: &'static str,
        reason: String,
    },
    #[error("no byte of the body came for {0:?}")]
    Stalled(Duration),
    #[error("body took longer than {0:?}")]
    Slow(Duration),
    #[error("body ended early: {0}")]
    Broken(String),
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// What bounds a body.
pub(crate) struct Bounds {
    bytes_max: u64,
    inflated_bytes_max: u64,
    timeout: Duration,
    stall_timeout: Duration,
}

impl Bounds {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            bytes_max: config.limits.body_bytes_max,
            inflated_bytes_max: config.limits.inflated_bytes_max,
            timeout: Duration::from_millis(config.timeouts.body_timeout_ms),
            stall_timeout: Duration::from_millis(config.timeouts.body_stall_timeout_ms),
        }
    }

    /// The most bytes of a body after inflating.
    pub(crate) fn inflated_bytes_max(&self) -> usize {
        usize::try_from(self.inflated_bytes_max).unwrap_or(usize::MAX)
    }

    /// The body's length as announced, unless that alone is too long.
    pub(crate) fn announced(&self, body: &impl Body) -> Result<u64, Error> {
        let announced = body.size_hint().lower();
        if announced > self.bytes_max {
            return Err(Error::TooLong {
                bytes_max: self.bytes_max,
            });
        }
        Ok(announced)
    }

    /// Reads and inflates the body; `held` then holds as many bytes as are returned.
    pub(crate) async fn read<B>(
        &self,
        headers: &HeaderMap,
        body: &mut B,
        held: &mut Held<'_>,
        metrics: &Metrics,
    ) -> Result<Bytes, Error>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let encoding = inflate::Encoding::of(headers)?;
        let received = self.receive(body, held).await?;
        metrics.received(received.len());
        let Some(encoding) = encoding.or_else(|| inflate::Encoding::sniff(&received)) else {
            return Ok(received);
        };
        let inflated = inflate::inflate(encoding, &received, self.inflated_bytes_max, held)?;
        metrics.inflated(inflated.len());
        held.shrink(received.len());
        Ok(inflated.into())
    }

    async fn receive<B>(&self, body: &mut B, held: &mut Held<'_>) -> Result<Bytes, Error>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let whole_by = Instant::now() + self.timeout;
        let mut first = Bytes::new();
        let mut joined = BytesMut::new();
        while let Some(data) = self.frame(body, whole_by).await? {
            held.grow(data.len())?;
            let so_far = first.len().max(joined.len());
            if (so_far + data.len()) as u64 > self.bytes_max {
                return Err(Error::TooLong {
                    bytes_max: self.bytes_max,
                });
            }
            // Most bodies come in one piece, which then needs no copy.
            if so_far == 0 {
                first = data;
                continue;
            }
            if joined.is_empty() {
                joined.reserve(first.len() + data.len());
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&data);
        }
        Ok(if joined.is_empty() {
            first
        } else {
            joined.freeze()
        })
    }

    /// The next data of the body; trailers are passed over.
    async fn frame<B>(&self, body: &mut B, whole_by: Instant) -> Result<Option<Bytes>, Error>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        loop {
            if body.is_end_stream() {
                return Ok(None);
            }
            let stalled_at = Instant::now() + self.stall_timeout;
            match timeout_at(stalled_at.min(whole_by), body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Ok(Some(Err(error))) => return Err(Error::Broken(error.to_string())),
                Err(_) if stalled_at < whole_by => return Err(Error::Stalled(self.stall_timeout)),
                Err(_) => return Err(Error::Slow(self.timeout)),
            }
        }
    }

    /// Reads what is left of a refused body, within its limits, and throws it away: a client that still sends when
    /// the connection closes would see a reset instead of the reply. Clients that wait for a `100 Continue` don't.
    pub(crate) async fn discard<B>(&self, headers: &HeaderMap, body: &mut B)
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        if headers.contains_key(header::EXPECT) {
            return;
        }
        let whole_by = Instant::now() + self.stall_timeout;
        let mut left = self.bytes_max;
        while let Ok(Some(data)) = self.frame(body, whole_by).await {
            match left.checked_sub(data.len() as u64) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }
}
