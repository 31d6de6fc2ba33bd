//! Loading a set of schemas from a directory. All problems are collected, so that one look tells what to repair.
//!
//! The directory holds `<event>/<version>.json`: the event's name as [`crate::names::event_name`] allows, the version
//! `1` or `1.2`. Folders that start with `_` hold documents that schemas may refer to (`_shared/money.json`) and that
//! are no events. Hidden files and Markdown are passed over; anything else is an error, since a schema that is
//! silently not loaded is worse. Further rules: the data is an object; minors start at 0 without gaps, each compatible
//! with the one before ([`crate::evolve`]); all minors of a major share a table, and no two majors do.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::{Registry, Versions};
use crate::event::{BAD_EVENTS, REPLAYED_EVENTS};
use crate::evolve;
use crate::expand::Index;
use crate::names;
use crate::program::{self, Document, Program, Refused};
use crate::redshift::Redshift;
use crate::schema::{Schema, Version};
use crate::shape::{Shape, ShapeKind};

mod embedded;
mod files;

use files::{Found, Role};

/// The schemas that are always there: name and text.
const BUILTIN: [(&str, &str); 2] = [
    (BAD_EVENTS, include_str!("../../builtin/bad_events/1.json")),
    (
        REPLAYED_EVENTS,
        include_str!("../../builtin/replayed_events/1.json"),
    ),
];

/// One reason why a set of schemas is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file or directory at fault, below the directory that was loaded where it is within.
    pub file: PathBuf,
    /// JSON pointer into the file; empty for the whole.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if !self.pointer.is_empty() {
            write!(f, "#{}", self.pointer)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Every reason why a set of schemas is refused; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadErrors {
    /// The reasons, by file.
    pub errors: Vec<LoadError>,
}

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}

pub(super) fn load(events_dir: &Path) -> Result<Registry, LoadErrors> {
    let mut errors = Vec::new();
    let found = files::find(events_dir, &mut errors);
    build(found, errors)
}

pub(super) fn from_files<'a>(
    files: impl Iterator<Item = (&'a Path, &'a [u8])>,
) -> Result<Registry, LoadErrors> {
    let mut errors = Vec::new();
    let found = embedded::parse(files, &mut errors);
    build(found, errors)
}

pub(super) fn empty() -> Result<Registry, LoadErrors> {
    build(Vec::new(), Vec::new())
}

/// Compiles what was found, together with the built-in schemas.
fn build(mut found: Vec<Found>, mut errors: Vec<LoadError>) -> Result<Registry, LoadErrors> {
    let version = Version { major: 1, minor: 0 };
    for (name, text) in BUILTIN {
        let role = Role::Event {
            name: Arc::from(name),
            version,
        };
        let file = PathBuf::from(format!("builtin/{name}/1.json"));
        found.extend(files::parse(file, role, text.as_bytes(), &mut errors));
    }

    let (sources, documents): (Vec<_>, Vec<_>) = found
        .into_iter()
        .map(|found| ((found.file, found.role), found.document))
        .unzip();
    let index = Index::new(&documents);
    let programs = program::compile_all(&documents);
    let mut loaded = Vec::new();
    for (((file, role), document), program) in sources.into_iter().zip(&documents).zip(programs) {
        let schema = finish(&file, role, document, program, &index, &mut errors);
        loaded.extend(schema.map(|schema| (file, Arc::new(schema))));
    }
    let registry = assemble(&loaded, &mut errors);
    if errors.is_empty() {
        return Ok(registry);
    }
    errors.sort_by(|a, b| (&a.file, &a.pointer).cmp(&(&b.file, &b.pointer)));
    errors.dedup();
    Err(LoadErrors { errors })
}

/// The schema of one compiled document; documents that are no events have only been checked.
fn finish(
    file: &Path,
    role: Role,
    document: &Document,
    program: Result<Program, Vec<Refused>>,
    index: &Index<'_>,
    errors: &mut Vec<LoadError>,
) -> Option<Schema> {
    let mut problem = |pointer: &str, reason: String| {
        errors.push(LoadError {
            file: file.to_owned(),
            pointer: pointer.to_owned(),
            reason,
        });
    };
    let program = match program {
        Ok(program) => program,
        Err(refused) => {
            for refused in refused {
                problem(
                    &refused.pointer,
                    format!("{}: {}", refused.keyword, refused.reason),
                );
            }
            return None;
        }
    };
    let Role::Event { name, version } = role else {
        return None;
    };
    let expanded = match index.expand(document) {
        Ok(expanded) => expanded,
        Err(error) => {
            problem("", error.to_string());
            return None;
        }
    };
    let shape = Shape::of(&expanded);
    if !matches!(shape.kind, ShapeKind::Object { .. }) || shape.nullable {
        problem(
            "/type",
            "an event's data must be of \"type\": \"object\"".to_owned(),
        );
        return None;
    }
    let table = table(&name, version, &document.value)
        .map_err(|reason| problem("/x-table", reason))
        .ok();
    let redshift = Redshift::of(&document.value)
        .map_err(|wrong| {
            wrong
                .into_iter()
                .for_each(|w| problem(&w.pointer, w.reason))
        })
        .ok();
    let (Some(table), Some(redshift)) = (table, redshift) else {
        return None;
    };
    let dataschema = format!("{name}/{version}");
    let fingerprint = fingerprint([dataschema.as_bytes(), expanded.to_string().as_bytes()]);
    let document = document.value.clone();
    Some(Schema {
        name,
        version,
        dataschema,
        table,
        redshift,
        document,
        expanded,
        shape,
        program,
        fingerprint,
    })
}

