//! Comparing two expanded schemas, place by place and keyword by keyword.

use serde_json::Value;

use super::flat::{At, Flat, pointer};
use super::{Change, Kind};
use crate::expand::meaning;
use crate::landing;
use crate::privacy::{self, Action};
use crate::shape::{self, NULL};

mod limits;

/// Adds the differences between two expanded schemas to `changes`.
pub(super) fn schemas(old: &Value, new: &Value, changes: &mut Vec<Change>) {
    Comparison { changes }.schema((String::new(), old), (String::new(), new));
}

struct Comparison<'c> {
    changes: &'c mut Vec<Change>,
}

/// What a change of the annotation `x-pii` means, and whether it needs a new major.
fn of_privacy(old: Option<Action>, new: Option<Action>) -> (bool, &'static str) {
    match (old, new) {
        (_, Some(Action::Hash)) => (
            true,
            "the column has hashes now: its values mean something else, and its type may change",
        ),
        (Some(Action::Hash), _) => (
            true,
            "the column had hashes: its values mean something else, and its type may change",
        ),
        (_, Some(Action::Mask)) | (Some(Action::Mask), _) => {
            (true, "masks are texts, whatever the column's type is else")
        }
        (_, Some(Action::Drop)) => (
            false,
            "the value is dropped from now on; what has landed keeps it",
        ),
        (_, None) => (
            false,
            "the value is no longer dropped: whoever reads the tables sees it",
        ),
    }
}

