//! Segment's HTTP tracking API, which RudderStack's SDKs speak too: single calls, batches, beacons and pixels, and what
//! browser SDKs ask for before they send.
//!
//! Paths and shapes: <https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/> and
//! <https://www.rudderstack.com/docs/api/http-api/>. What is in a message is in `segment_message`.

use std::{borrow::Cow, ops::Range};

use base64::{Engine as _, engine::general_purpose as base64_of};
use bytes::Bytes;
use headgate_schemas::walk::{Cursor, Kind};
use http::{HeaderValue, StatusCode, header, request};

use super::{
    Asked, Endpoint, Error, Events, Item, Kept, Protocol, Rules, Sent, Text, gif, query,
    segment_message::{self, Call, Clock},
};
use crate::reply::{self, Problem, Reply, Results};

/// Segment's and RudderStack's SDKs.
pub(crate) struct Segment;

/// What stands at a path, by [`Endpoint::form`].
mod form {
    pub(super) const BATCH: &str = "batch";
    /// A batch of the past: its clock is not corrected.
    pub(super) const IMPORT: &str = "import";
    pub(super) const SETTINGS: &str = "settings";
    pub(super) const SOURCE_CONFIG: &str = "source_config";
}

/// `/v1/projects/<key>/settings`, around the key.
const SETTINGS_PATH: (&str, &str) = ("/v1/projects/", "/settings");

impl Protocol for Segment {
    fn name(&self) -> &'static str {
        super::SEGMENT
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        let single = |name: &str| Call::of(name).map(|call| Endpoint::post(call.name()));
        if let Some(name) = path.strip_prefix("/v1/") {
            return match name {
                "batch" | "b" => Some(Endpoint::post(form::BATCH)),
                "import" => Some(Endpoint::post(form::IMPORT)),
                _ => single(name).or_else(|| match name.strip_prefix("pixel/") {
                    Some(name) => pixel(name),
                    None => key_of_settings(path).map(|_| Endpoint::page(form::SETTINGS)),
                }),
            };
        }
        match path {
            // The mobile SDKs' host is the whole prefix of their one path.
            "/b" | "/beacon/v1/batch" => Some(Endpoint::post(form::BATCH)),
            "/sourceConfig" | "/sourceConfig/" => Some(Endpoint::page(form::SOURCE_CONFIG)),
            _ => pixel(path.strip_prefix("/pixel/v1/")?),
        }
    }

    fn open(
        &self,
        endpoint: Endpoint,
        head: &request::Parts,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Box<dyn Sent>, Error> {
        if endpoint.form.starts_with(PIXEL) {
            let message = from_query(head.uri.query().unwrap_or_default())?;
            return Ok(Box::new(Body::new(endpoint.form, message, bytes_max)?));
        }
        Ok(Box::new(Body::new(endpoint.form, body, bytes_max)?))
    }

    fn results(&self, endpoint: Endpoint, asked: &Asked<'_>, results: &Results<'_>) -> Reply {
        if results.retry > 0 {
            return self.problem(endpoint, &Problem::again(asked.retry_after_s));
        }
        // SDKs would send the whole batch again for the sake of its rejected events, or drop the accepted ones: of what was
        // rejected the bad events tell.
        if endpoint.form.starts_with(PIXEL) {
            return reply::image(gif::DOT);
        }
        reply::json(StatusCode::OK, b"{\"success\":true}".to_vec())
    }

    /// `code` and `message` at the top: RudderStack's SDK for Python fails on any other JSON and sends again.
    fn problem(&self, _endpoint: Endpoint, problem: &Problem<'_>) -> Reply {
        let body = serde_json::json!({
            "success": false,
            "code": problem.code,
            "message": problem.message,
        });
        reply::with_problem(problem, body.to_string().into_bytes())
    }

    fn page(&self, endpoint: Endpoint, head: &request::Parts) -> Reply {
        let page = match endpoint.form {
            form::SETTINGS => settings(head),
            _ => source_config(head),
        };
        let mut reply = reply::json(StatusCode::OK, page.to_string().into_bytes());
        let cache = HeaderValue::from_static("private, max-age=300");
        reply.headers_mut().insert(header::CACHE_CONTROL, cache);
        reply
    }

    fn reopen(&self, kept: Kept<'_>) -> Result<Box<dyn Sent>, Error> {
        let call = Call::of(kept.form.trim_start_matches(PIXEL));
        let one = call.map_or("", Call::name);
        let mut body = Body::new(one, kept.payload, usize::MAX)?;
        body.sent = kept.senttime.map(str::to_owned);
        body.corrected = kept.form != form::IMPORT;
        Ok(Box::new(body))
    }
}

