//! Finding and parsing the files of a set of schemas.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LoadError;
use crate::iglu::{self, Name};
use crate::names;
use crate::privacy;
use crate::program::Document;
use crate::schema::Version;
use crate::walk::{Cursor, Kind, Syntax};

/// The largest schema file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How deep folders of shared documents may nest.
const FOLDER_DEPTH_MAX: u32 = 8;

/// Vendor, name and format: the folders around a schema of Iglu.
const IGLU_FOLDERS: u32 = 3;

/// How deep values may nest in a file: what serde_json reads.
const NESTING_MAX: u32 = 128;

/// What a document is there for.
#[derive(Debug, Clone)]
pub(super) enum Role {
    /// It is an event's schema.
    Event { name: Arc<str>, version: Version },
    /// Others may refer to it.
    Shared,
    /// It is one of Iglu's, of this name.
    Iglu { name: String },
    /// It annotates built-in schemas: no schema itself.
    Privacy,
}

/// A parsed file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: PathBuf,
    pub(super) role: Role,
    pub(super) document: Document,
}

/// Finds and parses every file of the set, in the order of their names.
pub(super) fn find(events_dir: &Path, errors: &mut Vec<LoadError>) -> Vec<Found> {
    let mut search = Search {
        root: events_dir,
        errors,
        found: Vec::new(),
    };
    for path in search.entries(events_dir) {
        let name = file_name(&path);
        if name == privacy::FILE && !path.is_dir() {
            search.document(&path, Role::Privacy);
        } else if !path.is_dir() {
            search.problem(&path, "a schema lives at <event>/<version>.json".to_owned());
        } else if name == iglu::FOLDER {
            search.iglu(&path, IGLU_FOLDERS);
        } else if name.starts_with('_') {
            search.shared(&path, FOLDER_DEPTH_MAX);
        } else if names::event_name(&name) {
            search.event(&path, &name);
        } else {
            search.problem(&path, names::EVENT_NAME_ALLOWED.to_owned());
        }
    }
    search.found
}

struct Search<'a> {
    root: &'a Path,
    errors: &'a mut Vec<LoadError>,
    found: Vec<Found>,
}

impl Search<'_> {
    fn problem(&mut self, path: &Path, reason: String) {
        let file = path.strip_prefix(self.root).unwrap_or(path);
        let file = if file.as_os_str().is_empty() {
            path
        } else {
            file
        };
        self.errors.push(LoadError {
            file: file.to_owned(),
            pointer: String::new(),
            reason,
        });
    }

    /// What is in a folder, without what is passed over.
    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()
        });
        let mut paths = match entries {
            Ok(paths) => paths,
            Err(error) => {
                self.problem(folder, format!("cannot be read: {error}"));
                return Vec::new();
            }
        };
        paths.retain(|path| {
            let name = file_name(path);
            !name.starts_with('.') && !name.ends_with(".md")
        });
        paths.sort();
        paths
    }

    fn event(&mut self, folder: &Path, name: &str) {
        let name: Arc<str> = Arc::from(name);
        let paths = self.entries(folder);
        if paths.is_empty() {
            self.problem(
                folder,
                "the event has no schema: <version>.json is missing".to_owned(),
            );
        }
        for path in paths {
            let file = file_name(&path);
            let version = file.strip_suffix(".json").map(str::parse::<Version>);
            match version {
                Some(Ok(version)) => {
                    self.document(
                        &path,
                        Role::Event {
                            name: Arc::clone(&name),
                            version,
                        },
                    );
                }
                _ => self.problem(
                    &path,
                    "a schema's file is <version>.json, such as 1.json or 1.2.json".to_owned(),
                ),
            }
        }
    }

    fn shared(&mut self, folder: &Path, depth_left: u32) {
        for path in self.entries(folder) {
            if path.is_dir() && depth_left > 0 {
                self.shared(&path, depth_left - 1);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                self.document(&path, Role::Shared);
            } else {
                self.problem(&path, "a shared document's file is <name>.json".to_owned());
            }
        }
    }

    fn iglu(&mut self, folder: &Path, depth_left: u32) {
        for path in self.entries(folder) {
            if path.is_dir() && depth_left > 0 {
                self.iglu(&path, depth_left - 1);
                continue;
            }
            match iglu_name(path.strip_prefix(self.root).unwrap_or(&path)) {
                Some(name) => self.document(&path, Role::Iglu { name }),
                None => self.problem(
                    &path,
                    "a schema of Iglu lives at <vendor>/<name>/jsonschema/<version>, such as 1-0-0"
                        .to_owned(),
                ),
            }
        }
    }

    fn document(&mut self, path: &Path, role: Role) {
        let size = fs::metadata(path).map(|metadata| metadata.len());
        if size.is_ok_and(|size| size > FILE_BYTES_MAX) {
            self.problem(path, format!("larger than {FILE_BYTES_MAX} bytes"));
            return;
        }
        match fs::read(path) {
            Ok(bytes) => {
                let file = path.strip_prefix(self.root).unwrap_or(path).to_owned();
                self.found.extend(parse(file, role, &bytes, self.errors));
            }
            Err(error) => self.problem(path, format!("cannot be read: {error}")),
        }
    }
}