impl Comparison<'_> {
    fn report(&mut self, at: &str, keyword: &str, kind: Kind, breaking: bool, reason: String) {
        self.changes.push(Change {
            pointer: at.to_owned(),
            keyword: keyword.to_owned(),
            kind,
            breaking,
            reason,
        });
    }

    /// Compares two schemas for the same place. Every change is given once, at the place in the new schema.
    fn schema(&mut self, (old_at, old): At<'_>, (new_at, new): At<'_>) {
        if old == new {
            return;
        }
        let (old_flat, new_flat) = (Flat::of(old, &old_at), Flat::of(new, &new_at));
        self.annotations(&old_flat, &new_flat);
        if meaning(old) == meaning(new) {
            // A property deeper down may still have another annotation.
            self.properties(&old_flat, &new_flat);
            return;
        }
        self.types(old, new, &new_at, &old_flat, &new_flat);
        self.values(&old_flat, &new_flat);
        self.limits(&old_flat, &new_flat);
        self.required(&old_flat, &new_flat);
        self.properties(&old_flat, &new_flat);
        self.additional(&old_flat, &new_flat);
        self.texts(&old_flat, &new_flat);
        self.elements(&old_flat, &new_flat);
        self.conditions(&old_flat, &new_flat);
        self.apart(&old_flat, &new_flat, &new_at);
    }

    fn annotations(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        let names = old.annotations.keys().chain(new.annotations.keys());
        // What the schema as a whole is about is compared as such.
        let whole = |name: &str| name == "x-table" || name == landing::TRACK;
        let mut names: Vec<&str> = names.copied().filter(|name| !whole(name)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let (kind, at) = match (old.annotations.get(name), new.annotations.get(name)) {
                (Some((_, old)), Some((_, new))) if old == new => continue,
                (_, Some((at, _))) if !old.annotations.contains_key(name) => (Kind::Added, at),
                (_, Some((at, _))) => (Kind::Changed, at),
                (Some((at, _)), None) => (Kind::Removed, at),
                (None, None) => continue,
            };
            let said = |flat: &Flat<'_>| {
                flat.annotations
                    .get(name)
                    .and_then(|(_, said)| Action::of(said))
            };
            let (breaking, reason) = match name {
                landing::INLINE => (true, "the names of the members' columns change"),
                privacy::ANNOTATION => of_privacy(said(old), said(new)),
                _ => (false, "an annotation: what is valid stays the same"),
            };
            self.report(at, name, kind, breaking, reason.to_owned());
        }
    }

    fn types(
        &mut self,
        old: &Value,
        new: &Value,
        at: &str,
        old_flat: &Flat<'_>,
        new_flat: &Flat<'_>,
    ) {
        let (old, new) = (shape::types(old), shape::types(new));
        let at = new_flat.keywords.get("type").map_or(at, |(at, _)| at);
        let names = || {
            format!(
                "{} is now {}",
                shape::type_names(old),
                shape::type_names(new)
            )
        };
        if old & !NULL != new & !NULL {
            let kind = match old & new {
                both if both == old => Kind::Widened,
                both if both == new => Kind::Narrowed,
                _ => Kind::Changed,
            };
            self.report(
                at,
                "type",
                kind,
                true,
                format!("{}: the column's type changes", names()),
            );
        } else if old & !new != 0 {
            let reason = format!("{}: data with null is no longer valid", names());
            self.report(at, "type", Kind::Narrowed, true, reason);
        } else if new & !old != 0 {
            self.report(
                at,
                "type",
                Kind::Widened,
                false,
                format!("{}: null is allowed now", names()),
            );
        } else if !old_flat.properties.is_empty() || !new_flat.properties.is_empty() {
            self.flattening(at, old_flat, new_flat);
        }
    }

    /// An object without declared properties is one column of JSON; with them, it is a column for each.
    fn flattening(&mut self, at: &str, old: &Flat<'_>, new: &Flat<'_>) {
        let was_json = old.properties.is_empty() && old.apart.is_empty();
        if was_json && !new.properties.is_empty() {
            let reason = "an object without declared properties gets some: its column splits into one for each";
            self.report(at, "properties", Kind::Changed, true, reason.to_owned());
        }
    }

    fn values(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        let (old_values, new_values) = (allowed(old), allowed(new));
        match (old_values, new_values) {
            (None, None) => {}
            (Some((at, _)), None) => {
                let reason = "any value of its type is allowed now".to_owned();
                self.report(&at, "enum", Kind::Removed, false, reason);
            }
            (None, Some((at, values))) => {
                let reason = format!("only these values are allowed now: {}", list(&values));
                self.report(&at, "enum", Kind::Added, true, reason);
            }
            (Some((_, old)), Some((at, new))) => {
                let gone: Vec<_> = old
                    .iter()
                    .filter(|value| !new.contains(value))
                    .copied()
                    .collect();
                let come: Vec<_> = new
                    .iter()
                    .filter(|value| !old.contains(value))
                    .copied()
                    .collect();
                if !gone.is_empty() {
                    let reason = format!("no longer allowed: {}", list(&gone));
                    self.report(&at, "enum", Kind::Narrowed, true, reason);
                }
                if !come.is_empty() {
                    let reason = format!("also allowed now: {}", list(&come));
                    self.report(&at, "enum", Kind::Widened, false, reason);
                }
            }
        }
    }

    fn required(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        for (name, at) in &new.required {
            if !old.required.contains_key(name) {
                let reason =
                    format!("`{name}` is required now: data without it is no longer valid");
                self.report(at, "required", Kind::Added, true, reason);
            }
        }
        for (name, at) in &old.required {
            if !new.required.contains_key(name) {
                let reason = format!("`{name}` may be absent now");
                self.report(at, "required", Kind::Removed, false, reason);
            }
        }
    }

    fn properties(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        for (name, (at, schema)) in &old.properties {
            match new.properties.get(name) {
                Some((new_at, new_schema)) => {
                    self.schema((at.clone(), schema), (new_at.clone(), new_schema));
                }
                None => {
                    let twin = new.properties.iter().find(|(other, (_, other_schema))| {
                        !old.properties.contains_key(*other)
                            && meaning(other_schema) == meaning(schema)
                    });
                    let renamed = twin.map(|(twin, _)| format!(" (renamed to `{twin}`?)"));
                    let reason = format!(
                        "property `{name}` is gone{}: its column would be",
                        renamed.unwrap_or_default()
                    );
                    self.report(at, "properties", Kind::Removed, true, reason);
                }
            }
        }
        for (name, (at, schema)) in &new.properties {
            if !old.properties.contains_key(name) {
                let (breaking, reason) = match constrained(old, name, schema) {
                    Some(keyword) => (
                        true,
                        format!("property `{name}` was allowed by `{keyword}` with another schema"),
                    ),
                    None => (false, format!("optional property `{name}`")),
                };
                self.report(at, "properties", Kind::Added, breaking, reason);
            }
        }
    }

    fn additional(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        for keyword in ["additionalProperties", "additionalItems"] {
            let always = Value::Bool(true);
            let open = || (String::new(), &always);
            let old_at = old.keywords.get(keyword).cloned().unwrap_or_else(open);
            let new_at = new.keywords.get(keyword).cloned().unwrap_or_else(open);
            let at = if new_at.0.is_empty() {
                old_at.0.clone()
            } else {
                new_at.0.clone()
            };
            match (is_open(old_at.1), is_open(new_at.1)) {
                _ if meaning(old_at.1) == meaning(new_at.1) => {}
                (true, true) => {}
                (_, true) => {
                    let reason = "what was not declared is allowed now".to_owned();
                    self.report(&at, keyword, Kind::Widened, false, reason);
                }
                _ if *old_at.1 == Value::Bool(false) => {
                    let reason = "what was not declared is allowed under conditions now".to_owned();
                    self.report(&at, keyword, Kind::Widened, false, reason);
                }
                (false, false) if *new_at.1 != Value::Bool(false) => self.schema(old_at, new_at),
                _ => {
                    let reason = "what is not declared was allowed before".to_owned();
                    self.report(&at, keyword, Kind::Narrowed, true, reason);
                }
            }
        }
    }

    /// `pattern` and `format`: two that differ cannot be told apart as narrower or wider.
    fn texts(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        for keyword in ["pattern", "format"] {
            let name = |at: &At<'_>| at.1.as_str().unwrap_or_default().to_owned();
            match (old.keywords.get(keyword), new.keywords.get(keyword)) {
                (Some(old), Some(new)) if old.1 != new.1 => {
                    let reason = format!("`{}` is now `{}`", name(old), name(new));
                    self.report(&new.0, keyword, Kind::Changed, true, reason);
                }
                (None, Some(new)) => {
                    let reason = format!("must match `{}` now", name(new));
                    self.report(&new.0, keyword, Kind::Added, true, reason);
                }
                (Some(old), None) => {
                    let column = keyword == "format" && has_own_column(&name(old));
                    let reason = if column {
                        format!("`{}` is dropped: the column's type changes", name(old))
                    } else {
                        format!("need not match `{}` any more", name(old))
                    };
                    self.report(&old.0, keyword, Kind::Removed, column, reason);
                }
                _ => {}
            }
        }
    }

    fn elements(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        for keyword in ["items", "prefixItems"] {
            match (old.keywords.get(keyword), new.keywords.get(keyword)) {
                (Some((_, Value::Array(old))), Some((at, Value::Array(new))))
                    if old.len() != new.len() =>
                {
                    let reason = format!("{} leading elements are now {}", old.len(), new.len());
                    self.report(at, keyword, Kind::Changed, true, reason);
                }
                (Some((old_at, Value::Array(old))), Some((new_at, Value::Array(new)))) => {
                    for (index, (old, new)) in old.iter().zip(new).enumerate() {
                        let index = index.to_string();
                        self.schema(
                            (pointer(old_at, &index), old),
                            (pointer(new_at, &index), new),
                        );
                    }
                }
                (Some(old), Some(new)) if old.1.is_array() != new.1.is_array() => {
                    let reason =
                        "a schema for all elements and a list of schemas are not comparable";
                    self.report(&new.0, keyword, Kind::Changed, true, reason.to_owned());
                }
                (Some(old), Some(new)) => self.schema(old.clone(), new.clone()),
                (None, Some((_, new))) if is_open(new) => {}
                (None, Some((at, _))) => {
                    let reason = "elements were not restricted before".to_owned();
                    self.report(at, keyword, Kind::Added, true, reason);
                }
                (Some((at, _)), None) => {
                    // Without `prefixItems`, `items` would look at the leading elements too.
                    let breaking =
                        keyword == "prefixItems" || old.keywords.contains_key("prefixItems");
                    let reason = "elements are not restricted any more".to_owned();
                    self.report(at, keyword, Kind::Removed, breaking, reason);
                }
                (None, None) => {}
            }
        }
    }

    /// Whatever has no rule of its own: equal, or breaking.
    fn conditions(&mut self, old: &Flat<'_>, new: &Flat<'_>) {
        for (keyword, (at, value)) in &new.keywords {
            if limits::has_rule(keyword) {
                continue;
            }
            match old.keywords.get(keyword) {
                Some((_, before)) if meaning(before) == meaning(value) => {}
                Some(_) => {
                    let reason = format!(
                        "`{keyword}` is different: whether all that was valid still is cannot be told"
                    );
                    self.report(at, keyword, Kind::Changed, true, reason);
                }
                None => {
                    let reason = format!("`{keyword}` is new: it may refuse what was valid");
                    self.report(at, keyword, Kind::Added, true, reason);
                }
            }
        }
        for (keyword, (at, _)) in &old.keywords {
            if !limits::has_rule(keyword) && !new.keywords.contains_key(keyword) {
                let reason = format!(
                    "`{keyword}` is gone: what it told readers of the data no longer holds"
                );
                self.report(at, keyword, Kind::Removed, true, reason);
            }
        }
    }

    fn apart(&mut self, old: &Flat<'_>, new: &Flat<'_>, at: &str) {
        if old.apart.len() != new.apart.len() {
            let at = new.apart.last().map_or(at, |(at, _)| at);
            let reason = "the schemas that must hold together are others, which cannot be compared"
                .to_owned();
            self.report(at, "allOf", Kind::Changed, true, reason);
            return;
        }
        for (old, new) in old.apart.iter().zip(&new.apart) {
            self.schema(old.clone(), new.clone());
        }
    }
}

