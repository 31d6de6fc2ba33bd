//! Whether an event is taken: the rules that hold for an event when it comes in, and when it is judged again.

use std::{borrow::Cow, sync::Arc};

use headgate_schemas::{
    event::{Data, Event, Reason, Violation, reserved},
    schema::Schema,
};

use crate::{
    config::Config,
    privacy::Privacy,
    protocol::{
        self, attribute_fault,
        draft::Draft,
        split::{Item, encoding_fault},
    },
};

/// What holds for every request.
pub(crate) struct Rules {
    pub(crate) events_max: u32,
    event_bytes_max: usize,
    pub(crate) privacy: Arc<Privacy>,
}

/// An event that is not taken.
pub(crate) struct Unfit<'a> {
    /// Its attributes, as far as they could be read.
    pub(crate) event: Event<'a>,
    pub(crate) reason: Reason,
    pub(crate) errors: Vec<Violation>,
}

impl Rules {
    pub(crate) fn new(config: &Config, privacy: Arc<Privacy>) -> Self {
        Self {
            events_max: config.limits.batch_events_max,
            event_bytes_max: usize::try_from(config.limits.event_bytes_max).unwrap_or(usize::MAX),
            privacy,
        }
    }

    /// Decides on an event whose bytes are `raw`: the event, and the schema that its data keeps.
    pub(crate) fn judge<'a>(
        &self,
        reading: &protocol::Rules<'a>,
        item: Item<'a>,
        raw: &[u8],
        is_utf8: bool,
    ) -> Result<(Event<'a>, &'a Schema), Box<Unfit<'a>>> {
        let unfit = |event, reason, errors| {
            Err(Box::new(Unfit {
                event,
                reason,
                errors,
            }))
        };
        let mut draft = match item.draft {
            Ok(draft) => draft,
            Err(violation) => {
                return unfit(Event::default(), Reason::Malformed, vec![violation]);
            }
        };
        if !is_utf8 && let Some(fault) = encoding_fault(raw, item.range.start) {
            // The text of this event has replacements in it: nothing of it is repeated.
            return unfit(Event::default(), Reason::Malformed, vec![fault]);
        }
        if raw.len() > self.event_bytes_max {
            let message = format!(
                "event of {} bytes is over the limit of {} bytes",
                raw.len(),
                self.event_bytes_max
            );
            let fault = Violation {
                pointer: String::new(),
                keyword: "size",
                message,
            };
            return unfit(draft.event, Reason::Malformed, vec![fault]);
        }
        match check(reading, &mut draft) {
            Ok(schema) => Ok((draft.event, schema)),
            Err((reason, errors)) => unfit(draft.event, reason, errors),
        }
    }
}

/// Holds an event against its attributes' rules and its schema.
fn check<'a>(
    reading: &protocol::Rules<'a>,
    draft: &mut Draft<'a>,
) -> Result<&'a Schema, (Reason, Vec<Violation>)> {
    if !draft.faults.is_empty() {
        return Err((Reason::Envelope, std::mem::take(&mut draft.faults)));
    }
    if let Some(unknown) = draft.unknown.take() {
        return Err((Reason::UnknownSchema, vec![unknown]));
    }
    if !draft.invalid.is_empty() {
        return Err((Reason::Invalid, std::mem::take(&mut draft.invalid)));
    }
    let event = &mut draft.event;
    if reserved(&event.kind) {
        let message = format!(
            "type {} is reserved for events that were rejected",
            event.kind
        );
        return Err((
            Reason::Envelope,
            vec![attribute_fault("type", "type", message)],
        ));
    }
    // CloudEvents allows an event without data: here that is an object without members.
    let data = match event.data {
        Data::Json(data) => data,
        Data::None | Data::Base64(_) => "{}",
    };
    let schema = match draft.kept {
        Some(schema) => schema,
        None => held_against(reading, event, data)?,
    };
    event.data = Data::Json(data);
    event.dataschema = Some(Cow::Borrowed(schema.dataschema()));
    Ok(schema)
}

/// The schema of an event whose data was not found to keep it while it was read, if it does keep it.
fn held_against<'a>(
    reading: &protocol::Rules<'a>,
    event: &Event<'a>,
    data: &str,
) -> Result<&'a Schema, (Reason, Vec<Violation>)> {
    let protocol::Rules {
        bounds,
        schemas,
        done,
        ..
    } = reading;
    let found = schemas.resolve(&event.kind, event.dataschema.as_deref());
    let schema = found.map_err(|unknown| {
        let name = unknown.attribute();
        (
            Reason::UnknownSchema,
            vec![attribute_fault(name, name, unknown.to_string())],
        )
    })?;
    let checked = schema.check_again(data, bounds.depth_max, done);
    checked.map_err(|errors| {
        let too_deep = errors.iter().any(|error| error.keyword == "depth");
        let reason = if too_deep {
            Reason::Malformed
        } else {
            Reason::Invalid
        };
        (reason, errors)
    })?;
    Ok(schema)
}
