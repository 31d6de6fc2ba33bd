//! Compatibility: what changed between two versions of a schema, and whether a minor version may do that.

//!
//! The rule: within a major, data that was valid stays valid, and a column keeps its name and type. So a minor may add
//! optional properties, enum values and room (longer strings, wider bounds), let `null` in, and drop `required`. All
//! else needs a new major, also where it would widen what is valid: `integer` to `number` changes the column.
//!
//! One exception from "stays valid" is deliberate. An object that is open admits any value under a name that is not
//! declared; declaring that name later is still an addition. Without it no schema could ever grow.
//!
//! Conditions (`anyOf`, `oneOf`, `not`, `if`, ...) are compared for equality only: any difference is breaking.

use std::collections::BTreeMap;

use crate::landing;
use crate::registry::Registry;
use crate::schema::{Schema, Version};

mod compare;
mod flat;

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something is there that was not: a property, a keyword.
    Added,
    /// Something is gone.
    Removed,
    /// Less is allowed than before.
    Narrowed,
    /// More is allowed than before.
    Widened,
    /// Something is different, neither narrower nor wider for certain.
    Changed,
}

/// One change between two schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where: JSON pointer into the new schema, or into the old one for what was removed. A reference that was
    /// followed stands in it as `$ref`.
    pub pointer: String,
    /// The keyword whose value changed.
    pub keyword: String,
    /// What happened to it.
    pub kind: Kind,
    /// It may not happen within a major.
    pub breaking: bool,
    /// What changed and why that is or is not allowed, for a person.
    pub reason: String,
}

/// What happened to one schema between two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The event had no schema before.
    NewEvent,
    /// A new major of a known event.
    NewMajor,
    /// A new minor of a known major.
    NewMinor,
    /// The schema is gone.
    Removed,
    /// The same version says something else now.
    Edited,
}

/// One schema that differs between two sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    /// The event's name.
    pub event: String,
    /// The schema's version.
    pub version: Version,
    /// What happened.
    pub kind: Event,
    /// The differences in detail: against the minor before for a new minor, against the old text for an edit.
    pub changes: Vec<Change>,
    /// It must not be deployed.
    pub breaking: bool,
}

/// The differences between two versions of a schema. Differences in documentation only (`title`, `description`,
/// `examples`, ...) are none.
pub fn compare(old: &Schema, new: &Schema) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.table() != new.table() {
        changes.push(Change {
            pointer: "/x-table".to_owned(),
            keyword: "x-table".to_owned(),
            kind: Kind::Changed,
            breaking: true,
            reason: format!("the table `{}` is now `{}`", old.table(), new.table()),
        });
    }
    if old.track() != new.track() {
        changes.push(Change {
            pointer: format!("/{}", landing::TRACK),
            keyword: landing::TRACK.to_owned(),
            kind: Kind::Changed,
            breaking: true,
            reason: "what it describes, an event's data or the properties of a track call, stays within a major"
                .to_owned(),
        });
    }
    compare::schemas(&old.expanded, &new.expanded, &mut changes);
    changes
}

/// The differences between two sets of schemas, by event and version.
///
/// A new minor is compared with the newest minor before it, an edited schema with its old text. An edit that a minor
/// might have made is not breaking, though a new minor would tell readers of the data when it came.
pub fn compare_registries(old: &Registry, new: &Registry) -> Vec<SchemaChange> {
    let old: BTreeMap<_, _> = old
        .schemas()
        .map(|s| ((s.name(), s.version()), s.as_ref()))
        .collect();
    let new: BTreeMap<_, _> = new
        .schemas()
        .map(|s| ((s.name(), s.version()), s.as_ref()))
        .collect();
    let mut differences = Vec::new();
    for (key, schema) in &new {
        let (kind, changes) = match old.get(key) {
            Some(before) if before.fingerprint() == schema.fingerprint() => continue,
            Some(before) => (Event::Edited, compare(before, schema)),
            None => arrival(*key, schema, &old, &new),
        };
        differences.push(difference(*key, kind, changes));
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        differences.push(difference(*key, Event::Removed, Vec::new()));
    }
    differences.sort_by(|a, b| (&a.event, a.version).cmp(&(&b.event, b.version)));
    differences
}

type Set<'a> = BTreeMap<(&'a str, Version), &'a Schema>;

/// What kind of news a schema is that was not there before.
fn arrival(
    (name, version): (&str, Version),
    schema: &Schema,
    old: &Set<'_>,
    new: &Set<'_>,
) -> (Event, Vec<Change>) {
    let known = |set: &Set<'_>, major: Option<u32>| {
        set.keys()
            .any(|(n, v)| *n == name && major.is_none_or(|major| v.major == major))
    };
    if !known(old, None) {
        return (Event::NewEvent, Vec::new());
    }
    if !known(old, Some(version.major)) {
        return (Event::NewMajor, Vec::new());
    }
    let first = Version {
        minor: 0,
        ..version
    };
    let before = new.range((name, first)..(name, version)).next_back();
    (
        Event::NewMinor,
        before
            .map(|(_, before)| compare(before, schema))
            .unwrap_or_default(),
    )
}

fn difference((name, version): (&str, Version), kind: Event, changes: Vec<Change>) -> SchemaChange {
    SchemaChange {
        event: name.to_owned(),
        version,
        kind,
        // Data that was recorded, is in flight or waits to be replayed names its schema.
        breaking: kind == Event::Removed || changes.iter().any(|change| change.breaking),
        changes,
    }
}

#[cfg(test)]
mod tests;
