//! A request, top to bottom: what happens to events between a request's headers and its reply.
//!
//! Reading order: [`Collector::respond`] routes, [`Collector::collect`] is the one way through. What paths there are and what
//! a body means is in `protocol`, who may send in `sources`, whether an event is taken in `judge`, what a reply looks like in
//! `reply`.

use std::{
    net::IpAddr,
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
    cors,
    enrich::{Client, Trusted},
    judge::Judge,
    metrics::Metrics,
    protocol::{self, Asked, Endpoint, Protocol, Sent, key, media},
    reply::{self, Reply, Results},
    rules::Rules,
    server::{Parts, Topics},
    sources::{Denied, Limited, SharedSources, Source, Sources},
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
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error("events cannot be taken at present: {0}")]
    Stream(String),
}

/// What is told to whoever asks for another path.
const SERVED: &str = "POST /v1/events, and the paths of the protocols in the README";

/// Answers requests. Holds no socket: the server feeds it, and so can a test or a benchmark.
pub struct Collector {
    writer: Arc<dyn Writer>,
    schemas: Arc<SharedRegistry>,
    sources: Arc<SharedSources>,
    topics: Topics,
    clock: Clock,
    rules: Rules,
    append_timeout: Duration,
    retry_after_s: u32,
    paths: protocol::Paths,
    bounds: protocol::Bounds,
    body: body::Bounds,
    trusted: Trusted,
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
            sources: parts.sources,
            clock: parts.clock,
            topics: parts.topics,
            rules: Rules::new(config, parts.privacy),
            append_timeout: Duration::from_millis(timeouts.append_timeout_ms),
            retry_after_s: timeouts.retry_after_s,
            paths: protocol::Paths::new(config),
            bounds: protocol::Bounds::new(config),
            body: body::Bounds::new(config),
            trusted: Trusted::new(&config.trusted_proxies),
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
    /// `peer` is the connection's other end, where that is an address.
    pub async fn respond<B>(
        &self,
        request: Request<B>,
        peer: Option<IpAddr>,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let began = Instant::now();
        let (head, mut body) = request.into_parts();
        let sources = self.sources.load();
        let served = protocol::at(head.uri.path(), &self.paths);
        let (mut response, body_is_over) = match served {
            None => (reply::not_found(SERVED), false),
            Some(_) if cors::is_preflight(&head) => (reply::no_content(), false),
            Some((_, endpoint)) if !endpoint.takes(&head.method) => {
                (reply::method_not_allowed(endpoint.methods), false)
            }
            Some((_, endpoint)) if head.method == Method::OPTIONS => {
                (reply::allowed(endpoint.methods), false)
            }
            Some((place, endpoint)) if !endpoint.events => {
                (protocol::ALL[place].page(endpoint, &head), false)
            }
            Some((place, endpoint)) => {
                let to = (protocol::ALL[place], endpoint);
                let collected = self.collect(to, &sources, (&head, peer), &mut body);
                let collected = AssertUnwindSafe(collected).catch_unwind().await;
                self.answer(to, collected, head.version)
            }
        };
        if served.is_some() {
            cors::permit(&head, &sources, &mut response);
        }
        if head.version < Version::HTTP_2 && !body_is_over && !body.is_end_stream() {
            self.body.discard(&head.headers, &mut body).await;
        }
        let route = served.map(|(place, _)| place);
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
        (protocol, endpoint): (&dyn Protocol, Endpoint),
        collected: std::thread::Result<Result<Reply, Error>>,
        version: Version,
    ) -> (Reply, bool) {
        match collected {
            Ok(Ok(response)) => (response, true),
            Ok(Err(error)) => {
                let mut response = reply::failure(&error, self.retry_after_s, |problem| {
                    protocol.problem(endpoint, problem)
                });
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
        (protocol, endpoint): (&dyn Protocol, Endpoint),
        sources: &Sources,
        (head, peer): (&request::Parts, Option<IpAddr>),
        body: &mut B,
    ) -> Result<Reply, Error>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        protocol.accepts(head)?;
        // Nobody's body is read only to be thrown away.
        let shown = match sources.open() {
            true => Some(sources.of(None)?),
            false => key::shown(head)
                .map(|key| sources.of(Some(&key)))
                .transpose()?,
        };
        if let Some(source) = shown {
            source.admits(protocol.name(), cors::origin(head))?;
        }
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

        let received = body.len();
        let sent = protocol.open(endpoint, head, body, self.body.inflated_bytes_max())?;
        let made = sent.text().bytes().len().saturating_sub(received);
        held.grow(made + sent.text().repaired_bytes())?;
        let source = whose(sources, shown, protocol, sent.as_ref(), head)?;
        let schemas = self.schemas.load();
        let micros = (self.clock)();
        let receivedtime = rfc3339(micros);
        let reading = protocol::Rules {
            bounds: &self.bounds,
            schemas: &schemas,
            source,
            received_micros: micros,
            done: &[],
        };
        let (records, verdicts) = {
            let from = (protocol.name(), sent.as_ref());
            let client = match &source.enricher {
                Some(_) => Client::of(&self.trusted, peer, &head.headers, sent.anonymous()),
                None => Client::default(),
            };
            let mut judge = Judge::new(
                &self.rules,
                &self.topics,
                &reading,
                from,
                client,
                &receivedtime,
                &mut held,
            )?;
            let mut events = sent.events(&reading)?;
            while let Some(item) = events.next(&reading)? {
                judge.take(item)?;
            }
            self.metrics.unrouted(judge.unrouted());
            judge.finish()
        };
        source.spend(verdicts.len(), micros)?;
        self.metrics.batch(verdicts.len());
        let outcomes = self.append(records).await;
        let results = Results::of(verdicts, outcomes);
        let Results {
            accepted,
            rejected,
            unkept,
            retry,
            ..
        } = results;
        self.metrics.events(accepted, rejected, unkept, retry);
        source.give_back(retry);
        let asked = Asked {
            head,
            retry_after_s: self.retry_after_s,
        };
        let mut reply = protocol.results(endpoint, &asked, &results);
        sent.complete(&mut reply);
        Ok(reply)
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

/// Who has sent it, and whether they may; `shown` is who that is by what stands outside of the body.
fn whose<'s>(
    sources: &'s Sources,
    shown: Option<&'s Arc<Source>>,
    protocol: &dyn Protocol,
    sent: &dyn Sent,
    head: &request::Parts,
) -> Result<&'s Arc<Source>, Denied> {
    let source = match shown {
        Some(source) => source,
        None => {
            let source = sources.of(sent.key().as_deref())?;
            source.admits(protocol.name(), cors::origin(head))?;
            source
        }
    };
    match sent.source() {
        Some(named) if !sources.open() && named != &*source.name => Err(Denied::Source),
        _ => Ok(source),
    }
}

fn rfc3339(micros: i64) -> String {
    let mut text = Vec::with_capacity(32);
    format::write_date_time(micros, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