/// The values that `enum` and `const` leave, and where.
fn allowed<'a>(flat: &Flat<'a>) -> Option<(String, Vec<&'a Value>)> {
    if let Some((at, value)) = flat.keywords.get("const") {
        return Some((at.clone(), vec![value]));
    }
    match flat.keywords.get("enum") {
        Some((at, Value::Array(values))) => Some((at.clone(), values.iter().collect())),
        _ => None,
    }
}

fn list(values: &[&Value]) -> String {
    values
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The keyword by which the old schema already said something else about a property that it did not declare.
fn constrained(old: &Flat<'_>, name: &str, schema: &Value) -> Option<&'static str> {
    let differs = |said: &Value| meaning(said) != meaning(schema);
    if let Some((_, Value::Object(patterns))) = old.keywords.get("patternProperties") {
        for (pattern, said) in patterns {
            // A pattern that this engine cannot read is taken to match.
            let matches = regex_automata::meta::Regex::new(pattern)
                .map_or(true, |regex| regex.is_match(name));
            if matches {
                return differs(said).then_some("patternProperties");
            }
        }
    }
    match old.keywords.get("additionalProperties") {
        Some((_, said @ Value::Object(_))) if !is_open(said) && differs(said) => {
            Some("additionalProperties")
        }
        _ => None,
    }
}

/// Whether a schema allows everything.
fn is_open(schema: &Value) -> bool {
    match meaning(schema) {
        Value::Object(keywords) => keywords.is_empty(),
        other => other == Value::Bool(true),
    }
}

/// Formats that have a column type of their own, or may get one.
fn has_own_column(format: &str) -> bool {
    matches!(format, "date-time" | "date" | "time" | "uuid")
}
