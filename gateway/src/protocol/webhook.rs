//! `POST /v1/webhooks/<source>`: whatever JSON another service posts, kept as the event's data.
//!
//! Services that call webhooks sign them or put a secret into the address; they seldom set headers. The write key is
//! therefore taken from the query too: `/v1/webhooks/billing?writeKey=...`.

use bytes::Bytes;
use headgate_schemas::{event::Data, walk::Cursor};
use http::{HeaderMap, StatusCode, request};

use super::{
    Asked, Endpoint, Error, Events, Item, Kept, Protocol, Rules, Sent, Text, draft::Draft,
};
use crate::reply::{self, Problem, Reply, Results};

/// Other services' webhooks.
pub(crate) struct Webhook;

const PATH: &str = "/v1/webhooks/";

/// The type of their events.
const KIND: &str = "webhook";

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
        (!source.is_empty() && !source.contains('/')).then_some(Endpoint::post("webhook"))
    }

    fn open(
        &self,
        _endpoint: Endpoint,
        head: &request::Parts,
        body: Bytes,
    ) -> Result<Box<dyn Sent>, Error> {
        let source = head.uri.path().strip_prefix(PATH).unwrap_or_default();
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
        reply::problem(&Problem {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "stream_unavailable",
            message: "the event could not be made durable: send it again",
            offset: None,
            retry_after_s: Some(asked.retry_after_s),
        })
    }

    fn reopen(&self, kept: Kept<'_>) -> Result<Box<dyn Sent>, Error> {
        Ok(Box::new(Delivery {
            id: None,
            source: None,
            text: Text::new(kept.payload),
        }))
    }
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

    fn events<'a>(&'a self, _rules: &Rules<'a>) -> Result<Box<dyn Events<'a> + Send + 'a>, Error> {
        Ok(Box::new(One(Some(self))))
    }
}

/// The one event of a delivery.
struct One<'a>(Option<&'a Delivery>);

impl<'a> Events<'a> for One<'a> {
    fn next(&mut self, rules: &Rules<'a>) -> Result<Option<Item<'a>>, Error> {
        let Some(delivery) = self.0.take() else {
            return Ok(None);
        };
        let text = delivery.text.text();
        let mut cursor = Cursor::new(text, u32::MAX);
        cursor.space();
        if cursor.at() == text.len() {
            return Err(Error::Empty);
        }
        let start = cursor.at();
        let data = cursor.skip()?;
        let range = start..cursor.at();
        cursor.end()?;
        let mut draft = Draft::default();
        draft.event.kind = KIND.into();
        draft.event.id = delivery.id.as_deref().unwrap_or_default().into();
        let named = delivery.source.as_deref();
        draft.event.source = named.unwrap_or(&rules.source.name).into();
        draft.event.data = Data::Json(data);
        Ok(Some(Item {
            range,
            draft: Ok(draft),
        }))
    }
}