fn table(name: &str, version: Version, document: &Value) -> Result<String, String> {
    match document.get("x-table") {
        None => Ok(format!("{}_{}", names::snake_case(name), version.major)),
        Some(Value::String(table)) if names::table_name(table) => Ok(table.clone()),
        Some(other) => Err(format!("x-table is {other}; {}", names::TABLE_NAME_ALLOWED)),
    }
}

/// Puts the schemas together and checks what holds between them.
fn assemble(loaded: &[(PathBuf, Arc<Schema>)], errors: &mut Vec<LoadError>) -> Registry {
    let mut events: BTreeMap<Arc<str>, BTreeMap<Version, Arc<Schema>>> = BTreeMap::new();
    let mut files: BTreeMap<(&str, Version), &Path> = BTreeMap::new();
    for (file, schema) in loaded {
        let key = (schema.name(), schema.version());
        if let Some(other) = files.insert(key, file) {
            let reason = format!(
                "the schema {} is also in {}",
                schema.dataschema(),
                other.display()
            );
            errors.push(LoadError {
                file: file.clone(),
                pointer: String::new(),
                reason,
            });
        }
        let versions = events.entry(Arc::clone(&schema.name)).or_default();
        versions.insert(schema.version(), Arc::clone(schema));
    }
    let mut families: BTreeMap<String, Vec<Arc<Schema>>> = BTreeMap::new();
    for schema in events.values().flat_map(BTreeMap::values) {
        let file = files
            .get(&(schema.name(), schema.version()))
            .copied()
            .unwrap_or(Path::new(""));
        let version = schema.version();
        let before = version
            .minor
            .checked_sub(1)
            .map(|minor| Version { minor, ..version });
        let before = before.map(|before| (before, events[schema.name()].get(&before)));
        errors.extend(succession(file, schema, before));
        let family = families.entry(schema.table().to_owned()).or_default();
        if let Some(first) = family.first()
            && (first.name(), first.version().major) != (schema.name(), version.major)
        {
            let reason = format!(
                "table `{}` is already that of {}",
                schema.table(),
                first.dataschema()
            );
            errors.push(LoadError {
                file: file.to_owned(),
                pointer: String::new(),
                reason,
            });
        }
        family.push(Arc::clone(schema));
    }
    let schemas: Vec<Arc<Schema>> = events
        .values()
        .flat_map(BTreeMap::values)
        .cloned()
        .collect();
    let parts = schemas.iter();
    let fingerprint = fingerprint(parts.map(|schema| schema.fingerprint.to_le_bytes()));
    let events = events.into_iter().filter_map(|(event, versions)| {
        let all: Vec<_> = versions.into_iter().collect();
        let newest = Arc::clone(&all.last()?.1);
        Some((event, Versions { newest, all }))
    });
    Registry {
        events: events.collect(),
        schemas,
        families,
        fingerprint,
    }
}

/// What is wrong with a minor as the successor of the one before.
fn succession(
    file: &Path,
    schema: &Schema,
    before: Option<(Version, Option<&Arc<Schema>>)>,
) -> Vec<LoadError> {
    let error = |pointer: String, reason: String| LoadError {
        file: file.to_owned(),
        pointer,
        reason,
    };
    match before {
        None => Vec::new(),
        Some((missing, None)) => {
            let reason = format!(
                "minor versions have no gaps: {}/{missing} is missing or itself refused",
                schema.name()
            );
            vec![error(String::new(), reason)]
        }
        Some((_, Some(before))) => evolve::compare(before, schema)
            .into_iter()
            .filter(|change| change.breaking)
            .map(|change| {
                let reason = format!(
                    "not compatible with {}: {} (a new major is needed)",
                    before.dataschema(),
                    change.reason
                );
                error(change.pointer, reason)
            })
            .collect(),
    }
}

/// FNV-1a over the parts, each with its length: stable across machines and releases.
fn fingerprint<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        let part = part.as_ref();
        let length = (part.len() as u64).to_le_bytes();
        for byte in length.iter().chain(part) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}
