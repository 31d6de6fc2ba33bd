//! From one compiled document to the schema of an event: what its data is held against, what its columns come from, and
//! what its annotations say.

use std::sync::Arc;

use serde_json::Value;

use super::fingerprint;
use crate::expand::Index;
use crate::landing;
use crate::names;
use crate::privacy::{Plan, not_text, reserved};
use crate::program::{Document, Program, Refused};
use crate::redshift::Redshift;
use crate::schema::{self, Schema, Version};
use crate::sdk;
use crate::shape::{Shape, ShapeKind};

/// Nothing that is checked while loading nests deeper.
const CHECK_DEPTH_MAX: u32 = 1;

/// Pointer and reason.
pub(super) type Problem = (String, String);

pub(super) fn told(refused: &[Refused]) -> Vec<Problem> {
    let one = |refused: &Refused| {
        let reason = format!("{}: {}", refused.keyword, refused.reason);
        (refused.pointer.clone(), reason)
    };
    refused.iter().map(one).collect()
}

/// One compiled document of an event.
pub(super) struct Source<'a> {
    pub(super) name: Arc<str>,
    pub(super) version: Version,
    pub(super) document: &'a Document,
    pub(super) program: &'a Result<Program, Vec<Refused>>,
}

/// What an event's schema describes, and what is checked instead where that is not the event's data.
pub(super) enum Described<'a> {
    Data {
        built_in: bool,
    },
    Track {
        /// Without properties, and with.
        messages: [&'a Result<Program, Vec<Refused>>; 2],
        shape: &'a Shape,
        /// What the set says of the message around the properties.
        extra: Option<Plan>,
    },
    Call {
        program: &'a Result<Program, Vec<Refused>>,
        /// What the set says of it.
        extra: Option<Plan>,
    },
}

/// The schema of one compiled document.
pub(super) fn finish(
    source: Source<'_>,
    described: &Described<'_>,
    index: &Index<'_>,
) -> Result<Schema, Vec<Problem>> {
    let own = source.program.as_ref().map_err(|refused| told(refused))?;
    let document = &source.document.value;
    let expanded = index
        .expand(source.document)
        .map_err(|error| vec![(String::new(), error.to_string())])?;
    let mut shape = Shape::of(&expanded);
    if !matches!(shape.kind, ShapeKind::Object { .. }) || shape.nullable {
        let what = match described {
            Described::Track { .. } => "the properties of a track call",
            _ => "an event's data",
        };
        let reason = format!("{what} must be of \"type\": \"object\"");
        return Err(vec![("/type".to_owned(), reason)]);
    }
    let built_in = !matches!(
        described,
        Described::Track { .. } | Described::Data { built_in: false }
    );
    let mut problems = match built_in {
        true => Vec::new(),
        false => landing::problems(&expanded),
    };
    let mut privacy = Plan::of(&expanded).unwrap_or_else(|wrong| {
        problems.extend(wrong);
        None
    });
    if let Some(plan) = &privacy {
        plan.mark(&mut shape);
    }
    let (role, program, shape) = match described {
        Described::Data { .. } => (schema::Role::Data, Ok(own), shape),
        Described::Call { program, extra } => {
            let not_text = extra.iter().flat_map(|plan| not_text(plan, &shape));
            problems.extend(not_text.map(|path| {
                let reason = "the built-in table's column is not of text: it can be dropped only";
                (path, reason.to_owned())
            }));
            privacy = extra.clone();
            (schema::Role::Call, program.as_ref(), shape)
        }
        Described::Track {
            messages,
            shape: message,
            extra,
        } => {
            let of_properties = privacy.take().map(|plan| plan.under(sdk::PROPERTIES));
            privacy = Plan::both(extra.as_ref(), of_properties.as_ref());
            // Who has nothing to say may leave the properties out.
            let [without, with] = messages;
            let needed = own.check("{}", CHECK_DEPTH_MAX).is_err();
            let program = if needed { with } else { without };
            let shape = sdk::track_shape(message, shape);
            (schema::Role::Track, program.as_ref(), shape)
        }
    };
    let program = program.map_err(|refused| told(refused))?.clone();
    let (name, version) = (source.name, source.version);
    let table = table(&name, version, role, document).unwrap_or_else(|reason| {
        problems.push(("/x-table".to_owned(), reason));
        String::new()
    });
    let redshift = Redshift::of(document).unwrap_or_else(|wrong| {
        problems.extend(wrong.into_iter().map(|w| (w.pointer, w.reason)));
        None
    });
    if role != schema::Role::Track {
        let reserved = privacy.iter().flat_map(|plan| reserved(&name, plan));
        problems.extend(reserved.map(|member| {
            let reason = "x-pii would promise too much here: the envelope has this value too";
            (format!("/properties/{member}"), reason.to_owned())
        }));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let dataschema = format!("{name}/{version}");
    let mut parts = vec![dataschema.clone(), expanded.to_string()];
    if let Described::Call { extra, .. } | Described::Track { extra, .. } = described {
        // Nothing is added where nothing is said: the fingerprints of such sets stay.
        parts.extend(extra.as_ref().map(|plan| format!("{:?}", plan.places())));
    }
    let fingerprint = fingerprint(parts);
    Ok(Schema {
        name,
        version,
        dataschema,
        table,
        redshift,
        document: document.clone(),
        expanded,
        shape,
        privacy,
        program,
        role,
        fingerprint,
    })
}

fn table(
    name: &str,
    version: Version,
    role: schema::Role,
    document: &Value,
) -> Result<String, String> {
    match document.get("x-table") {
        // What analysts know from the warehouses of Segment and RudderStack.
        None if role == schema::Role::Track && version.major == 1 => Ok(names::snake_case(name)),
        None => Ok(format!("{}_{}", names::snake_case(name), version.major)),
        Some(Value::String(table)) if names::table_name(table) => Ok(table.clone()),
        Some(other) => Err(format!("x-table is {other}; {}", names::TABLE_NAME_ALLOWED)),
    }
}