const PIXEL: &str = "pixel/";

fn pixel(name: &str) -> Option<Endpoint> {
    Some(Endpoint {
        form: Call::of(name)?.pixel(),
        methods: "GET, HEAD, OPTIONS",
        events: true,
    })
}

/// The message of a pixel: in `data` as Base64, or the query's own parameters, dots leading into objects.
fn from_query(query: &str) -> Result<Bytes, Error> {
    if let Some(data) = query::parameter(query, "data") {
        // Written with both alphabets, padded or not; `+` has become a space on the way.
        let plain: String = data
            .chars()
            .filter(|character| *character != '=')
            .map(|character| match character {
                '-' | ' ' => '+',
                '_' => '/',
                other => other,
            })
            .collect();
        let decoded = base64_of::STANDARD_NO_PAD.decode(plain);
        return decoded.map(Bytes::from).map_err(|_| Error::Unfit {
            what: "the parameter data is not Base64",
            at: 0,
        });
    }
    Ok(query::object(query.as_bytes())?.into())
}

/// A request's body: a batch, or one message.
struct Body {
    text: Text,
    form: &'static str,
    /// The array of a batch; `None`: the body is the one message.
    batch: Option<Range<usize>>,
    key: Option<String>,
    sent: Option<String>,
    /// Times are corrected by the client's clock.
    corrected: bool,
    /// A batch's own, for its messages that have none: where it stands in the body.
    context: Option<Range<usize>>,
}

impl Body {
    /// `bytes_max`: what the body may come to with the batch's context in its messages.
    fn new(form: &'static str, bytes: Bytes, bytes_max: usize) -> Result<Self, Error> {
        let mut body = Self {
            text: Text::new(bytes),
            form,
            batch: None,
            key: None,
            sent: None,
            corrected: form != form::IMPORT,
            context: None,
        };
        if matches!(form, form::BATCH | form::IMPORT) {
            body.scan()?;
            body.share(bytes_max)?;
        }
        Ok(body)
    }

    /// Finds a batch's parts.
    fn scan(&mut self) -> Result<(), Error> {
        let text = self.text.text();
        let mut cursor = Cursor::new(text, u32::MAX);
        cursor.space();
        let start = cursor.at();
        if start == text.len() {
            return Err(Error::Empty);
        }
        if cursor.kind()? != Kind::Object {
            let what = "a batch is a JSON object with an array called batch";
            return Err(Error::Unfit { what, at: start });
        }
        let (mut batch, mut key, mut sent, mut context) = (None, None, None, None);
        let mut more = cursor.object()?;
        while more {
            let name = cursor.key()?;
            let kind = cursor.kind()?;
            let from = cursor.at();
            match (&*name.decode(), kind) {
                ("writeKey", Kind::String) => key = Some(cursor.string()?.decode().into_owned()),
                ("sentAt", Kind::String) => {
                    let text = cursor.string()?.decode();
                    sent = segment_message::time(&text).map(|_| text.into_owned());
                }
                ("batch", Kind::Array) => {
                    cursor.skip()?;
                    batch = Some(from..cursor.at());
                }
                ("context", Kind::Object) => {
                    cursor.skip()?;
                    context = Some(from..cursor.at());
                }
                _ => drop(cursor.skip()?),
            }
            more = cursor.next_member()?;
        }
        cursor.end()?;
        if batch.is_none() {
            let what = "a batch is a JSON object with an array called batch";
            return Err(Error::Unfit { what, at: start });
        }
        (self.batch, self.key, self.sent, self.context) = (batch, key, sent, context);
        Ok(())
    }

    /// Gives the batch's context to its messages without one of their own.
    fn share(&mut self, bytes_max: usize) -> Result<(), Error> {
        let (Some(batch), Some(context)) = (self.batch.clone(), self.context.clone()) else {
            return Ok(());
        };
        if !self.text.is_utf8() {
            // Its messages would be made of the text in which bytes were replaced, and nobody could tell any more.
            let what = "a batch with a context of its own is not UTF-8";
            return Err(Error::Unfit { what, at: 0 });
        }
        let text = self.text.text();
        let shared = segment_message::with_context(&text[batch], &text[context], bytes_max)?;
        self.batch = Some(0..shared.len());
        self.text = Text::new(shared.into());
        Ok(())
    }
}

