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

use super::{Registry, Versions};
use crate::evolve;
use crate::expand::Index;
use crate::iglu::{self, Iglu, IgluSchema};
use crate::landing;
use crate::privacy::Plan;
use crate::program::{self, Document, Program, Refused};
use crate::schema::{Schema, Version};
use crate::sdk;
use crate::shape::Shape;

mod built_in;
mod document;
mod embedded;
mod files;
mod private;

use document::{Described, Problem, Source, finish, told};
use files::{Found, Role};

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
    let extra = private::take(&mut found, &mut errors);
    let own = found.len();
    built_in::add(&mut found, &mut errors);
    let (sources, mut documents): (Vec<_>, Vec<_>) = found
        .into_iter()
        .map(|found| ((found.file, found.role), found.document))
        .unzip();
    let tracks: Vec<usize> = (0..own)
        .filter(|at| {
            matches!(sources[*at].1, Role::Event { .. }) && landing::is_track(&documents[*at].value)
        })
        .collect();
    let message = documents.len();
    documents.push(sdk::any_message());
    for at in &tracks {
        let messages = sdk::track_messages(*at, &documents[*at].uri);
        documents.extend(messages);
    }
    let index = Index::new(&documents);
    let programs = program::compile_all(&documents);
    let track_message = track_message(&sources, &documents, &index);
    let mut loaded = Vec::new();
    let mut iglu = Iglu::default();
    let mut entities = Vec::new();
    for (at, (file, role)) in sources.into_iter().enumerate() {
        let (name, version) = match role {
            Role::Event { name, version } => (name, version),
            Role::Shared => {
                errors.extend(refused(&file, &programs[at]));
                continue;
            }
            Role::Iglu { name } => {
                errors.extend(refused(&file, &programs[at]));
                match iglu_schema(&name, &documents[at], &programs[at], &index) {
                    Ok(Some((schema, entity))) => {
                        iglu.add(name, schema);
                        entities.extend(entity.map(|entity| (file, entity)));
                    }
                    Ok(None) => {}
                    Err(problems) => errors.extend(placed(&file, problems)),
                }
                continue;
            }
            Role::Privacy => continue,
        };
        let role = match tracks.binary_search(&at) {
            Ok(place) => Described::Track {
                // Behind the one for any message there are two for each.
                messages: [1, 2].map(|n| &programs[message + 2 * place + n]),
                shape: &track_message,
                extra: extra.track_message(),
            },
            Err(_) if at >= own && sdk::takes_any(&name) => Described::Call {
                program: &programs[message],
                extra: extra.plan(&name),
            },
            Err(_) => Described::Data {
                built_in: at >= own,
            },
        };
        let source = Source {
            name,
            version,
            document: &documents[at],
            program: &programs[at],
        };
        match finish(source, &role, &index) {
            Ok(schema) => loaded.push((file, Arc::new(schema))),
            Err(problems) => errors.extend(placed(&file, problems)),
        }
    }
    let mut registry = assemble(&loaded, iglu, &mut errors);
    iglu::add_families(&mut registry.families, entities, &mut errors);
    if errors.is_empty() {
        return Ok(registry);
    }
    errors.sort_by(|a, b| (&a.file, &a.pointer).cmp(&(&b.file, &b.pointer)));
    errors.dedup();
    Err(LoadErrors { errors })
}

/// The shape of a track call's message, whatever its event.
fn track_message(sources: &[(PathBuf, Role)], documents: &[Document], index: &Index<'_>) -> Shape {
    let file = built_in::file_of(sdk::TRACK);
    let at = sources
        .iter()
        .position(|(known, _)| *known == Path::new(&file));
    let document = at.and_then(|at| documents.get(at));
    let expanded = document.and_then(|document| index.expand(document).ok());
    expanded.map_or_else(Shape::any, |expanded| Shape::of(&expanded))
}

/// A schema of Iglu, if it compiles, and as what its table is made of, if it has one.
fn iglu_schema(
    name: &str,
    document: &Document,
    program: &Result<Program, Vec<Refused>>,
    index: &Index<'_>,
) -> Result<Option<(IgluSchema, Option<Schema>)>, Vec<Problem>> {
    let Ok(program) = program.as_ref() else {
        return Ok(None);
    };
    let expanded = index.expand(document);
    let expanded = expanded.map_err(|error| vec![(String::new(), error.to_string())])?;
    let schema = IgluSchema {
        program: program.clone(),
        privacy: Plan::of(&expanded)?,
        fingerprint: fingerprint([name.as_bytes(), document.value.to_string().as_bytes()]),
    };
    let entity = iglu::schema(name, &document.value, expanded, &schema)?;
    Ok(Some((schema, entity)))
}

/// Why a document that is no event is refused.
fn refused(file: &Path, program: &Result<Program, Vec<Refused>>) -> Vec<LoadError> {
    let problems = program.as_ref().err().map(|refused| told(refused));
    placed(file, problems.unwrap_or_default())
}

/// The problems of a file.
fn placed(file: &Path, problems: Vec<Problem>) -> Vec<LoadError> {
    let problem = |(pointer, reason)| LoadError {
        file: file.to_owned(),
        pointer,
        reason,
    };
    problems.into_iter().map(problem).collect()
}

/// Puts the schemas together and checks what holds between them.
fn assemble(
    loaded: &[(PathBuf, Arc<Schema>)],
    iglu: Iglu,
    errors: &mut Vec<LoadError>,
) -> Registry {
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
            // What is built in was there before.
            let (holder, file) = match schema.sdk_call() {
                true => (schema, files.get(&(first.name(), first.version()))),
                false => (first, Some(&file)),
            };
            let reason = format!(
                "table `{}` is already that of {}",
                schema.table(),
                holder.dataschema()
            );
            errors.push(LoadError {
                file: file.copied().unwrap_or(Path::new("")).to_owned(),
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
    let mut others: Vec<u64> = iglu.fingerprints().into_values().collect();
    others.sort_unstable();
    let parts = schemas.iter().map(|schema| schema.fingerprint);
    let fingerprint = fingerprint(parts.chain(others).map(u64::to_le_bytes));
    let events = events.into_iter().filter_map(|(event, versions)| {
        let all: Vec<_> = versions.into_iter().collect();
        let newest = Arc::clone(&all.last()?.1);
        let privacy = all.iter().fold(None, |plan: Option<Plan>, (_, schema)| {
            Plan::both(plan.as_ref(), schema.privacy())
        });
        let versions = Versions {
            newest,
            all,
            privacy,
        };
        Some((event, versions))
    });
    let private = iglu.private() || schemas.iter().any(|schema| schema.privacy().is_some());
    Registry {
        events: events.collect(),
        private,
        schemas,
        families,
        iglu,
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
