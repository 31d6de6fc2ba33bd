//! Ways of sending events. A protocol is one file below this one and a line in [`ALL`]: it says which paths are its
//! own, how a body becomes events, and what its clients hear. Nothing here waits or allocates per byte.

use std::borrow::Cow;

use bytes::Bytes;
use headgate_schemas::{event::Violation, registry::Registry, walk::Syntax};
use http::{Method, request};

use crate::{
    config::Config,
    reply::{self, Problem, Reply, Results},
    sources::Source,
};

mod cloudevents;
pub(crate) mod draft;
mod gif;
pub(crate) mod key;
pub(crate) mod media;
pub(crate) mod native;
mod query;
mod segment;
mod segment_message;
pub(crate) mod snowplow;
pub(crate) mod split;
mod text;
mod webhook;

pub(crate) use self::{split::Item, text::Text};

/// Names of protocols whose rejected events are more than data, or go by other names.
pub(crate) const SEGMENT: &str = "segment";
pub(crate) const SNOWPLOW: &str = "snowplow";

/// Every protocol that is served.
pub(crate) const ALL: [&dyn Protocol; 4] = [
    &native::Native,
    &segment::Segment,
    &snowplow::Snowplow,
    &webhook::Webhook,
];

/// A way of sending events.
pub(crate) trait Protocol: Sync {
    /// Its name in settings, metrics and bad events.
    fn name(&self) -> &'static str;

    /// What it serves at a path; `None`: the path is not its own.
    fn endpoint(&self, path: &str) -> Option<Endpoint>;

    /// What it serves at a path that is its own by the settings alone; `None`: the path is not.
    fn endpoint_set(&self, _path: &str, _paths: &Paths) -> Option<Endpoint> {
        None
    }

    /// Whether the headers alone say that the body cannot be read.
    fn accepts(&self, _head: &request::Parts) -> Result<(), media::Foreign> {
        Ok(())
    }

    /// Takes a request's body, inflated, as far as it can be read before it is known whose it is. What is made of it may have
    /// `bytes_max` bytes.
    fn open(
        &self,
        endpoint: Endpoint,
        head: &request::Parts,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Box<dyn Sent>, Error>;

    /// What a client hears when its events were judged.
    fn results(&self, endpoint: Endpoint, asked: &Asked<'_>, results: &Results<'_>) -> Reply;

    /// What a client hears when nothing of its request was taken.
    fn problem(&self, _endpoint: Endpoint, problem: &Problem<'_>) -> Reply {
        reply::problem(problem)
    }

    /// The answer to a request that carries no events.
    fn page(&self, _endpoint: Endpoint, _head: &request::Parts) -> Reply {
        reply::no_content()
    }

    /// Opens a rejected event that was kept, to be read again: the only one of what is returned.
    fn reopen(&self, kept: Kept<'_>) -> Result<Box<dyn Sent>, Error>;
}

/// The protocol of that name.
pub(crate) fn named(name: &str) -> Option<&'static dyn Protocol> {
    ALL.into_iter().find(|protocol| protocol.name() == name)
}

/// The protocol that serves a path, by its place in [`ALL`], and what it serves there. What settings say comes last: they
/// take no path from another protocol.
pub(crate) fn at(path: &str, paths: &Paths) -> Option<(usize, Endpoint)> {
    let all = || ALL.iter().enumerate();
    let own = all().find_map(|(place, protocol)| Some((place, protocol.endpoint(path)?)));
    own.or_else(|| {
        all().find_map(|(place, protocol)| Some((place, protocol.endpoint_set(path, paths)?)))
    })
}

/// The paths that settings add to the protocols' own.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    /// Where trackers of Snowplow post to.
    pub(crate) snowplow: Vec<String>,
}

impl Paths {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            snowplow: config.snowplow.post_paths.clone(),
        }
    }
}

/// A path of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Which of the protocol's own it is.
    pub(crate) form: &'static str,
    /// The methods that it takes, as `Allow` lists them.
    pub(crate) methods: &'static str,
    /// Whether requests carry events; else [`Protocol::page`] answers them.
    pub(crate) events: bool,
}

