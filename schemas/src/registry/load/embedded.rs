//! Sets of schemas that do not lie in a directory: those compiled into a binary.

use std::path::Path;
use std::sync::Arc;

use super::LoadError;
use super::files::{self, Found, Role};
use crate::iglu;
use crate::names;
use crate::privacy;
use crate::schema::Version;

/// Parses files by their paths below the set's directory, under the same rules as a directory's files.
pub(super) fn parse<'a>(
    contents: impl Iterator<Item = (&'a Path, &'a [u8])>,
    errors: &mut Vec<LoadError>,
) -> Vec<Found> {
    let mut found = Vec::new();
    for (path, bytes) in contents {
        match role(path) {
            Some(role) => found.extend(files::parse(path.to_owned(), role, bytes, errors)),
            None => errors.push(LoadError {
                file: path.to_owned(),
                pointer: String::new(),
                reason: "a schema lives at <event>/<version>.json".to_owned(),
            }),
        }
    }
    found
}

fn role(path: &Path) -> Option<Role> {
    let folder = path.components().next()?.as_os_str().to_str()?;
    if path == Path::new(privacy::FILE) {
        return Some(Role::Privacy);
    }
    if folder == iglu::FOLDER {
        return files::iglu_name(path).map(|name| Role::Iglu { name });
    }
    if folder.starts_with('_') {
        return Some(Role::Shared);
    }
    let version: Version = path.file_stem()?.to_str()?.parse().ok()?;
    let name = path
        .parent()
        .and_then(Path::to_str)
        .filter(|name| names::event_name(name))?;
    Some(Role::Event {
        name: Arc::from(name),
        version,
    })
}
