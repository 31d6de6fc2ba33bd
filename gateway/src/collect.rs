//! A request, top to bottom: what happens to `POST /v1/events` between its headers and its reply.
//!
//! Reading order: [`Collector::respond`] routes, [`Collector::collect`] is the one way through. What an
//! event's JSON means is in `protocol`, whether it is taken in `judge`, what a reply looks like in `reply`.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt;
use headgate_schemas::{format, registry::SharedRegistry};
use headgate_stream::log::{Health, Outcome, Record, Refusal, Writer};
use http::{Method, Request, Response, Version, request};
use http_body_util::Full;
use hyper::body::Body;

use crate::{
    admission::{Admission, Busy},
    body,
    clock::Clock,
    config::Config,
    judge::{Judge, Received},
    metrics::{Metrics, Route},
    protocol::{
        self, cloudevents,
        media::{self, Framing},
        split::{self, Item, Split},
    },
    reply::{self, Detail},
    rules::Rules,
    server::{Parts, Topics},
};

/// Why a request is answered as a whole, without a word on its events. Nothing of it was taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Media(#[from] media::Foreign),
    #[error(transparent)]
    Body(#[from] body::Error),
    #[error(transparent)]
    Malformed(#[from] protocol::Error),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("request has more than {events_max} events")]
    TooManyEvents { events_max: u32 },
    #[error("events cannot be taken at present: {0}")]
    Stream(String),
}

/// Answers requests. Holds no socket: the server feeds it, and so can a test or a benchmark.
pub struct Collector {
    writer: Arc<dyn Writer>,
    schemas: Arc<SharedRegistry>,
    topics: Topics,
    clock: Clock,
    rules: Rules,
    append_timeout: Duration,
    retry_after_s: u32,
    bounds: protocol::Bounds,
    body: body::Bounds,
    admission: Admission,
    metrics: Arc<Metrics>,
}

impl Collector {
    /// A collector that writes to the parts' writer.
    ///
    /// # Errors
    /// The metrics are registered already.
    pub fn new(config: &Config, parts: Parts) -> Result<Self, prometheus::Error> {
        let metrics = Arc::new(Metrics::new(&parts.registry)?);
        let (limits, timeouts) = (&config.limits, &config.timeouts);
        Ok(Self {
            writer: parts.writer,
            schemas: parts.schemas,
            clock: parts.clock,
            topics: parts.topics,
            rules: Rules::new(config),
            append_timeout: Duration::from_millis(timeouts.append_timeout_ms),
            retry_after_s: timeouts.retry_after_s,
            bounds: protocol::Bounds::new(config),
            body: body::Bounds::new(config),
            admission: Admission::new(
                limits.in_flight_bytes_max,
                Duration::from_millis(timeouts.admission_wait_ms),
                Arc::clone(&metrics),
            ),
            metrics,
        })
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Answers any request. A defect that panics is answered with a 500 and ends only this request.
    pub async fn respond<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let began = Instant::now();
        let (head, mut body) = request.into_parts();
        let (route, mut response, body_is_over) = match (head.uri.path(), &head.method) {
            ("/v1/events", &Method::POST) => {
                let collected = AssertUnwindSafe(self.collect(&head, &mut body)).catch_unwind();
                let (response, body_is_over) = self.answer(collected.await, head.version);
                (Route::Events, response, body_is_over)
            }
            ("/v1/events", &Method::OPTIONS) => {
                (Route::Events, reply::allowed("OPTIONS, POST"), false)
            }
            ("/v1/events", _) => (
                Route::Events,
                reply::method_not_allowed("OPTIONS, POST"),
                false,
            ),
            _ => (Route::Other, reply::not_found("POST /v1/events"), false),
        };
        if head.version < Version::HTTP_2 && !body_is_over && !body.is_end_stream() {
            self.body.discard(&head.headers, &mut body).await;
        }
        self.metrics
            .request(route, response.status(), began.elapsed());
        if head.method == Method::HEAD {
            *response.body_mut() = Full::default();
        }
        response
    }

    /// The response, and whether nothing more of the body is to be waited for.
    fn answer(
        &self,
        collected: std::thread::Result<Result<Response<Full<Bytes>>, Error>>,
        version: Version,
    ) -> (Response<Full<Bytes>>, bool) {
        match collected {
            Ok(Ok(response)) => (response, true),
            Ok(Err(error)) => {
                let mut response = reply::failure(&error, self.retry_after_s);
                let too_slow = matches!(
                    error,
                    Error::Body(body::Error::Stalled(_) | body::Error::Slow(_))
                );
                if too_slow {
                    self.metrics.connection_closed("body_timeout");
                    reply::close(&mut response, version);
                }
                tracing::debug!(%error, status = response.status().as_u16(), "request refused");
                (
                    response,
                    too_slow || matches!(error, Error::Body(body::Error::Broken(_))),
                )
            }
            Err(_panic) => {
                self.metrics.panicked();
                (
                    reply::internal(
                        "a defect in the gateway: what became of the events is unknown",
                    ),
                    true,
                )
            }
        }
    }

    /// The one way of events through the gateway. It returns a reply on each of them, or an error for all of them.
    async fn collect<B>(
        &self,
        head: &request::Parts,
        body: &mut B,
    ) -> Result<Response<Full<Bytes>>, Error>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let framing = media::framing(&head.headers)?;
        if let Health::Refusing(reason) = self.writer.health() {
            self.metrics.refused("stream");
            return Err(Error::Stream(reason));
        }
        let announced = self.body.announced(body)?;
        let mut held = self.admission.enter(announced).await?;
        let body = self
            .body
            .read(&head.headers, body, &mut held, &self.metrics)
            .await?;

        let schemas = self.schemas.load();
        let (text, is_utf8) = split::as_text(&body);
        if !is_utf8 {
            held.grow(text.len())?;
        }
        let quoted = cloudevents::quote_extensions(&head.headers, framing);
        let micros = (self.clock)();
        let received = Received {
            micros,
            text: &rfc3339(micros),
        };
        let reading = protocol::Rules {
            bounds: &self.bounds,
            schemas: &schemas,
        };
        let mut judge = Judge::new(
            &self.rules,
            &self.topics,
            &reading,
            &body,
            is_utf8,
            received,
            &mut held,
        )?;
        if framing == Framing::Binary {
            let draft = cloudevents::read(&head.headers, &quoted, &text, reading.bounds)?;
            judge.take(Item {
                range: 0..body.len(),
                draft: Ok(draft),
            })?;
        } else {
            let mut events = Split::new(&text, framing)?;
            while let Some(item) = events.next(&reading)? {
                judge.take(item)?;
            }
        }

        self.metrics.unrouted(judge.unrouted());
        let (records, verdicts) = judge.finish();
        self.metrics.batch(verdicts.len());
        let outcomes = self.append(records).await;
        let reply = reply::Results::of(verdicts, outcomes);
        self.metrics
            .events(reply.accepted, reply.rejected, reply.unkept, reply.retry);
        Ok(reply.response(Detail::of(head.uri.query()), self.retry_after_s))
    }

    /// Makes the records durable; an outcome for each, whatever the stream does.
    async fn append(&self, records: Vec<Record>) -> Vec<Outcome> {
        let count = records.len();
        if count == 0 {
            return Vec::new();
        }
        let began = Instant::now();
        let appended = tokio::time::timeout(self.append_timeout, self.writer.append(records)).await;
        let mut outcomes = appended.unwrap_or_default();
        self.metrics.appended(began.elapsed());
        // A record that nothing was heard of may or may not be durable; sent again under its id it is the same event.
        let unheard = || {
            Err(Refusal::Unavailable(
                "the stream did not answer in time".into(),
            ))
        };
        outcomes.resize_with(count, unheard);
        outcomes
    }
}

fn rfc3339(micros: i64) -> String {
    let mut text = Vec::with_capacity(32);
    format::write_date_time(micros, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
