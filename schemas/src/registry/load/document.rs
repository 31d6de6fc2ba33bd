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
    let shape = Shape::of(&expanded);
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
    let described = describe(own, described, (&expanded, shape), &mut problems);
    let (role, program) = (described.role, described.program);
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
    problems.extend(promised(&name, &described));
    if !problems.is_empty() {
        return Err(problems);
    }
    let dataschema = format!("{name}/{version}");
    let mut parts = vec![dataschema.clone(), expanded.to_string()];
    // Nothing is added where nothing is said: the fingerprints of such sets stay.
    let extra = described.extra.map(|plan| format!("{:?}", plan.places()));
    parts.extend(extra);
    let fingerprint = fingerprint(parts);
    Ok(Schema {
        name,
        version,
        dataschema,
        table,
        redshift,
        document: document.clone(),
        expanded,
        shape: described.shape,
        privacy: described.privacy,
        program,
        role,
        fingerprint,
    })
}

/// What a schema comes to.
struct Meant<'a> {
    role: schema::Role,
    program: Result<&'a Program, &'a Vec<Refused>>,
    shape: Shape,
    privacy: Option<Plan>,
    /// What the set says of it elsewhere.
    extra: Option<&'a Plan>,
}

/// What is checked, which columns there are, and what is hidden.
fn describe<'a>(
    own: &'a Program,
    described: &'a Described<'a>,
    (expanded, mut shape): (&Value, Shape),
    problems: &mut Vec<Problem>,
) -> Meant<'a> {
    let plan = Plan::of(expanded).unwrap_or_else(|wrong| {
        problems.extend(wrong);
        None
    });
    if let Some(plan) = &plan {
        plan.mark(&mut shape);
    }
    match described {
        Described::Data { .. } => Meant {
            role: schema::Role::Data,
            program: Ok(own),
            shape,
            privacy: plan,
            extra: None,
        },
        Described::Call { program, extra } => {
            let not_text = extra.iter().flat_map(|plan| not_text(plan, &shape));
            problems.extend(not_text.map(|path| {
                let reason = "the built-in table's column is not of text: it can be dropped only";
                (path, reason.to_owned())
            }));
            Meant {
                role: schema::Role::Call,
                program: program.as_ref(),
                shape,
                privacy: extra.clone(),
                extra: extra.as_ref(),
            }
        }
        Described::Track {
            messages,
            shape: message,
            extra,
        } => {
            // Who has nothing to say may leave the properties out.
            let [without, with] = messages;
            let needed = own.check("{}", CHECK_DEPTH_MAX).is_err();
            let of_properties = plan.map(|plan| plan.under(sdk::PROPERTIES));
            Meant {
                role: schema::Role::Track,
                program: if needed { with } else { without }.as_ref(),
                shape: sdk::track_shape(message, shape),
                privacy: Plan::both(extra.as_ref(), of_properties.as_ref()),
                extra: extra.as_ref(),
            }
        }
    }
}

/// Annotations of values that the envelope has too.
fn promised(name: &str, meant: &Meant<'_>) -> Vec<Problem> {
    let plan = meant.privacy.as_ref();
    let plan = plan.filter(|_| meant.role != schema::Role::Track);
    let reserved = plan.into_iter().flat_map(|plan| reserved(name, plan));
    let told = |member: String| {
        let reason = "x-pii would promise too much here: the envelope has this value too";
        (format!("/properties/{member}"), reason.to_owned())
    };
    reserved.map(told).collect()
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
