//! What an event's request, and all of its parameters together, tell: by which page and whom it was sent, what the event
//! is called, and when it happened.

use std::borrow::Cow;

use headgate_schemas::{iglu::Name, walk::Cursor};

use super::super::super::{Rules, draft::Draft, segment_message::date_time};
use super::super::{entities, fields};
use super::{Reading, Times};

impl<'a> Reading<'a, '_> {
    /// What the request and the whole of the parameters tell.
    pub(super) fn finish(mut self, rules: &Rules<'a>) -> Draft<'a> {
        self.described();
        self.visit();
        for (name, json) in [
            ("unstruct_event", &self.unstruct),
            ("contexts", &self.contexts),
        ] {
            if let Some(json) = json {
                self.row.json(name, json);
            }
        }
        self.happened(rules.received_micros);
        let (mut draft, row) = (self.draft, self.row);
        let data = row.finish();
        if draft.faults.is_empty() {
            let (event, around) = (self.unstruct.as_deref(), self.contexts.as_deref());
            entities::check(event, around, rules, &mut draft);
            let schema = rules.schemas.resolve(&draft.event.kind, None);
            let mut cursor = Cursor::new(&data, u32::MAX);
            draft.kept = schema
                .ok()
                .map(AsRef::as_ref)
                .filter(|schema| schema.passes(&mut cursor, rules.bounds.depth_max));
        }
        draft.made = Some(data);
        draft
    }

    /// Vendor, name, format and version of the event.
    fn described(&mut self) {
        let Some(named) = self.event else {
            if !self.seen.has("e") {
                self.fault(
                    "e",
                    "required",
                    "e is required: the event's kind".to_owned(),
                );
            }
            return;
        };
        let iglu = match (named, self.schema.as_deref().and_then(Name::of)) {
            (Some((vendor, name)), _) => Name {
                vendor,
                name,
                format: "jsonschema",
                version: "1-0-0",
            },
            (None, Some(iglu)) => iglu,
            (None, None) => {
                if !self.seen.has("ue_px") {
                    let message = "a self-describing event has ue_px or ue_pr: the event itself";
                    self.fault("ue_px", "required", message.to_owned());
                }
                return;
            }
        };
        for (name, value) in [
            ("event_vendor", iglu.vendor),
            ("event_name", iglu.name),
            ("event_format", iglu.format),
            ("event_version", iglu.version),
        ] {
            self.row.text(name, value);
        }
    }

    /// Who sent it, by what, and from which page, where the tracker does not say.
    fn visit(&mut self) {
        let [tracker, collector] = std::mem::take(&mut self.network);
        let known = self.client.network_userid.as_deref();
        let given = tracker.as_deref().or(collector.as_deref());
        if let Some(id) = given.or(known) {
            self.row.text("network_userid", id);
        }
        if let (Some(_), Some(unused)) = (&tracker, &collector) {
            self.keep_text("nuid", unused);
        }
        let client = self.client;
        if let (Some(user_agent), false) = (&client.user_agent, self.seen.has("ua")) {
            self.row.text("useragent", user_agent);
        }
        if let (Some(page), Some(found), false) =
            (&client.referer, fields::of("url"), self.seen.has("url"))
        {
            self.field("url", &found, Cow::Owned(page.clone()));
        }
    }

    /// When it happened by a right clock: as the tracker says if it is sure, else the client's clock is off by as much as
    /// its time of sending is off ours. An event that does not say happened when it came.
    fn happened(&mut self, received_micros: i64) {
        let Times {
            created,
            sent,
            truly,
        } = self.times;
        let corrected = created.map(|created| match sent {
            Some(sent) => received_micros.saturating_add(created.saturating_sub(sent)),
            None => created,
        });
        let written = |micros| Cow::Owned(date_time(micros));
        self.draft.event.time = Some(written(truly.or(corrected).unwrap_or(received_micros)));
        self.draft.event.senttime = sent.map(written);
    }
}
