//! Snowplow's tracker protocol: events posted by the batch, or as a pixel's query, the cookie by which browsers are
//! known again, and what old clients ask for first.
//!
//! <https://docs.snowplow.io/docs/events/http-requests/>. What comes of it is in `docs/adr/0017-snowplow.md`. Redirects
//! (`/r/`) are not served: who lets anyone name where to go vouches for every address there is.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header, request};

use self::{client::Client, payload::Payload};
use super::{Asked, Endpoint, Error, Kept, Paths, Protocol, Sent, gif, query};
use crate::reply::{self, Problem, Reply, Results};

mod address;
mod client;
mod described;
mod element;
mod entities;
mod fields;
mod hide;
mod payload;
mod row;

pub(crate) use self::hide::{hide, hide_event, hide_member};

/// Snowplow's trackers.
pub(crate) struct Snowplow;

/// What stands at a path, by [`Endpoint::form`].
mod form {
    pub(super) const POST: &str = "post";
    pub(super) const PIXEL: &str = "pixel";
    pub(super) const ID: &str = "id";
    pub(super) const CROSS_DOMAIN: &str = "cross_domain";
}

/// What Flash asked for before it sent anywhere: nobody may.
const CROSS_DOMAIN: &str = "<?xml version=\"1.0\"?>\n<cross-domain-policy>\n  \
    <site-control permitted-cross-domain-policies=\"none\"/>\n</cross-domain-policy>\n";

impl Protocol for Snowplow {
    fn name(&self) -> &'static str {
        super::SNOWPLOW
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        Some(match path {
            "/com.snowplowanalytics.snowplow/tp2" => Endpoint::post(form::POST),
            "/i" | "/ice.png" => Endpoint {
                form: form::PIXEL,
                methods: "GET, HEAD, OPTIONS, POST",
                events: true,
            },
            // Trackers ask whatever address their `idService` is.
            "/v1/snowplow/id" => Endpoint::page(form::ID),
            "/crossdomain.xml" => Endpoint::page(form::CROSS_DOMAIN),
            _ => return None,
        })
    }

    fn endpoint_set(&self, path: &str, paths: &Paths) -> Option<Endpoint> {
        let set = paths.snowplow.iter().any(|set| set == path);
        set.then_some(Endpoint::post(form::POST))
    }

    fn open(
        &self,
        _endpoint: Endpoint,
        head: &request::Parts,
        body: Bytes,
        _bytes_max: usize,
    ) -> Result<Box<dyn Sent>, Error> {
        let client = Client::of(head);
        let parameters = match head.method == Method::POST {
            false => head.uri.query().unwrap_or_default().as_bytes(),
            true => match body.trim_ascii_start().first() {
                None | Some(b'{' | b'[') => return Ok(Box::new(Payload::many(body, client)?)),
                Some(_) => &body,
            },
        };
        Ok(Box::new(match parameters {
            // Whoever only looks whether there is a pixel sends nothing.
            [] => Payload::many(Bytes::from_static(b"{\"data\":[]}"), client)?,
            _ => Payload::one(query::flat(parameters)?.into(), client),
        }))
    }

    fn results(&self, endpoint: Endpoint, asked: &Asked<'_>, results: &Results<'_>) -> Reply {
        if results.retry > 0 {
            return self.problem(endpoint, &Problem::again(asked.retry_after_s));
        }
        // Trackers would send the whole batch again for the sake of its rejected events, or drop the accepted ones: of what
        // was rejected the bad events tell.
        match asked.head.method == Method::POST {
            true => reply::text("text/plain; charset=utf-8", "ok"),
            false => reply::image(gif::DOT),
        }
    }

    /// Trackers drop what is answered with 400 or 401. What is answered with another 4xx they send again with every flush,
    /// just as it was: of those only the ones are told that are different when it comes again.
    fn problem(&self, _endpoint: Endpoint, problem: &Problem<'_>) -> Reply {
        let again = matches!(
            problem.status,
            StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        );
        let status = match problem.status.is_client_error() && !again {
            true => StatusCode::BAD_REQUEST,
            false => problem.status,
        };
        reply::problem(&Problem { status, ..*problem })
    }

    fn page(&self, endpoint: Endpoint, head: &request::Parts) -> Reply {
        if endpoint.form == form::CROSS_DOMAIN {
            return reply::text("text/x-cross-domain-policy", CROSS_DOMAIN);
        }
        let mut reply = reply::text("text/plain; charset=utf-8", "ok");
        let cache = HeaderValue::from_static("no-store");
        reply.headers_mut().insert(header::CACHE_CONTROL, cache);
        Client::of(head).greet(&mut reply);
        reply
    }

    fn reopen(&self, kept: Kept<'_>) -> Result<Box<dyn Sent>, Error> {
        let client = Client::forgotten(kept.form == payload::ANONYMOUS);
        Ok(Box::new(Payload::one(kept.payload, client)))
    }
}