impl Sent for Body {
    fn text(&self) -> &Text {
        &self.text
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        match &self.batch {
            Some(_) => self.key.as_deref().map(Cow::Borrowed),
            // Asked for only where nothing else shows a key: most messages are then read once.
            None => segment_message::key(self.text.text()),
        }
    }

    fn senttime(&self) -> Option<&str> {
        self.sent.as_deref()
    }

    fn form(&self) -> &'static str {
        self.form
    }

    fn events<'a>(&'a self, _rules: &Rules<'a>) -> Result<Box<dyn Events<'a> + Send + 'a>, Error> {
        let text = self.text.text();
        let batch = self.batch.clone();
        // What is behind a batch's array was read before.
        let range = batch.clone().unwrap_or(0..text.len());
        let mut cursor = Cursor::new(&text[range.clone()], u32::MAX);
        cursor.space();
        if cursor.at() == range.len() {
            return Err(Error::Empty);
        }
        let more = match batch {
            Some(_) => cursor.array()?,
            None => true,
        };
        Ok(Box::new(Messages {
            body: self,
            call: Call::of(self.form.trim_start_matches(PIXEL)),
            base: range.start,
            cursor,
            more,
        }))
    }
}

/// The messages of a body.
struct Messages<'a> {
    body: &'a Body,
    call: Option<Call>,
    /// Where the cursor's text begins in the body.
    base: usize,
    cursor: Cursor<'a>,
    more: bool,
}

impl<'a> Events<'a> for Messages<'a> {
    fn next(&mut self, rules: &Rules<'a>) -> Result<Option<Item<'a>>, Error> {
        if !self.more {
            return Ok(None);
        }
        self.cursor.space();
        let start = self.cursor.at();
        let clock = Clock {
            sent: self.body.sent.as_deref(),
            corrected: self.body.corrected,
        };
        let draft = segment_message::read(&mut self.cursor, self.call, clock, rules)?;
        let range = self.base + start..self.base + self.cursor.at();
        self.more = match self.body.batch {
            Some(_) => self.cursor.next_element()?,
            None => {
                self.cursor.end()?;
                false
            }
        };
        Ok(Some(Item {
            range,
            draft: Ok(draft),
        }))
    }
}

/// The key in `/v1/projects/<key>/settings`.
fn key_of_settings(path: &str) -> Option<&str> {
    let (before, behind) = SETTINGS_PATH;
    let key = path.strip_prefix(before)?.strip_suffix(behind)?;
    (!key.is_empty() && !key.contains('/')).then_some(key)
}

/// The host that the client reached this by.
fn host(head: &request::Parts) -> &str {
    let host = head.headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    host.or_else(|| head.uri.authority().map(|authority| authority.as_str()))
        .unwrap_or_default()
}

/// The scheme that the client used, as far as whoever ends TLS before this tells.
fn scheme(head: &request::Parts) -> &'static str {
    let told = head.headers.get("x-forwarded-proto");
    match told.and_then(|told| told.to_str().ok()) {
        Some("https") => "https",
        _ => "http",
    }
}

/// What `@segment/analytics-next` loads before it sends: that everything goes here, and to nobody else.
fn settings(head: &request::Parts) -> serde_json::Value {
    let key = key_of_settings(head.uri.path()).unwrap_or_default();
    serde_json::json!({
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": format!("{}/v1", host(head)),
                "protocol": scheme(head),
                "addBundledMetadata": true,
                "maybeBundledConfigIds": {},
                "unbundledIntegrations": [],
                "versionSettings": { "version": "4.4.7", "componentTypes": ["browser"] },
                "retryQueue": true,
            }
        },
        "plan": {
            "track": { "__default": { "enabled": true, "integrations": {} } },
            "identify": { "__default": { "enabled": true } },
            "group": { "__default": { "enabled": true } },
        },
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": { "sampleRate": 0 },
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    })
}

