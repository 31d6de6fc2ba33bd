//! A directory of the local file system as a store.
//!
//! An object is written to a file under `.tmp`, synced, and then linked to its name: a hard link fails when the
//! name is taken, which is what makes a create exclusive, and it never shows half of a file. The folder's own
//! sync makes the name durable.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};

use super::{Error, Object, Store};

/// Where files wait for their name. Starts with a dot: no object's path does.
const PARTIAL: &str = ".tmp";

/// A store in a local directory.
#[derive(Debug, Clone)]
pub struct Local {
    root: Arc<Path>,
}

impl Local {
    /// Opens the directory, making it when it is not there.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let fail = |error| Error::failed("open", &dir.display().to_string(), error);
        fs::create_dir_all(dir.join(PARTIAL)).map_err(fail)?;
        let root: Arc<Path> = fs::canonicalize(dir).map_err(fail)?.into();
        Ok(Self { root })
    }

    /// The directory, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn file(&self, path: &str) -> io::Result<PathBuf> {
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('\\');
        if path.split('/').all(plain) {
            Ok(self.root.join(path))
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not an object's path",
            ))
        }
    }

    fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        path: &str,
        work: impl FnOnce(&Self, &str) -> io::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let (store, path) = (self.clone(), path.to_owned());
        async move {
            let name = path.clone();
            let done = tokio::task::spawn_blocking(move || work(&store, &path)).await;
            match done {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(match error.kind() {
                    io::ErrorKind::AlreadyExists => Error::AlreadyExists { path: name },
                    io::ErrorKind::NotFound => Error::NotFound { path: name },
                    _ => Error::failed(doing, &name, error),
                }),
                Err(stopped) => Err(Error::failed(doing, &name, stopped)),
            }
        }
        .boxed()
    }

    fn create_file(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.file(path)?;
        let folder = target.parent().unwrap_or(&self.root);
        self.make_folder(folder).map_err(not_a_verdict)?;
        let partial = self
            .root
            .join(PARTIAL)
            .join(uuid::Uuid::now_v7().to_string());
        let linked = write_synced(&partial, bytes)
            .map_err(not_a_verdict)
            .and_then(|()| fs::hard_link(&partial, &target));
        // Best effort: what stays is swept later.
        drop(fs::remove_file(&partial));
        match linked {
            Ok(()) => sync_folder(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                sync_folder(folder)?;
                Err(error)
            }
            Err(error) => Err(not_a_verdict(error)),
        }
    }

    /// Makes the folder and those above it, each durable in its parent.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(&self.root);
        if folder.starts_with(&*self.root) && parent != folder {
            self.make_folder(parent)?;
        }
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => sync_folder(parent),
        }
    }

    fn list_folder(&self, folder: &str, after: &str, max: usize) -> io::Result<Vec<Object>> {
        let mut found = Vec::new();
        self.walk(folder, after, max, &mut found)?;
        Ok(found)
    }

    /// Depth first in the order of the whole paths; folders that end before `after` are not entered.
    fn walk(
        &self,
        folder: &str,
        after: &str,
        max: usize,
        found: &mut Vec<Object>,
    ) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut children = BTreeMap::new();
        for entry in entries {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().filter(|n| !n.starts_with('.')) {
                let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
                children.insert(format!("{folder}{name}{slash}"), entry);
            }
        }
        for (path, entry) in children {
            if found.len() >= max {
                break;
            }
            if path.ends_with('/') {
                if path.as_str() > after || after.starts_with(&path) {
                    self.walk(&path, after, max, found)?;
                }
            } else if path.as_str() > after {
                match entry.metadata() {
                    // Removed since the folder was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    metadata => found.push(object(path, &metadata?)),
                }
            }
        }
        Ok(())
    }

    fn remove_partial(&self, written_ms: i64) -> io::Result<u64> {
        let mut removed = 0;
        for entry in fs::read_dir(self.root.join(PARTIAL))? {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if object(String::new(), &metadata).written_ms < written_ms {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Store for Local {
    fn create(&self, path: &str, bytes: Bytes) -> BoxFuture<'_, Result<(), Error>> {
        self.run("create", path, move |store, path| {
            store.create_file(path, &bytes)
        })
    }

    fn read(&self, path: &str) -> BoxFuture<'_, Result<Bytes, Error>> {
        self.run("read", path, |store, path| {
            fs::read(store.file(path)?).map(Bytes::from)
        })
    }

    fn list(
        &self,
        folder: &str,
        after: &str,
        objects_max: usize,
    ) -> BoxFuture<'_, Result<Vec<Object>, Error>> {
        let after = after.to_owned();
        self.run("list", folder, move |store, folder| {
            store.list_folder(folder, &after, objects_max)
        })
    }

    fn delete(&self, path: &str) -> BoxFuture<'_, Result<(), Error>> {
        self.run("delete", path, |store, path| {
            match fs::remove_file(store.file(path)?) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        })
    }

    fn sweep_partial(&self, written_ms: i64) -> BoxFuture<'_, Result<u64, Error>> {
        self.run("sweep", PARTIAL, move |store, _| {
            store.remove_partial(written_ms)
        })
    }
}

/// Only the link itself may answer "exists" or "not found" for the object: on the way there, a folder that is
/// gone is a failure like any other.
fn not_a_verdict(error: io::Error) -> io::Error {
    io::Error::other(error)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(not_a_verdict)
}

fn object(path: String, metadata: &fs::Metadata) -> Object {
    let since = metadata
        .modified()
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    Object {
        path,
        bytes: metadata.len(),
        written_ms: since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
    }
}

#[cfg(test)]
mod tests;
