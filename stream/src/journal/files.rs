//! The journal's files and directories, and the care that makes them durable: a new name counts only once its
//! directory was fsynced.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Error;

/// The format of everything below a topic's directory.
pub(super) const FORMAT: u32 = 1;

/// A topic's `meta.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// [`FORMAT`] of the version that made the topic.
    pub(super) format: u32,
    /// Changes when the topic is made anew.
    pub(super) incarnation: String,
    /// How many partitions there are.
    pub(super) partitions: u32,
}

/// Takes the directory for this process; the file is to be kept open. Others are told [`Error::InUse`].
pub(super) fn lock(dir: &Path) -> Result<File, Error> {
    make_dir(dir)?;
    let path = dir.join("lock");
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let file = opened.map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path }),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", &path)(source)),
    }
}

/// The topic's description as it is; `None`: there is no such topic.
pub(super) fn found_meta(dir: &Path) -> Result<Option<Meta>, Error> {
    let path = dir.join("meta.json");
    let found: Option<Meta> = read_json(&path)?;
    match found {
        Some(meta) if meta.format != FORMAT => Err(Error::Format {
            path,
            found: meta.format,
            known: FORMAT,
        }),
        found => Ok(found),
    }
}

/// The topic's description; made when there is none, and changed when more partitions are wanted.
pub(super) fn topic_meta(dir: &Path, partitions: u32) -> Result<Meta, Error> {
    make_dir(dir)?;
    let path = dir.join("meta.json");
    let incarnation = uuid::Uuid::now_v7().to_string();
    let found: Option<Meta> = read_json(&path)?;
    let made = found.is_none();
    let mut meta = found.unwrap_or(Meta {
        format: FORMAT,
        incarnation,
        partitions,
    });
    if meta.format != FORMAT {
        return Err(Error::Format {
            path,
            found: meta.format,
            known: FORMAT,
        });
    }
    if made && dir.join("0").exists() {
        let reason = "it is missing, but the topic's partitions are there".to_owned();
        return Err(Error::Corrupt {
            path,
            at: 0,
            reason,
        });
    }
    if meta.partitions > partitions {
        return Err(Error::Partitions {
            path,
            found: meta.partitions,
            wanted: partitions,
        });
    }
    if made || meta.partitions < partitions {
        meta.partitions = partitions;
        write_json(&path, &meta)?;
    }
    Ok(meta)
}

/// Whether the name can be a file name everywhere.
pub(super) fn check_name(kind: &'static str, name: &str) -> Result<(), Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=128).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain);
    fits.then_some(()).ok_or_else(|| Error::Name {
        kind,
        name: name.to_owned(),
    })
}

/// Makes the directory and those above it, durably.
pub(super) fn make_dir(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_dir(above)?;
    }
    fs::create_dir(dir).map_err(Error::io("create", dir))?;
    sync_parent(dir)
}

/// Makes the names in the directory above `path` durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), Error> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let above = above.unwrap_or_else(|| Path::new("."));
    let synced = File::open(above).and_then(|dir| dir.sync_all());
    synced.map_err(Error::io("sync", above))
}

/// The JSON file's content; none when there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::io("read", path)(source)),
    };
    let corrupt = |e: serde_json::Error| Error::Corrupt {
        path: path.to_owned(),
        at: 0,
        reason: e.to_string(),
    };
    serde_json::from_slice(&text).map(Some).map_err(corrupt)
}

/// Replaces the JSON file durably: whoever reads it finds the old or the new content, whole.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let beside = path.with_extension("json.new");
    let text = serde_json::to_vec(value).map_err(io::Error::from);
    let written = text.and_then(|text| {
        let mut file = File::create(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    written.map_err(Error::io("write", path))?;
    sync_parent(path)
}

/// The segment's file name: the offset of its first record, so that names sort as offsets do.
pub(super) fn segment_path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.log"))
}

/// The partition's segments by the offset of their first record, ascending.
pub(super) fn segment_bases(dir: &Path) -> Result<Vec<u64>, Error> {
    let mut bases = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let name = entry.map_err(Error::io("list", dir))?.file_name();
        let Some(digits) = name.to_str().and_then(|name| name.strip_suffix(".log")) else {
            continue;
        };
        let whole = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
        match digits.parse().ok().filter(|_| whole) {
            Some(base) => bases.push(base),
            None => {
                let reason = "a segment's name is 20 digits and .log".to_owned();
                return Err(Error::Corrupt {
                    path: dir.join(name),
                    at: 0,
                    reason,
                });
            }
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

/// Makes an empty segment, durably by name.
pub(super) fn create_segment(dir: &Path, base: u64) -> Result<File, Error> {
    let path = segment_path(dir, base);
    // A crash between making the file and its first frame leaves it behind, empty; it is taken up again.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let file = file.map_err(Error::io("create", &path))?;
    sync_parent(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        for name in ["", ".", "..", "a/b", "a\0", ".hidden", "ä"] {
            assert!(check_name("topic", name).is_err(), "{name:?}");
        }
        assert!(check_name("topic", "bad_events-1.x").is_ok());
    }

    #[test]
    fn partitions_can_be_added_and_never_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let made = topic_meta(dir.path(), 1).unwrap();
        let raised = topic_meta(dir.path(), 3).unwrap();
        assert_eq!(
            (raised.partitions, &raised.incarnation),
            (3, &made.incarnation)
        );
        let lowered = topic_meta(dir.path(), 2);
        assert!(matches!(
            lowered,
            Err(Error::Partitions {
                found: 3,
                wanted: 2,
                ..
            })
        ));
    }

    #[test]
    fn a_format_of_the_future_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let meta = Meta {
            format: 2,
            incarnation: "i".into(),
            partitions: 1,
        };
        write_json(&dir.path().join("meta.json"), &meta).unwrap();
        assert!(matches!(
            topic_meta(dir.path(), 1),
            Err(Error::Format { found: 2, .. })
        ));
    }
}
