//! A directory of the local file system as a store.
//!
//! An object is written to a file under `.tmp`, synced, and then linked to its name: a hard link fails when the
//! name is taken, which is what makes a create exclusive, and it never shows half of a file. The folder's own
//! sync makes the name durable.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};

use super::{Error, Object, Store, is_path};

/// Where files wait for their name. Starts with a dot: no object's path does.
const PARTIAL: &str = ".tmp";

/// Names of a folder that are kept before the later ones are dropped for the first time.
const KEPT_MIN: usize = 1_024;

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
        if is_path(path) {
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
        let children = self.children(folder, after, max)?;
        for path in children.first {
            if found.len() >= max {
                return Ok(());
            }
            if path.ends_with('/') {
                self.walk(&path, after, max, found)?;
            } else {
                match fs::symlink_metadata(self.root.join(&path)) {
                    // Removed since the folder was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    metadata => found.push(object(path, &metadata?)),
                }
            }
        }
        match children.more_after {
            // The highest character: a folder that was read is not read again.
            Some(last) if found.len() < max => {
                self.walk(folder, &format!("{last}\u{10ffff}"), max, found)
            }
            _ => Ok(()),
        }
    }

    /// What lies in a folder, in order, after `after`. A folder of millions is read through, but no more names are
    /// kept than `max` objects need.
    fn children(&self, folder: &str, after: &str, max: usize) -> io::Result<Children> {
        let mut children = Children::default();
        let entries = match fs::read_dir(self.root.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(children),
            entries => entries?,
        };
        let kept_max = max.saturating_mul(2).saturating_add(KEPT_MIN);
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
            let path = format!("{folder}{name}{slash}");
            let entered = !slash.is_empty() && after.starts_with(&path);
            let dropped = children
                .more_after
                .as_ref()
                .is_some_and(|last| path > *last);
            if dropped || name.starts_with('.') || !(path.as_str() > after || entered) {
                continue;
            }
            children.first.push(path);
            if children.first.len() >= kept_max {
                children.keep(max);
            }
        }
        children.first.sort_unstable();
        Ok(children)
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
            let read = fs::read(store.file(path)?);
            read.map(Bytes::from).map_err(no_object)
        })
    }

    fn read_range(&self, path: &str, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, Error>> {
        self.run("read", path, move |store, path| {
            read_range(&store.file(path)?, range).map_err(no_object)
        })
    }

    fn head(&self, path: &str) -> BoxFuture<'_, Result<Object, Error>> {
        self.run("look at", path, |store, path| {
            let metadata = fs::metadata(store.file(path)?).map_err(no_object)?;
            if !metadata.is_file() {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(object(path.to_owned(), &metadata))
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

/// Names in a folder; a folder's own ends in `/`.
#[derive(Debug, Default)]
struct Children {
    first: Vec<String>,
    /// The last of `first`, when there are or were others behind it.
    more_after: Option<String>,
}

impl Children {
    /// Drops all names but the first `max` and one.
    fn keep(&mut self, max: usize) {
        let (_, last, _) = self.first.select_nth_unstable(max);
        self.more_after = Some(last.clone());
        self.first.truncate(max + 1);
    }
}

/// Only the link itself may answer "exists" or "not found" for the object: on the way there, a folder that is
/// gone is a failure like any other.
fn not_a_verdict(error: io::Error) -> io::Error {
    io::Error::other(error)
}

/// Where a folder is, or where a file is the folder of, there is no object.
fn no_object(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            io::ErrorKind::NotFound.into()
        }
        _ => error,
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read_range(path: &Path, range: Range<u64>) -> io::Result<Bytes> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    file.take(range.end - range.start).read_to_end(&mut bytes)?;
    Ok(bytes.into())
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