impl Endpoint {
    /// Takes events by POST.
    pub(crate) const fn post(form: &'static str) -> Self {
        Self {
            form,
            methods: "OPTIONS, POST",
            events: true,
        }
    }

    /// Answers GET with a page.
    pub(crate) const fn page(form: &'static str) -> Self {
        Self {
            form,
            methods: "GET, HEAD, OPTIONS",
            events: false,
        }
    }

    /// Whether it takes that method.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        let mut methods = self.methods.split(", ");
        methods.any(|taken| taken == method.as_str())
    }
}

/// A rejected event, as it was kept.
pub(crate) struct Kept<'a> {
    /// What [`Sent::form`] said of it.
    pub(crate) form: &'a str,
    /// What [`Sent::senttime`] said of it.
    pub(crate) senttime: Option<&'a str>,
    /// Its bytes.
    pub(crate) payload: Bytes,
}

/// What a reply depends on besides the results.
pub(crate) struct Asked<'a> {
    pub(crate) head: &'a request::Parts,
    pub(crate) retry_after_s: u32,
}

/// A request's body, opened. It holds whatever its events borrow from.
pub(crate) trait Sent: Send + Sync {
    /// The text that events' ranges are of.
    fn text(&self) -> &Text;

    /// The write key, where it stands in the body.
    fn key(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// The source that the request itself names: where sources are set up, the key must be of it.
    fn source(&self) -> Option<&str> {
        None
    }

    /// When the client sent it by its own clock, RFC 3339, where it says so for all events together.
    fn senttime(&self) -> Option<&str> {
        None
    }

    /// What else [`Protocol::reopen`] needs to know to read one of these events again.
    fn form(&self) -> &'static str {
        ""
    }

    /// Whether who sent it wants to be nobody: their address is not asked for.
    fn anonymous(&self) -> bool {
        false
    }

    /// Adds to a reply on its events what only the request tells.
    fn complete(&self, _reply: &mut Reply) {}

    /// Begins to read the events.
    fn events<'a>(&'a self, rules: &Rules<'a>) -> Result<Box<dyn Events<'a> + Send + 'a>, Error>;
}

/// The events of a body, one after another.
pub(crate) trait Events<'a> {
    /// The next event; none at the end of the body.
    fn next(&mut self, rules: &Rules<'a>) -> Result<Option<Item<'a>>, Error>;
}

/// What an event is read by.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) bounds: &'a Bounds,
    pub(crate) schemas: &'a Registry,
    pub(crate) source: &'a Source,
    /// Microseconds since the epoch; when the request was received.
    pub(crate) received_micros: i64,
    /// Places whose values were dropped, hashed or masked before: of an event that is judged again.
    pub(crate) done: &'a [String],
}

/// What bounds an event.
pub(crate) struct Bounds {
    pub(crate) attribute_bytes_max: usize,
    pub(crate) extensions_max: usize,
    pub(crate) depth_max: u32,
}

impl Bounds {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            attribute_bytes_max: config.limits.attribute_bytes_max as usize,
            extensions_max: config.limits.extensions_max as usize,
            depth_max: config.limits.depth_max,
        }
    }
}

/// Why a body as a whole is not events. Nothing of such a request is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Syntax(#[from] Syntax),
    #[error("body is empty")]
    Empty,
    #[error("body is not {expected} as its content type says")]
    NotAsSaid { expected: &'static str, at: usize },
    #[error("body comes to more than the limit of {bytes_max} bytes")]
    TooLong { bytes_max: usize },
    #[error("{what}")]
    Unfit { what: &'static str, at: usize },
}

impl Error {
    /// Byte offset into the (inflated) body.
    pub(crate) fn offset(&self) -> usize {
        match self {
            Self::Syntax(syntax) => syntax.at,
            Self::Empty | Self::TooLong { .. } => 0,
            Self::NotAsSaid { at, .. } | Self::Unfit { at, .. } => *at,
        }
    }
}

/// A fault in an event's attribute, or in one that it should have.
pub(crate) fn attribute_fault(
    name: &str,
    keyword: &'static str,
    message: impl Into<String>,
) -> Violation {
    let mut pointer = String::with_capacity(name.len() + 1);
    pointer.push('/');
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(character),
        }
    }
    Violation {
        pointer,
        keyword,
        message: message.into(),
    }
}