/// The name of the schema of Iglu that is at this place of a set.
pub(super) fn iglu_name(path: &Path) -> Option<String> {
    let mut name = "iglu:".to_owned();
    for (number, part) in path.components().skip(1).enumerate() {
        name.push_str(if number == 0 { "" } else { "/" });
        name.push_str(part.as_os_str().to_str()?);
    }
    let is_one = Name::of(&name).is_some_and(|name| name.format == "jsonschema");
    is_one.then_some(name)
}

/// Parses one file. A member that occurs twice is a mistake that would otherwise go unseen: the last would win.
pub(super) fn parse(
    file: PathBuf,
    role: Role,
    bytes: &[u8],
    errors: &mut Vec<LoadError>,
) -> Option<Found> {
    let mut value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => {
            // serde_json's message ends with line and column.
            let reason = format!("not JSON: {error}");
            errors.push(LoadError {
                file,
                pointer: String::new(),
                reason,
            });
            return None;
        }
    };
    let mut repeated = Vec::new();
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(syntax) = repeats(&mut Cursor::new(text, NESTING_MAX), "", &mut repeated)
    {
        let reason = format!("not JSON: {syntax}");
        errors.push(LoadError {
            file,
            pointer: String::new(),
            reason,
        });
        return None;
    }
    if !repeated.is_empty() {
        errors.extend(repeated.into_iter().map(|pointer| {
            let reason = "occurs more than once".to_owned();
            LoadError {
                file: file.clone(),
                pointer,
                reason,
            }
        }));
        return None;
    }
    if let Role::Iglu { name } = &role
        && let Some(name) = Name::of(name)
        && let Err((pointer, reason)) = iglu::adapt(&mut value, &name)
    {
        errors.push(LoadError {
            file,
            pointer,
            reason,
        });
        return None;
    }
    let mut uri = "headgate:///events".to_owned();
    for part in file.components() {
        uri.push('/');
        uri.push_str(&part.as_os_str().to_string_lossy());
    }
    Some(Found {
        file,
        role,
        document: Document { uri, value },
    })
}

/// Collects the pointers to members whose name occurred before in the same object.
fn repeats(cursor: &mut Cursor<'_>, at: &str, found: &mut Vec<String>) -> Result<(), Syntax> {
    match cursor.kind()? {
        Kind::Object => {
            let mut names = BTreeSet::new();
            let mut more = cursor.object()?;
            while more {
                let name = cursor.key()?.decode();
                let here = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                repeats(cursor, &here, found)?;
                if !names.insert(name) {
                    found.push(here);
                }
                more = cursor.next_member()?;
            }
        }
        Kind::Array => {
            let mut more = cursor.array()?;
            let mut index = 0;
            while more {
                repeats(cursor, &format!("{at}/{index}"), found)?;
                more = cursor.next_element()?;
                index += 1;
            }
        }
        Kind::String | Kind::Number | Kind::Bool | Kind::Null => drop(cursor.skip()?),
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
