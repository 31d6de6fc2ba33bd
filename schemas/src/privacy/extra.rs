//! The file of a set that annotates built-in schemas: for each of them, places of its data and what becomes of what is
//! there.
//!
//! ```json
//! { "calls": { "/context/ip": "drop" }, "identify": { "/traits/email": "hash" } }
//! ```

use std::collections::BTreeMap;

use serde_json::Value;

use super::plan::{Node, Plan};
use super::{ALLOWED, Action, step};
use crate::program::unescape;
use crate::sdk::{CALLS, SNOWPLOW_EVENT, WEBHOOK};
use crate::shape::{Shape, ShapeKind};

type Problem = (String, String);

/// What stands for all calls of SDKs.
const ALL_CALLS: &str = "calls";

/// Members of SDKs' messages that the envelope has too, or that say what the event is.
const OF_CALLS: [&str; 8] = [
    "anonymousId",
    "event",
    "messageId",
    "originalTimestamp",
    "sentAt",
    "timestamp",
    "type",
    "userId",
];

/// The same of Snowplow's events.
const OF_SNOWPLOW: [&str; 4] = ["domain_userid", "event", "event_id", "user_id"];

/// The members of Snowplow's events that are self-describing JSON.
const DESCRIBED: [&str; 2] = ["contexts", "unstruct_event"];

/// What a set says of the built-in schemas.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    nodes: BTreeMap<String, Node>,
}

impl Extra {
    /// Reads the file's document.
    ///
    /// # Errors
    /// Everything that is wrong with it: pointer and reason.
    pub(crate) fn of(document: &Value) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut extra = Self::default();
        let Some(schemas) = document.as_object() else {
            let reason =
                format!("must be an object: {{\"{ALL_CALLS}\": {{\"/context/ip\": \"drop\"}}}}");
            return Err(vec![(String::new(), reason)]);
        };
        for (name, places) in schemas {
            let at = format!("/{}", crate::program::escape(name));
            let names: &[&str] = match name.as_str() {
                ALL_CALLS => &CALLS,
                name if CALLS.contains(&name) || [WEBHOOK, SNOWPLOW_EVENT].contains(&name) => {
                    &[name]
                }
                _ => {
                    let reason = format!(
                        "names no built-in schema; allowed are {ALL_CALLS} (all of {}), each of these, {WEBHOOK} and \
                         {SNOWPLOW_EVENT}; other schemas have the annotation in their own files",
                        CALLS.join(", ")
                    );
                    problems.push((at, reason));
                    continue;
                }
            };
            let Some(places) = places.as_object() else {
                problems.push((at, "must be an object of places".to_owned()));
                continue;
            };
            for (path, said) in places {
                let at = format!("{at}/{}", crate::program::escape(path));
                match (path.strip_prefix('/'), Action::of(said)) {
                    (_, None) => problems.push((at, format!("{said} is not allowed; {ALLOWED}"))),
                    (None | Some(""), _) => {
                        let reason = "a place begins with /, as in /context/ip";
                        problems.push((at, reason.to_owned()));
                    }
                    (Some(path), Some(Action::Drop)) if path.ends_with('*') => {
                        let reason = "an array's elements cannot be dropped: drop the array";
                        problems.push((at, reason.to_owned()));
                    }
                    (Some(path), _) if *names == [SNOWPLOW_EVENT] && is_described(path) => {
                        let reason = "what is in it has schemas of its own: annotate those under _iglu, or the whole of it";
                        problems.push((at, reason.to_owned()));
                    }
                    (Some(path), Some(action)) => {
                        for name in names {
                            let node = extra.nodes.entry((*name).to_owned()).or_default();
                            add(node, path, action);
                        }
                    }
                }
            }
        }
        match problems.is_empty() {
            true => Ok(extra),
            false => Err(problems),
        }
    }

    /// What is said of a built-in schema.
    pub(crate) fn plan(&self, name: &str) -> Option<Plan> {
        Plan::new(self.nodes.get(name)?.clone())
    }

    /// What is said of a track call that a schema describes: of its message, without the properties.
    pub(crate) fn track_message(&self) -> Option<Plan> {
        let mut node = self.nodes.get(CALLS[0])?.clone();
        node.members.remove("properties");
        Plan::new(node)
    }

    /// The schemas that something is said of.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }
}

/// Whether a place is within self-describing JSON of Snowplow's.
fn is_described(path: &str) -> bool {
    DESCRIBED.iter().any(|name| {
        path.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('/'))
    })
}

fn add(node: &mut Node, path: &str, action: Action) {
    let (name, rest) = match path.split_once('/') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let below = |node: &mut Node| match rest {
        Some(rest) => add(node, rest, action),
        None => node.action = node.action.max(Some(action)),
    };
    match name {
        // Nobody says which of the two is there.
        "*" => {
            below(node.items.get_or_insert_default());
            below(node.others.get_or_insert_default());
        }
        name => {
            let name = unescape(name).replace("~2", "*");
            below(node.members.entry(name).or_default());
        }
    }
}

/// Places where the annotation would promise too much: what is there is in the envelope too.
pub(crate) fn reserved(name: &str, plan: &Plan) -> Vec<String> {
    let names: &[&str] = match name {
        name if CALLS.contains(&name) => &OF_CALLS,
        SNOWPLOW_EVENT => &OF_SNOWPLOW,
        _ => &[],
    };
    let annotated = names.iter().filter(|name| plan.concerns(name));
    annotated.map(|name| (*name).to_owned()).collect()
}

/// Places of a built-in schema whose columns are not of text, and cannot become so: the tables may be there already.
pub(crate) fn not_text(plan: &Plan, shape: &Shape) -> Vec<String> {
    let places = plan.places().iter();
    let wrong = places.filter(|place| {
        place.action != Action::Drop
            && declared(shape, &place.path)
                .into_iter()
                .any(|shape| !is_text(shape))
    });
    wrong.map(|place| place.path.clone()).collect()
}

fn declared<'s>(shape: &'s Shape, path: &str) -> Vec<&'s Shape> {
    let mut shapes = vec![shape];
    for name in path.split('/').skip(1) {
        let below = |shape: &'s Shape| match &shape.kind {
            ShapeKind::Object { properties, .. } => &properties[..],
            _ => &[],
        };
        let properties = shapes.into_iter().flat_map(below);
        let named = properties.filter(|known| name == "*" || step(&known.name) == name);
        shapes = named.map(|known| &known.shape).collect();
    }
    shapes
}

fn is_text(shape: &Shape) -> bool {
    match &shape.kind {
        ShapeKind::String { format } => !matches!(format.as_deref(), Some("date" | "date-time")),
        ShapeKind::Any => true,
        _ => false,
    }
}
