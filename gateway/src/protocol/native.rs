//! `POST /v1/events`: events as JSON, one, many or line by line, and CloudEvents in all three modes of its HTTP binding.

use bytes::Bytes;
use http::request;

use super::{
    Asked, Endpoint, Error, Events, Item, Kept, Protocol, Rules, Sent, Text,
    cloudevents::{self, Binary},
    media::{self, Framing},
    split::Split,
};
use crate::reply::{Reply, Results};

/// Where events are taken.
const PATH: &str = "/v1/events";

/// Events as JSON, and CloudEvents.
pub(crate) struct Native;

impl Protocol for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        (path == PATH).then_some(Endpoint::post("events"))
    }

    fn accepts(&self, head: &request::Parts) -> Result<(), media::Foreign> {
        media::framing(&head.headers).map(drop)
    }

    fn open(
        &self,
        _endpoint: Endpoint,
        head: &request::Parts,
        body: Bytes,
        _bytes_max: usize,
    ) -> Result<Box<dyn Sent>, Error> {
        // A content type that is none of ours was refused before the body was read.
        let framing = media::framing(&head.headers).unwrap_or(Framing::Sniffed);
        let text = Text::new(body);
        Ok(match framing {
            Framing::Binary => Box::new(Binary::new(&head.headers, text)),
            _ => Box::new(Json { text, framing }),
        })
    }

    fn results(&self, _endpoint: Endpoint, asked: &Asked<'_>, results: &Results<'_>) -> Reply {
        results.response(asked.head.uri.query(), asked.retry_after_s)
    }

    fn reopen(&self, kept: Kept<'_>) -> Result<Box<dyn Sent>, Error> {
        Ok(Box::new(Json {
            text: Text::new(kept.payload),
            framing: Framing::One,
        }))
    }
}

/// A body that is JSON.
struct Json {
    text: Text,
    framing: Framing,
}

impl Sent for Json {
    fn text(&self) -> &Text {
        &self.text
    }

    fn events<'a>(&'a self, _rules: &Rules<'a>) -> Result<Box<dyn Events<'a> + Send + 'a>, Error> {
        Ok(Box::new(Split::new(self.text.text(), self.framing)?))
    }
}

impl<'a> Events<'a> for Split<'a> {
    fn next(&mut self, rules: &Rules<'a>) -> Result<Option<Item<'a>>, Error> {
        self.next(rules)
    }
}

/// The one event in CloudEvents' binary mode.
struct One<'a> {
    binary: &'a Binary,
    read: bool,
}

impl<'a> Events<'a> for One<'a> {
    fn next(&mut self, rules: &Rules<'a>) -> Result<Option<Item<'a>>, Error> {
        if std::mem::replace(&mut self.read, true) {
            return Ok(None);
        }
        let draft = cloudevents::read(self.binary, rules.bounds)?;
        Ok(Some(Item {
            range: 0..self.binary.text().bytes().len(),
            draft: Ok(draft),
        }))
    }
}

impl Sent for Binary {
    fn text(&self) -> &Text {
        Binary::text(self)
    }

    fn events<'a>(&'a self, _rules: &Rules<'a>) -> Result<Box<dyn Events<'a> + Send + 'a>, Error> {
        Ok(Box::new(One {
            binary: self,
            read: false,
        }))
    }
}
