//! The schemas that are always there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::LoadError;
use super::files::{self, Found, Role};
use crate::event::{BAD_EVENTS, REPLAYED_EVENTS};
use crate::schema::Version;
use crate::sdk;

/// Of what Headgate itself writes: name and text.
const BUILTIN: [(&str, &str); 2] = [
    (
        BAD_EVENTS,
        include_str!("../../../builtin/bad_events/1.json"),
    ),
    (
        REPLAYED_EVENTS,
        include_str!("../../../builtin/replayed_events/1.json"),
    ),
];

/// Adds the schemas that are built in. Those of SDKs' calls give way to a schema of that name that is there.
pub(super) fn add(found: &mut Vec<Found>, errors: &mut Vec<LoadError>) {
    let theirs: BTreeSet<Arc<str>> = found
        .iter()
        .filter_map(|found| match &found.role {
            Role::Event { name, .. } => Some(Arc::clone(name)),
            Role::Shared | Role::Iglu { .. } | Role::Privacy => None,
        })
        .collect();
    let event = |name: &str| Role::Event {
        name: Arc::from(name),
        version: Version { major: 1, minor: 0 },
    };
    let own = BUILTIN.map(|(name, text)| (file_of(name), event(name), text));
    let calls = sdk::SCHEMAS.map(|(name, text)| {
        let role = match theirs.contains(name) {
            true => Role::Shared,
            false => event(name),
        };
        (file_of(name), role, text)
    });
    let shared = sdk::SHARED.map(|(file, text)| (file.to_owned(), Role::Shared, text));
    for (file, role, text) in own.into_iter().chain(calls).chain(shared) {
        found.extend(files::parse(file.into(), role, text.as_bytes(), errors));
    }
}

/// The file of a built-in schema.
pub(super) fn file_of(name: &str) -> String {
    format!("builtin/{name}/1.json")
}