/// What RudderStack's SDKs load before they send.
fn source_config(head: &request::Parts) -> serde_json::Value {
    let key = super::key::shown(head).unwrap_or_default();
    serde_json::json!({
        "source": {
            "id": "headgate",
            "name": "headgate",
            "writeKey": key,
            "enabled": true,
            "workspaceId": "headgate",
            "createdBy": "headgate",
            "config": {
                "statsCollection": {
                    "errors": { "enabled": false, "provider": "rudderstack" },
                    "metrics": { "enabled": false },
                }
            },
            "connections": [],
            "destinations": [],
            "dataplanes": {},
        },
        "updatedAt": "2026-01-01T00:00:00.000Z",
        "consentManagementMetadata": { "providers": [] },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_pixel(query: &str) -> String {
        String::from_utf8(from_query(query).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_pixels_message_is_in_base64_of_either_alphabet_or_in_the_parameters() {
        for data in [
            "eyJhIjoiPz8-In0=",
            "eyJhIjoiPz8-In0",
            "eyJhIjoiPz8%2BIn0%3D",
            "eyJhIjoiPz8+In0=",
        ] {
            assert_eq!(
                of_pixel(&format!("writeKey=k&data={data}")),
                r#"{"a":"??>"}"#,
                "{data}"
            );
        }
        assert_eq!(
            of_pixel("event=Mail+opened&properties.mail=42&properties.a.b=c&userId=u"),
            r#"{"event":"Mail opened","properties":{"mail":"42","a":{"b":"c"}},"userId":"u"}"#
        );
        assert!(from_query("data=%%%").is_err());
        // Deeper than objects are made for: the rest stays in the name. What would be text and object both is text.
        assert_eq!(
            of_pixel("a.b.c.d.e.f.g.h.i=1").matches('{').count(),
            query::DEPTH_MAX
        );
        assert_eq!(of_pixel("a=1&a.b=2"), r#"{"a":"1"}"#);
    }

    #[test]
    fn a_path_is_a_batch_one_call_a_pixel_or_a_page() {
        let form = |path: &str| Segment.endpoint(path).map(|endpoint| endpoint.form);
        for path in ["/v1/batch", "/v1/b", "/b", "/beacon/v1/batch"] {
            assert_eq!(form(path), Some("batch"), "{path}");
        }
        for (path, expected) in [
            ("/v1/import", "import"),
            ("/v1/track", "track"),
            ("/v1/t", "track"),
            ("/v1/a", "alias"),
            ("/v1/pixel/page", "pixel/page"),
            ("/pixel/v1/track", "pixel/track"),
            ("/v1/projects/key/settings", "settings"),
            ("/sourceConfig/", "source_config"),
        ] {
            assert_eq!(form(path), Some(expected), "{path}");
        }
        for path in [
            "/v1/",
            "/v1/x",
            "/v1/projects//settings",
            "/v1/projects/a/b/settings",
            "/t",
            "/v1/events",
        ] {
            assert_eq!(form(path), None, "{path}");
        }
    }

    #[test]
    fn a_batchs_context_is_given_to_messages_without_one() {
        let body = br#"{"context":{"ip":"1.2.3.4"},"batch":[ {"a":1}, {"context":{},"a":2}, {}, 3],"sentAt":"2026-11-22T12:00:00Z","writeKey":"k"}"#;
        let body = Body::new(form::BATCH, Bytes::from_static(body), 1_000).unwrap();
        assert_eq!(
            body.text.text(),
            r#"[ {"context":{"ip":"1.2.3.4"},"a":1}, {"context":{},"a":2}, {"context":{"ip":"1.2.3.4"}}, 3]"#
        );
        assert_eq!(
            (body.key().as_deref(), body.senttime()),
            (Some("k"), Some("2026-11-22T12:00:00Z"))
        );
    }

    #[test]
    fn a_context_that_makes_more_of_a_batch_than_a_body_may_have_is_refused() {
        let context = "x".repeat(1_000);
        let messages = vec!["{}"; 1_000].join(",");
        let body = format!(r#"{{"context":{{"a":"{context}"}},"batch":[{messages}]}}"#);
        let of = |bytes_max| Body::new(form::BATCH, Bytes::from(body.clone()), bytes_max).map(drop);
        assert_eq!(of(100_000), Err(Error::TooLong { bytes_max: 100_000 }));
        assert_eq!(of(2_000_000), Ok(()));
    }

    #[test]
    fn what_is_no_batch_is_refused_as_a_whole() {
        for (body, offset) in [
            ("", 0),
            ("[]", 0),
            (r#" {"batch":{}}"#, 1),
            (r#"{"batch":[}"#, 10),
        ] {
            let error = Body::new(form::BATCH, Bytes::from_static(body.as_bytes()), 1_000)
                .err()
                .unwrap();
            assert_eq!(error.offset(), offset, "{body}");
        }
    }
}
