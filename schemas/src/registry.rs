//! The set of schemas that a process works with: loaded whole from a directory, looked up by event and version,
//! replaced whole.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::iglu::Iglu;
use crate::names;
use crate::privacy::Plan;
use crate::schema::{Schema, Version};

mod load;
mod shared;

pub use load::{LoadError, LoadErrors};
pub use shared::{SharedRegistry, Summary};

/// A set of schemas, immutable once loaded. The built-in schemas `bad_events/1` and
/// `replayed_events/1` are always in it.
#[derive(Debug)]
pub struct Registry {
    /// By event. Minors of a major have no gaps and start at 0: the loader saw to it.
    events: HashMap<Arc<str>, Versions>,
    /// By event's name, then version.
    schemas: Vec<Arc<Schema>>,
    /// Table, then the minors of the major that lands in it, ascending.
    families: BTreeMap<String, Vec<Arc<Schema>>>,
    iglu: Iglu,
    private: bool,
    fingerprint: u64,
}

/// The schemas of one event.
#[derive(Debug)]
struct Versions {
    /// The last of `all`, which most events ask for: it is found without another look at memory.
    newest: Arc<Schema>,
    /// Ascending.
    all: Vec<(Version, Arc<Schema>)>,
    /// What is annotated in any of them.
    privacy: Option<Plan>,
}

/// Why no schema was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No schema has the event's type.
    #[error("no schema for event `{event}`{}", near_names(.near))]
    Event {
        /// The type asked for.
        event: String,
        /// Known types spelled nearly so, the nearest first, at most three.
        near: Vec<String>,
    },
    /// The event is known, but not in this major.
    #[error("event `{event}` has no major version {major}; known: {}", join(.known))]
    Major {
        /// The type asked for.
        event: String,
        /// The major asked for.
        major: u32,
        /// The majors that are known, ascending.
        known: Vec<u32>,
    },
    /// `dataschema` is not a name and a version.
    #[error("dataschema `{dataschema}` is not of the form `{event}/1` or `{event}/1.2`")]
    Dataschema {
        /// The event's type.
        event: String,
        /// What was given.
        dataschema: String,
    },
    /// `dataschema` names another event than `type` does.
    #[error("dataschema `{dataschema}` is not a schema of event `{event}`")]
    Mismatch {
        /// The event's type.
        event: String,
        /// What was given.
        dataschema: String,
    },
}

impl Unknown {
    /// The attribute of the event that is at fault: `type` or `dataschema`. Fit for a violation's keyword.
    pub fn attribute(&self) -> &'static str {
        match self {
            Self::Event { .. } => "type",
            Self::Major { .. } | Self::Dataschema { .. } | Self::Mismatch { .. } => "dataschema",
        }
    }
}

/// "; known names like it: a, b", or nothing.
fn near_names(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("; near it: {}", join(names))
    }
}

