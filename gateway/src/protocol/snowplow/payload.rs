//! What a tracker posts: `payload_data`, a JSON object with events in `data`; or one event, as the parameters of a query.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use headgate_schemas::walk::{Cursor, Kind};

use super::super::{Error, Events, Item, Rules, Sent, Text};
use super::{client::Client, element};
use crate::reply::Reply;

const SHAPE: &str = "a payload of Snowplow's trackers is a JSON object with an array called data";

/// Which of a client's events it is ([`Sent::form`]): of one that wants to be nobody, or of another.
pub(super) const ANONYMOUS: &str = "anonymous";
const KNOWN: &str = "event";

/// A request's body.
pub(super) struct Payload {
    text: Text,
    client: Client,
    /// The array of events; `None`: the body is the one event.
    events: Option<Range<usize>>,
}

impl Payload {
    /// Of a body that holds events in `data`.
    pub(super) fn many(body: Bytes, client: Client) -> Result<Self, Error> {
        let text = Text::new(body);
        let events = Some(array(text.text())?);
        Ok(Self {
            text,
            client,
            events,
        })
    }

    /// Of one event.
    pub(super) fn one(event: Bytes, client: Client) -> Self {
        Self {
            text: Text::new(event),
            client,
            events: None,
        }
    }

    fn elements(&self) -> Result<Elements<'_>, Error> {
        let text = self.text.text();
        let range = self.events.clone().unwrap_or(0..text.len());
        let mut cursor = Cursor::new(&text[range.clone()], u32::MAX);
        cursor.space();
        if cursor.at() == range.len() {
            return Err(Error::Empty);
        }
        let more = match self.events {
            Some(_) => cursor.array()?,
            None => true,
        };
        Ok(Elements {
            payload: self,
            base: range.start,
            cursor,
            more,
        })
    }

    /// The id of the application that the first event is of.
    fn app(&self) -> Result<Option<Cow<'_, str>>, Error> {
        let mut elements = self.elements()?;
        if !elements.more || elements.cursor.kind()? != Kind::Object {
            return Ok(None);
        }
        let cursor = &mut elements.cursor;
        let mut more = cursor.object()?;
        while more {
            let name = cursor.key()?;
            if name.is("aid") && cursor.kind()? == Kind::String {
                return Ok(Some(cursor.string()?.decode()));
            }
            cursor.skip()?;
            more = cursor.next_member()?;
        }
        Ok(None)
    }
}

/// Where the events stand.
fn array(text: &str) -> Result<Range<usize>, Error> {
    let mut cursor = Cursor::new(text, u32::MAX);
    cursor.space();
    let start = cursor.at();
    if start == text.len() {
        return Err(Error::Empty);
    }
    let unfit = Error::Unfit {
        what: SHAPE,
        at: start,
    };
    if cursor.kind()? != Kind::Object {
        return Err(unfit);
    }
    let mut found = None;
    let mut more = cursor.object()?;
    while more {
        let name = cursor.key()?;
        let is_array = cursor.kind()? == Kind::Array;
        let from = cursor.at();
        cursor.skip()?;
        if is_array && name.is("data") {
            found = Some(from..cursor.at());
        }
        more = cursor.next_member()?;
    }
    cursor.end()?;
    found.ok_or(unfit)
}

impl Sent for Payload {
    fn text(&self) -> &Text {
        &self.text
    }

    /// Trackers show no key; what tells their applications apart is the id of each.
    fn key(&self) -> Option<Cow<'_, str>> {
        self.app().ok().flatten()
    }

    fn form(&self) -> &'static str {
        match self.client.anonymous {
            true => ANONYMOUS,
            false => KNOWN,
        }
    }

    fn anonymous(&self) -> bool {
        self.client.anonymous
    }

    fn complete(&self, reply: &mut Reply) {
        self.client.greet(reply);
    }

    fn events<'a>(&'a self, _rules: &Rules<'a>) -> Result<Box<dyn Events<'a> + Send + 'a>, Error> {
        Ok(Box::new(self.elements()?))
    }
}

/// The events of a body.
struct Elements<'a> {
    payload: &'a Payload,
    /// Where the cursor's text begins in the body.
    base: usize,
    cursor: Cursor<'a>,
    more: bool,
}

impl<'a> Events<'a> for Elements<'a> {
    fn next(&mut self, rules: &Rules<'a>) -> Result<Option<Item<'a>>, Error> {
        if !self.more {
            return Ok(None);
        }
        self.cursor.space();
        let start = self.cursor.at();
        let draft = element::read(&mut self.cursor, &self.payload.client, rules)?;
        let range = self.base + start..self.base + self.cursor.at();
        self.more = match self.payload.events {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn many(body: &str) -> Result<Payload, Error> {
        Payload::many(Bytes::copy_from_slice(body.as_bytes()), Client::default())
    }

    #[test]
    fn the_key_is_the_application_of_the_first_event() {
        let key = |body: &str| many(body).unwrap().key().map(Cow::into_owned);
        let body = r#"{"schema":"iglu:x","data":[ {"e":"pv","aid":"sh\u006fp"}, {"aid":"b"}]}"#;
        assert_eq!(key(body).as_deref(), Some("shop"));
        for body in [
            r#"{"data":[]}"#,
            r#"{"data":[1]}"#,
            r#"{"data":[{"e":"pv"},{"aid":"b"}]}"#,
        ] {
            assert_eq!(key(body), None, "{body}");
        }
    }

    #[test]
    fn what_is_no_payload_is_refused_as_a_whole() {
        for (body, offset) in [
            ("", 0),
            (" [1]", 1),
            (r#"{"data":{}}"#, 0),
            (r#"{"data":[}"#, 9),
            (r#"{"data":[]} x"#, 12),
        ] {
            let error = many(body).err().unwrap();
            assert_eq!(error.offset(), offset, "{body}");
        }
    }
}
