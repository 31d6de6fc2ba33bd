//! `POST /v1/webhooks/<source>`: whatever JSON another service posts, kept as the event's data. Of an array each element
//! is an event; a form is an object of its fields.
//!
//! Services that call webhooks seldom let anyone set headers. The write key may therefore stand in the address too:
//! `/v1/webhooks/billing?writeKey=...`.

use bytes::Bytes;
use headgate_schemas::{event::Data, sdk::WEBHOOK, walk::Cursor};
use http::{HeaderMap, StatusCode, header, request};

use super::{
    Asked, Endpoint, Error, Events, Item, Kept, Protocol, Rules, Sent, Text, attribute_fault,
    draft::Draft, query,
};
use crate::{
    reply::{self, Problem, Reply, Results},
    sources::config::source_name,
};

/// Other services' webhooks.
pub(crate) struct Webhook;

const PATH: &str = "/v1/webhooks/";

/// Headers by which services number what they deliver: sent again, it has the same number.
const IDS: [&str; 5] = [
    // <https://www.standardwebhooks.com>
    "webhook-id",
    "svix-id",
    "x-github-delivery",
    "x-shopify-webhook-id",
    "idempotency-key",
];

impl Protocol for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        let source = path.strip_prefix(PATH)?;
        source_name(source).then_some(Endpoint::post("webhook"))
    }

    fn open(
        &self,
        _endpoint: Endpoint,
        head: &request::Parts,
        body: Bytes,
        _bytes_max: usize,
    ) -> Result<Box<dyn Sent>, Error> {
        let source = head.uri.path().strip_prefix(PATH).unwrap_or_default();
        let body = match is_form(&head.headers, &body) {
            true => query::object(&body)?.into(),
            false => body,
        };
        Ok(Box::new(Delivery {
            id: id(&head.headers),
            source: Some(source.to_owned()),
            text: Text::new(body),
        }))
    }

    fn results(&self, _endpoint: Endpoint, asked: &Asked<'_>, results: &Results<'_>) -> Reply {
        if results.retry == 0 {
            return reply::json(StatusCode::OK, b"{\"success\":true}".to_vec());
        }
        reply::problem(&Problem::again(asked.retry_after_s))
    }

    fn reopen(&self, kept: Kept<'_>) -> Result<Box<dyn Sent>, Error> {
        Ok(Box::new(Delivery {
            id: None,
            source: None,
            text: Text::new(kept.payload),
        }))
    }
}

/// Whether the body is a form: some services say so of JSON.
fn is_form(headers: &HeaderMap, body: &[u8]) -> bool {
    let said = headers.get(header::CONTENT_TYPE);
    let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
    let json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    said.starts_with("application/x-www-form-urlencoded") && !json
}

fn id(headers: &HeaderMap) -> Option<String> {
    let mut ids = IDS.into_iter().filter_map(|name| headers.get(name));
    ids.find_map(|id| Some(id.to_str().ok()?.to_owned()))
        .filter(|id| !id.is_empty())
}

/// What was posted.
struct Delivery {
    id: Option<String>,
    /// As the path has it.
    source: Option<String>,
    text: Text,
}

impl Sent for Delivery {
    fn text(&self) -> &Text {
        &self.text
    }

    fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    fn form(&self) -> &'static str {
        "body"
    }

    fn events<'a>(&'a self, _rules: &Rules<'a>) -> Result<Box<dyn Events<'a> + Send + 'a>, Error> {
        let text = self.text.text();
        let mut cursor = Cursor::new(text, u32::MAX);
        cursor.space();
        if cursor.at() == text.len() {
            return Err(Error::Empty);
        }
        let array = text[cursor.at()..].starts_with('[');
        let more = match array {
            true => cursor.array()?,
            false => true,
        };
        if array && !more {
            cursor.end()?;
        }
        Ok(Box::new(Elements {
            delivery: self,
            cursor,
            array,
            more,
            number: 0,
        }))
    }
}

/// The events of a delivery.
struct Elements<'a> {
    delivery: &'a Delivery,
    cursor: Cursor<'a>,
    array: bool,
    more: bool,
    number: usize,
}

impl<'a> Events<'a> for Elements<'a> {
    fn next(&mut self, rules: &Rules<'a>) -> Result<Option<Item<'a>>, Error> {
        if !self.more {
            return Ok(None);
        }
        let cursor = &mut self.cursor;
        cursor.space();
        let start = cursor.at();
        let data = cursor.skip()?;
        let range = start..cursor.at();
        self.more = self.array && cursor.next_element()?;
        if !self.more {
            cursor.end()?;
        }
        let mut draft = Draft::default();
        draft.event.kind = WEBHOOK.into();
        let id = self.delivery.id.as_deref().unwrap_or_default();
        let bytes_max = rules.bounds.attribute_bytes_max;
        if id.len() > bytes_max {
            let bytes = id.len();
            let message =
                format!("the delivery's id has {bytes} bytes, at most {bytes_max} are allowed");
            draft
                .faults
                .push(attribute_fault("id", "maxLength", message));
        } else if !id.is_empty() {
            draft.event.id = match self.array {
                true => format!("{id}.{}", self.number).into(),
                false => id.into(),
            };
        }
        let named = self.delivery.source.as_deref();
        draft.event.source = named.unwrap_or(&rules.source.name).into();
        draft.event.data = Data::Json(data);
        self.number += 1;
        Ok(Some(Item {
            range,
            draft: Ok(draft),
        }))
    }
}