fn join<T: ToString>(items: &[T]) -> String {
    items
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Registry {
    /// Loads every schema below `events_dir`.
    ///
    /// The directory holds `<event>/<version>.json`: the event's name as [`names::event_name`] allows, the version `1`
    /// or `1.2`. Folders that start with `_` hold documents that schemas may refer to and that are no events; `_iglu` holds
    /// those of [Iglu](crate::iglu). Hidden files and Markdown are passed over; anything else is an error. An event's data is an object; minors start at 0
    /// without gaps, each compatible with the one before (see [`crate::evolve`]); all minors of a major share a table,
    /// and no two majors do.
    ///
    /// # Errors
    /// Everything that is wrong with the set, each with its file, place and reason.
    pub fn load(events_dir: &Path) -> Result<Registry, LoadErrors> {
        load::load(events_dir)
    }

    /// Loads a set that is compiled into the binary: the path of each file below the set's directory, and its bytes.
    /// Files that a directory passes over (hidden ones, Markdown) are not to be among them.
    ///
    /// # Errors
    /// As [`Registry::load`].
    pub fn from_files<'a>(
        files: impl Iterator<Item = (&'a Path, &'a [u8])>,
    ) -> Result<Registry, LoadErrors> {
        load::from_files(files)
    }

    /// A registry with the built-in schemas only.
    ///
    /// # Errors
    /// When the built-in schemas do not compile: a defect of the build.
    pub fn empty() -> Result<Registry, LoadErrors> {
        load::empty()
    }

    /// The schema that an event is checked against.
    ///
    /// Without `dataschema` that is the newest minor of the newest major. `name/1` asks for the newest minor of
    /// major 1, `name/1.2` for exactly that minor, or for the newest one known when it is newer than any known here:
    /// a client may be ahead of the gateway. A URI that ends so is understood too, with or without `.json`.
    ///
    /// # Errors
    /// When there is no such schema; the error says what was probably meant.
    pub fn resolve(&self, event: &str, dataschema: Option<&str>) -> Result<&Arc<Schema>, Unknown> {
        let Some(versions) = self.events.get(event) else {
            let near = names::nearest(event, self.events.keys().map(AsRef::as_ref));
            return Err(Unknown::Event {
                event: event.to_owned(),
                near,
            });
        };
        let Some(dataschema) = dataschema else {
            return Ok(&versions.newest);
        };
        let Asked { major, minor } = asked_version(event, dataschema)?;
        let last = Version {
            major,
            minor: minor.unwrap_or(u32::MAX),
        };
        let behind = versions.all.partition_point(|(known, _)| *known <= last);
        match behind.checked_sub(1).and_then(|at| versions.all.get(at)) {
            Some((version, schema)) if version.major == major => Ok(schema),
            _ => {
                let mut known: Vec<u32> = versions.all.iter().map(|(v, _)| v.major).collect();
                known.dedup();
                Err(Unknown::Major {
                    event: event.to_owned(),
                    major,
                    known,
                })
            }
        }
    }

    /// The schema of exactly this name and version.
    fn exact(&self, event: &str, version: Version) -> Option<&Arc<Schema>> {
        let all = &self.events.get(event)?.all;
        let found = all.binary_search_by_key(&version, |(known, _)| *known);
        found.ok().map(|at| &all[at].1)
    }

    /// The schema that an envelope names as the one that its data was checked against, as `order_completed/1.1`.
    pub fn named(&self, dataschema: &str) -> Option<&Arc<Schema>> {
        let (event, version) = dataschema.rsplit_once('/')?;
        self.exact(event, version.parse().ok()?)
    }

    /// Whether anything in the set has the annotation `x-pii`.
    pub fn private(&self) -> bool {
        self.private
    }

    /// What is annotated in any version of an event: for data of which it is not known which of them it was to be.
    pub fn privacy(&self, event: &str) -> Option<&Plan> {
        self.events.get(event)?.privacy.as_ref()
    }

    /// The schemas, those of Iglu too, whose annotations need a key to hash values with; by their names.
    pub fn hashing(&self) -> Vec<String> {
        let events = self.schemas.iter();
        let events = events.filter_map(|schema| Some((schema.dataschema(), schema.privacy()?)));
        let hashing = events
            .chain(self.iglu.plans())
            .filter(|(_, plan)| plan.hashes());
        let mut names: Vec<String> = hashing.map(|(name, _)| name.to_owned()).collect();
        names.sort_unstable();
        names
    }

    /// The set's schemas of Iglu.
    pub fn iglu(&self) -> &Iglu {
        &self.iglu
    }

    /// Every schema, by event's name, then version; the built-in ones too.
    pub fn schemas(&self) -> impl Iterator<Item = &Arc<Schema>> {
        self.schemas.iter()
    }

    /// The minors of the one major that lands in `table`, ascending.
    pub fn family(&self, table: &str) -> Option<&[Arc<Schema>]> {
        self.families.get(table).map(Vec::as_slice)
    }

    /// Every table and the minors of the major that lands in it, by table's name; the built-in ones too.
    pub fn families(&self) -> impl Iterator<Item = (&str, &[Arc<Schema>])> {
        self.families
            .iter()
            .map(|(table, family)| (table.as_str(), family.as_slice()))
    }

    /// The tables to make before anything has landed in them: as [`Registry::families`], but those of SDKs' calls only
    /// where a schema describes a track call. Nobody else is known to have such calls.
    pub fn expected(&self) -> impl Iterator<Item = (&str, &[Arc<Schema>])> {
        let sdks = self.schemas.iter().any(|schema| schema.track());
        let call = |family: &[Arc<Schema>]| family.iter().any(|schema| schema.sdk_call());
        self.families()
            .filter(move |(_, family)| sdks || !call(family))
    }

    /// A hash over every schema's name, version and meaning: equal for equal sets on every machine.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

struct Asked {
    major: u32,
    minor: Option<u32>,
}

fn asked_version(event: &str, dataschema: &str) -> Result<Asked, Unknown> {
    let malformed = || Unknown::Dataschema {
        event: event.to_owned(),
        dataschema: dataschema.to_owned(),
    };
    let text = dataschema.strip_suffix(".json").unwrap_or(dataschema);
    let (path, version) = text.rsplit_once('/').ok_or_else(malformed)?;
    let parsed: Version = version.parse().map_err(|_| malformed())?;
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    if name.is_empty() {
        return Err(malformed());
    }
    if name != event {
        return Err(Unknown::Mismatch {
            event: event.to_owned(),
            dataschema: dataschema.to_owned(),
        });
    }
    Ok(Asked {
        major: parsed.major,
        minor: version.contains('.').then_some(parsed.minor),
    })
}

#[cfg(test)]
mod tests;
